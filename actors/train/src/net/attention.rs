//! The table of attention modules that stand at the end of every residual branch, after squeeze-and-excite and before
//! self-attention. A new one is a file of its own and a line here.
//!
//! Squeeze-and-excite and self-attention are not in it: where they stand depends on the block and on the stage.

use super::Layer;
use super::eca;
use super::part::Part;
use crate::state::StateBuilder;

/// Every attention module.
pub static ATTENTIONS: &[&Part<AttentionMaker>] = &[
    &eca::ECA, // efficient channel attention
];

/// Builds the module for so many channels.
pub type AttentionMaker = fn(&mut StateBuilder, channels: i64) -> Box<dyn Layer>;
