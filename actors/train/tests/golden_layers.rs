//! Single layers against PyTorch: outputs, gradients, buffers, in training and in evaluation.

use std::collections::BTreeMap;

use fastgarden_train::net::Layer;
use fastgarden_train::net::activation::Activation;
use fastgarden_train::net::conv_layer::ConvSpec;
use fastgarden_train::net::deconv::{DeconvSpec, FastDeconv};
use fastgarden_train::net::mixed_conv::MixedConv;
use fastgarden_train::net::part::find;
use fastgarden_train::net::pool::POOLS;
use fastgarden_train::net::self_attention::SelfAttention;
use fastgarden_train::net::squeeze_excite::SqueezeExcite;
use fastgarden_train::state::{Role, StateBuilder, StateDict};
use serde::Deserialize;
use serde_json::Value;
use tch::{Device, Tensor};

use crate::fill::{fill, input, rounded, wave};
use crate::golden::{Digest, PRECISIONS, SHARP, close, parse, read, values};

#[derive(Deserialize)]
struct Set {
    input_phase: f64,
    layers: Vec<Value>,
    mish: Value,
}

#[derive(Deserialize)]
struct Results {
    train_output: Digest,
    input_grad: Digest,
    param_grads: BTreeMap<String, Digest>,
    buffers_after: BTreeMap<String, Digest>,
    eval_output: Digest,
}

fn tolerance(column: &str) -> f64 {
    if column == "float64" { SHARP } else { 1e-4 }
}

/// The layer that an entry names.
fn layer(state: &mut StateBuilder, case: &Value) -> Box<dyn Layer> {
    let number = |name: &str| -> i64 { parse(&case[name]) };
    let name: String = parse(&case["layer"]);
    match name.as_str() {
        "FastDeconv" | "FastDeconv + weight_norm" => {
            let plain = DeconvSpec::new(number("ni"), number("nf"), number("kernel"), number("stride"));
            let spec = DeconvSpec { weight_norm: name.ends_with("weight_norm"), ..plain };
            if !case["block"].is_null() {
                assert_eq!(spec.block(), number("block"), "{case}");
            }
            Box::new(FastDeconv::new(state, &spec))
        }
        "SimpleSelfAttention" => Box::new(SelfAttention::new(state, number("n"))),
        "SEModule" => {
            let act: String = parse(&case["act"]);
            let named = |(name, _): &&(&str, Activation)| name.eq_ignore_ascii_case(&act);
            let activation = Activation::ALL.iter().find(named).expect("a known activation").1;
            Box::new(SqueezeExcite::new(state, number("channels"), number("reduction"), activation))
        }
        "MaxBlurPool2020" => {
            let pool = find(POOLS, "pool", "max_blur_2020").expect("a pooling");
            (pool.make.build)(state, parse(&case["input_shape"][1]))
        }
        "MixedConv" => {
            let kernels: Vec<i64> = parse(&case["kernels"]);
            let (channels_in, channels_out) = (number("ni"), number("nf"));
            let (stride, groups) = (number("stride"), number("groups"));
            let spec = ConvSpec { channels_in, channels_out, kernels: &kernels, stride, groups };
            Box::new(MixedConv::new(state, &spec))
        }
        other => panic!("the golden file has a layer {other:?} that this test doesn't know"),
    }
}

#[test]
fn golden_layers() {
    // As for the nets: alone it is faster on a busy machine.
    tch::set_num_threads(1);
    let set: Set = parse(&read("layers.json"));
    assert!(!set.layers.is_empty());
    for case in &set.layers {
        for (column, kind) in PRECISIONS {
            let mut state = StateBuilder::new(Device::Cpu, kind);
            let layer = layer(&mut state, case);
            let state = state.finish();
            fill(&state, case["gamma"].as_f64().unwrap_or_default());
            let shape: Vec<i64> = parse(&case["input_shape"]);
            let x = input(&shape, set.input_phase, kind);
            let what = format!("{} of {shape:?} {column}", case["layer"]);
            check(&*layer, &state, &x, &parse(&case[column]), tolerance(column), &what);
        }
    }
}

fn check(layer: &dyn Layer, state: &StateDict, x: &Tensor, results: &Results, tolerance: f64, what: &str) {
    let x = x.set_requires_grad(true);
    let out = layer.forward(&x, true);
    results.train_output.check(&out, tolerance, &format!("{what}: training output"));
    let cotangent = rounded(&wave("grad", out.numel() as u64), &out.size(), out.kind());
    (out * cotangent).sum(None).backward();
    results.input_grad.check(&x.grad(), tolerance, &format!("{what}: gradient of the input"));
    let check_all = |digests: &BTreeMap<String, Digest>, role: Role, tensor: fn(&Tensor) -> Tensor| {
        assert_eq!(
            digests.len(),
            state.entries().iter().filter(|entry| entry.role == role).count(),
            "{what}: {role:?}s"
        );
        for (key, digest) in digests {
            let entry = state.get(key).unwrap_or_else(|| panic!("{what}: no {key}"));
            digest.check(&tensor(&entry.tensor), tolerance, &format!("{what}: {role:?} {key}"));
        }
    };
    check_all(&results.param_grads, Role::Parameter, Tensor::grad);
    check_all(&results.buffers_after, Role::Buffer, Tensor::shallow_clone);
    let _guard = tch::no_grad_guard();
    results.eval_output.check(&layer.forward(&x, false), tolerance, &format!("{what}: evaluation output"));
}

#[test]
fn golden_mish() {
    let set: Set = parse(&read("layers.json"));
    let x: Vec<f64> = parse(&set.mish["x"]);
    assert!(!x.is_empty());
    for (column, kind) in PRECISIONS {
        let at = rounded(&x, &[x.len() as i64], kind).set_requires_grad(true);
        let out = Activation::Mish.apply(&at * 1.0);
        out.sum(None).backward();
        for (name, tensor) in [("y", &out), ("dy", &at.grad())] {
            let expected: Vec<f64> = parse(&set.mish[column][name]);
            let found = values(tensor);
            assert_eq!(found.len(), expected.len());
            for ((&x, found), expected) in x.iter().zip(found).zip(expected) {
                // Relative to each value; those too small for float32 to hold normally count as much as the smallest.
                let scale = expected.abs().max(f64::from(f32::MIN_POSITIVE));
                close(found, expected, scale, tolerance(column), &format!("mish {name}({x}) {column}"));
            }
        }
    }
}
