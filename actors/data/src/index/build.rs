//! Building an index: every shard's framing is walked once, shards in parallel.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::foreign::{self, SNIFFED_BYTES};
use super::parallel::try_map;
use super::shard_name::stated_counts;
use super::{Index, IndexError, RecordAddress, Shard, Store};
use crate::catalog::{ClassFolder, ImageTree, SplitFiles};
use crate::compression::{Compression, InflateBudget, InflateError, detect, inflate};
use crate::fault::{BadBytes, Fault, FaultKind};
use crate::framing::{FileSource, Scanned, Source, masked_crc32c, scan};
use crate::limits::{RECORD_BYTES_MAX, RECORDS_MAX, SHARDS_MAX};

/// Shards that stay open: three splits of them stay below the 256 or 1,024 files that systems let a process open.
/// Others are opened anew for each read, which takes microseconds.
const SHARDS_KEPT_OPEN: usize = 64;

/// One shard as it was found, before records are numbered.
struct Part {
    shard: Shard,
    addresses: Vec<RecordAddress>,
    faults: Vec<Fault>,
}

pub(super) fn build(files: &SplitFiles, budget: &InflateBudget) -> Result<Index, IndexError> {
    let parts = match files {
        SplitFiles::Shards(paths) => shard_parts(paths, budget)?,
        SplitFiles::Images(tree) => tree_parts(tree)?,
    };
    let records: usize = parts.iter().map(|part| part.addresses.len()).sum();
    if records > RECORDS_MAX {
        return Err(IndexError::TooManyRecords);
    }
    let mut index =
        Index { shards: Vec::with_capacity(parts.len()), addresses: Vec::with_capacity(records), faults: Vec::new() };
    for mut part in parts {
        part.shard.first_record = index.addresses.len() as u32;
        part.shard.records = part.addresses.len() as u32;
        index.shards.push(part.shard);
        index.addresses.append(&mut part.addresses);
        index.faults.append(&mut part.faults);
    }
    Ok(index)
}

fn shard_parts(paths: &[PathBuf], budget: &InflateBudget) -> Result<Vec<Part>, IndexError> {
    if paths.len() > SHARDS_MAX {
        return Err(IndexError::TooManyShards { shards: paths.len() });
    }
    let mut named: Vec<_> = paths.iter().map(|path| (base_name(path), path)).collect();
    named.sort();
    if let Some(pair) = named.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let (name, first, second) = (pair[0].0.clone(), pair[0].1.clone(), pair[1].1.clone());
        return Err(IndexError::DuplicateShardName { name, first, second });
    }
    let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
    let counts = stated_counts(&names);
    try_map(&named, |position, (name, path), _| {
        let mut part = shard_part(name, path, position < SHARDS_KEPT_OPEN, budget)?;
        compare_with_name(&mut part, counts[position]);
        Ok(part)
    })
}

/// Opens a file and gives its length in bytes. Pipes and devices are refused before opening, which could block.
fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "it is a pipe or a device, not a file"));
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

fn base_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn shard_part(name: &str, path: &Path, keep_open: bool, budget: &InflateBudget) -> Result<Part, IndexError> {
    let reading = |error| IndexError::reading(path.to_path_buf(), error);
    let (file, size_bytes) = open_regular(path).map_err(reading)?;
    let mut start = [0; SNIFFED_BYTES];
    let sniffed = size_bytes.min(SNIFFED_BYTES as u64) as usize;
    file.read_exact_at(&mut start[..sniffed], 0).map_err(reading)?;
    let start = &start[..sniffed];

    let compression = detect(start);
    let shard = |compression, store| Shard {
        name: name.to_owned(),
        path: path.to_path_buf(),
        compression,
        size_bytes,
        first_record: 0,
        records: 0,
        store,
    };
    if compression != Compression::Plain {
        let inflated = inflate(&file, compression, size_bytes, budget).map_err(|error| match error {
            InflateError::OverBudget => IndexError::InflatedOverBudget { path: path.to_path_buf() },
            InflateError::Io(error) => reading(error),
        })?;
        let sniffed = &inflated.bytes[..inflated.bytes.len().min(SNIFFED_BYTES)];
        let (addresses, mut faults) = walk(name, inflated.bytes.as_slice(), sniffed).map_err(reading)?;
        // Two bytes of a damaged plain shard, or of a text, may look like ZLIB's: then nothing sound comes out.
        let is_chance = compression == Compression::Zlib && inflated.damage.is_some() && addresses.is_empty();
        if !is_chance {
            if let Some(bad) = inflated.damage {
                // What follows from the damage (a last record cut short) is not a fault of its own.
                faults.clear();
                faults.push(fault(name, None, bad));
            }
            return Ok(Part { shard: shard(compression, Store::Memory(inflated.bytes)), addresses, faults });
        }
        budget.give_back(inflated.bytes.len() as u64);
    }
    let source = FileSource { file: &file, length_bytes: size_bytes };
    let (addresses, faults) = walk(name, &source, start).map_err(reading)?;
    let store = Store::File(keep_open.then_some(file));
    Ok(Part { shard: shard(Compression::Plain, store), addresses, faults })
}

/// Walks over the framing; `start` holds the first bytes again, to tell what a foreign file is.
fn walk<S: Source + ?Sized>(name: &str, source: &S, start: &[u8]) -> io::Result<(Vec<RecordAddress>, Vec<Fault>)> {
    let (mut addresses, mut faults) = (Vec::new(), Vec::new());
    scan(source, |scanned| match scanned {
        Scanned::Frame { offset, length, data_crc } => addresses.push(RecordAddress { offset, length, data_crc }),
        Scanned::Lost { offset, bad } => faults.push(fault(name, Some(offset), bad)),
    })?;
    addresses.shrink_to_fit();
    let starts_badly = faults.first().is_some_and(|first| {
        let no_header = first.kind == FaultKind::LengthCrcMismatch || source.length_bytes() < 12;
        first.offset == Some(0) && no_header
    });
    let is_other_format = foreign::known_format(start).is_some();
    let is_nothing = addresses.is_empty() && faults.iter().all(|fault| fault.kind == FaultKind::LengthCrcMismatch);
    if starts_badly && (is_other_format || is_nothing) {
        addresses.clear();
        faults = vec![fault(name, None, BadBytes::new(FaultKind::NotATfrecord, foreign::describe(start)))];
    }
    Ok((addresses, faults))
}

fn fault(name: &str, offset: Option<u64>, bad: BadBytes) -> Fault {
    Fault { shard: name.to_owned(), offset, kind: bad.kind, detail: bad.detail, records: 1 }
}

/// Lays what the name says beside what was found: the first loss of framing stands for all records that are missing.
fn compare_with_name(part: &mut Part, stated: Option<u64>) {
    let Some(stated) = stated else { return };
    let found = part.addresses.len() as u64;
    let missing = stated.saturating_sub(found);
    if part.faults.is_empty() {
        if found != stated {
            let detail = format!("its name says {stated} records, {found} are there");
            let bad = BadBytes::new(FaultKind::CountDiffersFromName, detail);
            part.faults.push(Fault { records: missing, ..fault(&part.shard.name, None, bad) });
        }
        return;
    }
    for (position, fault) in part.faults.iter_mut().enumerate() {
        fault.records = if position == 0 { missing } else { 0 };
    }
    if missing > 0 {
        part.faults[0].detail += &format!(" ({found} of the {stated} records in its name are there)");
    }
}

/// A class folder becomes a part; every file is read once, because nothing else could tell later that it changed.
fn tree_parts(tree: &ImageTree) -> Result<Vec<Part>, IndexError> {
    if tree.classes.len() > SHARDS_MAX {
        return Err(IndexError::TooManyShards { shards: tree.classes.len() });
    }
    let files: Vec<_> = tree.classes.iter().flat_map(|class| &class.files).collect();
    let found = try_map(&files, |_, file, buffer| image_address(&tree.root, file, buffer))?;
    let mut found = found.into_iter();
    Ok(tree.classes.iter().map(|class| class_part(tree, class, found.by_ref().take(class.files.len()))).collect())
}

fn class_part(
    tree: &ImageTree,
    class: &ClassFolder,
    found: impl Iterator<Item = Result<RecordAddress, BadBytes>>,
) -> Part {
    let (mut files, mut addresses, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for (file, address) in class.files.iter().zip(found) {
        match address {
            Ok(address) => {
                files.push(file.clone());
                addresses.push(address);
            }
            Err(bad) => faults.push(fault(&file.to_string_lossy(), None, bad)),
        }
    }
    let shard = Shard {
        name: class.name.clone(),
        path: tree.root.clone(),
        compression: Compression::Plain,
        size_bytes: addresses.iter().map(|address| u64::from(address.length)).sum(),
        first_record: 0,
        records: 0,
        store: Store::Folder { root: tree.root.clone(), files, label: class.label },
    };
    Part { shard, addresses, faults }
}

/// Length and CRC of an image file; one beyond the limit is a fault, told by its size alone.
fn image_address(
    root: &Path,
    file: &Path,
    buffer: &mut Vec<u8>,
) -> Result<Result<RecordAddress, BadBytes>, IndexError> {
    let path = root.join(file);
    let reading = |error| IndexError::reading(path.clone(), error);
    let (open, length) = open_regular(&path).map_err(reading)?;
    if length > RECORD_BYTES_MAX {
        let detail = format!("the file has {length} bytes, the limit is {RECORD_BYTES_MAX}");
        return Ok(Err(BadBytes::new(FaultKind::LengthTooLarge, detail)));
    }
    buffer.resize(length as usize, 0);
    open.read_exact_at(buffer, 0).map_err(reading)?;
    Ok(Ok(RecordAddress { offset: 0, length: length as u32, data_crc: masked_crc32c(buffer) }))
}
