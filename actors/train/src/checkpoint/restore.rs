//! From a loaded checkpoint back into a net, and the hash that says which weights a net has.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use tch::Tensor;

use super::format::bytes_of;
use super::{CheckpointError, Loaded};
use crate::state::StateDict;

/// Section of the optimiser's tensors.
pub const OPTIMIZER: &str = "optimizer";

/// Differences that an error names before it only counts them.
const DIFFERENCES_NAMED: usize = 3;

/// `tensors` under `<section>/<name>`, to be stored beside the net's own, which have no section.
pub fn with_prefix(section: &str, tensors: Vec<(String, Tensor)>) -> impl Iterator<Item = (String, Tensor)> {
    tensors.into_iter().map(move |(name, tensor)| (format!("{section}/{name}"), tensor))
}

/// The tensors that were stored under `<section>/`, without that prefix (handles, not copies).
pub fn section(loaded: &Loaded, section: &str) -> HashMap<String, Tensor> {
    let inside = loaded.tensors.iter().filter_map(|(name, tensor)| {
        let name = name.strip_prefix(section)?.strip_prefix('/')?;
        Some((name.to_owned(), tensor.shallow_clone()))
    });
    inside.collect()
}

/// Copies the net's tensors out of `loaded` into `state`, which takes over their strides as well.
///
/// # Errors
/// Nothing is changed unless every key, shape and kind matches.
pub fn load_into(state: &StateDict, loaded: &Loaded) -> Result<(), CheckpointError> {
    let differences = differences(state, loaded);
    if !differences.is_empty() {
        let more = differences.len().saturating_sub(DIFFERENCES_NAMED);
        let mut what = differences[..differences.len().min(DIFFERENCES_NAMED)].join(", ");
        if more > 0 {
            what.push_str(&format!(" and {more} more"));
        }
        return Err(CheckpointError::AnotherNet { path: loaded.path.clone(), what });
    }
    let _guard = tch::no_grad_guard();
    for entry in state.entries() {
        let (saved, mut tensor) = (&loaded.tensors[&entry.key], entry.tensor.shallow_clone());
        if saved.stride() != tensor.stride() {
            tensor.set_data(&saved.copy().to_device(tensor.device()));
        } else {
            tensor.copy_(saved);
        }
    }
    Ok(())
}

/// What in `loaded` isn't as `state` needs it, in words and in order.
fn differences(state: &StateDict, loaded: &Loaded) -> Vec<String> {
    let mut differences = Vec::new();
    for entry in state.entries() {
        let describe = |tensor: &Tensor| (tensor.size(), tensor.kind());
        match loaded.tensors.get(&entry.key).map(describe) {
            None => differences.push(format!("{} is missing", entry.key)),
            Some(saved) if saved != describe(&entry.tensor) => {
                let (is, needed) = (saved, describe(&entry.tensor));
                differences
                    .push(format!("{} is {:?} {:?} instead of {:?} {:?}", entry.key, is.0, is.1, needed.0, needed.1));
            }
            Some(_) => {}
        }
    }
    let own = loaded.tensors.keys().filter(|name| !name.contains('/'));
    let mut unexpected: Vec<_> = own.filter(|name| state.get(name).is_none()).collect();
    unexpected.sort_unstable();
    differences.extend(unexpected.into_iter().map(|name| format!("{name} is not in the net")));
    differences
}

/// SHA-256, in hex, over every tensor of `state` in order: key, kind, shape and values in C order, whatever the strides
/// and device. Lengths go in as well, so that no two states read alike.
pub fn sha256_of_weights(state: &StateDict) -> String {
    let mut hash = Sha256::new();
    for entry in state.entries() {
        for text in [entry.key.clone(), format!("{:?}", entry.tensor.kind())] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        let shape = entry.tensor.size();
        hash.update((shape.len() as u64).to_le_bytes());
        for side in shape {
            hash.update(side.to_le_bytes());
        }
        hash.update(bytes_of(&entry.tensor).expect("a tensor of a net can be copied to memory"));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
