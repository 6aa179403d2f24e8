//! What becomes of `tracing`'s spans and events: log lines on standard error (text for people, JSON for collectors,
//! filtered by `RUST_LOG`) and the trace file, where one was asked for.
//! Not here: progress (progress.rs) and reports (report.rs), which are output rather than logs.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use clap::ValueEnum;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::chrome_trace::{self, ChromeTrace};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A readable line an event.
    Text,
    /// A JSON object an event.
    Json,
}

/// Ends the trace file, if there is one, when it goes.
pub struct Recording(Option<ChromeTrace>);

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(trace) = &self.0 {
            trace.finish();
        }
    }
}

/// Installs the subscriber; to be called once, by the program. `RUST_LOG` unset or wrong means warnings and errors.
/// Fails when the trace file can't be made.
pub fn start(format: LogFormat, trace: Option<&Path>) -> io::Result<Recording> {
    let trace = trace.map(ChromeTrace::create).transpose()?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => lines.compact().with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    };
    let recorded = trace.clone().map(|trace| trace.with_filter(chrome_trace::targets()));
    // A second subscriber can only be a test's, and its choice stands.
    let _already_set = tracing_subscriber::registry().with(lines).with(recorded).try_init();
    Ok(Recording(trace))
}
