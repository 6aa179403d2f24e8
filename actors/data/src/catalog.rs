//! From what the user typed to the files of each split. Touches names only (and `classes.txt`), no image bytes.
//! Not here: what is in the files (`index`).
//!
//! Forms: a parent of several `…-<W>x<H>` folders; one folder with `train/`, `val/`, `test/`; a flat folder of shards;
//! files and glob patterns; a folder-per-class image tree. Hidden and temporary files are never looked at.

mod error;
mod listing;
mod names;
mod tree;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use self::error::CatalogError;
use self::listing::Listing;
pub(crate) use self::names::without_compression_suffix;
pub use self::names::{is_image_name, is_shard_name};
use self::names::{pixel_size, split_of_file_name, split_of_folder_name};

/// Largest `classes.txt` that is read, bytes.
const CLASSES_BYTES_MAX: u64 = 1 << 20;

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Split {
    /// What is trained on.
    Train,
    /// What accuracy is measured on.
    Validation,
    /// Records without labels.
    Test,
}

impl Split {
    /// All splits, in the order of [`Catalog`]'s fields.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "val",
            Self::Test => "test",
        }
    }
}

/// The files of one split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SplitFiles {
    /// TFRecord files, in byte order of their base names.
    Shards(Vec<PathBuf>),
    /// Image files by class.
    Images(ImageTree),
}

impl SplitFiles {
    /// How many files there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Shards(paths) => paths.len(),
            Self::Images(tree) => tree.classes.iter().map(|class| class.files.len()).sum(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One split of a folder-per-class tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageTree {
    /// The folder that all file names are relative to; the same for all splits, so that the names tell them apart.
    pub root: PathBuf,
    /// The classes that have images in this split, in byte order of their names.
    pub classes: Vec<ClassFolder>,
}

/// The images of one class in one split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassFolder {
    /// The folder's name.
    pub name: String,
    /// Its place in the byte order of the class names of all splits.
    pub label: i64,
    /// Paths relative to the root, in byte order.
    pub files: Vec<PathBuf>,
}

/// A data set: which files belong to which split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// What is trained on.
    pub train: Option<SplitFiles>,
    /// What accuracy is measured on.
    pub validation: Option<SplitFiles>,
    /// Records without labels.
    pub test: Option<SplitFiles>,
    /// Class names by label, from `classes.txt` or the folders of a tree.
    pub class_names: Option<Vec<String>>,
    /// One line for people: what was found where.
    pub description: String,
}

impl Catalog {
    /// The files of one split.
    pub fn split(&self, split: Split) -> Option<&SplitFiles> {
        match split {
            Split::Train => self.train.as_ref(),
            Split::Validation => self.validation.as_ref(),
            Split::Test => self.test.as_ref(),
        }
    }

    fn split_mut(&mut self, split: Split) -> &mut Option<SplitFiles> {
        match split {
            Split::Train => &mut self.train,
            Split::Validation => &mut self.validation,
            Split::Test => &mut self.test,
        }
    }
}

/// Finds the data set that `patterns` name: folders, files or glob patterns. `source_px` picks one of several sizes.
pub fn find(patterns: &[String], source_px: Option<u32>) -> Result<Catalog, CatalogError> {
    if patterns.iter().all(|pattern| pattern.trim().is_empty()) {
        return Err(CatalogError::NothingGiven);
    }
    let mut found = Catalog::default();
    for pattern in patterns.iter().filter(|pattern| !pattern.trim().is_empty()) {
        let part = find_one(pattern, source_px)?;
        found = if found == Catalog::default() { part } else { join(found, part)? };
    }
    for split in Split::ALL {
        if let Some(SplitFiles::Shards(paths)) = found.split_mut(split) {
            paths.sort_by(|a, b| a.file_name().cmp(&b.file_name()).then_with(|| a.cmp(b)));
            // Two patterns may name one file; two files of one base name are the index's error.
            paths.dedup();
        }
    }
    if found.class_names.is_none() {
        found.class_names = class_names_near(&found)?;
    }
    Ok(found)
}

fn find_one(pattern: &str, source_px: Option<u32>) -> Result<Catalog, CatalogError> {
    let path = Path::new(pattern);
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => find_in_folder(path, source_px),
        Ok(_) => Ok(from_files(vec![path.to_path_buf()], pattern)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unreadable(path, error)),
        Err(_) if pattern.contains(['*', '?', '[']) => from_pattern(pattern),
        Err(_) => Err(CatalogError::NotFound { path: path.to_path_buf() }),
    }
}

fn from_pattern(pattern: &str) -> Result<Catalog, CatalogError> {
    let bad = |error: glob::PatternError| CatalogError::BadPattern {
        pattern: pattern.to_owned(),
        cause: error.msg.to_owned(),
    };
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::default() };
    let mut files = Vec::new();
    for entry in glob::glob_with(pattern, options).map_err(bad)? {
        let path = entry.map_err(|error| {
            let place = error.path().to_path_buf();
            unreadable(&place, error.into())
        })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_file() && !names::is_temporary(&name) && name != "classes.txt" {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(CatalogError::NothingMatches { pattern: pattern.to_owned() });
    }
    Ok(from_files(files, pattern))
}

/// Files named one by one: the split stands in the file's name or in the nearest two folders above; else it is train.
fn from_files(files: Vec<PathBuf>, typed: &str) -> Catalog {
    let description = format!("{} from {typed}", counted(files.len(), "shard"));
    let split_of = |path: &Path| {
        let in_name = split_of_file_name(&path.file_name().unwrap_or_default().to_string_lossy());
        let folders = path.ancestors().skip(1).take(2).filter_map(Path::file_name);
        in_name.or_else(|| folders.map(|name| name.to_string_lossy()).find_map(|name| split_of_folder_name(&name)))
    };
    shards_by_split(files, description, split_of)
}

fn shards_by_split(files: Vec<PathBuf>, description: String, split_of: impl Fn(&Path) -> Option<Split>) -> Catalog {
    let mut found = Catalog { description, ..Catalog::default() };
    for path in files {
        let split = split_of(&path).unwrap_or(Split::Train);
        match found.split_mut(split) {
            Some(SplitFiles::Shards(paths)) => paths.push(path),
            slot => *slot = Some(SplitFiles::Shards(vec![path])),
        }
    }
    found
}

fn find_in_folder(folder: &Path, source_px: Option<u32>) -> Result<Catalog, CatalogError> {
    let listing = Listing::read(folder)?;
    if listing.is_empty() {
        return Err(CatalogError::EmptyFolder { path: folder.to_path_buf() });
    }
    let found = if listing.folders.iter().any(|name| split_of_folder_name(name).is_some()) {
        split_folders(folder, &listing)?
    } else if let Some(sizes) = sizes_in(&listing) {
        return find_in_folder(&folder.join(pick_size(folder, &sizes, source_px)?), None);
    } else if listing.shards().next().is_some() {
        let files: Vec<_> = listing.shards().map(|name| folder.join(name)).collect();
        let description = format!("{} in {}", counted(files.len(), "shard"), folder.display());
        shards_by_split(files, description, |path| {
            split_of_file_name(&path.file_name().unwrap_or_default().to_string_lossy())
        })
    } else {
        tree::find(folder, &[(Split::Train, PathBuf::new())])?.ok_or_else(|| nothing_in(folder, &listing))?
    };
    Ok(found)
}

/// A folder with `train/` and its siblings: of shards, or of class folders.
fn split_folders(folder: &Path, listing: &Listing) -> Result<Catalog, CatalogError> {
    let folders: Vec<_> = listing
        .folders
        .iter()
        .filter_map(|name| split_of_folder_name(name).map(|split| (split, PathBuf::from(name))))
        .collect();
    let mut found = Catalog::default();
    let mut parts = Vec::new();
    for (split, name) in &folders {
        let inner = folder.join(name);
        let shards: Vec<_> = Listing::read(&inner)?.shards().map(|name| inner.join(name)).collect();
        if shards.is_empty() {
            continue;
        }
        parts.push(format!("{} for {}", counted(shards.len(), "shard"), split.name()));
        match found.split_mut(*split) {
            Some(SplitFiles::Shards(paths)) => paths.extend(shards),
            slot => *slot = Some(SplitFiles::Shards(shards)),
        }
    }
    if !parts.is_empty() {
        found.description = format!("{} in {}", parts.join(", "), folder.display());
        return Ok(found);
    }
    tree::find(folder, &folders)?.ok_or_else(|| {
        let (_, first) = &folders[0];
        let inner = folder.join(first);
        match Listing::read(&inner) {
            Ok(listing) if listing.is_empty() => CatalogError::EmptyFolder { path: inner },
            Ok(listing) => nothing_in(&inner, &listing),
            Err(error) => error,
        }
    })
}

/// Folders named by pixel size, if there are any that hold data.
fn sizes_in(listing: &Listing) -> Option<Vec<(u32, String)>> {
    let mut sizes: Vec<_> =
        listing.folders.iter().filter_map(|name| pixel_size(name).map(|px| (px, name.clone()))).collect();
    sizes.sort();
    (!sizes.is_empty()).then_some(sizes)
}

fn pick_size(folder: &Path, sizes: &[(u32, String)], wanted: Option<u32>) -> Result<String, CatalogError> {
    let path = folder.to_path_buf();
    let there = || sizes.iter().map(|(px, _)| px.to_string()).collect::<Vec<_>>().join(", ");
    match (wanted, sizes) {
        (Some(wanted), _) => sizes
            .iter()
            .find(|(px, _)| *px == wanted)
            .map(|(_, name)| name.clone())
            .ok_or_else(|| CatalogError::SizeNotThere { path, wanted, there: there() }),
        (None, [(_, only)]) => Ok(only.clone()),
        (None, _) => Err(CatalogError::SizeNotStated { path, there: there() }),
    }
}

fn nothing_in(folder: &Path, listing: &Listing) -> CatalogError {
    let path = folder.to_path_buf();
    if listing.files.iter().any(|name| is_image_name(&name.to_string_lossy())) {
        return CatalogError::ImagesWithoutClasses { path };
    }
    CatalogError::NoShards { path, there: listing.summary() }
}

/// `classes.txt` beside the first shard or in the two folders above it.
fn class_names_near(found: &Catalog) -> Result<Option<Vec<String>>, CatalogError> {
    let first = Split::ALL.iter().find_map(|&split| match found.split(split) {
        Some(SplitFiles::Shards(paths)) => paths.first(),
        _ => None,
    });
    let near = first.and_then(|shard| std::path::absolute(shard).ok());
    let folders = near.iter().flat_map(|shard| shard.ancestors().skip(1).take(3));
    let path = folders.map(|folder| folder.join("classes.txt")).find(|path| path.is_file());
    path.map(|path| read_class_names(&path)).transpose()
}

/// Class names from a file: one a line, line 0 for label 0; empty lines at the end are dropped.
pub fn read_class_names(path: &Path) -> Result<Vec<String>, CatalogError> {
    let length = fs::metadata(path).map_err(|error| unreadable(path, error))?.len();
    if length > CLASSES_BYTES_MAX {
        return Err(CatalogError::ClassNamesTooLarge { path: path.to_path_buf() });
    }
    let bytes = fs::read(path).map_err(|error| unreadable(path, error))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().lines().map(|line| line.trim().to_owned()).collect())
}

/// Puts the splits of two parts together.
fn join(mut one: Catalog, mut other: Catalog) -> Result<Catalog, CatalogError> {
    for split in Split::ALL {
        for part in [&one, &other] {
            if let Some(SplitFiles::Images(tree)) = part.split(split) {
                return Err(CatalogError::TreeAndMore { path: tree.root.clone() });
            }
        }
        if let Some(SplitFiles::Shards(more)) = other.split_mut(split).take() {
            match one.split_mut(split) {
                Some(SplitFiles::Shards(paths)) => paths.extend(more),
                slot => *slot = Some(SplitFiles::Shards(more)),
            }
        }
    }
    one.class_names = one.class_names.or(other.class_names);
    one.description = format!("{}; {}", one.description, other.description);
    Ok(one)
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn unreadable(path: &Path, source: io::Error) -> CatalogError {
    CatalogError::Unreadable { path: path.to_path_buf(), source }
}
