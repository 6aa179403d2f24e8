//! What a series came to: `report.json`, and the last lines on the screen.
//! Not here: statistics (see `report`) or what the rules say (see `rules`).

use std::path::Path;

use fastgarden_train::trainer::{EpochRecord, RunResult};

use super::Results;
use super::parent::Parent;
use super::plan::Prepared;
use crate::exit::{Complaint, Failure};
use crate::report::{AttemptReport, EpochReport, ExamplesReport, ParentReport, Report, RunReport};
use crate::rules::{Outcome, reasons_against};
use crate::run_spec::RunSpec;
use crate::series::Series;

/// Writes the report, and its copy where one was asked for.
pub fn write(spec: &RunSpec, series: &Series, prepared: &Prepared, results: &Results) -> Result<Report, Failure> {
    let report = report(spec, series, prepared, results);
    for path in [Some(series.report_path()), spec.report.clone()].iter().flatten() {
        report.write(path).map_err(|error| unwritable(path, error))?;
    }
    Ok(report)
}

/// Writes the report and says how it went.
pub fn print(spec: &RunSpec, series: &Series, prepared: &Prepared, results: &Results) -> Result<(), Failure> {
    let report = write(spec, series, prepared, results)?;
    let mut text = format!("\n{}\n", report.summary());
    let is_partial = results.iter().any(|(_, result)| result.cut_short);
    if is_partial {
        text += "cut short by --max-steps: the schedule was not followed to its end\n";
    }
    if !prepared.validation_records().1 {
        text += "evaluation.limit is set: not the full set\n";
    }
    text += &format!("report  {}\n", series.report_path().display());
    for reason in &report.not_a_submission {
        text += &format!("not a submission: {reason}\n");
    }
    let written = std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes());
    written.map_err(Failure::from)
}

fn report(spec: &RunSpec, series: &Series, prepared: &Prepared, results: &Results) -> Report {
    let (records, is_full) = prepared.validation_records();
    let mut runs: Vec<RunReport> = results
        .iter()
        .map(|(seed, result)| RunReport {
            parent: prepared.parents.of(*seed).map(parent_report),
            ..run_report(*seed, result, is_full)
        })
        .collect();
    runs.extend(reported_before(series, results));
    runs.sort_by_key(|run| run.seed);
    let outcome = Outcome {
        finished_seeds: runs.iter().map(|run| run.seed).collect(),
        was_cut_short: results.iter().any(|(_, result)| result.cut_short),
        validation_records: records,
        validation_quarantined: runs.iter().map(|run| run.validation_quarantined).max().unwrap_or(0),
        on_garden: prepared.on_garden,
        device_bytes_max: None,
        origin: prepared.parents.origin(),
    };
    let mut report = Report::new(&spec.recipe, &spec.rules, runs);
    report.not_a_submission = reasons_against(&spec.rules, &spec.recipe, &outcome);
    report.cache = prepared.cache.as_ref().map(|cache| cache.observe());
    report.peak_memory_bytes = peak_memory_bytes();
    report
}

/// Runs of this series that an earlier invocation finished and this one was not asked for.
fn reported_before(series: &Series, results: &Results) -> Vec<RunReport> {
    let before = std::fs::read_to_string(series.report_path()).ok();
    let before = before.and_then(|text| serde_json::from_str::<Report>(&text).ok());
    let is_here = |run: &RunReport| results.iter().any(|(seed, _)| *seed == run.seed);
    before.map(|report| report.runs.into_iter().filter(|run| !is_here(run)).collect()).unwrap_or_default()
}

fn run_report(seed: u64, result: &RunResult, is_full_validation: bool) -> RunReport {
    RunReport {
        seed,
        epochs: result.epochs.iter().map(epoch_report).collect(),
        accuracy: result.epochs.last().and_then(|epoch| epoch.accuracy),
        is_full_validation,
        validation_quarantined: result.epochs.last().map_or(0, |epoch| epoch.evaluation_quarantined),
        parent: None,
        steps: result.steps,
        batch_hash: result.batch_hash.clone(),
        ledger_head: result.ledger_head.clone(),
        weights_sha256: result.weights_sha256.clone(),
        attempts: result.attempts.iter().map(|&(from_step, to_step)| AttemptReport { from_step, to_step }).collect(),
    }
}

fn parent_report(parent: &Parent) -> ParentReport {
    let (ledger, path) = (&parent.ledger, parent.start.path.clone());
    ParentReport {
        path,
        epochs: ledger.epochs,
        ledger_head: ledger.ledger_head.clone(),
        weights_sha256: ledger.weights_sha256.clone(),
    }
}

fn epoch_report(record: &EpochRecord) -> EpochReport {
    EpochReport {
        epoch: record.epoch,
        train_loss: Some(record.train_loss),
        valid_loss: record.valid_loss,
        accuracy: record.accuracy,
        images_per_s: Some(record.images_per_s),
        input_wait_share: Some(record.input_wait_share),
        seconds: record.seconds,
        skipped_steps: record.skipped_steps,
        examples: ExamplesReport {
            issued: record.issued,
            trained: record.trained,
            quarantined: record.quarantined,
            dropped_last: record.dropped_last,
        },
    }
}

/// Largest resident memory of this process, where the system says so.
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn unwritable(path: &Path, error: std::io::Error) -> Failure {
    let cause = anyhow::Error::new(error).context(format!("cannot write the report {}", path.display()));
    Failure::Run(Complaint::new(cause).way_out("free some space or name another place"))
}
