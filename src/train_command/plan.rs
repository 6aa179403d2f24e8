//! From a checked description to everything a run needs: opened data, transforms, limits, the ledger's first line.
//! Not here: running it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use fastgarden_data::cache::Cache;
use fastgarden_data::catalog::Split;
use fastgarden_data::example::FeatureNames;
use fastgarden_data::fingerprint::decoder_fingerprint;
use fastgarden_data::index::Index;
use fastgarden_data::limits::CHUNK_ROWS_MAX;
use fastgarden_data::pipeline::PipelineOptions;
use fastgarden_data::plan::{Plan, hex};
use fastgarden_data::sampler::BoundSampler;
use fastgarden_data::slab::Layout;
use fastgarden_data::ticket::Transform;
use fastgarden_proto::ledger::{Opening, Stage as LedgerStage};
use fastgarden_train::batch_augment::BatchSpec;
use fastgarden_train::loss::{CrossEntropy, Objective, Together};
use fastgarden_train::precision::Precision;
use fastgarden_train::trainer::{CheckpointSpec, EmaSpec, EvaluationSpec, Headroom, SplitSpec, StageSpec, TrainSpec};
use tch::Device;

use super::parent::Parents;
use super::precision::precision_on;
use super::splits::{Splits, refuse_empty_epochs};
use crate::data_set;
use crate::examples;
use crate::exit::Failure;
use crate::recipe::{self, JudgedOn, Metric, OptimizerState, Recipe, StagePrecision};
use crate::rules::grouped;
use crate::run_spec::{DataSource, PoolSizes, RunSpec};
use crate::series::Series;
use crate::telemetry;
use crate::transforms;

/// Steps on a GPU from one look at their losses to the next.
const FETCH_EVERY: usize = 50;

/// A series, ready to run.
pub struct Prepared {
    /// One training split per recipe stage (often the same).
    train: Vec<Arc<Index>>,
    /// One a recipe stage: what it asks for, on this device.
    precisions: Vec<Precision>,
    /// One a recipe stage: what draws its epochs in runs after so many of a parent's.
    samplers: Vec<(u32, Vec<BoundSampler>)>,
    /// What accuracy is measured on, and which records of it.
    validation: Arc<Index>,
    judged: BoundSampler,
    features: FeatureNames,
    description: String,
    /// What was shown of the ids, where there are several source sizes.
    same_ids: Option<String>,
    device: Device,
    bad_records_max: u64,
    pools: PoolSizes,
    recipe: Recipe,
    /// What the runs start from.
    pub parents: Parents,
    /// What stays in memory between epochs, and from run to run.
    pub cache: Option<Arc<Cache>>,
    /// Whether the data is the synthetic garden.
    pub on_garden: bool,
    /// Names of the classes, where the data has some.
    class_names: Option<Vec<String>>,
    /// What was measured before the first run, where that was asked for.
    pub headroom: Option<Headroom>,
}

impl Prepared {
    /// Opens the data, checks that the splits are disjoint and the losses of framing within the budget.
    pub fn new(spec: &RunSpec, device: Device) -> Result<Self, Failure> {
        let recipe = spec.recipe.clone();
        let stages = recipe.stages.iter().enumerate();
        let precisions = stages.map(|(number, stage)| precision_on(device, stage.precision, number));
        let precisions = precisions.collect::<Result<_, _>>()?;
        let features = data_set::features(&recipe.data);
        let patterns = data_set::patterns(&spec.data, &data_set::sizes_px(&recipe))?;
        let mut opened: Vec<(u32, Arc<Index>)> = Vec::new();
        let (mut description, mut class_names) = (String::new(), None);
        for stage in &recipe.stages {
            if !opened.iter().any(|(px, _)| *px == stage.source_px) {
                let found = data_set::find(&patterns, Some(stage.source_px), spec.class_names.as_deref())?;
                opened.push((stage.source_px, data_set::open(&found, Split::Train)?));
                (description, class_names) = (found.description, found.class_names);
            }
        }
        let px = recipe.evaluation.source_px;
        let already = opened.iter().find(|(of, _)| *of == px && recipe.evaluation.on != JudgedOn::Validation);
        let validation = match already {
            // Held-out records are of the training split.
            Some((_, index)) => Arc::clone(index),
            None => {
                let found = data_set::find(&patterns, Some(px), spec.class_names.as_deref())?;
                data_set::open(&found, examples::split_of(recipe.evaluation.on))?
            }
        };
        let mut parents = Parents::find(spec.from.as_deref(), &spec.seeds, &recipe.net)?;
        let of_parents = splits_of_parents(&mut parents, &opened, &patterns)?;
        let splits = Splits::read(&recipe, &opened, &of_parents, &validation, &features)?;
        let same_ids = splits.same_ids();
        let judged = splits.judged(&recipe, &validation)?;
        let starts = spec.seeds.iter().map(|&seed| parents.of(seed).map_or(0, |parent| parent.ledger.epochs));
        let starts: BTreeSet<u32> = starts.collect();
        let samplers = starts.into_iter().map(|before| Ok((before, splits.samplers(&recipe, &opened, before)?)));
        let samplers = samplers.collect::<Result<Vec<_>, Failure>>()?;
        let indexes: Vec<&Index> = opened.iter().map(|(_, index)| &**index).chain([&*validation]).collect();
        let bad_records_max = data_set::bad_records_max(recipe.data.bad_records, &indexes)?;
        for (before, samplers) in &samplers {
            refuse_empty_epochs(&recipe, samplers, *before, &spec.rules)?;
        }
        let of_stage = |px| opened.iter().find(|(of, _)| *of == px).map(|(_, index)| Arc::clone(index));
        let train = recipe.stages.iter().filter_map(|stage| of_stage(stage.source_px)).collect();
        let on_garden = spec.data == DataSource::Garden;
        let (pools, cache) = (spec.pools, recipe.execution.new_cache());
        Ok(Self {
            train,
            precisions,
            samplers,
            validation,
            judged,
            features,
            description,
            same_ids,
            device,
            bad_records_max,
            pools,
            recipe,
            parents,
            cache,
            on_garden,
            class_names,
            headroom: None,
        })
    }

    /// What is about to happen, in a few lines.
    pub fn headlines(&self, spec: &RunSpec, series: &Series) -> Vec<String> {
        let records = |index: &Index| grouped(u64::from(index.len()));
        let train = records(&self.train[0]);
        let judged = match self.recipe.evaluation.on {
            JudgedOn::Validation => format!("{} val", records(&self.validation)),
            JudgedOn::Holdout(_) => format!("{} of them held out to judge", grouped(self.judged.tickets(0))),
        };
        let device = match self.device {
            Device::Cuda(number) => format!("GPU {number}"),
            _ => format!("CPU, {} threads", self.cpu_threads()),
        };
        let (word, folder) = (if series.is_resumed() { "resuming" } else { "in" }, series.folder().display());
        let mut lines = vec![
            format!("recipe  {}: {}", spec.recipe.name, spec.recipe.summary),
            format!("data    {train} train, {judged}: {}", self.description),
            format!("run     {} on {device}; {word} {folder}", runs(spec.seeds.len())),
        ];
        if !self.is_gpu() && self.recipe.stages.iter().any(|stage| stage.precision == StagePrecision::Fp16OnGpu) {
            lines.push("note    precision fp16-on-gpu is fp32 here: this is no GPU".to_owned());
        }
        if let Some(EmaSpec { decay, evaluate: true }) = self.recipe.ema {
            lines.push(format!("note    accuracy is that of the weights' running mean, ema.decay {decay}"));
        }
        lines.extend(self.same_ids.clone());
        lines.extend(self.parents.headlines());
        let faults = self.train.iter().chain([&self.validation]).flat_map(|index| index.faults());
        lines.extend(faults.map(|fault| format!("warning {fault}")));
        lines.dedup();
        lines
    }

    /// The series for everything that shows it.
    pub fn told_of<'a>(&self, spec: &'a RunSpec) -> telemetry::Series<'a> {
        telemetry::Series {
            recipe: &spec.recipe,
            runs: spec.seeds.len(),
            class_names: self.class_names.clone(),
            runs_folder: spec.out.clone(),
        }
    }

    /// Validation records, and whether the recipe scores them all.
    pub fn validation_records(&self) -> (u64, bool) {
        let all = self.judged.tickets(0);
        let limit = self.recipe.evaluation.limit;
        if limit == 0 || limit >= all { (all, true) } else { (limit, false) }
    }

    /// How to build a run's pipeline.
    pub fn pipeline_options(&self) -> PipelineOptions {
        let stages = self.recipe.stages.iter().map(|stage| (transforms::stage_views(stage), stage.batch_size));
        let evaluation = (vec![transforms::evaluation_view(&self.recipe.evaluation)], self.evaluation_rows());
        let geometries: Vec<_> = stages.chain([evaluation]).collect();
        let bytes = |(views, rows): &(Vec<Transform>, usize)| {
            Layout::new(*rows, views.iter().map(|view| view.size).collect()).bytes()
        };
        let slab_bytes = geometries.iter().map(bytes).max().unwrap_or(0);
        let rows_max = geometries.iter().map(|(_, rows)| *rows).max().unwrap_or(CHUNK_ROWS_MAX);
        let options = transforms::pipeline_options(&self.pools, &self.recipe.execution, slab_bytes, rows_max);
        let slabs_extra = usize::from(self.is_gpu());
        PipelineOptions { bad_records_max: self.bad_records_max, slabs_extra, cache: self.cache.clone(), ..options }
    }

    fn is_gpu(&self) -> bool {
        matches!(self.device, Device::Cuda(_))
    }

    fn evaluation_rows(&self) -> usize {
        self.recipe.stages.last().map_or(1, |stage| stage.batch_size)
    }

    fn cpu_threads(&self) -> i32 {
        match self.recipe.execution.cpu_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from) as i32,
            threads => threads as i32,
        }
    }

    /// One run of the series.
    pub fn run(&self, spec: &RunSpec, seed: u64, folder: PathBuf) -> TrainSpec {
        let recipe = &self.recipe;
        let cap = spec.rules.examples_per_epoch;
        let split = |index: &Arc<Index>| self.split(index);
        let parent = self.parents.of(seed);
        let before = parent.map_or(0, |parent| parent.ledger.epochs);
        let samplers = self.samplers.iter().find(|(of, _)| *of == before).map_or(&[][..], |(_, samplers)| samplers);
        let parts = self.train.iter().zip(samplers).zip(&self.precisions);
        let stages: Vec<StageSpec> = recipe
            .stages
            .iter()
            .zip(parts)
            .map(|(stage, ((index, sampler), &precision))| {
                stage_spec(stage, split(index), sampler.clone(), precision, recipe)
            })
            .collect();
        let opening = self.opening(spec, seed, &stages, cap);
        TrainSpec {
            net: recipe.net.clone(),
            device: self.device,
            channels_last: self.is_gpu(),
            fetch_every: if self.is_gpu() { FETCH_EVERY } else { 1 },
            optimizer: recipe.optimizer.spec,
            groups: recipe.optimizer.groups.clone(),
            ema: recipe.ema,
            clip_norm: recipe.optimizer.clip_norm,
            objective: objective(recipe),
            stages,
            evaluation: Some(evaluation(recipe, split(&self.validation), self.judged.clone(), self.evaluation_rows())),
            seed,
            cap,
            max_steps: spec.max_steps,
            device_bytes_max: spec.device_memory_limit,
            seconds_max: spec.rules.max_seconds,
            cpu_threads: self.cpu_threads(),
            checkpoint: CheckpointSpec {
                every_steps: recipe.checkpoint.every_steps,
                every_seconds: recipe.checkpoint.every_seconds,
                keep: recipe.checkpoint.keep as usize,
            },
            folder,
            start: parent.map(|parent| parent.start.clone()),
            opening,
        }
    }

    fn split(&self, index: &Arc<Index>) -> SplitSpec {
        SplitSpec {
            index: Arc::clone(index),
            features: self.features.clone(),
            decode: transforms::decode_mode(self.recipe.data.decode),
            resample: self.recipe.data.resample,
            classes: i64::from(self.recipe.data.classes),
        }
    }

    /// Of the shards of all stages, each once, joined by `+`.
    fn data_fingerprint(&self) -> String {
        let mut prints: Vec<String> = self.train.iter().map(|index| hex(&index.fingerprint())).collect();
        prints.dedup();
        prints.join("+")
    }

    fn opening(&self, spec: &RunSpec, seed: u64, stages: &[StageSpec], cap: Option<u64>) -> Opening {
        let ledger_stage = |stage: &StageSpec| LedgerStage {
            epochs: stage.epochs,
            batch_size: stage.batch_rows as u32,
            drop_last: stage.drop_last,
            records: u64::from(stage.train.index.len()),
        };
        let parent = self.parents.of(seed).map(|parent| parent.ledger.clone());
        let epochs_before = parent.as_ref().map_or(0, |parent| parent.epochs);
        Opening {
            version: fastgarden_data::ledger::LEDGER_VERSION,
            recipe_hash: self.recipe.hash(),
            rules_hash: spec.rules.hash(),
            cap,
            stages: stages.iter().map(ledger_stage).collect(),
            max_steps: spec.max_steps,
            data_fingerprint: self.data_fingerprint(),
            validation_fingerprint: hex(&self.validation.fingerprint()),
            decoder_fingerprint: decoder_fingerprint(self.recipe.data.resample),
            seed,
            plan_hash: Plan::new(&stages[0].sampler, seed, epochs_before + 1, cap).hash(),
            parent,
            validation_records: self.judged.tickets(0),
            judged_on: self.recipe.evaluation.on.to_string(),
        }
    }
}

fn runs(count: usize) -> String {
    if count == 1 { "1 run".to_owned() } else { format!("{count} runs") }
}

/// What the parents were trained on besides, where --data has it in another size. A parent whose data is not all there is
/// marked: nobody can show then that no validation record was among it.
fn splits_of_parents(
    parents: &mut Parents,
    opened: &[(u32, Arc<Index>)],
    patterns: &[String],
) -> Result<Vec<(u32, Arc<Index>)>, Failure> {
    let mut besides: Vec<(u32, Arc<Index>)> = Vec::new();
    for parent in parents.all() {
        let Some((recipe, fingerprint)) = parent.trained_on.clone() else { continue };
        for px in recipe.stages.iter().map(|stage| stage.source_px) {
            let is_open = opened.iter().chain(&besides).any(|(of, _)| *of == px);
            if !is_open && let Ok(found) = data_set::find(patterns, Some(px), None) {
                besides.push((px, data_set::open(&found, Split::Train)?));
            }
        }
        let has = |print: &str| opened.iter().chain(&besides).any(|(_, index)| hex(&index.fingerprint()) == print);
        if !fingerprint.split('+').all(has) {
            let path = parent.start.path.display();
            parent.mark_foreign(format!("{path} was trained on shards that --data does not have"));
        }
    }
    Ok(besides)
}

fn stage_spec(
    stage: &recipe::Stage,
    train: SplitSpec,
    sampler: BoundSampler,
    precision: Precision,
    recipe: &Recipe,
) -> StageSpec {
    StageSpec {
        epochs: stage.epochs,
        train,
        batch_rows: stage.batch_size,
        drop_last: stage.drop_last,
        sampler,
        views: transforms::stage_views(stage),
        batch: batch_spec(stage, recipe),
        lr: stage.lr.unwrap_or(recipe.optimizer.lr),
        schedule: stage.schedule,
        precision,
        reset_optimizer: stage.optimizer_state == OptimizerState::Reset,
    }
}

/// The evaluation of a recipe over the records that a sampler draws of a split.
pub fn evaluation(recipe: &Recipe, split: SplitSpec, sampler: BoundSampler, batch_rows: usize) -> EvaluationSpec {
    let limit = recipe.evaluation.limit;
    EvaluationSpec {
        split,
        sampler,
        view: transforms::evaluation_view(&recipe.evaluation),
        normalize: recipe.data.normalize,
        batch_rows,
        limit: (limit > 0).then_some(limit),
        objective: objective(recipe),
    }
}

/// What is done to the batches of a stage on the device.
pub fn batch_spec(stage: &recipe::Stage, recipe: &Recipe) -> BatchSpec {
    BatchSpec { augment: stage.batch_augment, normalize: recipe.data.normalize, erase: stage.erase, mix: stage.mix }
}

/// What a recipe minimises.
pub fn objective(recipe: &Recipe) -> Arc<dyn Objective> {
    let cross_entropy = CrossEntropy { label_smoothing: recipe.loss.label_smoothing };
    match recipe.loss.metric {
        Some(Metric { loss, weight }) => Arc::new(Together { cross_entropy, metric: loss, weight }),
        None => Arc::new(cross_entropy),
    }
}
