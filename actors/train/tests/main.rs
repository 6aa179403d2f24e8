//! The one integration binary of the training crate: nets, optimisers, schedules and losses against the golden numbers.
//! Not for what a module can test by itself: those tests stand in the module.

mod calls;
mod fill;
mod golden;
mod golden_batch_augment;
mod golden_layers;
mod golden_loss;
mod golden_nets;
mod golden_optimizers;
mod golden_schedules;
mod guide;
mod layouts;
mod rehearsal;
