//! What `bench`, `data show` and `data dump` make batches of: one epoch of one recipe stage, or of no recipe, over a training
//! split.
//! Not here: consuming the batches.

use std::sync::Arc;

use fastgarden_data::catalog::{Catalog, Split};
use fastgarden_data::example::FeatureNames;
use fastgarden_data::failure::PipelineError;
use fastgarden_data::index::Index;
use fastgarden_data::limits::BAD_RECORDS_SHARE;
use fastgarden_data::phase::{PhaseKind, PhaseSpec};
use fastgarden_data::picture::DecodeMode;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::plan::Plan;
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::sampler::BoundSampler;

use crate::cli::{DEFAULT_RECIPE, DataChoice, PoolArgs, RecipeChoice, ResampleChoice};
use crate::data_set;
use crate::examples::{self, Examples};
use crate::exit::{Failure, OrFail as _};
use crate::recipe::{BadRecords, Execution, Recipe, Stage};
use crate::run_spec::{DataSource, PoolSizes};
use crate::train_command::of_train;
use crate::transforms;

/// An epoch of training batches, and how to make them.
pub struct Source {
    /// The data set it is made from.
    pub found: Catalog,
    /// The batches.
    pub phase: PhaseSpec,
    /// What the recipe says of speed.
    pub execution: Execution,
    bad_records_max: u64,
}

/// The recipe that was named, if one was.
pub fn recipe(choice: &RecipeChoice) -> Result<Option<Recipe>, Failure> {
    match &choice.recipe {
        Some(name) => Recipe::load(name, &choice.set).or_usage().map(Some),
        None if choice.set.is_empty() => Ok(None),
        None => {
            Err(Failure::usage("--set changes a recipe, and none is named", format!("add --recipe {DEFAULT_RECIPE}")))
        }
    }
}

impl Source {
    /// Finds and indexes the data; nothing but framing is read. Only a recipe that `is_named` insists on its source
    /// size: without one, a data set of a single other size will do.
    pub fn open(
        recipe: Option<&Recipe>,
        is_named: bool,
        data: &DataChoice,
        seed: u64,
        epoch: u32,
    ) -> Result<Self, Failure> {
        let stage = recipe.map(|recipe| stage_of(recipe, epoch)).transpose()?;
        let source_px = stage.map_or(transforms::BENCH_INPUT_PX, |(_, stage)| stage.source_px);
        let source = DataSource::from_patterns(&data.data)?;
        let sizes_px = recipe.map_or_else(|| vec![source_px], data_set::sizes_px);
        let patterns = data_set::patterns(&source, &sizes_px)?;
        let found = match data_set::find(&patterns, Some(source_px), data.class_names.as_deref()) {
            Err(_) if !is_named => data_set::find(&patterns, None, data.class_names.as_deref())?,
            found => found?,
        };
        let index = data_set::open(&found, Split::Train)?;
        let budget = recipe.map_or(BadRecords::Percent(100.0 * BAD_RECORDS_SHARE), |recipe| recipe.data.bad_records);
        let bad_records_max = data_set::bad_records_max(budget, &[&*index])?;
        data_set::warn_of_faults(&index);
        let phase = phase(recipe.zip(stage), &index, seed, epoch)?;
        let execution = recipe.map(|recipe| recipe.execution).unwrap_or_default();
        Ok(Self { found, phase, execution, bad_records_max })
    }

    /// Takes another resample path than the recipe's, if one was named.
    pub fn choose_resample(&mut self, choice: Option<ResampleChoice>) {
        match choice {
            Some(ResampleChoice::Pil) => self.phase.resample = ResamplePath::Pil,
            Some(ResampleChoice::Planar) => self.phase.resample = ResamplePath::Planar,
            None => {}
        }
    }

    /// How to build a pipeline for it.
    pub fn pipeline_options(&self, pools: &PoolArgs) -> PipelineOptions {
        let (sizes, slab_bytes) = (PoolSizes::from(pools), self.phase.layout().bytes());
        let options = transforms::pipeline_options(&sizes, &self.execution, slab_bytes, self.phase.batch_rows);
        PipelineOptions { bad_records_max: self.bad_records_max, ..options }
    }

    /// Starts the pools.
    pub fn start(&self, pools: &PoolArgs) -> Result<Pipeline, PipelineError> {
        Pipeline::start(self.pipeline_options(pools))
    }

    /// The name of a class, where names are known.
    pub fn class_name(&self, label: i64) -> Option<&str> {
        let names = self.found.class_names.as_ref()?;
        usize::try_from(label).ok().and_then(|label| names.get(label)).map(String::as_str)
    }
}

/// What a pipeline's failure means here.
pub fn of_pipeline(error: PipelineError) -> Failure {
    of_train(error.into())
}

/// The recipe stage that an epoch, counted over the whole recipe from 1, belongs to, with its number.
fn stage_of(recipe: &Recipe, epoch: u32) -> Result<(usize, &Stage), Failure> {
    let mut before = 0;
    let mut stages = recipe.stages.iter().enumerate();
    let stage = stages.find(|(_, stage)| {
        before += stage.epochs;
        epoch <= before
    });
    stage.ok_or_else(|| {
        let sentence = format!("recipe {} has {} epochs, so there is no epoch {epoch}", recipe.name, recipe.epochs());
        Failure::usage(sentence, format!("choose one with --epoch 1 to --epoch {}", recipe.epochs()))
    })
}

/// The epoch of a stage, or of no recipe at all. Where a sampler goes by losses there are none here: such an epoch is shuffled.
fn phase(
    asked: Option<(&Recipe, (usize, &Stage))>,
    index: &Arc<Index>,
    seed: u64,
    epoch: u32,
) -> Result<PhaseSpec, Failure> {
    let features = asked.map_or_else(FeatureNames::default, |(recipe, _)| data_set::features(&recipe.data));
    let sampler = match asked {
        None => BoundSampler::shuffled(index.len()),
        Some((recipe, (number, stage))) => {
            let columns = examples::columns(recipe, stage, index, &features)?;
            let examples = Examples::new(recipe, index, columns.as_ref()).map_err(examples::refused)?;
            examples.sampler(number, stage, epoch..=epoch).map_err(examples::refused)?
        }
    };
    let (recipe, stage) = asked.map(|(recipe, (_, stage))| (recipe, stage)).unzip();
    Ok(PhaseSpec {
        kind: PhaseKind::Train,
        index: Arc::clone(index),
        features,
        plan: Arc::new(Plan::new(&sampler, seed, epoch, None)),
        batch_rows: stage.map_or(transforms::BENCH_BATCH_ROWS, |stage| stage.batch_size),
        drop_last: stage.is_some_and(|stage| stage.drop_last),
        first_seq: 0,
        tickets_max: None,
        views: stage.map_or_else(|| vec![transforms::bench_view()], transforms::stage_views),
        classes: recipe.map(|recipe| i64::from(recipe.data.classes)),
        decode: recipe.map_or(DecodeMode::Strict, |recipe| transforms::decode_mode(recipe.data.decode)),
        resample: recipe.map_or(ResamplePath::Pil, |recipe| recipe.data.resample),
        hash_rows: true,
    })
}
