//! What the line of an epoch is held to: the sums of its steps, its plan, its validation.
//! Not here: the steps themselves (see `step`).

use fastgarden_proto::ledger::Epoch;

use super::fault::FaultKind;
use super::opening::is_hash;
use super::walk::{Course, Walk};

/// The most that the loss of a record is, in thousandths.
const LOSS_MAX: u32 = 1_000_000;

impl Walk<'_> {
    pub(super) fn epoch(&mut self, line: usize, epoch: &Epoch) {
        if !self.expects(line) {
            return;
        }
        if epoch.epoch != self.epoch {
            let (told, expected) = (epoch.epoch, self.epoch);
            let (kind, what) = match told == expected + 1 {
                true => (
                    FaultKind::Missing,
                    format!("closes epoch {told}: the line of epoch {expected} is missing before it"),
                ),
                false => (FaultKind::Order, format!("closes epoch {told}, in the middle of epoch {expected}")),
            };
            self.blame(line, kind, what);
            self.end();
            return;
        }
        let Some(mut at) = self.at.take() else { return };
        let is_whole = self.hold_to_end(line, epoch, &mut at);
        self.hold_to_cap(line, epoch);
        self.hold_to_sums(line, epoch, &at);
        self.hold_to_plan(line, epoch, &at);
        self.hold_histogram(line, epoch, &at);
        self.hold_losses(line, epoch, &at);
        self.hold_validation(line, epoch);
        if !is_hash(&epoch.weights_sha256) {
            self.blame(line, FaultKind::Weights, "has a weights_sha256 that is no hash");
        }
        self.epochs.push(epoch.clone());
        self.advance(line, is_whole);
    }

    /// Whether the epoch was walked to its end; anything else must be the work of `max_steps`.
    fn hold_to_end(&mut self, line: usize, epoch: &Epoch, at: &mut Course) -> bool {
        let stage = self.stage_terms();
        // Where the plan can't be drawn, its length is what the line says, if that is possible at all.
        let tickets = at.tickets.unwrap_or_else(|| match self.steps_left() {
            0 => at.next_seq.saturating_add(epoch.dropped_last),
            _ => epoch.issued,
        });
        let dropped = if stage.drop_last { tickets % stage.batch_rows } else { 0 };
        let is_whole = at.next_seq == tickets - dropped;
        if !is_whole && self.steps_left() > 0 && at.next_seq < tickets {
            let what =
                format!("closes epoch {} at ticket {} of {tickets}: steps are missing", epoch.epoch, at.next_seq);
            self.blame(line, FaultKind::Missing, what);
            at.is_spoilt = true;
            return true;
        }
        let expected = if is_whole { dropped } else { 0 };
        if epoch.dropped_last != expected {
            let told = epoch.dropped_last;
            self.blame(
                line,
                FaultKind::Outcome,
                format!("has {told} tickets in dropped_last, but {expected} were dropped"),
            );
        }
        is_whole
    }

    fn hold_to_cap(&mut self, line: usize, epoch: &Epoch) {
        self.tickets_max = self.tickets_max.max(epoch.issued);
        if let Some(cap) = self.terms.cap.filter(|&cap| epoch.issued > cap) {
            let what = format!("has {} tickets issued, more than the cap of {cap}", epoch.issued);
            self.blame(line, FaultKind::Cap, what);
        }
    }

    fn hold_to_sums(&mut self, line: usize, epoch: &Epoch, at: &Course) {
        if at.is_spoilt {
            return;
        }
        let sums = [
            ("trained", epoch.trained, at.trained),
            ("quarantined", epoch.quarantined, at.quarantined),
            ("issued", epoch.issued, at.trained.saturating_add(at.quarantined).saturating_add(epoch.dropped_last)),
        ];
        for (name, told, summed) in sums {
            if told != summed {
                let what = format!("has {told} tickets {name}, but its steps and dropped tickets add up to {summed}");
                self.blame(line, FaultKind::Outcome, what);
            }
        }
        let mean = if at.losses > 0 { at.loss_sum / at.losses as f64 } else { 0.0 };
        if epoch.train_loss.to_bits() != mean.to_bits() {
            let what = format!("has the train_loss {}, but the mean of its steps' losses is {mean}", epoch.train_loss);
            self.blame(line, FaultKind::Number, what);
        }
    }

    fn hold_to_plan(&mut self, line: usize, epoch: &Epoch, at: &Course) {
        let is_other = at.plan.as_ref().is_some_and(|plan| plan.hash() != epoch.plan_hash);
        if is_other || !is_hash(&epoch.plan_hash) {
            let what = "has another plan_hash than recipe, seed and number of records make";
            self.blame(line, FaultKind::Plan, what);
        }
        if let Some(opening) = &self.opening
            && self.epochs.is_empty()
            && opening.plan_hash != epoch.plan_hash
        {
            self.blame(line, FaultKind::Plan, "has another plan_hash than the opening has for its first epoch");
        }
    }

    fn hold_histogram(&mut self, line: usize, epoch: &Epoch, at: &Course) {
        let (told, classes) = (epoch.class_histogram.len(), self.terms.classes);
        let sum = epoch.class_histogram.iter().fold(0u64, |sum, count| sum.saturating_add(*count));
        if told != classes {
            self.blame(line, FaultKind::Outcome, format!("counts {told} classes, but the recipe has {classes}"));
        } else if sum != epoch.trained {
            let what = format!("counts {sum} examples by class, but trained {}", epoch.trained);
            self.blame(line, FaultKind::Outcome, what);
        } else if let Some(histogram) = &at.histogram
            && !at.is_spoilt
            && *histogram != epoch.class_histogram
        {
            let class = histogram.iter().zip(&epoch.class_histogram).position(|(one, other)| one != other).unwrap_or(0);
            let (told, there) = (epoch.class_histogram[class], histogram[class]);
            let what = format!("counts {told} examples of class {class}, but the plan and the data make it {there}");
            self.blame(line, FaultKind::Data, what);
        }
    }

    /// Losses are those of the records that this epoch trained on; those of all others are as they were.
    fn hold_losses(&mut self, line: usize, epoch: &Epoch, at: &Course) {
        let (told, split) = (&epoch.losses, self.stage_terms().split);
        let before = self.losses.get(&split).cloned().unwrap_or_default();
        let stages = self.opening.as_ref().map(|opening| opening.stages.as_slice()).unwrap_or_default();
        // Before the first step on these shards there is nothing to tell.
        let has_some = self.keeps_losses() && (at.next_seq > 0 || !before.is_empty());
        let records = if has_some { stages.get(self.stage).map_or(0, |stage| stage.records) } else { 0 };
        if told.len() as u64 != records {
            let what =
                format!("has losses of {} records, and the samplers of later epochs go by {records}", told.len());
            self.blame(line, FaultKind::Number, what);
            return;
        }
        if told.is_empty() {
            return;
        }
        self.losses.insert(split, told.clone());
        if at.plan.is_none() || at.is_spoilt {
            return;
        }
        let is_other = |(record, loss): (u32, u32)| {
            let is_as_before = loss == before.get(record as usize).copied().unwrap_or(0);
            let is_loss = (1..=LOSS_MAX).contains(&loss);
            match at.noted.get(&record) {
                None => !is_as_before,
                Some(true) => !is_as_before && !is_loss,
                Some(false) => !is_loss,
            }
        };
        if let Some((record, loss)) = (0..).zip(told.iter().copied()).find(|&of| is_other(of)) {
            let what = format!("has the loss {loss} of record {record}, which its steps don't make");
            self.blame(line, FaultKind::Number, what);
        }
    }

    fn hold_validation(&mut self, line: usize, epoch: &Epoch) {
        let records = self.opening.as_ref().map_or(0, |opening| opening.validation_records);
        let asked = self.terms.evaluation_records(records);
        let judged = epoch.evaluated.saturating_add(epoch.evaluation_quarantined);
        if judged != asked {
            let what = format!("judged {judged} validation records, but {asked} were to be judged");
            self.blame(line, FaultKind::Outcome, what);
        }
        if let Some(before) = self.epochs.last()
            && before.evaluation_quarantined != epoch.evaluation_quarantined
        {
            let (told, there) = (epoch.evaluation_quarantined, before.evaluation_quarantined);
            let what =
                format!("could not judge {told} validation records, of which the epoch before could not judge {there}");
            self.blame(line, FaultKind::Outcome, what);
        }
        if !is_share(epoch.accuracy, epoch.evaluated, judged) {
            let told = epoch.accuracy.map_or("none".to_owned(), |accuracy| accuracy.to_string());
            let what = format!("has the accuracy {told}, which no number of right answers in {judged} makes");
            self.blame(line, FaultKind::Number, what);
        }
        if !epoch.valid_loss.is_finite() || (epoch.evaluated == 0 && epoch.valid_loss != 0.0) {
            self.blame(
                line,
                FaultKind::Number,
                format!("has the valid_loss {}, which nothing judged makes", epoch.valid_loss),
            );
        }
    }
}

/// Whether an accuracy is a whole number of right answers, at most `most`, over `judged`.
fn is_share(accuracy: Option<f64>, most: u64, judged: u64) -> bool {
    let Some(accuracy) = accuracy else { return judged == 0 };
    let correct = (accuracy * judged as f64).round();
    judged > 0 && (0.0..=most as f64).contains(&correct) && (correct / judged as f64).to_bits() == accuracy.to_bits()
}
