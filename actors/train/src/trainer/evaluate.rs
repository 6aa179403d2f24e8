//! A validation phase: the same actors, the net in evaluation mode, every record judged or counted as wrong.
//! Not here: reports.

use crossbeam_channel::Receiver;
use fastgarden_data::outcome::Use;
use fastgarden_data::pipeline::{Pipeline, Taken};
use tch::Device;

use super::progress::{Command, TrainError};
use super::spec::EvaluationSpec;
use super::step;
use crate::batch_augment::Normalizer;
use crate::metric::Tally;
use crate::net::Net;

/// Judges every record of the evaluation. `None` when a command to stop came first.
///
/// `told` hears of each batch: tickets done, and the quarantined rows in words.
pub fn evaluate(
    net: &dyn Net,
    spec: &EvaluationSpec,
    pipeline: &Pipeline,
    device: Device,
    channels_last: bool,
    commands: &Receiver<Command>,
    mut told: impl FnMut(u64, &fastgarden_data::batch::Batch) -> Result<(), TrainError>,
) -> Result<Option<Tally>, TrainError> {
    let mut tally = Tally::default();
    let mut batches = pipeline.open(spec.phase())?;
    let normalizer = Normalizer::new(spec.normalize, device);
    let mut done = 0;
    loop {
        let mut batch = match batches.next_unless(commands) {
            Taken::Command(Command::Stop) => return Ok(None),
            Taken::End => break,
            Taken::Batch(batch) => batch?,
        };
        if !batch.is_empty() {
            let (views, labels) = step::to_device(&batch, device, channels_last);
            batch.release_pixels();
            let views: Vec<_> = views.into_iter().map(|view| normalizer.apply(view)).collect();
            let label = labels.into_iter().next().expect("a batch has the labels of its first view");
            let (loss, correct) = step::judge(net, &*spec.objective, &views, label);
            tally.add(batch.len() as u64, loss, correct);
        }
        tally.add_quarantined(batch.quarantined().len() as u64);
        batch.settle(Use::Evaluated);
        done += batch.digests().len() as u64;
        told(done, &batch)?;
    }
    let counted = batches.finish()?;
    assert_eq!((counted.evaluated, counted.quarantined), (tally.examples, tally.quarantined), "both sides count alike");
    Ok(Some(tally))
}
