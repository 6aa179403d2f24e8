//! Boards that are what they say, and every way to write one wrongly by hand.

use super::*;
use crate::leaderboard::entry::tests::entry;

fn refused(text: &str) -> String {
    Board::from_text("board.toml", text).expect_err(text).to_string()
}

#[test]
fn the_embedded_board_has_the_five_published_rows() {
    let board = Board::from_text("leaderboard.toml", EMBEDDED).unwrap();
    assert!(board.is_for(&Rules::fastgarden()) && !board.is_for(&Rules::none()));
    let lines: Vec<_> = board.entries.iter().map(|entry| (entry.author.as_str(), entry.score_text())).collect();
    let expected = [
        ("bwarner", "82.40 % ± 0.15"),
        ("bwarner", "80.41 % ± 0.73"),
        ("jwuphysics", "79.92 % ± 0.72"),
        ("jwuphysics", "71.70 % ± 0.37"),
        ("morgan", "71.24 % ± 1.24"),
    ];
    assert_eq!(lines, expected.map(|(author, score)| (author, score.to_owned())));
    for entry in &board.entries {
        assert!(entry.is_published());
        assert_eq!(entry.curves[0].accuracy.len(), 5, "{}", entry.system);
        assert!(crate::recipe::EMBEDDED.iter().any(|recipe| recipe.name == entry.system), "{}", entry.system);
    }
}

fn submitted(sha256: &str, head: &str) -> Entry {
    let hash = |digit: &str| digit.repeat(64);
    let submitted = Submitted {
        sha256: hash(sha256),
        recipe_hash: hash("c"),
        ledger_heads: vec![hash(head)],
        passed: vec!["R1".to_owned(), "R9".to_owned()],
    };
    let curve = Curve { seed: Some(1), accuracy: vec![0.25, 0.5], train_loss: vec![2.0, 1.0], valid_loss: Vec::new() };
    Entry { submitted: Some(submitted), curves: vec![curve], ..entry("mine \"quoted\" \\ <b>", &[0.1 + 0.2, 0.5]) }
}

#[test]
fn what_is_appended_is_read_back_and_what_stood_there_stays() {
    let mut board = Board::from_text("leaderboard.toml", EMBEDDED).unwrap();
    board.append(&submitted("a", "b")).unwrap();
    assert!(board.text.starts_with(EMBEDDED.trim_end()));
    assert_eq!(board.entries.last(), Some(&submitted("a", "b")));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("board.toml");
    board.write(&path).unwrap();
    assert_eq!(Board::load(&path, false).unwrap().entries, board.entries);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn the_same_file_and_the_same_runs_are_found() {
    let mut board = Board::empty(&Rules::none());
    board.append(&submitted("a", "b")).unwrap();
    assert!(board.same_as(&submitted("a", "d")).is_some());
    assert!(board.same_as(&submitted("d", "b")).is_some());
    assert!(board.same_as(&submitted("d", "e")).is_none());
    assert!(board.append(&submitted("d", "b")).is_err(), "nor does the file take it");
}

#[test]
fn a_published_row_stands_there_once() {
    let second = EMBEDDED.match_indices("[[entry]]").nth(1).expect("there are five").0;
    let first = EMBEDDED.find("[[entry]]").expect("there are five");
    let told = refused(&format!("{EMBEDDED}\n{}", &EMBEDDED[first..second]));
    assert!(told.contains("`entry.5`: it is `entry.0` once more: remove one of them"), "{told}");
}

#[test]
fn a_board_for_other_rules_is_known_by_their_hash() {
    let board = Board::empty(&Rules::none());
    assert!(board.is_for(&Rules::none()) && !board.is_for(&Rules::fastgarden()));
    assert!(Board::from_text("b", &board.text).unwrap().entries.is_empty());
}

#[test]
fn what_is_written_wrongly_by_hand_is_refused_with_its_line_and_key() {
    let cases = [
        ("version = 1", "version = 2", "board.toml:4: `version`: it is 2, and this program reads version 1"),
        ("rules = \"fastgarden\"", "rules = \"mine\"", "board.toml:5: `rules`: it must be \"fastgarden\""),
        (
            "author = \"bwarner\"",
            "auther = \"bwarner\"",
            "board.toml:12: unknown key `auther` in `entry.0`: did you mean `author`?",
        ),
        ("author = \"bwarner\"", "author = \"\"", "board.toml:12: `entry.0.author`: it is empty"),
        ("author = \"bwarner\"", "author = \"b\\u202Eb\"", "can't be seen"),
        ("0.823545", "82.3545", "board.toml:16: `entry.0.accuracies`: 82.3545 is no share"),
        ("0.823545", "nan", "board.toml:16: `entry.0.accuracies`: NaN is no share"),
        ("0.823545", "\"high\"", "must be a number"),
        ("std = \"population\"", "std = \"other\"", "`entry.0.std`: it must be \"population\""),
        ("date = \"2020-05-13\"", "date = 2020-05-13", "text in quotes"),
        ("date = \"2020-05-13\"", "date = \"13.5.2020\"", "`entry.0.date`: \"13.5.2020\" is no day"),
        ("date = \"2020-05-13\"", "date = \"2021-02-29\"", "`entry.0.date`: \"2021-02-29\" is no day"),
        ("seconds = 1065.0", "seconds = -1", "board.toml:18: `entry.0.seconds`"),
        ("link = \"https:", "link = \"javascript:", "`entry.0.link`: it must be empty, or a web address"),
        ("origin = \"published\"", "origin = \"mine\"", "`entry.0.origin`: it must be"),
        ("origin = \"published\"", "origin = \"submission\"", "use `leaderboard add`"),
        ("accuracies = [0.822468, 0.823545, 0.825970]", "accuracies = []", "it is empty: give one a run"),
        ("accuracies = [0.822468, 0.823545, 0.825970]", "mean = 0.8", "needs either `accuracies`"),
        ("std = \"population\"", "std = \"population\"\nmean = 0.9", "needs either `accuracies`"),
        ("[2.77,", "[inf,", "`entry.0.curve.0.valid_loss`: inf is no loss"),
        ("[[entry]]", "[[entry]", "this is not TOML"),
    ];
    for (from, to, part) in cases {
        let text = EMBEDDED.replacen(from, to, 1);
        assert_ne!(text, EMBEDDED, "{from} is not in the board");
        let error = refused(&text);
        assert!(error.starts_with("board.toml:") && error.contains(part), "{part} is not in {error}");
    }
}

#[test]
fn a_refusal_comes_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("board.toml");
    std::fs::write(&path, EMBEDDED.replacen("0.823545", "8", 1)).unwrap();
    let failure = Board::load(&path, true).expect_err("8 is no accuracy");
    let message = failure.message().unwrap();
    assert!(message.contains("try: mend that line") && message.contains("git checkout"), "{message}");
    assert_eq!(failure.code(), 2);
    assert!(Board::load(&folder.path().join("other.toml"), false).is_err());
    assert_eq!(Board::load(&folder.path().join("other.toml"), true).unwrap().entries.len(), 5);
}
