//! How a stage cuts and changes its pictures: `crop`, `cpu_augment`, `batch_augment`, `erase` and `mix`, read, checked
//! against each other and written back. Not here: what they do (the data crate, and the training crate's `batch_augment`).

use fastgarden_train::batch_augment::{BatchAugment, EraseSpec, MixSpec};

use super::check::{Bound, Check, SHARE_ABOVE_ZERO};
use super::schema::{CropToml, EraseToml, MixToml, StageToml};
use super::validate::Checked;
use super::{CpuAugment, Crop, Stage};

/// fastai's probability of erasing.
const ERASE_PROBABILITY: f64 = 0.5;
const PROBABILITY: Bound = Bound { words: "from 0 to 1", holds: |value| (0.0..=1.0).contains(&value) };
/// Beyond these a mix is none at all, or always half and half.
const ALPHA: Bound = Bound { words: "from 0.001 to 1000", holds: |value| (0.001..=1000.0).contains(&value) };

const CPU_AUGMENTS: [(&str, CpuAugment); 3] =
    [("none", CpuAugment::None), ("jitter", CpuAugment::Jitter), ("standard", CpuAugment::Standard)];
const BATCH_AUGMENTS: [(&str, BatchAugment); 3] =
    [("none", BatchAugment::None), ("flip", BatchAugment::Flip), ("standard", BatchAugment::Standard)];

#[derive(Clone, Copy)]
enum CropKind {
    RandomResized,
    Whole,
    Largest,
}

#[derive(Clone, Copy)]
enum MixKind {
    None,
    MixUp,
    CutMix,
}

/// What becomes of a stage's pictures.
pub struct Augmentation {
    pub crop: Crop,
    pub flip: bool,
    pub cpu_augment: CpuAugment,
    pub batch_augment: BatchAugment,
    pub erase: Option<EraseSpec>,
    pub mix: Option<MixSpec>,
}

impl Check<'_> {
    /// Takes the keys out of a stage. Nothing may be done to a picture twice.
    pub fn augmentation(&self, at: &str, raw: &mut StageToml) -> Checked<Augmentation> {
        let key = |name: &str| format!("{at}.{name}");
        let cpu_augment = self.choice(&key("cpu_augment"), raw.cpu_augment.take(), Some("none"), &CPU_AUGMENTS)?;
        let batch_augment =
            self.choice(&key("batch_augment"), raw.batch_augment.take(), Some("none"), &BATCH_AUGMENTS)?;
        let twice = match (cpu_augment, batch_augment) {
            (CpuAugment::Standard, BatchAugment::Flip | BatchAugment::Standard) => Some("mirror pictures"),
            (CpuAugment::Jitter, BatchAugment::Standard) => Some("change brightness and contrast"),
            _ => None,
        };
        if let Some(what) = twice {
            let (cpu, batch) = (word(&CPU_AUGMENTS, cpu_augment), word(&BATCH_AUGMENTS, batch_augment));
            let path = key("batch_augment");
            let sentence =
                format!("`{path}` {batch:?} and `{at}.cpu_augment` {cpu:?} both {what}: leave one of them out");
            return Err(self.wrong(&path, sentence));
        }
        let crop = raw.crop.take().unwrap_or_default();
        let flip = self.flip(&key("crop.flip"), crop.flip, cpu_augment, batch_augment)?;
        Ok(Augmentation {
            crop: self.crop(&key("crop"), crop)?,
            flip,
            cpu_augment,
            batch_augment,
            erase: raw.erase.take().map_or(Ok(None), |erase| self.erase(&key("erase"), erase))?,
            mix: self.mix(&key("mix"), raw.mix.take().unwrap_or_default())?,
        })
    }

    /// A crop mirrors half of the pictures, unless something else of the stage does.
    fn flip(&self, path: &str, asked: Option<bool>, cpu: CpuAugment, batch: BatchAugment) -> Checked<bool> {
        let other = match (cpu, batch) {
            (CpuAugment::Standard, _) => Some(("cpu_augment", word(&CPU_AUGMENTS, cpu))),
            (_, BatchAugment::None) => None,
            _ => Some(("batch_augment", word(&BATCH_AUGMENTS, batch))),
        };
        match (asked, other) {
            (Some(true), Some((key, value))) => {
                let sentence = format!("`{path}` mirrors half of the pictures, and `{key}` {value:?} does so too");
                Err(self.wrong(path, format!("{sentence}: leave one of them out")))
            }
            (asked, other) => Ok(asked.unwrap_or(other.is_none())),
        }
    }

    fn crop(&self, at: &str, raw: CropToml) -> Checked<Crop> {
        let kinds =
            [("random_resized", CropKind::RandomResized), ("whole", CropKind::Whole), ("largest", CropKind::Largest)];
        let words = kinds.map(|(word, kind)| (word, (word, kind)));
        let (word, kind) = self.choice(&format!("{at}.kind"), raw.kind, Some("random_resized"), &words)?;
        let is_random = matches!(kind, CropKind::RandomResized);
        self.foreign(at, word, &[("min_scale", raw.min_scale.is_some() && !is_random)])?;
        Ok(match kind {
            CropKind::RandomResized => Crop::RandomResized {
                min_scale: self.number(&format!("{at}.min_scale"), raw.min_scale, Some(0.35), &SHARE_ABOVE_ZERO)?,
            },
            CropKind::Whole => Crop::Whole,
            CropKind::Largest => Crop::Largest,
        })
    }

    /// `probability = 0` is the resolved form of no erasing.
    fn erase(&self, at: &str, raw: EraseToml) -> Checked<Option<EraseSpec>> {
        let path = format!("{at}.probability");
        let probability = self.number(&path, raw.probability, Some(ERASE_PROBABILITY), &PROBABILITY)?;
        Ok((probability > 0.0).then_some(EraseSpec { probability }))
    }

    fn mix(&self, at: &str, raw: MixToml) -> Checked<Option<MixSpec>> {
        let kinds = [("none", MixKind::None), ("mixup", MixKind::MixUp), ("cutmix", MixKind::CutMix)];
        let kind = self.choice(&format!("{at}.kind"), raw.kind, Some("none"), &kinds)?;
        let alpha = |usual| self.number(&format!("{at}.alpha"), raw.alpha, Some(usual), &ALPHA);
        Ok(match kind {
            MixKind::None => {
                self.foreign(at, "none", &[("alpha", raw.alpha.is_some())])?;
                None
            }
            MixKind::MixUp => Some(MixSpec::MixUp { alpha: alpha(0.4)? }),
            MixKind::CutMix => Some(MixSpec::CutMix { alpha: alpha(1.0)? }),
        })
    }
}

/// The word for a value of a table.
fn word<T: Copy + PartialEq>(table: &[(&'static str, T)], value: T) -> &'static str {
    table.iter().find(|(_, each)| *each == value).map_or("", |(word, _)| word)
}

/// The keys in their resolved form.
pub fn lines(stage: &Stage) -> Vec<String> {
    let crop = match stage.crop {
        Crop::RandomResized { min_scale } => format!("kind = \"random_resized\", min_scale = {min_scale:?}"),
        Crop::Whole => "kind = \"whole\"".to_owned(),
        Crop::Largest => "kind = \"largest\"".to_owned(),
    };
    let mix = match stage.mix {
        None => "kind = \"none\"".to_owned(),
        Some(MixSpec::MixUp { alpha }) => format!("kind = \"mixup\", alpha = {alpha:?}"),
        Some(MixSpec::CutMix { alpha }) => format!("kind = \"cutmix\", alpha = {alpha:?}"),
    };
    vec![
        format!("crop = {{ {crop}, flip = {} }}", stage.flip),
        format!("cpu_augment = \"{}\"", word(&CPU_AUGMENTS, stage.cpu_augment)),
        format!("batch_augment = \"{}\"", word(&BATCH_AUGMENTS, stage.batch_augment)),
        format!("erase = {{ probability = {:?} }}", stage.erase.map_or(0.0, |erase| erase.probability)),
        format!("mix = {{ {mix} }}"),
    ]
}
