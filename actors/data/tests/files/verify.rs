//! Reading everything and listing everything wrong.

use fastgarden_data::compression::InflateBudget;
use fastgarden_data::example::{FeatureNames, FeatureValue, encode_example};
use fastgarden_data::fault::{BadBytes, FaultKind};
use fastgarden_data::index::Index;
use fastgarden_data::verify::{Verification, verify_split};

use crate::helpers::{payload, shard, shard_of, split};

/// Verifies shards with five classes; images must not start with 13, and panic at 17.
fn verify(files: &[(&str, &[u8])], classes: Option<i64>) -> Verification {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open_reporting(&split(folder.path(), files), &InflateBudget::default()).unwrap();
    verify_split(&index, &FeatureNames::default(), classes, &|image| match image.first() {
        Some(13) => Err(BadBytes::new(FaultKind::NotAnImage, "unlucky")),
        Some(17) => panic!("a decoder's bug"),
        _ => Ok(()),
    })
    .unwrap()
}

fn kinds(verification: &Verification) -> Vec<(&str, FaultKind)> {
    verification.faults.iter().map(|fault| (fault.shard.as_str(), fault.kind)).collect()
}

#[test]
fn a_clean_split_is_counted() {
    let (a, b) = (shard(0..10), shard(20..23));
    let found = verify(&[("00-8x8-10.tfrec", &a), ("01-8x8-3.tfrec", &b)], Some(5));
    assert_eq!((found.records, found.bytes, found.faults_total), (13, (a.len() + b.len()) as u64, 0));
    assert_eq!(found.labels.into_iter().collect::<Vec<_>>(), [(0, 3), (1, 3), (2, 3), (3, 2), (4, 2)]);
    assert_eq!((found.without_id, found.healed_by_rereading), (0, 0));
}

#[test]
fn every_kind_of_fault_is_listed_with_its_place() {
    let image = ("image", FeatureValue::Bytes(b"x"));
    let records = [
        payload(0),
        b"no example".to_vec(),
        vec![],
        encode_example(&[image]),
        encode_example(&[image, ("class", FeatureValue::Int64(-1))]),
        encode_example(&[image, ("class", FeatureValue::Int64(5))]),
        encode_example(&[image, ("class", FeatureValue::Float(1.0))]),
        payload(13),
        payload(17),
        payload(1),
    ];
    let mut damaged = shard(0..3);
    let at = damaged.len() - 6;
    damaged[at] ^= 1;
    let files: [(&str, &[u8]); 4] = [
        ("a.tfrec", &shard_of(&records)),
        ("b.tfrec", &damaged),
        ("c.tfrec", b"just a text file, not a shard"),
        ("d-8x8-9.tfrec", &shard(0..2)),
    ];
    let found = verify(&files, Some(5));
    assert_eq!(
        kinds(&found),
        [
            ("a.tfrec", FaultKind::NotAnExample),
            ("a.tfrec", FaultKind::MissingImage),
            ("a.tfrec", FaultKind::MissingLabel),
            ("a.tfrec", FaultKind::LabelOutOfRange),
            ("a.tfrec", FaultKind::LabelOutOfRange),
            ("a.tfrec", FaultKind::WrongFeatureType),
            ("a.tfrec", FaultKind::NotAnImage),
            ("a.tfrec", FaultKind::DecoderPanicked),
            ("b.tfrec", FaultKind::DataCrcMismatch),
            ("c.tfrec", FaultKind::NotATfrecord),
            ("d-8x8-9.tfrec", FaultKind::CountDiffersFromName),
        ]
    );
    assert_eq!((found.records, found.faults_total), (15, 11));
    assert_eq!(found.faults[0].offset, Some(shard(0..1).len() as u64));
}

#[test]
fn labels_are_needed_only_where_classes_are_given() {
    let found = verify(&[("a.tfrec", &shard_of(&[encode_example(&[("image", FeatureValue::Bytes(b"x"))])]))], None);
    assert_eq!((found.faults_total, found.without_id), (0, 1));
}
