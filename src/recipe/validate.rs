//! From the raw shape to a resolved recipe: defaults, ranges, combinations, and what this version can do.
//! Not here: unknown keys and wrong types (decode.rs has refused them before).

use std::collections::BTreeSet;

use fastgarden_data::limits::{BATCH_ROWS_MAX, SLAB_BYTES_MAX, VIEW_SIDE_PX_MAX};
use fastgarden_data::resample::ResamplePath;
use fastgarden_train::net::xresnet::OUTPUTS_MAX;
use fastgarden_train::trainer::ROWS_MIN;

use super::augment::Augmentation;
use super::check::{Check, POSITIVE};
use super::error::RecipeError;
use super::located::Node;
use super::sampling::Files;
use super::schema::{CheckpointToml, DataToml, EvaluationToml, RecipeToml, StageToml};
use super::{
    BadRecords, CheckpointCadence, Data, Decode, Evaluation, EvaluationCrop, JudgedOn, Net, Normalize, OptimizerState,
    Recipe, Stage, StagePrecision,
};

/// A value, or what is wrong with it.
pub type Checked<T> = Result<T, RecipeError>;

/// Rows of a batch: norms have no variance of a single row, so that one makes no step.
const BATCH_ROWS_MIN: i64 = ROWS_MIN as i64;
/// Epochs of one stage.
const EPOCHS_MAX: i64 = 100_000;
/// Runs of one series.
pub(crate) const RUNS_MAX: usize = 1_000;
/// Stages of one recipe.
const STAGES_MAX: usize = 100;
/// Steps or seconds between checkpoints.
const CADENCE_MAX: i64 = 1_000_000_000;

/// Checks everything, in the order of the file.
pub fn validate(file: &str, root: &Node, raw: RecipeToml, files: &dyn Files) -> Checked<Recipe> {
    let check = Check { file, root, files };
    let name = check.name(raw.name)?;
    let data = check.data(raw.data.unwrap_or_default())?;
    let embedding = check.head(raw.head.unwrap_or_default())?;
    let net = Net { embedding, ..check.net(raw.net.unwrap_or_default(), data.classes)? };
    let loss = check.loss(raw.loss.unwrap_or_default())?;
    let optimizer = check.optimizer(raw.optimizer.unwrap_or_default())?;
    check.groups_fit(&net, &optimizer.groups)?;
    let stages = check.stages(raw.stage.unwrap_or_default(), data.classes)?;
    let last = &stages[stages.len() - 1];
    let evaluation = check.evaluation(raw.evaluation.unwrap_or_default(), last)?;
    check.input_sizes(&net, &stages, &evaluation)?;
    check.loss_fits(&loss, &net, &stages)?;
    Ok(Recipe {
        name,
        summary: raw.summary.unwrap_or_default(),
        method: raw.method.unwrap_or_default(),
        based_on: raw.based_on.unwrap_or_default(),
        why: raw.why.unwrap_or_default(),
        data_note: raw.data_note.unwrap_or_default(),
        data,
        net,
        loss,
        optimizer,
        ema: raw.ema.map(|ema| check.ema(ema)).transpose()?,
        evaluation,
        stages,
        seeds: check.seeds(raw.runs.unwrap_or_default().seeds)?,
        checkpoint: check.checkpoint(raw.checkpoint.unwrap_or_default())?,
        execution: check.execution(raw.execution.unwrap_or_default())?,
    })
}

impl Check<'_> {
    fn name(&self, name: Option<String>) -> Checked<String> {
        let name = self.required("name", name)?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > 80 || name.starts_with('.') || !name.bytes().all(fits) {
            let rule =
                "it names a folder, so it must be 1 to 80 letters, digits, `-`, `_` or `.`, not starting with `.`";
            return Err(self.wrong("name", format!("`name` is {name:?}: {rule}")));
        }
        Ok(name)
    }

    fn data(&self, raw: DataToml) -> Checked<Data> {
        let features = raw.features.unwrap_or_default();
        let paths = [ResamplePath::Pil, ResamplePath::Planar].map(|path| (path.name(), path));
        let normalizes = [("none", Normalize::None), ("imagenet", Normalize::ImageNet)];
        let decodes = [("strict", Decode::Strict), ("lenient", Decode::Lenient)];
        Ok(Data {
            image_feature: self.feature("data.features.image", features.image, "image")?,
            label_feature: self.feature("data.features.label", features.label, "class")?,
            id_feature: self.feature("data.features.id", features.id, "id")?,
            classes: self.integer("data.classes", raw.classes, Some(104), 1..=OUTPUTS_MAX)? as u32,
            resample: self.choice("data.resample", raw.resample, Some("pil"), &paths)?,
            decode: self.choice("data.decode", raw.decode, Some("strict"), &decodes)?,
            normalize: self.choice("data.normalize", raw.normalize, Some("none"), &normalizes)?,
            bad_records: self.bad_records(raw.bad_records)?,
        })
    }

    fn feature(&self, path: &str, name: Option<String>, default: &str) -> Checked<String> {
        match name {
            Some(name) if name.is_empty() => {
                Err(self.wrong(path, format!("`{path}` is empty: it must name a feature")))
            }
            Some(name) => Ok(name),
            None => Ok(default.to_owned()),
        }
    }

    fn bad_records(&self, text: Option<String>) -> Checked<BadRecords> {
        let text = text.unwrap_or_else(|| "0.1%".to_owned());
        let budget = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse().ok().map(BadRecords::Percent),
            None => text.trim().parse().ok().map(BadRecords::Count),
        };
        let rule = "it must be a share of the records such as \"0.1%\", below 100%, or a count such as \"25\"";
        match budget {
            Some(BadRecords::Percent(percent)) if !(0.0..100.0).contains(&percent) => None,
            other => other,
        }
        .ok_or_else(|| self.wrong("data.bad_records", format!("`data.bad_records` is {text:?}: {rule}")))
    }

    fn stages(&self, raw: Vec<StageToml>, classes: u32) -> Checked<Vec<Stage>> {
        if raw.is_empty() || raw.len() > STAGES_MAX {
            let sentence = format!("there must be from 1 to {STAGES_MAX} `[[stage]]` entries, not {}", raw.len());
            return Err(RecipeError::in_file(self.file, sentence));
        }
        raw.into_iter()
            .enumerate()
            .map(|(index, stage)| self.stage(&format!("stage.{index}"), stage, classes))
            .collect()
    }

    fn stage(&self, at: &str, mut raw: StageToml, classes: u32) -> Checked<Stage> {
        let key = |name: &str| format!("{at}.{name}");
        let Augmentation { crop, flip, cpu_augment, batch_augment, erase, mix } = self.augmentation(at, &mut raw)?;
        let sampler = self.sampling(&key("sampler"), raw.sampler.unwrap_or_default(), classes)?;
        let input_px = self.side(&key("input_px"), raw.input_px, 224)?;
        let view_px = self.view_px(&key("view_px"), raw.view_px, input_px, (&key("sampler"), &sampler))?;
        let states = [("keep", OptimizerState::Keep), ("reset", OptimizerState::Reset)];
        let stage = Stage {
            epochs: self.integer(&key("epochs"), raw.epochs, None, 1..=EPOCHS_MAX)? as u32,
            source_px: self.side(&key("source_px"), raw.source_px, 224)?,
            input_px,
            view_px,
            batch_size: self.integer(
                &key("batch_size"),
                raw.batch_size,
                Some(64),
                BATCH_ROWS_MIN..=BATCH_ROWS_MAX as i64,
            )? as usize,
            drop_last: raw.drop_last.unwrap_or(true),
            sampler,
            crop,
            flip,
            cpu_augment,
            batch_augment,
            erase,
            mix,
            lr: raw.lr.map(|lr| self.number(&key("lr"), Some(lr), None, &POSITIVE)).transpose()?,
            schedule: self.schedule(&key("schedule"), raw.schedule.unwrap_or_default())?,
            optimizer_state: self.choice(&key("optimizer_state"), raw.optimizer_state, Some("keep"), &states)?,
            precision: self.choice(&key("precision"), raw.precision, Some("fp32"), &StagePrecision::NAMES)?,
        };
        let ticket_px: u64 = stage.view_px.iter().map(|&side| u64::from(side).pow(2)).sum();
        let batch_bytes = stage.batch_size as u64 * ticket_px * 3;
        if batch_bytes > SLAB_BYTES_MAX {
            let (rows, most) = (stage.batch_size, SLAB_BYTES_MAX >> 20);
            let sides = stage.view_px.iter().map(u32::to_string).collect::<Vec<_>>().join(" and ");
            let sentence = format!(
                "`{at}`: a batch of {rows} pictures of {sides} px is {} MiB: it must be at most {most} MiB",
                batch_bytes >> 20
            );
            return Err(self.wrong(&key("batch_size"), sentence));
        }
        Ok(stage)
    }

    fn evaluation(&self, raw: EvaluationToml, last: &Stage) -> Checked<Evaluation> {
        let on = raw.on.as_deref().unwrap_or("val");
        let on = JudgedOn::from_text(on).ok_or_else(|| {
            let rule = "it must be `val`, or `holdout:N` for N training records";
            self.wrong("evaluation.on", format!("`evaluation.on` is {on:?}: {rule}"))
        })?;
        let crops = [("whole", EvaluationCrop::Whole), ("largest", EvaluationCrop::Largest)];
        let crop = self.choice("evaluation.crop", raw.crop, Some("whole"), &crops)?;
        let input_px = self.side("evaluation.input_px", raw.input_px, last.input_px)?;
        let resize_px = self.side("evaluation.resize_px", raw.resize_px, resize_px_for(input_px))?;
        if resize_px < input_px {
            let rule = format!("it must be at least `evaluation.input_px`, {input_px}, which is cut out of it");
            return Err(self.wrong("evaluation.resize_px", format!("`evaluation.resize_px` is {resize_px}: {rule}")));
        }
        Ok(Evaluation {
            on,
            source_px: self.side("evaluation.source_px", raw.source_px, last.source_px)?,
            crop,
            resize_px,
            input_px,
            limit: self.integer("evaluation.limit", raw.limit, Some(0), 0..=i64::from(u32::MAX))? as u64,
        })
    }

    fn seeds(&self, raw: Option<Vec<i64>>) -> Checked<Vec<u64>> {
        let raw = raw.unwrap_or_else(|| vec![1, 2, 3]);
        if raw.is_empty() || raw.len() > RUNS_MAX {
            let sentence = format!("`runs.seeds` has {} seeds: there must be from 1 to {RUNS_MAX}", raw.len());
            return Err(self.wrong("runs.seeds", sentence));
        }
        let mut seen = BTreeSet::new();
        for (index, seed) in raw.iter().enumerate() {
            let path = format!("runs.seeds.{index}");
            self.integer(&path, Some(*seed), None, 0..=i64::MAX)?;
            if !seen.insert(*seed) {
                let sentence = format!("`runs.seeds` has {seed} twice: every run needs a seed of its own");
                return Err(self.wrong(&path, sentence));
            }
        }
        Ok(raw.into_iter().map(i64::unsigned_abs).collect())
    }

    fn checkpoint(&self, raw: CheckpointToml) -> Checked<CheckpointCadence> {
        Ok(CheckpointCadence {
            every_steps: self.integer("checkpoint.every_steps", raw.every_steps, Some(0), 0..=CADENCE_MAX)? as u64,
            every_seconds: self.integer("checkpoint.every_seconds", raw.every_seconds, Some(60), 0..=CADENCE_MAX)?
                as u64,
            keep: self.integer("checkpoint.keep", raw.keep, Some(2), 1..=1_000)? as u32,
        })
    }
}

/// fastai's rule for validation: 14 % more than the input, in steps of 8 px (64 → 80, 224 → 256).
fn resize_px_for(input_px: u32) -> u32 {
    (input_px + (14 * input_px).div_ceil(800) * 8).min(VIEW_SIDE_PX_MAX)
}
