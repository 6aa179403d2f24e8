//! The golden TFRecord files: what a checking reader returns of each, and how it ends.

use std::fs;
use std::path::{Path, PathBuf};

use fastgarden_data::compression::Compression;
use fastgarden_data::example::{FeatureNames, parse_example};
use fastgarden_data::framing::{Scanned, check_frame, masked_crc32c, scan};
use fastgarden_data::shard_writer::ShardWriter;
use serde_json::Value;

use crate::helpers::{open_one, with_record};

/// Where the golden numbers are.
fn golden() -> Value {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let folder = std::env::var_os("FASTGARDEN_GOLDEN").map_or_else(default, PathBuf::from);
    let path = folder.join("tfrecord.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Null, |bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

/// A record as the golden file writes it.
fn record(payload: &[u8]) -> Value {
    let view = parse_example(payload, &FeatureNames::default()).unwrap();
    serde_json::json!({ "id_hex": hex(view.id), "image_hex": hex(view.image), "class": view.label })
}

/// The records up to the first fault, and its name.
fn read_until_fault(bytes: &[u8]) -> (Vec<Value>, Value) {
    let (mut records, mut error) = (Vec::new(), Value::Null);
    scan(bytes, |scanned| {
        if !error.is_null() {
            return;
        }
        let checked = match scanned {
            Scanned::Frame { offset, length, .. } => check_frame(&bytes[offset as usize..][..length as usize + 16]),
            Scanned::Lost { bad, .. } => Err(bad),
        };
        match checked {
            Ok(payload) => records.push(record(payload)),
            Err(bad) => error = bad.kind.name().into(),
        }
    })
    .unwrap();
    (records, error)
}

#[test]
fn golden_files_parse_as_stated() {
    let golden = golden();
    let files = golden["files"].as_array().unwrap();
    assert!(!files.is_empty());
    for file in files {
        let bytes = unhex(file["hex"].as_str().unwrap());
        assert_eq!(bytes.len() as u64, file["bytes"].as_u64().unwrap());
        let (records, error) = read_until_fault(&bytes);
        assert_eq!(Value::from(records), file["records"], "{}", file["name"]);
        assert_eq!(error, file["error_after_records"], "{}", file["name"]);
    }
}

#[test]
fn golden_crcs_are_computed() {
    let golden = golden();
    let checks = golden["crc32c_checks"].as_array().unwrap();
    assert!(!checks.is_empty());
    for check in checks {
        let bytes = unhex(check[0].as_str().unwrap());
        assert_eq!(u64::from(crc32c::crc32c(&bytes)), check[1].as_u64().unwrap(), "{check}");
        assert_eq!(u64::from(masked_crc32c(&bytes)), check[2].as_u64().unwrap(), "{check}");
    }
}

#[test]
fn golden_files_written_again_compressed_hold_the_same_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.tfrecord");
    for file in golden()["files"].as_array().unwrap() {
        let bytes = unhex(file["hex"].as_str().unwrap());
        for compression in [Compression::Plain, Compression::Gzip, Compression::Zlib] {
            let mut writer = ShardWriter::create_compressed(&path, compression).unwrap();
            scan(bytes.as_slice(), |scanned| {
                let Scanned::Frame { offset, length, .. } = scanned else { return };
                if let Ok(payload) = check_frame(&bytes[offset as usize..][..length as usize + 16]) {
                    writer.write(payload).unwrap();
                }
            })
            .unwrap();
            let written = writer.finish().unwrap();
            let index = open_one("copy.tfrecord", &fs::read(&path).unwrap()).unwrap();
            assert_eq!(u64::from(index.len()), written);
            assert_eq!(index.shards()[0].compression, compression);
            for (number, expected) in file["records"].as_array().unwrap().iter().enumerate() {
                let found = with_record(&index, number as u32, |view| {
                    let view = view.unwrap();
                    serde_json::json!({ "id_hex": hex(view.id), "image_hex": hex(view.image), "class": view.label })
                });
                assert_eq!(found, *expected, "{} as {compression:?}", file["name"]);
            }
        }
    }
}
