//! `data garden|inspect|verify|show|dump|pack`, end to end: output, files, exit codes, bad input.
//! Not here: training.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::common::{Place, cut, flip, frame_offsets, garden};

/// Draws a small garden `g`; its training shard.
fn small_garden(place: &Place) -> PathBuf {
    garden(&place.path("g"), 120, 30, 48);
    place.path("g/tfrecords-jpeg-48x48/train/00-48x48-120.tfrec")
}

#[test]
fn a_garden_is_drawn_once_and_never_over_other_files() {
    let place = Place::new();
    let drawn = place.run("data garden g --train 120 --val 30 --sizes 48").expect_code(0);
    assert!(drawn.stdout.contains("150 pictures"), "{}", drawn.stdout);
    let again = place.run("data garden g --train 120 --val 30 --sizes 48").expect_code(0);
    assert!(again.stdout.contains("already"), "{}", again.stdout);
    let other = place.run("data garden g --train 121 --val 30 --sizes 48").expect_code(2);
    assert!(other.stderr.contains("another garden"), "{}", other.stderr);
    fs::create_dir(place.path("mine")).unwrap();
    fs::write(place.path("mine/diary.txt"), "x").unwrap();
    let mine = place.run("data garden mine --train 1 --val 1 --sizes 48").expect_code(2);
    assert!(mine.stderr.contains("mine"), "{}", mine.stderr);
    assert_eq!(fs::read_dir(place.path("mine")).unwrap().count(), 1);
}

#[test]
fn inspect_tells_what_is_there_within_a_hundred_columns() {
    let place = Place::new();
    small_garden(&place);
    let text = place.run("data inspect g").expect_code(0).stdout;
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    for part in ["all 48×48 px", "104 of 104 named", "train and val share no record", "tulip", "█"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let json = place.run("data inspect g --format json").expect_code(0).json();
    assert_eq!(json["splits"][0]["name"], "train");
    assert_eq!(json["splits"][0]["records"], 120);
    assert_eq!(json["splits"][1]["records"], 30);
    assert_eq!(json["splits"][0]["fingerprint"].as_str().map(str::len), Some(64));
    assert_eq!(json["images"]["count"], 150);
    assert_eq!(json["images"]["median"], serde_json::json!([48, 48]));
    assert_eq!(json["classes"], serde_json::json!({ "named": 104, "seen": 104 }));
    for key in ["ids_unique", "splits_disjoint", "counts_in_names_fit"] {
        assert_eq!(json[key], true, "{key}");
    }
    assert_eq!(json["faults"], serde_json::json!({}));
}

#[test]
fn verify_passes_a_sound_set_and_names_every_kind_of_damage() {
    let place = Place::new();
    let shard = small_garden(&place);
    let sound = fs::read(&shard).unwrap();
    let offsets = frame_offsets(&shard);
    let json = place.run("data verify g --format json").expect_code(0).json();
    assert_eq!((json["records"].clone(), json["faults"].clone()), (150.into(), serde_json::json!([])));
    // The record that is damaged in each case, and a place of it: length, length CRC, data, data CRC.
    let (third, fourth, last) = (offsets[2], offsets[3], offsets[119]);
    type Damage<'a> = &'a dyn Fn();
    let cases: [(Damage<'_>, &str, usize); 6] = [
        (&|| flip(&shard, third), "length_crc_mismatch", third),
        (&|| flip(&shard, third + 9), "length_crc_mismatch", third),
        (&|| flip(&shard, third + 900), "data_crc_mismatch", third),
        (&|| flip(&shard, fourth - 2), "data_crc_mismatch", third),
        (&|| cut(&shard, sound.len() - 40), "truncated", last),
        (&|| fs::write(&shard, "just text\n".repeat(50)).unwrap(), "not_a_tfrecord", 0),
    ];
    for (damage, kind, offset) in cases {
        damage();
        let ended = place.run("data verify g --format json").expect_code(3);
        let faults = ended.json()["faults"].clone();
        let found = faults.as_array().unwrap().iter().find(|fault| fault["kind"] == kind);
        let found = found.unwrap_or_else(|| panic!("no {kind} in {faults:#}"));
        assert_eq!(found["shard"], "00-48x48-120.tfrec");
        assert!(found["offset"].is_null() || found["offset"] == offset, "{found}");
        fs::write(&shard, &sound).unwrap();
    }
}

#[test]
fn a_cut_on_a_record_boundary_is_told_by_the_count_in_the_name() {
    let place = Place::new();
    let shard = small_garden(&place);
    cut(&shard, frame_offsets(&shard)[100]);
    let line = place.run("data verify g").expect_code(3).stdout;
    assert!(line.starts_with("train/00-48x48-120.tfrec: count_differs_from_name: "), "{line}");
    // Looking at it is no error.
    let inspected = place.run("data inspect g --format json").expect_code(0).json();
    assert_eq!(inspected["counts_in_names_fit"], false);
    let json = place.run("data verify g --format json").expect_code(3).json();
    assert_eq!(json["faults"][0]["kind"], "count_differs_from_name");
    assert_eq!(json["records"], 130);
}

#[test]
fn verify_refuses_a_validation_record_that_is_trained_on() {
    let place = Place::new();
    let shard = small_garden(&place);
    fs::copy(&shard, place.path("g/tfrecords-jpeg-48x48/val/01-48x48-120.tfrec")).unwrap();
    let json = place.run("data verify g --format json").expect_code(3).json();
    assert_eq!(json["faults"][0]["kind"], "in_both_splits");
    assert_eq!(json["faults"][0]["split"], "val");
}

#[test]
fn what_is_not_there_is_a_usage_error_of_every_command() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).unwrap();
    for words in [
        "data verify nowhere",
        "data verify empty",
        "data inspect nowhere",
        "data inspect empty/*.tfrec",
        "data show --data nowhere",
        "data dump --data empty --out d",
        "data pack nowhere --out p",
        "data show --data empty --recipe no-such-recipe",
        "data verify",
    ] {
        place.run(words).expect_code(2);
    }
    let left: BTreeSet<_> = fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, BTreeSet::from(["empty".into()]), "nothing is left behind");
}

#[test]
fn a_shard_of_another_format_can_not_be_shown() {
    let place = Place::new();
    let shard = small_garden(&place);
    fs::write(&shard, "just text\n".repeat(50)).unwrap();
    for words in ["data show --data g", "data dump --data g --out d"] {
        let ended = place.run(words).expect_code(3);
        assert!(ended.stderr.contains("a text file"), "{}", ended.stderr);
    }
}

#[test]
fn show_writes_a_sheet_of_the_asked_for_shape() {
    let place = Place::new();
    small_garden(&place);
    place.run("data show --data g --columns 3 --rows 2 --out sheet.png").expect_code(0);
    let width_of = |name: &str| {
        let png = fs::read(place.path(name)).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
        u32::from_be_bytes(png[16..20].try_into().unwrap())
    };
    let narrow = width_of("sheet.png");
    place.run("data show --data g --columns 6 --rows 2 --out wide.png").expect_code(0);
    assert!(width_of("wide.png") > narrow + 3 * 64);
    // The same epoch is the same sheet, another one another.
    place.run("data show --data g --columns 3 --rows 2 --out again.png --decoders 1 --readers 0").expect_code(0);
    assert_eq!(fs::read(place.path("sheet.png")).unwrap(), fs::read(place.path("again.png")).unwrap());
    place.run("data show --data g --columns 3 --rows 2 --out other.png --epoch 2").expect_code(0);
    assert_ne!(fs::read(place.path("sheet.png")).unwrap(), fs::read(place.path("other.png")).unwrap());
    let late = place.run("data show --data g --epoch 6").expect_code(2);
    assert!(late.stderr.contains("5 epochs"), "{}", late.stderr);
    let nowhere = place.run("data show --data g --out missing/sheet.png").expect_code(2);
    assert!(nowhere.stderr.contains("missing/sheet.png"), "{}", nowhere.stderr);
}

#[test]
fn a_dump_proves_its_own_hash_whatever_the_pools() {
    let place = Place::new();
    small_garden(&place);
    place.run("data dump --data g --seed 3 --epoch 2 --batches 2 --out d").expect_code(0);
    let stated = hash_of(&place, "d");
    assert_eq!(recomputed_hash(&place, "d", 64), stated);
    place.run("data dump --data g --seed 3 --epoch 2 --batches 2 --out e --decoders 3 --readers 0").expect_code(0);
    assert_eq!(hash_of(&place, "e"), stated);
    place.run("data dump --data g --seed 4 --epoch 2 --batches 2 --out f").expect_code(0);
    assert_ne!(hash_of(&place, "f"), stated);
    let refused = place.run("data dump --data g --out d").expect_code(2);
    assert!(refused.stderr.contains("not empty"), "{}", refused.stderr);
    let few = place.run("data dump --data g --batches 99 --out h").expect_code(0);
    assert!(few.stdout.contains("no more batches"), "{}", few.stdout);
}

#[test]
fn a_dump_of_a_recipe_has_its_geometry_and_marks_what_could_not_be_used() {
    let place = Place::new();
    let shard = small_garden(&place);
    flip(&shard, frame_offsets(&shard)[7] + 900);
    let set = "--set stage.0.source_px=48 --set stage.0.batch_size=40 --set stage.0.input_px=32";
    place.run(&format!("data dump --data g --recipe seedling {set} --batches 3 --out d")).expect_code(0);
    let tickets = tickets(&place, "d");
    assert_eq!(tickets.len(), 120);
    let bad: Vec<&Value> = tickets.iter().filter(|ticket| ticket.get("quarantined").is_some()).collect();
    assert_eq!(bad.len(), 1);
    assert!(bad[0]["quarantined"].as_str().unwrap().starts_with("data_crc_mismatch"), "{}", bad[0]);
    assert_eq!(bad[0]["views"], serde_json::json!([]));
    assert!(tickets.iter().all(|ticket| ticket == bad[0] || ticket["views"][0]["size"] == serde_json::json!([32, 32])));
    assert_eq!(recomputed_hash(&place, "d", 40), hash_of(&place, "d"));
}

#[test]
fn pack_writes_shards_that_verify_and_leaves_nothing_when_it_fails() {
    let place = Place::new();
    for class in ["daisy", "rose"] {
        fs::create_dir_all(place.path("tree").join(class)).unwrap();
        for number in 0..5 {
            let path = place.path("tree").join(class).join(format!("{number}.png"));
            fs::write(path, png_of_one_colour(number)).unwrap();
        }
    }
    let packed = place.run("data pack tree --out shards --validation-share 0.2").expect_code(0).stdout;
    assert!(packed.contains("10 images") && packed.contains("shards/tfrecords-jpeg-"), "{packed}");
    let json = place.run("data verify shards --format json").expect_code(0).json();
    assert_eq!(json["records"], 10);
    let again = place.run("data pack tree --out shards").expect_code(2);
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    fs::write(place.path("tree/rose/notes.jpg"), "no image").unwrap();
    let bad = place.run("data pack tree --out other").expect_code(2);
    assert!(bad.stderr.contains("notes.jpg"), "{}", bad.stderr);
    assert!(!place.path("other").exists());
}

fn png_of_one_colour(shade: u8) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 8, 8);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[shade * 9; 192]).unwrap();
    writer.finish().unwrap();
    file
}

fn hash_of(place: &Place, folder: &str) -> String {
    let text = fs::read_to_string(place.path(folder).join("hash.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["batch_hash"].as_str().unwrap().to_owned()
}

fn tickets(place: &Place, folder: &str) -> Vec<Value> {
    let text = fs::read_to_string(place.path(folder).join("tickets.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The numbers of a .npy file.
fn npy(bytes: &[u8]) -> &[u8] {
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    &bytes[10 + header..]
}

/// The chain over the files of a dump, as the documentation of `data dump` gives it.
fn recomputed_hash(place: &Place, folder: &str, batch_rows: usize) -> String {
    let mut chain = vec![0; 32];
    for (number, tickets) in tickets(place, folder).chunks(batch_rows).enumerate() {
        let read = |kind: &str| fs::read(place.path(folder).join(format!("{kind}-{number:05}.npy"))).unwrap();
        let (pixels, labels) = (read("batch"), read("label"));
        let used = tickets.iter().filter(|ticket| ticket.get("quarantined").is_none()).count();
        let mut rows = npy(&pixels).chunks(npy(&pixels).len() / used).zip(npy(&labels).chunks(8));
        for ticket in tickets {
            chain.extend(ticket["seq"].as_u64().unwrap().to_le_bytes());
            match ticket.get("quarantined") {
                Some(_) => chain.extend(i64::MIN.to_le_bytes()),
                None => {
                    let (pixels, label) = rows.next().unwrap();
                    assert_eq!(ticket["class"].as_i64().unwrap().to_le_bytes(), label);
                    chain.extend(label);
                    chain.extend(twox_hash::XxHash3_64::oneshot(pixels).to_le_bytes());
                }
            }
        }
        chain = Sha256::digest(&chain).to_vec();
    }
    chain.iter().map(|byte| format!("{byte:02x}")).collect()
}
