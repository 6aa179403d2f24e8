//! `data garden|inspect|verify|show|dump|pack`: looking at, checking and making data sets.
//! Not here: the formats themselves (`fastgarden-data`), or training on them.

mod dump;
mod garden;
mod inspect;
mod lettering;
mod npy;
mod pack;
mod sheet;
mod show;
pub(crate) mod text;
mod verify;

use std::io::{self, Write as _};

use crate::cli::DataCommand;
use crate::exit::Failure;

/// Runs one of them; results go to standard output, progress to standard error.
pub fn run(command: &DataCommand) -> Result<(), Failure> {
    match command {
        DataCommand::Garden(args) => garden::run(args),
        DataCommand::Inspect(args) => inspect::run(args),
        DataCommand::Verify(args) => verify::run(args),
        DataCommand::Show(args) => show::run(args),
        DataCommand::Dump(args) => dump::run(args),
        DataCommand::Pack(args) => pack::run(args),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::from)
}
