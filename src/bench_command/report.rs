//! What `bench` says, for people and for scripts.
//! Not here: measuring.

use fastgarden_data::machine;
use fastgarden_data::observe::{Verdict, Window, nothing};
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::pipeline::PipelineOptions;
use serde_json::json;

use super::measure::Measured;
use crate::epoch_table::percent;
use crate::rules::grouped;
use crate::train_command::cache_sentence;

/// How the pipeline was built.
pub struct Pools {
    readers: usize,
    decoders: usize,
    augmenters: usize,
    prefetch_batches: usize,
}

impl Pools {
    /// Of these options.
    pub fn of(options: &PipelineOptions) -> Self {
        let &PipelineOptions { readers, decoders, augmenters, prefetch_batches, .. } = options;
        Self { readers, decoders, augmenters, prefetch_batches }
    }
}

/// Everything there is to say.
pub struct Report<'a> {
    /// The work.
    pub phase: &'a PhaseSpec,
    /// The numbers.
    pub measured: &'a Measured,
    /// Who did it.
    pub pools: Pools,
    /// The chain over the first batches.
    pub batch_hash: String,
    /// Whether anything stood in for a trainer.
    pub has_trainer: bool,
}

impl Report<'_> {
    /// One JSON document.
    pub fn as_json(&self) -> String {
        let (measured, nothing) = (self.measured, nothing());
        let window = Window { from: &nothing, to: &measured.seen };
        let verdict = self.verdict(&window);
        let (cpu_s, ceiling_cpu_s) = measured.cpu_s_per_1000_images();
        let stages: Vec<_> = (0..measured.seen.stages.len())
            .map(|stage| {
                let (busy, input, output) = window.shares(stage);
                let seen = &measured.seen.stages[stage];
                json!({
                    "name": seen.name, "workers": seen.workers, "busy_share": busy, "wait_input_share": input,
                    "wait_output_share": output, "readiness": window.readiness(stage),
                })
            })
            .collect();
        let document = json!({
            "images_per_s": measured.rate(),
            "ceiling_images_per_s": measured.ceiling(),
            "slices_images_per_s": measured.rates,
            "ceiling_slices_images_per_s": measured.ceiling_rates(),
            "images": measured.images,
            "seconds": measured.seconds,
            "first_batch_ms": measured.first_batch.as_secs_f64() * 1e3,
            "cpu_s_per_1000_images": cpu_s,
            "ceiling_cpu_s_per_1000_images": ceiling_cpu_s,
            "consumer_wait_share": window.consumer_wait_share(),
            "peak_rss_bytes": machine::own_bytes("VmHWM"),
            "batch_hash": self.batch_hash,
            "rows_hashed": self.phase.hash_rows,
            "resample": self.phase.resample.name(),
            "pools": {
                "readers": self.pools.readers, "decoders": self.pools.decoders, "augmenters": self.pools.augmenters,
                "prefetch_batches": self.pools.prefetch_batches, "cores": machine::cores(),
            },
            "cache": measured.seen.cache,
            "images_before_measuring": measured.images_before,
            "cpu_budget": measured.seen.cpu_budget,
            "stages": stages,
            "bottleneck": verdict.bottleneck,
            "verdict": verdict.sentence,
        });
        format!("{document:#}\n")
    }

    /// A few lines.
    pub fn as_text(&self) -> String {
        let (measured, nothing) = (self.measured, nothing());
        let window = Window { from: &nothing, to: &measured.seen };
        let (rate, size) = (measured.rate(), self.phase.views[0].size);
        let mut text = format!(
            "{:.0} images/s   {} images of {}×{} ({}) in batches of {}, {:.1} s\n",
            rate,
            grouped(measured.images),
            size.width,
            size.height,
            self.phase.resample.name(),
            self.phase.batch_rows,
            measured.seconds
        );
        if let Some(ceiling) = measured.ceiling() {
            let share = 100.0 * rate / ceiling;
            text +=
                &format!("{ceiling:.0} images/s   the same work in a bare loop: the pipeline reaches {share:.0} %\n");
        }
        if let Some(cache) = &measured.seen.cache {
            let before = grouped(measured.images_before);
            text +=
                &format!("{}\nmeasured after a first epoch of {before} images had filled it\n", cache_sentence(cache));
        }
        text += &self.table(&window);
        let rss =
            machine::own_bytes("VmHWM").map(|bytes| format!(", peak memory {} MiB", bytes >> 20)).unwrap_or_default();
        text += &format!("\n{}\n", self.verdict(&window).sentence);
        text += &format!(
            "{:.3} CPU seconds per 1,000 images, trainer waits {}\n",
            measured.cpu_s_per_1000_images().0,
            percent(window.consumer_wait_share())
        );
        let first_batch_ms = measured.first_batch.as_secs_f64() * 1e3;
        text += &format!("first batch after {first_batch_ms:.0} ms{rss}\nbatch hash {}\n", self.batch_hash);
        text
    }

    fn verdict(&self, window: &Window<'_>) -> Verdict {
        let cores = machine::cores();
        if self.has_trainer { window.verdict(cores) } else { window.verdict_without_trainer(cores) }
    }

    fn table(&self, window: &Window<'_>) -> String {
        let mut text = format!(
            "\n{:<10}{:>8}{:>8}{:>12}{:>13}{:>11}\n",
            "stage", "workers", "busy", "wait input", "wait output", "readiness"
        );
        for (stage, seen) in window.to.stages.iter().enumerate() {
            let (busy, input, output) = window.shares(stage);
            let percent = |share: f64| format!("{:.0} %", share * 100.0);
            let (name, workers, readiness) = (&seen.name, seen.workers, percent(window.readiness(stage)));
            let (busy, input, output) = (percent(busy), percent(input), percent(output));
            text += &format!("{name:<10}{workers:>8}{busy:>8}{input:>12}{output:>13}{readiness:>11}\n");
        }
        text
    }
}
