//! `predict` and `report html` as a user meets them. A tiny net on a tiny garden, trained once a test.

use std::fs;
use std::path::Path;

use fastgarden_data::catalog::SplitFiles;
use fastgarden_data::compression::InflateBudget;
use fastgarden_data::example::{FeatureNames, FeatureValue, encode_example};
use fastgarden_data::index::Index;
use fastgarden_data::shard_writer::ShardWriter;

use crate::common::{Place, garden};

const RECIPE: &str = r#"
name = "tiny"
summary = "for <tests> & more"
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
epochs = 2
source_px = 48
input_px = 32
batch_size = 8
schedule = { kind = "flat_cos", flat_share = 0.5 }
[evaluation]
source_px = 48
resize_px = 40
input_px = 32
limit = 5
[execution]
cpu_threads = 1
"#;

/// A place with a garden of 40 + 20 pictures and a trained series; its folder.
fn trained() -> (Place, String) {
    let place = Place::new();
    garden(&place.path("garden"), 40, 20, 48);
    fs::write(place.path("tiny.toml"), RECIPE).unwrap();
    place.run("train tiny.toml --data garden --out runs --rules none --device cpu --runs 1").expect_code(0);
    let series = fs::read_dir(place.path("runs")).unwrap().next().unwrap().unwrap().path();
    (place, series.display().to_string())
}

/// The shards' records, image and id.
fn records(folder: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let shards = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let index = Index::open(&SplitFiles::Shards(shards), &InflateBudget::default()).unwrap();
    let record = |number| {
        let mut frame = Vec::new();
        index.read_frames(number, 1, &mut frame).unwrap();
        let example = index.parse_frame(number, &frame, &FeatureNames::default()).unwrap();
        (example.image.unwrap().to_vec(), example.id.unwrap().to_vec())
    };
    (0..index.len()).map(record).collect()
}

fn split_folder(garden: &Path, split: &str) -> std::path::PathBuf {
    let direct = garden.join(split);
    if direct.is_dir() { direct } else { garden.join("tfrecords-jpeg-48x48").join(split) }
}

/// Two test shards of these records, without labels; of record 3 the image is cut, of record 5 the id is missing.
fn write_test_shards(garden: &Path, records: &[(Vec<u8>, Vec<u8>)]) {
    let folder = split_folder(garden, "val").with_file_name("test");
    fs::create_dir(&folder).unwrap();
    // The second name sorts first: the order is that of names, not of writing.
    for (name, range) in [("b.tfrec", 0..4), ("a.tfrec", 4..8)] {
        let mut shard = ShardWriter::create(folder.join(name)).unwrap();
        for number in range {
            let (image, id) = &records[number];
            let image = if number == 3 { &image[..image.len() / 3] } else { image };
            let mut features = vec![("image", FeatureValue::Bytes(image))];
            if number != 5 {
                features.push(("id", FeatureValue::Bytes(id)));
            }
            shard.write(&encode_example(&features)).unwrap();
        }
        shard.finish().unwrap();
    }
}

fn lines(path: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("id,label"));
    lines.map(|line| line.rsplit_once(',').unwrap()).map(|(id, label)| (id.to_owned(), label.to_owned())).collect()
}

#[test]
fn every_test_record_has_a_line_and_accuracies_with_and_without_tta_are_told_apart() {
    let (place, series) = trained();
    let data = place.path("garden");
    let records = records(&split_folder(&data, "val"));
    let checkpoint = format!("{series}/seed-1");

    // Where labels are: the score is evaluate's, over all records although the recipe scores 5.
    let validation = format!("predict {checkpoint} --data garden --split val --device cpu --out val.csv --format json");
    let plain = place.run(&validation).expect_code(0).json();
    let evaluate = format!(
        "evaluate {checkpoint} --recipe tiny.toml --set evaluation.limit=0 --data garden --device cpu --format json"
    );
    assert_eq!(plain["accuracy"], place.run(&evaluate).expect_code(0).json()["accuracy"]);
    assert_eq!((&plain["records"], &plain["accuracy_with_tta"]), (&20.into(), &serde_json::Value::Null));
    let ids: Vec<String> = lines(&place.path("val.csv")).into_iter().map(|(id, _)| id).collect();
    let expected: Vec<String> = records.iter().map(|(_, id)| String::from_utf8(id.clone()).unwrap()).collect();
    assert_eq!(ids, expected);
    let told = place
        .run(&format!("predict {checkpoint} --data garden --split val --device cpu --tta flip"))
        .expect_code(0)
        .stdout;
    assert!(told.contains(" % without TTA\n") && told.contains(" % with TTA, which is not the score\n"), "{told}");

    // Where they are not.
    let refused = place.run(&format!("predict {checkpoint} --data garden --device cpu")).expect_code(2);
    assert!(refused.stderr.contains("there are no test shards"), "{}", refused.stderr);
    write_test_shards(&data, &records);
    let output = place.run(&format!("predict {checkpoint} --data garden --device cpu")).expect_code(0);
    assert!(output.stdout.contains("8 records of test by tiny\nunreadable: 1, written as class "), "{}", output.stdout);
    assert!(output.stderr.contains("quarantined b.tfrec") && !output.stdout.contains("accuracy"), "{}", output.stderr);
    let found = lines(&place.path("submission.csv"));
    let id = |number: usize| expected[number].clone();
    let wanted = [id(4), found[1].0.clone(), id(6), id(7), id(0), id(1), id(2), id(3)];
    assert_eq!(found.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), wanted);
    assert!(found[1].0.starts_with("a.tfrec@"), "a record without an id is named by its place: {}", found[1].0);
    // The same pictures have the same classes in whichever split, and again.
    let of_validation = lines(&place.path("val.csv"));
    for (line, number) in [(0, 4), (2, 6), (4, 0), (6, 2)] {
        assert_eq!(found[line].1, of_validation[number].1);
    }
    let before = fs::read(place.path("submission.csv")).unwrap();
    place.run(&format!("predict {checkpoint} --data garden --device cpu --decoders 2")).expect_code(0);
    assert_eq!(fs::read(place.path("submission.csv")).unwrap(), before);
}

#[test]
fn more_unreadable_records_than_allowed_leave_no_file() {
    let (place, series) = trained();
    let records = records(&split_folder(&place.path("garden"), "val"));
    write_test_shards(&place.path("garden"), &records);
    let words =
        format!("predict {series}/seed-1 --recipe tiny.toml --set data.bad_records=\"0\" --data garden --device cpu");
    place.run(&words).expect_code(3);
    assert!(!place.path("submission.csv").exists());
}

#[test]
fn a_report_is_one_page_and_with_data_it_shows_what_is_mistaken() {
    let (place, series) = trained();
    let told = place.run(&format!("report html {series}")).expect_code(0).stdout;
    assert!(told.starts_with("report.html: accuracy ") && told.contains("with --data"), "{told}");
    let page = fs::read_to_string(place.path("report.html")).unwrap();
    for part in [
        "<h1>tiny</h1>",
        "for &lt;tests&gt; &amp; more",
        "Accuracy on validation",
        "Loss in training, step by step",
        "Learning rate",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("<img"), "nothing was looked at");

    place.run(&format!("report html {series} --data garden --device cpu --out look.html")).expect_code(0);
    let page = fs::read_to_string(place.path("look.html")).unwrap();
    assert!(page.contains("seed-1, checkpoint 2-10-2, judged 20 validation pictures"), "{page}");
    for part in ["data-names=", "Most frequent mistakes", "src=\"data:image/jpeg;base64,/9j/", "taken for "] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("src=\"http") && page.len() < 2_000_000);

    // A damaged ledger is said; the rest is shown.
    let ledger = Path::new(&series).join("seed-1/ledger.jsonl");
    crate::common::flip(&ledger, 300);
    place.run(&format!("report html {series}")).expect_code(0);
    let page = fs::read_to_string(place.path("report.html")).unwrap();
    assert!(page.contains("is not what was written: line 1") && page.contains("Accuracy on validation"), "{page}");
    let refused = place.run("report html runs").expect_code(2);
    assert!(refused.stderr.contains("has no report.json"), "{}", refused.stderr);
}
