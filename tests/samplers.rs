//! Samplers and held-out records through the program: trained, dumped, verified, refused.
//! Not here: what they draw, which the data crate tests.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::common::{Place, garden};

const RECIPE: &str = r#"
name = "small"
[net]
kind = "xresnet"
stem = { kind = "conv", widths = [8, 8, 64] }
block = { kind = "basic" }
layers = [1, 1, 1, 1]
[optimizer]
kind = "adamw"
lr = 1e-3
[[stage]]
epochs = 3
source_px = 32
input_px = 32
batch_size = 8
[evaluation]
source_px = 32
resize_px = 32
input_px = 32
[checkpoint]
every_steps = 4
every_seconds = 0
[execution]
cpu_threads = 1
"#;

fn place() -> Place {
    let place = Place::new();
    garden(&place.path("garden"), 40, 12, 32);
    fs::write(place.path("small.toml"), RECIPE).expect("the place is writable");
    place
}

fn series(place: &Place, out: &str) -> PathBuf {
    let entry = fs::read_dir(place.path(out)).expect("runs").next().expect("a series");
    entry.expect("an entry").path()
}

fn report(place: &Place, out: &str) -> Value {
    serde_json::from_slice(&fs::read(series(place, out).join("report.json")).expect("there")).expect("valid JSON")
}

const TRAIN: &str = "train small.toml --data garden --rules none --seed 1 --device cpu";

#[test]
fn a_run_that_goes_by_losses_is_drawn_again_from_its_ledger() {
    let place = place();
    let hard = format!("{TRAIN} --set stage.0.sampler={{kind=\"hard\",tickets=24}}");
    place.run(&format!("{hard} --out whole")).expect_code(0);
    let run = series(&place, "whole").join("seed-1");
    let ledger = fs::read_to_string(run.join("ledger.jsonl")).expect("there");
    assert_eq!(ledger.matches("\"losses\":[").count(), 2, "the last epoch's would be for nobody");
    for data in ["", "--data garden", "--data garden --pixels"] {
        let said = place.run(&format!("verify --ledger {} {data}", run.display())).expect_code(0).stdout;
        assert!(said.contains("whole"), "{said}");
    }
    let changed = ledger.replacen("\"losses\":[", "\"losses\":[9", 1);
    assert_ne!(changed, ledger);
    fs::write(run.join("ledger.jsonl"), changed).expect("writable");
    place.run(&format!("verify --ledger {}", run.display())).expect_code(4);
}

#[test]
fn what_is_held_out_is_judged_and_never_trained_on() {
    let place = place();
    let words = format!("{TRAIN} --set evaluation.on=holdout:10 --set stage.0.drop_last=false --set stage.0.epochs=1");
    place.run(&format!("{words} --out runs")).expect_code(0);
    let found = report(&place, "runs");
    let epoch = &found["runs"][0]["epochs"][0];
    assert_eq!(epoch["examples"]["trained"], 30);
    let run = series(&place, "runs").join("seed-1");
    let opening = fs::read_to_string(run.join("ledger.jsonl")).expect("there");
    assert!(opening.lines().next().expect("a line").contains("\"judged_on\":\"holdout:10\""));
    place.run(&format!("verify --ledger {} --data garden", run.display())).expect_code(0);
    let scored = place.run(&format!("evaluate {} --data garden --format json", run.display())).expect_code(0).json();
    assert_eq!((&scored["records"], &scored["accuracy"]), (&10.into(), &found["runs"][0]["accuracy"]));
    // What is dumped of an epoch is what it trains on.
    let dump =
        "data dump --data garden --recipe small.toml --set evaluation.on=holdout:10 --seed 1 --batches 3 --out dump";
    place.run(dump).expect_code(0);
    let refused = format!("{TRAIN} --set evaluation.on=holdout:40 --out none");
    assert!(place.run(&refused).expect_code(2).stderr.contains("leaves none to train on"));
}

#[test]
fn dumps_have_every_view_and_their_chain_is_the_runs() {
    let place = place();
    let scales = "--set stage.0.sampler={kind=\"multi_resolution\"} --set stage.0.view_px=[32,24]";
    place.run(&format!("{TRAIN} {scales} --set stage.0.epochs=1 --out runs")).expect_code(0);
    let dump = format!("data dump --data garden --recipe small.toml {scales} --seed 1 --batches 5 --out dump");
    place.run(&dump).expect_code(0);
    let hash: Value = serde_json::from_slice(&fs::read(place.path("dump/hash.json")).expect("there")).expect("JSON");
    assert_eq!(hash["batch_hash"], report(&place, "runs")["runs"][0]["batch_hash"]);
    for (name, side) in [("batch-00000.npy", 32), ("batch-00000-view1.npy", 24)] {
        let bytes = fs::read(place.path("dump").join(name)).expect("there");
        let header = String::from_utf8_lossy(&bytes[..128]).into_owned();
        assert!(header.contains(&format!("(8,{side},{side},3,)")), "{name}: {header}");
    }
    assert!(!place.path("dump/label-00000-view1.npy").exists(), "both views show one record");
    let tickets = fs::read_to_string(place.path("dump/tickets.jsonl")).expect("there");
    let ticket: Value = serde_json::from_str(tickets.lines().next().expect("a ticket")).expect("JSON");
    assert_eq!(ticket["views"].as_array().map(Vec::len), Some(2));
    let shown =
        place.run(&format!("data show --data garden --recipe small.toml {scales} --out sheet.png")).expect_code(0);
    assert!(shown.stdout.contains("sheet.png") && place.path("sheet.png").exists());
}

#[test]
fn samplers_that_the_data_cannot_feed_are_refused_before_anything_begins() {
    let place = place();
    fs::write(place.path("weights.csv"), "id,weight\nnobody,1\n").expect("writable");
    for (set, message) in [
        // 40 pictures of 104 classes: some class has one picture only.
        ("stage.0.sampler={kind=\"triplet\"}", "has a single example"),
        ("stage.0.sampler={kind=\"weighted\",file=\"weights.csv\"}", "no training record has the id \"nobody\""),
    ] {
        let error = place.run(&format!("{TRAIN} --set {set} --out runs")).expect_code(2).stderr;
        assert!(error.contains(message), "{set}: {error}");
        assert!(!place.path("runs").exists(), "{set}");
    }
}
