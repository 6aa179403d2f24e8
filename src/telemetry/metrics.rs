//! `--metrics ADDR`: the series in Prometheus' text format, made anew for each scrape. Names are written down in
//! docs/metrics.md.
//! Not here: serving it (see `server`).

use std::fmt;
use std::sync::Arc;

use fastgarden_data::observe::service;
use fastgarden_proto::observe::{Moment, Snapshot, Stage};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::live::{Heard, Live};

/// In front of every name.
const PREFIX: &str = "fastgarden";
/// What a scraper is told that it gets.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything, as text.
pub fn text(live: &Arc<Live>) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Scrape(Arc::clone(live))));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("writing to a String never fails");
    text
}

struct Scrape(Arc<Live>);

impl fmt::Debug for Scrape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (heard, totals) = self.0.totals();
        let mut out = Out(encoder);
        out.series(&heard, &totals)?;
        out.stages(&totals)?;
        out.now(&self.0.now())
    }
}

/// Writes families of metrics.
struct Out<'a>(DescriptorEncoder<'a>);

type Labels = [(&'static str, String)];

impl Out<'_> {
    fn series(&mut self, heard: &Heard, totals: &Snapshot) -> fmt::Result {
        self.count("examples_trained", "Examples trained on", None, heard.trained)?;
        self.count("examples_evaluated", "Examples judged in validation", None, heard.evaluated)?;
        self.count("steps", "Training steps made", None, heard.steps)?;
        self.count("epochs", "Epochs ended", None, heard.epochs)?;
        let reasons = totals.quarantined.iter().map(|reason| ("reason", reason.name.clone(), reason.tickets as f64));
        self.counters("examples_quarantined", "Examples that could not be used, by reason", None, reasons)?;
        let seconds = Some(&Unit::Seconds);
        self.count_f64("trainer_wait", "Time the trainer waited for batches", seconds, totals.consumer_wait_s)?;
        self.count_f64("trainer_busy", "Time the trainer did anything else", seconds, totals.consumer_busy_s)
    }

    fn stages(&mut self, totals: &Snapshot) -> fmt::Result {
        let seconds = Some(&Unit::Seconds);
        let each = |value: fn(&Stage) -> f64| {
            totals.stages.iter().map(move |stage| ("stage", stage.name.clone(), value(stage)))
        };
        self.counters("stage_busy", "Time the workers of a stage worked", seconds, each(|stage| stage.busy_s))?;
        let help = "Time the workers of a stage waited for something to do";
        self.counters("stage_wait_input", help, seconds, each(|stage| stage.wait_input_s))?;
        let help = "Time the workers of a stage waited for room to put results in";
        self.counters("stage_wait_output", help, seconds, each(|stage| stage.wait_output_s))?;
        self.counters("stage_examples", "Examples a stage handled", None, each(|stage| stage.tickets as f64))?;
        let help = "Bytes a stage handled";
        self.counters("stage_handled", help, Some(&Unit::Bytes), each(|stage| stage.bytes as f64))?;
        let help = "Workers that were rebuilt after a panic";
        self.counters("stage_restarts", help, None, each(|stage| stage.restarts as f64))?;
        self.gauges("stage_workers", "Workers of a stage's own pool", None, each(|stage| f64::from(stage.workers)))?;
        let help = "Workers that live";
        self.gauges("stage_workers_alive", help, None, each(|stage| f64::from(stage.workers_alive)))?;
        self.service_times(totals)
    }

    fn service_times(&mut self, totals: &Snapshot) -> fmt::Result {
        let help = "Time that the work on a chunk of up to 16 examples took (sequence: on a batch)";
        let mut family =
            self.0.encode_descriptor("stage_service", help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for stage in &totals.stages {
            let counts = &stage.service_counts;
            let count = |class: usize| counts.get(class).copied().unwrap_or(0);
            // Every second class is fine enough for a dashboard, and always the same ones; the last has no bound.
            let bounds = (1..service::CLASSES).step_by(2);
            let bounded = bounds.map(|class| (service::bound_s(class), count(class - 1) + count(class)));
            let buckets: Vec<_> = bounded.chain([(f64::INFINITY, count(service::CLASSES - 1))]).collect();
            let labels: &Labels = &[("stage", stage.name.clone())];
            let mut metric = family.encode_family(&labels)?;
            metric.encode_histogram::<NoLabelSet>(stage.busy_s, counts.iter().sum(), &buckets, None)?;
        }
        Ok(())
    }

    fn now(&mut self, moment: &Moment) -> fmt::Result {
        let readiness = moment.stages.iter().map(|stage| ("stage", stage.name.clone(), stage.readiness));
        let help = "Share of the last seconds that a stage's input queue held something";
        self.gauges("stage_readiness", help, Some(&Unit::Ratios), readiness)?;
        let names = ["read", "decode", "augment", "sequence", "trainer", "balanced"];
        let limits = names.map(|name| ("bottleneck", name.to_owned(), f64::from(u8::from(moment.bottleneck == name))));
        self.gauges("bottleneck", "1 for what limits now", None, limits.into_iter())?;
        let help = "Share of the last seconds that the batch channel held a batch";
        self.gauge("batch_readiness", help, Some(&Unit::Ratios), Some(moment.batch_readiness))?;
        if let Some(trainer) = &moment.trainer {
            self.gauge("images_per_second", "Examples a second, lately", None, Some(trainer.images_per_s))?;
            let help = "Share of the last seconds that the trainer waited for a batch";
            self.gauge("trainer_wait", help, Some(&Unit::Ratios), Some(trainer.input_wait_share))?;
            self.gauge("train_loss", "Loss of the last step", None, trainer.loss)?;
            self.gauge("learning_rate", "Learning rate of the last step", None, trainer.lr)?;
            let help = "Share of validation examples judged right by the last validation";
            self.gauge("validation_accuracy", help, Some(&Unit::Ratios), trainer.accuracy)?;
            let help = "The most that the run was seen to take of its device's memory";
            let bytes = trainer.peak_device_bytes.map(|bytes| bytes as f64);
            self.gauge("peak_device_memory", help, Some(&Unit::Bytes), bytes)?;
        }
        if let Some(place) = &moment.place {
            self.gauge("run", "Number of the run, from 1", None, Some(f64::from(place.run)))?;
            self.gauge("epoch", "Epoch over the lineage, from 1", None, Some(f64::from(place.epoch)))?;
        }
        if let Some(count) = &moment.count {
            self.gauge("credits_free", "Rows that may be issued", None, Some(count.credits_free as f64))?;
            self.gauge("credits_in_slabs", "Rows in slabs", None, Some(count.credits_in_slabs as f64))?;
        }
        let Some(held) = &moment.held else { return Ok(()) };
        let bytes = Some(&Unit::Bytes);
        self.gauge("slabs", "Memory of the batches", bytes, Some(held.slab_bytes as f64))?;
        self.gauge("encoded", "Encoded images under way", bytes, Some(held.encoded_bytes as f64))?;
        self.gauge("cache", "Memory of the cache", bytes, held.cache_bytes.map(|bytes| bytes as f64))?;
        let help = "Resident memory of the process";
        self.gauge("resident_memory", help, bytes, held.resident_bytes.map(|bytes| bytes as f64))
    }

    fn count(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn count_f64(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        values: impl Iterator<Item = (&'static str, String, f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        for (label, of, value) in values {
            let labels: &Labels = &[(label, of)];
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    /// Nothing where there is no value.
    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: Option<f64>) -> fmt::Result {
        let Some(value) = value else { return Ok(()) };
        self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        values: impl Iterator<Item = (&'static str, String, f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (label, of, value) in values {
            let labels: &Labels = &[(label, of)];
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use fastgarden_train::trainer::Event;

    use super::*;

    #[test]
    fn what_could_not_be_judged_was_not_evaluated() {
        let live = Live::new("seedling", 1);
        live.hear(&Event::Phase { epoch: 1, trains: false, done: 0, total: 16 });
        live.hear(&Event::Batch { done: 16, loss: None, examples: 15, step: None });
        assert!(text(&live).contains("\nfastgarden_examples_evaluated_total 15\n"), "{}", text(&live));
    }

    #[test]
    fn a_series_that_has_not_begun_has_counters_at_nought() {
        let text = text(&Live::new("seedling", 3));
        assert!(text.contains("# HELP fastgarden_examples_trained Examples trained on\n"), "{text}");
        assert!(text.contains("\nfastgarden_examples_trained_total 0\n"), "{text}");
        assert!(text.contains("fastgarden_stage_busy_seconds_total{stage=\"decode\"} 0.0\n"), "{text}");
        assert!(text.contains("fastgarden_bottleneck{bottleneck=\"balanced\"} 0"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
