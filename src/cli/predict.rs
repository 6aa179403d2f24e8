//! The arguments of `predict`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fastgarden_data::catalog::Split;
use fastgarden_train::device::DeviceRequest;

use super::{DataChoice, Format, PoolArgs, RecipeChoice, device};

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitChoice {
    /// Records without labels, usually.
    Test,
    /// What accuracy is measured on.
    Val,
    /// What is trained on.
    Train,
}

impl SplitChoice {
    /// As the data crate calls it.
    pub fn split(self) -> Split {
        match self {
            Self::Test => Split::Test,
            Self::Val => Split::Validation,
            Self::Train => Split::Train,
        }
    }
}

/// What a picture is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tta {
    /// By itself: what the score counts.
    None,
    /// By itself and its mirror image.
    Flip,
}

/// `predict`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  fastgarden-actors predict runs/seedling-20261123-191203/seed-1 --data tfrecords/
  fastgarden-actors predict runs/seedling-20261123-191203/seed-1 --data tfrecords/ --split val --tta flip

The file has a line for every record, in the order of the shards. A record that can't be read gets the class that was
predicted most often; standard error names it.")]
pub struct PredictArgs {
    /// Folder of a checkpoint, or of a run (its newest checkpoint is taken), or a safetensors file (with --recipe)
    pub checkpoint: PathBuf,
    /// Of its net, instead of the recipe of the series that the checkpoint lies in.
    #[command(flatten)]
    pub recipe: RecipeChoice,
    /// Where the examples are.
    #[command(flatten)]
    pub data: DataChoice,
    /// Which records
    #[arg(long, value_enum, default_value = "test")]
    pub split: SplitChoice,
    /// Judge each picture mirrored too, and take the mean; never part of a score
    #[arg(long, value_enum, default_value = "none")]
    pub tta: Tta,
    /// The CSV to write: id,label
    #[arg(long, value_name = "FILE", default_value = "submission.csv")]
    pub out: PathBuf,
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
