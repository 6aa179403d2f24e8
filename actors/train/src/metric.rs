//! What an epoch's table and report say of losses and accuracy. Not for gradients: nothing here is differentiated.

use serde::{Deserialize, Serialize};
use tch::Tensor;

/// How many of `logits` `[N, C]` have their largest value at `labels` `[N]`. Waits for the device.
pub fn count_correct(logits: &Tensor, labels: &Tensor) -> u64 {
    let _guard = tch::no_grad_guard();
    let correct = logits.argmax(-1, false).eq_tensor(labels).sum(tch::Kind::Int64);
    correct.int64_value(&[]) as u64
}

/// Running totals of one phase; part of a checkpoint, so that a resumed epoch reports what an uninterrupted one does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Examples that went through the net.
    pub examples: u64,
    /// Examples whose largest logit was their class.
    pub correct: u64,
    /// Sum over examples of the loss.
    pub loss_sum: f64,
    /// Examples that were quarantined: in a validation phase each counts as wrong.
    pub quarantined: u64,
}

impl Tally {
    /// Adds a batch of `examples` with mean loss `loss`, `correct` of them right.
    pub fn add(&mut self, examples: u64, loss: f64, correct: u64) {
        self.examples += examples;
        self.correct += correct;
        self.loss_sum += loss * examples as f64;
    }

    /// Adds examples that could not be read.
    pub fn add_quarantined(&mut self, examples: u64) {
        self.quarantined += examples;
    }

    /// Plain mean of the loss over the examples; `None` before the first.
    pub fn mean_loss(&self) -> Option<f64> {
        (self.examples > 0).then(|| self.loss_sum / self.examples as f64)
    }

    /// Share of right answers, 0–1, quarantined examples counting as wrong; `None` before the first.
    pub fn accuracy(&self) -> Option<f64> {
        let asked = self.examples + self.quarantined;
        (asked > 0).then(|| self.correct as f64 / asked as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_logit_is_the_answer() {
        let logits = Tensor::from_slice(&[0.1, 0.9, 0.3, 2.0, -1.0, 0.0f64]).view([3, 2]);
        assert_eq!(count_correct(&logits, &Tensor::from_slice(&[1i64, 0, 1])), 2);
    }

    #[test]
    fn a_tally_weighs_batches_by_their_size_and_counts_quarantined_examples_as_wrong() {
        let mut tally = Tally::default();
        assert_eq!((tally.mean_loss(), tally.accuracy()), (None, None));
        tally.add(3, 2.0, 3);
        tally.add(1, 6.0, 0);
        assert_eq!((tally.mean_loss(), tally.accuracy()), (Some(3.0), Some(0.75)));
        tally.add_quarantined(2);
        assert_eq!((tally.mean_loss(), tally.accuracy()), (Some(3.0), Some(0.5)));
    }
}
