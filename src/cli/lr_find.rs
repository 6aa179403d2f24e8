//! The arguments of `lr-find`.

use std::path::PathBuf;

use clap::Args;
use fastgarden_train::device::DeviceRequest;

use super::{DataChoice, Format, PoolArgs, device};

/// Most steps of a test: its suggestions compare every step with every other.
const STEPS_MAX: u64 = 10_000;
/// Largest rate.
const LR_MAX: f64 = 1e6;

/// `lr-find`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  fastgarden-actors lr-find my-recipe.toml --data tfrecords/
  fastgarden-actors lr-find seedling --start-lr 1e-5 --end-lr 1 --steps 200")]
pub struct LrFindArgs {
    /// A recipe's name (see `recipes list`) or path
    pub recipe: String,
    /// Where the examples are.
    #[command(flatten)]
    pub data: DataChoice,
    /// The first rate
    #[arg(long, value_name = "LR", default_value = "1e-7", value_parser = rate, allow_negative_numbers = true)]
    pub start_lr: f64,
    /// Where the rates would get to after the last step
    #[arg(long, value_name = "LR", default_value = "10", value_parser = rate, allow_negative_numbers = true)]
    pub end_lr: f64,
    /// Most steps; fewer where the loss passes 4 times its lowest before
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=STEPS_MAX))]
    pub steps: u64,
    /// Seed of weights and order [default: the recipe's first]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// auto, cpu or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device)]
    pub device: DeviceRequest,
    /// Change a key of the recipe, as in stage.0.batch_size=32
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Folder of the plot, lr-find-RECIPE.svg
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// text or json
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub format: Format,
    /// Pool sizes.
    #[command(flatten)]
    pub pools: PoolArgs,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(lr) if lr.is_normal() && lr > 0.0 && lr <= LR_MAX => Ok(lr),
        _ => Err(format!("it must be a number above 0 and at most {LR_MAX:e}")),
    }
}
