//! What CI runs, in the order in which failures are cheapest to find. One profile wherever libtorch is needed, so that
//! torch-sys's C++ is compiled once for lints, documentation and tests.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use crate::environment::Environment;
use crate::problem::{Problem, Result};
use crate::setup;

/// What a step is called, and what cargo is told.
const STEPS: [(&str, &[&str]); 5] = [
    ("format", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    ("documentation", &["doc", "--workspace", "--no-deps", "--locked"]),
    // The README's own command.
    ("tests", &["xtask", "test"]),
    // Of what is released, so the data crate is compiled once more, optimised.
    ("instruction counts", &["xtask", "counts"]),
];

/// Runs every step, stopping at the first that fails, and says how long each took.
pub fn run(root: &Path, environment: &Environment) -> Result<ExitCode> {
    let began = Instant::now();
    let mut lines = Vec::new();
    time("set-up", &mut lines, || setup::if_needed(root, environment))?;
    // Only rustdoc reads it: a variable for rustc would make cargo compile everything anew.
    let mut documentation_flags = environment.variable("RUSTDOCFLAGS").map_or_else(OsString::new, OsString::from);
    documentation_flags.push(" -D warnings");
    for (step, arguments) in STEPS {
        eprintln!("ci: {step}: cargo {}", arguments.join(" "));
        let step_environment = match step {
            "documentation" => environment.with("RUSTDOCFLAGS", &documentation_flags),
            _ => environment.clone(),
        };
        time(step, &mut lines, || {
            let mut cargo = step_environment.cargo();
            let status =
                cargo.current_dir(root).args(arguments).status().map_err(Problem::io("starting cargo", root))?;
            if status.success() { Ok(()) } else { Err(Problem::Step { step: format!("ci: {step}") }) }
        })?;
    }
    eprintln!("ci: all well after {} s ({})", began.elapsed().as_secs(), lines.join(", "));
    Ok(ExitCode::SUCCESS)
}

fn time(step: &str, lines: &mut Vec<String>, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    work()?;
    lines.push(format!("{step} {} s", began.elapsed().as_secs()));
    Ok(())
}
