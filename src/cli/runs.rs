//! The arguments of `runs`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;

/// `runs list|compare`
#[derive(Clone, Debug, Subcommand)]
pub enum RunsCommand {
    /// Every series in a folder, the newest first
    List(RunsListArgs),
    /// Two series side by side: settings that differ, epochs, speed
    Compare(RunsCompareArgs),
}

/// `runs list`
#[derive(Args, Clone, Debug)]
pub struct RunsListArgs {
    /// Folder of the series
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// text or json
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub format: Format,
}

/// `runs compare`
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  fastgarden-actors runs compare seedling-20261123-191203 seedling-20261124-080011")]
pub struct RunsCompareArgs {
    /// A series: its folder, or its name under --out
    pub first: PathBuf,
    /// Another
    pub second: PathBuf,
    /// Folder of the series
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// text or json
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub format: Format,
}
