//! A few pictures, a small net, and ways to disturb its training.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Sender, bounded, unbounded};
use fastgarden_data::catalog;
use fastgarden_data::compression::InflateBudget;
use fastgarden_data::example::{FeatureNames, FeatureValue, encode_example};
use fastgarden_data::geometry::Size;
use fastgarden_data::index::Index;
use fastgarden_data::picture::DecodeMode;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::plan::{Occasion, Plan};
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::sampler::{BoundSampler, Population, Sampler};
use fastgarden_data::shard_writer::ShardWriter;
use fastgarden_data::ticket::{Crop, Transform};
use fastgarden_data::{garden, ledger};
use fastgarden_proto::ledger::{Opening, Stage};
use fastgarden_train::batch_augment::{BatchAugment, BatchSpec, EraseSpec, MixSpec, Normalize};
use fastgarden_train::loss::{CrossEntropy, Objective, Targets};
use fastgarden_train::net::stem::StemSpec;
use fastgarden_train::net::xresnet::XResNetSpec;
use fastgarden_train::optimizer::{LookaheadOptions, RAdamOptions};
use fastgarden_train::precision::Precision;
use fastgarden_train::schedule::Schedule;
use fastgarden_train::trainer::{
    self, CheckpointSpec, Command, EVENTS_MAX, EvaluationSpec, Event, OptimizerSpec, RunEnd, SplitSpec, StageSpec,
    TrainError, TrainSpec, Trainer,
};
use tch::{Device, Tensor};
use tempfile::TempDir;

const CLASSES: i64 = 7;
const RECORDS: u32 = 56;
const BATCH_ROWS: usize = 8;
const SIDE_PX: u32 = 16;
/// Of a run of the usual two epochs.
pub const STEPS: u64 = 14;

/// What differs from run to run.
pub struct Run {
    pub epochs: u32,
    pub fetch_every: usize,
    pub precision: Precision,
    pub channels_last: bool,
    pub mischief: Option<Mischief>,
    pub max_steps: Option<u64>,
    /// Whether epochs are drawn by the losses of the one before.
    pub hard: bool,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            epochs: 2,
            fetch_every: 1,
            precision: Precision::FULL,
            channels_last: false,
            mischief: None,
            max_steps: None,
            hard: false,
        }
    }
}

/// What goes wrong, and in which steps (counted within this attempt, from 1).
#[derive(Clone)]
pub enum Mischief {
    /// The loss is multiplied.
    Multiply { by: f64, at: Vec<u64> },
    /// Somebody stops the run while this step is made.
    Stop { at: u64 },
    /// The loss is infinite in one step, and somebody stops the run in a later one.
    OverflowAndStop { at: u64, stop: u64 },
    /// The trainer breaks down in this step.
    Panic { at: u64 },
}

/// Cross-entropy in disturbed steps. Validations, which have no gradient, are left alone.
struct Disturbed {
    mischief: Option<Mischief>,
    steps: AtomicU64,
    commands: Sender<Command>,
}

impl Objective for Disturbed {
    fn losses(&self, heads: &[Tensor], targets: &Targets) -> Tensor {
        CrossEntropy { label_smoothing: 0.1 }.losses(heads, targets)
    }

    fn loss(&self, heads: &[Tensor], targets: &Targets) -> Tensor {
        let loss = CrossEntropy { label_smoothing: 0.1 }.loss(heads, targets);
        if !loss.requires_grad() {
            return loss;
        }
        let step = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.mischief {
            Some(Mischief::Multiply { by, at }) if at.contains(&step) => loss * *by,
            Some(Mischief::OverflowAndStop { at, .. }) if *at == step => loss * f64::INFINITY,
            Some(Mischief::Stop { at } | Mischief::OverflowAndStop { stop: at, .. }) if *at == step => {
                self.commands.send(Command::Stop).expect("the trainer listens");
                loss
            }
            Some(Mischief::Panic { at }) if *at == step => panic!("as asked for"),
            _ => loss,
        }
    }
}

/// How a run ended, and what it left.
pub struct Ended {
    pub end: Result<RunEnd, TrainError>,
    pub events: Vec<Event>,
    pub ledger: String,
    pub checkpoints: Vec<String>,
}

/// Pictures on disk and a place for runs.
pub struct Nursery {
    folder: TempDir,
    index: Arc<Index>,
    /// libtorch's generator is the process's: one test draws from it at a time.
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

impl Nursery {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut writer = ShardWriter::create(folder.path().join("train-00.tfrec")).expect("the folder is writable");
        for number in 0..RECORDS {
            writer.write(&example(number)).expect("the disk has room");
        }
        writer.finish().expect("the disk has room");
        let found = catalog::find(&[folder.path().to_string_lossy().into_owned()], None).expect("there is a shard");
        let split = found.train.expect("it is for training");
        let index = Arc::new(Index::open(&split, &InflateBudget::default()).expect("it is whole"));
        Self { folder, index, _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Hash of the plan that an epoch of a run must have.
    pub fn plan_hash(&self, hard: bool, epoch: u32, losses: &[u32]) -> String {
        Plan::of(&sampler(self.index.len(), hard), &Occasion { seed: 1, epoch, cap: None, losses }).hash()
    }

    /// A run in the folder of this name, or what is left of it.
    pub fn run(&self, name: &str, run: Run) -> Ended {
        self.run_with(name, run, &[])
    }

    /// The same with commands that are there before it begins.
    pub fn run_with(&self, name: &str, run: Run, given: &[Command]) -> Ended {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("the folder is writable");
        let (commands, listens) = unbounded();
        given.iter().for_each(|command| commands.send(*command).expect("nobody has gone yet"));
        let pipeline = Arc::new(Pipeline::start(options()).expect("a pipeline"));
        let (events, told) = bounded(EVENTS_MAX);
        let (reply, answer) = bounded(1);
        let spec = Box::new(self.spec(&folder, run, commands));
        let request = trainer::Run { spec, pipeline: Arc::clone(&pipeline), commands: listens, events, reply };
        Trainer::run(&pipeline, request).expect("the pipeline runs");
        let end = answer.recv().expect("the trainer answers");
        let ledger = std::fs::read_to_string(folder.join("ledger.jsonl")).unwrap_or_default();
        Ended { end, events: told.iter().collect(), ledger, checkpoints: checkpoints(&folder) }
    }

    fn spec(&self, folder: &Path, run: Run, commands: Sender<Command>) -> TrainSpec {
        let split = SplitSpec {
            index: Arc::clone(&self.index),
            features: FeatureNames::default(),
            decode: DecodeMode::Strict,
            resample: ResamplePath::Pil,
            classes: CLASSES,
        };
        let size = Size { width: SIDE_PX, height: SIDE_PX };
        let view = Transform {
            size,
            crop: Crop::RandomResized { min_scale: 0.5 },
            flip: false,
            distort: false,
            jitter: false,
        };
        let stage = StageSpec {
            epochs: run.epochs,
            train: split.clone(),
            batch_rows: BATCH_ROWS,
            drop_last: true,
            sampler: sampler(split.index.len(), run.hard),
            views: vec![view],
            batch: BatchSpec {
                augment: BatchAugment::Standard,
                normalize: Normalize::ImageNet,
                erase: Some(EraseSpec { probability: 0.5 }),
                mix: Some(MixSpec::MixUp { alpha: 0.4 }),
            },
            lr: 2e-3,
            schedule: Schedule::Constant,
            precision: run.precision,
            reset_optimizer: false,
        };
        let steps = AtomicU64::new(0);
        let objective: Arc<dyn Objective> = Arc::new(Disturbed { mischief: run.mischief, steps, commands });
        let net = XResNetSpec {
            stem: StemSpec::new("deconv", [4, 4, 8]),
            layers: [1; 4],
            self_attention: Some(0),
            ..XResNetSpec::xresnet18(CLASSES)
        };
        TrainSpec {
            groups: Vec::new(),
            ema: None,
            net,
            device: Device::Cpu,
            channels_last: run.channels_last,
            fetch_every: run.fetch_every,
            optimizer: OptimizerSpec::Ranger(RAdamOptions::default(), LookaheadOptions::default()),
            clip_norm: None,
            evaluation: Some(EvaluationSpec {
                sampler: BoundSampler::sequential(split.index.len()),
                split,
                view: Transform { size, crop: Crop::Resize, flip: false, distort: false, jitter: false },
                normalize: Normalize::ImageNet,
                batch_rows: BATCH_ROWS,
                limit: Some(16),
                objective: Arc::clone(&objective),
            }),
            objective,
            stages: vec![stage],
            seed: 1,
            cap: None,
            max_steps: run.max_steps,
            seconds_max: None,
            device_bytes_max: None,
            cpu_threads: 1,
            checkpoint: CheckpointSpec { every_steps: 5, every_seconds: 0, keep: 2 },
            folder: folder.to_owned(),
            start: None,
            opening: opening(run.epochs),
        }
    }
}

fn sampler(records: u32, hard: bool) -> BoundSampler {
    let sampler = if hard { Sampler::Hard { uniform_share: 0.25, tickets: None } } else { Sampler::Shuffled };
    sampler.bind(&Population::all(records)).expect("it needs to know nothing of the records")
}

fn opening(epochs: u32) -> Opening {
    let words = || "test".to_owned();
    Opening {
        version: ledger::LEDGER_VERSION,
        recipe_hash: words(),
        rules_hash: words(),
        cap: None,
        stages: vec![Stage { epochs, batch_size: BATCH_ROWS as u32, drop_last: true, records: u64::from(RECORDS) }],
        max_steps: None,
        data_fingerprint: words(),
        validation_fingerprint: words(),
        validation_records: u64::from(RECORDS),
        judged_on: "val".to_owned(),
        decoder_fingerprint: words(),
        seed: 1,
        plan_hash: words(),
        parent: None,
    }
}

fn options() -> PipelineOptions {
    let bytes = BATCH_ROWS * (SIDE_PX * SIDE_PX * 3) as usize;
    PipelineOptions { readers: 0, decoders: 1, augmenters: 0, ..PipelineOptions::new(bytes, BATCH_ROWS) }
}

/// A garden picture in the Kaggle layout.
fn example(number: u32) -> Vec<u8> {
    let drawing = garden::draw(1, number, SIDE_PX);
    let mut jpeg = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 90);
    let side = SIDE_PX as u16;
    encoder.encode(&drawing.pixels, side, side, jpeg_encoder::ColorType::Rgb).expect("a small picture encodes");
    encode_example(&[
        ("class", FeatureValue::Int64(i64::from(number) % CLASSES)),
        ("id", FeatureValue::Bytes(format!("{number:09}").as_bytes())),
        ("image", FeatureValue::Bytes(&jpeg)),
    ])
}

fn checkpoints(folder: &Path) -> Vec<String> {
    let entries: Vec<PathBuf> = std::fs::read_dir(folder.join("checkpoints"))
        .map(|entries| entries.map(|entry| entry.expect("an entry").path()).collect())
        .unwrap_or_default();
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.iter().filter_map(name).collect();
    names.sort();
    names
}
