//! I-cap and I-conservation: nothing beyond the cap, exactly one outcome each, credits always add up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fastgarden_data::outcome::{Tally, Use};
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::pipeline::{Pipeline, Taken};

use crate::common::{BATCH_ROWS, index, options, phase, small_garden, walk};

#[test]
fn a_phase_never_issues_more_than_the_cap() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 50);
    let index = index(folder.path());
    let pipeline = Pipeline::start(options(1, 2, 1)).unwrap();
    for (cap, trained) in [(Some(20), 20), (Some(50), 50), (Some(1_000), 50), (Some(1), 1), (None, 50)] {
        let walked = walk(&pipeline, phase(&index, 1, cap)).unwrap();
        assert_eq!(walked.tally, Tally { issued: trained, trained, ..Tally::default() }, "cap {cap:?}");
    }
}

#[test]
fn an_incomplete_last_batch_is_dropped_or_delivered_and_always_counted() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 21);
    let index = index(folder.path());
    let pipeline = Pipeline::start(options(0, 2, 0)).unwrap();
    let kept = walk(&pipeline, phase(&index, 1, None)).unwrap();
    assert_eq!(kept.sizes, [8, 8, 5]);
    let dropped = walk(&pipeline, PhaseSpec { drop_last: true, ..phase(&index, 1, None) }).unwrap();
    assert_eq!(dropped.sizes, [8, 8]);
    assert_eq!(dropped.tally, Tally { issued: 21, trained: 16, dropped_last: 5, ..Tally::default() });
    let short = PhaseSpec { drop_last: true, tickets_max: Some(8), ..phase(&index, 1, None) };
    assert_eq!(walk(&pipeline, short).unwrap().tally, Tally { issued: 8, trained: 8, ..Tally::default() });
}

#[test]
fn at_any_moment_the_counts_add_up() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 64);
    let index = index(folder.path());
    let pipeline = Pipeline::start(options(1, 2, 1)).unwrap();
    let observer = pipeline.observer();
    let done = Arc::new(AtomicBool::new(false));
    let watch = {
        let done = Arc::clone(&done);
        std::thread::spawn(move || {
            let mut seen = 0;
            while !done.load(Ordering::Acquire) {
                let Some(snapshot) = observer.observe() else { break };
                let count = snapshot.count.unwrap();
                assert_eq!(
                    count.issued,
                    count.in_flight + count.trained + count.evaluated + count.quarantined + count.dropped_last
                );
                if count.issued > 0 {
                    assert_eq!(count.credits_free + count.credits_in_slabs, 4 * BATCH_ROWS as u64);
                    seen += 1;
                }
            }
            seen
        })
    };
    for _ in 0..3 {
        let mut batches = pipeline.open(phase(&index, 1, None)).unwrap();
        for batch in batches.by_ref() {
            let mut batch = batch.unwrap();
            batch.release_pixels();
            batch.settle(Use::Trained);
        }
        assert_eq!(batches.finish().unwrap().in_flight, 0);
    }
    done.store(true, Ordering::Release);
    assert!(watch.join().unwrap() > 0, "the observer saw a phase at work");
}

#[test]
fn a_slow_consumer_holds_the_pipeline_at_its_slabs() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 160);
    let index = index(folder.path());
    let pipeline = Pipeline::start(options(1, 2, 1)).unwrap();
    let mut batches = pipeline.open(phase(&index, 1, None)).unwrap();
    let held = batches.next().unwrap().unwrap();
    // Everything that can happen without another slab has happened when the credits are used up and nothing moves.
    let settled = loop {
        let count = pipeline.observe().unwrap().count.unwrap();
        if count.credits_free == 0 {
            break count;
        }
        std::thread::yield_now();
    };
    assert_eq!(settled.issued, 4 * BATCH_ROWS as u64, "four slabs, one of them in our hands");
    drop(held);
}

#[test]
fn ending_early_leaves_no_thread_behind() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 64);
    let index = index(folder.path());
    for taken in 0..4 {
        let pipeline = Pipeline::start(options(1, 2, 1)).unwrap();
        let mut batches = pipeline.open(phase(&index, 1, None)).unwrap();
        for _ in 0..taken {
            drop(batches.next().unwrap().unwrap());
        }
        drop(batches);
        // Returns only when every thread has ended.
        drop(pipeline);
    }
}

#[test]
fn a_phase_whose_last_batch_was_consumed_is_over_before_any_command() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 21);
    let index = index(folder.path());
    let pipeline = Pipeline::start(options(0, 2, 0)).unwrap();
    let mut batches = pipeline.open(phase(&index, 1, None)).unwrap();
    for batch in batches.by_ref() {
        batch.unwrap().settle(Use::Trained);
    }
    let (sender, commands) = crossbeam_channel::bounded(1);
    sender.send(()).unwrap();
    assert!(matches!(batches.next_unless(&commands), Taken::End));
    assert_eq!(batches.finish().unwrap().trained, 21);
    // A cursor at the end of such a phase, where a stop was noted, opens it again and finds nothing left.
    let over = PhaseSpec { first_seq: 21, ..phase(&index, 1, None) };
    assert_eq!(walk(&pipeline, over).unwrap().tally, Tally::default());
}
