//! Whole runs of the trainer on a handful of pictures: what looks at the device, precision and interruptions change,
//! and what they don't. Not here: steps and parts of them, which their modules test.

mod nursery;

use fastgarden_train::precision::Precision;
use fastgarden_train::trainer::{Command, Event, RunEnd, TrainError};

use nursery::{Ended, Mischief, Nursery, Run, STEPS};

/// What must not depend on when the device is looked at, or on interruptions.
fn essence(ended: &Ended) -> (String, String, String, Vec<[f64; 2]>) {
    let Ok(RunEnd::Finished(result)) = &ended.end else { panic!("{:?}", ended.end) };
    let losses = result.epochs.iter().map(|epoch| [epoch.train_loss, epoch.accuracy.expect("it was judged")]);
    (result.weights_sha256.clone(), result.batch_hash.clone(), ended.ledger.clone(), losses.collect())
}

/// Step number and whether it was made, of each step line.
fn steps_of(ledger: &str) -> Vec<(u64, bool)> {
    let lines = ledger.lines().filter(|line| line.starts_with("{\"step\":"));
    let number = |line: &str| line.split("\"step\":").nth(2)?.split(',').next()?.parse().ok();
    lines.map(|line| (number(line).expect("a step has a number"), line.contains("\"applied\":true"))).collect()
}

fn all_made(until: u64) -> Vec<(u64, bool)> {
    (1..=until).map(|step| (step, true)).collect()
}

#[test]
fn looking_at_the_device_every_fifty_steps_or_at_each_gives_the_same_run() {
    let nursery = Nursery::new();
    let often = nursery.run("often", Run::default());
    let seldom = nursery.run("seldom", Run { fetch_every: 50, ..Run::default() });
    assert_eq!(essence(&often), essence(&seldom));
    assert_eq!(steps_of(&often.ledger), all_made(STEPS));
    let told = |ended: &Ended| -> Vec<_> {
        let of = |event: &Event| match event {
            Event::Batch { done, loss, .. } => Some((*done, *loss)),
            _ => None,
        };
        ended.events.iter().filter_map(of).collect()
    };
    assert_eq!(told(&often), told(&seldom));
    assert!(told(&often).iter().filter(|(_, loss)| loss.is_some()).count() as u64 == STEPS);
}

#[test]
fn a_stop_or_a_kill_between_two_looks_changes_nothing() {
    let nursery = Nursery::new();
    let whole = essence(&nursery.run("whole", Run::default()));
    for (name, mischief) in [("stopped", Mischief::Stop { at: 8 }), ("killed", Mischief::Panic { at: 9 })] {
        let seldom = || Run { fetch_every: 50, ..Run::default() };
        let ended = nursery.run(name, Run { mischief: Some(mischief), ..seldom() });
        match ended.end {
            Ok(RunEnd::Stopped { step }) => assert_eq!((name, step), ("stopped", 8)),
            Err(TrainError::Panicked(_)) => assert_eq!(name, "killed"),
            other => panic!("{name}: {other:?}"),
        }
        // A stop saves everything; of what was killed no line can be there, since its losses were never looked at.
        assert_eq!(steps_of(&ended.ledger), all_made(if name == "stopped" { 8 } else { 7 }));
        assert!(essence(&nursery.run(name, seldom())) == whole, "{name}");
    }
}

#[test]
fn a_loss_that_is_no_number_is_found_at_the_look_and_told_with_its_step() {
    let nursery = Nursery::new();
    for (name, fetch_every) in [("often", 1), ("seldom", 50)] {
        let mischief = Some(Mischief::Multiply { by: f64::NAN, at: vec![8] });
        let ended = nursery.run(name, Run { fetch_every, mischief, ..Run::default() });
        assert!(matches!(ended.end, Err(TrainError::Diverged { step: 8, loss }) if loss.is_nan()), "{:?}", ended.end);
        assert_eq!(steps_of(&ended.ledger), all_made(7), "no line for a step that spoils the weights, or after it");
        assert_eq!(ended.checkpoints, ["1-5", "1-7"], "those before it are kept, and none was made after");
    }
}

/// float16's scaler over float32, which is quick on a CPU and overflows only where it is made to.
const SCALED: Precision = Precision { is_scaled: true, ..Precision::FULL };

#[test]
fn steps_that_overflow_are_skipped_and_said_to_be() {
    let nursery = Nursery::new();
    let skipped = [1, 2, 6, 11];
    let run = |fetch_every| Run {
        precision: SCALED,
        fetch_every,
        mischief: Some(Mischief::Multiply { by: f64::INFINITY, at: skipped.into() }),
        ..Run::default()
    };
    let often = nursery.run("often", run(1));
    let expected: Vec<_> = (1..=STEPS).map(|step| (step, !skipped.contains(&step))).collect();
    assert_eq!(steps_of(&often.ledger), expected);
    let Ok(RunEnd::Finished(result)) = &often.end else { panic!("{:?}", often.end) };
    assert_eq!(result.epochs.iter().map(|epoch| epoch.skipped_steps).collect::<Vec<_>>(), [3, 1]);
    assert!(result.epochs.iter().all(|epoch| epoch.train_loss.is_finite()));
    assert!(essence(&often) == essence(&nursery.run("seldom", run(50))));
}

#[test]
fn a_scaler_and_what_it_has_skipped_go_on_bit_for_bit() {
    let nursery = Nursery::new();
    let run = |mischief| Run { precision: SCALED, fetch_every: 50, mischief, ..Run::default() };
    let overflow = |at| Some(Mischief::Multiply { by: f64::INFINITY, at });
    let whole = nursery.run("whole", run(overflow(vec![2, 9])));
    let stopped = nursery.run("stopped", run(Some(Mischief::OverflowAndStop { at: 2, stop: 4 })));
    assert!(matches!(stopped.end, Ok(RunEnd::Stopped { step: 4 })), "{:?}", stopped.end);
    assert!(essence(&nursery.run("stopped", run(overflow(vec![5])))) == essence(&whole));
}

#[test]
fn float16_finds_its_scale_by_skipping() {
    let nursery = Nursery::new();
    let ended = nursery.run("half", Run { precision: Precision::HALF, max_steps: Some(3), ..Run::default() });
    assert!(matches!(ended.end, Ok(RunEnd::Finished(_))), "{:?}", ended.end);
    // The scale that it begins with is too large for any net's float16 gradients.
    assert_eq!(steps_of(&ended.ledger), [(1, false), (2, false), (3, false)]);
}

#[test]
fn a_run_in_which_no_step_can_be_made_ends() {
    let nursery = Nursery::new();
    let mischief = Some(Mischief::Multiply { by: f64::INFINITY, at: (1..=200).collect() });
    let ended = nursery.run("never", Run { precision: SCALED, mischief, epochs: 6, fetch_every: 50, ..Run::default() });
    assert!(matches!(ended.end, Err(TrainError::Overflows { step: 40, skipped: 40 })), "{:?}", ended.end);
}

#[test]
fn other_precisions_and_layouts_train_to_about_the_same() {
    let nursery = Nursery::new();
    let losses = |name: &str, run: Run| -> Vec<f64> {
        let ended = nursery.run(name, run);
        let Ok(RunEnd::Finished(result)) = &ended.end else { panic!("{:?}", ended.end) };
        result.epochs.iter().map(|epoch| epoch.train_loss).collect()
    };
    let plain = losses("plain", Run::default());
    let close = |other: &[f64], tolerance: f64| {
        assert!(other != plain, "it made no difference at all");
        assert!(plain.iter().zip(other).all(|(a, b)| (a - b).abs() < tolerance * a), "{plain:?} and {other:?}");
    };
    close(&losses("channels-last", Run { channels_last: true, ..Run::default() }), 1e-3);
    close(&losses("bf16", Run { precision: Precision::BFLOAT16, ..Run::default() }), 0.05);
}

#[test]
fn a_stop_that_comes_first_of_all_makes_no_step() {
    let nursery = Nursery::new();
    let ended = nursery.run_with("stopped", Run::default(), &[Command::Stop]);
    assert!(matches!(ended.end, Ok(RunEnd::Stopped { step: 0 })));
}

/// The members of the epoch lines of a ledger.
fn epochs_of(ledger: &str) -> Vec<serde_json::Value> {
    let lines = ledger.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    lines.filter_map(|line| line.get("epoch").cloned()).collect()
}

#[test]
fn hard_examples_come_by_the_losses_in_the_ledger_and_a_resumed_run_draws_the_same() {
    let nursery = Nursery::new();
    let hard = |mischief| Run { hard: true, epochs: 3, fetch_every: 50, mischief, ..Run::default() };
    let whole = nursery.run("whole", hard(None));
    let epochs = epochs_of(&whole.ledger);
    let losses: Vec<Vec<u32>> =
        epochs.iter().map(|epoch| serde_json::from_value(epoch["losses"].clone()).unwrap_or_default()).collect();
    // The last line's would be for an epoch that doesn't come.
    assert_eq!(losses.iter().map(Vec::len).collect::<Vec<_>>(), [56, 56, 0]);
    // The first epoch is shuffled and whole: every record was trained on.
    assert!(losses[0].iter().all(|&loss| (100..20_000).contains(&loss)), "{:?}", losses[0]);
    let plan = |epoch: u32, losses: &[u32]| nursery.plan_hash(true, epoch, losses);
    assert_eq!(epochs[0]["plan_hash"], plan(1, &[]));
    assert_eq!(epochs[1]["plan_hash"], plan(2, &losses[0]));
    assert_eq!(epochs[2]["plan_hash"], plan(3, &losses[1]));
    assert_ne!(epochs[2]["plan_hash"], plan(3, &losses[0]));
    // Within the second epoch, whose own losses are known in part already, and within the last.
    for (name, at) in [("second", 9), ("last", 18)] {
        let ended = nursery.run(name, hard(Some(Mischief::Stop { at })));
        assert!(matches!(ended.end, Ok(RunEnd::Stopped { .. })), "{:?}", ended.end);
        assert!(essence(&nursery.run(name, hard(None))) == essence(&whole), "{name}");
    }
    let often = nursery.run("often", Run { fetch_every: 1, ..hard(None) });
    assert!(essence(&often) == essence(&whole));
}
