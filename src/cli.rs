//! The command line as it is typed. Parsing touches nothing: no file, no device.
//! Not here: what the values mean together (run_spec.rs) and the commands' work.

mod bench;
mod data;
mod leaderboard;
mod lr_find;
mod memory;
mod predict;
mod report;
mod runs;
mod seeing;
mod submit;
mod sweep;
mod verify;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fastgarden_data::limits::POOL_WORKERS_MAX;
use fastgarden_train::device::DeviceRequest;

pub use self::bench::{BenchArgs, CacheChoice, ResampleChoice};
pub use self::data::{DataCommand, DataVerifyArgs, DumpArgs, GardenArgs, InspectArgs, PackArgs, ShowArgs};
pub use self::leaderboard::{
    AddArgs, BoardChoice, BoardFormat, DEFAULT_BOARD, HtmlBoardArgs, LeaderboardCommand, ShowBoardArgs,
};
pub use self::lr_find::LrFindArgs;
pub use self::memory::RehearseArgs;
pub use self::predict::{PredictArgs, SplitChoice, Tta};
pub use self::report::{HtmlReportArgs, ReportCommand};
pub use self::runs::{RunsCommand, RunsCompareArgs, RunsListArgs};
pub use self::seeing::{DashboardChoice, SeeingArgs};
pub use self::submit::SubmitArgs;
pub use self::sweep::SweepArgs;
pub use self::verify::VerifyArgs;
use crate::recipe::{CpuBudget, PREFETCH_MAX, RUNS_MAX};
use crate::telemetry::LogFormat;

/// Rules that `train` holds to unless told otherwise.
pub const DEFAULT_RULES: &str = "fastgarden";
/// Rules that limit nothing.
pub const NO_RULES: &str = "none";
/// The recipe that is taken when none is named.
pub const DEFAULT_RECIPE: &str = "seedling";

const MAIN_EXAMPLES: &str = "\
Examples:
  fastgarden-actors train                                  the embedded recipe on a synthetic garden: minutes
  fastgarden-actors train --data shards/ --runs 3          your TFRecord shards, three runs, mean and deviation
  fastgarden-actors data show --data shards/ --out sheet.png

Exit codes: 0 success, 1 the run failed, 2 bad usage, path or recipe, 3 bad data beyond the budget,
4 rules broken, 129, 130 or 143 interrupted with the state saved.";

/// Train image models from plain TFRecord shards: exact batches, a ledger, one command.
#[derive(Clone, Debug, Parser)]
#[command(name = "fastgarden-actors", version, after_help = MAIN_EXAMPLES)]
pub struct Cli {
    /// Log lines as text or json (RUST_LOG chooses which)
    #[arg(long, global = true, value_enum, default_value = "text", hide_possible_values = true, display_order = 900)]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Train a recipe, one run a seed
    Train(TrainArgs),
    /// Score a checkpoint on validation data
    Evaluate(EvaluateArgs),
    /// Write a class for every test record, as Kaggle takes it
    Predict(PredictArgs),
    /// Write the weights of a checkpoint as safetensors for Python
    Export(ExportArgs),
    /// Try growing learning rates and say which to train with
    LrFind(LrFindArgs),
    /// Train a recipe at every point of a grid and compare
    Sweep(SweepArgs),
    /// Make one file of a series that others can verify
    Submit(SubmitArgs),
    /// Verify a submission, or the ledger of a run
    Verify(VerifyArgs),
    /// Look at, check and make data sets
    #[command(subcommand)]
    Data(DataCommand),
    /// Measure the pipeline alone, against its own ceiling
    Bench(BenchArgs),
    /// List and compare series that were trained
    #[command(subcommand)]
    Runs(RunsCommand),
    /// List, print and check recipes
    #[command(subcommand)]
    Recipes(RecipesCommand),
    /// Write a series as a page
    #[command(subcommand)]
    Report(ReportCommand),
    /// Who stands where, and adding to it
    #[command(subcommand)]
    Leaderboard(LeaderboardCommand),
    /// Tell what the steps of a recipe take of memory, for `train` and `recipes check --memory`
    #[command(hide = true)]
    RehearseMemory(RehearseArgs),
}

impl Command {
    /// The file that a trace of the command goes to.
    pub fn trace(&self) -> Option<&Path> {
        match self {
            Self::Train(args) => args.seeing.trace.as_deref(),
            Self::Bench(args) => args.trace.as_deref(),
            _ => None,
        }
    }
}

/// Output of inspecting commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For scripts: one JSON document on standard output.
    Json,
}

/// Worker counts, wherever batches are made.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Pool sizes (they change speed, never results)")]
pub struct PoolArgs {
    /// Decoder workers [default: by the machine's cores]
    #[arg(long, value_name = "N", value_parser = within::<1, POOL_WORKERS_MAX>)]
    pub decoders: Option<usize>,
    /// Reader workers; 0 reads inside the decoders
    #[arg(long, value_name = "N", value_parser = within::<0, POOL_WORKERS_MAX>)]
    pub readers: Option<usize>,
    /// Augmenter workers; 0 augments inside the decoders
    #[arg(long, value_name = "N", value_parser = within::<0, POOL_WORKERS_MAX>)]
    pub augmenters: Option<usize>,
    /// Batches made ahead of the trainer
    #[arg(long, value_name = "N", value_parser = within::<1, PREFETCH_MAX>)]
    pub prefetch: Option<usize>,
    /// Share of the machine's cores that all of these may use, at low priority [default: 100%, no budget]
    #[arg(long, value_name = "PERCENT", value_parser = CpuBudget::from_str)]
    pub cpu_budget: Option<CpuBudget>,
}

impl PoolArgs {
    /// As they were typed; none of them needs quotes.
    pub fn words(&self) -> Vec<String> {
        let sizes = [
            ("--decoders", self.decoders),
            ("--readers", self.readers),
            ("--augmenters", self.augmenters),
            ("--prefetch", self.prefetch),
        ];
        let sizes = sizes.into_iter().filter_map(|(name, size)| Some((name, size?.to_string())));
        let budget = self.cpu_budget.map(|budget| ("--cpu-budget", budget.to_string()));
        sizes.chain(budget).flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}

/// Which recipe, with changes.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipeChoice {
    /// A recipe's name or the path of its TOML file
    #[arg(long, value_name = "RECIPE")]
    pub recipe: Option<String>,
    /// Change a key of the recipe, as in stage.0.batch_size=32
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Where the examples are.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct DataChoice {
    /// Folder or glob of shards, or a tree of a folder a class [default: synthetic garden]
    #[arg(long, value_name = "DIR|GLOB")]
    pub data: Vec<String>,
    /// Class names, one a line [default: classes.txt beside the shards]
    #[arg(long, value_name = "FILE")]
    pub class_names: Option<PathBuf>,
}

const TRAIN_EXAMPLES: &str = "\
Examples:
  fastgarden-actors train
  fastgarden-actors train --data tfrecords/ --runs 3
  fastgarden-actors train my-recipe.toml --set stage.0.epochs=2 --set optimizer.lr=1e-3
  fastgarden-actors train B.toml --from runs/A-20261123-191203      layers that fit are taken over, seed by seed
  fastgarden-actors train --resume               go on where the newest series of this recipe stopped";

/// `train`
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = TRAIN_EXAMPLES)]
pub struct TrainArgs {
    /// A recipe's name (see `recipes list`) or path
    #[arg(default_value = DEFAULT_RECIPE)]
    pub recipe: String,
    /// Folder or glob of shards, or a tree of a folder a class [default: synthetic garden]
    #[arg(long, value_name = "DIR|GLOB")]
    pub data: Vec<String>,
    /// Class names, one a line [default: classes.txt beside the shards]
    #[arg(long, value_name = "FILE")]
    pub class_names: Option<PathBuf>,
    /// Rules to hold to: fastgarden, none, or the path of a rule file
    #[arg(long, value_name = "RULES", default_value = DEFAULT_RULES)]
    pub rules: String,
    /// Folder of the series; each gets its own folder in it
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Runs, with the seeds 1 to N [default: the recipe's seeds]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=RUNS_MAX as i64), conflicts_with = "seed")]
    pub runs: Option<u32>,
    /// One run with this seed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// auto, cpu or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device)]
    pub device: DeviceRequest,
    /// Change a key of the recipe, as in stage.0.epochs=2
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Start from the weights of a series (seed by seed), a run, a checkpoint or a safetensors file
    #[arg(long, value_name = "PATH")]
    pub from: Option<PathBuf>,
    /// Go on with the newest series of this recipe under --out
    #[arg(long)]
    pub resume: bool,
    /// Most of a GPU's memory that a run may take, as in 14GiB; what is estimated to need more is refused
    #[arg(long, value_name = "SIZE", value_parser = memory::device_memory)]
    pub device_memory_limit: Option<u64>,
    /// End each run after N steps; validated and reported, but unfinished
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_steps: Option<u64>,
    /// Write the report here too
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Pool sizes.
    #[command(flatten)]
    pub pools: PoolArgs,
    /// What can be seen of it.
    #[command(flatten)]
    pub seeing: SeeingArgs,
}

/// `evaluate`
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  fastgarden-actors evaluate runs/seedling-20261123-191203/seed-1/checkpoints/5-995 --data tfrecords/"
)]
pub struct EvaluateArgs {
    /// Folder of a checkpoint, or of a run (its newest checkpoint is taken), or a safetensors file (with --recipe)
    pub checkpoint: PathBuf,
    /// Of its net, instead of the recipe of the series that the checkpoint lies in.
    #[command(flatten)]
    pub recipe: RecipeChoice,
    /// Where the examples are.
    #[command(flatten)]
    pub data: DataChoice,
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

/// Whose names the tensors get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LayoutChoice {
    /// fastai's XResNet.
    Fastai,
    /// timm's ResNet.
    Timm,
    /// As in checkpoints.
    Native,
}

/// `export`
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  fastgarden-actors export runs/seedling-20261123-191203/seed-1 --layout timm --out seedling.safetensors"
)]
pub struct ExportArgs {
    /// Folder of a checkpoint, or of a run (its newest checkpoint is taken), or a safetensors file (with --recipe)
    pub checkpoint: PathBuf,
    /// Whose names the tensors get
    #[arg(long, value_enum)]
    pub layout: LayoutChoice,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Of its net, instead of the recipe of the series that the checkpoint lies in.
    #[command(flatten)]
    pub recipe: RecipeChoice,
}

/// `recipes …`
#[derive(Clone, Debug, Subcommand)]
pub enum RecipesCommand {
    /// List the recipes in this program
    List {
        /// text or json
        #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
        format: Format,
    },
    /// Print a recipe with every key spelled out
    Show {
        /// A recipe's name or the path of its TOML file
        recipe: String,
        /// Change a key of the recipe, as in stage.0.epochs=2
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Say what each rule makes of a recipe
    Check {
        /// A recipe's name or the path of its TOML file
        recipe: String,
        /// Change a key of the recipe, as in stage.0.epochs=2
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// fastgarden, none, or the path of a rule file
        #[arg(long, value_name = "RULES", default_value = DEFAULT_RULES)]
        rules: String,
        /// What it is to start from, as in `train`
        #[arg(long, value_name = "PATH")]
        from: Option<PathBuf>,
        /// Runs, with the seeds 1 to N [default: the recipe's seeds]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=RUNS_MAX as i64))]
        runs: Option<u32>,
        /// Estimate the device memory of a run by rehearsing its steps, which takes some seconds
        #[arg(long)]
        memory: bool,
        /// text or json
        #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
        format: Format,
    },
}

/// A whole number from `LOW` to `HIGH`.
fn within<const LOW: usize, const HIGH: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (LOW..=HIGH).contains(&number) => Ok(number),
        _ => Err(format!("it must be a whole number from {LOW} to {HIGH}")),
    }
}

fn device(text: &str) -> Result<DeviceRequest, String> {
    DeviceRequest::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_values_are_usage_errors_that_name_the_flag_and_the_range() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["train", "--decoders", "0"], &["--decoders", "from 1 to 1024"]),
            (&["train", "--prefetch", "x"], &["--prefetch", "from 1 to 256"]),
            (&["train", "--runs", "0"], &["--runs", "1..=1000"]),
            (&["train", "--runs", "2", "--seed", "1"], &["cannot be used with"]),
            (&["train", "--max-steps", "0"], &["--max-steps"]),
            (&["train", "--device", "gpu"], &["--device", "cpu"]),
            (&["train", "--rulez", "none"], &["--rules"]),
            (&["bench", "--seconds", "1", "--images", "5"], &["cannot be used with"]),
            (&["bench", "--cache", "decodd"], &["--cache", "decoded"]),
            (&["bench", "--cpu-budget", "0%"], &["--cpu-budget", "from \"1%\" to \"100%\""]),
            (&["data", "verify"], &["DIR|GLOB"]),
            (&["data", "pack", "x", "--out", "y", "--validation-share", "1.5"], &["from 0 to below 1"]),
        ];
        for (words, expected) in cases {
            let error = Cli::try_parse_from([&["fastgarden-actors"], *words].concat()).expect_err("must be refused");
            assert_eq!(error.exit_code(), 2, "{words:?}");
            let text = error.to_string();
            for part in *expected {
                assert!(text.contains(part), "{words:?}: {text}");
            }
        }
    }
}
