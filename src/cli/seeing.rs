//! The arguments of what can be seen of a run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::telemetry::DASHBOARD_ADDRESS;

/// Where the dashboard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DashboardChoice {
    /// The usual address, or another port if that one is taken.
    Default,
    /// This one.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

impl DashboardChoice {
    /// The address to try.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Default => Some(DASHBOARD_ADDRESS.parse().expect("an address")),
            Self::At(address) => Some(address),
            Self::Off => None,
        }
    }

    /// Whether nobody chose it.
    pub fn is_default(self) -> bool {
        self == Self::Default
    }
}

impl FromStr for DashboardChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "default" => Ok(Self::Default),
            _ => address(text).map(Self::At).map_err(|error| format!("{error}, or off")),
        }
    }
}

/// An address with a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address and port, as 127.0.0.1:7878"))
}

/// A host's name as browsers send it, without the port.
fn host_name(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let way_out = "give the name only, without https://, port and path, as notebooks.example";
    if is_name { Ok(text.to_owned()) } else { Err(format!("`{text}` is not a host name; {way_out}")) }
}

/// Dashboard, metrics, trace.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Seeing (none of it changes results)")]
pub struct SeeingArgs {
    /// Where the web dashboard is: ADDRESS:PORT or off [default: 127.0.0.1:7878, or another port]
    #[arg(long, value_name = "ADDR|off", default_value = "default", hide_default_value = true)]
    pub dashboard: DashboardChoice,
    /// A further host name by which dashboard and metrics may be asked for, as behind a notebook's proxy
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    pub dashboard_host: Vec<String>,
    /// Serve metrics for Prometheus here, at /metrics
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub metrics: Option<SocketAddr>,
    /// Write spans of every stage here, for Perfetto (at most 64 MiB)
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Measure first, within some twenty seconds or at least six steps, how much faster training with a perfect loader would be
    #[arg(long)]
    pub headroom: bool,
    /// Show the run on the whole terminal
    #[arg(long)]
    pub tui: bool,
}

impl Default for SeeingArgs {
    fn default() -> Self {
        Self {
            dashboard: DashboardChoice::Default,
            dashboard_host: Vec::new(),
            metrics: None,
            trace: None,
            headroom: false,
            tui: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_without_scheme_port_and_path() {
        for name in ["notebooks.example", "trainer-2", "node_7.lan", "203.0.113.7"] {
            assert_eq!(host_name(name).as_deref(), Ok(name));
        }
        for other in ["notebooks.example:8888", "https://notebooks.example", "notebooks.example/hub", "*.example", ""] {
            assert!(host_name(other).is_err_and(|error| error.contains("name only")), "{other}");
        }
    }
}
