//! The losses that records had when they were last trained on: what a sampler that goes by losses draws from.
//! Made from plans and ledger lines alone, by the trainer as by the referee, so that both draw the same.
//! Not here: the sampler.

use fastgarden_proto::ledger::Step;

use crate::plan::Plan;

/// A loss as a ledger keeps it: thousandths, at least 1.
pub fn thousandths(loss: f64) -> u32 {
    // A loss that is no number casts to 0.
    ((loss * 1_000.0).round() as u32).max(1)
}

/// Loss of every record of one split, in thousandths; 0 where there is none yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowLosses(Vec<u32>);

impl RowLosses {
    /// Takes in a step of the epoch that `plan` is of. A ticket of several records speaks for its first.
    pub fn take_in(&mut self, plan: &Plan, step: &Step) {
        let is_good = |seq: &u64| !step.quarantined.iter().any(|row| row.seq == *seq);
        let seqs = (step.seq_from..step.seq_to.min(plan.tickets())).filter(is_good);
        for (seq, &loss) in seqs.zip(&step.row_losses) {
            let record = plan.ticket(seq).record as usize;
            if self.0.len() <= record {
                self.0.resize(record + 1, 0);
            }
            self.0[record] = loss;
        }
    }

    /// By record; those at the end that have none may be left out.
    pub fn by_record(&self) -> &[u32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use fastgarden_proto::ledger::Quarantine;

    use super::*;
    use crate::sampler::Sampler;

    #[test]
    fn each_trained_record_has_its_last_loss() {
        let plan = Plan::new(Sampler::Sequential, 8, 1, 1, None);
        let mut losses = RowLosses::default();
        let bad = vec![Quarantine { seq: 3, reason: "not_an_image".to_owned() }];
        let step = Step { seq_from: 2, seq_to: 6, row_losses: vec![7, 8, 9], quarantined: bad, ..Step::default() };
        losses.take_in(&plan, &step);
        assert_eq!(losses.by_record(), [0, 0, 7, 0, 8, 9]);
        losses.take_in(&plan, &Step { row_losses: vec![1], quarantined: Vec::new(), ..step });
        assert_eq!(losses.by_record(), [0, 0, 1, 0, 8, 9]);
    }

    #[test]
    fn a_loss_is_at_least_a_thousandth() {
        assert_eq!([0.0, 0.0004, 1.2345, -2.0, f64::NAN, f64::INFINITY].map(thousandths), [1, 1, 1_235, 1, 1, u32::MAX]);
    }
}
