//! Panics, dying threads and failing disks: nothing is lost, nothing hangs, and blame falls on the right thing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fastgarden_data::failure::PipelineError;
use fastgarden_data::fault::FaultKind;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::sabotage::{Sabotage, Trouble};
use fastgarden_data::shared::StageName;

use crate::common::{Walked, index, options, phase, small_garden, walk};

const POOLS: [(usize, usize, usize); 3] = [(1, 2, 1), (0, 2, 0), (2, 3, 2)];

/// Walks 40 records with a saboteur at work; also returns how many workers were rebuilt.
fn sabotaged(pools: (usize, usize, usize), saboteur: impl Sabotage + 'static) -> (Result<Walked, PipelineError>, u64) {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 40);
    let index = index(folder.path());
    let options = PipelineOptions { sabotage: Some(Arc::new(saboteur)), ..options(pools.0, pools.1, pools.2) };
    let pipeline = Pipeline::start(options).unwrap();
    let walked = walk(&pipeline, phase(&index, 1, None));
    let restarts = pipeline.observe().map_or(0, |seen| seen.stages.iter().map(|stage| stage.restarts).sum());
    (walked, restarts)
}

fn clean() -> Walked {
    sabotaged((1, 2, 1), |_: StageName, _: u32| None).0.unwrap()
}

/// The first `times` times that a stage sees a record.
fn at(stage: StageName, record: u32, times: u32, trouble: Trouble) -> impl Sabotage {
    let met = AtomicU32::new(0);
    move |name: StageName, number: u32| {
        (name == stage && number == record && met.fetch_add(1, Ordering::Relaxed) < times).then_some(trouble)
    }
}

#[test]
fn a_panic_that_does_not_repeat_changes_nothing() {
    let clean = clean();
    for pools in POOLS {
        for stage in [StageName::Read, StageName::Decode, StageName::Augment] {
            // The saboteur is asked twice a visit: to kill, and to strike.
            let met = AtomicU32::new(0);
            let once = move |name: StageName, record: u32| {
                let strikes = name == stage && record == 11 && met.fetch_add(1, Ordering::Relaxed) == 1;
                strikes.then_some(Trouble::Panic)
            };
            let (walked, restarts) = sabotaged(pools, once);
            assert_eq!(walked.unwrap(), clean, "{stage:?} {pools:?}");
            assert_eq!(restarts, 1, "{stage:?} {pools:?}");
        }
    }
}

#[test]
fn a_panic_that_repeats_quarantines_exactly_that_record() {
    for pools in POOLS {
        let (walked, restarts) = sabotaged(pools, at(StageName::Decode, 11, u32::MAX, Trouble::Panic));
        let walked = walked.unwrap();
        let found: Vec<_> = walked.quarantined.iter().map(|row| (row.record, row.kind)).collect();
        assert_eq!(found, [(11, FaultKind::DecoderPanicked)]);
        assert_eq!((walked.tally.trained, walked.tally.quarantined, restarts), (39, 1, 2));
    }
}

#[test]
fn a_thread_that_dies_loses_nothing_while_others_live() {
    let clean = clean();
    for (pools, stage) in [((1, 2, 1), StageName::Decode), ((0, 3, 0), StageName::Decode), ((2, 1, 1), StageName::Read)]
    {
        let (walked, _) = sabotaged(pools, at(stage, 11, 1, Trouble::KillWorker));
        assert_eq!(walked.unwrap(), clean, "{stage:?} {pools:?}");
    }
}

#[test]
fn when_all_workers_of_a_pool_are_dead_the_run_ends_and_says_so() {
    for (pools, stage, name) in [
        ((1, 2, 1), StageName::Decode, "decode"),
        ((1, 2, 1), StageName::Read, "read"),
        ((1, 2, 1), StageName::Augment, "augment"),
    ] {
        let (walked, _) = sabotaged(pools, move |at: StageName, _: u32| (at == stage).then_some(Trouble::KillWorker));
        assert_eq!(walked.unwrap_err(), PipelineError::NoWorkers { stage: name });
    }
}

#[test]
fn a_broken_disk_fails_the_run_and_quarantines_nobody() {
    for pools in POOLS {
        let (walked, _) = sabotaged(pools, at(StageName::Read, 11, u32::MAX, Trouble::Io));
        match walked.unwrap_err() {
            PipelineError::Io { shard, .. } => assert_eq!(shard, "train-00.tfrec"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_shard_that_shrinks_under_the_reader_is_an_io_failure() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 40);
    let index = index(folder.path());
    let path = folder.path().join("train-01.tfrec");
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(100).unwrap();
    let pipeline = Pipeline::start(options(1, 2, 1)).unwrap();
    match walk(&pipeline, phase(&index, 1, None)).unwrap_err() {
        PipelineError::Io { shard, .. } => assert_eq!(shard, "train-01.tfrec"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn slow_stages_are_named() {
    for (slow, name) in [(StageName::Read, "read"), (StageName::Decode, "decode"), (StageName::Augment, "augment")] {
        let folder = tempfile::tempdir().unwrap();
        small_garden(folder.path(), 40);
        let index = index(folder.path());
        let slow_down = move |at: StageName, _: u32| (at == slow).then_some(Trouble::Slow(5));
        let options = PipelineOptions { sabotage: Some(Arc::new(slow_down)), ..options(1, 1, 1) };
        let pipeline = Pipeline::start(options).unwrap();
        let from = pipeline.observe().unwrap();
        walk(&pipeline, phase(&index, 1, None)).unwrap();
        let to = pipeline.observe().unwrap();
        let verdict = fastgarden_data::observe::Window { from: &from, to: &to }.verdict(2);
        assert_eq!(verdict.bottleneck, name, "{}", verdict.sentence);
    }
}
