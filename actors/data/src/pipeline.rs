//! The run object: starts System, pools, slabs and sequencer, opens phases, ends without leaving a thread behind.
//! Not here: what the actors do. Not a global: a process may hold several, each test holds its own.

mod options;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use actix::{Actor, Addr, System};
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded, select};
use fastgarden_proto::observe::Snapshot;

use crate::augmenter::Augmenter;
use crate::batch::Batch;
use crate::conductor::{ClosePhase, Conductor, Introduce, Observe, OpenPhase};
use crate::decoder::Decoder;
use crate::failure::PipelineError;
use crate::limits::SLABS_BYTES_MAX;
use crate::machine;
use crate::outcome::Tally;
use crate::phase::{Phase, PhaseKind, PhaseSpec};
use crate::reader::Reader;
use crate::sequencer::{Delivery, Sequencer, ToSequencer};
use crate::shared::{Clock, CpuMeter, Shared, StageName, lock, nanoseconds};
use crate::slab::Slab;
use crate::tell::tell;
use crate::worker::{Next, Pool, StageFactory, WorkMaker, Worker};

pub use self::options::PipelineOptions;

/// How much nicer than the process the threads of a pipeline with a CPU budget are.
const NICER_BY: i32 = 10;

/// A running pipeline. Dropping it stops everything and waits for every thread.
pub struct Pipeline {
    shared: Arc<Shared>,
    conductor: Addr<Conductor>,
    system: System,
    batches: Receiver<Delivery>,
    stop: Option<Sender<()>>,
    ended: Receiver<()>,
    threads: Vec<JoinHandle<()>>,
    bad_records_max: u64,
}

impl Pipeline {
    /// Starts the pools. No record is read before a phase is opened.
    pub fn start(options: PipelineOptions) -> Result<Self, PipelineError> {
        assert!(options.decoders >= 1 && options.prefetch_batches >= 1, "validated by whoever built the options");
        let slabs = allocate_slabs(&options)?;
        let shared = Arc::new(share(&options, slabs.len()));
        // Every row may come as a chunk of its own, so this many messages can be under way: sending never blocks.
        let (to_sequencer, chunks) = bounded(slabs.len() * options.batch_rows_max + slabs.len() + 8);
        let (to_consumer, batches) = bounded(options.prefetch_batches);
        let (stop, stopped) = bounded(0);
        let (alive, ended) = bounded(0);
        let bad_records_max = options.bad_records_max;

        let (ready, started) = bounded(1);
        let conductor_thread = {
            let (shared, to_sequencer) = (Arc::clone(&shared), to_sequencer);
            spawn("conductor", move || {
                let runner = System::new();
                runner.block_on(async move {
                    let conductor = Conductor::new(Arc::clone(&shared), to_sequencer.clone(), slabs).start();
                    start_pools(&options, &conductor, &shared, &to_sequencer, &alive);
                    let _ = ready.send((System::current(), conductor));
                });
                if let Err(error) = runner.run() {
                    tracing::error!(%error, "the actor system ended badly");
                }
            })
        }?;
        let (system, conductor) =
            started.recv().map_err(|_| PipelineError::Bug("the actor system did not start".to_owned()))?;
        let sequencer = Sequencer {
            chunks,
            batches: to_consumer,
            stop: stopped,
            conductor: Arc::new(conductor.clone()),
            shared: Arc::clone(&shared),
        };
        let sequencer_thread = spawn("sequence", move || sequencer.run())?;
        let threads = vec![conductor_thread, sequencer_thread];
        Ok(Self { shared, conductor, system, batches, stop: Some(stop), ended, threads, bad_records_max })
    }

    /// Opens a phase. The one before must be finished.
    pub fn open(&self, spec: PhaseSpec) -> Result<Batches<'_>, PipelineError> {
        let begins_at_a_batch = spec.first_seq.is_multiple_of(spec.batch_rows as u64);
        assert!(begins_at_a_batch || spec.first_seq >= spec.end_seq(), "a phase begins at a batch, or is over");
        let batches_left = spec.batches();
        let (reply, answer) = bounded(1);
        tell(&self.conductor, OpenPhase { spec, reply });
        let phase = answer.recv().unwrap_or(Err(PipelineError::Stopped))?;
        Ok(Batches { pipeline: self, phase, batches_left, returned_at: Instant::now() })
    }

    /// One snapshot of everything.
    pub fn observe(&self) -> Result<Snapshot, PipelineError> {
        let (reply, answer) = bounded(1);
        tell(&self.conductor, Observe { reply });
        answer.recv().map_err(|_| PipelineError::Stopped)
    }

    /// Something that can observe from another thread while this one consumes.
    pub fn observer(&self) -> Observer {
        Observer(self.conductor.clone())
    }

    /// Runs something on the arbiter of this pipeline, for instance to start a sync actor in its System. Must not block.
    pub fn on_arbiter<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PipelineError> {
        let (reply, answer) = bounded(1);
        self.system.arbiter().spawn_fn(move || {
            let _ = reply.send(work());
        });
        answer.recv().map_err(|_| PipelineError::Stopped)
    }

    /// Bad records met in earlier attempts at this run, so that the budget spans them.
    pub fn remember_bad_records(&self, records: impl IntoIterator<Item = (u64, u32)>) {
        lock(&self.shared.bad_records).extend(records);
    }

    /// Distinct bad records so far: (first 8 bytes of the data set's fingerprint, record).
    pub fn bad_records(&self) -> Vec<(u64, u32)> {
        lock(&self.shared.bad_records).iter().copied().collect()
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.shared.stop.store(true, Release);
        drop(self.stop.take());
        // A batch in the channel holds a slab and the conductor's address; nobody will take it any more.
        while self.batches.try_recv().is_ok() {}
        self.system.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a pipeline thread ended in a panic");
            }
        }
        // Disconnects when the last worker has dropped its end: no thread is left behind.
        let _ = self.ended.recv();
    }
}

/// A handle for observing only.
#[derive(Clone)]
pub struct Observer(Addr<Conductor>);

impl Observer {
    /// The snapshot of this moment; `None` when the pipeline has ended.
    pub fn observe(&self) -> Option<Snapshot> {
        let (reply, answer) = bounded(1);
        tell(&self.0, Observe { reply });
        answer.recv().ok()
    }
}

/// The batches of one phase, in plan order.
pub struct Batches<'a> {
    pipeline: &'a Pipeline,
    phase: Arc<Phase>,
    batches_left: u64,
    returned_at: Instant,
}

/// What came first.
pub enum Taken<C> {
    /// A batch, or the reason why there is none.
    Batch(Result<Batch, PipelineError>),
    /// A command.
    Command(C),
    /// The phase has no more batches.
    End,
}

impl Batches<'_> {
    /// Batches not yet taken.
    pub fn batches_left(&self) -> u64 {
        self.batches_left
    }

    /// Waits for the next batch or a command, whichever is first; a command that is there already goes first.
    pub fn next_unless<C>(&mut self, commands: &Receiver<C>) -> Taken<C> {
        // First of all: a phase whose last batch is consumed is over, and a command can wait for what comes next.
        if self.batches_left == 0 {
            return Taken::End;
        }
        let never = crossbeam_channel::never();
        let commands = match commands.try_recv() {
            Ok(command) => return Taken::Command(command),
            Err(TryRecvError::Empty) => commands,
            Err(TryRecvError::Disconnected) => &never,
        };
        let waiting_since = self.book_busy_time();
        let _waiting = tracing::trace_span!(target: "fastgarden::batch", "wait").entered();
        let delivery = select! {
            recv(self.pipeline.batches) -> delivery => delivery.unwrap_or(Err(PipelineError::Stopped)),
            recv(commands) -> command => match command {
                Ok(command) => return Taken::Command(command),
                Err(_) => self.pipeline.batches.recv().unwrap_or(Err(PipelineError::Stopped)),
            },
        };
        Taken::Batch(self.accept(delivery, waiting_since))
    }

    fn book_busy_time(&self) -> Instant {
        let now = Instant::now();
        self.pipeline.shared.consumer_busy_ns.fetch_add(nanoseconds(now - self.returned_at), Relaxed);
        now
    }

    fn accept(&mut self, delivery: Delivery, waiting_since: Instant) -> Result<Batch, PipelineError> {
        let shared = &self.pipeline.shared;
        shared.batch_readiness.pop();
        self.returned_at = Instant::now();
        shared.consumer_wait_ns.fetch_add(nanoseconds(self.returned_at - waiting_since), Relaxed);
        let batch = delivery?;
        self.batches_left -= 1;
        self.spend_budget(&batch)?;
        if let Some(tap) = shared.tap.as_ref().filter(|_| self.phase.spec.kind == PhaseKind::Train) {
            tap.pass(&batch);
        }
        Ok(batch)
    }

    /// Counts distinct bad records where the order is the plan's, so that every run ends at the same batch.
    fn spend_budget(&self, batch: &Batch) -> Result<(), PipelineError> {
        let Some(first) = batch.quarantined().first() else { return Ok(()) };
        for row in batch.quarantined() {
            *lock(&self.pipeline.shared.reasons).entry(row.kind.name()).or_default() += 1;
        }
        let index = &self.phase.spec.index;
        let data_set = data_set_key(&index.fingerprint());
        let mut bad = lock(&self.pipeline.shared.bad_records);
        bad.extend(batch.quarantined().iter().map(|row| (data_set, row.record)));
        let met = bad.iter().filter(|(of, _)| *of == data_set).count() as u64 + index.missing_records();
        if met <= self.pipeline.bad_records_max {
            return Ok(());
        }
        let (shard, offset) = (&index.shard_of(first.record).name, index.address(first.record).offset);
        let first = format!("{shard} at byte {offset}: {}: {}", first.kind, first.detail);
        Err(PipelineError::TooManyBadRecords { bad: met, budget: self.pipeline.bad_records_max, first })
    }

    /// Ends the phase: every batch must have been taken, settled and dropped.
    pub fn finish(self) -> Result<Tally, PipelineError> {
        assert_eq!(self.batches_left, 0, "a phase is finished when all its batches have been taken");
        let (reply, answer) = bounded(1);
        tell(&self.pipeline.conductor, ClosePhase { reply });
        answer.recv().unwrap_or(Err(PipelineError::Stopped))
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch, PipelineError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_unless::<std::convert::Infallible>(&crossbeam_channel::never()) {
            Taken::Batch(batch) => Some(batch),
            Taken::Command(never) => match never {},
            Taken::End => None,
        }
    }
}

/// What a data set is called in the budget of bad records.
pub fn data_set_key(fingerprint: &[u8; 32]) -> u64 {
    u64::from_le_bytes(fingerprint[..8].try_into().expect("eight bytes"))
}

fn allocate_slabs(options: &PipelineOptions) -> Result<Vec<Slab>, PipelineError> {
    let count = options.prefetch_batches + 2 + options.slabs_extra;
    let bytes = options.slab_bytes;
    let total = (bytes * count) as u64;
    let most = SLABS_BYTES_MAX.min(machine::available_bytes().unwrap_or(u64::MAX));
    if total > most {
        let cause = format!("at most {} MiB may be taken", most >> 20);
        return Err(PipelineError::NoMemory { bytes: total, cause });
    }
    (0..count)
        .map(|_| Slab::allocate(&*options.slab_memory, bytes))
        .collect::<Result<_, _>>()
        .map_err(|error| PipelineError::NoMemory { bytes: total, cause: error.to_string() })
}

fn share(options: &PipelineOptions, slabs: usize) -> Shared {
    Shared {
        stop: false.into(),
        meters: Default::default(),
        batch_readiness: Default::default(),
        no_credit: Clock::default(),
        consumer_wait_ns: AtomicU64::new(0),
        consumer_busy_ns: AtomicU64::new(0),
        picture_ns: AtomicU64::new(0),
        encoded_bytes: AtomicU64::new(0),
        slab_bytes: (slabs * options.slab_bytes) as u64,
        bad_records: Mutex::new(BTreeSet::new()),
        reasons: Mutex::new(BTreeMap::new()),
        cpu: options.cpu_share.map(|share| CpuMeter {
            share,
            niceness: machine::niceness() + NICER_BY,
            used_ns: AtomicU64::new(0),
            held_back: Clock::default(),
        }),
        cache: options.cache.clone(),
        tap: options.tap.clone(),
        sabotage: options.sabotage.clone(),
        started: Instant::now(),
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, PipelineError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| PipelineError::Bug(format!("the {name} thread could not be started: {error}")))
}

fn start_pools(
    options: &PipelineOptions,
    conductor: &Addr<Conductor>,
    shared: &Arc<Shared>,
    sequencer: &Sender<ToSequencer>,
    alive: &Sender<()>,
) {
    let for_pools = Arc::new(conductor.clone());
    let pool = |stage, workers, stages: StageFactory, next| -> Addr<Worker> {
        let (conductor, shared, alive) = (Arc::clone(&for_pools), Arc::clone(shared), alive.clone());
        Pool { stage, workers, stages, next, conductor, shared, alive }.start()
    };
    let work = options.stand_in_work.clone().unwrap_or_else(|| real_work(options));
    let stages_of = |names: &'static [StageName]| -> StageFactory {
        let work = Arc::clone(&work);
        Arc::new(move || names.iter().map(|&name| work(name)).collect())
    };
    let mut next = Next::Sequencer(sequencer.clone());
    if options.augmenters > 0 {
        let augmenters = pool(StageName::Augment, options.augmenters, stages_of(&[StageName::Augment]), next);
        next = Next::Pool(augmenters, StageName::Augment, sequencer.clone());
    }
    let in_decoders: &[StageName] = match (options.readers, options.augmenters) {
        (0, 0) => &[StageName::Read, StageName::Decode, StageName::Augment],
        (0, _) => &[StageName::Read, StageName::Decode],
        (_, 0) => &[StageName::Decode, StageName::Augment],
        _ => &[StageName::Decode],
    };
    let mut first = pool(StageName::Decode, options.decoders, stages_of(in_decoders), next);
    let mut first_stage = StageName::Decode;
    if options.readers > 0 {
        let next = Next::Pool(first, StageName::Decode, sequencer.clone());
        first = pool(StageName::Read, options.readers, stages_of(&[StageName::Read]), next);
        first_stage = StageName::Read;
    }
    tell(conductor, Introduce { first_pool: first, first_stage });
}

/// What the stages are for.
fn real_work(options: &PipelineOptions) -> WorkMaker {
    let (stand_in_read, simd) = (options.stand_in_read, options.simd);
    Arc::new(move |stage| match stage {
        StageName::Read => Box::new(Reader { stand_in_read }),
        StageName::Decode => Box::new(Decoder::new(simd)),
        StageName::Augment => Box::new(Augmenter),
        StageName::Sequence => unreachable!("the sequencer is a thread, no pool"),
    })
}
