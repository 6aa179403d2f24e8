//! I-quarantine: only a property of the bytes quarantines, deterministically, within the budget.

use std::fs;
use std::path::Path;

use fastgarden_data::failure::PipelineError;
use fastgarden_data::fault::FaultKind;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};

use crate::common::{example, index, jpeg, options, phase, shard, walk};

/// 24 records of which six are bad in different ways. Returns the bad ones' numbers and kinds.
fn mixed(folder: &Path) -> Vec<(u32, FaultKind)> {
    let mut payloads: Vec<_> = (0..24).map(|number| example(&jpeg(number, 40), 1, &format!("{number:09}"))).collect();
    let whole = jpeg(3, 40);
    payloads[2] = example(&whole[..whole.len() / 2], 1, "cut");
    payloads[5] = example(b"not a picture", 1, "text");
    payloads[8] = example(&whole, 104, "class too high");
    payloads[9] = example(&whole, -1, "class negative");
    payloads[13] = fastgarden_data::example::encode_example(&[]);
    payloads[17] = vec![0xFF; 40];
    shard(&folder.join("train.tfrec"), &payloads);
    vec![
        (2, FaultKind::DamagedImage),
        (5, FaultKind::NotAnImage),
        (8, FaultKind::LabelOutOfRange),
        (9, FaultKind::LabelOutOfRange),
        (13, FaultKind::MissingImage),
        (17, FaultKind::NotAnExample),
    ]
}

#[test]
fn bad_records_are_left_out_and_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let bad = mixed(folder.path());
    let index = index(folder.path());
    let mut results = Vec::new();
    for (readers, decoders, augmenters) in [(1, 2, 1), (0, 1, 0), (2, 5, 2)] {
        let pipeline = Pipeline::start(options(readers, decoders, augmenters)).unwrap();
        results.push(walk(&pipeline, phase(&index, 5, None)).unwrap());
    }
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
    let walked = &results[0];
    assert_eq!((walked.tally.trained, walked.tally.quarantined), (18, 6));
    let mut found: Vec<_> = walked.quarantined.iter().map(|row| (row.record, row.kind)).collect();
    found.sort_unstable();
    assert_eq!(found, bad);
    assert_eq!(walked.sizes.iter().sum::<usize>(), 18);
}

#[test]
fn a_flipped_byte_in_the_data_costs_exactly_that_record() {
    let folder = tempfile::tempdir().unwrap();
    crate::common::small_garden(folder.path(), 16);
    let address = index(folder.path()).address(3);
    let path = folder.path().join("train-00.tfrec");
    let mut bytes = fs::read(&path).unwrap();
    bytes[address.offset as usize + 200] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let pipeline = Pipeline::start(options(1, 2, 1)).unwrap();
    let walked = walk(&pipeline, phase(&index(folder.path()), 1, None)).unwrap();
    let found: Vec<_> = walked.quarantined.iter().map(|row| (row.record, row.kind)).collect();
    assert_eq!(found, [(3, FaultKind::DataCrcMismatch)]);
}

#[test]
fn beyond_the_budget_the_run_ends_and_distinct_records_count_once() {
    let folder = tempfile::tempdir().unwrap();
    mixed(folder.path());
    let index = index(folder.path());
    let pipeline = Pipeline::start(PipelineOptions { bad_records_max: 6, ..options(1, 2, 1) }).unwrap();
    for seed in 1..4 {
        walk(&pipeline, phase(&index, seed, None)).expect("the same six, again and again");
    }
    let pipeline = Pipeline::start(PipelineOptions { bad_records_max: 5, ..options(1, 2, 1) }).unwrap();
    match walk(&pipeline, phase(&index, 1, None)) {
        Err(PipelineError::TooManyBadRecords { budget: 5, bad, first }) => {
            assert!(bad >= 6, "{bad}");
            assert!(first.contains("train.tfrec at byte"), "{first}");
        }
        other => panic!("{other:?}"),
    }
}
