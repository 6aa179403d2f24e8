//! Steps that are made but not yet known: their losses and flags lie on the device and are fetched together, so that the
//! processor doesn't wait for the device in every step; only then are ledger lines, outcomes and events made, in order.
//! Not here: when to look at the device (see `course`).

use fastgarden_data::batch::Batch;
use fastgarden_data::outcome::Use;
use fastgarden_proto::ledger::line::Line;
use fastgarden_proto::ledger::{Quarantine, Step};
use tch::{Kind, Tensor};

use super::course::Course;
use super::progress::{Event, Stepped, TrainError};
use super::step::Launched;

/// From its start, a scale that is halved this often leaves nothing of a float16 gradient.
const SKIPPED_IN_A_ROW_MAX: u64 = 40;

/// A batch that was consumed, in the order of the plan. Its pixels have left already.
pub struct Pending {
    /// Tickets, labels, digests.
    pub batch: Batch,
    /// Number of the step, from 1.
    pub step: u64,
    /// Its learning rate.
    pub lr: f64,
    /// What it came to; `None` where the batch was too small for a step.
    pub launched: Option<Launched>,
}

/// What a step came to, on the host.
#[derive(Clone, Debug, Default, PartialEq)]
struct Known {
    /// Its loss; `None` where there was no step.
    loss: Option<f64>,
    /// Whether the optimiser made it.
    applied: bool,
    /// The loss of each usable row, where they are kept.
    losses: Vec<f32>,
}

/// All of them at once: one copy from the device, one wait for it.
fn fetch(pending: &[Pending]) -> Vec<Known> {
    let of_step = |launched: &'_ Launched| {
        let numbers = [Some(&launched.loss), launched.applied.as_ref(), launched.losses.as_ref()];
        numbers.into_iter().flatten().map(|number| number.to_kind(Kind::Float).view([-1])).collect::<Vec<_>>()
    };
    let numbers: Vec<Tensor> = pending.iter().filter_map(|step| step.launched.as_ref()).flat_map(of_step).collect();
    if numbers.is_empty() {
        return pending.iter().map(|_| Known::default()).collect();
    }
    let numbers = Vec::<f32>::try_from(Tensor::cat(&numbers, 0)).expect("a row of float32 can be copied to memory");
    let mut numbers = numbers.into_iter();
    let mut next = |launched: &Launched| Known {
        loss: numbers.next().map(f64::from),
        applied: launched.applied.is_none() || numbers.next() == Some(1.0),
        losses: numbers.by_ref().take(launched.losses.as_ref().map_or(0, Tensor::numel)).collect(),
    };
    pending.iter().map(|step| step.launched.as_ref().map_or_else(Known::default, &mut next)).collect()
}

impl Course<'_> {
    /// Waits for all steps made so far, and writes down what they came to, in order.
    pub(super) fn catch_up(&mut self) -> Result<(), TrainError> {
        let pending = std::mem::take(&mut self.pending);
        let known = fetch(&pending);
        for (step, known) in pending.into_iter().zip(known) {
            self.write_down(step, known)?;
        }
        Ok(())
    }

    /// Tally, ledger line, outcomes, events of one step.
    fn write_down(&mut self, step: Pending, known: Known) -> Result<(), TrainError> {
        let Pending { mut batch, step, lr, .. } = step;
        self.refuse_divergence(step, &known)?;
        // A skipped step's loss may have overflowed, which is no number for a ledger.
        let loss = known.loss.filter(|loss| loss.is_finite());
        let stage = &self.spec.stages[self.state.progress.cursor.stage];
        self.state.batch_hash.update(batch.digests(), stage.views.len());
        self.count(&batch, loss);
        if let Some(split) = self.losses_of {
            self.state.record_losses.note(split, stage.train.index.len(), batch.tickets(), &known.losses);
        }
        let (seqs, quarantined) = (batch.seqs(), batch.quarantined());
        let words = self.state.note_quarantined("train", &stage.train.index, quarantined)?;
        let line = Step {
            epoch: self.state.progress.cursor.epoch,
            step,
            seq_from: seqs.start,
            seq_to: seqs.end,
            batch_hash: self.state.batch_hash.hex(),
            loss,
            applied: known.applied,
            quarantined: quarantined
                .iter()
                .map(|row| Quarantine { seq: row.seq, reason: row.kind.name().to_owned() })
                .collect(),
        };
        self.state.append(Line::Step(line))?;
        batch.settle(Use::Trained);
        words.into_iter().for_each(|what| self.tell(Event::Quarantined { what }));
        let stepped = Stepped { number: step, lr, peak_device_bytes: self.memory.peak_bytes() };
        self.tell(Event::Batch { done: seqs.end, loss, examples: batch.len() as u64, step: Some(stepped) });
        Ok(())
    }

    /// A step that was made with a loss that is no number has spoilt the weights; steps that are skipped again and again
    /// will never be made.
    fn refuse_divergence(&mut self, step: u64, known: &Known) -> Result<(), TrainError> {
        let Some(loss) = known.loss else {
            self.state.progress.tally.skipped += 1;
            return Ok(());
        };
        if known.applied && !loss.is_finite() {
            return Err(TrainError::Diverged { step, loss });
        }
        let progress = &mut self.state.progress;
        progress.skipped_in_a_row = if known.applied { 0 } else { progress.skipped_in_a_row + 1 };
        progress.tally.skipped += u64::from(!known.applied);
        if progress.skipped_in_a_row >= SKIPPED_IN_A_ROW_MAX {
            return Err(TrainError::Overflows { step, skipped: SKIPPED_IN_A_ROW_MAX });
        }
        Ok(())
    }

    fn count(&mut self, batch: &Batch, loss: Option<f64>) {
        let tally = &mut self.state.progress.tally;
        tally.trained += batch.len() as u64;
        tally.quarantined += batch.quarantined().len() as u64;
        if let Some(loss) = loss {
            tally.losses += 1;
            tally.loss_sum += loss;
        }
        for &label in batch.labels() {
            tally.class_histogram[label as usize] += 1;
        }
    }
}
