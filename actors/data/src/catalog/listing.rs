//! One folder's names, hidden and temporary ones left out.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::names::{is_shard_name, is_temporary};
use super::{CatalogError, unreadable};

/// Names that an error shows.
const NAMES_SHOWN_MAX: usize = 5;

/// The names in one folder, each group in byte order. Links count as what they point to.
pub(super) struct Listing {
    pub files: Vec<OsString>,
    pub folders: Vec<String>,
}

impl Listing {
    pub fn read(folder: &Path) -> Result<Self, CatalogError> {
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
            let entry = entry.map_err(|error| unreadable(folder, error))?;
            let name = entry.file_name();
            if is_temporary(&name.to_string_lossy()) {
                continue;
            }
            let file_type = entry.file_type().map_err(|error| unreadable(&entry.path(), error))?;
            let is_folder = if file_type.is_symlink() {
                // A link that leads nowhere stays a file: opening it will say so, instead of leaving it out silently.
                fs::metadata(entry.path()).is_ok_and(|target| target.is_dir())
            } else {
                file_type.is_dir()
            };
            match name.into_string() {
                Ok(name) if is_folder => folders.push(name),
                // A folder whose name is no text can be neither a split nor a class.
                Err(_) if is_folder => {}
                Ok(name) => files.push(name.into()),
                Err(name) => files.push(name),
            }
        }
        files.sort();
        folders.sort();
        Ok(Self { files, folders })
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.folders.is_empty()
    }

    pub fn shards(&self) -> impl Iterator<Item = &OsString> {
        self.files.iter().filter(|name| is_shard_name(&name.to_string_lossy()))
    }

    /// Some of the names, for a message.
    pub fn summary(&self) -> String {
        let folders = self.folders.iter().map(|name| format!("{name}/"));
        let files = self.files.iter().map(|name| name.to_string_lossy().into_owned());
        let mut shown: Vec<_> = folders.chain(files).take(NAMES_SHOWN_MAX).collect();
        let more = self.files.len() + self.folders.len() - shown.len();
        if more > 0 {
            shown.push(format!("{more} more"));
        }
        shown.join(", ")
    }
}
