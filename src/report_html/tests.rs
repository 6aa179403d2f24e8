//! Pages of made-up series: what must be there, and what must never be.

use super::read::{QuarantineSeen, RunSeen};
use super::*;
use crate::recipe::Recipe;
use crate::report::{EpochReport, ExamplesReport, Report, RunReport};
use crate::rules::Rules;

const HOSTILE: &str = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\" onfocus=\"alert(1)";

fn run(seed: u64, accuracy: f64) -> RunReport {
    let epoch = |number: u32| EpochReport {
        epoch: number,
        train_loss: Some(3.0 / f64::from(number)),
        valid_loss: None,
        accuracy: Some(accuracy),
        images_per_s: Some(100.0),
        input_wait_share: Some(0.1),
        seconds: 61.0,
        skipped_steps: 0,
        examples: ExamplesReport { issued: 128, trained: 128, quarantined: 0, dropped_last: 0 },
    };
    RunReport {
        seed,
        parent: None,
        epochs: vec![epoch(1), epoch(2)],
        accuracy: Some(accuracy),
        is_full_validation: true,
        validation_quarantined: 0,
        steps: 4,
        cut_short: false,
        seconds: 122.0,
        batch_hash: HOSTILE.to_owned(),
        ledger_head: HOSTILE.to_owned(),
        weights_sha256: HOSTILE.to_owned(),
        attempts: Vec::new(),
        peak_device_bytes: None,
    }
}

fn seen(recipe: Recipe, runs: Vec<RunReport>) -> SeriesSeen {
    let quarantined = QuarantineSeen {
        shard: HOSTILE.to_owned(),
        offset: 7,
        kind: "damaged_image".to_owned(),
        detail: HOSTILE.to_owned(),
        phase: "train".to_owned(),
    };
    let beside = |_: &RunReport| RunSeen {
        quarantined: vec![quarantined.clone(), quarantined.clone()],
        missing: vec![HOSTILE.to_owned()],
        ..RunSeen::default()
    };
    let lies = runs.iter().map(beside).collect();
    let mut report = Report::new(&recipe, &Rules::fastgarden(), runs);
    report.not_a_submission.push(HOSTILE.to_owned());
    SeriesSeen { folder: HOSTILE.into(), recipe, report, runs: lies }
}

#[test]
fn a_page_has_the_curves_and_tables_of_its_runs() {
    let recipe = Recipe::load("seedling", &[]).unwrap();
    let page = page_of(&seen(recipe, vec![run(1, 0.5), run(2, 0.7)]), None);
    // Accuracy, training loss, learning rate, images a second, input wait; no validation loss, no ledger.
    assert_eq!(page.matches("<figure").count(), 5, "{page}");
    for part in ["60.00 % ", "± 10.00", "seed 2", "mean", "2:02", "at byte 7", "No epoch has ended yet."] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("What the net sees") && !page.contains("<script"), "no look was taken");
}

#[test]
fn nothing_in_a_series_becomes_markup() {
    let mut recipe = Recipe::load("seedling", &[]).unwrap();
    for text in [&mut recipe.name, &mut recipe.summary, &mut recipe.method, &mut recipe.why, &mut recipe.data_note] {
        *text = HOSTILE.to_owned();
    }
    recipe.based_on = vec![HOSTILE.to_owned()];
    let page = page_of(&seen(recipe, vec![run(1, 0.5)]), None);
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("\" onfocus"), "{page}");
    assert!(page.contains("&lt;script&gt;"));
}

#[test]
fn a_series_without_runs_is_a_page_too() {
    let recipe = Recipe::load("seedling", &[]).unwrap();
    let page = page_of(&seen(recipe, Vec::new()), None);
    assert!(page.contains("not validated yet") && page.contains("nothing was quarantined"), "{page}");
}
