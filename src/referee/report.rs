//! A report against a ledger: the same run told twice must be the same run.
//! Not here: statistics over runs.

use fastgarden_data::audit::{Fault, FaultKind, Standing};

use super::Finding;
use crate::report::{EpochReport, RunReport};

/// What sums of seconds may differ by without a word.
const SECONDS_ROUNDING: f64 = 0.1;

/// What a report says of a run that its ledger does not.
pub fn compare_with_report(finding: &Finding, run: &RunReport) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut blame = |what: String| faults.push(Fault::overall(FaultKind::Head, format!("report.json {what}")));
    if finding.standing != Standing::Whole {
        blame("tells of a finished run, but the ledger is not finished".to_owned());
    }
    if let Some(opening) = finding.opening.as_ref().filter(|opening| opening.seed != run.seed) {
        blame(format!("tells of the seed {}, but the ledger is of {}", run.seed, opening.seed));
    }
    if run.steps != finding.steps {
        blame(format!("counts {} steps, but the ledger {}", run.steps, finding.steps));
    }
    let last = finding.epochs.last();
    let hashes = [
        ("ledger_head", &run.ledger_head, Some(&finding.head)),
        ("batch_hash", &run.batch_hash, Some(&finding.batch_hash)),
        ("weights_sha256", &run.weights_sha256, last.map(|epoch| &epoch.weights_sha256)),
    ];
    for (name, told, there) in hashes {
        if there.is_some_and(|there| there != told) {
            blame(format!("has another {name} than the ledger"));
        }
    }
    if last.is_some_and(|epoch| epoch.accuracy != run.accuracy) {
        blame("has another accuracy than the ledger's last epoch".to_owned());
    }
    if run.cut_short != finding.is_cut_short {
        blame("tells something else than the ledger of whether --max-steps ended it".to_owned());
    }
    if last.is_some_and(|epoch| epoch.evaluation_quarantined != run.validation_quarantined) {
        blame("counts other unreadable validation records than the ledger".to_owned());
    }
    let parent = finding.opening.as_ref().and_then(|opening| opening.parent.as_ref());
    let there = parent.map(|parent| (parent.epochs, &parent.ledger_head, &parent.weights_sha256));
    let told = run.parent.as_ref().map(|parent| (parent.epochs, &parent.ledger_head, &parent.weights_sha256));
    if told.is_some() && told != there {
        blame("names another parent than the ledger".to_owned());
    }
    if run.epochs.len() != finding.epochs.len() {
        blame(format!("has {} epochs, but the ledger {}", run.epochs.len(), finding.epochs.len()));
    }
    let of_epochs: f64 = run.epochs.iter().map(|epoch| epoch.seconds).sum();
    if run.seconds + SECONDS_ROUNDING < of_epochs {
        blame(format!("tells of {:.0} seconds, and of epochs that took {of_epochs:.0}", run.seconds));
    }
    for (told, there) in run.epochs.iter().zip(&finding.epochs) {
        if !is_same(told, there) {
            blame(format!("tells something else of epoch {} than the ledger", there.epoch));
        }
    }
    faults
}

fn is_same(told: &EpochReport, there: &fastgarden_proto::ledger::Epoch) -> bool {
    let (one, other) = (&told.examples, there);
    let counts = (one.issued, one.trained, one.quarantined, one.dropped_last)
        == (other.issued, other.trained, other.quarantined, other.dropped_last);
    let is_judged = there.evaluated > 0;
    told.epoch == there.epoch
        && counts
        && told.accuracy == there.accuracy
        && told.train_loss == Some(there.train_loss)
        && told.valid_loss == is_judged.then_some(there.valid_loss)
}
