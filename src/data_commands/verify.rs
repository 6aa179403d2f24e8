//! `data verify`: reads every byte of every split, decodes every image, lists everything wrong.
//!
//! `--format json` prints `{"faults":[{"shard","offset","kind","detail","split"}],"faults_total","records","bytes"}`;
//! `shard` is the base name, `offset` null where a whole file is meant, `kind` one of [`FaultKind::name`]'s words or
//! "in_both_splits". Exit code 0 when clean, 3 when anything is wrong.
//!
//! Not here: the checks themselves (`fastgarden_data::verify`).

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use fastgarden_data::catalog::{Catalog, Split};
use fastgarden_data::columns::{Columns, find_overlap};
use fastgarden_data::compression::InflateBudget;
use fastgarden_data::example::FeatureNames;
use fastgarden_data::fault::{BadBytes, Fault};
use fastgarden_data::index::Index;
use fastgarden_data::picture::{DecodeMode, ImageDecoder};
use fastgarden_data::verify::{Verification, verify_split};
use serde_json::json;

use super::text::{bytes, counted};
use super::{print, text};
use crate::cli::{DataVerifyArgs, Format};
use crate::exit::{Complaint, Failure, OrFail as _};
use crate::recipe::Recipe;
use crate::source::recipe;
use crate::told::harmless;
use crate::{data_set, transforms};

pub(super) fn run(args: &DataVerifyArgs) -> Result<(), Failure> {
    let begun = Instant::now();
    let recipe = recipe(&args.recipe)?;
    let source_px = recipe.as_ref().map(|recipe| recipe.stages[0].source_px);
    let found = data_set::find(&args.data, source_px, None)?;
    let checked = Checked::of(&found, recipe.as_ref())?;
    print(&match args.format {
        Format::Json => checked.json(),
        Format::Text => checked.text(begun.elapsed().as_secs_f64()),
    })?;
    let total = checked.faults_total();
    if total == 0 && checked.records() > 0 {
        return Ok(());
    }
    let cause = match total {
        0 => anyhow::anyhow!("there is not one record in {}", found.description),
        _ => anyhow::anyhow!("{} in {}", text::counted(total, "fault"), found.description),
    };
    Err(Failure::BadData(Complaint::new(cause)))
}

/// Indexes every split that is there, faults and all. An empty split is none.
pub(super) fn open_all(found: &Catalog) -> Result<Vec<(Split, Index)>, Failure> {
    let budget = InflateBudget::default();
    let files = Split::ALL.into_iter().filter_map(|split| found.split(split).map(|files| (split, files)));
    files
        .map(|(split, files)| Ok((split, Index::open_reporting(files, &budget).map_err(data_set::of_index)?)))
        .collect()
}

/// A record that is in both the training and the validation split.
pub(super) struct InBoth {
    by: &'static str,
    train: (String, u64),
    validation: (String, u64),
}

impl InBoth {
    /// The first one, if there is any.
    pub(super) fn find(splits: &[(Split, Index)], features: &FeatureNames) -> Result<Option<Self>, Failure> {
        let of = |wanted| splits.iter().find(|(split, _)| *split == wanted).map(|(_, index)| index);
        let (Some(train), Some(validation)) = (of(Split::Train), of(Split::Validation)) else { return Ok(None) };
        let columns = |index: &Index| Columns::read(index, features).or_run();
        let (of_train, of_validation) = (columns(train)?, columns(validation)?);
        let place = |index: &Index, record| (index.shard_of(record).name.clone(), index.address(record).offset);
        Ok(find_overlap((train, &of_train), (validation, &of_validation)).map(|overlap| Self {
            by: overlap.by,
            train: place(train, overlap.train_record),
            validation: place(validation, overlap.validation_record),
        }))
    }

    fn detail(&self) -> String {
        format!("the same {} as in train/{} at byte {}", self.by, self.train.0, self.train.1)
    }
}

/// What was found.
struct Checked {
    splits: Vec<(Split, bool, Verification)>,
    in_both: Option<InBoth>,
}

impl Checked {
    fn of(found: &Catalog, recipe: Option<&Recipe>) -> Result<Self, Failure> {
        let features = recipe.map(|recipe| data_set::features(&recipe.data)).unwrap_or_default();
        let mode = recipe.map_or(DecodeMode::Strict, |recipe| transforms::decode_mode(recipe.data.decode));
        let named = found.class_names.as_ref().map(|names| names.len() as i64);
        // Without any list of classes a label must only be there and not be negative.
        let classes = recipe.map(|recipe| i64::from(recipe.data.classes)).or(named).unwrap_or(i64::MAX);
        let decoders = Decoders { mode, idle: Mutex::default() };
        let indexes = open_all(found)?;
        let mut splits = Vec::new();
        for (split, index) in &indexes {
            let classes = (*split != Split::Test).then_some(classes);
            let verified = verify_split(index, &features, classes, &|image| decoders.check(image)).or_run()?;
            splits.push((*split, index.is_image_tree(), verified));
        }
        Ok(Self { splits, in_both: InBoth::find(&indexes, &features)? })
    }

    fn records(&self) -> u64 {
        self.splits.iter().map(|(_, _, verified)| verified.records).sum()
    }

    fn bytes(&self) -> u64 {
        self.splits.iter().map(|(_, _, verified)| verified.bytes).sum()
    }

    fn faults_total(&self) -> u64 {
        let of_bytes: u64 = self.splits.iter().map(|(_, _, verified)| verified.faults_total).sum();
        of_bytes + u64::from(self.in_both.is_some())
    }

    fn json(&self) -> String {
        let mut faults = Vec::new();
        for (split, _, verified) in &self.splits {
            faults.extend(verified.faults.iter().map(|fault| {
                json!({
                    "shard": fault.shard, "offset": fault.offset, "kind": fault.kind.name(), "detail": fault.detail,
                    "split": split.name(),
                })
            }));
        }
        if let Some(both) = &self.in_both {
            let (shard, offset) = &both.validation;
            faults.push(json!({
                "shard": shard, "offset": offset, "kind": "in_both_splits", "detail": both.detail(),
                "split": Split::Validation.name(),
            }));
        }
        let document = json!({
            "faults": faults, "faults_total": self.faults_total(), "records": self.records(), "bytes": self.bytes(),
        });
        format!("{document:#}\n")
    }

    fn text(&self, seconds: f64) -> String {
        let mut text = String::new();
        for (split, is_tree, verified) in &self.splits {
            for fault in &verified.faults {
                text.push_str(&format!("{}\n", harmless(&placed(*split, *is_tree, fault).to_string())));
            }
            let unlisted = verified.faults_total - verified.faults.len() as u64;
            if unlisted > 0 {
                text.push_str(&format!("{}: {} more\n", split.name(), counted(unlisted, "fault")));
            }
            if verified.healed_by_rereading > 0 {
                let healed = counted(verified.healed_by_rereading, "record");
                text.push_str(&format!(
                    "{}: {healed} right only when read again: check this machine's memory\n",
                    split.name()
                ));
            }
        }
        if let Some(both) = &self.in_both {
            let (shard, offset) = &both.validation;
            let line = format!("val/{shard} at byte {offset}: in_both_splits: {}; split the data again", both.detail());
            text.push_str(&format!("{}\n", harmless(&line)));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        let (records, size) = (counted(self.records(), "record"), bytes(self.bytes()));
        let verdict = match self.faults_total() {
            0 if self.records() > 0 => "all sound".to_owned(),
            total => counted(total, "fault"),
        };
        text.push_str(&format!("{verdict}: {records}, {size}, every checksum and image, in {seconds:.1} s\n"));
        text
    }
}

/// With the split before the shard's name, because splits may have shards of the same name. Names of an image tree's
/// files have it already.
fn placed(split: Split, is_tree: bool, fault: &Fault) -> Fault {
    let mut fault = fault.clone();
    if !is_tree {
        fault.shard = Path::new(split.name()).join(fault.shard).to_string_lossy().into_owned();
    }
    fault
}

/// Decoders with their buffers, for whichever thread needs one. One that panics is not put back.
struct Decoders {
    mode: DecodeMode,
    idle: Mutex<Vec<ImageDecoder>>,
}

impl Decoders {
    fn check(&self, image: &[u8]) -> Result<(), BadBytes> {
        let lock = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = lock().pop();
        let mut decoder = idle.unwrap_or_else(|| ImageDecoder::new(self.mode));
        let checked = decoder.decode(image).map(|_| ());
        lock().push(decoder);
        checked
    }
}
