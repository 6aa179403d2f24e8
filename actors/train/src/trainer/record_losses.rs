//! What each record's loss was when it was last trained on: what the sampler `hard` draws the next epoch by.
//! Not here: drawing (the data crate's `sampler`).
//!
//! Losses are whole thousandths, in the ledger as in a checkpoint, so that everybody who has the ledger draws the same plan.

use std::collections::HashMap;

use fastgarden_data::ticket::Ticket;
use tch::Tensor;

/// The least that a known loss is: 0 stands for none.
const THOUSANDTHS_MIN: f32 = 1.0;
/// The most: a loss of 1,000.
const THOUSANDTHS_MAX: f32 = 1e6;
/// Name of the tensor in a checkpoint's section.
const NAME: &str = "thousandths";

/// Loss of every record of a split in thousandths, 0 where there is none yet; empty before the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RecordLosses(Vec<u32>);

impl RecordLosses {
    /// All of them, by the record's number.
    pub fn thousandths(&self) -> &[u32] {
        &self.0
    }

    /// Notes the losses of tickets of a split of so many `records`. One that is no number, as of a step that overflowed, says
    /// nothing of its record.
    pub fn note(&mut self, records: u32, tickets: impl Iterator<Item = Ticket>, losses: &[f32]) {
        self.0.resize(records as usize, 0);
        for (ticket, &loss) in tickets.zip(losses).filter(|(_, loss)| loss.is_finite()) {
            // A ticket of several records has one loss for all of them, which is nobody's.
            if let [record] = ticket.records.all() {
                self.0[*record as usize] = (loss * 1e3).round().clamp(THOUSANDTHS_MIN, THOUSANDTHS_MAX) as u32;
            }
        }
    }

    /// Forgets everything: other records come.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// For a checkpoint; nothing where there are none.
    pub fn save(&self) -> Vec<(String, Tensor)> {
        let values: Vec<i64> = self.0.iter().map(|&value| i64::from(value)).collect();
        if values.is_empty() { Vec::new() } else { vec![(NAME.to_owned(), Tensor::from_slice(&values))] }
    }

    /// From a checkpoint's section; `None` if it holds something else.
    pub fn load(section: &HashMap<String, Tensor>) -> Option<Self> {
        let Some(tensor) = section.get(NAME) else { return Some(Self::default()) };
        let values = Vec::<i64>::try_from(tensor).ok()?;
        values.into_iter().map(|value| u32::try_from(value).ok()).collect::<Option<_>>().map(Self)
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
        losses.note(5, tickets([&[3], &[0], &[3]]), &[4.0, 1.2346, 2.5]);
        assert_eq!(losses.thousandths(), [1235, 0, 0, 2500, 0]);
        losses.note(5, tickets([&[0], &[1, 2], &[4], &[2]]), &[f32::NAN, 7.0, 0.0, 1e9]);
        assert_eq!(losses.thousandths(), [1235, 0, 1_000_000, 2500, 1]);
    }

    #[test]
    fn a_checkpoint_gives_back_what_it_was_given() {
        let mut losses = RecordLosses::default();
        let loaded = |saved: Vec<(String, Tensor)>| RecordLosses::load(&saved.into_iter().collect());
        assert_eq!(loaded(losses.save()), Some(RecordLosses::default()));
        losses.note(3, tickets([&[1]]), &[0.25]);
        assert_eq!(loaded(losses.save()), Some(losses));
        assert_eq!(loaded(vec![(NAME.to_owned(), Tensor::from_slice(&[-1i64]))]), None);
    }
}
