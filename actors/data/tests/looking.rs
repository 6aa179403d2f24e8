//! What people are shown of batches: pictures that a net is trained on, and no others.

use std::sync::Arc;

use fastgarden_data::phase::{PhaseKind, PhaseSpec};
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::tap::Tap;

use crate::common::{BATCH_ROWS, index, options, phase, small_garden, walk};

#[test]
fn who_asks_while_a_net_is_judged_is_shown_pictures_of_its_training() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 24);
    let training = phase(&index(folder.path()), 7, None);
    let judging = PhaseSpec { kind: PhaseKind::Validate, hash_rows: false, ..training.clone() };
    let tap = Arc::new(Tap::default());
    let pipeline = Pipeline::start(PipelineOptions { tap: Some(Arc::clone(&tap)), ..options(1, 2, 1) }).unwrap();
    assert_eq!(tap.look(), None, "nothing has passed");
    walk(&pipeline, judging.clone()).unwrap();
    assert_eq!(tap.look(), None, "nothing was trained on");
    walk(&pipeline, PhaseSpec { first_seq: BATCH_ROWS as u64, ..training }).unwrap();
    let seen = tap.look().expect("it was asked for");
    assert_eq!((seen.first_seq, seen.labels.len()), (BATCH_ROWS as u64, BATCH_ROWS));
    walk(&pipeline, judging).unwrap();
    assert_eq!(tap.look(), Some(seen), "the pictures of before");
}
