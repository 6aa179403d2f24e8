//! Labels and ids of all records, for samplers and the referee: read in one parse pass, only when asked for.
//! Not here: images; anything a training step needs.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::example::{FeatureNames, parse_example};
use crate::framing::{FOOTER_BYTES, HEADER_BYTES};
use crate::index::Index;
use crate::index::parallel::try_map;
use crate::limits::ID_BYTES_MAX;

/// Bytes of records that one read fetches.
const RUN_BYTES: u64 = 1 << 20;
/// Marks the end of an absent id in [`Ids::ends`].
const ABSENT: u64 = 1 << 63;

/// What each record of a split says it is. A record that can't be parsed says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Label by record.
    pub labels: Vec<Option<i64>>,
    ids: Ids,
}

/// Ids, one after the other in one piece of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ids {
    bytes: Vec<u8>,
    /// Where each id ends in `bytes`, with [`ABSENT`] set if the record has none.
    ends: Vec<u64>,
}

impl Ids {
    fn push(&mut self, id: Option<&[u8]>) {
        let id = id.filter(|id| id.len() <= ID_BYTES_MAX);
        self.bytes.extend_from_slice(id.unwrap_or_default());
        let end = self.bytes.len() as u64;
        self.ends.push(if id.is_some() { end } else { end | ABSENT });
    }

    fn get(&self, position: usize) -> Option<&[u8]> {
        let end = self.ends[position];
        let start = position.checked_sub(1).map_or(0, |before| self.ends[before] & !ABSENT);
        (end & ABSENT == 0).then(|| &self.bytes[start as usize..end as usize])
    }
}

impl Columns {
    /// Reads and parses every record once, in parallel. CRCs are not checked here: reading for use does that.
    pub fn read(index: &Index, names: &FeatureNames) -> io::Result<Self> {
        let parts = try_map(&index.runs(RUN_BYTES), |_, run, buffer| {
            let mut part = Self::default();
            if let Some((id, label)) = index.file_of_tree(run.start) {
                // A file is a run of its own, and its name says everything.
                part.push(Some(label), Some(id));
                return Ok(part);
            }
            buffer.clear();
            index.read_frames(run.start, run.end - run.start, buffer)?;
            let mut rest = buffer.as_slice();
            for record in run.clone() {
                let frame;
                (frame, rest) = rest.split_at(index.frame_bytes(record) as usize);
                let view = parse_example(&frame[HEADER_BYTES..frame.len() - FOOTER_BYTES], names).unwrap_or_default();
                part.push(view.label, view.id);
            }
            Ok::<_, io::Error>(part)
        })?;
        let mut all = Self::default();
        all.labels.reserve_exact(index.len() as usize);
        for part in parts {
            let start = all.ids.bytes.len() as u64;
            all.labels.extend(part.labels);
            all.ids.bytes.extend(part.ids.bytes);
            // The mark is the top bit, which adding an offset leaves alone.
            all.ids.ends.extend(part.ids.ends.iter().map(|end| end + start));
        }
        Ok(all)
    }

    /// Of records that are known already.
    pub fn of<'a>(records: impl IntoIterator<Item = (Option<i64>, Option<&'a [u8]>)>) -> Self {
        let mut columns = Self::default();
        records.into_iter().for_each(|(label, id)| columns.push(label, id));
        columns
    }

    fn push(&mut self, label: Option<i64>, id: Option<&[u8]>) {
        self.labels.push(label);
        self.ids.push(id);
    }

    /// The id of each record, in order; an empty one is none.
    fn ids(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.labels.len()).map(|position| self.ids.get(position).filter(|id| !id.is_empty()))
    }

    /// The id of a record; ids beyond 1,024 bytes count as missing. Panics if there is no such record.
    pub fn id(&self, record: u32) -> Option<&[u8]> {
        self.ids.get(record as usize)
    }
}

/// A record that is in both splits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// Its number in the training split.
    pub train_record: u32,
    /// Its number in the validation split.
    pub validation_record: u32,
    /// "id" or "content": by what they are the same.
    pub by: &'static str,
}

/// The first validation record that is also a training record (invariant I-disjoint): by id where both have one, by
/// content (length and CRC, then byte for byte) where either has none. An empty id is none. In image trees ids are
/// paths, which differ between splits, so content decides.
pub fn find_overlap(train: (&Index, &Columns), validation: (&Index, &Columns)) -> Option<Overlap> {
    let content_of = |index: &Index, record| {
        let address = index.address(record);
        (address.length, address.data_crc)
    };
    let mut by_id: HashMap<&[u8], u32> = HashMap::new();
    let mut by_content: HashMap<(u32, u32), (Option<u32>, Option<u32>)> = HashMap::new();
    for record in 0..train.0.len() {
        let id = id_of(train, record);
        let content = by_content.entry(content_of(train.0, record)).or_default();
        // The first record of this content at all, and the first of them without an id.
        content.0.get_or_insert(record);
        match id {
            Some(id) => {
                by_id.entry(id).or_insert(record);
            }
            None => {
                content.1.get_or_insert(record);
            }
        }
    }
    (0..validation.0.len()).find_map(|record| {
        let id = id_of(validation, record);
        let content = by_content.get(&content_of(validation.0, record));
        let same_content = if id.is_some() { content.and_then(|both| both.1) } else { content.and_then(|both| both.0) };
        let same_id = id.and_then(|id| by_id.get(id)).copied();
        let overlap = |train_record, by| Overlap { train_record, validation_record: record, by };
        same_id.map(|same| overlap(same, "id")).or_else(|| {
            let same = same_content.filter(|&same| is_same_content(train.0, same, validation.0, record))?;
            Some(overlap(same, "content"))
        })
    })
}

/// A training record that keeps two splits from being the same pictures in two sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Whether it is a record of the second split.
    pub in_second: bool,
    /// Its number in that split.
    pub record: u32,
    /// Whether it has an id: then the other split has no record of that id, else nobody can say.
    pub has_id: bool,
}

/// The first record without a counterpart of the same id in the other split; none if both have the same set of ids. An
/// empty id is none.
pub fn find_mismatch(first: &Columns, second: &Columns) -> Option<Mismatch> {
    let ids = |columns: &Columns| columns.ids().flatten().map(<[u8]>::to_vec).collect::<HashSet<_>>();
    let lacking = |columns: &Columns, others: &HashSet<Vec<u8>>, in_second| {
        let position = columns.ids().position(|id| id.is_none_or(|id| !others.contains(id)))?;
        let record = position as u32;
        Some(Mismatch { in_second, record, has_id: columns.id(record).is_some_and(|id| !id.is_empty()) })
    };
    lacking(first, &ids(second), false).or_else(|| lacking(second, &ids(first), true))
}

/// The id that tells a record from others, if it has one.
fn id_of<'a>((index, columns): (&Index, &'a Columns), record: u32) -> Option<&'a [u8]> {
    columns.id(record).filter(|id| !id.is_empty() && !index.is_image_tree())
}

/// Compares payloads; records that can't be read again count as the same, because their CRCs say so.
fn is_same_content(train: &Index, train_record: u32, validation: &Index, validation_record: u32) -> bool {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let read = train
        .read_frames(train_record, 1, &mut one)
        .and_then(|()| validation.read_frames(validation_record, 1, &mut other));
    read.is_err() || one == other
}
