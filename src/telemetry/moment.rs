//! A moment of a series: what two snapshots of its pipeline and the trainer's events say together.
//! Not here: when to look (see `live`).

use fastgarden_data::machine;
use fastgarden_data::observe::Window;
use fastgarden_proto::observe::{Held, Moment, Place, StageMoment, Trainer};

use super::live::Heard;
use super::looks::Pace;

/// What a window says, and the trainer's pace in it.
pub fn of(window: &Window<'_>, pace: Pace, heard: &Heard, place: &Place, seconds: f64) -> Moment {
    let verdict = window.verdict(machine::cores());
    let has_images = window.images() > 0;
    Moment {
        seconds,
        place: Some(place.clone()),
        stages: (0..window.to.stages.len()).map(|stage| stage_moment(window, stage)).collect(),
        trainer: Some(Trainer {
            images_per_s: pace.images_per_s,
            step_ms: pace.step_ms,
            input_wait_share: window.consumer_wait_share(),
            step: heard.step,
            loss: heard.loss,
            lr: heard.lr,
            accuracy: heard.accuracy,
            trained: heard.trained,
            peak_device_bytes: heard.peak_device_bytes,
        }),
        count: window.to.count,
        batch_readiness: window.batch_readiness(),
        held: Some(Held {
            slab_bytes: window.to.slab_bytes,
            encoded_bytes: window.to.encoded_bytes,
            encoded_bytes_max: window.to.encoded_bytes_max,
            cache_bytes: window.to.cache.as_ref().map(|cache| cache.bytes),
            cache_bytes_max: window.to.cache.as_ref().map(|cache| cache.budget_bytes),
            resident_bytes: machine::own_bytes("VmRSS"),
        }),
        quarantined: window.to.quarantined.clone(),
        bottleneck: if has_images { verdict.bottleneck.to_owned() } else { String::new() },
        verdict: if has_images { verdict.sentence } else { String::new() },
    }
}

fn stage_moment(window: &Window<'_>, stage: usize) -> StageMoment {
    let (from, to) = (&window.from.stages[stage], &window.to.stages[stage]);
    let (busy_share, wait_input_share, wait_output_share) = window.shares(stage);
    let per_s = |from: u64, to: u64| (to - from) as f64 / window.seconds();
    let service_ms = |share| window.service_s(stage, share).map(|seconds| 1e3 * seconds);
    StageMoment {
        name: to.name.clone(),
        workers: to.workers,
        workers_alive: to.workers_alive,
        restarts: to.restarts,
        busy_share,
        wait_input_share,
        wait_output_share,
        images_per_s: per_s(from.tickets, to.tickets),
        bytes_per_s: per_s(from.bytes, to.bytes),
        service_p50_ms: service_ms(0.5),
        service_p99_ms: service_ms(0.99),
        readiness: window.readiness(stage),
    }
}
