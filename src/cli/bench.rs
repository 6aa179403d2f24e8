//! The arguments of `bench`.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueEnum};
use fastgarden_data::limits::BATCH_ROWS_MAX;

use super::{DataChoice, Format, PoolArgs, RecipeChoice, within};
use crate::recipe::CacheBytes;

/// What stays in memory between epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CacheChoice {
    /// Nothing: shards are read again each epoch.
    None,
    /// Encoded images.
    Encoded,
    /// Decoded pictures.
    Decoded,
}

/// How pictures become rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ResampleChoice {
    /// As Pillow's bilinear does it.
    Pil,
    /// Plane by plane, faster.
    Planar,
}

/// `bench`
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  fastgarden-actors bench --data tfrecords/ --seconds 10 --format json")]
pub struct BenchArgs {
    /// Where the examples are.
    #[command(flatten)]
    pub data: DataChoice,
    /// Whose work to measure [default: 224 px, RandomResizedCrop 0.35-1, flip, batches of 64].
    #[command(flatten)]
    pub recipe: RecipeChoice,
    /// How long to measure
    #[arg(long, value_name = "N", conflicts_with = "images", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: Option<u32>,
    /// How many images to measure, rounded up to whole batches
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub images: Option<u64>,
    /// How pictures become rows [default: the recipe's, or pil]
    #[arg(long, value_enum)]
    pub resample: Option<ResampleChoice>,
    /// What stays in memory between epochs; measured once the first has filled it [default: the recipe's, or none]
    #[arg(long, value_enum)]
    pub cache: Option<CacheChoice>,
    /// Most memory for the cache, as in 4GiB or 50% of what is free [default: the recipe's, or 50%]
    #[arg(long, value_name = "SIZE", value_parser = CacheBytes::from_str)]
    pub cache_bytes: Option<CacheBytes>,
    /// Pretend that the trainer takes this long for a step
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub stand_in_step_ms: Option<u32>,
    /// Pretend that every read takes this long, as slow storage does
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub stand_in_read_ms: Option<u32>,
    /// Don't hash rows while measuring
    #[arg(long)]
    pub no_hash: bool,
    /// Leave the ceiling out, as --cpu-budget and the stand-ins do
    #[arg(long)]
    pub no_ceiling: bool,
    /// Rows in a batch [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = within::<1, BATCH_ROWS_MAX>)]
    pub batch_size: Option<usize>,
    /// Write spans of every stage here, for Perfetto (at most 64 MiB)
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// text or json
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub format: Format,
    /// Pool sizes.
    #[command(flatten)]
    pub pools: PoolArgs,
}
