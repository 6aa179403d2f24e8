//! Folders of images to shards and back.

use std::fs;
use std::path::Path;

use fastgarden_data::catalog::{Split, find};
use fastgarden_data::compression::InflateBudget;
use fastgarden_data::index::Index;
use fastgarden_data::pack::{PackError, PackOptions, pack};

use crate::helpers::{ids, with_record};

fn jpeg(shade: u8, side: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels = vec![shade; usize::from(side) * usize::from(side) * 3];
    let encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
    encoder.encode(&pixels, side, side, jpeg_encoder::ColorType::Rgb).unwrap();
    bytes
}

/// `count` images of each class under `folder`.
fn plant(root: &Path, folder: &str, classes: &[&str], count: u8) {
    for (label, class) in classes.iter().enumerate() {
        let place = root.join(folder).join(class);
        fs::create_dir_all(&place).unwrap();
        for number in 0..count {
            fs::write(place.join(format!("{number}.jpg")), jpeg(number * 8 + label as u8, 16)).unwrap();
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn index(folder: &Path, split: Split) -> Index {
    let found = find(&[folder.to_string_lossy().into_owned()], None).unwrap();
    Index::open(found.split(split).unwrap(), &InflateBudget::default()).unwrap()
}

#[test]
fn a_tree_becomes_shards_in_the_layout_of_kaggle_with_a_share_held_out() {
    let root = tempfile::tempdir().unwrap();
    plant(root.path(), "tree", &["aster", "rose"], 10);
    let (tree, out) = (root.path().join("tree"), root.path().join("out"));
    let options = PackOptions { seed: 3, validation_share: 0.2, records_per_shard: 6 };
    let summary = pack(&tree, &out, &options).unwrap();
    assert_eq!(summary.records, [(Split::Train, 16), (Split::Validation, 4)]);
    assert_eq!(names(&out), ["tfrecords-jpeg-16x16"]);
    assert_eq!(names(&summary.folder.join("train")), ["00-16x16-5.tfrec", "01-16x16-5.tfrec", "02-16x16-6.tfrec"]);
    assert_eq!(names(&summary.folder.join("val")), ["00-16x16-4.tfrec"]);

    let (train, validation) = (index(&out, Split::Train), index(&out, Split::Validation));
    assert!(train.faults().is_empty());
    let mut all = [ids(&train), ids(&validation)].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 20);
    with_record(&validation, 0, |view| {
        let view = view.unwrap();
        let id = std::str::from_utf8(view.id.unwrap()).unwrap();
        assert_eq!(view.image.unwrap(), fs::read(tree.join(id)).unwrap(), "bytes are stored as they are");
        assert_eq!(view.label, Some(i64::from(id.starts_with("rose"))));
    });
    let found = find(&[out.to_string_lossy().into_owned()], None).unwrap();
    assert_eq!(found.class_names.unwrap(), ["aster", "rose"]);
}

#[test]
fn the_seed_alone_decides() {
    let root = tempfile::tempdir().unwrap();
    plant(root.path(), "tree", &["aster", "rose"], 10);
    let fingerprints = |out: &str, seed| {
        let options = PackOptions { seed, ..PackOptions::default() };
        let folder = pack(&root.path().join("tree"), &root.path().join(out), &options).unwrap().folder;
        (index(&folder, Split::Train).fingerprint(), index(&folder, Split::Validation).fingerprint())
    };
    let first = fingerprints("a", 1);
    assert_eq!(first, fingerprints("b", 1));
    assert_ne!(first, fingerprints("c", 2));
}

#[test]
fn splits_of_the_tree_are_kept() {
    let root = tempfile::tempdir().unwrap();
    plant(root.path(), "tree/train", &["aster", "rose"], 3);
    plant(root.path(), "tree/val", &["rose"], 2);
    let summary = pack(&root.path().join("tree"), root.path(), &PackOptions::default()).unwrap();
    assert_eq!(summary.records, [(Split::Train, 6), (Split::Validation, 2)]);
    assert_eq!(with_record(&index(&summary.folder, Split::Validation), 0, |view| view.unwrap().label), Some(1));
}

#[test]
fn failures_leave_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    plant(root.path(), "tree", &["aster"], 4);
    let (tree, out) = (root.path().join("tree"), root.path().join("out"));
    fs::write(tree.join("aster/bad.jpg"), b"not an image").unwrap();
    assert!(matches!(pack(&tree, &out, &PackOptions::default()), Err(PackError::NotAnImage { .. })));
    assert!(!out.exists());
    fs::remove_file(tree.join("aster/bad.jpg")).unwrap();
    pack(&tree, &out, &PackOptions::default()).unwrap();
    assert!(matches!(pack(&tree, &out, &PackOptions::default()), Err(PackError::Exists { .. })));
    assert!(matches!(pack(&out, &out, &PackOptions::default()), Err(PackError::NotATree { .. })));
    let nan = PackOptions { validation_share: f64::NAN, ..PackOptions::default() };
    assert!(matches!(pack(&tree, &out, &nan), Err(PackError::BadOption { .. })));
    assert_eq!(names(&out), ["tfrecords-jpeg-16x16"]);
}
