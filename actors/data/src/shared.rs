//! What all actors of one pipeline share: stop flag, counters, the addresses to report to. No globals anywhere.
//! Not here: decisions (see `conductor`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cache::Cache;
use crate::machine;
use crate::observe::{Readiness, StageMeter};
use crate::sabotage::Sabotage;
use crate::tap::Tap;

/// The pipeline stages that have a meter, in dataflow order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageName {
    /// Positional reads, CRCs, parsing.
    Read = 0,
    /// JPEG to row.
    Decode = 1,
    /// Photometric changes in the row.
    Augment = 2,
    /// Plan order.
    Sequence = 3,
}

impl StageName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Decode, Self::Augment, Self::Sequence];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Decode => "decode",
            Self::Augment => "augment",
            Self::Sequence => "sequence",
        }
    }
}

/// What the threads of a pipeline with a CPU budget have used.
pub struct CpuMeter {
    /// Share of the machine's cores that they may use.
    pub share: f64,
    /// How nice its threads are to others.
    pub niceness: i32,
    /// CPU time of pools and sequencer, nanoseconds.
    pub used_ns: AtomicU64,
    /// Time during which chunks were held back.
    pub held_back: Clock,
}

/// Counts the CPU time of one thread.
#[derive(Default)]
pub struct ThreadCpu(Duration);

impl ThreadCpu {
    /// Called first on a thread that works under a budget: makes it nice, and counts from here on.
    pub fn begin(shared: &Shared) -> Self {
        let Some(cpu) = &shared.cpu else { return Self::default() };
        if let Err(error) = machine::set_niceness(cpu.niceness) {
            tracing::warn!(%error, "a pipeline thread keeps its priority, though --cpu-budget asks for a lower one");
        }
        Self(machine::thread_cpu())
    }

    /// Books what was used since the last time.
    pub fn book(&mut self, shared: &Shared) {
        let Some(cpu) = &shared.cpu else { return };
        let now = machine::thread_cpu();
        cpu.used_ns.fetch_add(nanoseconds(now.saturating_sub(self.0)), Ordering::Relaxed);
        self.0 = now;
    }
}

/// Shared state of one pipeline.
pub struct Shared {
    /// Set once: workers pass chunks on untouched, everything drains.
    pub stop: AtomicBool,
    /// One meter a stage, indexed by [`StageName`].
    pub meters: [StageMeter; 4],
    /// Whether the batch channel holds something.
    pub batch_readiness: Readiness,
    /// Time without any credit to give: then idle workers wait for output, not for input.
    pub no_credit: Clock,
    /// What the consumer waited for batches and what it did otherwise, nanoseconds.
    pub consumer_wait_ns: AtomicU64,
    /// See `consumer_wait_ns`.
    pub consumer_busy_ns: AtomicU64,
    /// Nanoseconds of the decode stage's work that went into making pictures of encoded images.
    pub picture_ns: AtomicU64,
    /// The budget of CPU time that workers count for, if there is one.
    pub cpu: Option<CpuMeter>,
    /// Encoded bytes in flight.
    pub encoded_bytes: AtomicU64,
    /// Bytes of all slabs.
    pub slab_bytes: u64,
    /// Distinct bad records: (first 8 bytes of the data set's fingerprint, record).
    pub bad_records: Mutex<BTreeSet<(u64, u32)>>,
    /// Quarantined tickets that were handed over, by reason.
    pub reasons: Mutex<BTreeMap<&'static str, u64>>,
    /// What is kept between epochs.
    pub cache: Option<Arc<Cache>>,
    /// Somebody who may want to see rows.
    pub tap: Option<Arc<Tap>>,
    /// Test-only troublemaker.
    pub sabotage: Option<Arc<dyn Sabotage>>,
    /// When the pipeline started.
    pub started: Instant,
}

impl Shared {
    /// Whether everything should come to an end.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The meter of a stage.
    pub fn meter(&self, stage: StageName) -> &StageMeter {
        &self.meters[stage as usize]
    }
}

/// Locks whatever a panicking thread may have left: our guarded values are always whole between statements.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A duration in whole nanoseconds.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Time during which a condition held, readable while it does.
#[derive(Default)]
pub struct Clock(Mutex<(Duration, Option<Instant>)>);

impl Clock {
    /// Says whether the condition holds from now on.
    pub fn set(&self, holds: bool) {
        let mut state = lock(&self.0);
        match (holds, state.1) {
            (true, None) => state.1 = Some(Instant::now()),
            (false, Some(since)) => {
                state.0 += since.elapsed();
                state.1 = None;
            }
            _ => {}
        }
    }

    /// How long it has held so far.
    pub fn total(&self) -> Duration {
        let state = lock(&self.0);
        state.0 + state.1.map_or(Duration::ZERO, |since| since.elapsed())
    }
}
