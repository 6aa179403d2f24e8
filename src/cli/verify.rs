//! `verify` as it is typed.
//! Not here: its work.

use std::path::PathBuf;

use clap::Args;
use fastgarden_train::device::DeviceRequest;

use super::{DataChoice, Format, PoolArgs, device};

const EXAMPLES: &str = "\
Examples:
  fastgarden-actors verify --ledger runs/seedling-20261123-191203          every run of a series
  fastgarden-actors verify --ledger runs/seedling-20261123-191203/seed-1 --data tfrecords/
  fastgarden-actors verify --ledger seed-1/ --data tfrecords/ --pixels     decode every batch again, without training
  fastgarden-actors verify --ledger seed-1/ --data tfrecords/ --checkpoint seed-1/checkpoints/5-995";

/// `verify`
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ProofArgs {
    /// A run's folder, its ledger.jsonl, or a series: check what it says it consumed
    #[arg(long, value_name = "RUN")]
    pub ledger: PathBuf,
    /// The examples that were trained on; without them only what needs none is checked
    #[command(flatten)]
    pub data: DataChoice,
    /// Recipe of the run [default: recipe.toml of its series]
    #[arg(long, value_name = "RECIPE")]
    pub recipe: Option<String>,
    /// Rules of the run [default: rules.toml of its series]
    #[arg(long, value_name = "RULES")]
    pub rules: Option<String>,
    /// Make every training batch again and compare the hashes; trains nothing
    #[arg(long)]
    pub pixels: bool,
    /// Judge these weights again, and compare them with the last epoch
    #[arg(long, value_name = "PATH")]
    pub checkpoint: Option<PathBuf>,
    /// What judges them: auto, cpu or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device)]
    pub device: DeviceRequest,
    /// text or json
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub format: Format,
    /// Pool sizes.
    #[command(flatten)]
    pub pools: PoolArgs,
}
