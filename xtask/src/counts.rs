//! Instruction counts: sees to it that Valgrind is there, and lets the bench `instructions` hold its counts against the
//! committed limits. Not here: counting (the bench starts itself under Valgrind).

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

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
    if environment.program("valgrind").is_none() {
        install_valgrind(environment)?;
    }
    let mut cargo = environment.cargo();
    let counted = cargo.current_dir(root).args(BENCH).args(["--", flag]).status();
    let counted = counted.map_err(Problem::io("starting cargo", root))?;
    if counted.success() { Ok(ExitCode::SUCCESS) } else { Err(Problem::Step { step: "counting".to_owned() }) }
}

/// By the system's packages, where this is Debian's kind of system and we may.
fn install_valgrind(environment: &Environment) -> Result<()> {
    let apt = environment.program("apt-get").filter(|_| rustix::process::geteuid().is_root());
    let apt = apt.ok_or(Problem::ValgrindMissing)?;
    for arguments in [&["update", "-q"][..], &["install", "-y", "-q", "--no-install-recommends", "valgrind"]] {
        let mut command = environment.command(&apt);
        let status = command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments).status();
        if !status.map_err(Problem::io("starting apt-get", &apt))?.success() {
            return Err(Problem::ValgrindMissing);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_valgrind_and_apt_the_way_out_is_said() {
        let empty = tempfile::tempdir().expect("a temporary folder");
        let environment = Environment::of(&[("PATH", empty.path().as_os_str())]);
        let problem = install_valgrind(&environment).expect_err("nothing to install it with");
        assert!(matches!(problem, Problem::ValgrindMissing) && problem.to_string().contains("apt install valgrind"));
    }

    #[test]
    fn other_arguments_are_refused() {
        let refused = run(Path::new("."), &Environment::of(&[]), &[OsString::from("--raise")]);
        assert!(matches!(refused, Err(Problem::Usage { given }) if given == "counts --raise"));
    }
}
