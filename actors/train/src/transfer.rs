//! Weights from one net to another: every layer that both have, by name and shape, told layer by layer.
//! Not here: where the weights come from (see `checkpoint` and `layout`) or who may take them over (the application).
//!
//! A layer is all tensors of one prefix, such as `4.0.convpath.0.1` with its weight, bias and running statistics. It goes
//! over whole or not at all: a convolution's weight is no weight of a deconvolution that happens to have its shape.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Serialize;
use tch::{Kind, Tensor};

use crate::state::StateDict;

/// What becomes of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Its tensors are the source's.
    Copied,
    /// It stays as it was initialised.
    Initialised,
    /// It is in the source only.
    Unused,
}

/// One layer of either net.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerFate {
    /// What its keys begin with.
    pub layer: String,
    /// What becomes of it.
    pub fate: Fate,
    /// Why it is not copied; empty where it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Values in its tensors.
    pub values: u64,
}

/// What a transfer does, layer by layer: those of the net in their order, then those of the source that are not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// Every layer.
    pub layers: Vec<LayerFate>,
}

/// Name of a deconvolution's count of steps, by which it freezes.
const FREEZE_COUNTER: &str = "counter";

/// Shape and kind of a layer's tensors, by the last part of their keys.
type Form = BTreeMap<String, (Vec<i64>, Kind)>;

impl Transfer {
    /// What of `source` fits into `state`. Sections (names with a slash, such as the optimiser's) are no layers.
    pub fn plan(state: &StateDict, source: &HashMap<String, Tensor>) -> Self {
        let own = source.iter().filter(|(key, _)| !key.contains('/'));
        let there: HashMap<String, Form> = forms(own.map(|(key, tensor)| (key.as_str(), tensor))).into_iter().collect();
        let here = forms(state.entries().iter().map(|entry| (entry.key.as_str(), &entry.tensor)));
        let mut layers: Vec<LayerFate> = here
            .iter()
            .map(|(layer, form)| {
                let why =
                    there.get(layer).map_or_else(|| "the source has none".to_owned(), |found| differs(form, found));
                let fate = if why.is_empty() { Fate::Copied } else { Fate::Initialised };
                LayerFate { layer: layer.clone(), fate, why, values: values(form) }
            })
            .collect();
        let unused = there.iter().filter(|(layer, _)| here.iter().all(|(own, _)| own != *layer));
        let mut unused: Vec<LayerFate> = unused
            .map(|(layer, form)| LayerFate {
                layer: layer.clone(),
                fate: Fate::Unused,
                why: "this net has none".to_owned(),
                values: values(form),
            })
            .collect();
        unused.sort_by(|one, other| one.layer.cmp(&other.layer));
        layers.append(&mut unused);
        Self { layers }
    }

    /// Copies the layers that are to be copied; the net's tensors keep their memory and strides.
    pub fn apply(&self, state: &StateDict, source: &HashMap<String, Tensor>) {
        let _guard = tch::no_grad_guard();
        for entry in state.entries() {
            let is_copied = |layer: &LayerFate| layer.fate == Fate::Copied && layer.layer == layer_of(&entry.key).0;
            if let Some(tensor) = source.get(&entry.key).filter(|_| self.layers.iter().any(is_copied)) {
                entry.tensor.shallow_clone().copy_(tensor);
            }
        }
    }

    /// Layers of a fate, and the values in them.
    pub fn count(&self, fate: &Fate) -> (usize, u64) {
        let of_fate = || self.layers.iter().filter(|layer| layer.fate == *fate);
        (of_fate().count(), of_fate().map(|layer| layer.values).sum())
    }

    /// Whether not one layer fits.
    pub fn is_empty(&self) -> bool {
        self.count(&Fate::Copied).0 == 0
    }

    /// One line: what was copied and what was not.
    pub fn summary(&self) -> String {
        let ((copied, values), (left, left_values)) = (self.count(&Fate::Copied), self.count(&Fate::Initialised));
        let (layers, all) = (copied + left, values + left_values);
        let share = 100.0 * values as f64 / (all as f64).max(1.0);
        let unused = self.count(&Fate::Unused).0;
        format!(
            "{copied} of {layers} layers copied, {share:.1} % of the values; {left} left as initialised, {unused} not used"
        )
    }

    /// Writes the whole account as JSON.
    pub fn write(&self, path: &Path, from: &Path) -> std::io::Result<()> {
        let document = serde_json::json!({ "from": from, "summary": self.summary(), "layers": self.layers });
        std::fs::write(path, format!("{document:#}\n"))
    }
}

/// Layers in the order in which their first tensors come.
fn forms<'a>(tensors: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Vec<(String, Form)> {
    let mut layers: Vec<(String, Form)> = Vec::new();
    let mut position: HashMap<String, usize> = HashMap::new();
    for (key, tensor) in tensors {
        let (layer, name) = layer_of(key);
        let at = *position.entry(layer.to_owned()).or_insert_with(|| {
            layers.push((layer.to_owned(), Form::new()));
            layers.len() - 1
        });
        // How long a deconvolution has trained is no part of what it is: one that doesn't freeze doesn't count.
        if name != FREEZE_COUNTER {
            layers[at].1.insert(name.to_owned(), (tensor.size(), tensor.kind()));
        }
    }
    layers
}

/// The layer of a key, and its name there.
fn layer_of(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

fn values(form: &Form) -> u64 {
    form.values().map(|(shape, _)| shape.iter().product::<i64>().unsigned_abs()).sum()
}

/// Why a layer of the source doesn't fit; empty if it does.
fn differs(here: &Form, there: &Form) -> String {
    let names = |form: &Form| form.keys().cloned().collect::<Vec<_>>().join(", ");
    if here.keys().ne(there.keys()) {
        return format!("it has {} here and {} in the source", names(here), names(there));
    }
    let other = here.iter().find(|(name, form)| there[*name] != **form);
    other.map_or_else(String::new, |(name, (shape, kind))| {
        let (found, found_kind) = &there[name];
        format!("{name} is {shape:?} {kind:?} here and {found:?} {found_kind:?} in the source")
    })
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::net::Net as _;
    use crate::net::xresnet::{XResNet, XResNetSpec};

    fn tensors(net: &XResNet) -> HashMap<String, Tensor> {
        net.state().snapshot().into_iter().collect()
    }

    fn net(spec: &XResNetSpec) -> XResNet {
        XResNet::new(spec, Device::Cpu, Kind::Float)
    }

    #[test]
    fn the_same_net_goes_over_whole() {
        let (one, other) = (net(&XResNetSpec::xresnet18(10)), net(&XResNetSpec::xresnet18(10)));
        let transfer = Transfer::plan(other.state(), &tensors(&one));
        assert!(transfer.layers.iter().all(|layer| layer.fate == Fate::Copied));
        transfer.apply(other.state(), &tensors(&one));
        for (entry, (key, tensor)) in other.state().entries().iter().zip(one.state().snapshot()) {
            assert!(entry.key == key && entry.tensor.equal(&tensor), "{key}");
        }
    }

    #[test]
    fn a_deeper_net_with_another_head_takes_what_fits() {
        let (source, target) = (net(&XResNetSpec::xresnet18(10)), net(&XResNetSpec::xresnet34(20)));
        let before = tensors(&target);
        let transfer = Transfer::plan(target.state(), &tensors(&source));
        let fate = |name: &str| transfer.layers.iter().find(|layer| layer.layer == name).expect("it is told");
        assert_eq!(fate("4.1.convpath.0.0").fate, Fate::Copied);
        assert_eq!(
            (&fate("4.2.convpath.0.0").fate, fate("4.2.convpath.0.0").why.as_str()),
            (&Fate::Initialised, "the source has none")
        );
        assert!(fate("11").why.contains("[20] Float here and [10] Float in the source"), "{}", fate("11").why);
        transfer.apply(target.state(), &tensors(&source));
        for entry in target.state().entries() {
            let copied = fate(layer_of(&entry.key).0).fate == Fate::Copied;
            let expected = if copied { &tensors(&source)[&entry.key] } else { &before[&entry.key] };
            assert!(entry.tensor.equal(expected), "{}", entry.key);
        }
        assert!(transfer.summary().contains("left as initialised, 0 not used"), "{}", transfer.summary());
    }

    #[test]
    fn a_layer_of_another_kind_is_left_alone_though_a_tensor_fits() {
        let mut deconv = XResNetSpec::xresnet18(10);
        deconv.stem = crate::net::stem::StemSpec::new("deconv", [32, 32, 64]);
        let (source, target) = (net(&XResNetSpec::xresnet18(10)), net(&deconv));
        let transfer = Transfer::plan(target.state(), &tensors(&source));
        let first = &transfer.layers[0];
        assert_eq!((first.layer.as_str(), &first.fate), ("0.0", &Fate::Initialised));
        assert!(first.why.starts_with("it has bias, running_deconv"), "{}", first.why);
        let unused: Vec<_> = transfer.layers.iter().filter(|layer| layer.fate == Fate::Unused).collect();
        assert_eq!(unused.iter().map(|layer| layer.layer.as_str()).collect::<Vec<_>>(), ["0.1", "1.1", "2.1"]);
    }

    #[test]
    fn a_deconvolution_goes_over_whether_it_freezes_or_not() {
        let stem = |freeze_after| crate::net::stem::StemSpec {
            freeze_after: [freeze_after; 3],
            ..crate::net::stem::StemSpec::new("deconv", [32, 32, 64])
        };
        let of = |freeze_after| net(&XResNetSpec { stem: stem(freeze_after), ..XResNetSpec::xresnet18(10) });
        for (source, target) in [(of(0), of(7)), (of(7), of(0))] {
            let transfer = Transfer::plan(target.state(), &tensors(&source));
            assert!(transfer.layers.iter().all(|layer| layer.fate == Fate::Copied), "{}", transfer.summary());
            transfer.apply(target.state(), &tensors(&source));
            let weight = |net: &XResNet| net.state().get("0.0.weight").expect("the first layer").tensor.shallow_clone();
            assert!(weight(&source).equal(&weight(&target)));
        }
    }

    #[test]
    fn nothing_in_common_is_seen_and_sections_are_no_layers() {
        let target = net(&XResNetSpec::xresnet18(10));
        let others = HashMap::from([
            ("conv1.weight".to_owned(), Tensor::zeros([3], (Kind::Float, Device::Cpu))),
            ("optimizer/0.0.weight".to_owned(), target.state().entries()[0].tensor.copy()),
        ]);
        let transfer = Transfer::plan(target.state(), &others);
        assert!(transfer.is_empty());
        assert_eq!(transfer.count(&Fate::Unused), (1, 3));
    }
}
