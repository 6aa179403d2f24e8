//! Tests of series' folders.

use std::time::Duration;

use super::*;

fn seedling(assignments: &[&str]) -> Recipe {
    let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
    Recipe::load("seedling", &assignments).expect("valid")
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn create(out: &Path, recipe: &Recipe, seconds: u64) -> PathBuf {
    Series::create(out, recipe, &Rules::fastgarden(), at(seconds)).expect("created").folder
}

fn resume(out: &Path, recipe: &Recipe) -> Result<Series, Failure> {
    Series::open(out, recipe, &Rules::fastgarden(), true)
}

#[test]
fn times_are_utc_and_sort() {
    let cases = [
        (0, "19700101-000000"),
        (951_782_400, "20000229-000000"),
        (1_709_251_199, "20240229-235959"),
        (4_107_542_400, "21000301-000000"),
    ];
    for (seconds, text) in cases {
        assert_eq!(timestamp(at(seconds)), text);
    }
}

#[test]
fn a_series_is_named_by_recipe_and_time_and_holds_both_files() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let recipe = seedling(&[]);
    let folder = create(out.path(), &recipe, 0);
    assert_eq!(folder.file_name().and_then(|name| name.to_str()), Some("seedling-19700101-000000"));
    assert_eq!(read_recipe(&folder).expect("readable"), recipe);
    let rules = Rules::load(&folder.join(RULES_FILE).display().to_string()).expect("readable");
    assert_eq!(rules.hash(), Rules::fastgarden().hash());
    let again = create(out.path(), &recipe, 0);
    assert_eq!(again.file_name().and_then(|name| name.to_str()), Some("seedling-19700101-000000-2"));
}

#[test]
fn resume_takes_the_newest_of_that_very_name() {
    let out = tempfile::tempdir().expect("a temporary folder");
    create(out.path(), &seedling(&[]), 1_000);
    let newest = create(out.path(), &seedling(&[]), 2_000);
    create(out.path(), &seedling(&["name=seedling-19990101-000000"]), 3_000);
    create(out.path(), &seedling(&["name=seed"]), 4_000);
    fs::create_dir(out.path().join("seedling-29990101-000000")).expect("a folder without a recipe");
    let series = resume(out.path(), &seedling(&[])).expect("resumed");
    assert_eq!((series.folder(), series.is_resumed()), (&*newest, true));
}

#[test]
fn the_tenth_series_of_a_second_is_newer_than_the_ninth() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let folders: Vec<PathBuf> = (0..10).map(|_| create(out.path(), &seedling(&[]), 5)).collect();
    assert_eq!(resume(out.path(), &seedling(&[])).expect("resumed").folder(), folders[9]);
}

#[test]
fn resume_without_a_series_starts_afresh() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let series = resume(&out.path().join("not/there/yet"), &seedling(&[])).expect("started");
    assert!(!series.is_resumed());
    assert!(series.run_folder(3).ends_with("seed-3"));
}

#[test]
fn another_recipe_is_refused_with_the_keys_that_differ() {
    let out = tempfile::tempdir().expect("a temporary folder");
    create(out.path(), &seedling(&[]), 5);
    let changed = seedling(&["stage.0.epochs=2", "execution.prefetch_batches=7"]);
    let failure = resume(out.path(), &changed).expect_err("refused");
    assert_eq!(failure.code(), 2);
    let message = failure.message().expect("says why");
    assert!(message.contains("stage.0.epochs: 5 there, 2 now"), "{message}");
    assert!(!message.contains("prefetch"), "{message}");
}

#[test]
fn execution_alone_may_differ() {
    let out = tempfile::tempdir().expect("a temporary folder");
    create(out.path(), &seedling(&[]), 5);
    assert!(resume(out.path(), &seedling(&["execution.prefetch_batches=7"])).is_ok());
}

#[test]
fn other_rules_are_refused() {
    let out = tempfile::tempdir().expect("a temporary folder");
    create(out.path(), &seedling(&[]), 5);
    let failure = Series::open(out.path(), &seedling(&[]), &Rules::none(), true).expect_err("refused");
    let message = failure.message().expect("says why");
    assert!(message.contains("examples_per_epoch: 12753 there, absent now"), "{message}");
}

#[test]
fn two_processes_never_share_a_series() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let held = Series::create(out.path(), &seedling(&[]), &Rules::fastgarden(), at(5)).expect("created");
    let failure = resume(out.path(), &seedling(&[])).expect_err("refused");
    assert!(failure.message().is_some_and(|text| text.contains("another process is training in")));
    drop(held);
    assert!(resume(out.path(), &seedling(&[])).is_ok());
}

#[test]
fn an_output_path_that_is_a_file_is_a_usage_error() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let file = out.path().join("file");
    fs::write(&file, "x").expect("written");
    for resume in [false, true] {
        let failure = Series::open(&file, &seedling(&[]), &Rules::none(), resume).expect_err("refused");
        assert_eq!(failure.code(), 2);
        assert!(failure.message().is_some_and(|text| text.contains("--out")));
    }
}
