//! Recipes: a TOML file that fully describes a training, and its checked, resolved form.
//! Not here: what was typed on the command line besides `--set` (run_spec.rs), and running anything.

mod augment;
mod check;
mod decode;
mod error;
mod execution;
#[cfg(test)]
mod leaderboard_tests;
mod library;
mod located;
mod loss;
mod net;
mod optimizer;
mod overrides;
#[cfg(test)]
mod refusal_tests;
mod sampling;
#[cfg(test)]
mod sampling_tests;
mod schema;
#[cfg(test)]
mod tests;
mod validate;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use fastgarden_data::resample::ResamplePath;
use sha2::{Digest as _, Sha256};

pub(crate) use decode::decode;
pub use error::{RecipeError, listed, nearest};
pub(crate) use execution::PREFETCH_MAX;
pub use execution::{CacheBytes, CpuBudget, Execution};
pub use fastgarden_train::batch_augment::{BatchAugment, EraseSpec, MixSpec, Normalize};
pub use fastgarden_train::loss::MetricLoss;
pub use fastgarden_train::net::xresnet::XResNetSpec as Net;
pub use fastgarden_train::schedule::Schedule;
pub use fastgarden_train::trainer::EmaSpec;
pub(crate) use library::read_small_text;
pub use library::{EMBEDDED, Embedded};
pub(crate) use located::{Node, parse};
pub use optimizer::Optimizer;
use sampling::{AtHand, Beside, Files};
pub use sampling::{SamplerFile, Sampling};
pub(crate) use validate::RUNS_MAX;
pub(crate) use write::quoted;

/// A complete, checked training. Every key has a value; [`Recipe::to_toml`] prints them all.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Name of the recipe and, through it, of its series' folders.
    pub name: String,
    /// One line for `recipes list`.
    pub summary: String,
    /// What it does (R8).
    pub method: String,
    /// Where its parts come from (R8).
    pub based_on: Vec<String>,
    /// Why it should work (R8).
    pub why: String,
    /// How its examples are produced (R9).
    pub data_note: String,
    /// How shards are read.
    pub data: Data,
    /// The network; all of its parts fit together.
    pub net: Net,
    /// What is minimised.
    pub loss: Loss,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// The running mean of the weights, where one is kept.
    pub ema: Option<EmaSpec>,
    /// The recipe stages, in order; at least one.
    pub stages: Vec<Stage>,
    /// How the score is taken.
    pub evaluation: Evaluation,
    /// One run a seed; distinct, at least one.
    pub seeds: Vec<u64>,
    /// When state is saved.
    pub checkpoint: CheckpointCadence,
    /// What changes speed but never a result; not part of the hash.
    pub execution: Execution,
}

/// `[data]`
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Name of the feature with the encoded image.
    pub image_feature: String,
    /// Name of the feature with the class.
    pub label_feature: String,
    /// Name of the feature with the id.
    pub id_feature: String,
    /// Number of classes, 1 or more.
    pub classes: u32,
    /// How pictures become rows.
    pub resample: ResamplePath,
    /// What is made of a damaged image.
    pub decode: Decode,
    /// What pictures are normalised to, in training and evaluation.
    pub normalize: Normalize,
    /// Distinct bad records that a run may quarantine.
    pub bad_records: BadRecords,
}

/// `data.decode`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decode {
    /// A damaged image is a bad record.
    Strict,
    /// What can be decoded of it is used.
    Lenient,
}

/// A bad-record budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BadRecords {
    /// This many in a hundred, from 0 to below 100; never fewer than [`fastgarden_data::limits::BAD_RECORDS_MIN`]
    /// records.
    Percent(f64),
    /// A fixed number of records, taken as it is: 0 tolerates none.
    Count(u64),
}

impl BadRecords {
    /// Bad records that a set of `records` may have.
    pub fn allowed(self, records: u64) -> u64 {
        match self {
            Self::Percent(percent) => {
                fastgarden_data::limits::BAD_RECORDS_MIN.max((records as f64 * percent / 100.0) as u64)
            }
            Self::Count(count) => count,
        }
    }
}

/// `[loss]`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Of the cross-entropy, which is always part of it: 0 ≤ ε < 1.
    pub label_smoothing: f64,
    /// What is minimised of embeddings besides.
    pub metric: Option<Metric>,
}

/// A loss of embeddings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Which.
    pub loss: MetricLoss,
    /// How much it counts beside cross-entropy, above 0.
    pub weight: f64,
}

/// `[[stage]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Epochs, 1 or more.
    pub epochs: u32,
    /// Side of the shards to take where several sizes lie side by side, pixels.
    pub source_px: u32,
    /// Side of the net's input, pixels.
    pub input_px: u32,
    /// Tickets in a batch.
    pub batch_size: usize,
    /// Whether the last, partial batch is left out.
    pub drop_last: bool,
    /// Which records an epoch uses.
    pub sampler: Sampling,
    /// Sides of a ticket's views, pixels; one to three.
    pub view_px: Vec<u32>,
    /// From image to view.
    pub crop: Crop,
    /// Whether the crop mirrors a view with probability ½.
    pub flip: bool,
    /// What is done to a picture on the CPU besides.
    pub cpu_augment: CpuAugment,
    /// What is done to a batch's pictures on the device.
    pub batch_augment: BatchAugment,
    /// Random erasing on the device, if any.
    pub erase: Option<EraseSpec>,
    /// Mixup or cutmix, if any.
    pub mix: Option<MixSpec>,
    /// Base learning rate of this stage, > 0, in place of the optimiser's.
    pub lr: Option<f64>,
    /// The learning rate over this stage's steps.
    pub schedule: Schedule,
    /// Whether the optimiser's moments go on from the stage before.
    pub optimizer_state: OptimizerState,
    /// What the net computes in.
    pub precision: StagePrecision,
}

impl Stage {
    /// The sides of its views, each with the key that says so.
    fn sides(&self, at: &str) -> Vec<(String, u32)> {
        if self.view_px.iter().all(|&side| side == self.input_px) {
            return vec![(format!("{at}.input_px"), self.input_px)];
        }
        self.view_px.iter().enumerate().map(|(view, &side)| (format!("{at}.view_px.{view}"), side)).collect()
    }
}

/// `stage.crop`
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crop {
    /// A random box of at least `min_scale` of the area, resized (fastai's RandomResizedCrop).
    RandomResized {
        /// Smallest share of the area, in (0, 1].
        min_scale: f64,
    },
    /// The whole image resized, aspect not kept (fastai's Resize with its method Squish).
    Whole,
    /// The largest square, at a random place, resized (fastai's Resize).
    Largest,
}

/// `stage.cpu_augment`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuAugment {
    /// Nothing.
    None,
    /// Brightness and contrast, in u8, hashed.
    Jitter,
    /// What `batch_augment = "standard"` does, by the same draws, but crop and geometry as one resampling; in u8, hashed.
    Standard,
}

/// `stage.optimizer_state`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptimizerState {
    /// Moments and counters go on.
    Keep,
    /// They start again from zero.
    Reset,
}

/// `stage.precision`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StagePrecision {
    /// float32 everywhere.
    Fp32,
    /// bfloat16 everywhere.
    Bf16,
    /// float16 with a loss scaler on a GPU, float32 elsewhere.
    Fp16OnGpu,
    /// float16 with a loss scaler; a GPU is needed.
    Fp16,
}

impl StagePrecision {
    /// Every one, as recipes name it.
    pub const NAMES: [(&'static str, Self); 4] =
        [("fp32", Self::Fp32), ("bf16", Self::Bf16), ("fp16-on-gpu", Self::Fp16OnGpu), ("fp16", Self::Fp16)];

    /// As recipes name it.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, precision)| *precision == self).map_or("", |(name, _)| name)
    }
}

/// `[evaluation]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Which records are judged.
    pub on: JudgedOn,
    /// Side of the shards to take, pixels.
    pub source_px: u32,
    /// The part of an image that is resized.
    pub crop: EvaluationCrop,
    /// Side that part is resized to, pixels; at least `input_px`.
    pub resize_px: u32,
    /// Side of the centre crop, pixels.
    pub input_px: u32,
    /// Most validation records to use; 0 = all.
    pub limit: u64,
}

/// `evaluation.on`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JudgedOn {
    /// The validation split.
    Validation,
    /// So many training records, which are then not trained on: what to tune with.
    Holdout(u32),
}

impl JudgedOn {
    fn from_text(text: &str) -> Option<Self> {
        match text.strip_prefix("holdout:") {
            Some(count) => count.parse().ok().filter(|count| *count > 0).map(Self::Holdout),
            None => (text == "val").then_some(Self::Validation),
        }
    }
}

impl fmt::Display for JudgedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Validation => f.write_str("val"),
            Self::Holdout(count) => write!(f, "holdout:{count}"),
        }
    }
}

/// `evaluation.crop`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvaluationCrop {
    /// The whole image, aspect not kept: how fastai validates after RandomResizedCrop.
    Whole,
    /// The largest square in the middle: how fastai validates after Resize.
    Largest,
}

/// `[checkpoint]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointCadence {
    /// Steps between checkpoints; 0 = by time.
    pub every_steps: u64,
    /// Seconds between checkpoints; 0 = only at an epoch's end.
    pub every_seconds: u64,
    /// Checkpoints kept, 1 or more.
    pub keep: u32,
}

impl Recipe {
    /// A recipe by the name of an embedded one or by path, with the `--set` assignments applied.
    pub fn load(name_or_path: &str, assignments: &[String]) -> Result<Self, RecipeError> {
        if let Some(embedded) = EMBEDDED.iter().find(|embedded| embedded.name == name_or_path) {
            return Self::from_text(&format!("recipes/{}.toml", embedded.name), embedded.text, assignments);
        }
        let path = Path::new(name_or_path);
        let looks_like_path = path.extension().is_some() || path.components().count() > 1;
        if !looks_like_path {
            return Err(library::unknown(name_or_path));
        }
        Self::from_text(name_or_path, &library::read_small_text(path)?, assignments)
    }

    /// A recipe from its text; `file` is its name in messages, and where the files that it names lie beside.
    pub fn from_text(file: &str, text: &str, assignments: &[String]) -> Result<Self, RecipeError> {
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        Self::from_parts(file, text, assignments, &Beside(folder))
    }

    /// A resolved recipe from its text, with the files that it names: see [`Recipe::files`].
    pub fn from_resolved(file: &str, text: &str, read: impl Fn(&str) -> Option<Vec<u8>>) -> Result<Self, RecipeError> {
        Self::from_parts(file, text, &[], &AtHand(read))
    }

    fn from_parts(file: &str, text: &str, assignments: &[String], files: &dyn Files) -> Result<Self, RecipeError> {
        let mut root = parse(file, text)?;
        for assignment in assignments {
            overrides::apply(&mut root, assignment)?;
        }
        validate::validate(file, &root, decode(file, &root)?, files)
    }

    /// The canonical resolved form: complete TOML that reads back as the same recipe.
    pub fn to_toml(&self) -> String {
        let mut text = write::hashed_part(self);
        text.push_str(&write::execution_part(self));
        text
    }

    /// Files that its canonical form names, each once: they belong wherever that is kept.
    pub fn files(&self) -> BTreeMap<String, Arc<str>> {
        let files = self.stages.iter().filter_map(|stage| stage.sampler.file.as_ref());
        files.map(|file| (file.name(), Arc::clone(&file.text))).collect()
    }

    /// SHA-256 hex of the canonical form without `[execution]`.
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(write::hashed_part(self).as_bytes()))
    }

    /// Epochs over all stages.
    pub fn epochs(&self) -> u32 {
        self.stages.iter().map(|stage| stage.epochs).sum()
    }
}

/// Lowercase hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
