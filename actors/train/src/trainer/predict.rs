//! What a net makes of every single record: the class it takes it for, how surely, and, where the label is known, how far
//! off it is. Not for scores that count: those are [`evaluate`](super::evaluate)'s, which this agrees with.

use crossbeam_channel::Receiver;
use fastgarden_data::batch::{Batch, RowDigest};
use fastgarden_data::outcome::Use;
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::pipeline::{Pipeline, Taken};
use tch::{Device, Kind, Tensor};

use super::progress::{Command, TrainError};
use super::spec::EvaluationSpec;
use super::step;
use crate::batch_augment::Normalizer;
use crate::net::Net;

/// What is predicted, and how.
pub struct PredictSpec {
    /// Records, views, normalisation and net as in an evaluation.
    pub evaluation: EvaluationSpec,
    /// Whether a record without a label from 0 to classes − 1 is quarantined, as in an evaluation. Test shards have none.
    pub needs_labels: bool,
    /// Whether each picture is judged mirrored as well.
    pub flip: bool,
}

/// What a net made of one record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// Its number in the split.
    pub record: u32,
    /// Its label; −1 where it has none.
    pub label: i64,
    /// The most probable of the data set's classes, though the net may know more.
    pub class: i64,
    /// Its probability, 0–1.
    pub probability: f64,
    /// Whether the label is the most probable of *all* of the net's classes: what accuracy counts.
    pub is_right: bool,
    /// Negative logarithm of the label's probability: plain cross-entropy. NaN without a label.
    pub loss: f64,
}

/// What was made of the usable rows of one batch, in plan order.
pub struct Guessed<'a> {
    /// Pixels and quarantined rows.
    pub batch: &'a Batch,
    /// Without mirroring.
    pub plain: &'a [Guess],
    /// By the mean of the probabilities of the picture and its mirror image, where that was asked for.
    pub flipped: Option<&'a [Guess]>,
}

impl PredictSpec {
    /// The phase: every record in the order of the split.
    pub fn phase(&self) -> PhaseSpec {
        let phase = self.evaluation.phase();
        PhaseSpec { classes: phase.classes.filter(|_| self.needs_labels), ..phase }
    }
}

/// Goes through every record. `None` when a command to stop came first.
pub fn predict(
    net: &dyn Net,
    spec: &PredictSpec,
    pipeline: &Pipeline,
    device: Device,
    channels_last: bool,
    commands: &Receiver<Command>,
    mut told: impl FnMut(&Guessed<'_>),
) -> Result<Option<()>, TrainError> {
    let phase = spec.phase();
    let plan = std::sync::Arc::clone(&phase.plan);
    let normalizer = Normalizer::new(spec.evaluation.normalize, device);
    let mut batches = pipeline.open(phase)?;
    loop {
        let mut batch = match batches.next_unless(commands) {
            Taken::Command(Command::Stop) => return Ok(None),
            Taken::End => break,
            Taken::Batch(batch) => batch?,
        };
        let usable = batch.digests().iter().filter(|row| row.label != RowDigest::QUARANTINED);
        let records: Vec<u32> = usable.map(|row| plan.ticket(row.seq).records.first()).collect();
        let (mut plain, mut flipped) = (Vec::new(), spec.flip.then(Vec::new));
        if !batch.is_empty() {
            let _guard = tch::no_grad_guard();
            let (views, _) = step::to_device(&batch, device, channels_last);
            let views: Vec<_> = views.into_iter().map(|view| normalizer.apply(view)).collect();
            let probabilities = probabilities(net, spec, &views);
            plain = guesses(&probabilities, &records, batch.labels(), spec.evaluation.split.classes);
            if spec.flip {
                let mirrored: Vec<_> = views.iter().map(|view| view.flip([-1_i64].as_slice())).collect();
                let mean = (probabilities + self::probabilities(net, spec, &mirrored)) / 2.0;
                flipped = Some(guesses(&mean, &records, batch.labels(), spec.evaluation.split.classes));
            }
        }
        told(&Guessed { batch: &batch, plain: &plain, flipped: flipped.as_deref() });
        batch.settle(Use::Evaluated);
    }
    batches.finish()?;
    Ok(Some(()))
}

/// `[N, C]` float32.
fn probabilities(net: &dyn Net, spec: &PredictSpec, views: &[Tensor]) -> Tensor {
    let heads = net.forward(views, false);
    spec.evaluation.objective.logits(&heads).to_kind(Kind::Float).softmax(-1, Kind::Float)
}

/// One guess a row of `probabilities` `[N, C]`; `classes` is how many the data set has.
fn guesses(probabilities: &Tensor, records: &[u32], labels: &[i64], classes: i64) -> Vec<Guess> {
    let outputs = probabilities.size()[1];
    let (_, of_all) = probabilities.max_dim(-1, false);
    let (probability, class) = probabilities.narrow(1, 0, outputs.min(classes)).max_dim(-1, false);
    // A label beyond the outputs has no probability; its loss is set below.
    let known = Tensor::from_slice(labels).clamp(0, outputs - 1).to_device(probabilities.device());
    let of_label = probabilities.gather(1, &known.unsqueeze(1), false).squeeze_dim(1);
    let whole =
        |tensor: Tensor| Vec::<i64>::try_from(tensor.to_device(Device::Cpu)).expect("a row of int64 can be copied");
    let real =
        |tensor: Tensor| Vec::<f32>::try_from(tensor.to_device(Device::Cpu)).expect("a row of float32 can be copied");
    let (of_all, class, probability, of_label) = (whole(of_all), whole(class), real(probability), real(of_label));
    let guess = |row: usize| {
        let label = labels[row];
        let loss = match label {
            ..0 => f64::NAN,
            label if label >= outputs => f64::INFINITY,
            _ => -f64::from(of_label[row]).ln(),
        };
        let (record, class, probability) = (records[row], class[row], f64::from(probability[row]));
        Guess { record, label, class, probability, is_right: of_all[row] == label, loss }
    };
    (0..labels.len()).map(guess).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_stay_within_the_data_sets_classes_while_accuracy_counts_all_outputs() {
        let probabilities = Tensor::from_slice(&[0.1f32, 0.3, 0.6, 0.7, 0.2, 0.1, 0.25, 0.5, 0.25]).view([3, 3]);
        let found = guesses(&probabilities, &[4, 5, 6], &[1, 0, -1], 2);
        let seen: Vec<_> = found.iter().map(|guess| (guess.record, guess.class, guess.is_right)).collect();
        assert_eq!(seen, [(4, 1, false), (5, 0, true), (6, 1, false)]);
        assert!((found[1].loss - -f64::from(0.7f32).ln()).abs() < 1e-9, "{found:?}");
        assert!(found[2].loss.is_nan() && (found[0].probability - 0.3).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn a_label_that_the_net_does_not_know_is_as_wrong_as_can_be() {
        let probabilities = Tensor::from_slice(&[0.5f32, 0.5]).view([1, 2]);
        let found = guesses(&probabilities, &[0], &[7], 9);
        assert!(found[0].loss.is_infinite() && !found[0].is_right && found[0].class < 2);
    }
}
