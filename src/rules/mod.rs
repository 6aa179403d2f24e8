//! Rules of a competition: what limits a run, and what keeps it from being a submission.
//! Not here: proving a submission; that is the referee's work on a finished series.

mod outcome;

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

pub use self::outcome::{Origin, Outcome, reasons_against};
use crate::recipe::{Recipe, RecipeError, decode, hex, nearest, parse, read_small_text};

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

/// What a rule says of a recipe before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The recipe keeps the rule.
    Pass,
    /// The recipe breaks it.
    Fail,
    /// Only a run can tell.
    Undecided,
}

impl Verdict {
    /// The word in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Undecided => "after a run",
        }
    }
}

/// One rule's word on a recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// R1–R9.
    pub rule: &'static str,
    /// The rule in a few words.
    pub title: &'static str,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

/// Every rule's word on a recipe that is to run, or has run, with these seeds.
pub fn check(rules: &Rules, recipe: &Recipe, seeds: &[u64], origin: &Origin) -> Vec<Finding> {
    let finding = |rule, title, (verdict, reason)| Finding { rule, title, verdict, reason };
    vec![
        finding("R1", "from scratch", from_scratch(rules, origin)),
        finding("R2", "scored on the whole set", scored(rules, recipe)),
        finding(
            "R3",
            "one split",
            undecided(
                "no validation record in a training plan, one set of pictures at every size: checked against the data",
            ),
        ),
        finding("R4", "mean of enough runs", runs(rules, seeds)),
        finding("R5", "epochs", epochs(rules, recipe, origin)),
        finding("R6", "one small GPU", device(rules)),
        finding("R7", "examples an epoch", examples(rules)),
        finding("R8", "technique explained", explained(rules, recipe)),
        finding("R9", "data explained", data_explained(rules, recipe)),
    ]
}

type Word = (Verdict, String);

fn pass(reason: impl Into<String>) -> Word {
    (Verdict::Pass, reason.into())
}

fn fail(reason: impl Into<String>) -> Word {
    (Verdict::Fail, reason.into())
}

fn undecided(reason: impl Into<String>) -> Word {
    (Verdict::Undecided, reason.into())
}

fn unlimited() -> Word {
    pass("these rules set no limit")
}

fn from_scratch(rules: &Rules, origin: &Origin) -> Word {
    match origin {
        Origin::Initialised => pass("weights come from the net's own initialisation"),
        Origin::Own { .. } => pass("weights come from runs of our own, from scratch"),
        // Rules without a limit on epochs are not the competition's.
        Origin::Foreign { why, .. } if rules.epochs.is_some() => fail(why.clone()),
        Origin::Foreign { .. } => unlimited(),
    }
}

fn scored(rules: &Rules, recipe: &Recipe) -> Word {
    let evaluation = &recipe.evaluation;
    if let Some(wanted) = rules.input_px
        && evaluation.input_px != wanted
    {
        return fail(format!("the score is taken at {} px, not at {wanted} px", evaluation.input_px));
    }
    if evaluation.limit > 0 && rules.validation_records.is_some() {
        return fail(format!("evaluation.limit scores {} images only", grouped(evaluation.limit)));
    }
    match rules.validation_records {
        Some(wanted) => undecided(format!("all {} images must be scored, none unreadable", grouped(wanted))),
        None => unlimited(),
    }
}

fn runs(rules: &Rules, seeds: &[u64]) -> Word {
    let Some(wanted) = rules.runs else { return unlimited() };
    let count = seeds.len();
    if count < wanted as usize {
        return fail(format!("{count} {} of at least {wanted}: add --runs {wanted}", plural(count, "run")));
    }
    let mut sorted = seeds.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(1..=count as u64) {
        return fail(format!("the seeds must be 1 to {count}, so that nobody picks the best of many"));
    }
    pass(format!("{count} runs with the seeds 1 to {count}"))
}

fn epochs(rules: &Rules, recipe: &Recipe, origin: &Origin) -> Word {
    let Some(most) = rules.epochs else { return unlimited() };
    let here = recipe.epochs();
    let (before, lineage) = match origin {
        Origin::Initialised => (0, "no parents".to_owned()),
        Origin::Own { epochs } | Origin::Foreign { epochs, .. } => (*epochs, format!("{epochs} of them the parent's")),
    };
    let have = here.saturating_add(before);
    if have > most {
        let lineage = if before > 0 { format!(", {lineage}") } else { String::new() };
        return fail(format!("{have} epochs, more than {most}{lineage}"));
    }
    pass(format!("{have} {}, {lineage}", plural(have as usize, "epoch")))
}

fn device(rules: &Rules) -> Word {
    match rules.device_memory {
        Some(gib) => undecided(format!("one device; its peak memory must stay within {gib:.1} GiB")),
        None => unlimited(),
    }
}

fn examples(rules: &Rules) -> Word {
    match rules.examples_per_epoch {
        Some(cap) => pass(format!("an epoch stops at {} examples; each has one image", grouped(cap))),
        None => unlimited(),
    }
}

fn explained(rules: &Rules, recipe: &Recipe) -> Word {
    if rules.runs.is_none() {
        return unlimited();
    }
    let mut empty = Vec::new();
    for (key, text) in [("method", &recipe.method), ("why", &recipe.why), ("based_on", &recipe.based_on.join(" "))] {
        if !says_something(text) {
            empty.push(format!("`{key}`"));
        }
    }
    if empty.is_empty() {
        pass("method, based_on and why are there")
    } else {
        fail(format!("{} must say more", empty.join(", ")))
    }
}

fn data_explained(rules: &Rules, recipe: &Recipe) -> Word {
    if rules.runs.is_none() {
        return unlimited();
    }
    if says_something(&recipe.data_note) { pass(recipe.data_note.clone()) } else { fail("`data_note` must say more") }
}

/// Three words are the least that can explain anything.
fn says_something(text: &str) -> bool {
    text.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count() >= 3
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
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
