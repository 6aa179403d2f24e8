//! Meters of the stages, the snapshot made of them, and the sentence that names the bottleneck (see `verdict`).
//! Not here: pictures of it (the application's business).

pub mod service;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fastgarden_proto::observe::{Count, CpuBudget, Reason, Snapshot, Stage};

use self::service::ServiceTimes;
use crate::limits::ENCODED_BYTES_IN_FLIGHT_MAX;
use crate::outcome::Tally;
use crate::shared::{Shared, StageName, lock};

pub use self::verdict::Verdict;

const DECODE: usize = StageName::Decode as usize;

/// Counters of one stage, added to once a chunk.
#[derive(Default)]
pub struct StageMeter {
    /// Workers of its own pool.
    pub workers: AtomicU64,
    /// How many live.
    pub alive: AtomicI64,
    /// Actors built beyond the first of each worker.
    pub restarts: AtomicU64,
    /// Nanoseconds at work.
    pub busy_ns: AtomicU64,
    /// Nanoseconds idle while there was credit to give.
    pub wait_input_ns: AtomicU64,
    /// Nanoseconds idle while there was none.
    pub wait_output_ns: AtomicU64,
    /// Tickets handled.
    pub tickets: AtomicU64,
    /// Bytes handled: encoded ones for read and decode, pixels for augment and sequence.
    pub bytes: AtomicU64,
    /// Its input queue.
    pub queue: Readiness,
    /// How long the work on each chunk took.
    pub service: ServiceTimes,
}

/// How long a queue held at least one item (the readiness of Meta's SPDL: 1 − empty time ÷ window).
pub struct Readiness(Mutex<(u64, Duration, Instant)>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Mutex::new((0, Duration::ZERO, Instant::now())))
    }
}

impl Readiness {
    /// An item went in.
    pub fn push(&self) {
        let mut state = lock(&self.0);
        if state.0 == 0 {
            state.2 = Instant::now();
        }
        state.0 += 1;
    }

    /// An item came out.
    pub fn pop(&self) {
        let mut state = lock(&self.0);
        assert!(state.0 > 0, "nothing comes out of a queue that never went in");
        state.0 -= 1;
        if state.0 == 0 {
            let since = state.2;
            state.1 += since.elapsed();
        }
    }

    /// Time with something in it.
    pub fn filled(&self) -> Duration {
        let state = lock(&self.0);
        if state.0 > 0 { state.1 + state.2.elapsed() } else { state.1 }
    }
}

/// The snapshot of this moment.
pub fn snapshot(shared: &Shared, tally: Tally, credits_free: u64, credits_in_slabs: u64) -> Snapshot {
    let seconds = shared.started.elapsed().as_secs_f64();
    let share = |filled: Duration| (filled.as_secs_f64() / seconds.max(1e-9)).min(1.0);
    Snapshot {
        seconds,
        stages: StageName::ALL.iter().map(|&name| stage(shared, name, &share)).collect(),
        count: Some(Count {
            issued: tally.issued,
            in_flight: tally.in_flight,
            trained: tally.trained,
            evaluated: tally.evaluated,
            quarantined: tally.quarantined,
            dropped_last: tally.dropped_last,
            credits_free,
            credits_in_slabs,
        }),
        batch_readiness: share(shared.batch_readiness.filled()),
        consumer_wait_s: seconds_of(&shared.consumer_wait_ns),
        consumer_busy_s: seconds_of(&shared.consumer_busy_ns),
        slab_bytes: shared.slab_bytes,
        encoded_bytes: shared.encoded_bytes.load(Relaxed),
        quarantined_records: lock(&shared.bad_records).len() as u64,
        picture_s: seconds_of(&shared.picture_ns),
        cache: shared.cache.as_ref().map(|cache| cache.observe()),
        cpu_budget: shared.cpu.as_ref().map(|cpu| CpuBudget {
            share: cpu.share,
            used_s: seconds_of(&cpu.used_ns),
            held_back_s: cpu.held_back.total().as_secs_f64(),
        }),
        quarantined: lock(&shared.reasons)
            .iter()
            .map(|(&name, &tickets)| Reason { name: name.to_owned(), tickets })
            .collect(),
        encoded_bytes_max: ENCODED_BYTES_IN_FLIGHT_MAX,
    }
}

fn stage(shared: &Shared, name: StageName, share: &dyn Fn(Duration) -> f64) -> Stage {
    let meter = shared.meter(name);
    Stage {
        name: name.name().to_owned(),
        workers: meter.workers.load(Relaxed) as u32,
        workers_alive: meter.alive.load(Relaxed).max(0) as u32,
        restarts: meter.restarts.load(Relaxed),
        busy_s: seconds_of(&meter.busy_ns),
        wait_input_s: seconds_of(&meter.wait_input_ns),
        wait_output_s: seconds_of(&meter.wait_output_ns),
        tickets: meter.tickets.load(Relaxed),
        bytes: meter.bytes.load(Relaxed),
        readiness: share(meter.queue.filled()),
        service_counts: meter.service.counts(),
    }
}

fn seconds_of(nanoseconds: &AtomicU64) -> f64 {
    nanoseconds.load(Relaxed) as f64 / 1e9
}

/// What happened between two snapshots of one pipeline.
pub struct Window<'a> {
    /// The earlier one.
    pub from: &'a Snapshot,
    /// The later one.
    pub to: &'a Snapshot,
}

impl Window<'_> {
    /// Its length, seconds.
    pub fn seconds(&self) -> f64 {
        (self.to.seconds - self.from.seconds).max(1e-9)
    }

    /// Share of the window that the consumer waited for a batch, 0 to 1.
    pub fn consumer_wait_share(&self) -> f64 {
        let wait = self.to.consumer_wait_s - self.from.consumer_wait_s;
        let busy = self.to.consumer_busy_s - self.from.consumer_busy_s;
        if wait + busy <= 0.0 { 0.0 } else { wait / (wait + busy) }
    }

    /// Busy, waiting-for-input and waiting-for-output share of a stage, each 0 to 1 of its pool's time. The decoders do
    /// the work of a stage that has no workers of its own; all waiting is then theirs.
    pub fn shares(&self, stage: usize) -> (f64, f64, f64) {
        let pool = if self.to.stages[stage].workers > 0 { stage } else { DECODE };
        let whole: f64 = self.stages_of(pool).flat_map(|stage| self.parts(stage)).sum();
        let [busy, input, output] = self.parts(stage).map(|part| if whole > 0.0 { part / whole } else { 0.0 });
        (busy, input, output)
    }

    /// Share of a pool's time that it works, for whatever stage.
    pub fn pool_busy(&self, pool: usize) -> f64 {
        self.stages_of(pool).map(|stage| self.shares(stage).0).sum()
    }

    /// The stages that a pool works for: its own, and for the decoders those without workers.
    fn stages_of(&self, pool: usize) -> impl Iterator<Item = usize> {
        let works_for = move |&stage: &usize| stage == pool || (pool == DECODE && self.to.stages[stage].workers == 0);
        (0..self.to.stages.len()).filter(works_for)
    }

    /// Seconds busy, waiting for input and waiting for output.
    fn parts(&self, stage: usize) -> [f64; 3] {
        let (from, to) = (&self.from.stages[stage], &self.to.stages[stage]);
        [to.busy_s - from.busy_s, to.wait_input_s - from.wait_input_s, to.wait_output_s - from.wait_output_s]
    }

    /// Readiness of a stage's input queue within the window.
    pub fn readiness(&self, stage: usize) -> f64 {
        let filled = |snapshot: &Snapshot| snapshot.stages[stage].readiness * snapshot.seconds;
        ((filled(self.to) - filled(self.from)) / self.seconds()).clamp(0.0, 1.0)
    }

    /// Readiness of the batch channel within the window.
    pub fn batch_readiness(&self) -> f64 {
        let filled = |snapshot: &Snapshot| snapshot.batch_readiness * snapshot.seconds;
        ((filled(self.to) - filled(self.from)) / self.seconds()).clamp(0.0, 1.0)
    }

    /// Seconds that the work on a chunk took, at most, for this share of them (0.5 = the median); `None` where there were
    /// none.
    pub fn service_s(&self, stage: usize, share: f64) -> Option<f64> {
        let (from, to) = (&self.from.stages[stage].service_counts, &self.to.stages[stage].service_counts);
        service::quantile_s(&service::difference(from, to), share)
    }

    /// Adds this window to a sum of windows, which then says of all of them what it says of one: begin with
    /// [`nothing`], and look at the sum through a window from [`nothing`] to it. Counts that are not cumulative are this
    /// window's.
    pub fn add_to(&self, sum: &mut Snapshot) {
        let (from, to) = (self.from, self.to);
        let filled = |snapshot: &Snapshot, stage: usize| snapshot.stages[stage].readiness * snapshot.seconds;
        let seconds = sum.seconds + to.seconds - from.seconds;
        for stage in 0..to.stages.len() {
            let filled = filled(sum, stage) + filled(to, stage) - filled(from, stage);
            let (sum, from, to) = (&mut sum.stages[stage], &from.stages[stage], &to.stages[stage]);
            *sum = Stage {
                name: to.name.clone(),
                workers: to.workers,
                workers_alive: to.workers_alive,
                restarts: sum.restarts + to.restarts - from.restarts,
                busy_s: sum.busy_s + to.busy_s - from.busy_s,
                wait_input_s: sum.wait_input_s + to.wait_input_s - from.wait_input_s,
                wait_output_s: sum.wait_output_s + to.wait_output_s - from.wait_output_s,
                tickets: sum.tickets + to.tickets - from.tickets,
                bytes: sum.bytes + to.bytes - from.bytes,
                readiness: filled / seconds.max(1e-9),
                service_counts: service::sum(
                    &sum.service_counts,
                    &service::difference(&from.service_counts, &to.service_counts),
                ),
            };
        }
        let budget = |snapshot: &Snapshot| snapshot.cpu_budget.unwrap_or_default();
        let cpu_budget = to.cpu_budget.map(|seen| CpuBudget {
            share: seen.share,
            used_s: budget(sum).used_s + seen.used_s - budget(from).used_s,
            held_back_s: budget(sum).held_back_s + seen.held_back_s - budget(from).held_back_s,
        });
        *sum = Snapshot {
            seconds,
            stages: std::mem::take(&mut sum.stages),
            consumer_wait_s: sum.consumer_wait_s + to.consumer_wait_s - from.consumer_wait_s,
            consumer_busy_s: sum.consumer_busy_s + to.consumer_busy_s - from.consumer_busy_s,
            picture_s: sum.picture_s + to.picture_s - from.picture_s,
            cpu_budget,
            quarantined: sum_of_reasons(&sum.quarantined, &from.quarantined, &to.quarantined),
            ..to.clone()
        };
    }
}

fn sum_of_reasons(sum: &[Reason], from: &[Reason], to: &[Reason]) -> Vec<Reason> {
    let mut counts: BTreeMap<&str, u64> = sum.iter().map(|reason| (reason.name.as_str(), reason.tickets)).collect();
    for reason in to {
        let before = from.iter().find(|before| before.name == reason.name).map_or(0, |before| before.tickets);
        *counts.entry(&reason.name).or_default() += reason.tickets - before;
    }
    counts.into_iter().map(|(name, tickets)| Reason { name: name.to_owned(), tickets }).collect()
}

/// The snapshot of a pipeline that has done nothing.
pub fn nothing() -> Snapshot {
    let stages = StageName::ALL.iter().map(|name| Stage { name: name.name().to_owned(), ..Stage::default() });
    Snapshot { stages: stages.collect(), ..Snapshot::default() }
}
