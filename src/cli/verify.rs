//! The arguments of `verify`: of a submission, or of one run's ledger.

use std::path::PathBuf;

use clap::Args;
use fastgarden_train::device::DeviceRequest;

use super::{DataChoice, Format, PoolArgs, device};
use crate::recipe::RUNS_MAX;

/// `verify`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  fastgarden-actors verify seedling-20261123-191203.submission.tar.gz
  fastgarden-actors verify entry.submission.tar.gz --data tfrecords/ --rerun
  fastgarden-actors verify --ledger runs/seedling-20261123-191203                 every run of a series
  fastgarden-actors verify --ledger runs/…/seed-1 --data tfrecords/ --pixels      every batch made again, untrained
  fastgarden-actors verify --ledger runs/…/seed-1 --data tfrecords/ --checkpoint runs/…/seed-1/checkpoints/5-995

Without --rerun nothing is trained and nothing of a submission is executed.")]
pub struct VerifyArgs {
    /// A submission, as `submit` writes it
    #[arg(required_unless_present = "ledger", conflicts_with = "ledger")]
    pub submission: Option<PathBuf>,
    /// Verify what runs say they consumed instead: a run's folder, its ledger.jsonl, or a series
    #[arg(long, value_name = "RUN")]
    pub ledger: Option<PathBuf>,
    /// Where the examples are, to hold against.
    #[command(flatten)]
    pub data: DataChoice,
    /// Rules to judge by: fastgarden, none, or the path of a rule file [default: those it was made under]
    #[arg(long, value_name = "RULES")]
    pub rules: Option<String>,
    /// The recipe of a ledger [default: recipe.toml of its series]
    #[arg(long, value_name = "RECIPE", requires = "ledger")]
    pub recipe: Option<String>,
    /// Decode every batch of a ledger again and compare the hashes, without training
    #[arg(long, requires = "ledger")]
    pub pixels: bool,
    /// Score these weights again and compare with a ledger's last epoch
    #[arg(long, value_name = "PATH", requires = "ledger")]
    pub checkpoint: Option<PathBuf>,
    /// Train again and compare
    #[arg(long, requires = "submission")]
    pub rerun: bool,
    /// Runs to train again, with the seeds 1 to N
    #[arg(long, value_name = "N", default_value_t = 1, requires = "rerun", value_parser = clap::value_parser!(u32).range(1..=RUNS_MAX as i64))]
    pub runs: u32,
    /// Train with a program built from the submission's own source: this runs its code
    #[arg(long, requires = "rerun")]
    pub build: bool,
    /// Don't ask before running a submission's code
    #[arg(long, requires = "build")]
    pub yes: bool,
    /// Folder to keep what was trained again [default: a temporary one]
    #[arg(long, value_name = "DIR", requires = "rerun")]
    pub out: Option<PathBuf>,
    /// auto, cpu or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device)]
    pub device: DeviceRequest,
    /// text or json
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub format: Format,
    /// Pool sizes.
    #[command(flatten)]
    pub pools: PoolArgs,
}
