//! What is to be said of a submission: each rule's verdict, everything that doesn't agree, and notes.
//! Not here: reading the file, or training again.

mod agreement;
mod lineage;
mod rules;

use std::collections::BTreeMap;

use super::Submission;
use crate::referee::{self, DataColumns, Evidence, KnownHead};
use crate::rules::{Finding, Rules, Verdict};

/// What a submission is held against.
#[derive(Clone, Copy, Default)]
pub struct Against<'a> {
    /// Rules other than those it was made under.
    pub rules: Option<&'a Rules>,
    /// The data it says to be made from.
    pub data: Option<&'a DataColumns>,
    /// The same data as the recipes of parents ask for it, by their hashes.
    pub of_parents: Option<&'a BTreeMap<String, DataColumns>>,
}

/// Everything that is to be said of a submission.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// R1 to R9, in order, then the rules that have no number; nothing is left undecided.
    pub findings: Vec<Finding>,
    /// What is changed, missing or contradicts itself, in sentences; empty for a sound submission.
    pub faults: Vec<String>,
    /// What is worth knowing and held against nobody.
    pub notes: Vec<String>,
    /// What the ledgers' last epochs say, in the order of the seeds.
    pub accuracies: Vec<f64>,
}

impl Judgement {
    /// Whether it counts: no rule fails and nothing contradicts itself.
    pub fn stands(&self) -> bool {
        self.faults.is_empty() && self.findings.iter().all(|finding| finding.verdict != Verdict::Fail)
    }

    /// Whether rule `number` is broken.
    pub fn fails(&self, number: usize) -> bool {
        self.findings.get(number - 1).is_some_and(|finding| finding.verdict == Verdict::Fail)
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// Judges a submission from its own files, and the data where that is at hand.
pub fn judge(submission: &Submission, against: &Against<'_>) -> Judgement {
    let mut judgement = Judgement::default();
    let findings: Vec<referee::Finding> =
        submission.runs.iter().map(|run| of_run(submission, run, against.data, &mut judgement)).collect();
    let lineage = lineage::of_runs(submission, &findings, against, &mut judgement);
    agreement::check(submission, &findings, &mut judgement);
    let rules = against.rules.unwrap_or(&submission.rules);
    judgement.findings = rules::verdicts(submission, rules, &findings, lineage, against.data.is_some());
    agreement::take_notes(submission, &mut judgement);
    judgement
}

/// The referee's word on a run's own ledger.
fn of_run(
    submission: &Submission,
    run: &super::SubmittedRun,
    data: Option<&DataColumns>,
    judgement: &mut Judgement,
) -> referee::Finding {
    let name = format!("seed-{}/ledger.jsonl", run.seed);
    let reported = submission.report.runs.iter().find(|reported| reported.seed == run.seed);
    let known_head = reported.map(|reported| KnownHead { chain: &reported.ledger_head, told_by: "report.json" });
    let (recipe, rules) = (&submission.recipe, &submission.rules);
    let evidence = Evidence { name: &name, ledger: &run.ledger, recipe, rules, known_head, data };
    let finding = referee::verify(&evidence);
    judgement.faults.extend(finding.faults.iter().map(|fault| format!("{name}: {fault}")));
    for note in &finding.notes {
        judgement.note(note.clone());
    }
    if let Some(opening) = finding.opening.as_ref().filter(|opening| opening.seed != run.seed) {
        judgement.faults.push(format!("{name} is the ledger of seed {}", opening.seed));
    }
    // A report of a broken ledger would only repeat it.
    if let Some(reported) = reported.filter(|_| finding.faults.is_empty()) {
        let differences = referee::compare_with_report(&finding, reported);
        judgement.faults.extend(differences.iter().map(|fault| format!("{name}: {fault}")));
    }
    finding
}
