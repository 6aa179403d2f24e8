//! Short real runs in a temporary folder, for proofs that have other programs read what runs leave.
//! Not here: what is read.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::program::Program;
use crate::environment::Environment;
use crate::problem::{Problem, Result};

/// Small enough for seconds a run on two cores.
const SEEDLING: [&str; 8] = [
    "--set",
    "stage.0.epochs=2",
    "--set",
    "stage.0.input_px=32",
    "--set",
    "evaluation.input_px=32",
    "--set",
    "evaluation.resize_px=40",
];

/// A folder with a small garden, one of whose training records is damaged, and room for series.
pub struct Trial<'a> {
    program: Program,
    environment: &'a Environment,
    /// Where everything lies; it stays, to be looked at.
    pub folder: PathBuf,
}

impl<'a> Trial<'a> {
    /// Builds the program and draws the garden.
    pub fn prepare(root: &Path, environment: &'a Environment, name: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("fastgarden-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(Problem::io("making", &folder))?;
        let trial = Self { program: Program::build(root, environment)?, environment, folder };
        let mut draw = trial.program();
        draw.args(["data", "garden", "--sizes", "192", "--train", "640", "--val", "256"]).arg(trial.garden());
        super::step("data garden", draw)?;
        damage(&trial.garden().join("tfrecords-jpeg-192x192/train"))?;
        Ok(trial)
    }

    /// The program, its words still to come.
    pub fn program(&self) -> Command {
        self.program.command()
    }

    /// `train` on the garden for two short epochs, with further words.
    pub fn train(&self, more: &[&str]) -> Command {
        let mut command = self.program();
        command.args(["train", "--rules", "none", "--device", "cpu", "--dashboard", "off", "--data"]);
        command.arg(self.garden()).arg("--out").arg(self.runs()).args(SEEDLING).args(more);
        command
    }

    /// The folder of all series.
    pub fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    /// The folders of all series, the oldest first.
    pub fn series(&self) -> Result<Vec<PathBuf>> {
        entries(&self.runs())
    }

    fn garden(&self) -> PathBuf {
        self.folder.join("garden")
    }

    /// Python 3 that knows packages of pip's index, which are installed into the trial's folder.
    pub fn python(&self, packages: &[&str]) -> Result<Python> {
        let python = self.environment.program("python3").ok_or(Problem::ProgramMissing { name: "python3" })?;
        let folder = self.folder.join("python");
        let mut pip = self.environment.command(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
        pip.arg(&folder).args(packages);
        super::step("pip install", pip).map_err(|_| Problem::PackagesMissing { packages: packages.join(" ") })?;
        Ok(Python { program: python, environment: self.environment.with("PYTHONPATH", &folder), packages: folder })
    }
}

/// Python 3 with packages.
pub struct Python {
    program: PathBuf,
    environment: Environment,
    /// Where the packages lie.
    pub packages: PathBuf,
}

impl Python {
    pub fn command(&self) -> Command {
        self.environment.command(&self.program)
    }

    /// What a program prints, as JSON.
    pub fn told(&self, program: &str, argument: &Path) -> Result<Value> {
        let mut command = self.command();
        let output = command.args(["-c", program]).arg(argument).stderr(Stdio::inherit()).output();
        let output = output.map_err(Problem::io("starting", &self.program))?;
        serde_json::from_slice(&output.stdout).map_err(|error| Problem::Program {
            program: "python3".to_owned(),
            doing: "reading what a run left",
            detail: error.to_string(),
        })
    }
}

/// A program in the background, which is told to end when this goes.
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command) -> Result<Self> {
        let program = PathBuf::from(command.get_program());
        command.spawn().map(Self).map_err(Problem::io("starting", program))
    }

    /// Of a program that was started elsewhere.
    pub fn of(child: Child) -> Self {
        Self(child)
    }

    /// Whether it has ended well; an error if it has ended otherwise.
    pub fn has_ended(&mut self, name: &str) -> Result<bool> {
        match self.0.try_wait().map_err(Problem::io("waiting for", name))? {
            Some(status) if !status.success() => Err(Problem::Step { step: name.to_owned() }),
            ended => Ok(ended.is_some()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where cargo stands between, it hands this on to the program, which saves and ends.
        if let Ok(None) = self.0.try_wait()
            && let Some(pid) = rustix::process::Pid::from_raw(self.0.id() as i32)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

/// The report of a series.
pub fn report(series: &Path) -> Result<Value> {
    let path = series.join("report.json");
    let text = std::fs::read(&path).map_err(Problem::io("reading", &path))?;
    serde_json::from_slice(&text).map_err(|error| Problem::io("reading", &path)(error.into()))
}

/// Says a thing that holds, or fails with what was found instead.
pub fn holds(claim: &str, found: &Value, expected: &Value) -> Result<()> {
    if found == expected {
        println!("  {claim}: {}", short(&found.to_string()));
        return Ok(());
    }
    Err(Problem::Unproved { found: format!("{claim}: {found} instead of {expected}") })
}

fn short(text: &str) -> String {
    const CHARS_MAX: usize = 160;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

/// Flips a bit in the middle of the only shard of a split.
fn damage(split: &Path) -> Result<()> {
    for shard in entries(split)? {
        let mut bytes = std::fs::read(&shard).map_err(Problem::io("reading", &shard))?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&shard, bytes).map_err(Problem::io("writing", &shard))?;
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let found = std::fs::read_dir(folder).map_err(Problem::io("reading", folder))?;
    let mut paths: Vec<PathBuf> = found.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}
