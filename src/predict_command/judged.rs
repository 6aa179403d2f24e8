//! A checkpoint's word on every record of a split, for `predict` and for the pictures of `report html`.
//! Not here: how a batch is judged (`fastgarden-train`), or what is shown of it.

use std::path::Path;
use std::sync::Arc;

use fastgarden_data::catalog::{Catalog, Split};
use fastgarden_data::example::FeatureNames;
use fastgarden_data::fault::BadBytes;
use fastgarden_data::index::Index;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::slab::Layout;
use fastgarden_train::device::{self, DeviceRequest};
use fastgarden_train::net::xresnet::XResNet;
use fastgarden_train::trainer::{self, EvaluationSpec, Guess, Guessed, PredictSpec, SplitSpec};
use tch::Device;

use crate::cli::{DataChoice, PoolArgs, RecipeChoice};
use crate::data_set;
use crate::examples;
use crate::exit::{Failure, OrFail as _, Signal};
use crate::interrupt::Interrupts;
use crate::recipe::Recipe;
use crate::run_spec::{DataSource, PoolSizes};
use crate::train_command::{evaluation, of_train};
use crate::{transforms, weights};

/// What is to be judged by what.
pub struct Question<'a> {
    /// A checkpoint's or run's folder, or a file of weights.
    pub checkpoint: &'a Path,
    /// Of the net, if not of its series.
    pub recipe: &'a RecipeChoice,
    /// Where the examples are.
    pub data: &'a DataChoice,
    /// Which of them.
    pub split: Split,
    /// Where to judge.
    pub device: &'a DeviceRequest,
    /// Whether to judge mirror images too.
    pub flip: bool,
}

/// A net with its weights, and the records it is to judge.
pub struct Judge {
    net: XResNet,
    found: weights::Found,
    data: Catalog,
    spec: PredictSpec,
    device: Device,
    bad_records_max: u64,
    interrupts: Interrupts,
}

/// What came of it.
#[derive(Default)]
pub struct Judged {
    /// Records of the split.
    pub records: u32,
    /// One for each record that could be read, in the order of records.
    pub plain: Vec<Guess>,
    /// The same with mirror images, where those were judged.
    pub flipped: Option<Vec<Guess>>,
    /// Where and why records could not be read.
    pub unreadable: Vec<String>,
}

impl Judged {
    /// Share of right answers, 0–1, unreadable records counting as wrong; `None` where a record has no label, or for mirror
    /// images that were not judged.
    pub fn accuracy(&self, flipped: bool) -> Option<f64> {
        let guesses = if flipped { self.flipped.as_ref()? } else { &self.plain };
        let is_labelled = !guesses.is_empty() && guesses.iter().all(|guess| guess.label >= 0);
        let right = guesses.iter().filter(|guess| guess.is_right).count();
        is_labelled.then(|| right as f64 / f64::from(self.records))
    }
}

impl Judge {
    /// Loads the weights and indexes the data.
    pub fn open(question: &Question<'_>) -> Result<Self, Failure> {
        let device = device::choose(question.device).or_usage()?;
        let interrupts = Interrupts::listen()?;
        let found = weights::find(question.checkpoint, question.recipe)?;
        let net = weights::build(&found, device)?;
        let recipe = &found.recipe;
        let source = DataSource::from_patterns(&question.data.data)?;
        let patterns = data_set::patterns(&source, &data_set::sizes_px(recipe))?;
        let class_names = question.data.class_names.as_deref();
        let data = data_set::find(&patterns, Some(recipe.evaluation.source_px), class_names)?;
        let index = data_set::open(&data, question.split)?;
        let bad_records_max = data_set::bad_records_max(recipe.data.bad_records, &[&*index])?;
        data_set::warn_of_faults(&index);
        let spec = PredictSpec {
            evaluation: every_record(recipe, index),
            needs_labels: question.split != Split::Test,
            flip: question.flip,
        };
        Ok(Self { net, found, data, spec, device, bad_records_max, interrupts })
    }

    /// The records.
    pub fn index(&self) -> &Arc<Index> {
        &self.spec.evaluation.split.index
    }

    /// Names of their features.
    pub fn features(&self) -> &FeatureNames {
        &self.spec.evaluation.split.features
    }

    /// Of the net.
    pub fn recipe(&self) -> &Recipe {
        &self.found.recipe
    }

    /// Where the weights lie.
    pub fn checkpoint(&self) -> &Path {
        &self.found.loaded.path
    }

    /// The name of a class, where names are known.
    pub fn class_name(&self, class: usize) -> Option<&str> {
        self.data.class_names.as_ref()?.get(class).map(String::as_str)
    }

    /// Judges everything. `look` sees each batch with its pixels.
    pub fn ask(&self, pools: &PoolArgs, mut look: impl FnMut(&Guessed<'_>)) -> Result<Judged, Failure> {
        let evaluation = &self.spec.evaluation;
        let slab_bytes = Layout::new(evaluation.batch_rows, vec![evaluation.view.size]).bytes();
        let (pools, execution) = (PoolSizes::from(pools), &self.found.recipe.execution);
        let options = transforms::pipeline_options(&pools, execution, slab_bytes, evaluation.batch_rows);
        let options = PipelineOptions { bad_records_max: self.bad_records_max, ..options };
        let pipeline = Pipeline::start(options).map_err(|error| of_train(error.into()))?;
        let mut judged =
            Judged { records: self.index().len(), flipped: self.spec.flip.then(Vec::new), ..Judged::default() };
        let told = |guessed: &Guessed<'_>| {
            judged.plain.extend_from_slice(guessed.plain);
            if let (Some(all), Some(flipped)) = (&mut judged.flipped, guessed.flipped) {
                all.extend_from_slice(flipped);
            }
            for row in guessed.batch.quarantined() {
                let bad = BadBytes { kind: row.kind, detail: row.detail.clone() };
                judged.unreadable.push(self.index().fault(row.record, bad).to_string());
            }
            look(guessed);
        };
        let channels_last = matches!(self.device, Device::Cuda(_));
        let commands = &self.interrupts.commands;
        let ended = trainer::predict(&self.net, &self.spec, &pipeline, self.device, channels_last, commands, told);
        ended.map_err(of_train)?.ok_or_else(|| {
            let signal = self.interrupts.received().unwrap_or(Signal::Interrupt);
            Failure::Interrupted { signal, resume_command: None }
        })?;
        Ok(judged)
    }
}

/// The recipe's evaluation, of every record whatever its limit.
fn every_record(recipe: &Recipe, index: Arc<Index>) -> EvaluationSpec {
    let split = SplitSpec {
        index,
        features: data_set::features(&recipe.data),
        decode: transforms::decode_mode(recipe.data.decode),
        resample: recipe.data.resample,
        classes: i64::from(recipe.data.classes),
    };
    let rows = recipe.stages.last().map_or(1, |stage| stage.batch_size);
    let sampler = examples::judged(&split.index, None);
    EvaluationSpec { limit: None, ..evaluation(recipe, split, sampler, rows) }
}
