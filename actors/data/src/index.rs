//! Where every record of a split is: what makes loading lazy.
//! Not here: which files belong to a split (see `catalog`), or what a record means (see `example`).
//!
//! Records are numbered from 0 over the shards in byte order of their base names. Building the index reads the framing
//! only (16 bytes a record); it takes 16 bytes of memory a record and is made anew at each start. An image tree is
//! indexed the same way: a class folder stands for a shard, a file for a record, its bytes for a payload. Files have
//! no stored CRC, so a tree is read once to compute them, and its file names take memory of their own.

mod build;
mod error;
mod foreign;
pub(crate) mod parallel;
mod read;
mod shard_name;

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

pub use self::error::{ErrorClass, IndexError};
use crate::catalog::SplitFiles;
use crate::compression::{Compression, InflateBudget};
use crate::example::{ExampleView, FeatureNames, parse_example};
use crate::fault::{BadBytes, Fault, FaultKind};
use crate::framing::{check_frame, masked_crc32c};
use crate::limits::{FRAME_OVERHEAD_BYTES, INDEX_BYTES_PER_RECORD_MAX};

/// Where one record is and what its bytes should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordAddress {
    /// Byte offset of the frame in the (inflated) shard; 0 for a file of an image tree.
    pub offset: u64,
    /// Length of the payload, bytes.
    pub length: u32,
    /// Masked CRC-32C of the payload, as stored.
    pub data_crc: u32,
}

const _: () = assert!(size_of::<RecordAddress>() <= INDEX_BYTES_PER_RECORD_MAX);

/// One shard of the split, or one class folder of an image tree.
pub struct Shard {
    /// Base name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// How it is stored.
    pub compression: Compression,
    /// Size on disk, bytes.
    pub size_bytes: u64,
    /// Number of its first record.
    pub first_record: u32,
    /// How many records it holds.
    pub records: u32,
    store: Store,
}

/// What holds a shard's bytes.
enum Store {
    /// A file; kept open if it is one of the first shards.
    File(Option<File>),
    /// Inflated, in memory.
    Memory(Vec<u8>),
    /// One file a record, relative to the root.
    Folder { root: PathBuf, files: Vec<PathBuf>, label: i64 },
}

/// The records of one split.
pub struct Index {
    shards: Vec<Shard>,
    addresses: Vec<RecordAddress>,
    faults: Vec<Fault>,
}

impl Index {
    /// Indexes a split for use: a file that is no TFRecord at all, or a split without records, is an error.
    pub fn open(files: &SplitFiles, budget: &InflateBudget) -> Result<Self, IndexError> {
        let index = Self::open_reporting(files, budget)?;
        if let Some(fault) = index.faults.iter().find(|fault| fault.kind == FaultKind::NotATfrecord) {
            let shard = index.shards.iter().find(|shard| shard.name == fault.shard);
            let path = shard.map_or_else(|| PathBuf::from(&fault.shard), |shard| shard.path.clone());
            return Err(IndexError::NotATfrecord { path, detail: fault.detail.clone() });
        }
        if index.is_empty() {
            return Err(IndexError::NoRecords {
                shards: index.shards.len(),
                first_fault: index.faults.into_iter().next(),
            });
        }
        Ok(index)
    }

    /// Indexes a split for inspection: everything wrong with the bytes is in [`Index::faults`], whatever is left is
    /// indexed. Only what can't be read at all, and limits of memory and number, are errors.
    pub fn open_reporting(files: &SplitFiles, budget: &InflateBudget) -> Result<Self, IndexError> {
        build::build(files, budget)
    }

    /// How many records there are; records are numbered from 0 to this.
    pub fn len(&self) -> u32 {
        self.addresses.len() as u32
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// The shards, in byte order of base name.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The shard that holds a record. Panics if there is no such record.
    pub fn shard_of(&self, record: u32) -> &Shard {
        assert!(record < self.len(), "record {record} of {}", self.len());
        // Of shards that start at one number all but the last are empty.
        &self.shards[self.shards.partition_point(|shard| shard.first_record <= record) - 1]
    }

    /// Where a record is. Panics if there is no such record.
    pub fn address(&self, record: u32) -> RecordAddress {
        self.addresses[record as usize]
    }

    /// Bytes that reading a record takes: its payload with the framing around it.
    pub fn frame_bytes(&self, record: u32) -> u64 {
        let framing = if self.shard_of(record).is_folder() { 0 } else { FRAME_OVERHEAD_BYTES };
        u64::from(self.address(record).length) + framing
    }

    /// Bytes of all frames together.
    pub fn total_bytes(&self) -> u64 {
        let framed: u64 =
            self.shards.iter().filter(|shard| !shard.is_folder()).map(|shard| u64::from(shard.records)).sum();
        self.addresses.iter().map(|address| u64::from(address.length)).sum::<u64>() + framed * FRAME_OVERHEAD_BYTES
    }

    /// What is wrong with the framing, in the order of shards and offsets.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Records that are lost with the framing, for the bad-record budget: as many as a shard's name says are missing,
    /// else one for each loss.
    pub fn missing_records(&self) -> u64 {
        self.faults.iter().map(|fault| fault.records).sum()
    }

    /// Identity of the split's content: SHA-256 over the shards in byte order of base name. Each shard gives its base
    /// name's length in bytes (u32) and the name in UTF-8, its record count (u64), and for each record its payload's
    /// length (u32) and masked CRC-32C (u32); all numbers little-endian. No paths, no times. Of an image tree a class
    /// folder is a shard and a file a record.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for shard in &self.shards {
            hash.update((shard.name.len() as u32).to_le_bytes());
            hash.update(shard.name.as_bytes());
            hash.update(u64::from(shard.records).to_le_bytes());
            for address in &self.addresses[shard.record_range()] {
                hash.update(address.length.to_le_bytes());
                hash.update(address.data_crc.to_le_bytes());
            }
        }
        hash.finalize().into()
    }

    /// Whether a record lies in memory, as those of compressed shards do.
    pub fn is_in_memory(&self, record: u32) -> bool {
        matches!(self.shard_of(record).store, Store::Memory(_))
    }

    /// Whether `next` is the record after `record`, in the same shard, with nothing between them.
    pub fn are_contiguous(&self, record: u32, next: u32) -> bool {
        let shard = self.shard_of(record);
        record.checked_add(1) == Some(next)
            && shard.record_range().contains(&(next as usize))
            && !shard.is_folder()
            && self.address(record).offset + self.frame_bytes(record) == self.address(next).offset
    }

    /// Checks a frame as it was read (both CRCs, and that it is the record that was indexed) and parses it. For a file
    /// of an image tree: the image is the file, the label its class, the id its path relative to the tree's root.
    pub fn parse_frame<'a>(
        &'a self,
        record: u32,
        frame: &'a [u8],
        names: &FeatureNames,
    ) -> Result<ExampleView<'a>, BadBytes> {
        let payload = self.check_payload(record, frame)?;
        match self.file_of_tree(record) {
            Some((id, label)) => Ok(ExampleView { image: Some(payload), label: Some(label), id: Some(id) }),
            None => parse_example(payload, names),
        }
    }

    /// The payload of a frame as it was read, after the checks of [`Index::parse_frame`].
    pub fn check_payload<'a>(&self, record: u32, frame: &'a [u8]) -> Result<&'a [u8], BadBytes> {
        if self.shard_of(record).is_folder() {
            return self.check_file(record, frame);
        }
        let address = self.address(record);
        let payload = check_frame(frame)?;
        let data_crc = frame.last_chunk().map_or(0, |footer| u32::from_le_bytes(*footer));
        if payload.len() != address.length as usize || data_crc != address.data_crc {
            let detail = "the record is another one than when it was indexed: the shard was changed since";
            return Err(BadBytes::new(FaultKind::DataCrcMismatch, detail));
        }
        Ok(payload)
    }

    fn check_file<'a>(&self, record: u32, bytes: &'a [u8]) -> Result<&'a [u8], BadBytes> {
        let address = self.address(record);
        if bytes.len() != address.length as usize || masked_crc32c(bytes) != address.data_crc {
            let detail = "the file is another one than when it was indexed";
            return Err(BadBytes::new(FaultKind::DataCrcMismatch, detail));
        }
        Ok(bytes)
    }

    /// Id (the path relative to the root) and label of a file of an image tree; `None` for a record of a shard.
    pub(crate) fn file_of_tree(&self, record: u32) -> Option<(&[u8], i64)> {
        let shard = self.shard_of(record);
        let Store::Folder { files, label, .. } = &shard.store else { return None };
        let file = &files[(record - shard.first_record) as usize];
        Some((file.as_os_str().as_encoded_bytes(), *label))
    }

    /// Names the place of what is wrong with a record: the shard and the frame's offset, or the file of a tree.
    pub fn fault(&self, record: u32, bad: BadBytes) -> Fault {
        let (name, offset) = match self.file_of_tree(record) {
            Some((id, _)) => (String::from_utf8_lossy(id).into_owned(), None),
            None => (self.shard_of(record).name.clone(), Some(self.address(record).offset)),
        };
        Fault { shard: name, offset, kind: bad.kind, detail: bad.detail, records: 1 }
    }

    /// Whether this split is a folder-per-class image tree: its ids are paths, which say nothing about content.
    pub fn is_image_tree(&self) -> bool {
        self.shards.iter().any(Shard::is_folder)
    }

    /// All records as runs that one read each can fetch, of at most `bytes_max` bytes unless one record is larger.
    pub(crate) fn runs(&self, bytes_max: u64) -> Vec<Range<u32>> {
        let mut runs: Vec<Range<u32>> = Vec::new();
        let mut run_bytes = 0;
        for record in 0..self.len() {
            let bytes = self.frame_bytes(record);
            match runs.last_mut() {
                Some(run) if run_bytes + bytes <= bytes_max && self.are_contiguous(record - 1, record) => {
                    run.end = record + 1;
                    run_bytes += bytes;
                }
                _ => {
                    runs.push(record..record + 1);
                    run_bytes = bytes;
                }
            }
        }
        runs
    }
}

impl Shard {
    fn record_range(&self) -> Range<usize> {
        let first = self.first_record as usize;
        first..first + self.records as usize
    }

    fn is_folder(&self) -> bool {
        matches!(self.store, Store::Folder { .. })
    }
}
