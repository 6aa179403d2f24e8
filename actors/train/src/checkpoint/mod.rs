//! Checkpoints: the whole resumable state of a training, committed by one rename.
//!
//! A checkpoint is a folder `<epoch>-<step>` (numbers joined by dashes) with `state.safetensors`, every tensor, and
//! `manifest.json`, what belongs to them. A name that is complete is final: half-written ones end in `.tmp` and are
//! never read. Not for *when* to write one, nor for what the caller's own part of the manifest means.

mod file;
mod format;
mod read;
mod restore;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use file::{WeightFile, read_file, write_file};
pub use format::FORMAT_VERSION;
pub(crate) use format::bytes_of;
pub use read::{Loaded, Newest, Skipped, newest_meta, newest_valid, read};
pub use restore::{OPTIMIZER, load_into, section, sha256_of_weights, with_prefix};
pub use write::write;

/// Why a checkpoint could not be written, read or used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("can't {action} {path}: {source}; {}", way_out(source))]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content is not what was written.
    #[error("the checkpoint {path} is damaged: {what}; resume from an older one")]
    Damaged {
        /// The checkpoint's folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Written by a later version of this program.
    #[error(
        "the checkpoint {path} has format version {found}, but this program reads up to {FORMAT_VERSION}: use the \
         newer fastgarden-actors that wrote it"
    )]
    Newer {
        /// The checkpoint's folder.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// Keys, shapes or kinds differ from the net's.
    #[error("the checkpoint {path} is of another net: {what}; name the recipe that it was trained with")]
    AnotherNet {
        /// The checkpoint's folder.
        path: PathBuf,
        /// The first differences.
        what: String,
    },
    /// A file of weights of another program can't be read.
    #[error(
        "{path} is no safetensors file of a net: {what}; save the state_dict of the model with safetensors.torch.save_file"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The caller's name, tensors or meta can't be stored.
    #[error("can't store the checkpoint {name:?}: {what}")]
    Unstorable {
        /// The name that was asked for.
        name: String,
        /// What stands against it.
        what: String,
    },
}

/// What a user can do about a refusal of the file system.
fn way_out(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space or choose another folder with --out"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "make the folder writable or choose another with --out"
        }
        _ => "check the folder or choose another with --out",
    }
}

/// Turns an I/O error into one that says what was done to what.
fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> CheckpointError + 'a {
    move |source| CheckpointError::Io { action, path: path.to_owned(), source }
}

fn damaged(path: &Path, what: impl ToString) -> CheckpointError {
    CheckpointError::Damaged { path: path.to_owned(), what: what.to_string() }
}

/// Order of checkpoint names: by their numbers, `5-995` before `5-995-2` before `10-1`. `None` for other names.
fn order(name: &str) -> Option<Vec<u64>> {
    name.split('-').map(|part| (!part.starts_with('+')).then(|| part.parse().ok()).flatten()).collect()
}

/// The complete checkpoints of a folder, oldest first.
fn list(parent: &Path) -> Result<Vec<(Vec<u64>, PathBuf)>, CheckpointError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(parent).map_err(io_error("list", parent))? {
        let path = entry.map_err(io_error("list", parent))?.path();
        if let Some(order) = path.file_name().and_then(|name| name.to_str()).and_then(order) {
            found.push((order, path));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
