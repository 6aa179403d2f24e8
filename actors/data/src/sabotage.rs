//! Trouble on demand, for tests of what must survive it: panics, dying threads, failing disks, slow stages.
//! Not for: anything but tests. A pipeline without a saboteur pays one `Option` check a row.

use crate::shared::StageName;

/// What a saboteur can do to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Panic inside the stage's work, where decoders panic.
    Panic,
    /// Kill the worker's thread: a panic outside everything that catches.
    KillWorker,
    /// Fail as a broken disk does.
    Io,
    /// Take this much longer, milliseconds.
    Slow(u64),
}

/// Decides about trouble before each row of each stage.
pub trait Sabotage: Send + Sync {
    /// Trouble for this record at this stage, or none.
    fn trouble(&self, stage: StageName, record: u32) -> Option<Trouble>;
}

impl<F: Fn(StageName, u32) -> Option<Trouble> + Send + Sync> Sabotage for F {
    fn trouble(&self, stage: StageName, record: u32) -> Option<Trouble> {
        self(stage, record)
    }
}
