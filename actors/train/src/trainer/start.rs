//! Weights that a run starts from: read, matched with its net, put in, and told layer by layer.
//! Not here: whether the rules allow it (the application's business).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use super::progress::TrainError;
use super::spec::StartSpec;
use super::standing::{Standing, standing_of};
use crate::checkpoint::{self, Loaded};
use crate::layout::{Layout, import};
use crate::net::Net;
use crate::net::xresnet::{XResNet, XResNetSpec};
use crate::transfer::Transfer;

/// The account of a transfer, in the run's folder.
const ACCOUNT: &str = "transfer.json";

/// Weights in memory.
pub struct StartWeights {
    /// Where they lie.
    pub path: PathBuf,
    /// Under our keys.
    pub tensors: HashMap<String, Tensor>,
    /// Whose keys they had.
    pub layout: Layout,
    /// How far their run had come; `None` for a file.
    pub standing: Option<Standing>,
    /// SHA-256 of the tensors of a checkpoint's net, or of the whole file.
    pub sha256: String,
}

impl StartWeights {
    /// Reads a checkpoint's folder, or a safetensors file in any layout that `net` has.
    pub fn read(path: &Path, net: &XResNetSpec) -> Result<Self, TrainError> {
        let path = path.to_owned();
        if path.is_dir() {
            return Ok(Self::of_checkpoint(checkpoint::read(&path)?));
        }
        let file = checkpoint::read_file(&path)?;
        let keys: Vec<String> = XResNet::new(net, Device::Cpu, Kind::Float)
            .state()
            .entries()
            .iter()
            .map(|entry| entry.key.clone())
            .collect();
        let (tensors, layout) = import(net, &keys, file.tensors);
        Ok(Self { path, tensors, layout, standing: None, sha256: file.sha256 })
    }

    /// Those of a checkpoint.
    pub fn of_checkpoint(loaded: Loaded) -> Self {
        let (standing, sha256) = (standing_of(&loaded), sha256_of(&loaded.tensors));
        Self { path: loaded.path, tensors: loaded.tensors, layout: Layout::Native, standing, sha256 }
    }

    /// What would be copied into a fresh net.
    ///
    /// # Errors
    /// If not one layer fits.
    pub fn plan(&self, net: &XResNetSpec) -> Result<Transfer, TrainError> {
        self.fitting(&XResNet::new(net, Device::Cpu, Kind::Float))
    }

    /// Copies every layer that fits, and writes the account.
    pub fn put_into(&self, net: &XResNet, asked: &StartSpec, folder: &Path) -> Result<(), TrainError> {
        if self.sha256 != asked.weights_sha256 {
            let what = "its weights have changed since this command began; start it again".to_owned();
            return Err(TrainError::Start { path: self.path.clone(), what });
        }
        let transfer = self.fitting(net)?;
        transfer.apply(net.state(), &self.tensors);
        let path = folder.join(ACCOUNT);
        transfer.write(&path, &self.path).map_err(|cause| TrainError::File { path, cause })
    }

    fn fitting(&self, net: &XResNet) -> Result<Transfer, TrainError> {
        let transfer = Transfer::plan(net.state(), &self.tensors);
        if !transfer.is_empty() {
            return Ok(transfer);
        }
        let what = "it has no layer in common with `[net]`, by name and shape; start from a run of a similar net, or from \
                    scratch without --from";
        Err(TrainError::Start { path: self.path.clone(), what: what.to_owned() })
    }
}

/// Over the net's tensors in the order of their names: name, kind, shape, values.
fn sha256_of(tensors: &HashMap<String, Tensor>) -> String {
    let mut own: Vec<_> = tensors.iter().filter(|(name, _)| !name.contains('/')).collect();
    own.sort_unstable_by_key(|(name, _)| name.as_str());
    let mut hash = Sha256::new();
    for (name, tensor) in own {
        hash.update(format!("{}:{name}:{:?}:{:?}:", name.len(), tensor.kind(), tensor.size()));
        hash.update(checkpoint::bytes_of(tensor).expect("a tensor on the CPU can be copied to memory"));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
