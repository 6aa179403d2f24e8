//! Submissions as whoever gets one sees them: what is verified, and everything that can be wrong with one.
//! Not here: making one (`submit`).

use std::fs;

use serde_json::{Value, json};

use crate::common::{Output, Place, garden};
use crate::entry::{Entry, Parts};

/// Alters a submission of the shared series and verifies it.
fn verified(alter: impl Fn(&mut Parts), more: &str) -> Output {
    let (entry, place) = (Entry::get(), Place::new());
    let mut parts = Parts::read(&entry.path("entry.tar.gz"));
    alter(&mut parts);
    parts.write(&place.path("altered.tar.gz"));
    entry.run(&place, &format!("verify altered.tar.gz {more}"))
}

/// Asserts that an altered submission does not stand, and why.
fn refused(alter: impl Fn(&mut Parts), more: &str, expected: &str) {
    let ended = verified(alter, more).expect_code(4);
    let told = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ") + &ended.stderr;
    assert!(told.contains(expected), "{expected}: {}\n{}", ended.stdout, ended.stderr);
}

fn unaltered(_: &mut Parts) {}

#[test]
fn an_honest_submission_stands_with_and_without_its_data() {
    let told = verified(unaltered, "").expect_code(0).stdout;
    assert!(told.contains("verdict it stands") && told.contains("@ada"), "{told}");
    assert!(told.contains("their own: examples_per_epoch = 64"), "whose rules: {told}");
    let told = verified(unaltered, "--data ENTRY/garden --format json").expect_code(0).json();
    assert_eq!((&told["stands"], &told["faults"], &told["rerun"]), (&json!(true), &json!([]), &Value::Null));
    let findings = told["findings"].as_array().unwrap();
    let rules: Vec<_> = findings.iter().map(|finding| finding["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9"]);
    assert!(findings.iter().all(|finding| finding["verdict"] == "pass"), "{told}");
    let report: Value = serde_json::from_slice(&fs::read(Entry::get().series().join("report.json")).unwrap()).unwrap();
    assert_eq!(told["accuracy_mean"], report["accuracy_mean"]);
    assert_eq!(told["accuracy_std_population"], report["accuracy_std_population"]);
}

#[test]
fn rules_that_are_broken_are_named() {
    let without_third = |parts: &mut Parts| {
        parts.files.retain(|(name, _)| !name.starts_with("seed-3/"));
        parts.report(|report| {
            let runs = report["runs"].as_array_mut().unwrap();
            runs.pop();
            let accuracies: Vec<f64> = runs.iter().map(|run| run["accuracy"].as_f64().unwrap()).collect();
            let mean = (accuracies[0] + accuracies[1]) / 2.0;
            let half = (accuracies[0] - accuracies[1]).abs() / 2.0;
            report["accuracy_mean"] = mean.into();
            report["accuracy_std_population"] = half.into();
            report["accuracy_std_sample"] = (half * 2f64.sqrt()).into();
        });
    };
    refused(without_third, "", "R4 mean of enough runs fail 2 runs of at least 3");
    refused(
        unaltered,
        "--rules fastgarden",
        "R2 scored on the whole set fail the score is taken at 32 px, not at 224 px",
    );
    refused(
        |parts| parts.about["explanation"]["why"] = "".into(),
        "",
        "R8 technique explained fail `why` must say more",
    );
    refused(|parts| parts.about["explanation"]["method"] = "magic".into(), "", "fail `method` must say more");
    refused(|parts| parts.about["explanation"]["data_note"] = "- -".into(), "", "R9 data explained fail `data_note`");
    let on_garden = |parts: &mut Parts| parts.report(|report| report["on_garden"] = true.into());
    refused(on_garden, "--rules fastgarden", "the synthetic garden is not");
    let place = Place::new();
    let rules = |text: &str| {
        fs::write(place.path("other.toml"), text).unwrap();
        format!("--rules {}", place.path("other.toml").display())
    };
    refused(unaltered, &rules("examples_per_epoch = 50\n"), "an epoch has 64 examples, more than 50");
    refused(unaltered, &rules("epochs = 1\n"), "R5 epochs fail 2 epochs, more than 1");
    refused(unaltered, &rules("max_seconds = 1\nruns = 4\n"), "R4 mean of enough runs fail 3 runs of at least 4");
    // A run that was started counts, whatever became of it.
    let started = |parts: &mut Parts| {
        parts.report(|report| report["unfinished"] = json!([{"seed": 4, "attempts": [], "why": "no memory"}]));
    };
    refused(started, "", "R4 mean of enough runs fail started and not finished: seed 4");
}

#[test]
fn seeds_are_counted_from_one() {
    let seven = |parts: &mut Parts| {
        for (name, _) in &mut parts.files {
            *name = name.replace("seed-3/", "seed-7/");
        }
        parts.report(|report| report["runs"][2]["seed"] = 7.into());
        parts.ledger(7, |text| text.replacen("\"seed\":3", "\"seed\":7", 1));
    };
    refused(seven, "", "the seeds must be 1 to 3, so that nobody picks the best of many");
    // And the plans of seed 3 are not those of seed 7.
    refused(seven, "", "fault seed-7/ledger.jsonl: line 1");
}

#[test]
fn a_report_that_says_otherwise_than_the_ledgers_is_found() {
    let report = |change: fn(&mut Value), expected: &str| refused(|parts| parts.report(change), "", expected);
    report(
        |report| report["accuracy_mean"] = 0.99.into(),
        "report.json says accuracy_mean = 0.99, the ledgers make it",
    );
    report(|report| report["accuracy_std_population"] = 0.0001.into(), "accuracy_std_population = 0.0001");
    report(
        |report| report["runs"][1]["accuracy"] = 0.99.into(),
        "seed-2/ledger.jsonl: report.json has another accuracy",
    );
    report(|report| report["runs"][1]["steps"] = 1.into(), "report.json counts 1 steps");
    report(|report| report["runs"][0]["batch_hash"] = "00".into(), "another batch_hash");
    report(|report| report["runs"][0]["weights_sha256"] = "00".into(), "another weights_sha256");
    report(|report| report["runs"][0]["ledger_head"] = "0".repeat(64).into(), "seed-1/ledger.jsonl:");
    report(|report| drop(report["runs"].as_array_mut().unwrap().pop()), "report.json says nothing of seed-3");
    report(|report| report["recipe_hash"] = "00".into(), "another recipe_hash than recipe.toml");
    report(|report| report["rules"] = "fastgarden".into(), "other rules than submission.json");
    report(|report| report["of_mean_weights"] = true.into(), "another word on mean weights");
    report(|report| report["peak_device_bytes"] = 1.into(), "another peak_device_bytes than the most of its runs");
    report(|report| report["runs"][0]["seconds"] = 0.into(), "report.json tells of 0 seconds, and of epochs that took");
    report(|report| report["runs"][0]["cut_short"] = true.into(), "of whether --max-steps ended it");
    report(|report| report["runs"][0]["validation_quarantined"] = 1.into(), "other unreadable validation records");
    let parent = json!({"path": "x", "epochs": 1, "ledger_head": "", "weights_sha256": ""});
    refused(|parts| parts.report(|report| report["runs"][0]["parent"] = parent.clone()), "", "names another parent");
    report(
        |report| {
            let first = report["runs"][0].clone();
            report["runs"].as_array_mut().unwrap().push(first);
        },
        "tells of the seed 1 twice",
    );
}

#[test]
fn ledgers_that_were_exchanged_changed_or_cut_are_found() {
    let swapped = |parts: &mut Parts| {
        let second = parts.file("seed-2/ledger.jsonl").clone();
        let first = std::mem::replace(parts.file("seed-1/ledger.jsonl"), second);
        *parts.file("seed-2/ledger.jsonl") = first;
    };
    refused(swapped, "", "seed-1/ledger.jsonl is the ledger of seed 2");
    let better = |text: &str| text.replacen("\"evaluated\":20", "\"evaluated\":21", 1);
    refused(|parts| parts.change("seed-1/ledger.jsonl", better), "", "seed-1/ledger.jsonl: line");
    let cut = |text: &str| text.lines().take(5).map(|line| format!("{line}\n")).collect::<String>();
    refused(|parts| parts.change("seed-2/ledger.jsonl", cut), "", "lines are missing at the end");
    // Its chain and the report made anew: then it is a run that has not finished.
    refused(|parts| parts.ledger(2, cut), "", "tells of a finished run, but the ledger is not finished");
    let judged = |text: &str| text.replacen("\"judged_on\":\"val\"", "\"judged_on\":\"holdout:9\"", 1);
    refused(|parts| parts.ledger(1, judged), "", "line 1 was judged on \"holdout:9\", and the recipe asks for val");
    let followed = |parts: &mut Parts| parts.file("seed-1/ledger.jsonl").extend_from_slice(b"more");
    refused(followed, "", "seed-1/ledger.jsonl: line 20 is cut short");
    let more = |text: &str| text.replacen("\"cap\":64", "\"cap\":70", 1);
    refused(|parts| parts.ledger(1, more), "", "seed-1/ledger.jsonl: line 1");
    let other_recipe = |parts: &mut Parts| parts.change("recipe.toml", |text| text.replace("lr = 0.01", "lr = 0.02"));
    refused(other_recipe, "", "follows another recipe");
    refused(|parts| parts.change("rules.toml", |_| "epochs = 9\n".to_owned()), "", "was held to other rules");
}

#[test]
fn a_submission_from_other_data_is_found_where_the_data_is_at_hand() {
    let place = Place::new();
    garden(&place.path("other"), 80, 20, 48);
    refused(unaltered, &format!("--data {}", place.path("other").display()), "fault seed-1/ledger.jsonl: line 1");
    let another = |parts: &mut Parts| parts.about["fingerprints"]["data"] = "00".into();
    refused(another, "", "was made with another training data than submission.json names");
}

#[test]
fn weights_that_were_altered_are_found() {
    let (entry, place) = (Entry::get(), Place::new());
    entry.copy_to(&place, true);
    place.run("submit series --no-source --weights --out whole.tar.gz").expect_code(0);
    place.run("verify whole.tar.gz").expect_code(0);
    let mut parts = Parts::read(&place.path("whole.tar.gz"));
    let weights = parts.file("seed-2/weights.safetensors");
    let last = weights.len() - 1;
    weights[last] ^= 1;
    parts.write(&place.path("altered.tar.gz"));
    let told = place.run("verify altered.tar.gz").expect_code(4).stdout;
    assert!(told.contains("fault   seed-2/weights.safetensors are not the weights of its ledger"), "{told}");
    parts.file("seed-1/weights.safetensors").truncate(1_000);
    parts.write(&place.path("cut.tar.gz"));
    let told = place.run("verify cut.tar.gz").expect_code(4).stderr;
    assert!(told.contains("seed-1/weights.safetensors: it is no safetensors file"), "{told}");
}

#[test]
fn what_is_no_submission_is_refused_in_one_sentence() {
    let place = Place::new();
    fs::write(place.path("text.tar.gz"), "hello").unwrap();
    fs::create_dir(place.path("folder")).unwrap();
    for (file, code, expected) in
        [("none.tar.gz", 2, "could not be read"), ("text.tar.gz", 4, "no gzipped tar"), ("folder", 4, "not a file")]
    {
        let told = place.run(&format!("verify {file}")).expect_code(code).stderr;
        assert!(told.contains(expected), "{file}: {told}");
    }
    let without = |name: &'static str| move |parts: &mut Parts| parts.files.retain(|(of, _)| of != name);
    refused(without("seed-1/ledger.jsonl"), "", "seed-1/ledger.jsonl is missing");
    refused(without("seed-1/attempts.jsonl"), "", "seed-1/attempts.jsonl is missing");
    refused(without("recipe.toml"), "", "recipe.toml is missing");
    let broken = |name: &'static str| move |parts: &mut Parts| *parts.file(name) = b"\xff = [".to_vec();
    refused(broken("recipe.toml"), "", "is not a sound submission");
    refused(broken("rules.toml"), "", "is not a sound submission");
    refused(broken("report.json"), "", "is not a sound submission");
    verified(|parts| parts.about["version"] = 2.into(), "").expect_code(2);
    verified(unaltered, "--rules nowhere.toml").expect_code(2);
    verified(unaltered, "--data nowhere").expect_code(2);
}
