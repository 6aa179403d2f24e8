//! Log lines on standard error: text for people, JSON for collectors, filtered by `RUST_LOG`.
//! Not here: progress (progress.rs) and reports (report.rs), which are output rather than logs.

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A readable line an event.
    Text,
    /// A JSON object an event.
    Json,
}

/// Installs the subscriber; to be called once, by the program. `RUST_LOG` unset or wrong means warnings and errors.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    // A second subscriber can only be a test's, and its choice stands.
    let _already_set = match format {
        LogFormat::Text => builder.compact().try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
