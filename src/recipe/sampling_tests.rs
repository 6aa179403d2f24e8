//! Tests of `stage.sampler`, `stage.view_px` and `evaluation.on`.

use super::tests::SMALL;
use super::*;

/// The recipe with these assignments; files that it names are `files`.
fn with(assignments: &[&str], files: &[(&str, &str)]) -> Result<Recipe, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("the folder is writable");
    }
    // In the file itself: what --set names lies where the program runs.
    let text = assignments.iter().fold(SMALL.to_owned(), |text, line| format!("{text}{line}\n"));
    let file = folder.path().join("small.toml");
    Recipe::from_text(&file.to_string_lossy(), &text, &[]).map_err(|error| error.to_string())
}

fn valid(assignments: &[&str], files: &[(&str, &str)]) -> Recipe {
    with(assignments, files).unwrap_or_else(|error| panic!("{assignments:?}: {error}"))
}

#[test]
fn every_sampler_reads_back_as_it_is_written() {
    let weights = format!("class_weights = [{}]", vec!["1.5"; 104].join(", "));
    let weighted = format!("sampler = {{ kind = \"weighted\", {weights}, tickets = 9 }}");
    let by_class: String = (0..104).map(|class| format!("{class},{}\n", class % 3)).collect();
    let by_class = format!("class,weight\n{by_class}");
    let files: &[(&str, &str)] = &[
        ("weights.csv", &by_class),
        ("ids.csv", "id,weight\na,1\nb,0.5\n"),
        ("epochs.jsonl", "{\"epoch\":1,\"ids\":[\"a\",\"b\"]}\n{\"epoch\":1,\"ids\":[\"b\",\"a\"]}\n"),
    ];
    for (line, kind, records) in [
        ("sampler = { kind = \"sequential\" }", "sequential", 1),
        ("sampler = { kind = \"balanced\", tickets = 500 }", "balanced", 1),
        (weighted.as_str(), "weighted", 1),
        ("sampler = { kind = \"weighted\", file = \"weights.csv\" }", "weighted", 1),
        ("sampler = { kind = \"weighted\", file = \"ids.csv\" }", "weighted", 1),
        ("sampler = { kind = \"hard\", uniform_share = 0.5 }", "hard", 1),
        ("sampler = { kind = \"triplet\" }", "triplet", 3),
        ("sampler = { kind = \"siamese\", same_share = 0.25, tickets = 7 }", "siamese", 2),
        ("sampler = { kind = \"file\", file = \"epochs.jsonl\" }", "file", 2),
        ("sampler = { kind = \"multi_resolution\" }\nview_px = [64, 96, 128]", "multi_resolution", 1),
    ] {
        let recipe = valid(&[line], files);
        let stage = &recipe.stages[0];
        assert_eq!((stage.sampler.kind(), stage.sampler.sampler.records_per_ticket()), (kind, records), "{line}");
        assert_eq!(stage.view_px.len(), if kind == "multi_resolution" { 3 } else { records }, "{line}");
        let copies = recipe.files();
        assert_eq!(copies.len(), usize::from(line.contains("file =")), "{line}");
        let read = |name: &str| copies.get(name).map(|text| text.as_bytes().to_vec());
        let again = Recipe::from_resolved("again.toml", &recipe.to_toml(), read).expect("the resolved form is valid");
        assert_eq!((&again, again.hash()), (&recipe, recipe.hash()), "{line}");
        if !copies.is_empty() {
            let changed = |name: &str| {
                read(name).map(|mut bytes| {
                    bytes.push(b'\n');
                    bytes
                })
            };
            let error =
                Recipe::from_resolved("again.toml", &recipe.to_toml(), changed).expect_err("it is another file");
            assert!(error.to_string().contains("is not what it was"), "{error}");
            let gone = Recipe::from_resolved("again.toml", &recipe.to_toml(), |_| None).expect_err("it is not there");
            assert!(gone.to_string().contains("is missing"), "{gone}");
        }
    }
}

#[test]
fn another_file_is_another_recipe_and_another_name_is_not() {
    let hash = |name: &str, text: &str| {
        valid(&[&format!("sampler = {{ kind = \"file\", file = \"{name}\" }}")], &[(name, text)]).hash()
    };
    let base = hash("a.jsonl", "{\"ids\":[\"a\"]}\n");
    assert_eq!(base, hash("b.jsonl", "{\"ids\":[\"a\"]}\n"));
    assert_ne!(base, hash("a.jsonl", "{\"ids\":[\"b\"]}\n"));
}

#[test]
fn what_a_sampler_can_not_mean_is_told_with_its_key() {
    let files: &[(&str, &str)] = &[
        ("short.csv", "class,weight\n0,1\n"),
        ("nan.csv", "id,weight\na,nan\n"),
        ("zero.csv", "id,weight\na,0\n"),
        ("uneven.jsonl", "{\"ids\":[\"a\"]}\n{\"ids\":[\"a\",\"b\"]}\n"),
        ("empty.jsonl", ""),
    ];
    for (line, message) in [
        ("sampler = { kind = \"ballanced\" }", "did you mean `balanced`?"),
        (
            "sampler = { kind = \"shuffled\", tickets = 5 }",
            "`stage.0.sampler.tickets` does not belong to kind \"shuffled\"",
        ),
        ("sampler = { kind = \"balanced\", tickets = 0 }", "`stage.0.sampler.tickets` is 0: it must be a whole number"),
        (
            "sampler = { kind = \"hard\", uniform_share = 1.5 }",
            "`stage.0.sampler.uniform_share` is 1.5: it must be from 0",
        ),
        (
            "sampler = { kind = \"hard\", same_share = 0.5 }",
            "`stage.0.sampler.same_share` does not belong to kind \"hard\"",
        ),
        ("sampler = { kind = \"siamese\", same_share = nan }", "`stage.0.sampler.same_share` is NaN"),
        ("sampler = { kind = \"weighted\" }", "`stage.0.sampler` needs weights"),
        ("sampler = { kind = \"weighted\", class_weights = [1.0] }", "`stage.0.sampler.class_weights`"),
        ("sampler = { kind = \"weighted\", class_weights = [1.0], file = \"short.csv\" }", "both give weights"),
        ("sampler = { kind = \"weighted\", file = \"short.csv\" }", "`stage.0.sampler.file`: short.csv, "),
        ("sampler = { kind = \"weighted\", file = \"nan.csv\" }", "nan.csv, line 2"),
        ("sampler = { kind = \"weighted\", file = \"zero.csv\" }", "zero.csv, "),
        ("sampler = { kind = \"weighted\", file = \"none.csv\" }", "cannot read"),
        ("sampler = { kind = \"file\" }", "`stage.0.sampler.file` is missing"),
        ("sampler = { kind = \"file\", file = \"uneven.jsonl\" }", "uneven.jsonl, line 2"),
        ("sampler = { kind = \"file\", file = \"empty.jsonl\" }", "there are no tickets"),
        ("sampler = { kind = \"multi_resolution\" }", "needs the sizes of its views"),
        ("view_px = [64]", "`stage.0.view_px` has 1 sizes: several views have two or three"),
        ("view_px = [64, 64, 64, 64]", "a ticket has at most 3 views"),
        ("view_px = [64, 0]", "`stage.0.view_px.1` is 0"),
        ("sampler = { kind = \"triplet\" }\nview_px = [64, 64]", "makes tickets of 3 records, a view each"),
        ("view_px = [16384, 16384, 16384]", "stage.0"),
        ("[evaluation]\non = \"holdout:0\"", "`evaluation.on` is \"holdout:0\""),
        ("[evaluation]\non = \"train\"", "`evaluation.on` is \"train\""),
    ] {
        let error = with(&[line], files).expect_err(message);
        assert!(error.contains(message), "{line}:\n  {error}\n  should say {message}");
    }
}

#[test]
fn a_hold_out_is_read_and_written() {
    let recipe = valid(&["[evaluation]\non = \"holdout:1000\""], &[]);
    assert_eq!(recipe.evaluation.on, JudgedOn::Holdout(1000));
    assert!(recipe.to_toml().contains("on = \"holdout:1000\""));
    assert_eq!(valid(&[], &[]).evaluation.on, JudgedOn::Validation);
}
