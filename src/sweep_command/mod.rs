//! `sweep`: a recipe at every point of a grid, one series a point, and a table that compares them.
//! Not here: training; each point is a `train` of its own.

use crate::cli::SweepArgs;
use crate::exit::Failure;

/// Runs the command.
pub fn run(args: &SweepArgs) -> Result<(), Failure> {
    let _ = args;
    Ok(())
}
