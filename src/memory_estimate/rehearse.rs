//! The process that rehearses the steps of a recipe and tells what they took.
//! Not here: how that is measured (the training crate's `rehearsal`).

use std::io::Write as _;

use fastgarden_train::precision::Precision;
use fastgarden_train::rehearsal::{Needs, Rehearsal, RehearsalSpec, StageSpec};

use crate::cli::RehearseArgs;
use crate::exit::{Failure, OrFail as _};
use crate::recipe::{Recipe, Stage, StagePrecision};
use crate::train_command::{batch_spec, objective};
use crate::transforms;

/// Runs the command: the needs of each stage, as JSON.
pub fn run(args: &RehearseArgs) -> Result<(), Failure> {
    let recipe = Recipe::load(&args.recipe, &args.set).or_usage()?;
    let objective = objective(&recipe);
    let mut known: Vec<(StageSpec, Needs)> = Vec::new();
    let mut needs = Vec::new();
    for stage in &recipe.stages {
        let stage = stage_spec(stage, &recipe);
        let of_this = match known.iter().find(|(other, _)| *other == stage) {
            Some((_, needs)) => *needs,
            None => {
                let spec = RehearsalSpec {
                    net: &recipe.net,
                    optimizer: recipe.optimizer.spec,
                    has_mean: recipe.ema.is_some(),
                    objective: &*objective,
                    stage: stage.clone(),
                };
                let found = Rehearsal::new(spec).and_then(|mut rehearsal| rehearsal.needs()).or_run()?;
                known.push((stage, found));
                found
            }
        };
        needs.push(of_this);
    }
    let text = serde_json::to_string(&needs).or_run()?;
    writeln!(std::io::stdout().lock(), "{text}").map_err(Failure::from)
}

/// As on a GPU.
fn stage_spec(stage: &Stage, recipe: &Recipe) -> StageSpec {
    let precision = match stage.precision {
        StagePrecision::Fp32 => Precision::FULL,
        StagePrecision::Bf16 => Precision::BFLOAT16,
        StagePrecision::Fp16 | StagePrecision::Fp16OnGpu => Precision::HALF,
    };
    StageSpec {
        views: transforms::stage_views(stage).iter().map(|view| view.size).collect(),
        records_per_ticket: stage.sampler.sampler.records_per_ticket(),
        batch: batch_spec(stage, recipe),
        precision,
    }
}
