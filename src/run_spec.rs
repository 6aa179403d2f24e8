//! From the raw arguments of `train` to a checked description of a series. Touches nothing but the recipe and rules.
//! Not here: looking at data, devices or output folders.

use std::path::PathBuf;

use fastgarden_train::device::DeviceRequest;

use crate::cli::{PoolArgs, TrainArgs};
use crate::exit::{Failure, OrFail as _};
use crate::recipe::{CpuBudget, Recipe};
use crate::rules::Rules;

/// Everything that `train` is to do.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// The resolved recipe, `--set` included, `--runs` and `--seed` not: they change how often, not what.
    pub recipe: Recipe,
    /// The rules to hold to.
    pub rules: Rules,
    /// Where the examples are.
    pub data: DataSource,
    /// A file of class names, one a line.
    pub class_names: Option<PathBuf>,
    /// The folder of series.
    pub out: PathBuf,
    /// One run each, in this order.
    pub seeds: Vec<u64>,
    /// The device that was asked for.
    pub device: DeviceRequest,
    /// What the runs start from, if not from initialisation alone.
    pub from: Option<PathBuf>,
    /// Whether to go on with the newest series of the recipe's name.
    pub resume: bool,
    /// Steps after which a run ends.
    pub max_steps: Option<u64>,
    /// Most bytes of a GPU that a run may take.
    pub device_memory_limit: Option<u64>,
    /// Pool sizes that were asked for.
    pub pools: PoolSizes,
    /// A further place for the report.
    pub report: Option<PathBuf>,
    /// What was typed, for the resume command.
    pub arguments: TrainArgs,
}

/// Where the examples of a run come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// The synthetic garden in the user's cache folder.
    Garden,
    /// Folders and glob patterns.
    Patterns(Vec<String>),
}

/// Pool sizes; `None` leaves them to the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolSizes {
    /// Decoder workers, 1 or more.
    pub decoders: Option<usize>,
    /// Reader workers; 0 fuses reading into the decoder.
    pub readers: Option<usize>,
    /// Augmenter workers; 0 fuses augmenting into the decoder.
    pub augmenters: Option<usize>,
    /// Batches ahead of the trainer.
    pub prefetch_batches: Option<usize>,
    /// Share of the cores for all of them.
    pub cpu_budget: Option<CpuBudget>,
}

impl From<&PoolArgs> for PoolSizes {
    fn from(args: &PoolArgs) -> Self {
        Self {
            decoders: args.decoders,
            readers: args.readers,
            augmenters: args.augmenters,
            prefetch_batches: args.prefetch,
            cpu_budget: args.cpu_budget,
        }
    }
}

impl DataSource {
    /// From the values of `--data`. A `--data` that names nothing is a mistake (an unset variable in a script), not a
    /// wish for the garden.
    pub fn from_patterns(patterns: &[String]) -> Result<Self, Failure> {
        if patterns.iter().any(|pattern| pattern.trim().is_empty()) {
            let way_out = "name a folder or pattern, or leave --data out to train on the synthetic garden";
            return Err(Failure::usage("--data is empty", way_out));
        }
        Ok(if patterns.is_empty() { Self::Garden } else { Self::Patterns(patterns.to_vec()) })
    }
}

impl RunSpec {
    /// Checks the arguments of `train`.
    pub fn from_args(args: &TrainArgs) -> Result<Self, Failure> {
        let recipe = Recipe::load(&args.recipe, &args.set).or_usage()?;
        let rules = Rules::load(&args.rules).or_usage()?;
        let seeds = match (args.runs, args.seed) {
            (Some(runs), _) => (1..=u64::from(runs)).collect(),
            (None, Some(seed)) => vec![seed],
            (None, None) => recipe.seeds.clone(),
        };
        Ok(Self {
            rules,
            data: DataSource::from_patterns(&args.data)?,
            class_names: args.class_names.clone(),
            out: args.out.clone(),
            seeds,
            device: args.device,
            from: args.from.clone(),
            resume: args.resume,
            max_steps: args.max_steps,
            device_memory_limit: args.device_memory_limit,
            pools: PoolSizes::from(&args.pools),
            report: args.report.clone(),
            arguments: args.clone(),
            recipe,
        })
    }

    /// What to type to go on after an interruption.
    pub fn resume_command(&self) -> String {
        let args = &self.arguments;
        let mut words = vec!["fastgarden-actors".to_owned(), "train".to_owned(), quoted(&args.recipe)];
        let mut flag = |name: &str, value: String| words.extend([name.to_owned(), quoted(&value)]);
        for pattern in &args.data {
            flag("--data", pattern.clone());
        }
        if args.rules != crate::cli::DEFAULT_RULES {
            flag("--rules", args.rules.clone());
        }
        flag("--out", args.out.display().to_string());
        if let Some(runs) = args.runs {
            flag("--runs", runs.to_string());
        }
        if let Some(seed) = args.seed {
            flag("--seed", seed.to_string());
        }
        if args.device != DeviceRequest::Auto {
            flag("--device", args.device.to_string());
        }
        for assignment in &args.set {
            flag("--set", assignment.clone());
        }
        if let Some(from) = &args.from {
            flag("--from", from.display().to_string());
        }
        if let Some(steps) = args.max_steps {
            flag("--max-steps", steps.to_string());
        }
        if let Some(bytes) = args.device_memory_limit {
            flag("--device-memory-limit", format!("{}MiB", bytes as f64 / f64::from(1u32 << 20)));
        }
        for (name, path) in [("--class-names", &args.class_names), ("--report", &args.report)] {
            if let Some(path) = path {
                flag(name, path.display().to_string());
            }
        }
        words.extend(args.pools.words());
        words.push("--resume".to_owned());
        words.join(" ")
    }
}

/// A word as a POSIX shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./=:,%@+".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser as _;

    fn spec(words: &[&str]) -> Result<RunSpec, Failure> {
        let cli = Cli::try_parse_from([&["fastgarden-actors", "train"], words].concat()).expect("arguments parse");
        let Command::Train(args) = cli.command else { panic!("this is train") };
        RunSpec::from_args(&args)
    }

    #[test]
    fn no_arguments_mean_seedling_on_the_garden() {
        let spec = spec(&[]).expect("defaults are valid");
        assert_eq!((spec.recipe.name.as_str(), &spec.data, &*spec.seeds), ("seedling", &DataSource::Garden, &[1][..]));
        assert_eq!((spec.rules.name.as_str(), spec.resume, spec.max_steps), ("fastgarden", false, None));
    }

    #[test]
    fn runs_and_seed_choose_the_seeds_and_leave_the_hash() {
        let plain = spec(&[]).expect("valid").recipe.hash();
        for (words, seeds) in [(&["--runs", "3"], &[1, 2, 3][..]), (&["--seed", "7"], &[7])] {
            let spec = spec(words).expect("valid");
            assert_eq!(spec.seeds, seeds);
            assert_eq!(spec.recipe.hash(), plain);
        }
    }

    #[test]
    fn empty_data_is_a_mistake_not_the_garden() {
        let failure = spec(&["--data", ""]).expect_err("an unset shell variable must not train on the garden");
        assert_eq!(failure.code(), 2);
        assert!(failure.message().is_some_and(|text| text.contains("--data is empty")));
    }

    #[test]
    fn a_resume_command_parses_back_to_the_same_run() {
        let words = [
            "seedling",
            "--data",
            "my shards/*.tfrec",
            "--runs",
            "2",
            "--set",
            "stage.0.epochs=1",
            "--device",
            "cpu",
            "--cpu-budget",
            "40%",
            "--from",
            "runs/A",
            "--device-memory-limit",
            "13.5GiB",
        ];
        let command = spec(&words).expect("valid").resume_command();
        assert_eq!(
            command,
            "fastgarden-actors train seedling --data 'my shards/*.tfrec' --out runs --runs 2 --device cpu \
             --set stage.0.epochs=1 --from runs/A --device-memory-limit 13824MiB --cpu-budget 40% --resume"
        );
    }
}
