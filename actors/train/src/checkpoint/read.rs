//! Reading a checkpoint: checksums first, then the content. Nothing in a file makes this panic or allocate beyond its
//! own length.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::Value;
use tch::{Device, Tensor};

use super::format::{
    FileSeal, MANIFEST_BYTES_MAX, MANIFEST_FILE, Manifest, Refusal, STATE_BYTES_MAX, STATE_FILE, first_line, kind_of,
    unseal,
};
use super::{CheckpointError, damaged, io_error, list};

/// A checkpoint in memory.
#[derive(Debug)]
pub struct Loaded {
    /// Where it came from.
    pub path: PathBuf,
    /// The caller's own part.
    pub meta: Value,
    /// Every tensor, on the CPU, with the strides that it had when it was written.
    pub tensors: HashMap<String, Tensor>,
}

/// The newest usable checkpoint of a folder.
#[derive(Debug)]
pub struct Newest {
    /// It, if there is one.
    pub found: Option<Loaded>,
    /// Newer ones that could not be used, newest first.
    pub skipped: Vec<Skipped>,
}

/// A checkpoint that was passed over.
#[derive(Debug)]
pub struct Skipped {
    /// Its folder.
    pub path: PathBuf,
    /// Why.
    pub why: CheckpointError,
}

/// The newest checkpoint under `parent` that is whole. Half-written and damaged ones are passed over (the damaged ones
/// are listed); a missing folder has none.
///
/// # Errors
/// A file that can't be read (as opposed to a damaged one) and a newer format are errors: going back to an older
/// checkpoint would throw good work away.
pub fn newest_valid(parent: &Path) -> Result<Newest, CheckpointError> {
    let mut newest = Newest { found: None, skipped: Vec::new() };
    if !parent.try_exists().map_err(io_error("look for", parent))? {
        return Ok(newest);
    }
    for (_, path) in list(parent)?.into_iter().rev() {
        match read(&path) {
            Ok(loaded) => {
                newest.found = Some(loaded);
                break;
            }
            Err(why @ CheckpointError::Damaged { .. }) => newest.skipped.push(Skipped { path, why }),
            Err(error) => return Err(error),
        }
    }
    Ok(newest)
}

/// Folder and caller's part of the newest checkpoint under `parent` whose manifest is whole; its tensors are not read.
pub fn newest_meta(parent: &Path) -> Result<Option<(PathBuf, Value)>, CheckpointError> {
    if !parent.try_exists().map_err(io_error("look for", parent))? {
        return Ok(None);
    }
    for (_, path) in list(parent)?.into_iter().rev() {
        match read_manifest(&path) {
            Ok(manifest) => return Ok(Some((path, manifest.meta))),
            Err(CheckpointError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Reads the checkpoint in the folder `path`.
pub fn read(path: &Path) -> Result<Loaded, CheckpointError> {
    let manifest = read_manifest(path)?;
    let sealed = manifest.files.get(STATE_FILE);
    let sealed = sealed.ok_or_else(|| damaged(path, format!("{MANIFEST_FILE} doesn't name {STATE_FILE}")))?;
    let state = read_file(path, STATE_FILE, STATE_BYTES_MAX)?;
    if FileSeal::of(&state) != *sealed {
        return Err(damaged(path, format!("{STATE_FILE} fails its checksum")));
    }
    let tensors = decode(&state, &manifest).map_err(|what| damaged(path, what))?;
    Ok(Loaded { path: path.to_owned(), meta: manifest.meta, tensors })
}

fn read_manifest(path: &Path) -> Result<Manifest, CheckpointError> {
    let folder = path.metadata().map_err(io_error("open the checkpoint", path))?;
    if !folder.is_dir() {
        return Err(damaged(path, "it is not a folder"));
    }
    let text = read_file(path, MANIFEST_FILE, MANIFEST_BYTES_MAX)?;
    let text = String::from_utf8(text).map_err(|_| damaged(path, format!("{MANIFEST_FILE} is not text")))?;
    unseal(&text).map_err(|refusal| match refusal {
        Refusal::Newer(found) => CheckpointError::Newer { path: path.to_owned(), found },
        Refusal::Damaged(what) => damaged(path, what),
    })
}

/// A whole file of the checkpoint, of at most `bytes_max`.
fn read_file(folder: &Path, name: &str, bytes_max: u64) -> Result<Vec<u8>, CheckpointError> {
    let path = folder.join(name);
    let about = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(damaged(folder, format!("{name} is missing")));
        }
        about => about.map_err(io_error("open", &path))?,
    };
    // Opening a pipe would wait for a writer for ever.
    if !about.is_file() || about.len() > bytes_max {
        return Err(damaged(folder, format!("{name} is not a file of at most {bytes_max} bytes")));
    }
    let file = File::open(&path).map_err(io_error("open", &path))?;
    let mut content = Vec::new();
    file.take(bytes_max).read_to_end(&mut content).map_err(io_error("read", &path))?;
    Ok(content)
}

fn decode(state: &[u8], manifest: &Manifest) -> Result<HashMap<String, Tensor>, String> {
    let state = SafeTensors::deserialize(state).map_err(|error| format!("{STATE_FILE}: {error}"))?;
    let mut tensors = HashMap::new();
    for (name, view) in state.iter() {
        let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
        let kind = kind_of(view.dtype()).ok_or_else(|| format!("{name} has the type {:?}", view.dtype()))?;
        let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)
            .and_then(|tensor| match manifest.strides.get(name) {
                Some(strides) => restride(&tensor, strides),
                None => Ok(tensor),
            })
            .map_err(|error| format!("{name}: {}", first_line(&error)))?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// The same values in memory of the given strides.
fn restride(tensor: &Tensor, strides: &[i64]) -> Result<Tensor, tch::TchError> {
    let shape = tensor.size();
    if !is_dense(&shape, strides) {
        return Err(tch::TchError::Shape(format!("strides {strides:?} don't fit the shape {shape:?}")));
    }
    let mut strided = Tensor::f_empty_strided(&shape[..], strides, (tensor.kind(), Device::Cpu))?;
    strided.f_copy_(tensor)?;
    Ok(strided)
}

/// Whether `strides` are those of some order of the axes without gaps or overlaps.
fn is_dense(shape: &[i64], strides: &[i64]) -> bool {
    let mut axes: Vec<(i64, i64)> = strides.iter().copied().zip(shape.iter().copied()).collect();
    if shape.len() != strides.len() || strides.iter().any(|&stride| stride < 1) {
        return false;
    }
    axes.retain(|&(_, side)| side != 1);
    axes.sort_unstable();
    let mut expected = Some(1i64);
    for (stride, side) in axes {
        if Some(stride) != expected {
            return false;
        }
        expected = stride.checked_mul(side);
    }
    true
}
