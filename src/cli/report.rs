//! The arguments of `report html`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fastgarden_train::device::DeviceRequest;

use super::{DataChoice, PoolArgs, device};

/// `report …`
#[derive(Clone, Debug, Subcommand)]
pub enum ReportCommand {
    /// Write a series as one self-contained page: curves, runs, and with --data what its net sees and mistakes
    Html(HtmlReportArgs),
}

/// `report html`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  fastgarden-actors report html runs/seedling-20261123-191203
  fastgarden-actors report html runs/seedling-20261123-191203 --data tfrecords/

With --data or --checkpoint every validation picture is judged again, for the confusion matrix, the accuracy of each
class, and the pictures that were mistaken worst.")]
pub struct HtmlReportArgs {
    /// Folder of the series
    pub series: PathBuf,
    /// Whose mistakes to show: a run's or checkpoint's folder [default, with --data: the series' first run]
    #[arg(long, value_name = "PATH")]
    pub checkpoint: Option<PathBuf>,
    /// Where the examples are.
    #[command(flatten)]
    pub data: DataChoice,
    /// The page to write
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub out: PathBuf,
    /// auto, cpu or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device)]
    pub device: DeviceRequest,
    /// Pool sizes.
    #[command(flatten)]
    pub pools: PoolArgs,
}
