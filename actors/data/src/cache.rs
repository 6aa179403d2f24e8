//! Examples kept in memory between epochs: as encoded images or as decoded pictures, within a budget of bytes.
//! Not here: reading or decoding. Not for: disks. Nothing is ever evicted, since epochs use every record once each, in
//! ever new orders: what an eviction would make room for is as likely to be needed next as what it throws away.
//!
//! A record is kept at its first successful decoding, so one that is quarantined never is: it is read and refused again
//! every epoch. Each record has a slot of its own that is written once, so that workers never wait for one another.
//! Batches are the same bits with and without (I-order).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

use fastgarden_proto::observe;

use crate::example::FeatureNames;
use crate::geometry::Size;
use crate::index::Index;
use crate::jpeg::planes::{PlanarPicture, Plane};
use crate::phase::PhaseSpec;
use crate::picture::{DecodeMode, Decoded, Picture};
use crate::resample::ResamplePath;
use crate::shared::lock;

/// What a kept record takes beside its image: the entry itself, and what an allocator keeps beside its two blocks.
pub const ENTRY_OVERHEAD_BYTES: u64 = 96;

/// What is kept of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheMode {
    /// The encoded image, its CRCs verified: later epochs read nothing. Records of compressed shards are in memory
    /// anyway and are not kept twice.
    Encoded,
    /// The upright picture: later epochs neither read nor decode.
    Decoded,
}

impl CacheMode {
    /// The name in recipes and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encoded => "encoded",
            Self::Decoded => "decoded",
        }
    }
}

/// A cache. Several pipelines one after the other may share it, as the runs of a series do.
pub struct Cache {
    mode: CacheMode,
    account: Arc<Account>,
    sets: Mutex<Vec<Arc<CachedSet>>>,
}

/// What is taken of the budget.
struct Account {
    budget_bytes: u64,
    taken_bytes: AtomicU64,
    records: AtomicU64,
    /// A record did not fit.
    full: AtomicBool,
    /// Not even a usual record fits any more.
    closed: AtomicBool,
}

impl Account {
    /// Reserves bytes, before anything is allocated.
    fn take(&self, bytes: u64) -> bool {
        let within = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= self.budget_bytes);
        match self.taken_bytes.fetch_update(Relaxed, Relaxed, within) {
            Ok(_) => true,
            Err(taken) => {
                self.full.store(true, Relaxed);
                // One huge picture is no reason to turn the others away.
                let usual = taken / self.records.load(Relaxed).max(1);
                self.closed.fetch_or(self.budget_bytes - taken < usual.min(bytes), Relaxed);
                false
            }
        }
    }

    fn give_back(&self, bytes: u64) {
        self.taken_bytes.fetch_sub(bytes, Relaxed);
    }
}

impl Cache {
    /// An empty cache that will hold at most `budget_bytes`.
    pub fn new(mode: CacheMode, budget_bytes: u64) -> Self {
        let account = Account {
            budget_bytes,
            taken_bytes: AtomicU64::new(0),
            records: AtomicU64::new(0),
            full: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        };
        Self { mode, account: Arc::new(account), sets: Mutex::new(Vec::new()) }
    }

    /// What is kept of the records of a phase, shared by all phases over the same data that read it the same way.
    /// `None` when there isn't even room for its slots.
    pub fn of_phase(&self, spec: &PhaseSpec) -> Option<Arc<CachedSet>> {
        let mut sets = lock(&self.sets);
        if let Some(set) = sets.iter().find(|set| set.is_for(spec)) {
            return Some(Arc::clone(set));
        }
        let set = Arc::new(CachedSet::new(spec, self.mode, Arc::clone(&self.account))?);
        sets.push(Arc::clone(&set));
        Some(set)
    }

    /// How full it is.
    pub fn observe(&self) -> observe::Cache {
        observe::Cache {
            mode: self.mode.name().to_owned(),
            bytes: self.account.taken_bytes.load(Relaxed),
            budget_bytes: self.account.budget_bytes,
            records: self.account.records.load(Relaxed),
            full: self.account.full.load(Relaxed),
        }
    }
}

/// Written once, by whoever decodes the record first.
type Slot = OnceLock<Box<Entry>>;

const _: () = assert!(size_of::<Slot>() <= 16, "with the index's 16 bytes a record, the bound's 32 (I-bound)");

struct Entry {
    label: i64,
    kept: Kept,
}

/// What is kept of one record.
pub enum Kept {
    /// Its encoded image.
    Encoded(Box<[u8]>),
    /// Its picture.
    Decoded(StoredPicture),
}

/// The kept records of one data set, read in one way.
pub struct CachedSet {
    index: Arc<Index>,
    features: FeatureNames,
    classes: Option<i64>,
    decode: DecodeMode,
    resample: ResamplePath,
    mode: CacheMode,
    account: Arc<Account>,
    slots: Box<[Slot]>,
}

impl CachedSet {
    fn new(spec: &PhaseSpec, mode: CacheMode, account: Arc<Account>) -> Option<Self> {
        let records = spec.index.len() as usize;
        if !account.take((records * size_of::<Slot>()) as u64) {
            return None;
        }
        Some(Self {
            index: Arc::clone(&spec.index),
            features: spec.features.clone(),
            classes: spec.classes,
            decode: spec.decode,
            resample: spec.resample,
            mode,
            account,
            slots: (0..records).map(|_| Slot::new()).collect(),
        })
    }

    /// Everything that decides what label and picture a record has.
    fn is_for(&self, spec: &PhaseSpec) -> bool {
        Arc::ptr_eq(&self.index, &spec.index)
            && self.features == spec.features
            && self.classes == spec.classes
            && self.decode == spec.decode
            && self.resample == spec.resample
    }

    /// The label of a record, if the record is kept; it then is for good.
    pub fn label(&self, record: u32) -> Option<i64> {
        self.slots[record as usize].get().map(|entry| entry.label)
    }

    /// What is kept of a record.
    pub fn get(&self, record: u32) -> Option<&Kept> {
        self.slots[record as usize].get().map(|entry| &entry.kept)
    }

    /// What is kept of the records to come; nothing once a usual one did not fit.
    pub fn keeps(&self) -> Option<CacheMode> {
        (!self.account.closed.load(Relaxed)).then_some(self.mode)
    }

    /// Keeps a record that was decoded (as a whole, where pictures are kept), if there is room for it.
    pub fn keep(&self, record: u32, label: i64, encoded: &[u8], image: &Decoded<'_>) {
        let bytes = match self.mode {
            CacheMode::Encoded if self.index.is_in_memory(record) => return,
            CacheMode::Encoded => encoded.len() as u64,
            CacheMode::Decoded => StoredPicture::bytes(image),
        } + ENTRY_OVERHEAD_BYTES;
        let slot = &self.slots[record as usize];
        if slot.get().is_some() || !self.account.take(bytes) {
            return;
        }
        let kept = match self.mode {
            CacheMode::Encoded => copied([encoded]).map(Kept::Encoded),
            CacheMode::Decoded => StoredPicture::copy_of(image).map(Kept::Decoded),
        };
        let kept = kept.map(|kept| slot.set(Box::new(Entry { label, kept })).is_ok());
        match kept {
            Some(true) => {
                self.account.records.fetch_add(1, Relaxed);
            }
            // Another worker was first, or the system has less memory than the budget says.
            other => {
                self.account.give_back(bytes);
                self.account.full.fetch_or(other.is_none(), Relaxed);
                self.account.closed.fetch_or(other.is_none(), Relaxed);
            }
        }
    }
}

/// A decoded image as it is kept: the one place that knows in which form. Planes at their own resolution take half of what
/// pixels take.
pub enum StoredPicture {
    /// Pixels.
    Rgb {
        /// Of the upright image.
        size: Size,
        /// Rows of red, green, blue.
        pixels: Box<[u8]>,
    },
    /// Planes, one behind the other in one block.
    Planar(Box<StoredPlanes>),
}

/// What [`PlanarPicture`] borrows, owned.
pub struct StoredPlanes {
    size: Size,
    subsampling: (u32, u32),
    /// Size and stride of luma and, in a coloured image, of each chroma plane.
    luma: (Size, usize),
    chroma: Option<(Size, usize)>,
    samples: Box<[u8]>,
}

impl StoredPicture {
    /// What keeping an image takes.
    fn bytes(image: &Decoded<'_>) -> u64 {
        match image {
            Decoded::Rgb(picture) => picture.pixels.len() as u64,
            Decoded::Planar(picture) => {
                let samples: usize = picture.planes().map(|plane| rows_of(plane).len()).sum();
                (samples + size_of::<StoredPlanes>()) as u64
            }
        }
    }

    fn copy_of(image: &Decoded<'_>) -> Option<Self> {
        match image {
            Decoded::Rgb(picture) => Some(Self::Rgb { size: picture.size, pixels: copied([picture.pixels])? }),
            Decoded::Planar(picture) => Some(Self::Planar(Box::new(StoredPlanes {
                size: picture.size,
                subsampling: picture.subsampling,
                luma: (picture.luma.size, picture.luma.stride),
                chroma: picture.chroma.map(|[plane, _]| (plane.size, plane.stride)),
                samples: copied(picture.planes().map(rows_of))?,
            }))),
        }
    }

    /// The image as the decoder gave it.
    pub fn image(&self) -> Decoded<'_> {
        match self {
            Self::Rgb { size, pixels } => Decoded::Rgb(Picture { size: *size, pixels }),
            Self::Planar(stored) => Decoded::Planar(stored.picture()),
        }
    }
}

impl StoredPlanes {
    fn picture(&self) -> PlanarPicture<'_> {
        let plane = |(size, stride): (Size, usize), from: usize| {
            let samples = &self.samples[from..from + size.height as usize * stride];
            Plane { size, stride, samples }
        };
        let luma = plane(self.luma, 0);
        let chroma = self.chroma.map(|form| {
            let blue = plane(form, luma.samples.len());
            [blue, plane(form, luma.samples.len() + blue.samples.len())]
        });
        PlanarPicture { size: self.size, luma, chroma, subsampling: self.subsampling }
    }
}

/// The rows of a plane that mean something.
fn rows_of<'a>(plane: &Plane<'a>) -> &'a [u8] {
    &plane.samples[..plane.size.height as usize * plane.stride]
}

/// A copy of exactly that size of all parts; `None` when the system has no memory for it.
fn copied<'a>(parts: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>) -> Option<Box<[u8]>> {
    let parts = parts.into_iter();
    let mut copy = Vec::new();
    copy.try_reserve_exact(parts.clone().map(<[u8]>::len).sum()).ok()?;
    parts.for_each(|part| copy.extend_from_slice(part));
    Some(copy.into_boxed_slice())
}

#[cfg(test)]
mod tests;
