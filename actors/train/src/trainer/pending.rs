//! Steps that are made but not yet known: their losses and flags lie on the device and are fetched together, so that the
//! processor never waits for a device in every step. Not here: what is written down of a step (see `course`).

use fastgarden_data::batch::Batch;
use tch::{Kind, Tensor};

use super::step::Launched;

/// A batch that was consumed, in the order of the plan. Its pixels have left already.
pub struct Pending {
    /// Tickets, labels, digests.
    pub batch: Batch,
    /// Number of the step, from 1.
    pub step: u64,
    /// What it came to; `None` where the batch was too small for a step.
    pub launched: Option<Launched>,
}

/// What a step came to, on the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// Its loss; `None` where there was no step.
    pub loss: Option<f64>,
    /// Whether the optimiser made it.
    pub applied: bool,
}

/// All of them at once: one copy from the device, one wait for it.
pub fn fetch(pending: &[Pending]) -> Vec<Known> {
    let launched = || pending.iter().filter_map(|step| step.launched.as_ref());
    let flags = launched().filter_map(|launched| launched.applied.as_ref());
    let numbers: Vec<Tensor> =
        launched().map(|launched| &launched.loss).chain(flags).map(|number| number.to_kind(Kind::Float)).collect();
    if numbers.is_empty() {
        return pending.iter().map(|_| Known { loss: None, applied: false }).collect();
    }
    let numbers = Vec::<f32>::try_from(Tensor::stack(&numbers, 0)).expect("a row of float32 can be copied to memory");
    let (losses, flags) = numbers.split_at(launched().count());
    let (mut losses, mut flags) = (losses.iter(), flags.iter());
    let mut next = |launched: &Launched| Known {
        loss: losses.next().map(|&loss| f64::from(loss)),
        applied: launched.applied.is_none() || flags.next() == Some(&1.0),
    };
    let known = |step: &Pending| step.launched.as_ref().map_or(Known { loss: None, applied: false }, &mut next);
    pending.iter().map(known).collect()
}
