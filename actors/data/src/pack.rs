//! Folders of images → shards in the layout and naming of the Kaggle flowers: image bytes are stored as they are.
//! Not here: resizing or encoding images; this never changes a pixel.

mod dimensions;
mod plan;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use self::dimensions::Dimensions;
use self::plan::{Item, Planned};
use crate::catalog::{self, CatalogError, Split};
use crate::example::{FeatureValue, encode_example};
use crate::limits::RECORD_BYTES_MAX;
use crate::shard_writer::{ShardWriter, sync_folder_of};

/// How to pack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PackOptions {
    /// Decides the order of records and which images are held out.
    pub seed: u64,
    /// Share of each class that becomes `val/` when the tree has none: 0 (nothing) to 1.
    pub validation_share: f64,
    /// Most records in a shard.
    pub records_per_shard: usize,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self { seed: 1, validation_share: 0.2, records_per_shard: 798 }
    }
}

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackSummary {
    /// The new folder, `<out>/tfrecords-jpeg-<W>x<H>`.
    pub folder: PathBuf,
    /// Records of each split.
    pub records: Vec<(Split, u64)>,
    /// Shards written.
    pub shards: u64,
    /// Bytes of all images.
    pub image_bytes: u64,
    /// Class names by label.
    pub class_names: Vec<String>,
    /// Whether all images have the size in the folder's name; otherwise it is the most frequent one.
    pub one_size: bool,
}

/// Why nothing was packed; nothing is left behind.
#[derive(Debug, Error)]
pub enum PackError {
    /// The tree was not found.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The path holds shards already.
    #[error("{} holds shards, not folders of images; there is nothing to pack", path.display())]
    NotATree {
        /// The path.
        path: PathBuf,
    },
    /// The result is there already.
    #[error("{} exists already; remove it or choose another output folder", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Options that can't be meant.
    #[error("{what} is {value}; {allowed}")]
    BadOption {
        /// The option.
        what: &'static str,
        /// As given.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A file that is not JPEG or PNG, or whose size can't be read from its header.
    #[error("{} is no JPEG or PNG image; remove it or replace it", path.display())]
    NotAnImage {
        /// The file.
        path: PathBuf,
    },
    /// An image beyond the limit on records.
    #[error("{} has more than {RECORD_BYTES_MAX} bytes; shrink or remove it", path.display())]
    ImageTooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("can't {action} {}: {source}", path.display())]
    Io {
        /// "read" or "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Packs the folder-per-class tree `tree` into `<out>/tfrecords-jpeg-<W>x<H>/{train,val,test}/00-<W>x<H>-798.tfrec`,
/// with features class, id (the path relative to the tree) and image, and a `classes.txt`. The folder appears under
/// its name only when all of it is written.
pub fn pack(tree: &Path, out: &Path, options: &PackOptions) -> Result<PackSummary, PackError> {
    check_options(options)?;
    let found = catalog::find(&[tree.to_string_lossy().into_owned()], None)?;
    let class_names = found.class_names.clone().unwrap_or_default();
    let planned = plan::plan(&found, options).ok_or_else(|| PackError::NotATree { path: tree.to_path_buf() })?;
    let (size, one_size) = common_size(&planned)?;
    let folder = out.join(format!("tfrecords-jpeg-{size}"));
    if folder.symlink_metadata().is_ok() {
        return Err(PackError::Exists { path: folder });
    }
    fs::create_dir_all(out).map_err(|error| failed("write", out, error))?;
    let unfinished = Unfinished(out.join(format!(".tfrecords-jpeg-{size}.{}.tmp", std::process::id())));
    fs::create_dir(&unfinished.0).map_err(|error| failed("write", &unfinished.0, error))?;

    let mut summary = PackSummary { folder, records: Vec::new(), shards: 0, image_bytes: 0, class_names, one_size };
    for (split, items) in &planned.splits {
        let split_folder = unfinished.0.join(split.name());
        fs::create_dir(&split_folder).map_err(|error| failed("write", &split_folder, error))?;
        for (number, items) in plan::shards(items, options.records_per_shard).enumerate() {
            let path = split_folder.join(format!("{number:02}-{size}-{}.tfrec", items.len()));
            summary.image_bytes += write_shard(&path, &planned.root, items)?;
            summary.shards += 1;
        }
        summary.records.push((*split, items.len() as u64));
    }
    let names = unfinished.0.join("classes.txt");
    let text = summary.class_names.iter().map(|name| format!("{name}\n")).collect::<String>();
    fs::write(&names, text).map_err(|error| failed("write", &names, error))?;
    fs::rename(&unfinished.0, &summary.folder).map_err(|error| failed("write", &summary.folder, error))?;
    sync_folder_of(&summary.folder).map_err(|error| failed("write", out, error))?;
    Ok(summary)
}

/// The folder while it is being written; dropped before it has its name, it goes.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the rename there is nothing of this name any more.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn check_options(options: &PackOptions) -> Result<(), PackError> {
    if !(0.0..1.0).contains(&options.validation_share) {
        let value = options.validation_share.to_string();
        return Err(PackError::BadOption { what: "the share held out", value, allowed: "give 0 or more, below 1" });
    }
    if options.records_per_shard == 0 {
        let value = "0".to_owned();
        return Err(PackError::BadOption { what: "records a shard", value, allowed: "give at least 1" });
    }
    Ok(())
}

/// The most frequent size (of equals the largest), and whether it is the only one. Reads headers only.
fn common_size(planned: &Planned) -> Result<(Dimensions, bool), PackError> {
    let mut counts = std::collections::BTreeMap::new();
    for item in planned.splits.iter().flat_map(|(_, items)| items) {
        let path = planned.root.join(&item.file);
        let size = dimensions::of_file(&path)
            .map_err(|error| failed("read", &path, error))?
            .ok_or(PackError::NotAnImage { path })?;
        *counts.entry(size).or_insert(0u64) += 1;
    }
    let (size, _) = counts.iter().max_by_key(|(size, count)| (**count, **size)).expect("a plan has images");
    Ok((*size, counts.len() == 1))
}

/// Writes one shard; returns the bytes of its images.
fn write_shard(path: &Path, root: &Path, items: &[Item]) -> Result<u64, PackError> {
    let writing = |error| failed("write", path, error);
    let mut writer = ShardWriter::create(path).map_err(writing)?;
    let mut image_bytes = 0;
    for item in items {
        let file = root.join(&item.file);
        let length = fs::metadata(&file).map_err(|error| failed("read", &file, error))?.len();
        // The example's other fields need room within the limit too.
        if length + 64 + item.file.as_os_str().len() as u64 > RECORD_BYTES_MAX {
            return Err(PackError::ImageTooLarge { path: file });
        }
        let image = fs::read(&file).map_err(|error| failed("read", &file, error))?;
        image_bytes += image.len() as u64;
        let payload = encode_example(&[
            ("class", FeatureValue::Int64(item.label)),
            ("id", FeatureValue::Bytes(item.file.as_os_str().as_encoded_bytes())),
            ("image", FeatureValue::Bytes(&image)),
        ]);
        writer.write(&payload).map_err(writing)?;
    }
    writer.finish().map_err(writing)?;
    Ok(image_bytes)
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> PackError {
    PackError::Io { action, path: path.to_path_buf(), source }
}
