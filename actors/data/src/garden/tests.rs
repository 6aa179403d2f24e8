//! What the garden promises: the same pictures everywhere, the same scene at each size, the layout, whole or not.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::example::{FeatureNames, parse_example};
use crate::framing::check_frame;

fn small() -> GardenSpec {
    GardenSpec { seed: 5, sizes_px: vec![16, 24], train_records: 112, validation_records: 105, records_per_shard: 60 }
}

/// Every record below a split's folder: (class, id) by file name, in order.
fn read_split(folder: &Path) -> BTreeMap<String, Vec<(i64, String)>> {
    let mut shards = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        let mut rest = &bytes[..];
        let mut records = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let (frame, tail) = rest.split_at(length + 16);
            let payload = check_frame(frame).unwrap();
            let view = parse_example(payload, &FeatureNames::default()).unwrap();
            assert_eq!(&view.image.unwrap()[..2], [0xFF, 0xD8], "a JPEG");
            records.push((view.label.unwrap(), String::from_utf8(view.id.unwrap().to_vec()).unwrap()));
            rest = tail;
        }
        shards.insert(entry.file_name().into_string().unwrap(), records);
    }
    shards
}

fn flat(shards: &BTreeMap<String, Vec<(i64, String)>>) -> Vec<(i64, String)> {
    shards.values().flatten().cloned().collect()
}

#[test]
fn there_are_104_classes_with_names_of_their_own() {
    let names: HashSet<_> = class_names().iter().collect();
    assert_eq!((class_names().len(), names.len()), (104, 104));
    assert!(class_names().iter().all(|name| !name.is_empty() && name.is_ascii()));
}

#[test]
fn pictures_are_the_same_on_every_machine() {
    let crc = |seed, image_number, size_px| {
        let drawing = draw(seed, image_number, size_px);
        let jpeg = layout::encode(seed, image_number, size_px, &drawing).unwrap();
        (drawing.class, drawing.id, crc32c::crc32c(&drawing.pixels), crc32c::crc32c(&jpeg))
    };
    assert_eq!(crc(1, 0, 32), (1, "3648018ef".to_string(), 109188792, 2386724386));
    assert_eq!(crc(1, 777, 48), (13, "6def35979".to_string(), 1609508066, 108369774));
    assert_eq!(crc(2, FIRST_VALIDATION_IMAGE + 500, 40), (87, "da1801185".to_string(), 985226601, 3500190399));
}

#[test]
fn every_class_can_be_drawn_and_differs_from_a_plain_square() {
    for number in 0..104 {
        let drawing = draw(2, number, 20);
        assert_eq!(drawing.pixels.len(), 20 * 20 * 3);
        let darkest = drawing.pixels.iter().min().unwrap();
        let brightest = drawing.pixels.iter().max().unwrap();
        assert!(brightest - darkest > 60, "class {}", drawing.class);
    }
}

#[test]
fn another_size_shows_the_same_scene() {
    for number in [3, 200, FIRST_VALIDATION_IMAGE + 7] {
        let (coarse, fine) = (draw(1, number, 24), draw(1, number, 96));
        assert_eq!((coarse.class, &coarse.id), (fine.class, &fine.id));
        let mut difference = 0.0;
        for (index, &level) in coarse.pixels.iter().enumerate() {
            let (row, column, channel) = (index / 72, index / 3 % 24, index % 3);
            let mut sum = 0u32;
            for y in 0..4 {
                for x in 0..4 {
                    sum += u32::from(fine.pixels[((row * 4 + y) * 96 + column * 4 + x) * 3 + channel]);
                }
            }
            difference += (f64::from(level) - f64::from(sum) / 16.0).abs();
        }
        let mean = difference / coarse.pixels.len() as f64;
        assert!(mean < 9.0, "image {number}: mean difference {mean}");
    }
}

#[test]
fn both_splits_show_every_class_and_ids_are_unique() {
    let mut ids = HashSet::new();
    for first in [0, FIRST_VALIDATION_IMAGE] {
        let classes: HashSet<u16> = (first..first + 104).map(|number| class_of(9, number)).collect();
        assert_eq!(classes.len(), 104);
        for number in first..first + 20_000 {
            let id = id_of(9, number);
            assert!(id.len() == 9 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
            assert!(ids.insert(id));
        }
    }
}

#[test]
fn classes_are_mildly_uneven() {
    let mut counts = [0u32; 104];
    (0..20_000).for_each(|number| counts[usize::from(class_of(3, number))] += 1);
    let (least, most) = (*counts.iter().min().unwrap(), *counts.iter().max().unwrap());
    assert!(least > 60 && most < 400 && most > least * 3 / 2, "{least}..{most}");
}

#[test]
fn shards_have_the_layout_and_names_of_kaggle() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("garden");
    let ticks = AtomicU64::new(0);
    let summary = write(&small(), &out, &|done, total| {
        assert!(done <= total && total == 434);
        ticks.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!((ticks.into_inner(), summary.images, summary.shards, summary.already_there), (434, 434, 8, false));

    let read = |size: &str, split: &str| read_split(&out.join(format!("tfrecords-jpeg-{size}x{size}")).join(split));
    let (train, val) = (read("16", "train"), read("16", "val"));
    assert_eq!(train.keys().collect::<Vec<_>>(), ["00-16x16-60.tfrec", "01-16x16-52.tfrec"]);
    assert_eq!(val.keys().collect::<Vec<_>>(), ["00-16x16-53.tfrec", "01-16x16-52.tfrec"]);
    for (name, records) in train.iter().chain(&val) {
        assert!(name.ends_with(&format!("-{}.tfrec", records.len())), "{name}");
    }
    assert_eq!(flat(&train), flat(&read("24", "train")), "same ids, classes and split at each size");
    assert_eq!(flat(&val), flat(&read("24", "val")));
    let ids: HashSet<_> = flat(&train).into_iter().chain(flat(&val)).map(|(_, id)| id).collect();
    assert_eq!(ids.len(), 217);
    assert_eq!(fs::read_to_string(out.join("classes.txt")).unwrap().lines().collect::<Vec<_>>(), class_names());
}

#[test]
fn the_default_garden_has_the_shards_of_the_real_set() {
    let spec = GardenSpec::default();
    assert_eq!(spec.train_records.div_ceil(spec.records_per_shard), 16);
    assert_eq!(spec.validation_records.div_ceil(16), 232);
}

#[test]
fn a_finished_garden_is_left_alone_and_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    write(&small(), out, &|_, _| {}).unwrap();
    let again = |spec: GardenSpec| write(&spec, out, &|_, _| panic!("nothing is to be drawn"));
    assert!(again(small()).unwrap().already_there);
    assert!(again(GardenSpec { sizes_px: vec![24], ..small() }).unwrap().already_there);
    for other in [
        GardenSpec { seed: 6, ..small() },
        GardenSpec { sizes_px: vec![16, 32], ..small() },
        GardenSpec { train_records: 111, ..small() },
    ] {
        assert!(matches!(again(other), Err(GardenError::OtherGarden { .. })));
    }
}

#[test]
fn an_interrupted_garden_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let spec = GardenSpec { sizes_px: vec![16], train_records: 30, validation_records: 10, ..small() };
    let interrupted = std::panic::catch_unwind(|| write(&spec, out, &|done, _| assert!(done < 12, "the interruption")));
    assert!(interrupted.is_err());
    assert!(!out.join("garden.json").exists());
    let stray = out.join("tfrecords-jpeg-16x16/train/00-16x16-999.tfrec");
    fs::write(&stray, b"left by the interrupted run").unwrap();
    assert!(!write(&spec, out, &|_, _| {}).unwrap().already_there);
    assert!(out.join("garden.json").exists() && !stray.exists() && !out.join("garden.partial").exists());
    assert_eq!(flat(&read_split(&out.join("tfrecords-jpeg-16x16/train"))).len(), 30);
}

#[test]
fn a_folder_of_something_else_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    // The real set looks like this: no mark of a garden, so nothing may be replaced.
    let shard = folder.path().join("tfrecords-jpeg-16x16/train/00-16x16-1.tfrec");
    fs::create_dir_all(shard.parent().unwrap()).unwrap();
    fs::write(&shard, b"precious").unwrap();
    let refused = write(&small(), folder.path(), &|_, _| {}).unwrap_err();
    assert!(matches!(refused, GardenError::FolderInUse(_)));
    assert_eq!(fs::read(&shard).unwrap(), b"precious");
}

#[test]
fn senseless_specifications_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("none");
    for spec in [
        GardenSpec { sizes_px: vec![], ..small() },
        GardenSpec { sizes_px: vec![0], ..small() },
        GardenSpec { sizes_px: vec![100_000], ..small() },
        GardenSpec { sizes_px: vec![64, 64], ..small() },
        GardenSpec { train_records: 0, ..small() },
        GardenSpec { validation_records: u32::MAX, ..small() },
        GardenSpec { records_per_shard: 0, ..small() },
    ] {
        assert!(matches!(write(&spec, &out, &|_, _| {}), Err(GardenError::Spec(_))), "{spec:?}");
    }
    assert!(!out.exists());
}
