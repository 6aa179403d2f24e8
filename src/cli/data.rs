//! The subcommands of `data`, as they are typed.
//! Not here: their work.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fastgarden_data::limits::VIEW_SIDE_PX_MAX;

use super::{DataChoice, Format, PoolArgs, RecipeChoice, ResampleChoice, within};

/// `data …`
#[derive(Clone, Debug, Subcommand)]
pub enum DataCommand {
    /// Draw the synthetic garden as TFRecord shards in the Kaggle layout
    Garden(GardenArgs),
    /// Say what is in a data set: splits, counts, sizes, classes
    Inspect(InspectArgs),
    /// Read everything and check every checksum; exit 3 when anything is wrong
    Verify(DataVerifyArgs),
    /// Write a PNG contact sheet of augmented training images with their class names
    Show(ShowArgs),
    /// Write exact training batches as .npy, with their hash and boxes
    Dump(DumpArgs),
    /// Write a tree of image folders as TFRecord shards
    Pack(PackArgs),
}

/// `data garden`
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  fastgarden-actors data garden garden/ --sizes 192,224,331")]
pub struct GardenArgs {
    /// Folder to make; it must not hold a garden of another kind
    pub out: PathBuf,
    /// Sides of the pictures, pixels; every size shows the same ids in the same split
    #[arg(long, value_name = "PX,…", value_delimiter = ',', default_value = "224",
          value_parser = clap::value_parser!(u32).range(16..=i64::from(VIEW_SIDE_PX_MAX)))]
    pub sizes: Vec<u32>,
    /// Training pictures
    #[arg(long, value_name = "N", default_value_t = 12_753, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub train: u32,
    /// Validation pictures
    #[arg(long, value_name = "N", default_value_t = 3_712, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub val: u32,
    /// Training records in a shard
    #[arg(long, value_name = "N", default_value_t = 798, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub records_per_shard: u32,
    /// Another seed, other pictures of the same flowers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// `data inspect`
#[derive(Args, Clone, Debug)]
pub struct InspectArgs {
    /// Folder or glob of shards, or a tree of a folder a class
    #[arg(required = true, value_name = "DIR|GLOB")]
    pub data: Vec<String>,
    /// File of class names, one a line
    #[arg(long, value_name = "FILE")]
    pub class_names: Option<PathBuf>,
    /// text or json
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub format: Format,
    /// Whose feature names and source size to use.
    #[command(flatten)]
    pub recipe: RecipeChoice,
}

/// `data verify`
#[derive(Args, Clone, Debug)]
pub struct DataVerifyArgs {
    /// Folder or glob of shards, or a tree of a folder a class
    #[arg(required = true, value_name = "DIR|GLOB")]
    pub data: Vec<String>,
    /// text or json
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub format: Format,
    /// Whose feature names, class count and source size to use.
    #[command(flatten)]
    pub recipe: RecipeChoice,
}

/// `data show`
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  fastgarden-actors data show --data tfrecords/ --out sheet.png --columns 8 --rows 5"
)]
pub struct ShowArgs {
    /// Where the examples are.
    #[command(flatten)]
    pub data: DataChoice,
    /// Whose crops and augmentation to show.
    #[command(flatten)]
    pub recipe: RecipeChoice,
    /// The picture to write
    #[arg(long, value_name = "FILE", default_value = "sheet.png")]
    pub out: PathBuf,
    /// Pictures in a row
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = within::<1, 32>)]
    pub columns: usize,
    /// Rows of pictures
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = within::<1, 64>)]
    pub rows: usize,
    /// Seed of order and augmentation
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Epoch to show, from 1
    #[arg(long, value_name = "E", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub epoch: u32,
    /// Pool sizes.
    #[command(flatten)]
    pub pools: PoolArgs,
}

/// `data dump`
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  fastgarden-actors data dump --data tfrecords/ --seed 1 --epoch 1 --batches 4 --out batches/"
)]
pub struct DumpArgs {
    /// Where the examples are.
    #[command(flatten)]
    pub data: DataChoice,
    /// Whose batches to make [default: the work of `bench`].
    #[command(flatten)]
    pub recipe: RecipeChoice,
    /// Seed of order and augmentation
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Epoch, from 1
    #[arg(long, value_name = "E", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub epoch: u32,
    /// Batches from the epoch's first on
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub batches: u64,
    /// How pictures become rows [default: the recipe's, or pil]
    #[arg(long, value_enum)]
    pub resample: Option<ResampleChoice>,
    /// Folder for the .npy files, hash.json and tickets.jsonl
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Pool sizes.
    #[command(flatten)]
    pub pools: PoolArgs,
}

/// `data pack`
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  fastgarden-actors data pack photos/ --out shards/")]
pub struct PackArgs {
    /// Tree with a folder a class
    pub tree: PathBuf,
    /// Folder to make
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Share of images for validation where the tree has no split of its own, 0 to below 1
    #[arg(long, value_name = "SHARE", default_value = "0.2", value_parser = share)]
    pub validation_share: f64,
    /// Records in a shard
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = within::<1, 1_000_000>)]
    pub records_per_shard: usize,
    /// Seed of the split and of the order
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("it must be a number from 0 to below 1".to_owned()),
    }
}
