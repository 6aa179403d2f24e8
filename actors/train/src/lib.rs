//! Training on libtorch: the nets of the recipes, loss, optimisers, schedules, metrics, devices and checkpoints.
//!
//! Not a model zoo and not a tensor library: it has what the recipes need and nothing else. It knows nothing of shards,
//! of decoding or of the command line.

pub mod batch_augment;
pub mod breakdown;
pub mod checkpoint;
pub mod device;
pub mod device_memory;
pub mod layout;
pub mod loss;
pub mod lr_range;
pub mod metric;
pub mod net;
pub mod optimizer;
pub mod precision;
pub mod rehearsal;
pub mod schedule;
pub mod state;
#[cfg(test)]
mod testing;
pub mod trainer;
pub mod transfer;
