//! The control plane: one async actor that walks the plan and hands out chunks while it holds credits for them.
//! Not here: pixels, files, or anything that blocks. Not for: deciding what a ticket is (see `plan`).
//!
//! Counting is the only thing that limits or paces the pipeline. One credit is the right to have one row in flight; it
//! belongs to a row of a slab, is given out with it and comes back with the whole slab. Encoded bytes are a second budget.

mod pace;
mod walk;

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};

use actix::{Actor, Addr, Context, Handler, Message};
use crossbeam_channel::Sender;
use fastgarden_proto::observe::Snapshot;

use crate::chunk::Chunk;
use crate::failure::PipelineError;
use crate::limits::{ENCODED_BUFFER_BYTES_KEPT_MAX, ENCODED_BYTES_IN_FLIGHT_MAX};
use crate::observe::snapshot;
use crate::outcome::{Tally, Use};
use crate::phase::{Phase, PhaseSpec};
use crate::sequencer::ToSequencer;
use crate::shared::{Shared, StageName};
use crate::slab::Slab;
use crate::tell::tell;
use crate::worker::{Work, Worker};
use pace::Pace;
use walk::Walk;

/// What workers and batches tell the conductor.
#[derive(Message)]
#[rtype(result = "()")]
pub enum Report {
    /// A chunk's encoded bytes are not needed any more; the buffer may be used again.
    Decoded {
        /// What they held of the budget.
        bytes: u64,
        /// Their buffer.
        buffer: Vec<u8>,
    },
    /// A slab's pixels have left: B credits.
    SlabBack(Slab),
    /// The consumer has used a batch.
    Settled {
        /// What for.
        used: Use,
        /// Rows used.
        rows: u64,
        /// Rows that could not be.
        quarantined: u64,
    },
    /// A worker's thread died with this chunk in its hands.
    Orphaned(Box<Chunk>),
    /// A worker's thread died.
    WorkerDied {
        /// Its pool.
        stage: StageName,
        /// Workers left in it.
        left: i64,
    },
    /// Something ended that must not have.
    Failed(PipelineError),
}

/// Opens a phase; refused while one is open.
#[derive(Message)]
#[rtype(result = "()")]
pub struct OpenPhase {
    /// The phase.
    pub spec: PhaseSpec,
    /// Gets the open phase.
    pub reply: Sender<Result<Arc<Phase>, PipelineError>>,
}

/// Closes the phase: answered when nothing is in flight any more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ClosePhase {
    /// Gets the final count.
    pub reply: Sender<Result<Tally, PipelineError>>,
}

/// Asks for a snapshot.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Observe {
    /// Gets it.
    pub reply: Sender<Snapshot>,
}

/// Tells the conductor who it works with, once the pools stand.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Introduce {
    /// The pool that issued chunks go to.
    pub first_pool: Addr<Worker>,
    /// The stage that pool is named after.
    pub first_stage: StageName,
}

/// The conductor's state.
pub struct Conductor {
    shared: Arc<Shared>,
    sequencer: Sender<ToSequencer>,
    first: Option<(Addr<Worker>, StageName)>,
    free_slabs: Vec<Slab>,
    lent_slabs: usize,
    slabs: usize,
    buffers: Vec<Vec<u8>>,
    encoded_bytes: u64,
    phases: u64,
    walk: Option<Walk>,
    pace: Option<Pace>,
    failure: Option<PipelineError>,
}

impl Conductor {
    /// A conductor that owns these slabs.
    pub fn new(shared: Arc<Shared>, sequencer: Sender<ToSequencer>, slabs: Vec<Slab>) -> Self {
        let count = slabs.len();
        let pace = shared.cpu.as_ref().map(|cpu| Pace::new(cpu.share));
        Self {
            shared,
            sequencer,
            first: None,
            free_slabs: slabs,
            lent_slabs: 0,
            slabs: count,
            buffers: Vec::new(),
            encoded_bytes: 0,
            phases: 0,
            walk: None,
            pace,
            failure: None,
        }
    }

    /// Hands out chunks while there are tickets, rows and encoded bytes for them.
    fn issue(&mut self, context: &mut Context<Self>) {
        while self.failure.is_none() && !self.shared.stopping() {
            let Some(walk) = self.walk.as_mut().filter(|walk| walk.next_seq < walk.phase.spec.end_seq()) else {
                return self.shared.no_credit.set(false);
            };
            if walk.open_slab.is_none() {
                let Some(slab) = self.free_slabs.pop() else { return self.shared.no_credit.set(true) };
                self.lent_slabs += 1;
                assert!(self.free_slabs.len() + self.lent_slabs == self.slabs, "credits: free + in slabs = slabs × B");
                walk.open_slab = Some(slab.open(Arc::clone(&walk.phase.layout)));
            }
            let (rows, bytes) = walk.next_chunk();
            if self.encoded_bytes > 0 && self.encoded_bytes + bytes > ENCODED_BYTES_IN_FLIGHT_MAX {
                return self.shared.no_credit.set(false);
            }
            if self.pace.as_mut().is_some_and(|pace| pace.holds_back(&self.shared, context)) {
                return self.shared.no_credit.set(true);
            }
            self.shared.no_credit.set(false);
            self.encoded_bytes += bytes;
            self.shared.encoded_bytes.store(self.encoded_bytes, Relaxed);
            let buffer = self.buffers.pop().unwrap_or_default();
            let chunk = walk.take_chunk(rows, bytes, buffer);
            self.send(Box::new(chunk));
        }
    }

    fn send(&self, chunk: Box<Chunk>) {
        let (pool, stage) = self.first.as_ref().expect("introduced before the first phase");
        self.shared.meter(*stage).queue.push();
        tell(pool, Work(chunk));
    }

    fn fail(&mut self, error: PipelineError) {
        if self.failure.is_none() {
            tracing::debug!(%error, "the pipeline fails");
            self.failure = Some(error.clone());
            // Before the flag: a worker that sees it passes its chunk on unfinished, and the sequencer must know by then
            // that no chunk counts any more. (Nobody listening is no news: the consumer left first.)
            let _ = self.sequencer.send(ToSequencer::Fail(error));
            self.shared.stop.store(true, Release);
        }
        self.answer_close();
    }

    /// Answers a waiting `ClosePhase` once everything is back.
    fn answer_close(&mut self) {
        let Some(walk) = self.walk.as_ref() else { return };
        let Some(reply) = &walk.closing else { return };
        let answer = if let Some(error) = &self.failure {
            Err(error.clone())
        } else if walk.tally.in_flight == 0 && self.free_slabs.len() == self.slabs {
            assert!(walk.tally.is_conserved(), "every ticket has exactly one outcome: {:?}", walk.tally);
            Ok(walk.tally)
        } else {
            return;
        };
        let _ = reply.send(answer);
        self.walk = None;
    }

    fn open(&mut self, spec: PhaseSpec) -> Result<Arc<Phase>, PipelineError> {
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        if self.walk.is_some() {
            return Err(PipelineError::Bug("a phase was opened while another is open".to_owned()));
        }
        let layout = Arc::new(spec.layout());
        if self.free_slabs.iter().any(|slab| slab.bytes() < layout.bytes()) {
            return Err(PipelineError::Bug(
                "a phase is larger than the slabs that were allocated for the run".to_owned(),
            ));
        }
        self.phases += 1;
        let dropped_last = spec.dropped_last();
        let tally = Tally { issued: dropped_last, dropped_last, ..Tally::default() };
        let cache = self.shared.cache.as_ref().and_then(|cache| cache.of_phase(&spec));
        let phase = Arc::new(Phase { spec, number: self.phases, layout, cache });
        let next_seq = phase.spec.first_seq;
        self.walk = Some(Walk { phase: Arc::clone(&phase), next_seq, open_slab: None, tally, closing: None });
        self.sequencer
            .send(ToSequencer::Open(Arc::clone(&phase)))
            .map_err(|_| PipelineError::Bug("the sequencer has ended".to_owned()))?;
        Ok(phase)
    }
}

impl Actor for Conductor {
    type Context = Context<Self>;
}

impl Drop for Conductor {
    fn drop(&mut self) {
        // Whoever still waits for a batch must not wait for ever, whatever ended this actor.
        let error = self.failure.clone().unwrap_or(PipelineError::Stopped);
        let _ = self.sequencer.send(ToSequencer::Fail(error));
    }
}

impl Handler<Introduce> for Conductor {
    type Result = ();

    fn handle(&mut self, told: Introduce, _: &mut Self::Context) {
        self.first = Some((told.first_pool, told.first_stage));
    }
}

impl Handler<OpenPhase> for Conductor {
    type Result = ();

    fn handle(&mut self, asked: OpenPhase, context: &mut Self::Context) {
        let _ = asked.reply.send(self.open(asked.spec));
        self.issue(context);
    }
}

impl Handler<ClosePhase> for Conductor {
    type Result = ();

    fn handle(&mut self, asked: ClosePhase, _: &mut Self::Context) {
        match &mut self.walk {
            Some(walk) => walk.closing = Some(asked.reply),
            None => {
                let error = self.failure.clone().unwrap_or(PipelineError::Bug("no phase is open".to_owned()));
                let _ = asked.reply.send(Err(error));
            }
        }
        self.answer_close();
    }
}

impl Handler<Observe> for Conductor {
    type Result = ();

    fn handle(&mut self, asked: Observe, _: &mut Self::Context) {
        let walk = self.walk.as_ref();
        let rows = walk.map_or(0, |walk| walk.phase.spec.batch_rows) as u64;
        let tally = walk.map_or_else(Tally::default, |walk| walk.tally);
        let (free, lent) = (self.free_slabs.len() as u64 * rows, self.lent_slabs as u64 * rows);
        let _ = asked.reply.send(snapshot(&self.shared, tally, free, lent));
    }
}

impl Handler<Report> for Conductor {
    type Result = ();

    fn handle(&mut self, report: Report, context: &mut Self::Context) {
        match report {
            Report::Decoded { bytes, buffer } => {
                assert!(bytes <= self.encoded_bytes, "encoded bytes come back once");
                self.encoded_bytes -= bytes;
                self.shared.encoded_bytes.store(self.encoded_bytes, Relaxed);
                if buffer.capacity() as u64 <= ENCODED_BUFFER_BYTES_KEPT_MAX {
                    self.buffers.push(buffer);
                }
            }
            Report::SlabBack(slab) => {
                self.free_slabs.push(slab);
                self.lent_slabs -= 1;
                assert!(self.free_slabs.len() + self.lent_slabs == self.slabs, "credits: free + in slabs = slabs × B");
            }
            Report::Settled { used, rows, quarantined } => self.settle(used, rows, quarantined),
            Report::Orphaned(chunk) => {
                tracing::warn!(batch = chunk.batch, "a worker died; another one takes its chunk");
                self.send(chunk);
            }
            Report::WorkerDied { stage, left: 0 } => {
                self.fail(PipelineError::NoWorkers { stage: stage.name() });
            }
            Report::WorkerDied { stage, left } => {
                tracing::error!(stage = stage.name(), left, "a worker thread died");
            }
            Report::Failed(error) => self.fail(error),
        }
        self.answer_close();
        self.issue(context);
    }
}

impl Conductor {
    fn settle(&mut self, used: Use, rows: u64, quarantined: u64) {
        let Some(walk) = self.walk.as_mut() else { return };
        assert!(rows + quarantined <= walk.tally.in_flight, "no ticket has two outcomes");
        walk.tally.in_flight -= rows + quarantined;
        walk.tally.quarantined += quarantined;
        match used {
            Use::Trained => walk.tally.trained += rows,
            Use::Evaluated => walk.tally.evaluated += rows,
        }
        debug_assert!(walk.tally.is_conserved());
    }
}
