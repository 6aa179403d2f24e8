//! From a checked description to everything a run needs: opened data, transforms, limits, the ledger's first line.
//! Not here: running it.

use std::path::PathBuf;
use std::sync::Arc;

use fastgarden_data::cache::Cache;
use fastgarden_data::catalog::Split;
use fastgarden_data::example::FeatureNames;
use fastgarden_data::fingerprint::decoder_fingerprint;
use fastgarden_data::index::Index;
use fastgarden_data::limits::CHUNK_ROWS_MAX;
use fastgarden_data::pipeline::PipelineOptions;
use fastgarden_data::plan::hex;
use fastgarden_proto::ledger::{Opening, Stage as LedgerStage};
use fastgarden_train::batch_augment::BatchSpec;
use fastgarden_train::loss::{CrossEntropy, Objective, Together};
use fastgarden_train::precision::Precision;
use fastgarden_train::trainer::{CheckpointSpec, EmaSpec, EvaluationSpec, SplitSpec, StageSpec, TrainSpec};
use tch::Device;

use super::parent::Parents;
use crate::data_set::{self, Identified};
use crate::exit::Failure;
use crate::recipe::{self, Metric, OptimizerState, Recipe, StagePrecision};
use crate::rules::{Rules, grouped};
use crate::run_spec::{DataSource, PoolSizes, RunSpec};
use crate::series::Series;
use crate::transforms;

/// Steps on a GPU from one look at their losses to the next.
const FETCH_EVERY: usize = 50;

/// A series, ready to run.
pub struct Prepared {
    /// One training split per recipe stage (often the same).
    train: Vec<Arc<Index>>,
    /// One a recipe stage: what it asks for, on this device.
    precisions: Vec<Precision>,
    /// What accuracy is measured on.
    validation: Arc<Index>,
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
        let mut description = String::new();
        for stage in &recipe.stages {
            if !opened.iter().any(|(px, _)| *px == stage.source_px) {
                let found = data_set::find(&patterns, Some(stage.source_px), spec.class_names.as_deref())?;
                opened.push((stage.source_px, data_set::open(&found, Split::Train)?));
                description = found.description;
            }
        }
        let found = data_set::find(&patterns, Some(recipe.evaluation.source_px), spec.class_names.as_deref())?;
        let validation = data_set::open(&found, Split::Validation)?;
        let mut parents = Parents::find(spec.from.as_deref(), &spec.seeds, &recipe.net)?;
        let of_parents = splits_of_parents(&mut parents, &opened, &patterns)?;
        let same_ids = refuse_mixed_splits(&opened, &of_parents, &validation, &features)?;
        let indexes: Vec<&Index> = opened.iter().map(|(_, index)| &**index).chain([&*validation]).collect();
        let bad_records_max = data_set::bad_records_max(recipe.data.bad_records, &indexes)?;
        refuse_empty_epochs(&recipe, &opened, &spec.rules)?;
        let of_stage = |px| opened.iter().find(|(of, _)| *of == px).map(|(_, index)| Arc::clone(index));
        let train = recipe.stages.iter().filter_map(|stage| of_stage(stage.source_px)).collect();
        let on_garden = spec.data == DataSource::Garden;
        let (pools, cache) = (spec.pools, recipe.execution.new_cache());
        Ok(Self {
            train,
            precisions,
            validation,
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
        })
    }

    /// What is about to happen, in a few lines.
    pub fn headlines(&self, spec: &RunSpec, series: &Series) -> Vec<String> {
        let records = |index: &Index| grouped(u64::from(index.len()));
        let (train, validation) = (records(&self.train[0]), records(&self.validation));
        let device = match self.device {
            Device::Cuda(number) => format!("GPU {number}"),
            _ => format!("CPU, {} threads", self.cpu_threads()),
        };
        let (word, folder) = (if series.is_resumed() { "resuming" } else { "in" }, series.folder().display());
        let mut lines = vec![
            format!("recipe  {}: {}", spec.recipe.name, spec.recipe.summary),
            format!("data    {train} train, {validation} val: {}", self.description),
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

    /// Validation records, and whether the recipe scores them all.
    pub fn validation_records(&self) -> (u64, bool) {
        let all = u64::from(self.validation.len());
        let limit = self.recipe.evaluation.limit;
        if limit == 0 || limit >= all { (all, true) } else { (limit, false) }
    }

    /// How to build a run's pipeline.
    pub fn pipeline_options(&self) -> PipelineOptions {
        let stages = self.recipe.stages.iter().map(|stage| (transforms::stage_view(stage), stage.batch_size));
        let evaluation = (transforms::evaluation_view(&self.recipe.evaluation), self.evaluation_rows());
        let geometries: Vec<_> = stages.chain([evaluation]).collect();
        let bytes = |(view, rows): &(fastgarden_data::ticket::Transform, usize)| {
            fastgarden_data::slab::Layout::new(*rows, vec![view.size]).bytes()
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
        let stages: Vec<StageSpec> = recipe
            .stages
            .iter()
            .zip(self.train.iter().zip(&self.precisions))
            .map(|(stage, (index, &precision))| stage_spec(stage, split(index), precision, recipe))
            .collect();
        let parent = self.parents.of(seed);
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
            evaluation: Some(evaluation(recipe, split(&self.validation), self.evaluation_rows())),
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
            plan_hash: stages[0].plan(seed, epochs_before + 1, cap).hash(),
            parent,
            validation_records: u64::from(self.validation.len()),
        }
    }
}

fn runs(count: usize) -> String {
    if count == 1 { "1 run".to_owned() } else { format!("{count} runs") }
}

/// I-disjoint and R3: no validation record in any training split, and the same pictures in each of them. Says so where there
/// are several sizes.
fn refuse_mixed_splits(
    opened: &[(u32, Arc<Index>)],
    of_parents: &[(u32, Arc<Index>)],
    validation: &Arc<Index>,
    features: &FeatureNames,
) -> Result<Option<String>, Failure> {
    let validation = Identified::read(Arc::clone(validation), features)?;
    let mut distinct: Vec<(u32, Identified)> = Vec::new();
    for (px, index) in opened.iter().chain(of_parents) {
        // One folder of shards serves every size that it is asked for.
        if distinct.iter().any(|(_, seen)| seen.index.fingerprint() == index.fingerprint()) {
            continue;
        }
        let train = Identified::read(Arc::clone(index), features)?;
        data_set::refuse_overlap(&train, &validation)?;
        if let Some((first_px, first)) = distinct.first() {
            data_set::refuse_other_pictures((*first_px, first), (*px, &train))?;
        }
        distinct.push((*px, train));
    }
    let sizes: Vec<String> = distinct.iter().map(|(px, _)| format!("{px} px")).collect();
    Ok((sizes.len() > 1).then(|| format!("ids     the same pictures train at {}", sizes.join(" and "))))
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

/// A stage whose epochs have no whole batch would train nothing at all.
fn refuse_empty_epochs(recipe: &Recipe, opened: &[(u32, Arc<Index>)], rules: &Rules) -> Result<(), Failure> {
    for (number, stage) in recipe.stages.iter().enumerate() {
        let records =
            opened.iter().find(|(px, _)| *px == stage.source_px).map_or(0, |(_, index)| u64::from(index.len()));
        let tickets = records.min(rules.examples_per_epoch.unwrap_or(u64::MAX));
        if stage.drop_last && tickets < stage.batch_size as u64 {
            let size = stage.batch_size;
            let sentence = format!("stage.{number} has {tickets} examples an epoch: not one whole batch of {size}");
            let way_out = format!("--set stage.{number}.batch_size={}, or drop_last=false", tickets.max(1));
            return Err(Failure::usage(sentence, way_out));
        }
    }
    Ok(())
}

/// What a stage computes in on this device.
fn precision_on(device: Device, precision: StagePrecision, stage: usize) -> Result<Precision, Failure> {
    let is_gpu = matches!(device, Device::Cuda(_));
    match precision {
        StagePrecision::Fp32 => Ok(Precision::FULL),
        StagePrecision::Bf16 => Ok(Precision::BFLOAT16),
        StagePrecision::Fp16OnGpu if !is_gpu => Ok(Precision::FULL),
        StagePrecision::Fp16 if !is_gpu => {
            let sentence = format!("`stage.{stage}.precision` is \"fp16\", which needs a GPU, and this is a CPU");
            let way_out = format!("--set stage.{stage}.precision=fp16-on-gpu (fp32 here), or bf16");
            Err(Failure::usage(sentence, way_out))
        }
        StagePrecision::Fp16OnGpu | StagePrecision::Fp16 => Ok(Precision::HALF),
    }
}

fn stage_spec(stage: &recipe::Stage, train: SplitSpec, precision: Precision, recipe: &Recipe) -> StageSpec {
    StageSpec {
        epochs: stage.epochs,
        train,
        batch_rows: stage.batch_size,
        drop_last: stage.drop_last,
        sampler: transforms::sampler(stage.sampler),
        views: vec![transforms::stage_view(stage)],
        batch: batch_spec(stage, recipe),
        lr: stage.lr.unwrap_or(recipe.optimizer.lr),
        schedule: stage.schedule,
        precision,
        reset_optimizer: stage.optimizer_state == OptimizerState::Reset,
    }
}

/// The evaluation of a recipe over a split.
pub fn evaluation(recipe: &Recipe, split: SplitSpec, batch_rows: usize) -> EvaluationSpec {
    let limit = recipe.evaluation.limit;
    EvaluationSpec {
        split,
        view: transforms::evaluation_view(&recipe.evaluation),
        normalize: recipe.data.normalize,
        batch_rows,
        limit: (limit > 0).then_some(limit),
        objective: objective(recipe),
    }
}

/// What is done to the batches of a stage on the device.
pub fn batch_spec(stage: &recipe::Stage, recipe: &Recipe) -> BatchSpec {
    BatchSpec {
        augment: stage.batch_augment,
        normalize: recipe.data.normalize,
        erase: stage.erase,
        mix: stage.mix,
    }
}

/// What a recipe minimises.
pub fn objective(recipe: &Recipe) -> Arc<dyn Objective> {
    let cross_entropy = CrossEntropy { label_smoothing: recipe.loss.label_smoothing };
    match recipe.loss.metric {
        Some(Metric { loss, weight }) => Arc::new(Together { cross_entropy, metric: loss, weight }),
        None => Arc::new(cross_entropy),
    }
}
