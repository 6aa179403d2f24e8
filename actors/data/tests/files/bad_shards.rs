//! Every way a shard can be wrong or unusual, and what comes of it: typed faults, counted, and the rest still usable.

use std::fs;
use std::io::Write;

use fastgarden_data::compression::{Compression, InflateBudget};
use fastgarden_data::example::ExampleView;
use fastgarden_data::fault::FaultKind;
use fastgarden_data::framing::masked_crc32c;
use fastgarden_data::index::{ErrorClass, Index, IndexError};
use fastgarden_data::limits::RECORD_BYTES_MAX;
use fastgarden_data::shard_writer::ShardWriter;

use crate::helpers::{faults, ids, open_one, payload, report_one, shard, shard_of, split, with_record};

/// Offset of the second frame in `shard(0..n)`.
fn second_frame() -> usize {
    shard(0..1).len()
}

#[test]
fn a_sound_shard_has_addresses_and_no_faults() {
    let index = open_one("00-8x8-3.tfrec", &shard(0..3)).unwrap();
    assert_eq!((index.len(), index.faults().len(), index.missing_records()), (3, 0, 0));
    assert_eq!(ids(&index), ["id-0", "id-1", "id-2"]);
    assert_eq!(index.total_bytes(), shard(0..3).len() as u64);
    assert_eq!(with_record(&index, 2, |view| view.unwrap().label), Some(2));
}

#[test]
fn records_are_numbered_over_shards_in_byte_order_of_names() {
    let folder = tempfile::tempdir().unwrap();
    let (b, c, empty) = (shard(3..5), shard(5..6), Vec::new());
    let files = split(folder.path(), &[("c.tfrec", &c), ("b.tfrec", &b), ("aa.tfrec", &empty), ("bb.tfrec", &empty)]);
    let index = Index::open(&files, &InflateBudget::default()).unwrap();
    assert_eq!(ids(&index), ["id-3", "id-4", "id-5"]);
    assert_eq!(index.shard_of(1).name, "b.tfrec");
    assert_eq!(index.shard_of(2).name, "c.tfrec");
    assert!(index.are_contiguous(0, 1) && !index.are_contiguous(1, 2) && !index.are_contiguous(1, 0));
    let mut buffer = b"kept".to_vec();
    index.read_frames(0, 2, &mut buffer).unwrap();
    assert_eq!(buffer[4..], b);
    assert!(index.read_frames(1, 2, &mut buffer).is_err());
    assert_eq!(buffer[4..], b, "a failed read leaves the buffer as it was");
}

#[test]
fn a_cut_inside_a_record_is_truncated_and_the_name_tells_how_many_are_missing() {
    let whole = shard(0..5);
    let cut = &whole[..whole.len() / 2];
    let index = report_one("00-8x8-5.tfrec", cut);
    let kinds = faults(&index);
    assert_eq!(kinds.len(), 1);
    assert_eq!(kinds[0].0, FaultKind::Truncated);
    assert_eq!(u64::from(index.len()) + index.missing_records(), 5);
    assert_eq!(report_one("photos.tfrec", cut).missing_records(), 1);
}

#[test]
fn a_cut_on_a_record_boundary_is_seen_by_the_count_in_the_name() {
    let index = report_one("00-8x8-5.tfrec", &shard(0..3));
    assert_eq!(faults(&index), [(FaultKind::CountDiffersFromName, None)]);
    assert_eq!(index.missing_records(), 2);
    let more = report_one("00-8x8-2.tfrec", &shard(0..3));
    assert_eq!((faults(&more), more.missing_records()), (vec![(FaultKind::CountDiffersFromName, None)], 0));
    assert_eq!(more.len(), 3, "what is there is indexed");
}

#[test]
fn a_flip_in_length_or_its_crc_loses_one_record_and_framing_is_found_again() {
    let second = second_frame();
    for byte in second..second + 12 {
        let mut bytes = shard(0..4);
        bytes[byte] ^= 0x40;
        let index = report_one("00-8x8-4.tfrec", &bytes);
        assert_eq!(faults(&index), [(FaultKind::LengthCrcMismatch, Some(second as u64))], "byte {byte}");
        assert_eq!(ids(&index), ["id-0", "id-2", "id-3"]);
        assert_eq!(index.missing_records(), 1);
    }
}

#[test]
fn a_flip_in_the_first_header_is_no_reason_to_give_up_the_shard() {
    let mut bytes = shard(0..4);
    bytes[9] ^= 1;
    let index = open_one("photos.tfrec", &bytes).unwrap();
    assert_eq!(faults(&index), [(FaultKind::LengthCrcMismatch, Some(0))]);
    assert_eq!(ids(&index), ["id-1", "id-2", "id-3"]);
}

#[test]
fn a_flip_in_data_or_its_crc_spoils_exactly_that_record() {
    let (first, second) = (second_frame(), shard(0..2).len());
    for byte in [first + 12, second - 5, second - 4, second - 1] {
        let mut bytes = shard(0..3);
        bytes[byte] ^= 1;
        let index = open_one("photos.tfrec", &bytes).unwrap();
        assert!(index.faults().is_empty(), "the index reads no data");
        let bad = with_record(&index, 1, |view| view.unwrap_err());
        assert_eq!(bad.kind, FaultKind::DataCrcMismatch, "byte {byte}");
        let fault = index.fault(1, bad);
        assert_eq!((fault.shard.as_str(), fault.offset), ("photos.tfrec", Some(first as u64)));
        assert_eq!(ids(&index), ["id-0", "id-2"]);
    }
}

#[test]
fn a_piece_cut_out_of_the_middle_costs_the_records_it_touched() {
    let mut bytes = shard(0..6);
    let (start, end) = (shard(0..1).len() + 30, shard(0..3).len() + 30);
    bytes.drain(start..end);
    let index = report_one("00-8x8-6.tfrec", &bytes);
    assert_eq!(ids(&index), ["id-0", "id-4", "id-5"]);
    assert!(index.missing_records() >= 2);
}

#[test]
fn a_length_bomb_with_a_right_crc_is_a_fault_and_no_allocation() {
    for length in [RECORD_BYTES_MAX + 1, u64::MAX] {
        let header = length.to_le_bytes();
        let bomb = [&header[..], &masked_crc32c(&header).to_le_bytes(), &shard(0..1)].concat();
        let index = report_one("photos.tfrec", &bomb);
        assert_eq!(faults(&index), [(FaultKind::LengthTooLarge, Some(0))]);
        assert_eq!(ids(&index), ["id-0"]);
    }
}

#[test]
fn zero_length_records_and_empty_shards_are_legal() {
    let index = open_one("photos.tfrec", &shard_of(&[payload(1), vec![], payload(2)])).unwrap();
    assert_eq!(index.len(), 3);
    with_record(&index, 1, |view| assert_eq!(view, Ok(ExampleView::default())));
    let empty = report_one("photos.tfrec", b"");
    assert_eq!((empty.len(), empty.faults().len()), (0, 0));
    assert!(matches!(open_one("photos.tfrec", b""), Err(IndexError::NoRecords { first_fault: None, .. })));
}

#[test]
fn files_of_other_formats_are_named() {
    let jpeg = [&b"\xff\xd8\xff\xe0\0\x10JFIF\0"[..], &[7; 300]].concat();
    let cases: [(&[u8], &str); 6] = [
        (&jpeg, "JPEG"),
        (b"PK\x03\x04\x14\0\0\0\x08\0 and so on and so on", "zip"),
        (b"These are not the records you are looking for.\n", "text"),
        (b"short", "text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
        (&[0; 5_000], "zeros"),
    ];
    for (bytes, expected) in cases {
        let Err(error @ IndexError::NotATfrecord { .. }) = open_one("00-8x8-4.tfrec", bytes) else {
            panic!("{expected} was taken for a shard");
        };
        assert_eq!(error.class(), ErrorClass::BadData);
        let message = error.to_string();
        assert!(message.contains(expected) && message.contains("00-8x8-4.tfrec"), "{message}");
        let index = report_one("00-8x8-4.tfrec", bytes);
        assert_eq!((faults(&index), index.missing_records()), (vec![(FaultKind::NotATfrecord, None)], 4));
    }
}

#[test]
fn a_zip_of_stored_shards_is_a_zip_although_records_are_in_it() {
    let zip = [&b"PK\x03\x04\x14\0\0\0\0\0aaaabbbbcccc00-8x8-2.tfrec"[..], &shard(0..2)].concat();
    assert!(matches!(open_one("photos.tfrec", &zip), Err(IndexError::NotATfrecord { .. })));
}

#[test]
fn gzip_and_zlib_copies_hold_the_same_records() {
    let folder = tempfile::tempdir().unwrap();
    let plain = open_one("photos.tfrec", &shard(0..20)).unwrap();
    for compression in [Compression::Gzip, Compression::Zlib] {
        let path = folder.path().join("photos.tfrec");
        let mut writer = ShardWriter::create_compressed(&path, compression).unwrap();
        (0..20).for_each(|number| writer.write(&payload(number)).unwrap());
        assert_eq!(writer.finish().unwrap(), 20);
        let index = open_one("photos.tfrec", &fs::read(&path).unwrap()).unwrap();
        assert_eq!(index.shards()[0].compression, compression);
        assert_eq!(ids(&index), ids(&plain));
        assert_eq!(index.fingerprint(), plain.fingerprint());
    }
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn damaged_compression_keeps_what_came_before_it() {
    let payloads: Vec<_> = (0..200).map(|number| payload(number % 50)).collect();
    let whole = zlib(&shard_of(&payloads));
    let index = report_one("00-8x8-200.tfrec", &whole[..whole.len() - 100]);
    assert_eq!(faults(&index), [(FaultKind::DamagedCompression, None)]);
    assert!(!index.is_empty());
    assert_eq!(u64::from(index.len()) + index.missing_records(), 200);
}

#[test]
fn text_that_starts_like_zlib_is_text() {
    let Err(error) = open_one("photos.tfrec", b"x^2 + y^2 = z^2 is not a shard") else { panic!("taken for a shard") };
    assert!(error.to_string().contains("a text file"), "{error}");
}

#[test]
fn compressed_shards_over_the_budget_are_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let files = split(folder.path(), &[("photos.tfrec", &zlib(&shard(0..50)))]);
    let Err(error) = Index::open(&files, &InflateBudget::new(1_000)) else { panic!("over the budget") };
    assert_eq!(error.class(), ErrorClass::Usage);
    assert!(error.to_string().contains("decompress"), "{error}");
}

#[test]
fn two_shards_of_one_name_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("more")).unwrap();
    let bytes = shard(0..1);
    let files = split(folder.path(), &[("a.tfrec", &bytes), ("more/a.tfrec", &bytes)]);
    let Err(error) = Index::open(&files, &InflateBudget::default()) else { panic!("two of one name") };
    assert!(matches!(error, IndexError::DuplicateShardName { .. }));
    assert_eq!(error.class(), ErrorClass::Usage);
}

#[test]
fn missing_files_and_folders_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("none.tfrec"), folder.path().to_path_buf()] {
        let files = fastgarden_data::catalog::SplitFiles::Shards(vec![path]);
        let Err(error) = Index::open(&files, &InflateBudget::default()) else { panic!("nothing to open") };
        assert_eq!(error.class(), ErrorClass::Usage, "{error}");
    }
}

#[test]
fn a_shard_that_changes_after_indexing_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let files = split(folder.path(), &[("a.tfrec", &shard(0..3))]);
    let index = Index::open(&files, &InflateBudget::default()).unwrap();
    let path = folder.path().join("a.tfrec");
    fs::write(&path, shard([0, 2, 1])).unwrap();
    let bad = with_record(&index, 1, |view| view.unwrap_err());
    assert!(matches!(bad.kind, FaultKind::DataCrcMismatch | FaultKind::Truncated | FaultKind::LengthCrcMismatch));
    fs::write(&path, b"").unwrap();
    let error = index.read_frames(1, 1, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("shorter"), "{error}");
}

#[test]
fn rereading_past_the_cache_gives_the_same_bytes() {
    let index = open_one("a.tfrec", &shard(0..3)).unwrap();
    let (mut once, mut again) = (Vec::new(), Vec::new());
    index.read_frames(1, 1, &mut once).unwrap();
    index.reread_uncached(1, &mut again).unwrap();
    assert_eq!(once, again);
}

#[test]
fn the_fingerprint_depends_on_names_records_and_order_alone() {
    let of = |name: &str, bytes: &[u8]| open_one(name, bytes).unwrap().fingerprint();
    let base = of("a.tfrec", &shard(0..3));
    assert_eq!(base, of("a.tfrec", &shard(0..3)));
    assert_ne!(base, of("b.tfrec", &shard(0..3)));
    assert_ne!(base, of("a.tfrec", &shard(0..4)));
    assert_ne!(base, of("a.tfrec", &shard([0, 2, 1])));
}

#[test]
fn more_shards_than_stay_open_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let shards: Vec<_> = (0..150).map(|number| (format!("{number:03}.tfrec"), shard([number]))).collect();
    let files: Vec<_> = shards.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let index = Index::open(&split(folder.path(), &files), &InflateBudget::default()).unwrap();
    assert_eq!(ids(&index).last().unwrap(), "id-149");
    assert_eq!(ids(&index).len(), 150);
}
