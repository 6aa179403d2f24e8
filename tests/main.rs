//! End-to-end tests of the program, a module per area.
//! Not here: tests of parts, which stand beside them.

mod bench;
mod common;
mod data_commands;
mod entry;
mod heads;
mod leaderboard;
mod lr_find;
mod predict;
mod referee;
mod runs;
mod samplers;
mod seeing;
mod stages;
mod submission;
mod submit;
#[cfg(target_os = "linux")]
mod terminal;
mod told;
mod train;
