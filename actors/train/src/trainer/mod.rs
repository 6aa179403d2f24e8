//! The trainer: one sync actor on its own thread, the only one that touches the device.
//! Not here: nets and optimisers, or what a batch is. Not for: showing progress; it sends events.
//!
//! It gets one [`Run`] message and is busy until that run has ended; commands reach it on a channel of their own, so they
//! are never behind data.

mod attempts;
mod clock;
mod course;
mod evaluate;
mod find_lr;
mod headroom;
mod memory;
mod pending;
mod predict;
mod progress;
mod record_losses;
mod scratch;
mod spec;
mod standing;
mod start;
mod state;
mod step;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::{Actor, Addr, Handler, Message, SyncArbiter, SyncContext};
use crossbeam_channel::{Receiver, Sender};
use fastgarden_data::failure::PipelineError;
use fastgarden_data::pipeline::Pipeline;
use fastgarden_data::tell::tell;

use crate::breakdown::words;

pub use attempts::read as attempts_in;
pub use evaluate::evaluate;
pub use find_lr::find_lr;
pub use headroom::{Headroom, headroom};
pub use predict::{Guess, Guessed, PredictSpec, predict};
pub use progress::{Command, EpochRecord, Event, RunEnd, RunResult, Stepped, TrainError};
pub use spec::{CheckpointSpec, EmaSpec, EvaluationSpec, OptimizerSpec, SplitSpec, StageSpec, StartSpec, TrainSpec};
pub use standing::{Standing, cpu_threads_of, show_mean, standing_in, standing_of};
pub use start::StartWeights;
pub use step::{ROWS_MIN, images};

/// Events the application may be behind before the trainer waits for it.
pub const EVENTS_MAX: usize = 4_096;

/// Asks for one run.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Run {
    /// What to do.
    pub spec: Box<TrainSpec>,
    /// Where batches come from.
    pub pipeline: Arc<Pipeline>,
    /// Stop commands.
    pub commands: Receiver<Command>,
    /// Progress.
    pub events: Sender<Event>,
    /// The end.
    pub reply: Sender<Result<RunEnd, TrainError>>,
}

/// The actor.
pub struct Trainer;

impl Trainer {
    /// Starts it in the pipeline's System.
    pub fn start(pipeline: &Pipeline) -> Result<Addr<Self>, PipelineError> {
        pipeline.on_arbiter(|| {
            let builder = || std::thread::Builder::new().name("trainer".to_owned());
            SyncArbiter::start_with_thread_builder(1, builder, || Self)
        })
    }

    /// Starts a trainer and gives it a run; the answer comes on `run.reply`.
    pub fn run(pipeline: &Pipeline, run: Run) -> Result<(), PipelineError> {
        tell(&Self::start(pipeline)?, run);
        Ok(())
    }
}

impl Actor for Trainer {
    type Context = SyncContext<Self>;
}

impl Handler<Run> for Trainer {
    type Result = ();

    fn handle(&mut self, run: Run, _: &mut Self::Context) {
        let Run { spec, pipeline, commands, events, reply } = run;
        // libtorch's errors surface as panics; whatever they leave behind is dropped with the run.
        let ended = catch_unwind(AssertUnwindSafe(|| course::run(&spec, &pipeline, &commands, &events)));
        let ended = ended.unwrap_or_else(|panic| Err(TrainError::Panicked(words(&*panic))));
        drop(pipeline);
        // Nobody left to hear it: then it was not waited for.
        let _ = reply.send(ended);
    }
}
