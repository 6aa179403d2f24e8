//! A CPU budget: kept in counted CPU time, without a change to any batch.

use fastgarden_data::machine;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};

use crate::common::{index, options, phase, small_garden, walk};

#[test]
fn the_pools_stay_within_their_share_and_batches_stay_the_same() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 400);
    let index = index(folder.path());
    let plain = Pipeline::start(options(1, 2, 1)).unwrap();
    let expected = walk(&plain, phase(&index, 1, None)).unwrap();
    assert!(plain.observe().unwrap().cpu_budget.is_none(), "nothing is counted without a budget");
    let share = 0.1;
    for (readers, decoders, augmenters) in [(1, 2, 1), (0, 3, 0)] {
        let options = PipelineOptions { cpu_share: Some(share), ..options(readers, decoders, augmenters) };
        let pipeline = Pipeline::start(options).unwrap();
        assert_eq!(walk(&pipeline, phase(&index, 1, None)).unwrap(), expected);
        let seen = pipeline.observe().unwrap();
        let budget = seen.cpu_budget.unwrap();
        assert!(budget.held_back_s > 0.0 && budget.used_s > 0.0, "{budget:?}");
        // What was admitted was within the share; of 400 rows 32 can be under way beyond it, whatever they cost.
        let allowed_s = share * machine::cores() as f64 * (seen.seconds + 0.05);
        assert!(0.8 * budget.used_s <= allowed_s, "{budget:?} of {allowed_s}");
    }
}

#[test]
fn a_pipeline_that_is_held_back_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 64);
    let index = index(folder.path());
    let pipeline = Pipeline::start(PipelineOptions { cpu_share: Some(0.01), ..options(1, 2, 1) }).unwrap();
    let mut batches = pipeline.open(phase(&index, 1, None)).unwrap();
    drop(batches.next().unwrap().unwrap());
    drop(batches);
    // Returns only when every thread has ended.
    drop(pipeline);
}
