//! Why a pipeline ended before its plan did.
//! Not here: bad bytes within the budget (they are outcomes, not failures).

/// An end nobody wanted. Cloneable, since every later caller is told the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PipelineError {
    /// The storage failed, retries included. Never counted as a property of the record.
    #[error(
        "reading {shard} at byte {offset} failed: {cause}; check the disk or the network mount, then run again with --resume"
    )]
    Io {
        /// Base name of the shard.
        shard: String,
        /// Offset of the record's frame.
        offset: u64,
        /// The system's words.
        cause: String,
    },
    /// More distinct bad records than the budget allows.
    #[error(
        "{bad} bad records are more than the {budget} that data.bad_records allows ({first}); run `data verify` to list them all"
    )]
    TooManyBadRecords {
        /// How many were met.
        bad: u64,
        /// How many may be.
        budget: u64,
        /// One of them, in words.
        first: String,
    },
    /// All workers of a pool are dead.
    #[error("all {stage} workers have died; this is a bug in this program: please report it with the log above")]
    NoWorkers {
        /// The pool.
        stage: &'static str,
    },
    /// Slab memory could not be had.
    #[error("no memory for {bytes} bytes of batch buffers: {cause}; choose a smaller batch or a smaller --prefetch")]
    NoMemory {
        /// What was asked for.
        bytes: u64,
        /// The system's words.
        cause: String,
    },
    /// The pipeline was stopped, by its owner.
    #[error("the pipeline was stopped")]
    Stopped,
    /// A part of the pipeline ended in a way that only a bug explains.
    #[error("{0}; this is a bug in this program: please report it with the log above")]
    Bug(String),
}
