//! Python and its pip, as far as fetching and unpacking wheels needs them. Not for running torch in Python.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::environment::Environment;
use crate::problem::{Problem, Result};
use crate::wheels::Wheels;

/// `--platform` may be repeated since this pip.
const PIP_VERSION_MIN: (u32, u32) = (20, 3);

const UNPACK: &str = include_str!("unpack.py");

/// A Python 3 that has a usable pip.
pub struct Python<'a> {
    path: PathBuf,
    environment: &'a Environment,
}

impl<'a> Python<'a> {
    pub fn find(environment: &'a Environment) -> Result<Self> {
        let path = environment.program("python3").ok_or(Problem::PythonMissing)?;
        let output = environment
            .command(&path)
            .args(["-m", "pip", "--version"])
            .output()
            .map_err(Problem::io("starting python3", &path))?;
        if !output.status.success() {
            return Err(Problem::PipMissing { python: path });
        }
        let version = String::from_utf8_lossy(&output.stdout);
        let version = version.split_whitespace().nth(1).unwrap_or("unknown");
        if parse_version(version).is_some_and(|found| found < PIP_VERSION_MIN) {
            return Err(Problem::PipTooOld { found: version.to_owned() });
        }
        Ok(Self { path, environment })
    }

    /// Downloads the wheels into `folder`, calling `tick` a few times a second. pip's words go to a file beside them
    /// and are looked at only when it fails.
    pub fn download(&self, wheels: &Wheels, folder: &Path, mut tick: impl FnMut()) -> Result<()> {
        let log_path = folder.join("pip.log");
        let log = File::create(&log_path).map_err(Problem::io("writing", &log_path))?;
        let log_too = log.try_clone().map_err(Problem::io("writing", &log_path))?;
        // TMPDIR: pip collects a wheel in the temporary folder first, which is often a small memory disk.
        let mut child = self
            .environment
            .with("TMPDIR", folder)
            .with("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .without("PIP_REQUIRE_VIRTUALENV")
            .command(&self.path)
            .args(["-m", "pip", "download", "--no-input", "--no-cache-dir", "--progress-bar", "off", "--dest"])
            .arg(folder)
            .args(wheels.pip_arguments())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .spawn()
            .map_err(Problem::io("starting pip", &self.path))?;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(Problem::io("waiting for pip", &self.path))? {
                break status;
            }
            tick();
            std::thread::sleep(Duration::from_millis(200));
        };
        if status.success() {
            return Ok(());
        }
        let words = std::fs::read(&log_path).map_err(Problem::io("reading", &log_path))?;
        Err(explain(&String::from_utf8_lossy(&words), folder))
    }

    /// Unpacks from a wheel what a program linked with libtorch needs.
    pub fn unpack(&self, wheel: &Path, into: &Path, wheels: &Wheels) -> Result<()> {
        let output = self
            .environment
            .command(&self.path)
            .args(["-c", UNPACK])
            .arg(wheels.variant().to_string())
            .args([wheel, into])
            .output()
            .map_err(Problem::io("starting python3", &self.path))?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        if is_disk_full(&words) {
            return Err(Problem::DiskFull { folder: into.to_path_buf() });
        }
        let file = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Err(Problem::Unpack { file, detail: last_line(&words) })
    }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next().unwrap_or("0").parse().ok()?))
}

/// Finds the cause in pip's words. The order matters: an unreachable index also ends in "no matching distribution".
fn explain(words: &str, folder: &Path) -> Problem {
    const UNREACHABLE: [&str; 9] = [
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeout",
        "ReadTimeoutError",
        "ProxyError",
        "SSLError",
        "ConnectionResetError",
        "ProtocolError",
        "ConnectionError",
    ];
    if is_disk_full(words) {
        return Problem::DiskFull { folder: folder.to_path_buf() };
    }
    if let Some(sign) = UNREACHABLE.iter().find(|sign| words.contains(**sign)) {
        return Problem::IndexUnreachable { detail: (*sign).to_owned() };
    }
    // With its retries turned off pip does not say why it saw no version at all.
    if words.contains("(from versions: none)") {
        return Problem::IndexUnreachable { detail: "it lists no version".to_owned() };
    }
    if words.contains("No matching distribution") || words.contains("Could not find a version") {
        return Problem::WheelMissing { detail: last_line(words) };
    }
    Problem::PipFailed { detail: last_line(words) }
}

fn is_disk_full(words: &str) -> bool {
    words.contains("Errno 28") || words.contains("No space left on device")
}

/// The last line that says something, without pip's `ERROR:`.
pub fn last_line(words: &str) -> String {
    let line = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    line.trim().trim_start_matches("ERROR: ").to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// What `find` says on a machine whose python3 is this shell script; none means that there is no python3.
    fn problem_with(script: Option<&str>) -> Option<Problem> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if let Some(script) = script {
            let path = folder.path().join("python3");
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
        }
        let environment = Environment::of(&[("PATH", folder.path().as_os_str())]);
        Python::find(&environment).err()
    }

    #[test]
    fn a_machine_without_python_or_pip_is_told_what_to_install() {
        let problem = problem_with(None).expect("no python3");
        assert!(matches!(problem, Problem::PythonMissing), "{problem}");
        assert!(problem.to_string().contains("apt install python3 python3-pip"), "{problem}");

        let problem = problem_with(Some("echo No module named pip >&2; exit 1")).expect("no pip");
        assert!(matches!(problem, Problem::PipMissing { .. }), "{problem}");
        assert!(problem.to_string().contains("apt install python3-pip"), "{problem}");
    }

    #[test]
    fn an_old_pip_is_refused_and_a_new_one_taken() {
        let problem = problem_with(Some("echo pip 19.1.1 from /somewhere")).expect("too old");
        assert!(problem.to_string().contains("19.1.1"), "{problem}");
        assert!(problem_with(Some("echo pip 20.3 from /somewhere")).is_none());
        assert!(problem_with(Some("echo pip 26.0 from /somewhere")).is_none());
    }

    #[test]
    fn the_cause_is_found_in_what_pip_says() {
        let folder = Path::new("cache");
        let offline =
            "WARNING: Retrying ... NewConnectionError('...')\nERROR: No matching distribution found for torch";
        assert!(matches!(explain(offline, folder), Problem::IndexUnreachable { .. }));
        let absent = "ERROR: Could not find a version\nERROR: No matching distribution found for torch==2.13.0\n\n";
        match explain(absent, folder) {
            Problem::WheelMissing { detail } => assert_eq!(detail, "No matching distribution found for torch==2.13.0"),
            other => panic!("{other}"),
        }
        let mute =
            "ERROR: Could not find a version (from versions: none)\nERROR: No matching distribution found for torch";
        assert!(matches!(explain(mute, folder), Problem::IndexUnreachable { .. }));
        let full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device";
        assert!(matches!(explain(full, folder), Problem::DiskFull { .. }));
        assert!(matches!(explain("", folder), Problem::PipFailed { .. }));
    }
}
