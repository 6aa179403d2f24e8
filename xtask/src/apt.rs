//! Programs that come as Debian packages: found on PATH, or installed where that can be done.
//! Not for what pip or cargo bring.

use std::path::PathBuf;

use crate::environment::Environment;
use crate::problem::{Problem, Result};

/// The program of a package of its name.
pub fn program(environment: &Environment, name: &'static str) -> Result<PathBuf> {
    if environment.program(name).is_none() {
        install(environment, name)?;
    }
    environment.program(name).ok_or(Problem::ProgramMissing { name })
}

/// By the system's packages, where this is Debian's kind of system and we may.
fn install(environment: &Environment, name: &'static str) -> Result<()> {
    let apt = environment.program("apt-get").filter(|_| rustix::process::geteuid().is_root());
    let apt = apt.ok_or(Problem::ProgramMissing { name })?;
    for arguments in [&["update", "-q"][..], &["install", "-y", "-q", "--no-install-recommends", name]] {
        let mut command = environment.command(&apt);
        let status = command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments).status();
        if !status.map_err(Problem::io("starting apt-get", &apt))?.success() {
            return Err(Problem::ProgramMissing { name });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_program_and_apt_the_way_out_is_said() {
        let empty = tempfile::tempdir().expect("a temporary folder");
        let environment = Environment::of(&[("PATH", empty.path().as_os_str())]);
        let problem = program(&environment, "valgrind").expect_err("nothing to install it with").to_string();
        assert!(problem.contains("apt install valgrind"), "{problem}");
    }
}
