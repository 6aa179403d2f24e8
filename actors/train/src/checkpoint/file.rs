//! Single safetensors files: weights that go to other programs or come from them.
//! Not here: whose names the tensors have (see `layout`), or the checkpoints of our own runs.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use safetensors::SafeTensors;
use sha2::{Digest, Sha256};
use tch::Tensor;

use super::format::{STATE_BYTES_MAX, Stored, first_line, kind_of};
use super::{CheckpointError, io_error};

/// The tensors of a file and the SHA-256, in hex, of its bytes.
#[derive(Debug)]
pub struct WeightFile {
    /// By name, on the CPU.
    pub tensors: HashMap<String, Tensor>,
    /// Of the whole file.
    pub sha256: String,
}

/// Reads a safetensors file of at most 16 GiB; other types than those of nets are refused.
pub fn read_file(path: &Path) -> Result<WeightFile, CheckpointError> {
    let foreign = |what: String| CheckpointError::Foreign { path: path.to_owned(), what };
    let about = path.metadata().map_err(io_error("open", path))?;
    // Opening a pipe would wait for a writer for ever.
    if !about.is_file() || about.len() > STATE_BYTES_MAX {
        return Err(foreign(format!("it is not a file of at most {STATE_BYTES_MAX} bytes")));
    }
    let file = File::open(path).map_err(io_error("open", path))?;
    let mut bytes = Vec::new();
    file.take(STATE_BYTES_MAX).read_to_end(&mut bytes).map_err(io_error("read", path))?;
    let views = SafeTensors::deserialize(&bytes).map_err(|error| foreign(error.to_string()))?;
    let mut tensors = HashMap::new();
    for (name, view) in views.iter() {
        let kind = kind_of(view.dtype()).ok_or_else(|| foreign(format!("{name} has the type {:?}", view.dtype())))?;
        let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, kind);
        let tensor = tensor.map_err(|error| foreign(format!("{name}: {}", first_line(&error))))?;
        tensors.insert(name.to_owned(), tensor);
    }
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(WeightFile { tensors, sha256 })
}

/// Writes a safetensors file under a temporary name beside it, then renames: nobody ever sees half of it.
pub fn write_file(path: &Path, tensors: &[(String, Tensor)]) -> Result<(), CheckpointError> {
    let unstorable = |what: String| CheckpointError::Unstorable { name: path.display().to_string(), what };
    let mut stored = BTreeMap::new();
    for (name, tensor) in tensors {
        stored.insert(name.as_str(), Stored::new(tensor).map_err(|what| unstorable(format!("{name}: {what}")))?);
    }
    // Python's loaders look for this one word.
    let about = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(stored.iter(), Some(about)).map_err(|error| unstorable(error.to_string()))?;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.tmp", std::process::id()));
    let unfinished = Path::new(&unfinished);
    let written = File::create(unfinished)
        .and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(unfinished, path));
    written.map_err(|error| {
        // Best effort: nobody reads this name.
        let _ = fs::remove_file(unfinished);
        io_error("write", path)(error)
    })
}
