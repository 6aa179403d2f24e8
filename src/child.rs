//! Trainings in a process of their own: what they take of the device is theirs alone, and a crash ends one of them only.
//! Not here: what is to be trained.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{self, Pid};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::{DataChoice, PoolArgs};
use crate::exit::{Complaint, Failure, OrFail as _, Signal};
use crate::run_spec::quoted;

/// One `train`.
#[derive(Clone, Debug)]
pub struct Training<'a> {
    /// A program with our command line.
    pub program: &'a Path,
    /// The recipe's file.
    pub recipe: &'a Path,
    /// Rules by name or file.
    pub rules: &'a str,
    /// Where the examples are.
    pub data: &'a DataChoice,
    /// Pool sizes.
    pub pools: &'a PoolArgs,
    /// As in `--device`.
    pub device: String,
    /// Folder of its series.
    pub out: &'a Path,
    /// Its seeds, as `--seed N` or `--runs N`.
    pub seeds: Seeds,
    /// What it starts from.
    pub from: Option<&'a Path>,
    /// Steps after which its runs end.
    pub max_steps: Option<u64>,
}

/// Which runs.
#[derive(Clone, Copy, Debug)]
pub enum Seeds {
    /// This one.
    One(u64),
    /// From 1 to this.
    UpTo(u32),
}

/// Passes signals on to the training at hand, which saves and ends; this process only waits for it.
pub struct Patience {
    state: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    child: Option<Pid>,
    received: Option<Signal>,
}

impl Patience {
    /// From now on. While there is no training, a signal ends this process.
    pub fn begin() -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let state = Arc::new(Mutex::new(Waiting::default()));
        let held = Arc::clone(&state);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                let mut waiting = lock(&held);
                let Some(child) = waiting.child else { signal_hook::low_level::exit(128 + signal) };
                waiting.received = Some(if signal == SIGTERM { Signal::Terminate } else { Signal::Interrupt });
                let passed_on = if signal == SIGTERM { process::Signal::TERM } else { process::Signal::INT };
                // It may have ended just now.
                let _ = process::kill_process(child, passed_on);
            }
        })?;
        Ok(Self { state })
    }

    /// Waits for a child. `Err` when a signal came meanwhile.
    fn wait_for(&self, child: &mut Child) -> Result<ExitStatus, Failure> {
        lock(&self.state).child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let status = child.wait();
        let mut waiting = lock(&self.state);
        waiting.child = None;
        match waiting.received {
            Some(signal) => Err(Failure::Interrupted { signal, resume_command: None }),
            None => status.or_run(),
        }
    }
}

fn lock(state: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was typed, to be typed again.
pub fn this_command() -> String {
    let words = std::env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy()));
    [env!("CARGO_PKG_NAME").to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// An interruption with the command that goes on where it came: the same once more.
pub fn with_this_command(failure: Failure) -> Failure {
    match failure {
        Failure::Interrupted { signal, .. } => Failure::Interrupted { signal, resume_command: Some(this_command()) },
        other => other,
    }
}

/// The program that runs.
pub fn this_program() -> Result<PathBuf, Failure> {
    std::env::current_exe().or_run()
}

impl Training<'_> {
    /// Trains to the end, going on where an earlier call stopped. Returns the exit code.
    ///
    /// # Errors
    /// If it could not be started, or a signal ended it.
    pub fn run(&self, patience: &Patience) -> Result<i32, Failure> {
        let mut command = Command::new(self.program);
        command.arg("train").arg(self.recipe).args(["--rules", self.rules, "--resume", "--device", &self.device]);
        command.arg("--out").arg(self.out);
        match self.seeds {
            Seeds::One(seed) => command.args(["--seed", &seed.to_string()]),
            Seeds::UpTo(runs) => command.args(["--runs", &runs.to_string()]),
        };
        for pattern in &self.data.data {
            command.args(["--data", pattern]);
        }
        if let Some(names) = &self.data.class_names {
            command.arg("--class-names").arg(names);
        }
        if let Some(from) = self.from {
            command.arg("--from").arg(from);
        }
        if let Some(steps) = self.max_steps {
            command.args(["--max-steps", &steps.to_string()]);
        }
        command.args(self.pools.words());
        // Its table and last words would stand among our own; its progress goes to standard error.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // A group of its own: a terminal's Ctrl-C reaches it once, through this process.
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| {
            let cause = anyhow::Error::new(error).context(format!("cannot start {}", self.program.display()));
            Failure::Run(Complaint::new(cause))
        })?;
        // Killed by a signal that only it got, for want of memory as a rule, it has no code.
        Ok(patience.wait_for(&mut child)?.code().unwrap_or(1))
    }
}
