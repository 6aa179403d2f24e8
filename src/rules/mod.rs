//! Rules of a competition: what limits a run, and what keeps it from being a submission.
//! Not here: proving a submission; that is the referee's work on a finished series.

mod check;
mod outcome;

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

pub use self::check::{Finding, Verdict, check, views_max};
pub use self::outcome::{Origin, Outcome, ParentRun, reasons_against, refuse_beyond};
use crate::recipe::{RecipeError, decode, hex, nearest, parse, read_small_text};

/// Limits; a missing one does not limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// `fastgarden`, `none`, or the path of a rule file.
    pub name: String,
    /// Most tickets a training phase may issue.
    pub examples_per_epoch: Option<u64>,
    /// Epochs in the lineage.
    pub epochs: Option<u32>,
    /// Fewest runs that a mean is taken over.
    pub runs: Option<u32>,
    /// Most images of a ticket.
    pub views: Option<u32>,
    /// Records the score is taken over.
    pub validation_records: Option<u64>,
    /// Side of the validation pictures as they are stored, pixels.
    pub source_px: Option<u32>,
    /// Side of the net's input at validation, pixels.
    pub input_px: Option<u32>,
    /// Most seconds of a run.
    pub max_seconds: Option<u64>,
    /// Most device memory, GiB.
    pub device_memory: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct RulesToml {
    examples_per_epoch: Option<i64>,
    epochs: Option<i64>,
    runs: Option<i64>,
    views: Option<i64>,
    validation_records: Option<i64>,
    source_px: Option<i64>,
    input_px: Option<i64>,
    max_seconds: Option<i64>,
    device_memory: Option<f64>,
}

impl Rules {
    /// The rules of the FastGarden competition.
    pub fn fastgarden() -> Self {
        Self {
            name: "fastgarden".to_owned(),
            examples_per_epoch: Some(fastgarden_data::limits::EXAMPLES_PER_EPOCH),
            epochs: Some(5),
            runs: Some(3),
            views: Some(3),
            validation_records: Some(3_712),
            source_px: Some(224),
            input_px: Some(224),
            max_seconds: None,
            device_memory: Some(14.0),
        }
    }

    /// No limits.
    pub fn none() -> Self {
        Self { name: "none".to_owned(), ..Self::default() }
    }

    /// Built-in rules by name, or a rule file by path.
    pub fn load(name_or_path: &str) -> Result<Self, RecipeError> {
        match name_or_path {
            "fastgarden" => return Ok(Self::fastgarden()),
            "none" => return Ok(Self::none()),
            _ => {}
        }
        let path = Path::new(name_or_path);
        if path.extension().is_none() && path.components().count() == 1 {
            let hint = match nearest(name_or_path, ["fastgarden", "none"]) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "there are `fastgarden`, `none`, or give the path of a .toml file".to_owned(),
            };
            return Err(RecipeError::new(format!("there are no rules named `{name_or_path}`: {hint}")));
        }
        Self::from_text(name_or_path, &read_small_text(path)?)
    }

    /// Rules from a file's text; `file` is its name in messages and in the rules.
    pub fn from_text(file: &str, text: &str) -> Result<Self, RecipeError> {
        let root = parse(file, text)?;
        let raw: RulesToml = decode(file, &root)?;
        let limit = |key: &str, value: Option<i64>| match value {
            Some(value) if !(1..=i64::from(u32::MAX)).contains(&value) => {
                let sentence = format!("`{key}` is {value}: it must be a whole number from 1 to {}", u32::MAX);
                Err(RecipeError::at(file, &root.origin_of(key), sentence))
            }
            value => Ok(value.map(|value| value as u32)),
        };
        if let Some(memory) = raw.device_memory
            && !(memory.is_finite() && memory > 0.0)
        {
            let sentence = format!("`device_memory` is {memory}: it must be a number above 0, in GiB");
            return Err(RecipeError::at(file, &root.origin_of("device_memory"), sentence));
        }
        Ok(Self {
            name: file.to_owned(),
            examples_per_epoch: limit("examples_per_epoch", raw.examples_per_epoch)?.map(u64::from),
            epochs: limit("epochs", raw.epochs)?,
            runs: limit("runs", raw.runs)?,
            views: limit("views", raw.views)?,
            validation_records: limit("validation_records", raw.validation_records)?.map(u64::from),
            source_px: limit("source_px", raw.source_px)?,
            input_px: limit("input_px", raw.input_px)?,
            max_seconds: limit("max_seconds", raw.max_seconds)?.map(u64::from),
            device_memory: raw.device_memory,
        })
    }

    /// The resolved form, kept beside a series: the limits that are there, in a fixed order.
    pub fn to_toml(&self) -> String {
        let lines = [
            ("examples_per_epoch", self.examples_per_epoch.map(|value| value.to_string())),
            ("epochs", self.epochs.map(|value| value.to_string())),
            ("runs", self.runs.map(|value| value.to_string())),
            ("views", self.views.map(|value| value.to_string())),
            ("validation_records", self.validation_records.map(|value| value.to_string())),
            ("source_px", self.source_px.map(|value| value.to_string())),
            ("input_px", self.input_px.map(|value| value.to_string())),
            ("max_seconds", self.max_seconds.map(|value| value.to_string())),
            ("device_memory", self.device_memory.map(|value| format!("{value:?}"))),
        ];
        lines.into_iter().filter_map(|(key, value)| Some(format!("{key} = {}\n", value?))).collect()
    }

    /// SHA-256 hex of the resolved form; the name is not part of it.
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.to_toml().as_bytes()))
    }
}

/// 12753 → "12,753".
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
