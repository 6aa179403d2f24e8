//! What a series came to: `report.json`, and the last lines on the screen.
//! Not here: statistics (see `report`) or what the rules say (see `rules`).

use std::path::Path;

use fastgarden_data::machine;
use fastgarden_train::trainer::{self, EpochRecord, Headroom, RunResult};

use super::Results;
use super::parent::Parent;
use super::plan::Prepared;
use super::run_table;
use crate::exit::{Complaint, Failure};
use crate::report::{
    AttemptReport, EpochReport, ExamplesReport, HeadroomReport, ParentReport, Report, RunReport, UnfinishedReport,
};
use crate::rules::{Outcome, reasons_against};
use crate::run_spec::RunSpec;
use crate::series::{self, ATTEMPTS_FILE, Series, started_runs};

/// Writes the report, and its copy where one was asked for. `failed` is the run that just failed, with its reason.
pub fn write(
    spec: &RunSpec,
    series: &Series,
    prepared: &Prepared,
    results: &Results,
    failed: Option<(u64, &str)>,
) -> Result<Report, Failure> {
    let report = report(spec, series, prepared, results, failed)?;
    for path in [Some(series.report_path()), spec.report.clone()].iter().flatten() {
        report.write(path).map_err(|error| unwritable(path, error))?;
    }
    Ok(report)
}

/// Whether the report tells of a run already.
pub fn is_told(series: &Series, seed: u64) -> Result<bool, Failure> {
    let seeds = |report: &Report| {
        let unfinished = report.unfinished.iter().map(|run| run.seed);
        report.runs.iter().map(|run| run.seed).chain(unfinished).any(|told| told == seed)
    };
    Ok(reported_before(series)?.as_ref().is_some_and(seeds))
}

/// A run that was started stays a part of its series: one whose folder is gone can be neither left out nor made again.
pub fn refuse_vanished(series: &Series) -> Result<(), Failure> {
    let Some(before) = reported_before(series)? else { return Ok(()) };
    let seeds = before.runs.iter().map(|run| run.seed).chain(before.unfinished.iter().map(|run| run.seed));
    match seeds.map(|seed| series.run_folder(seed)).find(|folder| !folder.is_dir()) {
        Some(folder) => {
            let sentence = format!("{} is gone, and the report tells of a run there", folder.display());
            Err(Failure::usage(sentence, "put the folder back, or start a new series without --resume"))
        }
        None => Ok(()),
    }
}

/// Writes the report and says how it went.
pub fn print(spec: &RunSpec, series: &Series, prepared: &Prepared, results: &Results) -> Result<(), Failure> {
    let report = write(spec, series, prepared, results, None)?;
    let mut text = "\n".to_owned();
    for line in run_table::lines(&report) {
        text += &format!("{line}\n");
    }
    if text.len() > 1 {
        text += "\n";
    }
    text += &format!("{}\n", report.summary());
    if report.runs.iter().any(|run| run.cut_short) {
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

fn report(
    spec: &RunSpec,
    series: &Series,
    prepared: &Prepared,
    results: &Results,
    failed: Option<(u64, &str)>,
) -> Result<Report, Failure> {
    let (records, is_full) = prepared.validation_records();
    let before = reported_before(series)?;
    let mut runs: Vec<RunReport> = results
        .iter()
        .map(|(seed, result)| RunReport {
            parent: prepared.parents.of(*seed).map(parent_report),
            ..run_report(*seed, result, is_full)
        })
        .collect();
    // Runs that an earlier invocation finished and this one was not asked for, or has not come to yet.
    let is_here = |run: &RunReport| results.iter().any(|(seed, _)| *seed == run.seed);
    runs.extend(before.iter().flat_map(|report| &report.runs).filter(|run| !is_here(run)).cloned());
    runs.sort_by_key(|run| run.seed);
    let unfinished = unfinished(series, &runs, before.as_ref(), failed)?;
    let outcome = Outcome {
        finished_seeds: runs.iter().map(|run| run.seed).collect(),
        unfinished_seeds: unfinished.iter().map(|run| run.seed).collect(),
        was_cut_short: runs.iter().any(|run| run.cut_short),
        validation_records: records,
        validation_quarantined: runs.iter().map(|run| run.validation_quarantined).max().unwrap_or(0),
        on_garden: prepared.on_garden,
        device_bytes_max: runs.iter().filter_map(|run| run.peak_device_bytes).max(),
        seconds_max: runs.iter().map(|run| run.seconds).fold(0.0, f64::max),
        origin: prepared.parents.origin(),
        parents: prepared.parents.runs(),
    };
    let mut report = Report::new(&spec.recipe, &spec.rules, runs);
    report.unfinished = unfinished;
    report.on_garden = prepared.on_garden;
    report.not_a_submission = reasons_against(&spec.rules, &spec.recipe, &outcome);
    report.cache = prepared.cache.as_ref().map(|cache| cache.observe());
    report.peak_memory_bytes = machine::own_bytes("VmHWM");
    report.peak_device_bytes = outcome.device_bytes_max;
    // What an earlier invocation measured still holds.
    report.headroom = prepared.headroom.as_ref().map(headroom_report).or(before.and_then(|report| report.headroom));
    Ok(report)
}

/// The report of this series as it was.
fn reported_before(series: &Series) -> Result<Option<Report>, Failure> {
    series::read_report(series.folder()).map_err(|error| unreadable(&series.report_path(), error))
}

fn unreadable(path: &Path, error: anyhow::Error) -> Failure {
    let cause = error.context(format!("cannot read what {} says of this series' runs", path.display()));
    Failure::Usage(
        Complaint::new(cause).way_out("put the report back as it was, or start a new series without --resume"),
    )
}

/// Every run that was started and is not among `runs`.
fn unfinished(
    series: &Series,
    runs: &[RunReport],
    before: Option<&Report>,
    failed: Option<(u64, &str)>,
) -> Result<Vec<UnfinishedReport>, Failure> {
    let mut started = started_runs(series.folder()).map_err(|error| unreadable(series.folder(), error.into()))?;
    started.retain(|seed, _| !runs.iter().any(|run| run.seed == *seed));
    let tell = |(seed, folder): (u64, std::path::PathBuf)| {
        let attempts: Vec<_> =
            trainer::attempts_in(&folder.join(ATTEMPTS_FILE)).into_iter().map(attempt_report).collect();
        let then = before.and_then(|report| report.unfinished.iter().find(|run| run.seed == seed));
        let why = match failed {
            Some((of, why)) if of == seed => Some(why.to_owned()),
            // Said of the last attempt, which is still the last.
            _ => then.filter(|then| then.attempts == attempts).and_then(|then| then.why.clone()),
        };
        UnfinishedReport { seed, attempts, why }
    };
    Ok(started.into_iter().map(tell).collect())
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
        cut_short: result.cut_short,
        seconds: result.seconds,
        peak_device_bytes: result.peak_device_bytes,
        batch_hash: result.batch_hash.clone(),
        ledger_head: result.ledger_head.clone(),
        weights_sha256: result.weights_sha256.clone(),
        attempts: result.attempts.iter().copied().map(attempt_report).collect(),
    }
}

fn attempt_report((from_step, to_step): (u64, u64)) -> AttemptReport {
    AttemptReport { from_step, to_step }
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

fn headroom_report(measured: &Headroom) -> HeadroomReport {
    HeadroomReport {
        images_per_s: measured.images_per_s,
        input_wait_share: measured.input_wait_share,
        replayed_images_per_s: measured.replayed_images_per_s,
        factor: measured.factor(),
    }
}

fn unwritable(path: &Path, error: std::io::Error) -> Failure {
    let cause = anyhow::Error::new(error).context(format!("cannot write the report {}", path.display()));
    Failure::Run(Complaint::new(cause).way_out("free some space or name another place"))
}
