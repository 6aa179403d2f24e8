//! The one actor type of all pools: runs its stages over a chunk, survives what the bytes do to it, passes the chunk on.
//! Not here: what the stages do (see `reader`, `decoder`, `augmenter`), or who gets which chunk.
//!
//! actix lets a thread die for good when a handler panics. So every stage runs under `catch_unwind`; after a panic the
//! row at work is blamed, the chunk goes back into the pool's queue, and the actor is rebuilt through its factory.
//! Should a thread die all the same, the chunk in its hands returns to the conductor, which gives it to another worker.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, Addr, Handler, Message, SyncArbiter, SyncContext};
use crossbeam_channel::Sender;

use crate::chunk::Chunk;
use crate::conductor::{Conductor, Report};
use crate::failure::PipelineError;
use crate::sabotage::Trouble;
use crate::sequencer::ToSequencer;
use crate::shared::{Shared, StageName, ThreadCpu, nanoseconds};
use crate::tell::tell;

/// The work of one pipeline stage. A worker's state (buffers, tables) lives in the implementor.
pub trait StageWork: Send {
    /// Which stage it is.
    fn name(&self) -> StageName;
    /// Brings every row of the chunk that waits for this stage one state further, setting `chunk.at` before each.
    /// An error is the storage's, never the bytes'. Returns the bytes handled.
    fn run(&mut self, chunk: &mut Chunk) -> Result<u64, PipelineError>;
}

/// Makes a worker's stages, also after a panic.
pub type StageFactory = Arc<dyn Fn() -> Vec<Box<dyn StageWork>> + Send + Sync>;

/// Makes the work of a stage that a pool can have.
pub type WorkMaker = Arc<dyn Fn(StageName) -> Box<dyn StageWork> + Send + Sync>;

/// Where a chunk goes when a pool is done with it.
#[derive(Clone)]
pub enum Next {
    /// Into another pool, unless the phase has no use for it.
    Pool(Addr<Worker>, StageName, Sender<ToSequencer>),
    /// To the sequencer.
    Sequencer(Sender<ToSequencer>),
}

/// A chunk for a pool.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Work(pub Box<Chunk>);

/// A pool's settings.
pub struct Pool {
    /// The stage it is named after.
    pub stage: StageName,
    /// Threads.
    pub workers: usize,
    /// Stages that each worker runs.
    pub stages: StageFactory,
    /// Where chunks go next.
    pub next: Next,
    /// Who hears of deaths and freed bytes. (Cloning an address allocates, cloning this doesn't: it is done for every chunk.)
    pub conductor: Arc<Addr<Conductor>>,
    /// Shared state.
    pub shared: Arc<Shared>,
    /// Dropped by every thread at its very end.
    pub alive: Sender<()>,
}

impl Pool {
    /// Starts the threads. Must be called on an arbiter that never blocks.
    pub fn start(self) -> Addr<Worker> {
        let Self { stage, workers, stages, next, conductor, shared, alive } = self;
        shared.meter(stage).workers.store(workers as u64, Relaxed);
        // From here on, not from when each thread has got going: one that dies early must not pass for the last.
        shared.meter(stage).alive.store(workers as i64, Relaxed);
        let mut number = 0;
        let builder = move || {
            number += 1;
            std::thread::Builder::new().name(format!("{}-{number}", stage.name()))
        };
        SyncArbiter::start_with_thread_builder(workers, builder, move || Worker {
            stage,
            stages: stages(),
            next: next.clone(),
            conductor: Arc::clone(&conductor),
            shared: Arc::clone(&shared),
            idle_since: Instant::now(),
            no_credit_before: shared.no_credit.total(),
            cpu: ThreadCpu::default(),
            _alive: alive.clone(),
        })
    }
}

/// A worker of any pool.
pub struct Worker {
    stage: StageName,
    stages: Vec<Box<dyn StageWork>>,
    next: Next,
    conductor: Arc<Addr<Conductor>>,
    shared: Arc<Shared>,
    idle_since: Instant,
    no_credit_before: Duration,
    cpu: ThreadCpu,
    _alive: Sender<()>,
}

impl Actor for Worker {
    type Context = SyncContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.cpu = ThreadCpu::begin(&self.shared);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Otherwise it was stopped or is rebuilt, and its thread lives on.
        if std::thread::panicking() {
            let left = self.shared.meter(self.stage).alive.fetch_sub(1, Relaxed) - 1;
            tell(&self.conductor, Report::WorkerDied { stage: self.stage, left });
        }
    }
}

/// A chunk in a worker's hands: goes back to the conductor if the thread dies under it.
struct InHand<'a> {
    chunk: Option<Box<Chunk>>,
    conductor: &'a Addr<Conductor>,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            tell(self.conductor, Report::Orphaned(chunk));
        }
    }
}

/// What running the stages came to.
enum Ran {
    Done,
    Panicked,
    Failed(PipelineError),
}

impl Handler<Work> for Worker {
    type Result = ();

    fn handle(&mut self, work: Work, context: &mut Self::Context) {
        let meter = self.shared.meter(self.stage);
        meter.queue.pop();
        self.book_idle_time();
        let conductor = Arc::clone(&self.conductor);
        let mut hand = InHand { chunk: Some(work.0), conductor: &conductor };
        let chunk = hand.chunk.as_mut().expect("just put there");
        let ran = if self.shared.stopping() { Ran::Done } else { self.run_stages(chunk) };
        let mut chunk = hand.chunk.take().expect("still there");
        self.cpu.book(&self.shared);
        match ran {
            Ran::Done => self.pass_on(chunk),
            Ran::Panicked => {
                chunk.blame_panic();
                self.shared.meter(self.stage).restarts.fetch_add(1, Relaxed);
                self.shared.meter(self.stage).queue.push();
                tell(&context.address(), Work(chunk));
                context.stop();
            }
            Ran::Failed(error) => {
                tell(&self.conductor, Report::Failed(error));
                drop(chunk);
            }
        }
        self.idle_since = Instant::now();
        self.no_credit_before = self.shared.no_credit.total();
    }
}

impl Worker {
    fn book_idle_time(&self) {
        let meter = self.shared.meter(self.stage);
        let idle = self.idle_since.elapsed();
        let no_credit = self.shared.no_credit.total().saturating_sub(self.no_credit_before).min(idle);
        meter.wait_output_ns.fetch_add(nanoseconds(no_credit), Relaxed);
        meter.wait_input_ns.fetch_add(nanoseconds(idle - no_credit), Relaxed);
    }

    fn run_stages(&mut self, chunk: &mut Chunk) -> Ran {
        for number in 0..self.stages.len() {
            let name = self.stages[number].name();
            let begun = Instant::now();
            assert!(!self.told_to_die(name, chunk), "a saboteur killed this worker");
            // The stages are rebuilt after a panic and the chunk's rows are written whole or not at all as far as their
            // state says, so nothing half-done is seen again.
            let stage = &mut self.stages[number];
            let shared = &self.shared;
            let ran = catch_unwind(AssertUnwindSafe(|| {
                provoke(shared, name, chunk)?;
                stage.run(chunk)
            }));
            let meter = self.shared.meter(name);
            meter.busy_ns.fetch_add(nanoseconds(begun.elapsed()), Relaxed);
            match ran {
                Ok(Ok(bytes)) => {
                    meter.bytes.fetch_add(bytes, Relaxed);
                    meter.tickets.fetch_add(chunk.rows.len() as u64, Relaxed);
                }
                Ok(Err(error)) => return Ran::Failed(error),
                Err(_) => return Ran::Panicked,
            }
            if name == StageName::Decode {
                self.shared.picture_ns.fetch_add(std::mem::take(&mut chunk.picture_ns), Relaxed);
                let buffer = std::mem::take(&mut chunk.encoded);
                tell(&self.conductor, Report::Decoded { bytes: std::mem::take(&mut chunk.encoded_bytes), buffer });
            }
        }
        Ran::Done
    }

    /// A worker that is told to die does so outside everything that catches.
    fn told_to_die(&self, name: StageName, chunk: &Chunk) -> bool {
        let Some(saboteur) = &self.shared.sabotage else { return false };
        let mut records = chunk.rows.iter().flat_map(|row| row.records.distinct());
        records.any(|(_, record)| saboteur.trouble(name, record) == Some(Trouble::KillWorker))
    }

    fn pass_on(&self, chunk: Box<Chunk>) {
        let sequencer = match &self.next {
            Next::Pool(pool, stage, _) if *stage != StageName::Augment || chunk.phase.augments() => {
                self.shared.meter(*stage).queue.push();
                return tell(pool, Work(chunk));
            }
            Next::Pool(_, _, sequencer) | Next::Sequencer(sequencer) => sequencer,
        };
        self.shared.meter(StageName::Sequence).queue.push();
        if sequencer.send(ToSequencer::Chunk(chunk)).is_err() && !self.shared.stopping() {
            tell(&self.conductor, Report::Failed(PipelineError::Bug("the sequencer has ended".to_owned())));
        }
    }
}

fn provoke(shared: &Shared, name: StageName, chunk: &mut Chunk) -> Result<(), PipelineError> {
    let Some(saboteur) = &shared.sabotage else { return Ok(()) };
    for row in 0..chunk.rows.len() {
        let waiting = matches!(
            (&chunk.rows[row].state, name),
            (crate::chunk::RowState::Issued, StageName::Read)
                | (crate::chunk::RowState::Read, StageName::Decode)
                | (crate::chunk::RowState::Decoded, StageName::Augment)
        );
        if !waiting {
            continue;
        }
        for (place, record) in chunk.rows[row].records.distinct() {
            chunk.work_on(row, place);
            match saboteur.trouble(name, record) {
                Some(Trouble::Panic) => panic!("a saboteur struck"),
                Some(Trouble::Slow(milliseconds)) => std::thread::sleep(Duration::from_millis(milliseconds)),
                Some(Trouble::Io) => {
                    let (index, cause) = (&chunk.phase.spec.index, "a saboteur unplugged the disk".to_owned());
                    let (shard, offset) = (index.shard_of(record).name.clone(), index.address(record).offset);
                    return Err(PipelineError::Io { shard, offset, cause });
                }
                Some(Trouble::KillWorker) | None => {}
            }
        }
    }
    Ok(())
}
