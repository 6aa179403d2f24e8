//! Weights by path: checkpoints of our own runs with the recipe of their series, and safetensors files of other programs.
//! Not here: what is done with them.

use std::path::{Path, PathBuf};

use fastgarden_train::checkpoint::{self, CheckpointError, Loaded};
use fastgarden_train::net::Net as _;
use fastgarden_train::net::xresnet::XResNet;
use fastgarden_train::trainer::{self, StartWeights};
use serde_json::Value;
use tch::{Device, Kind};

use crate::cli::RecipeChoice;
use crate::exit::{Complaint, Failure};
use crate::recipe::Recipe;
use crate::{series, source, train_command};

/// Weights and the recipe of their net.
pub struct Found {
    /// The tensors under our keys, and where they lie.
    pub loaded: Loaded,
    /// Of their series, or the one that was named.
    pub recipe: Recipe,
}

/// The weights at a path: a checkpoint, a run (its newest checkpoint), or a safetensors file, whose recipe must be named.
pub fn find(path: &Path, choice: &RecipeChoice) -> Result<Found, Failure> {
    let named = source::recipe(choice)?;
    if path.is_file() {
        let recipe = named.ok_or_else(|| {
            let sentence = format!("{} is a file of weights, which says nothing of its net", path.display());
            Failure::usage(sentence, "name the recipe of its net with --recipe")
        })?;
        let read = StartWeights::read(path, &recipe.net).map_err(train_command::of_train)?;
        return Ok(Found { loaded: Loaded { path: read.path, meta: Value::Null, tensors: read.tensors }, recipe });
    }
    let loaded = checkpoint_at(path)?;
    let recipe = named.map_or_else(|| recipe_of(&loaded.path), Ok)?;
    Ok(Found { loaded, recipe })
}

/// A checkpoint's folder, or the newest checkpoint of a run's.
pub fn checkpoint_at(path: &Path) -> Result<Loaded, Failure> {
    if !path.is_dir() {
        let sentence = format!("there is nothing at {}", path.display());
        return Err(Failure::usage(sentence, "name a checkpoint such as runs/<series>/seed-1/checkpoints/5-320"));
    }
    let of_run = path.join("checkpoints");
    if !of_run.is_dir() {
        if !path.join("manifest.json").is_file() {
            let sentence = format!("{} is neither a checkpoint nor a run", path.display());
            return Err(Failure::usage(sentence, "name one such as runs/<series>/seed-1"));
        }
        return checkpoint::read(path).map_err(of_checkpoint);
    }
    let newest = checkpoint::newest_valid(&of_run).map_err(of_checkpoint)?;
    newest.found.ok_or_else(|| {
        Failure::usage(
            format!("{} holds no valid checkpoint", of_run.display()),
            "name another run, or train on with --resume",
        )
    })
}

/// The exit code that a checkpoint's error means.
pub fn of_checkpoint(error: CheckpointError) -> Failure {
    match error {
        CheckpointError::Io { .. } | CheckpointError::Damaged { .. } => Failure::Run(Complaint::new(error)),
        _ => Failure::Usage(Complaint::new(error)),
    }
}

/// The recipe of the series that a checkpoint lies in.
pub fn recipe_of(checkpoint: &Path) -> Result<Recipe, Failure> {
    let whole = checkpoint.canonicalize().unwrap_or_else(|_| checkpoint.to_owned());
    let series: Option<PathBuf> =
        whole.ancestors().find(|folder| folder.join(series::RECIPE_FILE).is_file()).map(Path::to_owned);
    let series = series.ok_or_else(|| {
        let sentence = format!("there is no recipe.toml above {}", checkpoint.display());
        Failure::usage(sentence, "leave checkpoints in the folder of their series, or name a recipe with --recipe")
    })?;
    series::read_recipe(&series)
}

/// The net of a recipe with these weights; every tensor must fit.
pub fn build(found: &Found, device: Device) -> Result<XResNet, Failure> {
    // As the run had it, or as the recipe asks: sums differ in their last bits with the number of threads.
    let asked = found.recipe.execution.cpu_threads as i32;
    if let Some(threads) = trainer::cpu_threads_of(&found.loaded).or((asked > 0).then_some(asked)) {
        tch::set_num_threads(threads);
    }
    let built = XResNet::new(&found.recipe.net, device, Kind::Float);
    checkpoint::load_into(built.state(), &found.loaded).map_err(of_checkpoint)?;
    // Weights from elsewhere have no mean beside them.
    let has_mean = found.loaded.tensors.keys().any(|name| name.starts_with("ema/"));
    if has_mean && found.recipe.ema.is_some_and(|ema| ema.evaluate) {
        trainer::show_mean(built.state(), &found.loaded).map_err(|error| train_command::of_train(error.into()))?;
    }
    Ok(built)
}
