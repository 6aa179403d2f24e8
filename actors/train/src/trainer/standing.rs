//! What a run's checkpoint says to others: how far the run had come, and the weights that it is judged by.
//! Not here: going on with the run (see `state`).

use fastgarden_data::ledger::LedgerPosition;
use serde::Deserialize as _;
use serde_json::Value;

use super::state::{EMA, Next, Progress};
use crate::checkpoint::{self, Loaded};
use crate::optimizer::{Ema, OptimizerStateError};
use crate::state::StateDict;

/// Makes the values of a net, into which `loaded` was loaded, the mean weights that were saved with it.
pub fn show_mean(state: &StateDict, loaded: &Loaded) -> Result<(), OptimizerStateError> {
    Ema::show(state, &checkpoint::section(loaded, EMA))
}

/// How far a run had come when a checkpoint was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Epochs that were opened, over its lineage.
    pub epochs: u32,
    /// Its ledger.
    pub ledger: LedgerPosition,
    /// Whether the run is finished.
    pub is_finished: bool,
}

/// Where a checkpoint's run stood; `None` if it is not one of this trainer's.
pub fn standing_of(loaded: &Loaded) -> Option<Standing> {
    standing_in(&loaded.meta)
}

/// Where a checkpoint's run stood, by what its manifest says; `None` if it is not one of this trainer's.
pub fn standing_in(meta: &Value) -> Option<Standing> {
    let progress = Progress::deserialize(meta).ok()?;
    let cursor = progress.cursor;
    // An epoch is opened with its first ticket.
    let is_opened = cursor.next != Next::Train || cursor.seq > 0;
    let epochs = if is_opened { cursor.epoch } else { cursor.epoch.saturating_sub(1) };
    Some(Standing { epochs, ledger: progress.ledger, is_finished: cursor.next == Next::Done })
}

/// The number of libtorch threads that a run was begun with, as its checkpoint says.
pub fn cpu_threads_of(loaded: &Loaded) -> Option<i32> {
    serde_json::from_value::<Progress>(loaded.meta.clone()).ok().map(|progress| progress.cpu_threads)
}
