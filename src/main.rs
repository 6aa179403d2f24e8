//! The program: parse, run, print what went wrong, return the exit code. Everything else is in the library.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::process::ExitCode;

use clap::Parser as _;
use fastgarden_actors::cli::{Cli, Command};
use fastgarden_actors::exit::{Complaint, Failure};
use fastgarden_actors::told::say;
use fastgarden_actors::{commands, telemetry};
use fastgarden_train::breakdown;

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
            say(&format!("error: the trace {path} can't be written: {error}\n  name another file with --trace"));
            return ExitCode::from(BAD_USAGE);
        }
    };
    match guarded(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                say(&message);
            }
            failure.exit_code()
        }
    }
}

/// Runs a command. libtorch's errors, which come as panics with kilobytes of C++ trace, are told in one sentence;
/// RUST_BACKTRACE shows all of them.
fn guarded(command: Command) -> Result<(), Failure> {
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        // Whoever catches a panic tells of it; of a bug the place is worth knowing. A panic in here would be the end.
        set_hook(Box::new(|panic| {
            if let Some(place) = panic.location() {
                say(&format!("broke down at {place}"));
            }
        }));
    }
    catch_unwind(AssertUnwindSafe(|| commands::run(command))).unwrap_or_else(|panic| {
        let cause = anyhow::anyhow!("this command broke down: {}", breakdown::words(&*panic));
        let way_out = "if memory ran out, a smaller net or batch; else report this, with RUST_BACKTRACE=1";
        Err(Failure::Run(Complaint::new(cause).way_out(way_out)))
    })
}
