//! `leaderboard` as a user meets it: the published rows, a submission on its way to a board, and what is refused.

use std::fs;

use crate::common::{Output, Place, garden};

const RECIPE: &str = r#"
name = "tiny"
summary = "</style><script>alert(1)</script>"
method = "A very small residual net is trained on pictures of synthetic flowers for one epoch."
based_on = ["Deep residual learning for image recognition"]
why = "Nothing about it should work; it is small enough to be trained within a test."
data_note = "TFRecords are read directly, nothing is written to disk."
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
input_px = 32
batch_size = 8
schedule = { kind = "constant" }
[evaluation]
source_px = 48
resize_px = 40
input_px = 32
[execution]
cpu_threads = 1
"#;
const RULES: &str = "examples_per_epoch = 100\nepochs = 1\nruns = 2\nvalidation_records = 16\ninput_px = 32\n";

#[test]
fn the_published_rows_are_shown_without_any_file() {
    let place = Place::new();
    let output = place.run("leaderboard show").expect_code(0);
    for part in
        ["82.40 % ± 0.15", "71.24 % ± 1.24 s", "≈ 3", "bwarner", "progressive-resize", "published, not re-run", "17:45"]
    {
        assert!(output.stdout.contains(part), "{part} is not in {}", output.stdout);
    }
    assert!(output.stderr.contains("came with the program"), "{}", output.stderr);
    let lines = place.run("leaderboard show --format markdown").expect_code(0).stdout;
    assert!(lines.starts_with("1. 82.40% ± 0.15%: @bwarner "), "{lines}");
    let document = place.run("leaderboard show --format json").expect_code(0).json();
    assert_eq!(document["entries"].as_array().unwrap().len(), 5);
    assert_eq!(document["entries"][4]["std_stated"], "sample");
    place.run("leaderboard html --out page.html").expect_code(0);
    let page = fs::read_to_string(place.path("page.html")).unwrap();
    assert_eq!(page.matches("published, not re-run").count(), 5);
    assert!(!place.path("leaderboard.toml").exists(), "showing writes nothing");
    place.run("leaderboard show --file other.toml").expect_code(2);
}

#[test]
fn a_board_edited_wrongly_is_refused_with_its_line_and_a_way_out() {
    let place = Place::new();
    fs::write(place.path("leaderboard.toml"), "version = 1\nrules = \"fastgarden\"\n[[entry]]\nauthr = \"x\"\n")
        .unwrap();
    for command in ["leaderboard show", "leaderboard html"] {
        let refused = place.run(command).expect_code(2);
        for part in
            ["leaderboard.toml:4: unknown key `authr` in `entry.0`: did you mean `author`?", "try: mend that line"]
        {
            assert!(refused.stderr.contains(part), "{part} is not in {}", refused.stderr);
        }
    }
    assert!(!place.path("leaderboard.html").exists());
}

fn add(place: &Place, words: &str, sentence: Option<&str>) -> Output {
    let mut command = place.command(&format!("leaderboard add {words}"));
    command.args(sentence.map(|sentence| format!("--sentence={sentence}")));
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn a_submission_gets_onto_the_board_of_its_rules_once() {
    let place = Place::new();
    garden(&place.path("garden"), 24, 16, 48);
    fs::write(place.path("tiny.toml"), RECIPE).unwrap();
    fs::write(place.path("garden-rules.toml"), RULES).unwrap();
    let train = "train tiny.toml --data garden --out runs --rules garden-rules.toml --device cpu --runs 2";
    place.run(train).expect_code(0);
    let series = fs::read_dir(place.path("runs")).unwrap().next().unwrap().unwrap().path();
    let submit = format!(
        "submit {} --author @ada --link https://example.org/tiny --no-source --out tiny.tar.gz",
        series.display()
    );
    place.run(&submit).expect_code(0);

    // The competition's board is for other rules.
    let refused = add(&place, "tiny.tar.gz --file leaderboard.toml", None);
    assert_eq!(refused.code, 0, "there was no board yet, so it is one for these rules: {}", refused.stderr);
    assert!(refused.stdout.starts_with("leaderboard.toml: place 1 of 1\n1. "), "{}", refused.stdout);
    fs::write(place.path("competition.toml"), fastgarden_actors::leaderboard::EMBEDDED).unwrap();
    let refused = add(&place, "tiny.tar.gz --file competition.toml", None).expect_code(4);
    assert!(refused.stderr.contains("is a board for other rules"), "{}", refused.stderr);

    let before = fs::read(place.path("leaderboard.toml")).unwrap();
    let again = add(&place, "tiny.tar.gz", Some("The same once more.")).expect_code(2);
    assert!(again.stderr.contains("is on leaderboard.toml already: tiny by ada"), "{}", again.stderr);
    let long = add(&place, "tiny.tar.gz --file other.toml", Some(&"x".repeat(500))).expect_code(2);
    assert!(long.stderr.contains("it has 500 characters, more than 400"), "{}", long.stderr);
    assert_eq!(fs::read(place.path("leaderboard.toml")).unwrap(), before);
    assert!(!place.path("other.toml").exists());

    let entry = place.run("leaderboard show --format json").expect_code(0).json()["entries"][0].clone();
    assert_eq!(
        (&entry["author"], &entry["runs"], &entry["std_stated"]),
        (&"ada".into(), &2.into(), &"population".into())
    );
    assert!(entry["passed"].as_array().unwrap().len() >= 8, "{entry}");
    assert!(entry["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
    place.run("leaderboard html").expect_code(0);
    let page = fs::read_to_string(place.path("leaderboard.html")).unwrap();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;") && page.contains("R7 ✓"), "{page}");

    // A file that was tampered with says something else than its seal, or is none at all.
    fs::write(place.path("broken.tar.gz"), b"not one").unwrap();
    add(&place, "broken.tar.gz", None).expect_code(4);
    assert_eq!(fs::read(place.path("leaderboard.toml")).unwrap(), before);
}
