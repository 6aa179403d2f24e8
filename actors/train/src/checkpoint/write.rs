//! Writing a checkpoint so that a kill at any moment leaves either the old ones or the old ones and the new one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::Tensor;

use super::format::{
    FORMAT_VERSION, FileSeal, MANIFEST_BYTES_MAX, MANIFEST_FILE, Manifest, STATE_BYTES_MAX, STATE_FILE, Stored,
    UNFINISHED, seal,
};
use super::{CheckpointError, io_error, list, order};

/// Writes the checkpoint `name` (numbers joined by dashes: epoch, step) under `parent`, which is made where missing, and
/// deletes the oldest beyond the newest `keep` (at least the new one stays). Returns the new folder.
///
/// If the name is taken, `-2`, `-3`, … is appended: a folder once complete is never written again. `tensors` are any
/// tensors on any device, each name once; `meta` is the caller's own. One writer at a time for a `parent`.
///
/// # Errors
/// Where the new checkpoint can't be written, there is no folder under a final name and the old ones are untouched. An
/// error in syncing the parent or in deleting old checkpoints leaves the new one in its place, complete.
pub fn write(
    parent: &Path,
    name: &str,
    tensors: &[(String, Tensor)],
    meta: &Value,
    keep: usize,
) -> Result<PathBuf, CheckpointError> {
    let unstorable = |what: String| CheckpointError::Unstorable { name: name.to_owned(), what };
    if order(name).is_none() {
        return Err(unstorable("a name is numbers joined by dashes".to_owned()));
    }
    let (state, manifest) = encode(tensors, meta).map_err(unstorable)?;
    fs::create_dir_all(parent).map_err(io_error("make the folder", parent))?;
    remove_unfinished(parent)?;
    let unfinished = parent.join(format!("{name}{UNFINISHED}"));
    let committed = fill(&unfinished, &state, manifest.as_bytes()).and_then(|()| {
        let path = fresh_name(parent, name);
        fs::rename(&unfinished, &path).map_err(io_error("rename to", &path))?;
        Ok(path)
    });
    let path = committed.inspect_err(|_| {
        // Best effort: on the disk that just failed this may fail as well, and the next write tries again.
        let _ = fs::remove_dir_all(&unfinished);
    })?;
    sync_folder(parent)?;
    delete_oldest(parent, &path, keep)?;
    Ok(path)
}

/// The bytes of both files.
fn encode(tensors: &[(String, Tensor)], meta: &Value) -> Result<(Vec<u8>, String), String> {
    let (mut stored, mut strides) = (BTreeMap::new(), BTreeMap::new());
    for (name, tensor) in tensors {
        let value = Stored::new(tensor).map_err(|what| format!("{name}: {what}"))?;
        if !tensor.is_contiguous() {
            strides.insert(name.clone(), tensor.stride());
        }
        if stored.insert(name.as_str(), value).is_some() {
            return Err(format!("two tensors are called {name}"));
        }
    }
    let state = safetensors::serialize(stored.iter(), None).map_err(|error| error.to_string())?;
    if state.len() as u64 > STATE_BYTES_MAX {
        return Err(format!("its tensors take {} bytes, the most is {STATE_BYTES_MAX}", state.len()));
    }
    let files = BTreeMap::from([(STATE_FILE.to_owned(), FileSeal::of(&state))]);
    let manifest = Manifest { version: FORMAT_VERSION, meta: meta.clone(), files, strides };
    let manifest = seal(&manifest).map_err(|error| error.to_string())?;
    if manifest.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(format!("its manifest takes {} bytes, the most is {MANIFEST_BYTES_MAX}", manifest.len()));
    }
    Ok((state, manifest))
}

/// Makes `folder` with both files, all of it on the disk before this returns.
fn fill(folder: &Path, state: &[u8], manifest: &[u8]) -> Result<(), CheckpointError> {
    fs::create_dir(folder).map_err(io_error("make the folder", folder))?;
    for (name, content) in [(STATE_FILE, state), (MANIFEST_FILE, manifest)] {
        let path = folder.join(name);
        let mut file = File::create_new(&path).map_err(io_error("create", &path))?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(io_error("write", &path))?;
    }
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> Result<(), CheckpointError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(io_error("sync the folder", folder))
}

/// Removes what a killed writer left.
fn remove_unfinished(parent: &Path) -> Result<(), CheckpointError> {
    for entry in fs::read_dir(parent).map_err(io_error("list", parent))? {
        let path = entry.map_err(io_error("list", parent))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.and_then(|name| name.strip_suffix(UNFINISHED)).and_then(order).is_some() {
            fs::remove_dir_all(&path).map_err(io_error("remove", &path))?;
        }
    }
    Ok(())
}

fn fresh_name(parent: &Path, name: &str) -> PathBuf {
    let numbered = (2u64..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .map(|name| parent.join(name))
        .find(|path| path.symlink_metadata().is_err())
        .expect("a folder has fewer than 2^64 entries")
}

/// Keeps `newest` and the `keep - 1` before it. Those with a later name go first: they were passed over when the
/// training resumed, because they are damaged or were discarded.
fn delete_oldest(parent: &Path, newest: &Path, keep: usize) -> Result<(), CheckpointError> {
    let all = list(parent)?;
    let at = all.iter().position(|(_, path)| path == newest).unwrap_or(all.len());
    let (older, later) = (&all[..at], &all[(at + 1).min(all.len())..]);
    let surplus = (older.len() + later.len()).saturating_sub(keep.saturating_sub(1));
    for (_, path) in later.iter().chain(older).take(surplus) {
        fs::remove_dir_all(path).map_err(io_error("delete the old checkpoint", path))?;
    }
    Ok(())
}
