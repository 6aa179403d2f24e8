//! Small shards to try things on.

use std::fs;
use std::path::{Path, PathBuf};

use fastgarden_data::catalog::SplitFiles;
use fastgarden_data::compression::InflateBudget;
use fastgarden_data::example::{ExampleView, FeatureNames, FeatureValue, encode_example};
use fastgarden_data::fault::{BadBytes, FaultKind};
use fastgarden_data::framing::write_frame;
use fastgarden_data::index::{Index, IndexError};

/// The payload of an example with a label, an id and some bytes for an image.
pub fn payload(number: i64) -> Vec<u8> {
    let image = vec![number as u8; 40 + number as usize];
    let id = format!("id-{number}");
    encode_example(&[
        ("class", FeatureValue::Int64(number % 5)),
        ("id", FeatureValue::Bytes(id.as_bytes())),
        ("image", FeatureValue::Bytes(&image)),
    ])
}

/// A plain shard of these payloads.
pub fn shard_of(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for payload in payloads {
        write_frame(&mut bytes, payload).unwrap();
    }
    bytes
}

/// A plain shard of examples with the given numbers.
pub fn shard(numbers: impl IntoIterator<Item = i64>) -> Vec<u8> {
    shard_of(&numbers.into_iter().map(payload).collect::<Vec<_>>())
}

/// Writes files into a folder and names them as a split.
pub fn split(folder: &Path, files: &[(&str, &[u8])]) -> SplitFiles {
    let write = |(name, bytes): &(&str, &[u8])| {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    SplitFiles::Shards(files.iter().map(write).collect::<Vec<PathBuf>>())
}

/// The index of one shard, for inspection.
pub fn report_one(name: &str, bytes: &[u8]) -> Index {
    let folder = tempfile::tempdir().unwrap();
    // The files are kept open by the index, so the folder may go.
    Index::open_reporting(&split(folder.path(), &[(name, bytes)]), &InflateBudget::default()).unwrap()
}

/// Opening one shard for use.
pub fn open_one(name: &str, bytes: &[u8]) -> Result<Index, IndexError> {
    let folder = tempfile::tempdir().unwrap();
    Index::open(&split(folder.path(), &[(name, bytes)]), &InflateBudget::default())
}

/// Kinds and offsets of an index's faults.
pub fn faults(index: &Index) -> Vec<(FaultKind, Option<u64>)> {
    index.faults().iter().map(|fault| (fault.kind, fault.offset)).collect()
}

/// Reads, checks and parses one record, and gives what it holds to `look`.
pub fn with_record<R>(index: &Index, record: u32, look: impl FnOnce(Result<ExampleView<'_>, BadBytes>) -> R) -> R {
    let mut buffer = Vec::new();
    index.read_frames(record, 1, &mut buffer).unwrap();
    look(index.parse_frame(record, &buffer, &FeatureNames::default()))
}

/// The ids of all sound records, in order.
pub fn ids(index: &Index) -> Vec<String> {
    let id = |view: Result<ExampleView<'_>, BadBytes>| {
        view.ok().and_then(|view| view.id).map(|id| String::from_utf8(id.to_vec()).unwrap())
    };
    (0..index.len()).filter_map(|record| with_record(index, record, id)).collect()
}
