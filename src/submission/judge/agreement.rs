//! Whether the parts of a submission say the same: report and ledgers, the runs among themselves, and the sums.
//! Not here: ledgers by themselves (the referee), or rules.

use fastgarden_data::fingerprint::decoder_fingerprint;
use fastgarden_proto::ledger::Opening;

use super::Judgement;
use crate::referee::{self, Standing};
use crate::report::{Report, Statistics};
use crate::submission::{Environment, Submission, Tuning, environment};

/// Largest difference between a mean as written and as computed here, relative to 1.
const ROUNDING: f64 = 1e-12;
/// Version of the report that is understood.
const REPORT_VERSION: u32 = 1;

/// Names everything that contradicts something else.
pub(super) fn check(submission: &Submission, findings: &[referee::Finding], judgement: &mut Judgement) {
    let report = &submission.report;
    runs_and_seeds(submission, findings, &mut judgement.faults);
    let is_of_mean = submission.recipe.ema.is_some_and(|ema| ema.evaluate);
    let peak = report.runs.iter().filter_map(|run| run.peak_device_bytes).max();
    let header = [
        (report.version != REPORT_VERSION, "another version than this program reads"),
        (report.recipe != submission.recipe.name, "another recipe"),
        (report.recipe_hash != submission.recipe.hash(), "another recipe_hash than recipe.toml"),
        (submission.about.recipe != submission.recipe.name, "another recipe than submission.json"),
        (report.rules != submission.about.rules, "other rules than submission.json"),
        (report.of_mean_weights != is_of_mean, "another word on mean weights than recipe.toml"),
        (report.peak_device_bytes != peak, "another peak_device_bytes than the most of its runs"),
    ];
    for (_, what) in header.iter().filter(|(is_other, _)| *is_other) {
        judgement.faults.push(format!("report.json has {what}"));
    }
    fingerprints(submission, findings, &mut judgement.faults);
    for (run, finding) in submission.runs.iter().zip(findings) {
        let last = finding.epochs.last().map(|epoch| &epoch.weights_sha256);
        if run.weights_sha256.as_ref().is_some_and(|weights| Some(weights) != last) {
            judgement.faults.push(format!("seed-{}/weights.safetensors are not the weights of its ledger", run.seed));
        }
    }
    let accuracies = findings.iter().filter(|finding| finding.standing == Standing::Whole);
    judgement.accuracies = accuracies.filter_map(|finding| finding.epochs.last()?.accuracy).collect();
    arithmetic(report, &judgement.accuracies, &mut judgement.faults);
}

/// Every run of the report has its ledger, and every ledger is in the report.
fn runs_and_seeds(submission: &Submission, findings: &[referee::Finding], faults: &mut Vec<String>) {
    let report = &submission.report;
    let mut seeds: Vec<u64> = report.runs.iter().map(|run| run.seed).collect();
    seeds.extend(report.unfinished.iter().map(|run| run.seed));
    seeds.sort_unstable();
    for pair in seeds.windows(2).filter(|pair| pair[0] == pair[1]) {
        faults.push(format!("report.json tells of the seed {} twice", pair[0]));
    }
    for run in &report.runs {
        if !submission.runs.iter().any(|submitted| submitted.seed == run.seed) {
            faults.push(format!("report.json tells of the seed {}, whose ledger is not there", run.seed));
        }
    }
    for (run, finding) in submission.runs.iter().zip(findings) {
        let is_told = seeds.binary_search(&run.seed).is_ok();
        if !is_told && finding.standing == Standing::Whole {
            faults.push(format!("report.json says nothing of seed-{}, whose ledger is there and whole", run.seed));
        } else if !is_told {
            faults.push(format!("report.json says nothing of seed-{}, which was started", run.seed));
        }
    }
}

/// All runs are made from one data set by one decoder, the one that `submission.json` names.
fn fingerprints(submission: &Submission, findings: &[referee::Finding], faults: &mut Vec<String>) {
    let told = &submission.about.fingerprints;
    let openings = submission.runs.iter().zip(findings).filter_map(|(run, it)| Some((run.seed, it.opening.as_ref()?)));
    for (seed, opening) in openings {
        let Opening { data_fingerprint, validation_fingerprint, decoder_fingerprint, .. } = opening;
        for (name, one, other) in [
            ("training data", &told.data, data_fingerprint),
            ("validation data", &told.validation, validation_fingerprint),
            ("decoder", &told.decoder, decoder_fingerprint),
        ] {
            if one.as_str() != other.as_str() {
                faults.push(format!("seed-{seed} was made with another {name} than submission.json names"));
            }
        }
    }
}

/// Mean and deviations once more, from the ledgers' last epochs.
fn arithmetic(report: &Report, accuracies: &[f64], faults: &mut Vec<String>) {
    let Statistics { mean, std_population, std_sample } = Statistics::of(accuracies);
    let sums = [
        ("accuracy_mean", report.accuracy_mean, mean),
        ("accuracy_std_population", report.accuracy_std_population, std_population),
        ("accuracy_std_sample", report.accuracy_std_sample, std_sample),
    ];
    for (name, told, computed) in sums {
        let agrees = match (told, computed) {
            (Some(told), Some(computed)) => (told - computed).abs() <= ROUNDING,
            (told, computed) => told == computed,
        };
        if !agrees {
            let word = |value: Option<f64>| value.map_or_else(|| "nothing".to_owned(), |value| format!("{value}"));
            faults.push(format!("report.json says {name} = {}, the ledgers make it {}", word(told), word(computed)));
        }
    }
}

/// What is worth knowing and no fault.
pub(super) fn take_notes(submission: &Submission, judgement: &mut Judgement) {
    let environments: Vec<&Environment> = submission.runs.iter().flat_map(|run| &run.environments).collect();
    if submission.runs.iter().any(|run| run.environments.is_empty()) {
        judgement.note("of some runs it is not said where they were trained".to_owned());
    }
    for environment in &environments {
        judgement.note(format!("trained on {}", environment.summary()));
        let Environment { binary_sha256, program_version, .. } = environment;
        if binary_sha256 != environment::binary_sha256() {
            let short = binary_sha256.get(..12).unwrap_or("unknown");
            judgement.note(format!("trained by another program than this one: {program_version}, SHA-256 {short}…"));
        }
    }
    let here = decoder_fingerprint(submission.recipe.data.resample);
    if submission.about.fingerprints.decoder != here {
        judgement.note("its decoder is another than this program's: batch hashes can't be compared here".to_owned());
    }
    for Tuning { on, series } in &submission.about.tuning {
        let series = if *series == 1 { "1 more series".to_owned() } else { format!("{series} more series") };
        judgement.note(format!("{series} of this recipe lay beside it, scored on {on}"));
    }
    match &submission.about.source {
        Some(source) => {
            let patch = if source.has_patch { " with a patch" } else { "" };
            let repository = source.repository.as_deref().unwrap_or("a repository without an address");
            judgement.note(format!("source: {repository} at {}{patch}", source.commit.get(..12).unwrap_or_default()));
        }
        None => judgement.note("its source is not in it".to_owned()),
    }
}
