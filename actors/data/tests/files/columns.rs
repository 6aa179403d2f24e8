//! Labels and ids of all records, and records that are in both splits.

use fastgarden_data::columns::{Columns, Mismatch, Overlap, find_mismatch, find_overlap};
use fastgarden_data::example::{FeatureNames, FeatureValue, encode_example};
use fastgarden_data::index::Index;

use crate::helpers::{open_one, payload, shard, shard_of};

fn columns(index: &Index) -> Columns {
    Columns::read(index, &FeatureNames::default()).unwrap()
}

fn overlap(train: &[u8], validation: &[u8]) -> Option<Overlap> {
    let (train, validation) = (open_one("t.tfrec", train).unwrap(), open_one("v.tfrec", validation).unwrap());
    find_overlap((&train, &columns(&train)), (&validation, &columns(&validation)))
}

/// An example with these image bytes and perhaps an id.
fn example(image: &[u8], id: Option<&[u8]>) -> Vec<u8> {
    let mut features = vec![("image", FeatureValue::Bytes(image))];
    features.extend(id.map(|id| ("id", FeatureValue::Bytes(id))));
    encode_example(&features)
}

#[test]
fn labels_and_ids_are_read_and_bad_records_say_nothing() {
    let long_id = vec![b'x'; 2_000];
    let payloads = [
        payload(7),
        b"no example".to_vec(),
        vec![],
        example(b"i", Some(b"")),
        example(b"i", Some(&long_id)),
        payload(3),
    ];
    let index = open_one("a.tfrec", &shard_of(&payloads)).unwrap();
    let columns = columns(&index);
    assert_eq!(columns.labels, [Some(2), None, None, None, None, Some(3)]);
    let ids: Vec<_> = (0..6).map(|record| columns.id(record)).collect();
    assert_eq!(ids, [Some(&b"id-7"[..]), None, None, Some(b""), None, Some(b"id-3")]);
}

#[test]
fn ids_stay_with_their_records_over_many_reads() {
    let payloads: Vec<_> =
        (0..3_000).map(|number| example(&[1; 1_500], Some(format!("{number}").as_bytes()))).collect();
    let index = open_one("a.tfrec", &shard_of(&payloads)).unwrap();
    let columns = columns(&index);
    assert!((0..3_000).all(|record| columns.id(record) == Some(format!("{record}").as_bytes())));
}

#[test]
fn the_same_id_in_both_splits_is_found_even_with_other_content() {
    assert_eq!(overlap(&shard(0..9), &shard(9..12)), None);
    let again = shard_of(&[payload(9), example(b"resized", Some(b"id-4"))]);
    let expected = Overlap { train_record: 4, validation_record: 1, by: "id" };
    assert_eq!(overlap(&shard(0..9), &again), Some(expected));
}

#[test]
fn without_ids_the_same_content_is_found() {
    let train = shard_of(&[example(b"one", None), example(b"two", Some(b"")), example(b"three", Some(b"3"))]);
    let by_content = |train_record, validation_record| Some(Overlap { train_record, validation_record, by: "content" });
    assert_eq!(overlap(&train, &shard_of(&[example(b"four", None), example(b"one", None)])), by_content(0, 1));
    assert_eq!(overlap(&train, &shard_of(&[example(b"two", Some(b""))])), by_content(1, 0));
    assert_eq!(overlap(&train, &shard_of(&[example(b"four", Some(b"4")), example(b"five", None)])), None);
}

#[test]
fn two_sizes_are_the_same_pictures_or_a_record_says_why_not() {
    let split = |ids: &[Option<&[u8]>]| {
        let payloads: Vec<_> = ids.iter().map(|id| example(b"i", *id)).collect();
        columns(&open_one("a.tfrec", &shard_of(&payloads)).unwrap())
    };
    let (a, b, c): (Option<&[u8]>, Option<&[u8]>, Option<&[u8]>) = (Some(b"a"), Some(b"b"), Some(b"c"));
    let whole = split(&[a, b, c]);
    let mismatch = |in_second, record, has_id| Some(Mismatch { in_second, record, has_id });
    // The order is not what counts.
    assert_eq!(find_mismatch(&whole, &split(&[c, a, b])), None);
    assert_eq!(find_mismatch(&whole, &split(&[a, c])), mismatch(false, 1, true));
    assert_eq!(find_mismatch(&split(&[a, c]), &whole), mismatch(true, 1, true));
    for without in [None, Some(&b""[..])] {
        assert_eq!(find_mismatch(&split(&[a, without, c]), &split(&[a, without, c])), mismatch(false, 1, false));
    }
}
