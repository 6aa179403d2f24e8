//! What a step line is held to: its place in the plan, its rows, its outcomes.
//! Not here: sums over an epoch (see `epoch`).

use std::ops::Range;

use fastgarden_proto::ledger::Step;

use super::fault::FaultKind;
use super::opening::is_hash;
use super::walk::Walk;
use crate::batch::RowDigest;
use crate::batch_hash::BatchHash;
use crate::fault::FaultKind as BadBytes;
use crate::limits::BATCH_ROWS_MAX;

/// Fewest rows that a step is made of: BatchNorm has no variance of one.
const ROWS_MIN: u64 = 2;

impl Walk<'_> {
    pub(super) fn step(&mut self, line: usize, step: &Step) {
        if !self.expects(line) || !self.is_in_order(line, step) {
            return;
        }
        self.hold_to_batch(line, step);
        let rows = step.seq_from..step.seq_to;
        self.hold_outcomes(line, step, &rows);
        self.hold_batch_hash(line, step, &rows);
        self.take_in(line, step, rows);
        self.step = step.step;
        self.tickets_max = self.tickets_max.max(step.seq_to);
        self.batch_hash.clone_from(&step.batch_hash);
    }

    /// Whether it is the next step of its epoch, or at least one that the walk can go on from.
    fn is_in_order(&mut self, line: usize, step: &Step) -> bool {
        if step.epoch != self.epoch {
            let (told, expected) = (step.epoch, self.epoch);
            let what = match told == expected + 1 {
                true => format!("is of epoch {told}, but the line of epoch {expected} is missing before it"),
                false => format!("is of epoch {told}, in the middle of epoch {expected}"),
            };
            let kind = if told == expected + 1 { FaultKind::Missing } else { FaultKind::Order };
            self.blame(line, kind, what);
            self.end();
            return false;
        }
        let expected = self.step.saturating_add(1);
        if step.step != expected {
            let (kind, what) = match step.step.checked_sub(expected) {
                Some(1) => (FaultKind::Missing, format!("is step {}: step {expected} is missing before it", step.step)),
                Some(_) => {
                    let last = step.step - 1;
                    (
                        FaultKind::Missing,
                        format!("is step {}: steps {expected} to {last} are missing before it", step.step),
                    )
                }
                None => (FaultKind::Repeated, format!("is step {}, but step {} came before it", step.step, self.step)),
            };
            self.blame(line, kind, what);
            return self.resume_at(step);
        }
        if self.steps_left() == 0 {
            self.blame(line, FaultKind::Cap, format!("is step {expected}, beyond the run's max_steps"));
        }
        let Some(next_seq) = self.at.as_ref().map(|at| at.next_seq) else { return false };
        if step.seq_from != next_seq {
            let from = step.seq_from;
            let (kind, what) = match from > next_seq {
                true => {
                    (FaultKind::Missing, format!("begins at ticket {from}: tickets from {next_seq} on have no outcome"))
                }
                false => {
                    (FaultKind::Order, format!("begins at ticket {from}: tickets up to {next_seq} are used twice"))
                }
            };
            self.blame(line, kind, what);
            return self.resume_at(step);
        }
        true
    }

    /// Goes on after a line that was not expected, as if what it says were true, so that one gap is told once.
    fn resume_at(&mut self, step: &Step) -> bool {
        self.step = step.step;
        self.batch_hash.clone_from(&step.batch_hash);
        if let Some(at) = &mut self.at {
            at.next_seq = step.seq_to;
        }
        // Sums of this epoch can't be right any more.
        self.spoil_sums();
        false
    }

    fn hold_to_batch(&mut self, line: usize, step: &Step) {
        let super::StageTerms { batch_rows: rows, drop_last, .. } = self.stage_terms();
        let full = step.seq_from.saturating_add(rows);
        let end = self.end_seq();
        let expected = end.map_or(full, |end| full.min(end));
        // Where nobody can say how many tickets an epoch has, only its last batch may be short, and the cap is as far as it goes.
        let may_be_short = end.is_none() && !drop_last && step.seq_from < step.seq_to && step.seq_to < full;
        let tickets = self.at.as_ref().and_then(|at| at.tickets).or(self.terms.cap);
        if let Some(tickets) = tickets.filter(|&tickets| step.seq_to > tickets) {
            let what = format!("goes to ticket {}, but its epoch has {tickets}", step.seq_to);
            self.blame(line, FaultKind::Cap, what);
        } else if end.is_some_and(|end| step.seq_from >= end) {
            self.blame(line, FaultKind::Cap, "uses tickets of the incomplete last batch, which is dropped");
        } else if step.seq_to != expected && !may_be_short {
            let what = format!("ends at ticket {}, but its batch ends at {expected}", step.seq_to);
            self.blame(line, FaultKind::Order, what);
        } else if end.is_none() && !step.seq_from.is_multiple_of(rows) {
            let what = format!("begins at ticket {}, in the midst of a batch of {rows}", step.seq_from);
            self.blame(line, FaultKind::Order, what);
        }
    }

    fn hold_outcomes(&mut self, line: usize, step: &Step, rows: &Range<u64>) {
        let seqs = || step.quarantined.iter().map(|row| row.seq);
        if let Some(outside) = seqs().find(|seq| !rows.contains(seq)) {
            self.blame(line, FaultKind::Outcome, format!("quarantines ticket {outside}, which is not of its batch"));
        }
        if !seqs().is_sorted_by(|one, next| one < next) {
            self.blame(line, FaultKind::Outcome, "quarantines tickets out of order or twice");
        }
        let known = |reason: &str| BadBytes::ALL.iter().any(|kind| kind.name() == reason);
        if let Some(row) = step.quarantined.iter().find(|row| !known(&row.reason)) {
            let reason: String = row.reason.chars().take(40).collect();
            self.blame(
                line,
                FaultKind::Outcome,
                format!("quarantines ticket {} for {reason:?}, which is no reason", row.seq),
            );
        }
        let usable = (rows.end.saturating_sub(rows.start)).saturating_sub(step.quarantined.len() as u64);
        let what = match (usable >= ROWS_MIN, step.applied, step.loss) {
            (false, false, None) => None,
            (false, _, _) => Some("has a loss, or changed the weights, with fewer than two usable rows"),
            (true, true, None) => Some("changed the weights without a loss"),
            (true, false, _) if !self.stage_terms().may_skip_steps => {
                Some("did not change the weights, which only a step in float16 may")
            }
            _ => None,
        };
        if let Some(what) = what {
            self.blame(line, FaultKind::Outcome, what);
        }
    }

    fn hold_batch_hash(&mut self, line: usize, step: &Step, rows: &Range<u64>) {
        if !is_hash(&step.batch_hash) {
            self.blame(line, FaultKind::Pixels, "has a batch_hash that is no hash");
            return;
        }
        // A batch of which nothing was used has no pixels, and its hash follows from the one before.
        let count = rows.end.saturating_sub(rows.start);
        if count != step.quarantined.len() as u64 || count > BATCH_ROWS_MAX as u64 {
            return;
        }
        let Some(mut chain) = BatchHash::from_hex(&self.batch_hash) else { return };
        let digest = |seq| RowDigest { seq, label: RowDigest::QUARANTINED, hashes: Default::default() };
        let digests: Vec<_> = rows.clone().map(digest).collect();
        chain.update(&digests, 1);
        if chain.hex() != step.batch_hash {
            self.blame(
                line,
                FaultKind::Pixels,
                "has a batch_hash that its batch, of which no row was used, does not make",
            );
        }
    }

    /// Adds the step to the sums of its epoch.
    fn take_in(&mut self, line: usize, step: &Step, rows: Range<u64>) {
        let (stage, terms) = (self.stage, self.terms);
        let super::StageTerms { split, may_skip_steps, .. } = self.stage_terms();
        let keeps_losses = self.keeps_losses();
        let Some(at) = &mut self.at else { return };
        let quarantined = step.quarantined.len() as u64;
        at.next_seq = rows.end;
        let usable = rows.end.saturating_sub(rows.start).saturating_sub(quarantined);
        at.quarantined = at.quarantined.saturating_add(quarantined);
        at.trained = at.trained.saturating_add(usable);
        if let Some(loss) = step.loss {
            at.losses += 1;
            at.loss_sum += loss;
        }
        let Some(plan) = at.plan.as_ref().filter(|plan| rows.end <= plan.tickets()) else { return };
        let mut bad = step.quarantined.iter().peekable();
        let labels = terms.data.and_then(|data| data.labels.get(stage).copied());
        let mut without_class = None;
        for seq in rows {
            let ticket = plan.ticket(seq);
            if let Some(row) = bad.next_if(|row| row.seq == seq) {
                self.outcomes.quarantined(split, line, &ticket, &row.reason);
                continue;
            }
            self.outcomes.trained(split, &ticket);
            // A ticket of several records has one loss for all of them, which is nobody's.
            if let ([record], true) = (ticket.records.all(), keeps_losses && usable >= ROWS_MIN) {
                let is_unsure = at.noted.entry(*record).or_insert(may_skip_steps);
                *is_unsure &= may_skip_steps;
            }
            let (Some(labels), Some(histogram)) = (labels, at.histogram.as_mut()) else { continue };
            let label = labels.get(ticket.records.first() as usize).copied().flatten();
            match label.and_then(|label| histogram.get_mut(usize::try_from(label).ok()?)) {
                Some(count) => *count += 1,
                None => without_class = Some(seq),
            }
        }
        if let Some(seq) = without_class {
            let what = format!("trains on ticket {seq}, whose record has no class in the data");
            self.blame(line, FaultKind::Data, what);
        }
    }
}
