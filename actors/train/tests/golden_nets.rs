//! The nets against PyTorch and fastai: counts, keys, outputs, loss, gradients, running statistics.

use std::collections::BTreeMap;

use fastgarden_train::loss::{Targets, cross_entropy};
use fastgarden_train::net::Net;
use fastgarden_train::net::activation::Activation;
use fastgarden_train::net::block::BlockSpec;
use fastgarden_train::net::mk_block::Variant;
use fastgarden_train::net::stem::StemSpec;
use fastgarden_train::net::xresnet::{XResNet, XResNetSpec};
use fastgarden_train::state::Role;
use serde::Deserialize;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::fill::{fill, input};
use crate::golden::{Digest, PRECISIONS, SHARP, close, l2, parse, read, values};

/// What self-attention's factor is filled with.
const GAMMA: f64 = 1e-4;

#[derive(Deserialize)]
struct Set {
    input_size: i64,
    batch: i64,
    input_phase: f64,
    labels: Vec<i64>,
    label_smoothing: f64,
    gradient_norms_columns: Vec<String>,
    models: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Model {
    n_params: u64,
    n_params_without_weight_decay: u64,
    n_buffer_numbers: u64,
    gradient_norms: Vec<Vec<Value>>,
    state: Vec<(String, String, Vec<i64>)>,
    #[serde(flatten)]
    precisions: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Results {
    eval_logits: Vec<Row>,
    train_logits: Vec<Row>,
    loss: f64,
    buffers_after_training_forward: BTreeMap<String, Digest>,
}

#[derive(Deserialize)]
struct Row {
    first8: Vec<f64>,
    sum: f64,
    l2: f64,
}

struct Tolerances {
    eval_logits: f64,
    train_logits: f64,
    loss: f64,
    gradient_norms: f64,
    gamma_gradient: f64,
    buffers: f64,
}

fn tolerances(name: &str, kind: Kind) -> Tolerances {
    if kind == Kind::Double {
        return Tolerances {
            eval_logits: SHARP,
            train_logits: SHARP,
            loss: SHARP,
            gradient_norms: 1e-7,
            gamma_gradient: 1e-7,
            buffers: SHARP,
        };
    }
    let train_logits = if name.starts_with("xresnet50") { 1e-3 } else { 3e-4 };
    // The systems are smooth; a rounding error at a ReLU can flip its derivative.
    let gradient_norms = if name.starts_with("system") { 5e-3 } else { 5e-2 };
    let gamma_gradient = if name == "xresnet50_sa_1000" { 2e-1 } else { gradient_norms };
    Tolerances { eval_logits: 1e-4, train_logits, loss: 1e-4, gradient_norms, gamma_gradient, buffers: 1e-4 }
}

/// The nets by their names in the golden file.
pub fn spec(name: &str, outputs: i64) -> XResNetSpec {
    let with_self_attention = XResNetSpec { self_attention: Some(0), ..XResNetSpec::xresnet50(outputs) };
    let multi_kernel = |stem, variant| {
        let kernels = vec![vec![3, 5], vec![3, 5, 7, 9], vec![3, 5, 7, 9], vec![3, 5]];
        let block = BlockSpec { variant, kernels, ..BlockSpec::new("mk").expect("a kind of block") };
        let plain = XResNetSpec { squeeze_excite: 16, activation: Activation::Mish, ..with_self_attention.clone() };
        XResNetSpec { stem, block, ..plain }
    };
    match name {
        "xresnet18" => XResNetSpec::xresnet18(outputs),
        "xresnet34" => XResNetSpec::xresnet34(outputs),
        "xresnet50" => XResNetSpec::xresnet50(outputs),
        "xresnet50_sa_1000" => with_self_attention,
        "xse_resnext34" => XResNetSpec::xse_resnext34(outputs),
        "xse_resnext50" => XResNetSpec::xse_resnext50(outputs),
        "system1" => {
            let stem = StemSpec { weight_norm: true, ..StemSpec::new("deconv", [24, 32, 64]) };
            multi_kernel(stem, Variant::F)
        }
        "system2" => multi_kernel(StemSpec::new("conv", [24, 32, 64]), Variant::E),
        "system3" => {
            let like = XResNetSpec::xse_resnext34(outputs);
            XResNetSpec {
                stem: StemSpec::new("deconv", [32, 32, 64]),
                pool: "max_blur_2020",
                block: BlockSpec { groups: 64, ..like.block },
                squeeze_excite: 8,
                self_attention: Some(0),
                activation: Activation::Mish,
                ..like
            }
        }
        "system4" => XResNetSpec { activation: Activation::Mish, ..with_self_attention },
        _ => panic!("the golden file has a net {name:?} that this test doesn't know"),
    }
}

/// Checks the nets of the golden file whose names fit. They are in several tests so that these run side by side.
fn check_nets(fits: fn(&str) -> bool) {
    // On a busy machine libtorch's threads mostly wait for each other; alone it is several times faster.
    tch::set_num_threads(1);
    let set: Set = parse(&read("models.json"));
    assert!(!set.models.is_empty());
    for (name, model) in set.models.iter().filter(|(name, _)| fits(name)) {
        let model: Model = parse(model);
        let outputs = model.state.last().expect("a net has tensors").2[0];
        let spec = spec(name, outputs);
        for (column, kind) in PRECISIONS {
            let net = XResNet::new(&spec, Device::Cpu, kind);
            check_state(name, &model, &net);
            check_numbers(name, &set, &model, column, &net);
        }
    }
}

#[test]
fn golden_xresnet() {
    check_nets(|name| name.starts_with("xresnet"));
}

#[test]
fn golden_xse_resnext() {
    check_nets(|name| name.starts_with("xse_resnext"));
}

#[test]
fn golden_multi_kernel_systems() {
    check_nets(|name| ["system1", "system2"].contains(&name));
}

#[test]
fn golden_other_nets() {
    check_nets(|name| !name.starts_with('x') && !["system1", "system2"].contains(&name));
}

fn check_state(name: &str, model: &Model, net: &XResNet) {
    let state = net.state();
    assert_eq!(state.parameter_count(), model.n_params, "{name}: parameters");
    assert_eq!(state.parameter_count_without_decay(), model.n_params_without_weight_decay, "{name}: without decay");
    assert_eq!(state.buffer_count(), model.n_buffer_numbers, "{name}: buffers");
    let found: Vec<_> = state
        .entries()
        .iter()
        .map(|entry| {
            let role = if entry.role == Role::Parameter { "parameter" } else { "buffer" };
            (entry.key.clone(), role.to_owned(), entry.tensor.size())
        })
        .collect();
    let expected: Vec<_> = model.state.iter().filter(|(key, ..)| !key.ends_with("num_batches_tracked")).collect();
    assert!(found.iter().eq(expected), "{name}: keys, roles or shapes differ: {found:?}");
}

fn check_numbers(name: &str, set: &Set, model: &Model, column: &str, net: &XResNet) {
    let results: Results = parse(&model.precisions[column]);
    let kind = net.state().entries()[0].tensor.kind();
    let tolerances = tolerances(name, kind);
    let at = |what: &str| format!("{name} {column} {what}");
    fill(net.state(), GAMMA);
    let images = input(&[set.batch, 3, set.input_size, set.input_size], set.input_phase, kind);
    let targets = Targets::Classes(Tensor::from_slice(&set.labels));
    {
        let _guard = tch::no_grad_guard();
        let logits = net.logits(&images, false);
        check_logits(&logits, &results.eval_logits, tolerances.eval_logits, &at("eval logits"));
    }
    let logits = net.logits(&images, true);
    check_logits(&logits, &results.train_logits, tolerances.train_logits, &at("train logits"));
    assert!(!results.buffers_after_training_forward.is_empty(), "{}", at("no buffers to check"));
    for (key, digest) in &results.buffers_after_training_forward {
        let entry = net.state().get(key).unwrap_or_else(|| panic!("{}", at(key)));
        digest.check(&entry.tensor, tolerances.buffers, &at(key));
    }
    let loss = cross_entropy(&logits, &targets, set.label_smoothing);
    close(loss.double_value(&[]), results.loss, results.loss, tolerances.loss, &at("loss"));
    loss.backward();
    check_gradients(set, model, column, net, &tolerances, &at("gradient norm"));
}

fn check_logits(logits: &Tensor, rows: &[Row], tolerance: f64, what: &str) {
    assert_eq!(logits.size()[0], rows.len() as i64, "{what}: rows");
    for (index, row) in rows.iter().enumerate() {
        let found = values(&logits.get(index as i64));
        let what = format!("{what} of image {index}");
        for (class, &expected) in row.first8.iter().enumerate() {
            close(found[class], expected, row.l2, tolerance, &format!("{what}, class {class}"));
        }
        close(found.iter().sum(), row.sum, row.l2, tolerance, &format!("{what}, sum"));
        close(l2(&found), row.l2, row.l2, tolerance, &format!("{what}, l2"));
    }
}

fn check_gradients(set: &Set, model: &Model, column: &str, net: &XResNet, tolerances: &Tolerances, what: &str) {
    let column = set.gradient_norms_columns.iter().position(|name| name == column).expect("a column of this precision");
    assert_eq!(model.gradient_norms.len(), net.state().parameters().count(), "{what}: number of parameters");
    for row in &model.gradient_norms {
        let key = row[0].as_str().expect("the first column is the key");
        let expected = row[column].as_f64().expect("a norm is a number");
        let entry = net.state().get(key).unwrap_or_else(|| panic!("{what}: no {key}"));
        let tolerance = if key.ends_with(".gamma") { tolerances.gamma_gradient } else { tolerances.gradient_norms };
        close(l2(&values(&entry.tensor.grad())), expected, expected, tolerance, &format!("{what} of {key}"));
    }
}
