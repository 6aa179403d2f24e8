//! `data inspect`: what is in a data set, from one pass over its records that decodes image headers only.
//!
//! `--format json` prints one object:
//! - `description`: what was found where;
//! - `splits`: for each split `name`, `shards`, `records`, `disk_bytes`, `record_bytes` (frames, inflated),
//!   `image_bytes`, `storage` (`{"plain"|"gzip"|"zlib": shards}`), `without_id`, `fingerprint` (SHA-256 hex),
//!   `labels` (`{"<label>": records}`);
//! - `images`: `count`, `formats` (`{"jpeg"|"progressive_jpeg"|"png": images}`), and `min`, `median`, `max`, each
//!   `[width, height]` in pixels of the upright image, in the order of areas (null where there are none);
//! - `classes`: `named` (names known, or null), `seen` (distinct labels of training and validation);
//! - `ids_unique`, `splits_disjoint` (null without two splits to compare), `counts_in_names_fit`: booleans;
//! - `faults`: `{kind: how many}`, as far as headers and checksums show them.
//!
//! Faults don't change the exit code here; `data verify` is for that.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use fastgarden_data::catalog::{Catalog, Split};
use fastgarden_data::columns::Columns;
use fastgarden_data::compression::Compression;
use fastgarden_data::fault::{BadBytes, FaultKind};
use fastgarden_data::geometry::Size;
use fastgarden_data::index::Index;
use fastgarden_data::picture::{DecodeMode, ImageDecoder, ImageFormat};
use fastgarden_data::plan::hex;
use fastgarden_data::verify::{Verification, verify_split};
use serde_json::{Value, json};

use super::print;
use super::text::{Ink, bar, bytes, counted, fitted};
use super::verify::{InBoth, open_all};
use crate::cli::{Format, InspectArgs};
use crate::data_set;
use crate::exit::{Failure, OrFail as _};
use crate::rules::grouped;
use crate::source::recipe;
use crate::told::harmless;

/// Classes that are shown one by one where there are more: the most frequent and the least frequent ones.
const MOST_SHOWN: usize = 8;
const LEAST_SHOWN: usize = 4;
/// Columns of a class's name and of its bar.
const NAME_COLUMNS: usize = 26;
const BAR_COLUMNS: usize = 36;

pub(super) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let recipe = recipe(&args.recipe)?;
    let source_px = recipe.as_ref().map(|recipe| recipe.stages[0].source_px);
    let features = recipe.map(|recipe| data_set::features(&recipe.data)).unwrap_or_default();
    let found = data_set::find(&args.data, source_px, args.class_names.as_deref())?;
    let indexes = open_all(&found)?;
    let images = Mutex::new(Images::default());
    let mut splits = Vec::new();
    for (split, index) in &indexes {
        let look = |image: &[u8]| look_at(image, &images);
        let seen = verify_split(index, &features, None, &look).or_run()?;
        splits.push(SplitSeen { split: *split, ids_unique: ids_unique(index, &features)?, seen, index });
    }
    let inspected = Inspected {
        found: &found,
        splits_disjoint: (indexes.len() > 1).then_some(InBoth::find(&indexes, &features)?.is_none()),
        images: images.into_inner().unwrap_or_else(PoisonError::into_inner),
        splits,
    };
    print(&match args.format {
        Format::Json => format!("{:#}\n", inspected.json()),
        Format::Text => inspected.text(&args.data, Ink::of_stdout()),
    })
}

/// What the headers of all images say.
#[derive(Default)]
struct Images {
    sizes: BTreeMap<(u64, u32, u32), u64>,
    formats: BTreeMap<&'static str, u64>,
}

fn look_at(image: &[u8], images: &Mutex<Images>) -> Result<(), BadBytes> {
    let header = ImageDecoder::new(DecodeMode::Strict).probe(image)?;
    let format = match (header.format, header.progressive) {
        (ImageFormat::Jpeg, false) => "jpeg",
        (ImageFormat::Jpeg, true) => "progressive_jpeg",
        (ImageFormat::Png, _) => "png",
    };
    let Size { width, height } = header.size;
    let mut images = images.lock().unwrap_or_else(PoisonError::into_inner);
    *images.sizes.entry((header.size.px(), width, height)).or_default() += 1;
    *images.formats.entry(format).or_default() += 1;
    Ok(())
}

impl Images {
    fn count(&self) -> u64 {
        self.sizes.values().sum()
    }

    /// The size of the image at this place in the order of areas.
    fn size_at(&self, place: u64) -> Option<(u32, u32)> {
        let mut before = 0;
        self.sizes.iter().find_map(|((_, width, height), count)| {
            before += count;
            (place < before).then_some((*width, *height))
        })
    }

    /// Smallest, median, largest.
    fn range(&self) -> [Option<(u32, u32)>; 3] {
        [0, self.count() / 2, self.count().saturating_sub(1)].map(|place| self.size_at(place))
    }
}

fn ids_unique(index: &Index, features: &fastgarden_data::example::FeatureNames) -> Result<bool, Failure> {
    let columns = Columns::read(index, features).or_run()?;
    let mut seen = HashSet::new();
    Ok((0..index.len()).filter_map(|record| columns.id(record)).all(|id| seen.insert(id)))
}

struct SplitSeen<'a> {
    split: Split,
    index: &'a Index,
    seen: Verification,
    ids_unique: bool,
}

impl SplitSeen<'_> {
    fn disk_bytes(&self) -> u64 {
        self.index.shards().iter().map(|shard| shard.size_bytes).sum()
    }

    fn storage(&self) -> BTreeMap<&'static str, u64> {
        let mut storage = BTreeMap::new();
        for shard in self.index.shards() {
            let name = match shard.compression {
                Compression::Plain => "plain",
                Compression::Gzip => "gzip",
                Compression::Zlib => "zlib",
            };
            *storage.entry(name).or_default() += 1;
        }
        storage
    }
}

struct Inspected<'a> {
    found: &'a Catalog,
    splits: Vec<SplitSeen<'a>>,
    images: Images,
    splits_disjoint: Option<bool>,
}

impl Inspected<'_> {
    fn faults(&self) -> BTreeMap<&'static str, u64> {
        let mut kinds = BTreeMap::new();
        for fault in self.splits.iter().flat_map(|split| &split.seen.faults) {
            *kinds.entry(fault.kind.name()).or_default() += 1;
        }
        kinds
    }

    fn counts_fit(&self) -> bool {
        !self.faults().contains_key(FaultKind::CountDiffersFromName.name())
    }

    fn ids_unique(&self) -> bool {
        self.splits.iter().all(|split| split.ids_unique)
    }

    fn records(&self) -> u64 {
        self.splits.iter().map(|split| split.seen.records).sum()
    }

    /// Labels of everything but the test split, whose labels mean nothing.
    fn labels(&self) -> BTreeMap<i64, u64> {
        let mut labels = BTreeMap::new();
        for split in self.splits.iter().filter(|split| split.split != Split::Test) {
            for (label, count) in &split.seen.labels {
                *labels.entry(*label).or_default() += count;
            }
        }
        labels
    }

    fn json(&self) -> Value {
        let splits: Vec<_> = self
            .splits
            .iter()
            .map(|split| {
                json!({
                    "name": split.split.name(), "shards": split.index.shards().len(), "records": split.seen.records,
                    "disk_bytes": split.disk_bytes(), "record_bytes": split.seen.bytes,
                    "image_bytes": split.seen.image_bytes, "storage": split.storage(),
                    "without_id": split.seen.without_id, "fingerprint": hex(&split.index.fingerprint()),
                    "labels": split.seen.labels,
                })
            })
            .collect();
        let [min, median, max] = self.images.range();
        let images = json!({
            "count": self.images.count(), "formats": self.images.formats, "min": min, "median": median, "max": max,
        });
        let named = self.found.class_names.as_ref().map(Vec::len);
        json!({
            "description": self.found.description, "splits": splits, "images": images,
            "classes": { "named": named, "seen": self.labels().len() }, "ids_unique": self.ids_unique(),
            "splits_disjoint": self.splits_disjoint, "counts_in_names_fit": self.counts_fit(), "faults": self.faults(),
        })
    }

    fn text(&self, typed: &[String], ink: Ink) -> String {
        let mut text = format!("{}\n\n", harmless(&self.found.description));
        let head = format!(
            "  {:<7}{:>8}{:>11}{:>13}{:>12}  {:<12}{}",
            "split", "shards", "records", "on disk", "a record", "stored", "fingerprint"
        );
        let _infallible = writeln!(text, "{}", ink.dim(&head));
        for split in &self.splits {
            let storage: Vec<_> = split.storage().into_keys().collect();
            let mean = split.seen.bytes.checked_div(split.seen.records).unwrap_or_default();
            let _infallible = writeln!(
                text,
                "  {:<7}{:>8}{:>11}{:>13}{:>12}  {:<12}{}",
                split.split.name(),
                grouped(split.index.shards().len() as u64),
                grouped(split.seen.records),
                bytes(split.disk_bytes()),
                bytes(mean),
                storage.join(", "),
                &hex(&split.index.fingerprint())[..16]
            );
        }
        text.push('\n');
        for (name, what) in self.findings(ink) {
            let _infallible = writeln!(text, "  {}{what}", ink.dim(&fitted(name, 10)));
        }
        text.push_str(&self.chart(ink));
        let data = typed.iter().map(|data| format!("--data {data}")).collect::<Vec<_>>().join(" ");
        let next = match self.faults().is_empty() {
            true => format!("look at pictures:    fastgarden-actors data show {}", harmless(&data)),
            false => format!("see every fault:     fastgarden-actors data verify {}", harmless(&typed.join(" "))),
        };
        let _infallible = writeln!(text, "\n{next}");
        text
    }

    fn findings(&self, ink: Ink) -> Vec<(&'static str, String)> {
        let mut lines = vec![("images", self.images_in_words()), ("sizes", self.sizes_in_words())];
        lines.push(("classes", self.classes_in_words()));
        lines.push(("ids", self.ids_in_words(ink)));
        if let Some(disjoint) = self.splits_disjoint {
            let clash = || ink.red("a validation record is also a training record: run data verify");
            lines.push(("splits", if disjoint { "train and val share no record".to_owned() } else { clash() }));
        }
        let differ = || ink.red("the count in a shard's name differs from its records");
        lines.push(("counts", if self.counts_fit() { "none in a shard's name differs".to_owned() } else { differ() }));
        let faults: Vec<_> = self.faults().iter().map(|(kind, count)| format!("{} {kind}", grouped(*count))).collect();
        lines.push((
            "faults",
            match faults.is_empty() {
                true => "none: checksums fit and image headers are sound".to_owned(),
                false => ink.red(&faults.join(", ")),
            },
        ));
        lines
    }

    fn images_in_words(&self) -> String {
        let count = self.images.count();
        let words = |(name, of): (&&str, &u64)| {
            let name = match *name {
                "jpeg" => "baseline JPEG",
                "progressive_jpeg" => "progressive JPEG",
                _ => "PNG",
            };
            format!("{name} {:.0}%", *of as f64 / count as f64 * 100.0)
        };
        match (self.images.formats.iter().next(), self.images.formats.len()) {
            (None, _) => "none".to_owned(),
            (Some((name, of)), 1) => format!("{}, all {}", grouped(count), words((name, of)).trim_end_matches(" 100%")),
            _ => {
                format!("{}: {}", grouped(count), self.images.formats.iter().map(words).collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn sizes_in_words(&self) -> String {
        let size =
            |size: Option<(u32, u32)>| size.map_or_else(String::new, |(width, height)| format!("{width}×{height}"));
        match (self.images.sizes.len(), self.images.range().map(size)) {
            (0, _) => "-".to_owned(),
            (1, [only, ..]) => format!("all {only} px"),
            (_, [min, median, max]) => format!("{min} to {max} px, median {median}"),
        }
    }

    fn classes_in_words(&self) -> String {
        let labels = self.labels();
        let seen = grouped(labels.len() as u64);
        let named = match &self.found.class_names {
            Some(names) => format!(" of {} named", grouped(names.len() as u64)),
            None => ", without names (give --class-names, or put a classes.txt beside the shards)".to_owned(),
        };
        let each = match (labels.values().min(), labels.values().max()) {
            (Some(min), Some(max)) if min == max => format!(", {} each", counted(*min, "record")),
            (Some(min), Some(max)) => format!(", {} to {} each", grouped(*min), counted(*max, "record")),
            _ => String::new(),
        };
        format!("{seen}{named}{each}")
    }

    fn ids_in_words(&self, ink: Ink) -> String {
        let without: u64 = self.splits.iter().map(|split| split.seen.without_id).sum();
        match (without, self.ids_unique()) {
            (_, false) => ink.red("not unique: two records of a split have the same one"),
            (0, true) => "every record has one of its own".to_owned(),
            (without, true) if without == self.records() => "none".to_owned(),
            (without, true) => format!("{} without one, the others unique", counted(without, "record")),
        }
    }

    /// The most and the least frequent classes, as bars.
    fn chart(&self, ink: Ink) -> String {
        let mut labels: Vec<(i64, u64)> = self.labels().into_iter().collect();
        labels.sort_by_key(|&(label, count)| (std::cmp::Reverse(count), label));
        // Bars of one length say no more than the line about classes does.
        let (Some(&(_, most)), Some(&(_, least))) = (labels.first(), labels.last()) else { return String::new() };
        if most == least {
            return String::new();
        }
        let is_cut = labels.len() > MOST_SHOWN + LEAST_SHOWN;
        let mut text = String::from("\n");
        for (place, (label, count)) in labels.iter().enumerate() {
            if is_cut && (MOST_SHOWN..labels.len() - LEAST_SHOWN).contains(&place) {
                if place == MOST_SHOWN {
                    let hidden = labels.len() - MOST_SHOWN - LEAST_SHOWN;
                    let _infallible = writeln!(text, "  {}", ink.dim(&format!("{:>5}  {hidden} more", "⋮")));
                }
                continue;
            }
            let name = usize::try_from(*label).ok().and_then(|label| self.found.class_names.as_ref()?.get(label));
            let name = name.map_or_else(|| "(no name)".to_owned(), |name| harmless(name));
            let bar = fitted(&bar(*count as f64 / most as f64, BAR_COLUMNS), BAR_COLUMNS);
            let (name, count) = (fitted(&name, NAME_COLUMNS), grouped(*count));
            let _infallible = writeln!(text, "  {label:>5}  {name}  {} {count:>7}", ink.green(&bar));
        }
        text
    }
}
