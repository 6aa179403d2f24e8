//! Instruction counts: sees to it that Valgrind is there, and lets the bench `instructions` hold its counts against the
//! committed limits. Not here: counting (the bench starts itself under Valgrind).

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::apt;
use crate::environment::Environment;
use crate::problem::{Problem, Result};

/// The bench that counts; it needs no libtorch.
const BENCH: [&str; 6] = ["bench", "--locked", "--package", "fastgarden-data", "--bench", "instructions"];

/// Checks the counts, or with `--set-limits` makes today's the new limits.
pub fn run(root: &Path, environment: &Environment, arguments: &[OsString]) -> Result<ExitCode> {
    let flag = match arguments {
        [] => "--check",
        [one] if one == "--set-limits" => "--set-limits",
        others => {
            let given: Vec<_> = others.iter().map(|argument| argument.to_string_lossy()).collect();
            return Err(Problem::Usage { given: format!("counts {}", given.join(" ")) });
        }
    };
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        eprintln!("counts: the limits are for Linux on x86-64, and nothing is counted here");
        return Ok(ExitCode::SUCCESS);
    }
    apt::program(environment, "valgrind")?;
    let mut cargo = environment.cargo();
    let counted = cargo.current_dir(root).args(BENCH).args(["--", flag]).status();
    let counted = counted.map_err(Problem::io("starting cargo", root))?;
    if counted.success() { Ok(ExitCode::SUCCESS) } else { Err(Problem::Step { step: "counting".to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_arguments_are_refused() {
        let refused = run(Path::new("."), &Environment::of(&[]), &[OsString::from("--raise")]);
        assert!(matches!(refused, Err(Problem::Usage { given }) if given == "counts --raise"));
    }
}
