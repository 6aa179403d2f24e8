//! How a command ends: the kinds of failure a user can meet, their exit codes, and how they are printed.
//! Not here: what went wrong inside a crate; those errors arrive as causes.

use std::fmt::{self, Write as _};
use std::io;
use std::process::ExitCode;

use crate::told::harmless;

/// Why a command did not succeed. Each kind has one exit code, and scripts rely on it.
#[derive(Debug)]
pub enum Failure {
    /// Bad usage, path or recipe: code 2.
    Usage(Complaint),
    /// The run failed: code 1.
    Run(Complaint),
    /// Bad data beyond the budget, or a validation record in a training plan: code 3.
    BadData(Complaint),
    /// Rules broken: code 4. Never from `train` for being short, on other data or with one run.
    Rules(Complaint),
    /// Stopped by a signal with the state saved: code 129, 130 or 143.
    Interrupted {
        /// Which signal.
        signal: Signal,
        /// What to type to go on, where there is something to go on from.
        resume_command: Option<String>,
    },
}

/// The signals that end a command in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, Ctrl-C.
    Interrupt,
    /// SIGTERM, from a service manager.
    Terminate,
    /// SIGHUP, from a terminal that is gone.
    HangUp,
}

/// A cause with the way out of it.
#[derive(Debug)]
pub struct Complaint {
    cause: anyhow::Error,
    way_out: Option<String>,
}

impl Complaint {
    /// A cause whose chain says all there is to say.
    pub fn new(cause: impl Into<anyhow::Error>) -> Self {
        Self { cause: cause.into(), way_out: None }
    }

    /// Adds what the user can do about it, as an imperative fragment ("check the path").
    pub fn way_out(mut self, way_out: impl Into<String>) -> Self {
        self.way_out = Some(way_out.into());
        self
    }
}

impl Failure {
    /// Bad usage in one sentence, with its way out.
    pub fn usage(sentence: impl fmt::Display, way_out: impl Into<String>) -> Self {
        Self::Usage(Complaint::new(anyhow::anyhow!("{sentence}")).way_out(way_out))
    }

    /// The process's exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Run(complaint) | Self::Usage(complaint) if complaint.is_broken_pipe() => 0,
            Self::Run(_) => 1,
            Self::Usage(_) => 2,
            Self::BadData(_) => 3,
            Self::Rules(_) => 4,
            Self::Interrupted { signal: Signal::Interrupt, .. } => 130,
            Self::Interrupted { signal: Signal::Terminate, .. } => 143,
            Self::Interrupted { signal: Signal::HangUp, .. } => 129,
        }
    }

    /// The code in the form that `main` returns.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// What to print on standard error: one sentence, its causes, the way out. `None` when there is nothing to say
    /// (the reader of our output has gone away).
    pub fn message(&self) -> Option<String> {
        let complaint = match self {
            Self::Usage(complaint) | Self::Run(complaint) | Self::BadData(complaint) | Self::Rules(complaint) => {
                complaint
            }
            Self::Interrupted { signal, resume_command } => {
                return Some(interrupted(*signal, resume_command.as_deref()));
            }
        };
        if complaint.is_broken_pipe() {
            return None;
        }
        let mut text = format!("error: {}", complaint.cause);
        for cause in complaint.cause.chain().skip(1) {
            write_line(&mut text, "because", &cause.to_string());
        }
        if let Some(way_out) = &complaint.way_out {
            write_line(&mut text, "try:", way_out);
        }
        // Causes name files, and files may have any name.
        Some(text.lines().map(harmless).collect::<Vec<_>>().join("\n"))
    }
}

fn write_line(text: &mut String, lead: &str, rest: &str) {
    write!(text, "\n  {lead} {rest}").expect("writing to a String does not fail");
}

fn interrupted(signal: Signal, resume_command: Option<&str>) -> String {
    let name = match signal {
        Signal::Interrupt => "interrupted",
        Signal::Terminate => "terminated",
        Signal::HangUp => "the terminal is gone",
    };
    match resume_command {
        Some(command) => format!("{name}: everything up to here is saved; go on with\n  {command}"),
        None => format!("{name}: nothing was left behind"),
    }
}

impl Complaint {
    /// A reader such as `head` that closes the pipe is content, not an error.
    fn is_broken_pipe(&self) -> bool {
        let is_pipe = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        };
        self.cause.chain().any(is_pipe)
    }
}

/// An error nobody classified is a failed run.
impl From<anyhow::Error> for Failure {
    fn from(cause: anyhow::Error) -> Self {
        Self::Run(Complaint::new(cause))
    }
}

impl From<io::Error> for Failure {
    fn from(cause: io::Error) -> Self {
        Self::Run(Complaint::new(cause))
    }
}

/// Classifies an error where its meaning is known.
pub trait OrFail<T> {
    /// The user can fix it in what was typed: code 2.
    fn or_usage(self) -> Result<T, Failure>;
    /// The run failed: code 1.
    fn or_run(self) -> Result<T, Failure>;
    /// The data is bad: code 3.
    fn or_bad_data(self) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrFail<T> for Result<T, E> {
    fn or_usage(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::Usage(Complaint::new(error)))
    }
    fn or_run(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::Run(Complaint::new(error)))
    }
    fn or_bad_data(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::BadData(Complaint::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context as _, anyhow};

    #[test]
    fn every_kind_has_its_code() {
        let complaint = || Complaint::new(anyhow!("x"));
        let cases = [
            (Failure::Run(complaint()), 1),
            (Failure::Usage(complaint()), 2),
            (Failure::BadData(complaint()), 3),
            (Failure::Rules(complaint()), 4),
            (Failure::Interrupted { signal: Signal::Interrupt, resume_command: None }, 130),
            (Failure::Interrupted { signal: Signal::Terminate, resume_command: None }, 143),
            (Failure::Interrupted { signal: Signal::HangUp, resume_command: None }, 129),
        ];
        for (failure, code) in cases {
            assert_eq!(failure.code(), code, "{failure:?}");
        }
    }

    #[test]
    fn a_message_is_a_sentence_its_causes_and_the_way_out() {
        let cause = anyhow!("permission denied").context("cannot create runs/x").context("cannot start the series");
        let failure = Failure::Usage(Complaint::new(cause).way_out("name another folder with --out"));
        assert_eq!(
            failure.message().as_deref(),
            Some(
                "error: cannot start the series\n  because cannot create runs/x\n  because permission denied\n  \
                 try: name another folder with --out"
            )
        );
    }

    #[test]
    fn a_closed_pipe_is_success_and_silent() {
        let closed: anyhow::Result<()> = Err(io::Error::from(io::ErrorKind::BrokenPipe)).context("cannot write");
        let failure = Failure::from(closed.expect_err("just made"));
        assert_eq!((failure.code(), failure.message()), (0, None));
    }

    #[test]
    fn an_interrupted_run_says_how_to_go_on() {
        let resume_command = Some("fastgarden-actors train seedling --resume".to_owned());
        let message = Failure::Interrupted { signal: Signal::Interrupt, resume_command }.message();
        assert!(message.is_some_and(|text| text.ends_with("\n  fastgarden-actors train seedling --resume")));
    }
}
