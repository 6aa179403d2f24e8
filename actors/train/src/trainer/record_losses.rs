//! What each record's loss was when it was last trained on: what the sampler `hard` draws the next epoch by.
//! Not here: drawing (the data crate's `sampler`).
//!
//! Losses are whole thousandths, in the ledger as in a checkpoint, so that everybody who has the ledger draws the same plan.

use std::collections::{BTreeMap, HashMap};

use fastgarden_data::ticket::Ticket;
use fastgarden_proto::ledger::Epoch;
use tch::Tensor;

use super::spec::TrainSpec;

/// The least that a known loss is: 0 stands for none.
const THOUSANDTHS_MIN: f32 = 1.0;
/// The most: a loss of 1,000.
const THOUSANDTHS_MAX: f32 = 1e6;

/// Losses of the records of every split that a run trains on, each split by the number of the first stage that does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RecordLosses {
    /// In thousandths, by record, 0 where there is none yet.
    now: BTreeMap<usize, Vec<u32>>,
    /// What they were in the ledger's last line with losses of that split: what plans go by.
    told: BTreeMap<usize, Vec<u32>>,
}

impl RecordLosses {
    /// Notes the losses of tickets of a split of so many `records`. One that is no number, as of a step that overflowed, says
    /// nothing of its record.
    pub fn note(&mut self, split: usize, records: u32, tickets: impl Iterator<Item = Ticket>, losses: &[f32]) {
        let now = self.now.entry(split).or_default();
        now.resize(records as usize, 0);
        for (ticket, &loss) in tickets.zip(losses).filter(|(_, loss)| loss.is_finite()) {
            // A ticket of several records has one loss for all of them, which is nobody's.
            if let [record] = ticket.records.all() {
                now[*record as usize] = (loss * 1e3).round().clamp(THOUSANDTHS_MIN, THOUSANDTHS_MAX) as u32;
            }
        }
    }

    /// What a plan goes by; empty before any epoch told losses of its split.
    pub fn told(&self, split: usize) -> &[u32] {
        self.told.get(&split).map(Vec::as_slice).unwrap_or_default()
    }

    /// What they are now, for an epoch's line: from now on plans go by it.
    pub fn tell(&mut self, split: usize) -> Vec<u32> {
        let losses = self.now.get(&split).cloned().unwrap_or_default();
        if !losses.is_empty() {
            self.told.insert(split, losses.clone());
        }
        losses
    }

    /// For a checkpoint; what was told stands in the ledger.
    pub fn save(&self) -> Vec<(String, Tensor)> {
        let tensor = |losses: &Vec<u32>| {
            let values: Vec<i64> = losses.iter().map(|&loss| i64::from(loss)).collect();
            Tensor::from_slice(&values)
        };
        self.now.iter().map(|(split, losses)| (split.to_string(), tensor(losses))).collect()
    }

    /// From a checkpoint's section and the epochs of the ledger up to it; `None` if the section holds something else.
    pub fn load(spec: &TrainSpec, section: &HashMap<String, Tensor>, epochs: &[Epoch]) -> Option<Self> {
        let mut losses = Self::default();
        for (split, tensor) in section {
            let values = Vec::<i64>::try_from(tensor).ok()?;
            let values = values.into_iter().map(|value| u32::try_from(value).ok()).collect::<Option<_>>()?;
            losses.now.insert(split.parse().ok()?, values);
        }
        let stages = spec.stages.iter().enumerate();
        let stage_of_epoch = stages.flat_map(|(number, stage)| (0..stage.epochs).map(move |_| number));
        for (epoch, stage) in epochs.iter().zip(stage_of_epoch).filter(|(epoch, _)| !epoch.losses.is_empty()) {
            losses.told.insert(spec.split_of(stage), epoch.losses.clone());
        }
        Some(losses)
    }
}

#[cfg(test)]
mod tests {
    use fastgarden_data::ticket::Records;

    use super::*;

    fn tickets<const N: usize>(records: [&[u32]; N]) -> impl Iterator<Item = Ticket> {
        (0..).zip(records).map(|(seq, records)| Ticket { seq, records: Records::of(records) })
    }

    #[test]
    fn the_last_loss_of_a_record_counts_and_what_is_no_loss_of_one_record_does_not() {
        let mut losses = RecordLosses::default();
        losses.note(0, 5, tickets([&[3], &[0], &[3]]), &[4.0, 1.2346, 2.5]);
        assert!(losses.told(0).is_empty(), "nothing is told yet");
        assert_eq!(losses.tell(0), [1235, 0, 0, 2500, 0]);
        losses.note(0, 5, tickets([&[0], &[1, 2], &[4], &[2]]), &[f32::NAN, 7.0, 1e9, 0.0]);
        assert_eq!(losses.told(0), [1235, 0, 0, 2500, 0]);
        assert_eq!(losses.tell(0), [1235, 0, 1, 2500, 1_000_000]);
        assert_eq!(losses.told(0), [1235, 0, 1, 2500, 1_000_000]);
    }

    #[test]
    fn splits_have_losses_of_their_own() {
        let mut losses = RecordLosses::default();
        losses.note(0, 2, tickets([&[0]]), &[1.0]);
        losses.note(3, 3, tickets([&[2]]), &[2.0]);
        assert_eq!((losses.tell(0), losses.tell(3), losses.tell(1)), (vec![1000, 0], vec![0, 0, 2000], Vec::new()));
        let saved: BTreeMap<String, Vec<i64>> = losses
            .save()
            .into_iter()
            .map(|(name, tensor)| (name, Vec::try_from(&tensor).expect("whole numbers")))
            .collect();
        assert_eq!(saved, BTreeMap::from([("0".to_owned(), vec![1000, 0]), ("3".to_owned(), vec![0, 0, 2000])]));
    }
}
