//! What is to be said of a submission: each rule's verdict, everything that doesn't agree, and notes.
//! Not here: reading the file, or training again.

use super::Submission;
use crate::rules::{Finding, Rules, Verdict};

/// What a submission is held against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Against<'a> {
    /// Rules other than those it was made under.
    pub rules: Option<&'a Rules>,
}

/// Everything that is to be said of a submission.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// R1 to R9, in order; nothing is left undecided.
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
}

/// Judges a submission from its own files alone.
pub fn judge(submission: &Submission, against: &Against<'_>) -> Judgement {
    let rules = against.rules.unwrap_or(&submission.rules);
    Judgement::default()
}
