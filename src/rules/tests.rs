//! Tests of the rules.

use super::*;
use crate::recipe::Recipe;

fn seedling(assignments: &[&str]) -> Recipe {
    let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
    Recipe::load("seedling", &assignments).expect("valid")
}

/// Verdicts of R1 to R9.
fn verdicts(rules: &Rules, assignments: &[&str], seeds: &[u64]) -> [Verdict; 9] {
    let findings = check(rules, &seedling(assignments), seeds, &Origin::Initialised);
    let verdicts: Vec<Verdict> = findings.iter().map(|finding| finding.verdict).collect();
    verdicts.try_into().expect("there are nine rules")
}

use Verdict::{Fail, Pass, Undecided};

const AT_224: &str = "evaluation={ source_px = 224, resize_px = 256, input_px = 224 }";

#[test]
fn a_recipe_that_keeps_the_rules_leaves_open_what_only_a_run_can_tell() {
    let rules = Rules::fastgarden();
    let all = [Pass, Undecided, Undecided, Pass, Pass, Undecided, Pass, Pass, Pass];
    assert_eq!(verdicts(&rules, &[AT_224], &[1, 2, 3]), all);
}

#[test]
fn each_rule_that_a_recipe_can_break_fails_alone() {
    let rules = Rules::fastgarden();
    let cases: &[(usize, &[&str], &[u64])] = &[
        (2, &[], &[1, 2, 3]),
        (2, &[AT_224, "evaluation.limit=100"], &[1, 2, 3]),
        (2, &[AT_224, "evaluation.on=holdout:100"], &[1, 2, 3]),
        (2, &[AT_224, "evaluation.source_px=192"], &[1, 2, 3]),
        (4, &[AT_224], &[1]),
        (4, &[AT_224], &[1, 2, 4]),
        (5, &[AT_224, "stage.0.epochs=6"], &[1, 2, 3]),
        (8, &[AT_224, "why=\"it works\""], &[1, 2, 3]),
        (8, &[AT_224, "based_on=[]"], &[1, 2, 3]),
        (9, &[AT_224, "data_note=\"- - -\""], &[1, 2, 3]),
    ];
    for (rule, assignments, seeds) in cases {
        let verdicts = verdicts(&rules, assignments, seeds);
        let failed: Vec<usize> = (1..=9).filter(|number| verdicts[number - 1] == Fail).collect();
        assert_eq!(failed, [*rule], "{assignments:?}");
    }
}

#[test]
fn parents_are_of_the_same_seed_and_keep_the_counters_too() {
    let against = |parent: ParentRun| {
        let outcome = Outcome {
            finished_seeds: vec![1, 2, 3],
            validation_records: 3_712,
            origin: Origin::Own { epochs: 2 },
            parents: vec![parent],
            ..Outcome::default()
        };
        reasons_against(&Rules::fastgarden(), &seedling(&[AT_224, "stage.0.epochs=3"]), &outcome)
    };
    let honest = ParentRun { of_seed: 1, seed: 1, examples_max: 12_753, views_max: 3 };
    assert_eq!(against(honest), <[String; 0]>::default());
    let picked = against(ParentRun { seed: 57, ..honest });
    assert!(picked.len() == 1 && picked[0].starts_with("R4: seed 1 started from a run of seed 57"), "{picked:?}");
    let larger = against(ParentRun { examples_max: 12_754, ..honest });
    assert_eq!(larger, ["R7: an epoch of a parent of seed 1 has 12,754 examples, more than 12,753"]);
    let wider = against(ParentRun { views_max: 4, ..honest });
    assert_eq!(wider, ["R7: an example of a parent of seed 1 has 4 images, more than 3"]);
}

#[test]
fn no_rules_fail_nothing() {
    assert!(!verdicts(&Rules::none(), &["why=\"\"", "stage.0.epochs=50"], &[9]).contains(&Fail));
}

#[test]
fn a_run_on_other_data_says_why_it_is_no_submission() {
    let outcome = Outcome {
        finished_seeds: vec![1],
        unfinished_seeds: vec![2, 3],
        was_cut_short: true,
        validation_records: 100,
        validation_quarantined: 2,
        on_garden: true,
        device_bytes_max: Some(15 << 30),
        seconds_max: 61.0,
        origin: Origin::Initialised,
        parents: Vec::new(),
    };
    let rules = Rules { max_seconds: Some(60), ..Rules::fastgarden() };
    let reasons = reasons_against(&rules, &seedling(&[]), &outcome);
    for expected in [
        "R2: the score is taken at 64 px, not at 224 px",
        "R2: the synthetic garden is not the competition's data set",
        "R2: 100 validation images were scored, not 3,712",
        "R2: 2 validation images could not be read",
        "R4: 1 run of at least 3: add --runs 3",
        "R4: started and not finished: seed 2, 3; --resume goes on with it",
        "R4: --max-steps ended the run before its last epoch",
        "R6: 15.0 GiB of device memory were used, more than 14.0 GiB",
        "time: a run took 61 s, more than 60",
    ] {
        assert!(reasons.iter().any(|reason| reason == expected), "{expected} not in {reasons:#?}");
    }
}

#[test]
fn rules_for_as_many_records_as_the_garden_holds_were_written_for_it() {
    let rules = Rules::from_text("garden.toml", "validation_records = 832\ninput_px = 64\n").expect("valid");
    let outcome = Outcome { finished_seeds: vec![1], validation_records: 832, on_garden: true, ..Outcome::default() };
    assert_eq!(reasons_against(&rules, &seedling(&[]), &outcome), [""; 0]);
}

#[test]
fn nothing_is_held_against_a_proper_series_or_without_rules() {
    let outcome = Outcome { finished_seeds: vec![3, 1, 2], validation_records: 3_712, ..Outcome::default() };
    assert_eq!(reasons_against(&Rules::fastgarden(), &seedling(&[AT_224]), &outcome), [""; 0]);
    assert_eq!(reasons_against(&Rules::none(), &seedling(&[]), &Outcome::default()), [""; 0]);
}

#[test]
fn a_rule_file_limits_what_it_names_and_reads_back() {
    let rules = Rules::from_text("mine.toml", "epochs = 2\ndevice_memory = 8\n").expect("valid");
    assert_eq!((rules.epochs, rules.device_memory, rules.examples_per_epoch), (Some(2), Some(8.0), None));
    for rules in [rules, Rules::fastgarden(), Rules::none()] {
        let again = Rules::from_text("again.toml", &rules.to_toml()).expect("the resolved form is valid");
        assert_eq!((again.hash(), again.to_toml()), (rules.hash(), rules.to_toml()));
    }
}

#[test]
fn wrong_rules_are_told_in_one_sentence() {
    let cases = [
        ("epoch = 5", "r.toml:1: unknown key `epoch`: did you mean `epochs`?"),
        ("\nruns = 0", "r.toml:2: `runs` is 0: it must be a whole number from 1 to"),
        ("epochs = \"x\"", "r.toml:1: `epochs` must be a whole number, not the text \"x\""),
        ("device_memory = nan", "r.toml:1: `device_memory` is NaN: it must be a number above 0, in GiB"),
    ];
    for (text, expected) in cases {
        let error = Rules::from_text("r.toml", text).expect_err(text).to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let error = Rules::load("fastgardn").expect_err("unknown").to_string();
    assert_eq!(error, "there are no rules named `fastgardn`: did you mean `fastgarden`?");
}

#[test]
fn numbers_are_grouped_by_thousands() {
    assert_eq!([0, 999, 1_000, 12_753, 1_234_567].map(grouped), ["0", "999", "1,000", "12,753", "1,234,567"]);
}

#[test]
fn the_lineage_counts_and_must_be_our_own() {
    let told = |rules: &Rules, assignments: &[&str], origin: Origin| {
        let findings = check(rules, &seedling(assignments), &[1, 2, 3], &origin);
        [0, 4].map(|rule| (findings[rule].verdict, findings[rule].reason.clone()))
    };
    let two_epochs = &["stage.0.epochs=2"];
    let [first, fifth] = told(&Rules::fastgarden(), two_epochs, Origin::Own { epochs: 3 });
    assert_eq!((first.0, fifth), (Pass, (Pass, "5 epochs, 3 of them the parent's".to_owned())));
    let [_, fifth] = told(&Rules::fastgarden(), two_epochs, Origin::Own { epochs: 4 });
    assert_eq!(fifth, (Fail, "6 epochs, more than 5, 4 of them the parent's".to_owned()));
    let foreign = Origin::Foreign { epochs: 0, why: "x.safetensors was trained elsewhere".to_owned() };
    let [first, _] = told(&Rules::fastgarden(), two_epochs, foreign.clone());
    assert_eq!(first, (Fail, "x.safetensors was trained elsewhere".to_owned()));
    assert!(told(&Rules::none(), two_epochs, foreign).iter().all(|(verdict, _)| *verdict == Pass));
}
