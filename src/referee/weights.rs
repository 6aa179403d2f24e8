//! The weights of a run judged again, and held to its last epoch line.
//! Not here: judging them (`evaluate`).

use std::path::Path;

use fastgarden_data::audit::{Fault, FaultKind};
use fastgarden_train::checkpoint::Loaded;
use fastgarden_train::checkpoint::{load_into, sha256_of_weights};
use fastgarden_train::net::Net as _;
use fastgarden_train::net::xresnet::XResNet;
use tch::{Device, Kind};

use super::Finding;
use crate::exit::Failure;
use crate::recipe::Recipe;
use crate::weights::of_checkpoint;

/// Share of validation records whose answer may differ because another device, or another number of threads, sums otherwise.
const ROUNDING_SHARE: f64 = 0.002;

/// What judging weights again came to.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Share of right answers, 0–1.
    pub accuracy: Option<f64>,
    /// SHA-256 hex of the weights.
    pub weights_sha256: String,
    /// What differs from the ledger.
    pub faults: Vec<Fault>,
    /// What differs no more than rounding may.
    pub notes: Vec<String>,
}

/// SHA-256 hex of the weights of a checkpoint, by the measure of a ledger's `weights_sha256`.
pub fn sha256_of(loaded: &Loaded, recipe: &Recipe) -> Result<String, Failure> {
    let net = XResNet::new(&recipe.net, Device::Cpu, Kind::Float);
    load_into(net.state(), loaded).map_err(of_checkpoint)?;
    Ok(sha256_of_weights(net.state()))
}

/// Holds weights and what they score to the last epoch of a ledger.
pub fn hold_to_weights(finding: &Finding, path: &Path, weights_sha256: String, accuracy: Option<f64>) -> Judged {
    let mut judged = Judged { accuracy, weights_sha256, faults: Vec::new(), notes: Vec::new() };
    let (path, last) = (path.display(), finding.epochs.last());
    let Some(last) = last else {
        let what = format!("{path} can't be held to anything: the ledger has no finished epoch");
        judged.faults.push(Fault::overall(FaultKind::Weights, what));
        return judged;
    };
    if last.weights_sha256 != judged.weights_sha256 {
        let what = format!("{path} holds other weights than those of epoch {}: another weights_sha256", last.epoch);
        judged.faults.push(Fault::overall(FaultKind::Weights, what));
    }
    let (Some(told), Some(scored)) = (last.accuracy, accuracy) else {
        if last.accuracy != accuracy {
            let what = format!("one of {path} and epoch {} has an accuracy, the other none", last.epoch);
            judged.faults.push(Fault::overall(FaultKind::Number, what));
        }
        return judged;
    };
    let records = last.evaluated.saturating_add(last.evaluation_quarantined);
    let apart = ((told - scored).abs() * records as f64).round();
    let (told, scored) = (100.0 * told, 100.0 * scored);
    let what = format!("{path} scores {scored:.2} %, and epoch {} says {told:.2} %: {apart} records apart", last.epoch);
    if apart > (records as f64 * ROUNDING_SHARE).max(1.0) {
        judged.faults.push(Fault::overall(FaultKind::Number, what));
    } else if apart > 0.0 {
        judged.notes.push(format!("{what}, as rounding on another machine makes it"));
    }
    judged
}
