//! `report.json`, version 1 (docs/report.md): what scripts read after a series, and the one sentence people read.
//! Not here: the epoch table, and anything that has to be proved (the ledger).

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use fastgarden_proto::observe::Cache;
use serde::{Deserialize, Serialize};

/// The report of one series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Of the format: 1.
    pub version: u32,
    /// Name of the recipe.
    pub recipe: String,
    /// SHA-256 hex of the recipe without `[execution]`.
    pub recipe_hash: String,
    /// Name of the rules.
    pub rules: String,
    /// Why this is not a submission; empty when nothing is known against it.
    pub not_a_submission: Vec<String>,
    /// The finished ones, in the order of the seeds.
    pub runs: Vec<RunReport>,
    /// Runs that were started and are not finished, in the order of the seeds.
    #[serde(default)]
    pub unfinished: Vec<UnfinishedReport>,
    /// Mean of the runs' accuracies, 0–1; null without a finished run.
    pub accuracy_mean: Option<f64>,
    /// Standard deviation over n; null for fewer than two runs.
    pub accuracy_std_population: Option<f64>,
    /// Standard deviation over n − 1; null for fewer than two runs.
    pub accuracy_std_sample: Option<f64>,
    /// Whether accuracies are those of the weights' running mean instead of the last weights.
    #[serde(default)]
    pub of_mean_weights: bool,
    /// Whether the data set is the synthetic garden.
    #[serde(default)]
    pub on_garden: bool,
    /// Largest resident memory of the process, bytes.
    pub peak_memory_bytes: Option<u64>,
    /// The most that a run took of its GPU, CUDA's own share included; null on a CPU, and where it could not be measured.
    #[serde(default)]
    pub peak_device_bytes: Option<u64>,
    /// What was kept in memory between epochs; null without a cache.
    #[serde(default)]
    pub cache: Option<Cache>,
    /// How much faster a perfect loader would be, measured before the runs; null unless `--headroom` asked for it.
    #[serde(default)]
    pub headroom: Option<HeadroomReport>,
}

/// The trainer with batches as they come, and with batches in memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadroomReport {
    /// Images a second as batches come.
    pub images_per_s: f64,
    /// Share of that time spent waiting for a batch, 0–1.
    pub input_wait_share: f64,
    /// Images a second with batches in memory.
    pub replayed_images_per_s: f64,
    /// How many times as fast that is.
    pub factor: f64,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Its seed.
    pub seed: u64,
    /// What it started from; null when from initialisation alone.
    #[serde(default)]
    pub parent: Option<ParentReport>,
    /// Its epochs, over the lineage.
    pub epochs: Vec<EpochReport>,
    /// Of the last validation, 0–1; null before one.
    pub accuracy: Option<f64>,
    /// Whether the accuracy was taken on all validation records.
    pub is_full_validation: bool,
    /// Validation records of the last epoch that could not be read; each counts as wrong.
    pub validation_quarantined: u64,
    /// Optimiser steps over the lineage.
    pub steps: u64,
    /// Whether `--max-steps` ended it before its last epoch.
    #[serde(default)]
    pub cut_short: bool,
    /// Seconds of all attempts; what a killed one did after its last checkpoint is not among them.
    #[serde(default)]
    pub seconds: f64,
    /// The most that an attempt took of the GPU; null as in the series.
    #[serde(default)]
    pub peak_device_bytes: Option<u64>,
    /// Chain over the consumed training batches, hex.
    pub batch_hash: String,
    /// Chain of the ledger's last line, hex.
    pub ledger_head: String,
    /// SHA-256 hex of the final weights.
    pub weights_sha256: String,
    /// From start or resume to the next stop.
    pub attempts: Vec<AttemptReport>,
}

/// A run that was started and has not come to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnfinishedReport {
    /// Its seed.
    pub seed: u64,
    /// From start or resume to the next stop.
    pub attempts: Vec<AttemptReport>,
    /// Why the last attempt ended, where it could still say so.
    pub why: Option<String>,
}

/// What a run started from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParentReport {
    /// A checkpoint's folder or a file of weights.
    pub path: PathBuf,
    /// Epochs it had opened, over its lineage.
    pub epochs: u32,
    /// Chain of its ledger then, hex; empty where it has none.
    pub ledger_head: String,
    /// Of its weights.
    pub weights_sha256: String,
}

/// One epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// From 1, over the lineage.
    pub epoch: u32,
    /// Plain mean over the epoch.
    pub train_loss: Option<f64>,
    /// Mean over validation.
    pub valid_loss: Option<f64>,
    /// 0–1.
    pub accuracy: Option<f64>,
    /// Training images a second.
    pub images_per_s: Option<f64>,
    /// Share of the trainer's time spent waiting for a batch, 0–1.
    pub input_wait_share: Option<f64>,
    /// Training and validation.
    pub seconds: f64,
    /// Steps that were not made: a float16 overflow, or a batch with fewer than two usable rows.
    #[serde(default)]
    pub skipped_steps: u64,
    /// Outcomes of the training tickets.
    pub examples: ExamplesReport,
}

/// Outcomes of an epoch's training tickets; the last three add up to the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExamplesReport {
    /// Tickets of the phase.
    pub issued: u64,
    /// Trained on.
    pub trained: u64,
    /// Unreadable.
    pub quarantined: u64,
    /// In the last batch that was not full.
    pub dropped_last: u64,
}

/// One attempt at a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptReport {
    /// Steps that were done when it began.
    pub from_step: u64,
    /// Steps that were done when it ended.
    pub to_step: u64,
}

impl Report {
    /// A report with the statistics of its runs.
    pub fn new(recipe: &crate::recipe::Recipe, rules: &crate::rules::Rules, runs: Vec<RunReport>) -> Self {
        let accuracies: Vec<f64> = runs.iter().filter_map(|run| run.accuracy).collect();
        let statistics = Statistics::of(&accuracies);
        Self {
            version: 1,
            recipe: recipe.name.clone(),
            recipe_hash: recipe.hash(),
            rules: rules.name.clone(),
            not_a_submission: Vec::new(),
            runs,
            unfinished: Vec::new(),
            accuracy_mean: statistics.mean,
            accuracy_std_population: statistics.std_population,
            accuracy_std_sample: statistics.std_sample,
            of_mean_weights: recipe.ema.is_some_and(|ema| ema.evaluate),
            on_garden: false,
            peak_memory_bytes: None,
            peak_device_bytes: None,
            cache: None,
            headroom: None,
        }
    }

    /// Pretty JSON with a final newline. serde_json writes a number that is not finite as null.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a report has only text keys");
        text.push('\n');
        text
    }

    /// Writes it whole or not at all.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write_atomically(path, self.to_json().as_bytes())
    }

    /// "accuracy 61.20 % ± 0.40 (population; sample 0.49) over 3 runs".
    pub fn summary(&self) -> String {
        let count = self.runs.iter().filter(|run| run.accuracy.is_some()).count();
        let Some(mean) = self.accuracy_mean else { return "no run has been validated".to_owned() };
        let mean = 100.0 * mean;
        match (self.accuracy_std_population, self.accuracy_std_sample) {
            (Some(population), Some(sample)) => {
                let (population, sample) = (100.0 * population, 100.0 * sample);
                format!("accuracy {mean:.2} % ± {population:.2} (population; sample {sample:.2}) over {count} runs")
            }
            _ => format!("accuracy {mean:.2} % over 1 run (no deviation of one: --runs 3)"),
        }
    }
}

/// Mean and deviations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// `None` of nothing.
    pub mean: Option<f64>,
    /// Over n; `None` of fewer than two.
    pub std_population: Option<f64>,
    /// Over n − 1; `None` of fewer than two.
    pub std_sample: Option<f64>,
}

impl Statistics {
    /// Of these values.
    pub fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        if values.is_empty() {
            return Self::default();
        }
        let mean = values.iter().sum::<f64>() / count;
        if values.len() == 1 {
            return Self { mean: Some(mean), ..Self::default() };
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let std = |divisor: f64| Some((squares / divisor).sqrt());
        Self { mean: Some(mean), std_population: std(count), std_sample: std(count - 1.0) }
    }
}

/// Writes a file under a temporary name beside it, then renames: nobody ever sees half of it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this path names no file"));
    };
    let mut temporary_name = name.to_owned();
    temporary_name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(temporary_name);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        // The first error is the one to tell; a leftover temporary name is never read.
        let _leftover = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::recipe::Recipe;
    use crate::rules::Rules;

    fn run(seed: u64, accuracy: f64) -> RunReport {
        let epoch = EpochReport {
            epoch: 1,
            train_loss: Some(f64::NAN),
            valid_loss: Some(2.5),
            accuracy: Some(accuracy),
            images_per_s: Some(700.0),
            input_wait_share: Some(0.25),
            seconds: 9.5,
            skipped_steps: 0,
            examples: ExamplesReport { issued: 100, trained: 64, quarantined: 1, dropped_last: 35 },
        };
        RunReport {
            seed,
            parent: None,
            epochs: vec![epoch],
            accuracy: Some(accuracy),
            is_full_validation: true,
            validation_quarantined: 0,
            steps: 1,
            cut_short: false,
            peak_device_bytes: None,
            seconds: 12.5,
            batch_hash: "aa".to_owned(),
            ledger_head: "bb".to_owned(),
            weights_sha256: "cc".to_owned(),
            attempts: vec![AttemptReport { from_step: 0, to_step: 1 }],
        }
    }

    fn report(accuracies: &[f64]) -> Report {
        let recipe = Recipe::load("seedling", &[]).expect("the embedded recipe is valid");
        let runs = accuracies.iter().zip(1..).map(|(accuracy, seed)| run(seed, *accuracy)).collect();
        Report::new(&recipe, &Rules::fastgarden(), runs)
    }

    #[test]
    fn both_deviations_are_told() {
        // The three runs of the leaderboard's first system.
        let report = report(&[0.822468, 0.823545, 0.825970]);
        assert_eq!(report.summary(), "accuracy 82.40 % ± 0.15 (population; sample 0.18) over 3 runs");
    }

    #[test]
    fn one_run_has_no_deviation() {
        let report = report(&[0.5]);
        assert_eq!((report.accuracy_std_population, report.accuracy_std_sample), (None, None));
        assert!(report.summary().starts_with("accuracy 50.00 % over 1 run"));
        assert_eq!(Report::summary(&self::report(&[])), "no run has been validated");
    }

    /// Every name of an object in a document, and of those in it.
    fn names(value: &serde_json::Value, found: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(members) => {
                found.extend(members.keys().cloned());
                members.values().for_each(|member| names(member, found));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| names(item, found)),
            _ => {}
        }
    }

    #[test]
    fn the_guide_tells_of_every_member_and_of_no_other() {
        let mut whole = report(&[0.5]);
        let attempts = vec![AttemptReport { from_step: 0, to_step: 1 }];
        whole.unfinished = vec![UnfinishedReport { seed: 2, attempts, why: None }];
        whole.cache = Some(Cache::default());
        let (images_per_s, replayed_images_per_s) = (1.0, 2.0);
        whole.headroom =
            Some(HeadroomReport { images_per_s, input_wait_share: 0.5, replayed_images_per_s, factor: 2.0 });
        let (path, ledger_head, weights_sha256) = (PathBuf::new(), String::new(), String::new());
        whole.runs[0].parent = Some(ParentReport { path, epochs: 1, ledger_head, weights_sha256 });
        let mut written = BTreeSet::new();
        names(&serde_json::from_str(&whole.to_json()).expect("valid JSON"), &mut written);
        let guide = include_str!("../docs/report.md");
        let told: BTreeSet<String> = guide.lines().filter(|line| line.starts_with("| `")).flat_map(words).collect();
        assert_eq!(written, told);
    }

    /// The words in backticks of a line that are names of members.
    fn words(line: &str) -> impl Iterator<Item = String> {
        let is_name =
            |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit());
        line.split('`').skip(1).step_by(2).filter(is_name).filter(|word| *word != "null").map(str::to_owned)
    }

    #[test]
    fn what_is_not_a_number_is_null() {
        let json: serde_json::Value = serde_json::from_str(&report(&[0.5]).to_json()).expect("valid JSON");
        assert!(json.pointer("/accuracy_std_sample").is_some_and(serde_json::Value::is_null));
        assert!(json.pointer("/runs/0/epochs/0/train_loss").is_some_and(serde_json::Value::is_null));
    }

    #[test]
    fn a_report_replaces_the_one_before_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("report.json");
        report(&[0.1]).write(&path).expect("written");
        let second = report(&[0.5]);
        second.write(&path).expect("written again");
        assert_eq!(fs::read_to_string(&path).expect("there"), second.to_json());
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(report(&[0.5]).write(&folder.path().join("missing/report.json")).is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
    }
}
