//! What the trainer tells while it works, and why it may stop.
//! Not here: showing it (the application's business).

use fastgarden_data::failure::PipelineError;
use fastgarden_data::ledger::LedgerError;
use serde::{Deserialize, Serialize};

use crate::checkpoint::CheckpointError;
use crate::optimizer::OptimizerStateError;

/// What the trainer can be told while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Save everything and end.
    Stop,
}

/// What the trainer tells.
#[derive(Clone, Debug)]
pub enum Event {
    /// The run goes on from a checkpoint.
    Resumed {
        /// Steps that are kept.
        step: u64,
        /// Steps that had been made after the checkpoint and are made again.
        discarded: u64,
    },
    /// A phase begins.
    Phase {
        /// From 1, over the lineage.
        epoch: u32,
        /// Whether it trains or validates.
        trains: bool,
        /// Tickets already behind it (after a resume).
        done: u64,
        /// Tickets of the whole phase.
        total: u64,
    },
    /// A batch was consumed.
    Batch {
        /// Tickets of the phase that are done.
        done: u64,
        /// Its mean loss.
        loss: Option<f64>,
        /// Usable examples of it: trained on, or judged.
        examples: u64,
        /// The step it made, in training.
        step: Option<Stepped>,
    },
    /// A record could not be used.
    Quarantined {
        /// Where it is and what is wrong, in words.
        what: String,
    },
    /// An epoch and its validation are over.
    Epoch(EpochRecord),
}

/// A training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stepped {
    /// From 1, over the run.
    pub number: u64,
    /// The learning rate it was made at.
    pub lr: f64,
    /// The most that the run was seen to take of its device's memory; `None` where nobody can tell.
    pub peak_device_bytes: Option<u64>,
}

/// One row of the epoch table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1, over the lineage.
    pub epoch: u32,
    /// Plain mean of the steps' losses.
    pub train_loss: f64,
    /// Mean loss over the validation records that could be judged.
    pub valid_loss: Option<f64>,
    /// Share of validation records judged right.
    pub accuracy: Option<f64>,
    /// Validation records asked for.
    pub evaluated: u64,
    /// Those of them that could not be read, and count as wrong.
    pub evaluation_quarantined: u64,
    /// Training examples a second, over the training phase.
    pub images_per_s: f64,
    /// Share of the training phase that the trainer waited for batches.
    pub input_wait_share: f64,
    /// Seconds, validation included.
    pub seconds: f64,
    /// Tickets.
    pub issued: u64,
    /// Trained ones.
    pub trained: u64,
    /// Quarantined ones.
    pub quarantined: u64,
    /// Dropped ones.
    pub dropped_last: u64,
    /// Steps that were not made: a float16 overflow, or a batch with fewer than two usable rows.
    #[serde(default)]
    pub skipped_steps: u64,
    /// Trained tickets of each class.
    #[serde(default)]
    pub class_histogram: Vec<u64>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEnd {
    /// All it was asked for.
    Finished(RunResult),
    /// Told to stop; state is saved.
    Stopped {
        /// Steps that are saved.
        step: u64,
    },
}

/// What a finished run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct RunResult {
    /// Every epoch, over all attempts.
    pub epochs: Vec<EpochRecord>,
    /// Steps over all attempts that count.
    pub steps: u64,
    /// The chain over all consumed batches.
    pub batch_hash: String,
    /// Chain of the ledger's last line.
    pub ledger_head: String,
    /// Of the final weights.
    pub weights_sha256: String,
    /// From and to which step each attempt went.
    pub attempts: Vec<(u64, u64)>,
    /// Whether it was cut short by `max_steps`.
    pub cut_short: bool,
    /// Seconds of all attempts.
    pub seconds: f64,
    /// The most that an attempt took of its device; `None` on a CPU, and where it could not be measured.
    pub peak_device_bytes: Option<u64>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The pipeline ended.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The ledger could not be written or does not fit.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Saved optimiser state is another's.
    #[error(transparent)]
    Optimizer(#[from] OptimizerStateError),
    /// A file of the run could not be written.
    #[error("{path} could not be written: {cause}; free some space or choose another folder with --out")]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
    /// The checkpoint says something about the run that doesn't fit it.
    #[error("the checkpoint {path} can't be resumed: {what}")]
    Misfit {
        /// Which.
        path: std::path::PathBuf,
        /// What doesn't fit.
        what: String,
    },
    /// What a run was to start from is not what it was.
    #[error("can't start from {path}: {what}")]
    Start {
        /// A checkpoint or a file.
        path: std::path::PathBuf,
        /// What is wrong with it, and the way out.
        what: String,
    },
    /// The loss is not a number any more.
    #[error(
        "the loss became {loss} at step {step}: training diverged; try a lower optimizer.lr (the last checkpoint is kept)"
    )]
    Diverged {
        /// From 1.
        step: u64,
        /// Infinite or not a number.
        loss: f64,
    },
    /// Hardly any step can be made in float16.
    #[error(
        "{skipped} steps in a row up to step {step} overflowed in float16 and were skipped: set stage.N.precision = \
         \"fp32\", or try a lower optimizer.lr (the last checkpoint is kept)"
    )]
    Overflows {
        /// From 1.
        step: u64,
        /// How many.
        skipped: u64,
    },
    /// The run took longer than it may.
    #[error(
        "the run has taken {seconds:.0} s, and may take {most}: it is stopped at step {step}, and everything up to there is \
         saved"
    )]
    OutOfTime {
        /// Steps that are saved.
        step: u64,
        /// Over all attempts.
        seconds: f64,
        /// What it may take.
        most: u64,
    },
    /// The run took more of its device than it may.
    #[error(
        "the run has taken {:.1} GiB of device memory, and may take {:.1}: it is stopped at step {step}, and everything up to \
         there is saved; try a smaller batch_size, or precision = \"fp16-on-gpu\"",
        gib(*bytes),
        gib(*most)
    )]
    OutOfDeviceMemory {
        /// Steps that are saved.
        step: u64,
        /// Seen.
        bytes: u64,
        /// What it may take.
        most: u64,
    },
    /// CUDA's allocator takes no limit.
    #[error("CUDA's allocator could not be limited: {0}; leave --device-memory-limit out, or update the driver")]
    Uncapped(String),
    /// libtorch or the trainer panicked.
    #[error("the trainer broke down: {0}; if memory ran out choose a smaller batch, else please report this")]
    Panicked(String),
}

/// Bytes in GiB.
fn gib(bytes: u64) -> f64 {
    bytes as f64 / (1u64 << 30) as f64
}
