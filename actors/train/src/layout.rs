//! The names that other libraries give to the tensors of our nets: fastai's, which are ours, and timm's.
//! Not here: reading and writing files (see `checkpoint`).
//!
//! fastai: the keys of its `XResNet`, with the `num_batches_tracked` of each BatchNorm. timm: `resnet18d`, `resnet34d`,
//! `resnet50d` and what its `ResNet` class can build besides: groups in bottlenecks, squeeze-and-excite, another width of the stem.

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};
use thiserror::Error;

use crate::net::activation::Activation;
use crate::net::squeeze_excite::hidden_width;
use crate::net::xresnet::{EMBEDDING, XResNetSpec};

/// BatchNorm's counter, which PyTorch keeps and nothing of ours reads.
const COUNTER: &str = "num_batches_tracked";
/// What tells a BatchNorm by its tensors.
const VARIANCE: &str = "running_var";
/// A deconvolution's own counter, which no other library has.
const FREEZE_COUNTER: &str = ".counter";
/// A key that every net of timm's layout has, and no other.
const TIMM_FIRST: &str = "conv1.0.weight";

/// Whose names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As our checkpoints have them.
    Native,
    /// fastai's.
    Fastai,
    /// timm's.
    Timm,
}

/// Why a library has no such net.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("timm has no net with `net.{key}` {what}")]
pub struct Inexpressible {
    /// The key in a recipe's `[net]`.
    pub key: &'static str,
    /// Its value, and what there is instead.
    pub what: String,
}

/// The tensors of a net, given with our keys, under the keys of a layout.
///
/// # Errors
/// If the layout has no such net; fastai's and our own have all of them.
pub fn export(
    net: &XResNetSpec,
    tensors: Vec<(String, Tensor)>,
    layout: Layout,
) -> Result<Vec<(String, Tensor)>, Inexpressible> {
    if layout == Layout::Timm {
        check_timm(net)?;
    }
    if layout == Layout::Native {
        return Ok(tensors);
    }
    let mut exported = Vec::new();
    for (key, tensor) in tensors {
        if key.ends_with(FREEZE_COUNTER) || is_of_second_head(&key) {
            continue;
        }
        let name = if layout == Layout::Timm { timm_key(net, &key).unwrap_or(key) } else { key };
        if let Some(norm) = name.strip_suffix(VARIANCE) {
            let none_tracked = Tensor::zeros([0i64; 0], (Kind::Int64, Device::Cpu));
            exported.push((format!("{norm}{COUNTER}"), none_tracked));
        }
        exported.push((name, tensor));
    }
    Ok(exported)
}

/// What of a net a layout has no place for: the embedding head, which other libraries' nets don't have.
pub fn left_out<'a>(keys: impl Iterator<Item = &'a str>, layout: Layout) -> Vec<&'a str> {
    keys.filter(|key| layout != Layout::Native && is_of_second_head(key)).collect()
}

fn is_of_second_head(key: &str) -> bool {
    key.split('.').next() == Some(EMBEDDING)
}

/// Tensors of any layout under our keys, and which layout it was. Counters are left out, other floating types made float32;
/// keys that the net doesn't have stay as they are.
pub fn import(
    net: &XResNetSpec,
    keys: &[String],
    tensors: HashMap<String, Tensor>,
) -> (HashMap<String, Tensor>, Layout) {
    let is_timm = tensors.contains_key(TIMM_FIRST);
    let has_counters = tensors.keys().any(|name| name.ends_with(COUNTER));
    let ours: HashMap<String, &String> = match is_timm {
        true => keys.iter().filter_map(|key| Some((timm_key(net, key)?, key))).collect(),
        false => HashMap::new(),
    };
    let mut imported: HashMap<String, Tensor> = tensors
        .into_iter()
        .filter(|(name, _)| !name.ends_with(COUNTER))
        .map(|(name, tensor)| {
            let key = ours.get(&name).map_or(name, |key| (*key).clone());
            let is_other_float = matches!(tensor.kind(), Kind::Half | Kind::BFloat16 | Kind::Double);
            (key, if is_other_float { tensor.to_kind(Kind::Float) } else { tensor })
        })
        .collect();
    // Other libraries don't freeze deconvolutions: theirs are at the start.
    for key in keys.iter().filter(|key| key.ends_with(FREEZE_COUNTER)) {
        imported.entry(key.clone()).or_insert_with(|| Tensor::zeros([1], (Kind::Int64, Device::Cpu)));
    }
    let layout = match (is_timm, has_counters) {
        (true, _) => Layout::Timm,
        (false, true) => Layout::Fastai,
        (false, false) => Layout::Native,
    };
    (imported, layout)
}

/// A line of Python that builds the net in timm.
///
/// # Errors
/// If timm has no such net.
pub fn timm_constructor(net: &XResNetSpec) -> Result<String, Inexpressible> {
    check_timm(net)?;
    let block = if net.block.kind == "basic" { "BasicBlock" } else { "Bottleneck" };
    let [first, second, _] = net.stem.widths;
    // A tiered stem has widths of three quarters of its own, and of its own.
    let (stem, width) = if first == second { ("deep", first) } else { ("deep_tiered", second) };
    let mut words = vec![
        format!("timm.models.resnet.{block}, {:?}, num_classes={}", net.layers, net.outputs),
        format!("stem_type='{stem}', stem_width={width}, avg_down=True"),
    ];
    if net.block.groups > 1 {
        words.push(format!("cardinality={}, base_width=4", net.block.groups));
    }
    if net.activation == Activation::Mish {
        words.push("act_layer=torch.nn.Mish".to_owned());
    }
    if net.squeeze_excite > 0 {
        let act = if net.activation == Activation::Mish { ", act_layer=torch.nn.Mish" } else { "" };
        let ratio = format!("rd_ratio=1/{}", net.squeeze_excite);
        let plain = net.squeeze_excite == 16 && act.is_empty();
        let module = match plain {
            true => "'se'".to_owned(),
            false => format!("functools.partial(timm.layers.SEModule, {ratio}{act})"),
        };
        words.push(format!("block_args={{'attn_layer': {module}}}"));
    }
    Ok(format!("timm.models.resnet.ResNet({})", words.join(", ")))
}

/// Refuses what timm's `ResNet` can't build.
fn check_timm(net: &XResNetSpec) -> Result<(), Inexpressible> {
    let no = |key, what: String| Err(Inexpressible { key, what });
    if net.stem.kind != "conv" {
        return no("stem.kind", format!("{:?}: its stems are of plain convolutions", net.stem.kind));
    }
    let [first, second, last] = net.stem.widths;
    if last != 64 || (first != second && (second % 4 != 0 || first != second / 4 * 3)) {
        let widths = "[w, w, 64] or [3w/4, w, 64]";
        return no("stem.widths", format!("{:?}: its deep stems are {widths}", net.stem.widths));
    }
    if net.pool != "max" {
        return no("pool", format!("{:?}: between stem and body it has a plain max pool", net.pool));
    }
    let is_basic = net.block.kind == "basic";
    if !is_basic && net.block.kind != "bottleneck" {
        return no("block.kind", format!("{:?}: its blocks are `basic` and `bottleneck`", net.block.kind));
    }
    if is_basic && net.block.groups != 1 {
        return no("block.groups", format!("{} in basic blocks: those have no groups", net.block.groups));
    }
    if net.block.expansion != if is_basic { 1 } else { 4 } {
        return no("block.expansion", format!("{}: 1 in basic blocks, 4 in bottlenecks", net.block.expansion));
    }
    if let Some(attention) = net.attention {
        return no("attention", format!("{attention:?} where ours stands"));
    }
    if net.self_attention.is_some() {
        return no("self_attention", "true: it has no such module".to_owned());
    }
    let widths = [64, 128, 256, 512].map(|width| width * net.block.expansion);
    if net.squeeze_excite > 0 && widths.iter().any(|&width| !is_timm_hidden_width(width, net.squeeze_excite)) {
        return no("squeeze_excite", format!("{}: it rounds the hidden widths otherwise", net.squeeze_excite));
    }
    Ok(())
}

/// timm rounds the hidden width to the nearest multiple of 8, ours goes up.
fn is_timm_hidden_width(channels: i64, reduction: i64) -> bool {
    let wanted = channels as f64 / reduction as f64;
    let rounded = ((wanted + 4.0) as i64 / 8 * 8).max(8);
    rounded == hidden_width(channels, reduction)
}

/// timm's key for one of ours; `None` for what it has no place for.
fn timm_key(net: &XResNetSpec, key: &str) -> Option<String> {
    let parts: Vec<&str> = key.split('.').collect();
    let last = parts.last()?;
    let convolutions = if net.block.kind == "basic" { 2 } else { 3 };
    match parts.as_slice() {
        ["11", name] => Some(format!("fc.{name}")),
        ["2", "1", name] => Some(format!("bn1.{name}")),
        // conv1 is convolution, norm, activation, convolution, norm, activation, convolution.
        [layer @ ("0" | "1" | "2"), part @ ("0" | "1"), name] => {
            let index = layer.parse::<usize>().ok()? * 3 + part.parse::<usize>().ok()?;
            Some(format!("conv1.{index}.{name}"))
        }
        [stage, block, branch, rest @ ..] => {
            let stage = stage.parse::<usize>().ok()?.checked_sub(3).filter(|stage| (1..=4).contains(stage))?;
            let inside = match (*branch, rest) {
                ("convpath", [_, "layers", layer, "0", _]) => format!("se.fc{layer}.{last}"),
                ("convpath", [index, part, _]) => {
                    let index = index.parse::<usize>().ok().filter(|&index| index < convolutions)? + 1;
                    format!("{}{index}.{last}", if *part == "0" { "conv" } else { "bn" })
                }
                // The pool before it, or nothing in its place, is module 0.
                ("idpath", [_, part, _]) => format!("downsample.{}.{last}", if *part == "0" { 1 } else { 2 }),
                _ => return None,
            };
            Some(format!("layer{stage}.{block}.{inside}"))
        }
        _ => None,
    }
}
