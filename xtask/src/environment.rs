//! The process environment that set-up looks at and its children get: variables and programs on PATH. Tests make their
//! own, which is how a machine without pip is played. Not for settings: those are arguments.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the commands see of the outside.
#[derive(Clone, Debug)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    cargo: PathBuf,
}

impl Environment {
    /// The environment of this process, less what `cargo run` and .cargo/config.toml put there: cargo started from
    /// here must find the same variables as cargo started by hand, or it would compile torch-sys again.
    pub fn of_process(root: &Path) -> Self {
        let own_libtorch = root.join(crate::link::NAME);
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let variables = std::env::vars_os()
            .filter(|(name, _)| !is_set_by_cargo(name))
            .filter(|(name, value)| name != "LIBTORCH" || Path::new(value) != own_libtorch)
            .collect();
        Self { variables, cargo }
    }

    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The first executable file of that name on PATH.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(self.variable("PATH")?).map(|folder| folder.join(name)).find(|path| {
            path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        })
    }

    /// A command that sees this environment and nothing else.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.variables);
        command
    }

    /// The cargo that runs this, for a child with this environment.
    pub fn cargo(&self) -> Command {
        self.command(&self.cargo)
    }

    /// A copy with one variable changed.
    pub fn with(&self, name: &str, value: impl Into<OsString>) -> Self {
        let mut copy = self.clone();
        copy.variables.insert(OsString::from(name), value.into());
        copy
    }

    /// A copy without a variable.
    pub fn without(&self, name: &str) -> Self {
        let mut copy = self.clone();
        copy.variables.remove(OsStr::new(name));
        copy
    }
}

#[cfg(test)]
impl Environment {
    /// An environment with nothing in it but these.
    pub fn of(variables: &[(&str, &OsStr)]) -> Self {
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), value.to_os_string())).collect();
        Self { variables, cargo: PathBuf::from("cargo") }
    }
}

fn is_set_by_cargo(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    matches!(&*name, "CARGO" | "CARGO_MANIFEST_DIR" | "CARGO_MANIFEST_PATH" | "CARGO_PRIMARY_PACKAGE")
        || name.starts_with("CARGO_PKG_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_run_adds_is_dropped_and_the_users_settings_stay() {
        for dropped in ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_PKG_VERSION"] {
            assert!(is_set_by_cargo(OsStr::new(dropped)), "{dropped}");
        }
        for kept in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_TERM_COLOR", "RUSTUP_HOME", "PATH"] {
            assert!(!is_set_by_cargo(OsStr::new(kept)), "{kept}");
        }
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        assert_eq!(Environment::of(&[("LIBTORCH", OsStr::new(""))]).variable("LIBTORCH"), None);
    }

    #[test]
    fn only_executable_files_are_programs() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("plain"), "").expect("a file");
        std::fs::create_dir(folder.path().join("folder")).expect("a folder");
        let environment = Environment::of(&[("PATH", folder.path().as_os_str())]);
        assert_eq!(environment.program("plain"), None);
        assert_eq!(environment.program("folder"), None);
    }
}
