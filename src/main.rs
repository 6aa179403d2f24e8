//! The program: parse, run, print what went wrong, return the exit code. Everything else is in the library.

use std::process::ExitCode;

use clap::Parser as _;
use fastgarden_actors::cli::Cli;
use fastgarden_actors::{commands, telemetry};

/// As for any other path that can't be used.
const BAD_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed the same way as errors, and are successes. A closed pipe is one too.
            let _closed_pipe = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    let trace = cli.command.trace();
    let _recording = match telemetry::start(cli.log_format, trace) {
        Ok(recording) => recording,
        Err(error) => {
            let path = trace.map(|path| path.display().to_string()).unwrap_or_default();
            eprintln!("error: the trace {path} can't be written: {error}\n  name another file with --trace");
            return ExitCode::from(BAD_USAGE);
        }
    };
    match commands::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                eprintln!("{message}");
            }
            failure.exit_code()
        }
    }
}
