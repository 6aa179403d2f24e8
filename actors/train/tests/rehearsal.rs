//! The guess of a recipe's memory against what its steps take: in a process of its own, as it has to be.

use std::process::Command;

use fastgarden_data::geometry::Size;
use fastgarden_train::batch_augment::BatchSpec;
use fastgarden_train::loss::{CrossEntropy, MetricLoss, Together};
use fastgarden_train::net::xresnet::XResNetSpec;
use fastgarden_train::optimizer::AdamOptions;
use fastgarden_train::precision::Precision;
use fastgarden_train::rehearsal::{ENVIRONMENT, Needs, Rehearsal, RehearsalSpec, StageSpec};
use fastgarden_train::trainer::OptimizerSpec;

/// Set in the process that rehearses, to what it rehearses.
const CHILD: &str = "FASTGARDEN_TEST_REHEARSAL";
/// Sizes of batches whose whole steps are measured.
const ROWS: [usize; 2] = [8, 16];

/// Whether this is the process that rehearses; else it is started, and what it printed is the answer.
fn in_a_child(name: &str, subject: &str) -> Option<String> {
    if std::env::var(CHILD).is_ok_and(|asked| asked == subject) {
        return None;
    }
    let program = std::env::current_exe().expect("a test is a program");
    let output = Command::new(program)
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, subject)
        .envs(ENVIRONMENT)
        .output()
        .expect("it starts once more");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

fn rehearse(spec: RehearsalSpec<'_>) {
    tch::set_num_threads(2);
    let mut rehearsal = Rehearsal::new(spec).expect("Linux tells");
    let needs = rehearsal.needs().expect("Linux tells");
    let steps = ROWS.map(|rows| rehearsal.step_bytes(rows).expect("Linux tells"));
    println!("\nneeds {} {} steps {} {}", needs.fixed_bytes, needs.row_bytes, steps[0], steps[1]);
}

/// The guess, and the peaks of whole steps.
fn told(text: &str) -> (Needs, [u64; 2]) {
    let line = text.lines().find_map(|line| line.strip_prefix("needs ")).expect("it has told");
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [fixed_bytes, row_bytes, eight, sixteen] = numbers[..] else { panic!("{line}") };
    (Needs { fixed_bytes, row_bytes }, [eight, sixteen])
}

fn close_enough(text: &str) {
    let (needs, steps) = told(text);
    for (rows, found) in ROWS.into_iter().zip(steps) {
        let guess = needs.fixed_bytes + needs.row_bytes * rows as u64;
        let ratio = guess as f64 / found as f64;
        // Too little would be told as fitting; too much only by what is added for the gradients.
        assert!((0.9..1.4).contains(&ratio), "{rows} rows: guessed {guess}, found {found}, ratio {ratio:.3}; {text}");
    }
}

fn stage(sides: &[u32]) -> StageSpec {
    let views = sides.iter().map(|&side| Size { width: side, height: side }).collect();
    StageSpec { views, records_per_ticket: 1, batch: BatchSpec::default(), precision: Precision::FULL }
}

#[test]
fn the_memory_of_a_step_is_foretold_from_two_and_four_rows() {
    let name = "rehearsal::the_memory_of_a_step_is_foretold_from_two_and_four_rows";
    match in_a_child(name, "plain") {
        Some(text) => close_enough(&text),
        None => rehearse(RehearsalSpec {
            net: &XResNetSpec::xresnet18(104),
            optimizer: OptimizerSpec::Adam(AdamOptions::default()),
            has_mean: false,
            objective: &CrossEntropy { label_smoothing: 0.1 },
            stage: stage(&[128]),
        }),
    }
}

#[test]
fn so_is_that_of_several_views_and_two_heads() {
    let name = "rehearsal::so_is_that_of_several_views_and_two_heads";
    let Some(text) = in_a_child(name, "triplets") else {
        let cross_entropy = CrossEntropy { label_smoothing: 0.1 };
        let objective = Together { cross_entropy, metric: MetricLoss::Triplet { margin: 0.3 }, weight: 0.5 };
        return rehearse(RehearsalSpec {
            net: &XResNetSpec { embedding: Some(64), ..XResNetSpec::xresnet18(104) },
            optimizer: OptimizerSpec::Adam(AdamOptions::default()),
            has_mean: true,
            objective: &objective,
            stage: StageSpec { records_per_ticket: 3, ..stage(&[96, 96, 96]) },
        });
    };
    close_enough(&text);
}
