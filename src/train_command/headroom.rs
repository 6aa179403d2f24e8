//! `train --headroom`: how much faster a perfect loader would be, before the first run.
//! Not here: measuring it (`fastgarden-train`).

use std::path::PathBuf;

use fastgarden_data::pipeline::Pipeline;
use fastgarden_train::trainer::{self, Headroom, TrainError};

use super::plan::Prepared;
use crate::epoch_table::{percent, rate};
use crate::run_spec::RunSpec;

/// Measures it with the first run's net on a pipeline of its own.
pub fn measure(prepared: &Prepared, spec: &RunSpec) -> Result<Option<Headroom>, TrainError> {
    // Of a run's folder nothing is read or written.
    let run = prepared.run(spec, spec.seeds[0], PathBuf::new());
    let options = prepared.pipeline_options();
    let batches_ahead = options.prefetch_batches + options.slabs_extra + 2;
    trainer::headroom(&run, &Pipeline::start(options)?, batches_ahead)
}

/// In one line.
pub fn sentence(measured: Option<&Headroom>) -> String {
    let Some(measured) = measured else {
        return "headroom could not be measured: not one batch can be used".to_owned();
    };
    let (fed, replayed) = (rate(measured.images_per_s), rate(measured.replayed_images_per_s));
    let wait = percent(measured.input_wait_share);
    let gain = match measured.factor() {
        factor if factor < 1.02 => "a perfect loader would be no faster".to_owned(),
        factor => format!("a perfect loader would be {factor:.2} × as fast"),
    };
    format!("headroom {gain}: {replayed} images/s with batches in memory, {fed} as they come (input wait {wait})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_what_would_be_gained() {
        let slow = Headroom { images_per_s: 812.0, input_wait_share: 0.38, replayed_images_per_s: 1_301.0 };
        assert_eq!(
            sentence(Some(&slow)),
            "headroom a perfect loader would be 1.60 × as fast: 1,301 images/s with batches in memory, 812 as they come \
             (input wait 38 %)"
        );
        let full = Headroom { replayed_images_per_s: 815.0, ..slow };
        assert!(sentence(Some(&full)).starts_with("headroom a perfect loader would be no faster: "));
    }
}
