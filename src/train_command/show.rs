//! The trainer's events on the screen.
//! Not here: how a bar or a table looks.

use std::time::Instant;

use crossbeam_channel::Receiver;
use fastgarden_proto::observe::Cache;
use fastgarden_train::trainer::{EpochRecord, Event};

use crate::epoch_table::EpochRow;
use crate::progress::{Figures, Progress};
use crate::rules::grouped;
use crate::telemetry::Telemetry;

/// Quarantined records that are told one by one.
const TOLD_MAX: u64 = 10;

struct Screen<'a> {
    telemetry: &'a mut Telemetry,
    begun: Instant,
    done_before: u64,
    quarantined: u64,
    is_cache_told: bool,
}

/// Shows events until there are no more.
pub fn until_the_end(
    events: &Receiver<Event>,
    telemetry: &mut Telemetry,
    progress: &mut Progress,
    (run, runs): (usize, usize),
    epochs: u32,
) {
    let mut screen = Screen { telemetry, begun: Instant::now(), done_before: 0, quarantined: 0, is_cache_told: false };
    for event in events {
        screen.telemetry.hear(&event);
        match event {
            Event::Resumed { step, discarded } => progress.note(&resumed(step, discarded)),
            Event::Phase { epoch, trains, done, total } => {
                progress.start_phase(run, runs, epoch, epochs, if trains { "train" } else { "validate" }, total);
                (screen.begun, screen.done_before) = (Instant::now(), done);
            }
            Event::Batch { done, loss, .. } => screen.show(progress, done, loss),
            Event::Quarantined { what } => {
                screen.quarantined += 1;
                match screen.quarantined {
                    1..=TOLD_MAX => progress.note(&format!("quarantined {what}")),
                    number if number == TOLD_MAX + 1 => progress.note("more quarantined records: see quarantine.jsonl"),
                    _ => {}
                }
            }
            Event::Epoch(record) => {
                progress.epoch_done(&row(&record));
                if let Some(verdict) = screen.telemetry.live().verdict() {
                    progress.note(&format!("epoch {}: {}", record.epoch, verdict.sentence));
                }
                screen.tell_of_cache_once(progress);
            }
        }
    }
}

fn resumed(step: u64, discarded: u64) -> String {
    match discarded {
        0 => format!("resumed at step {}", grouped(step)),
        _ => format!(
            "resumed at step {}; {} later steps had not been saved and are made again",
            grouped(step),
            grouped(discarded)
        ),
    }
}

/// What a cache holds: "cache decoded: 12,753 records in 1.8 of 11.2 GiB".
pub fn cache_sentence(cache: &Cache) -> String {
    let gib = |bytes: u64| bytes as f64 / (1u64 << 30) as f64;
    let (mode, records) = (&cache.mode, grouped(cache.records));
    let mut text =
        format!("cache {mode}: {records} records in {:.2} of {:.2} GiB", gib(cache.bytes), gib(cache.budget_bytes));
    if cache.full {
        text += "; it is full, and the other records are read again each epoch (execution.cache_bytes)";
    }
    text
}

impl Screen<'_> {
    /// After the first epoch the cache is as full as it gets.
    fn tell_of_cache_once(&mut self, progress: &Progress) {
        if std::mem::replace(&mut self.is_cache_told, true) {
            return;
        }
        if let Some(cache) = self.telemetry.live().cache() {
            progress.note(&cache_sentence(&cache));
        }
    }

    /// Images a second of this phase, and who waits for whom.
    fn show(&self, progress: &mut Progress, done: u64, loss: Option<f64>) {
        let now = self.telemetry.live().now();
        let rate = done.saturating_sub(self.done_before) as f64 / self.begun.elapsed().as_secs_f64().max(1e-9);
        let input_wait_share = now.trainer.as_ref().map(|trainer| trainer.input_wait_share);
        let bottleneck = &now.bottleneck;
        progress.update(&Figures { done_examples: done, loss, images_per_s: rate, input_wait_share, bottleneck });
    }
}

fn row(record: &EpochRecord) -> EpochRow {
    EpochRow {
        epoch: record.epoch,
        train_loss: Some(record.train_loss),
        valid_loss: record.valid_loss,
        accuracy: record.accuracy,
        images_per_s: Some(record.images_per_s),
        input_wait_share: Some(record.input_wait_share),
        seconds: record.seconds,
    }
}
