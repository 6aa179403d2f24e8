//! The program that proofs run, built once, and the pictures that it runs on.
//! Not here: what is proved.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::environment::Environment;
use crate::problem::{Problem, Result};

const NAME: &str = "fastgarden-actors";

/// The built program.
pub struct Program {
    path: PathBuf,
    environment: Environment,
}

impl Program {
    /// Builds it as it stands in the checkout.
    pub fn build(root: &Path, environment: &Environment) -> Result<Self> {
        println!("> cargo build");
        let mut cargo = environment.cargo();
        cargo.current_dir(root).args(["build", "--quiet", "--bin", NAME]);
        cargo.args(["--message-format", "json-render-diagnostics"]).stderr(Stdio::inherit());
        let output = cargo.output().map_err(Problem::io("starting", "cargo build"))?;
        let told = String::from_utf8_lossy(&output.stdout);
        let artifacts = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let path = artifacts.filter_map(|artifact| artifact["executable"].as_str().map(PathBuf::from)).next_back();
        match path.filter(|_| output.status.success()) {
            Some(path) => Ok(Self { path, environment: environment.clone() }),
            None => Err(Problem::Step { step: "cargo build".to_owned() }),
        }
    }

    /// A call of it.
    pub fn command(&self) -> Command {
        self.environment.command(&self.path)
    }

    /// Calls it and reads the JSON that it prints.
    pub fn json<W: AsRef<OsStr>>(&self, doing: &'static str, words: &[W], data: &Path) -> Result<Value> {
        let mut command = self.command();
        command.args(words).args(["--format", "json", "--data"]).arg(data);
        let output = command.output().map_err(Problem::io("starting", &self.path))?;
        let failed = |detail: String| Problem::Program { program: NAME.to_owned(), doing, detail };
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
    }

    /// Draws a garden of pictures of 224 px.
    pub fn draw_garden(&self, folder: &Path, train: usize, val: usize) -> Result<()> {
        let mut command = self.command();
        command.args(["data", "garden"]).arg(folder).args(["--sizes", "224", "--train", &train.to_string()]);
        command.args(["--val", &val.to_string()]).stdout(Stdio::null());
        super::step("drawing a garden", command)
    }
}
