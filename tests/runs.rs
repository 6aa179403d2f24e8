//! `runs list|compare` on folders and reports that `train` did not make.
//! Not here: those that it made (see `seeing`).

use std::fs;

use serde_json::{Value, json};

use crate::common::Place;

/// A series of one run, of the recipe `seedling`, with these epochs.
fn series(place: &Place, name: &str, epochs: &[u32]) {
    let epoch = |number: &u32| {
        let examples = json!({"issued": 8, "trained": 8, "quarantined": 0, "dropped_last": 0});
        json!({"epoch": number, "valid_loss": 2.5, "accuracy": 0.5, "seconds": 1.0, "examples": examples})
    };
    let run = json!({
        "seed": 1, "epochs": epochs.iter().map(epoch).collect::<Vec<Value>>(), "is_full_validation": true,
        "validation_quarantined": 0, "steps": 1, "batch_hash": "aa", "ledger_head": "bb", "weights_sha256": "cc",
        "attempts": [],
    });
    let report = json!({
        "version": 1, "recipe": "seedling", "recipe_hash": "dd", "rules": "none", "not_a_submission": [], "runs": [run],
    });
    let folder = place.path("runs").join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("recipe.toml"), place.run("recipes show seedling").expect_code(0).stdout).unwrap();
    fs::write(folder.join("report.json"), report.to_string()).unwrap();
}

#[test]
fn only_epochs_that_there_are_get_compared() {
    let place = Place::new();
    series(&place, "a", &[4, 5]);
    series(&place, "b", &[5, u32::MAX]);
    let told = place.run("runs compare a b").expect_code(0).stdout;
    let number = |line: &str| Some(line.trim().strip_prefix("epoch ")?.split_once(", accuracy")?.0.to_owned());
    let numbers: Vec<String> = told.lines().filter_map(number).collect();
    assert_eq!(numbers, ["4", "5", "4294967295"], "{told}");
}

#[test]
fn a_folder_s_name_can_not_clear_the_screen() {
    let place = Place::new();
    series(&place, "a\u{1b}c", &[1]);
    series(&place, "b", &[1]);
    let unreported = place.path("runs").join("unreported\u{1b}c");
    fs::create_dir(&unreported).unwrap();
    fs::write(unreported.join("recipe.toml"), "").unwrap();
    for words in ["runs list", "runs compare a\u{1b}c b"] {
        let told = place.run(words).expect_code(0).stdout;
        assert!(told.contains("a\u{fffd}c") && !told.contains('\u{1b}'), "{told}");
    }
}
