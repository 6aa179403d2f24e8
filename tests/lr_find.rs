//! `lr-find` as a user meets it: a curve, suggestions and a plot, and refusals before any work. A tiny net on a tiny
//! garden.

use std::fs;

use serde_json::Value;

use crate::common::{Place, garden};

const RECIPE: &str = r#"
name = "tiny"
summary = "for tests"
[net]
kind = "xresnet"
stem = { kind = "conv", widths = [8, 8, 64] }
block = { kind = "basic" }
layers = [1, 1, 1, 1]
outputs = 104
[optimizer]
kind = "adamw"
lr = 1e-3
[[stage]]
epochs = 1
source_px = 48
input_px = 48
batch_size = 8
schedule = { kind = "constant" }
[evaluation]
source_px = 48
resize_px = 40
input_px = 32
[execution]
cpu_threads = 1
"#;

fn place() -> Place {
    let place = Place::new();
    garden(&place.path("garden"), 30, 8, 48);
    fs::write(place.path("tiny.toml"), RECIPE).unwrap();
    place
}

const USUAL: &str = "lr-find tiny.toml --data garden --device cpu --set stage.0.input_px=32";

fn numbers(row: &Value) -> Vec<f64> {
    row.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn the_curve_runs_over_epochs_and_its_suggestions_are_rates_of_it() {
    let place = place();
    let output = place.run(&format!("{USUAL} --start-lr 1e-5 --end-lr 1e-2 --steps 24 --format json --out plots"));
    let found = output.expect_code(0).json();
    let points: Vec<_> = found["points"].as_array().unwrap().iter().map(numbers).collect();
    // 30 records make 3 whole batches, so that these are 8 epochs.
    assert_eq!(points.len(), 24, "{found}");
    assert_eq!(points[0][0], 1e-5);
    for pair in points.windows(2) {
        assert!((pair[1][0] / pair[0][0] - 1000f64.powf(1.0 / 24.0)).abs() < 1e-9, "{pair:?}");
    }
    assert_eq!(points[0][1], points[0][2], "the first loss is its own mean");
    // A fresh net knows nothing of 104 classes.
    assert!((points[0][1] - 104f64.ln()).abs() < 1.5, "{}", points[0][1]);
    for (name, factor) in [("valley", 1.0), ("steepest", 1.0), ("minimum_tenth", 10.0)] {
        let lr = found["suggestions"][name].as_f64().unwrap() * factor;
        assert!(points[2..19].iter().any(|point| (point[0] / lr - 1.0).abs() < 1e-9), "{name}: {lr}");
    }
    let plot = fs::read_to_string(place.path("plots/lr-find-tiny.svg")).unwrap();
    assert!(plot.starts_with("<svg") && plot.ends_with("</svg>\n") && plot.contains("valley"), "{plot}");
    // Neither a series nor a checkpoint.
    assert_eq!(fs::read_dir(place.path("plots")).unwrap().count(), 1);
    assert!(!place.path("runs").exists());
}

#[test]
fn the_test_stops_where_training_diverges_and_says_what_to_put_into_the_recipe() {
    let place = place();
    let words = format!("{USUAL} --set optimizer.kind=sgd --start-lr 1e-3 --end-lr 1e5 --steps 60");
    let text = place.run(&words).expect_code(0).stdout;
    assert!(text.contains(" of 60 steps, then"), "{text}");
    for part in ["valley", "steepest", "minimum/10", "--set optimizer.lr=", "optimizer.lr = 1e-3", "lr-find-tiny.svg"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // A rate of the stage's own is the one that counts.
    let text = place.run(&format!("{words} --set stage.0.lr=2e-3")).expect_code(0).stdout;
    assert!(text.contains("--set stage.0.lr=") && text.contains("stage.0.lr = 2e-3"), "{text}");
    let few = place.run(&format!("{USUAL} --steps 5")).expect_code(0).stdout;
    assert!(few.contains("Too few steps") && !few.contains("valley"), "{few}");
}

#[test]
fn rates_that_make_no_test_are_refused_before_any_work() {
    let place = Place::new();
    for (more, part) in [
        ("--start-lr 1 --end-lr 1", "--end-lr 1e0 is not above --start-lr 1e0"),
        ("--start-lr 1 --end-lr 0.1", "--end-lr"),
        ("--start-lr 0", "--start-lr"),
        ("--start-lr=-1e-3", "--start-lr"),
        ("--end-lr inf", "--end-lr"),
        ("--end-lr NaN", "--end-lr"),
        ("--steps 0", "--steps"),
        ("--steps 10001", "--steps"),
    ] {
        let output = place.run(&format!("lr-find seedling {more}")).expect_code(2);
        assert!(output.stderr.contains(part), "{part} is not in {}", output.stderr);
    }
    assert!(!place.path("cache").exists(), "a garden was drawn for nothing");
}

#[test]
fn a_net_too_large_for_the_memory_is_told_in_one_sentence() {
    let place = place();
    // Its head alone is 33 GB.
    let large = "--set net.block={kind=\"bottleneck\",expansion=16} --set net.outputs=1000000";
    let train = "train tiny.toml --data garden --device cpu --rules none --seed 1 --dashboard off --max-steps 1";
    for words in [USUAL, train] {
        let told = place.run_within(16, &format!("{words} {large}")).expect_code(1).stderr;
        assert!(told.contains("broke down: ") && told.contains("allocate"), "{told}");
        assert!(!told.contains("frame #") && !told.contains("unwrap()"), "{told}");
    }
}
