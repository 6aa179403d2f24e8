//! Reading everything there is of a split, and listing everything wrong with it.
//! Not here: image decoding (the caller passes it in), deciding whether faults are too many.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::example::{ExampleView, FeatureNames};
use crate::fault::{BadBytes, Fault, FaultKind};
use crate::index::Index;
use crate::index::parallel::try_map;
use crate::limits::FAULTS_LISTED_MAX;

/// Bytes that one read fetches.
const RUN_BYTES: u64 = 4 << 20;
/// Distinct labels that are counted one by one.
const LABELS_COUNTED_MAX: usize = 65_536;

/// What was found in a split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Records that were read, sound or not.
    pub records: u64,
    /// Bytes of their frames.
    pub bytes: u64,
    /// Bytes of the images in them.
    pub image_bytes: u64,
    /// Everything wrong, in byte order of shard names, then by offset; at most 100,000 are listed.
    pub faults: Vec<Fault>,
    /// How many faults there are, listed or not.
    pub faults_total: u64,
    /// Records of each label, of at most 65,536 labels.
    pub labels: BTreeMap<i64, u64>,
    /// Records without an id.
    pub without_id: u64,
    /// Records whose CRC failed at first and fitted when read again past the page cache: suspect memory, not the disk.
    pub healed_by_rereading: u64,
}

/// Reads every record of `index`, in parallel: CRCs, example, label, and `check_image` on the image bytes. `classes`
/// is the number of classes where every record needs a label; without it labels are only counted.
pub fn verify_split(
    index: &Index,
    names: &FeatureNames,
    classes: Option<i64>,
    check_image: &(dyn Fn(&[u8]) -> Result<(), BadBytes> + Sync),
) -> io::Result<Verification> {
    let parts = try_map(&index.runs(RUN_BYTES), |_, run, buffer| {
        let mut part = Verification::default();
        buffer.clear();
        index.read_frames(run.start, run.end - run.start, buffer)?;
        let mut start = 0;
        for record in run.clone() {
            let end = start + index.frame_bytes(record) as usize;
            part.look_at(index, record, &buffer[start..end], names, classes, check_image)?;
            start = end;
        }
        Ok::<_, io::Error>(part)
    })?;
    let mut all = Verification::default();
    for fault in index.faults() {
        all.add_fault(fault.clone());
    }
    for part in parts {
        all.add(part);
    }
    all.faults.sort_by(|a, b| (&a.shard, a.offset).cmp(&(&b.shard, b.offset)));
    Ok(all)
}

impl Verification {
    fn look_at(
        &mut self,
        index: &Index,
        record: u32,
        frame: &[u8],
        names: &FeatureNames,
        classes: Option<i64>,
        check_image: &dyn Fn(&[u8]) -> Result<(), BadBytes>,
    ) -> io::Result<()> {
        self.records += 1;
        self.bytes += frame.len() as u64;
        let mut again = Vec::new();
        let mut frame = frame;
        if index.check_payload(record, frame).is_err() {
            // A flip in memory goes away when the bytes are fetched from the disk again; one on the disk doesn't.
            index.reread_uncached(record, &mut again)?;
            if index.check_payload(record, &again).is_ok() {
                self.healed_by_rereading += 1;
            }
            frame = &again;
        }
        match index.parse_frame(record, frame, names) {
            Ok(view) => {
                // An image tree has no payload around the image; its image is always there.
                let payload = index.check_payload(record, frame).unwrap_or_default();
                if let Err(bad) = self.look_inside(view, payload, classes, check_image) {
                    self.add_fault(index.fault(record, bad));
                }
            }
            Err(bad) => self.add_fault(index.fault(record, bad)),
        }
        Ok(())
    }

    fn look_inside(
        &mut self,
        view: ExampleView<'_>,
        payload: &[u8],
        classes: Option<i64>,
        check_image: &dyn Fn(&[u8]) -> Result<(), BadBytes>,
    ) -> Result<(), BadBytes> {
        self.without_id += u64::from(view.id.is_none());
        if let Some(label) = view.label {
            self.count_label(label, 1);
        }
        let image = view.image_or_fault(payload)?;
        self.image_bytes += image.len() as u64;
        if let Some(classes) = classes {
            view.label_or_fault(payload, classes)?;
        }
        catch_twice(image, check_image)
    }

    fn count_label(&mut self, label: i64, count: u64) {
        if self.labels.len() < LABELS_COUNTED_MAX || self.labels.contains_key(&label) {
            *self.labels.entry(label).or_default() += count;
        }
    }

    fn add_fault(&mut self, fault: Fault) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_LISTED_MAX {
            self.faults.push(fault);
        }
    }

    fn add(&mut self, part: Self) {
        self.records += part.records;
        self.bytes += part.bytes;
        self.image_bytes += part.image_bytes;
        self.without_id += part.without_id;
        self.healed_by_rereading += part.healed_by_rereading;
        self.faults_total += part.faults_total;
        let room = FAULTS_LISTED_MAX.saturating_sub(self.faults.len());
        self.faults.extend(part.faults.into_iter().take(room));
        for (label, count) in part.labels {
            self.count_label(label, count);
        }
    }
}

/// The answer of `check_image`; a panic that repeats is a fault of the bytes, as it is in training.
fn catch_twice(image: &[u8], check_image: &dyn Fn(&[u8]) -> Result<(), BadBytes>) -> Result<(), BadBytes> {
    let check = || catch_unwind(AssertUnwindSafe(|| check_image(image)));
    check()
        .or_else(|_| check())
        .unwrap_or_else(|_| Err(BadBytes::new(FaultKind::DecoderPanicked, "the decoder panicked on this image, twice")))
}
