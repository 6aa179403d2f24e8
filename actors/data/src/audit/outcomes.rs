//! Outcomes over all epochs: a record is bad by its bytes, so it is bad in every ticket or in none.
//! Not here: the sums of an epoch.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::{Fault, FaultKind};
use crate::fault::FaultKind as BadBytes;
use crate::ticket::Ticket;

/// What became of records so far, by split.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    splits: BTreeMap<usize, OfSplit>,
}

#[derive(Debug, Default)]
struct OfSplit {
    /// Whether a record was trained on, by number.
    trained: Vec<bool>,
    quarantined: Vec<Quarantined>,
}

/// A ticket that was not used.
#[derive(Debug)]
struct Quarantined {
    line: usize,
    seq: u64,
    records: Vec<u32>,
    reason: String,
}

impl Outcomes {
    pub(super) fn trained(&mut self, split: usize, ticket: &Ticket) {
        let trained = &mut self.splits.entry(split).or_default().trained;
        for record in records_of(ticket) {
            let record = record as usize;
            if trained.len() <= record {
                trained.resize(record + 1, false);
            }
            trained[record] = true;
        }
    }

    pub(super) fn quarantined(&mut self, split: usize, line: usize, ticket: &Ticket, reason: &str) {
        let (records, reason) = (records_of(ticket).collect(), reason.to_owned());
        let quarantined = Quarantined { line, seq: ticket.seq, records, reason };
        self.splits.entry(split).or_default().quarantined.push(quarantined);
    }

    /// Everything that can't be true together. `most` says how many bad records a run over a split may meet.
    pub(super) fn contradictions(&self, most: impl Fn(usize) -> u64) -> Vec<Fault> {
        self.splits.iter().flat_map(|(split, outcomes)| outcomes.contradictions(most(*split))).collect()
    }
}

impl OfSplit {
    fn contradictions(&self, most: u64) -> Vec<Fault> {
        let mut faults = Vec::new();
        // Which of several records is the bad one nobody has written down.
        let mut reasons: BTreeMap<u32, &Quarantined> = BTreeMap::new();
        let mut bad = BTreeSet::new();
        for ticket in &self.quarantined {
            let is_trained = |record: &u32| self.trained.get(*record as usize) == Some(&true);
            // A panic may come from a crop, which is another one in every ticket.
            let is_of_bytes = ticket.reason != BadBytes::DecoderPanicked.name();
            let seq = ticket.seq;
            if is_of_bytes && ticket.records.iter().all(is_trained) {
                let what = format!("quarantines ticket {seq}, whose record other tickets train on");
                faults.push(Fault::at(ticket.line, FaultKind::Outcome, what));
            }
            let [record] = ticket.records[..] else { continue };
            bad.insert(record);
            let first = reasons.entry(record).or_insert(ticket);
            if first.reason != ticket.reason {
                let (reason, other) = (&ticket.reason, &first.reason);
                let what =
                    format!("quarantines ticket {seq} as {reason}, but line {} the same record as {other}", first.line);
                faults.push(Fault::at(ticket.line, FaultKind::Outcome, what));
            }
            if bad.len() as u64 == most + 1 {
                let what = format!("meets more bad records than the {most} that end a run");
                faults.push(Fault::at(ticket.line, FaultKind::Outcome, what));
            }
        }
        faults
    }
}

/// The records of its views.
pub(super) fn records_of(ticket: &Ticket) -> impl Iterator<Item = u32> {
    ticket.records.distinct().map(|(_, record)| record)
}
