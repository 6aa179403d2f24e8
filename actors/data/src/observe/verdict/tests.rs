//! Sentences for windows that are made up: ten seconds, ten thousand images, two cores.

use fastgarden_proto::observe::{Cache, Count, CpuBudget, Snapshot};

use super::*;
use crate::observe::nothing;

/// Workers and busy seconds of read, decode, augment and sequence; seconds that the consumer waits and works. What is
/// left of a pool's time is waiting.
fn seen(workers: [u32; 4], busy_s: [f64; 4], consumer: (f64, f64)) -> Snapshot {
    let mut seen = Snapshot { seconds: 10.0, consumer_wait_s: consumer.0, consumer_busy_s: consumer.1, ..nothing() };
    seen.count = Some(Count { credits_free: 100, credits_in_slabs: 156, ..Count::default() });
    for (number, stage) in seen.stages.iter_mut().enumerate() {
        let of_others: f64 =
            (0..4).filter(|&other| number == DECODE && workers[other] == 0).map(|other| busy_s[other]).sum();
        stage.wait_input_s = (f64::from(workers[number]) * 10.0 - busy_s[number] - of_others).max(0.0);
        (stage.workers, stage.busy_s, stage.tickets) = (workers[number], busy_s[number], 10_000);
    }
    seen
}

fn verdict(to: &Snapshot) -> (&'static str, String) {
    let verdict = Window { from: &nothing(), to }.verdict(2);
    (verdict.bottleneck, verdict.sentence)
}

fn without_trainer(to: &Snapshot) -> (&'static str, String) {
    let verdict = Window { from: &nothing(), to }.verdict_without_trainer(2);
    (verdict.bottleneck, verdict.sentence)
}

#[test]
fn decoders_that_never_rest_want_a_core_or_a_cache() {
    let seen = Snapshot { picture_s: 11.88, ..seen([1, 2, 1, 1], [0.5, 19.8, 0.0, 0.1], (9.9, 0.1)) };
    let sentence = "decode limits: 2 decoders busy 99 %; a third core would give +50 %; cache decoded would give about \
                    2.5×";
    assert_eq!(without_trainer(&seen), ("decode", sentence.to_owned()));
    let cached = Cache { mode: "decoded".to_owned(), ..Cache::default() };
    assert!(!verdict(&Snapshot { cache: Some(cached), ..seen }).1.contains("cache"));
}

#[test]
fn a_core_without_a_decoder_is_found() {
    let seen = seen([1, 1, 1, 1], [0.5, 10.0, 0.0, 0.1], (9.9, 0.1));
    let (bottleneck, sentence) = verdict(&seen);
    assert_eq!(bottleneck, "decode");
    assert!(!sentence.contains("cache"), "nothing was spent on pictures: {sentence}");
    assert!(sentence.contains("one more decoder (--decoders 2) would give 2.0×"), "{sentence}");
}

#[test]
fn slow_storage_wants_readers_or_a_cache() {
    let seen = seen([1, 2, 1, 1], [10.0, 2.0, 0.0, 0.1], (9.9, 0.1));
    let sentence = "read limits: 1 reader busy 100 %; 10 readers (--readers 10) would give 9.5×; cache encoded would \
                    give about 9.5×";
    assert_eq!(without_trainer(&seen), ("read", sentence.to_owned()));
    // More readers than chunks under way would have nothing to do.
    let few = Some(Count { credits_free: 64, ..Count::default() });
    assert!(verdict(&Snapshot { count: few, ..seen.clone() }).1.contains("4 readers (--readers 4) would give 4.0×"));
    let none = Some(Count { credits_free: 16, ..Count::default() });
    assert!(!verdict(&Snapshot { count: none, ..seen }).1.contains("--readers"));
}

#[test]
fn reading_inside_decoders_is_named_by_its_work() {
    let seen = seen([0, 2, 0, 1], [15.0, 5.0, 0.0, 0.1], (9.9, 0.1));
    let (bottleneck, sentence) = without_trainer(&seen);
    assert_eq!(bottleneck, "read");
    let from = nothing();
    let busy: Vec<f64> = (0..4).map(|stage| Window { from: &from, to: &seen }.shares(stage).0).collect();
    assert_eq!(busy, [0.75, 0.25, 0.0, 0.01]);
    assert!(
        sentence.starts_with("read limits: 2 decoders busy 100 %; 6 readers (--readers 6) would give 3.9×"),
        "{sentence}"
    );
}

#[test]
fn a_trainer_that_hardly_waits_limits_and_hears_what_it_leaves() {
    let seen = seen([1, 2, 1, 1], [0.5, 10.0, 0.0, 0.1], (0.02, 9.98));
    let sentence = "the trainer limits: it waits for input 0.2 %; the pipeline could give 2.0× what it takes";
    assert_eq!(verdict(&seen), ("trainer", sentence.to_owned()));
}

#[test]
fn a_budget_that_holds_back_is_named() {
    let budget = CpuBudget { share: 0.4, used_s: 8.0, held_back_s: 6.0 };
    let seen = Snapshot { cpu_budget: Some(budget), ..seen([1, 2, 1, 1], [0.5, 8.0, 0.0, 0.1], (9.9, 0.1)) };
    let sentence = "the CPU budget of 40 % limits: it held work back 60 % of the time; without it 2.5×";
    assert_eq!(without_trainer(&seen), ("decode", sentence.to_owned()));
    assert_eq!(verdict(&seen).1, sentence.replace("; ", ", the trainer waits 99 %; "));
}

#[test]
fn where_something_else_held_the_pipeline_up_no_gain_is_promised() {
    let seen = seen([1, 2, 1, 1], [0.5, 5.6, 0.0, 0.1], (9.9, 0.1));
    let sentence = "decode limits: 2 decoders busy 28 %; the work seen allows 3.6×: the processor was busy with \
                    something else, or too little was seen";
    assert_eq!(without_trainer(&seen), ("decode", sentence.to_owned()));
}

#[test]
fn a_pipeline_and_a_trainer_that_match_are_balanced() {
    let matched = seen([1, 2, 1, 1], [0.5, 19.6, 0.0, 0.1], (0.2, 9.8));
    let sentence = "balanced: 2 decoders busy 98 %, the trainer waits 2.0 %; a perfect loader alone would give +2 %, a \
                    perfect trainer alone +2 %; for more, both have to be faster";
    assert_eq!(verdict(&matched), ("balanced", sentence.to_owned()));
    assert_eq!(verdict(&nothing()).0, "balanced");
}

#[test]
fn a_trainer_that_nearly_always_waits_hears_so_and_whoever_is_none_does_not() {
    let told = |wait_s: f64| verdict(&seen([1, 2, 1, 1], [0.5, 20.0, 0.0, 0.1], (wait_s, 10.0 - wait_s))).1;
    assert!(told(8.0).contains("; the trainer waits 80 %, a perfect loader would be 5.0× as fast; "), "{}", told(8.0));
    let nearly = "; the trainer waits 95 %, a perfect loader would be more than 10× as fast; ";
    assert!(told(9.5).contains(nearly), "{}", told(9.5));
    let alone = without_trainer(&seen([1, 2, 1, 1], [0.5, 20.0, 0.0, 0.1], (9.5, 0.5))).1;
    assert!(!alone.contains("trainer"), "{alone}");
}

#[test]
fn beyond_a_tenth_one_of_the_two_limits() {
    // The pool is busy all the time; the trainer could do as much as it is busy less.
    for (trainer_busy_s, expected) in [(9.2, "balanced"), (9.0, "decode"), (5.0, "decode")] {
        let seen = seen([1, 1, 1, 1], [0.5, 10.0, 0.0, 0.1], (10.0 - trainer_busy_s, trainer_busy_s));
        assert_eq!(verdict(&seen).0, expected, "the trainer is busy {trainer_busy_s} of 10 s");
    }
    // The trainer is busy all the time; the pool could do as much as it is busy less.
    for (decoder_busy_s, expected) in [(9.2, "balanced"), (9.0, "trainer"), (5.0, "trainer")] {
        let seen = seen([1, 1, 1, 1], [0.5, decoder_busy_s, 0.0, 0.1], (0.0, 10.0));
        assert_eq!(verdict(&seen).0, expected, "the decoder is busy {decoder_busy_s} of 10 s");
    }
}

#[test]
fn what_a_waiting_trainer_loses_is_told() {
    let seen = seen([1, 2, 1, 1], [0.5, 19.2, 0.0, 0.1], (3.8, 6.2));
    let start = "decode limits: 2 decoders busy 96 %; the trainer waits 38 %, a perfect loader would be 1.6× as fast; ";
    assert!(verdict(&seen).1.starts_with(start), "{}", verdict(&seen).1);
}

#[test]
fn a_trainer_that_waits_beside_idle_decoders_is_not_what_limits() {
    let seen = seen([1, 2, 1, 1], [0.5, 6.0, 0.0, 0.1], (4.0, 6.0));
    let (bottleneck, sentence) = verdict(&seen);
    assert_eq!(bottleneck, "decode");
    assert!(sentence.contains("the trainer waits 40 %") && sentence.contains("something else"), "{sentence}");
}

#[test]
fn a_step_that_goes_on_counts_for_the_trainer() {
    // A window within one long step: nothing of the trainer's time is booked yet.
    let seen = seen([1, 2, 1, 1], [0.5, 5.0, 0.0, 0.1], (0.0, 0.0));
    assert_eq!(verdict(&seen).0, "trainer");
}

#[test]
fn windows_add_up() {
    let one = seen([1, 2, 1, 1], [0.5, 19.0, 0.0, 0.1], (9.9, 0.1));
    let mut sum = nothing();
    for _ in 0..3 {
        Window { from: &nothing(), to: &one }.add_to(&mut sum);
    }
    assert_eq!((sum.seconds, sum.stages[3].tickets), (30.0, 30_000));
    assert_eq!(verdict(&sum), verdict(&one));
}
