//! The arguments of `sweep`.

use std::path::PathBuf;

use clap::Args;
use fastgarden_train::device::DeviceRequest;

use super::{DEFAULT_RULES, DataChoice, Format, PoolArgs, device};
use crate::recipe::RUNS_MAX;

/// `sweep`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  fastgarden-actors sweep seedling --grid optimizer.lr=1e-3,3e-3,1e-2 --set evaluation.on=holdout:1000
  fastgarden-actors sweep my.toml --grid optimizer.lr=3e-3,1e-2 --grid loss.label_smoothing=0.05,0.1 --runs 3

The same command again goes on where it stopped; a larger grid keeps the points that are there.")]
pub struct SweepArgs {
    /// A recipe's name (see `recipes list`) or path
    pub recipe: String,
    /// Values of a key to try, as in optimizer.lr=1e-3,3e-3; several keys make all combinations
    #[arg(long, value_name = "KEY=A,B,…", required = true)]
    pub grid: Vec<String>,
    /// Runs of each point, with the seeds 1 to N
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=RUNS_MAX as i64))]
    pub runs: u32,
    /// Change a key at every point, as in stage.0.epochs=2
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where the examples are.
    #[command(flatten)]
    pub data: DataChoice,
    /// Rules to hold to: fastgarden, none, or the path of a rule file
    #[arg(long, value_name = "RULES", default_value = DEFAULT_RULES)]
    pub rules: String,
    /// Folder of the sweep's folder
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// auto, cpu or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device)]
    pub device: DeviceRequest,
    /// Start every point from the weights of a series, a run, a checkpoint or a safetensors file
    #[arg(long, value_name = "PATH")]
    pub from: Option<PathBuf>,
    /// End each run after N steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_steps: Option<u64>,
    /// text or json
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub format: Format,
    /// Pool sizes.
    #[command(flatten)]
    pub pools: PoolArgs,
}
