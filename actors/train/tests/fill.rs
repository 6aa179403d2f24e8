//! The filling rules of the golden numbers: weights and inputs by formula, so that no file holds any.

use std::f64::consts::{PI, SQRT_2};

use fastgarden_train::state::StateDict;
use tch::{Device, Kind, Tensor};

use crate::golden::l2;

const QUAD_PERIOD: u64 = 1009;

fn quad(index: u64) -> f64 {
    2.0 * PI * ((index * index) % QUAD_PERIOD) as f64 / QUAD_PERIOD as f64
}

/// s_i(key) for i in 0..count.
pub fn wave(key: &str, count: u64) -> Vec<f64> {
    Vec::<f64>::try_from(wave_tensor(key, count as i64)).expect("a flat float64 tensor is a vector")
}

/// s_i(key) for i in 0..count in a float64 tensor: a net has tens of millions.
fn wave_tensor(key: &str, count: i64) -> Tensor {
    let h = f64::from(crc32fast::hash(key.as_bytes()) % 1000);
    // i mod 1009 is enough to know i² mod 1009.
    let quads: Vec<f64> = (0..QUAD_PERIOD).map(quad).collect();
    let period = QUAD_PERIOD as i64;
    let quads = Tensor::from_slice(&quads).repeat([(count + period - 1) / period]).narrow(0, 0, count);
    let mut phase = Tensor::arange(count, (Kind::Double, Device::Cpu)) * 0.7;
    phase += 0.01 * h;
    phase += quads;
    phase.sin_()
}

/// Values rounded to float32, in a tensor of `shape` and `kind`.
pub fn rounded(values: &[f64], shape: &[i64], kind: Kind) -> Tensor {
    Tensor::from_slice(values).to_kind(Kind::Float).view(shape).to_kind(kind)
}

/// What the formula makes of the tensor `key` of `shape`, float64. `gamma` is the value of self-attention's factor.
fn filled(key: &str, shape: &[i64], gamma: f64) -> Tensor {
    let count: i64 = shape.iter().product();
    let s = wave_tensor(key, count);
    let last = key.rsplit('.').next().expect("rsplit gives at least one part");
    let values = match last {
        "running_var" => s * 0.2 + 1.0,
        "running_deconv" => {
            let side = shape[shape.len() - 1];
            let identity = Tensor::eye(side, (Kind::Double, Device::Cpu));
            s.view(shape) * (0.2 / (side as f64).sqrt()) + identity
        }
        "running_mean" | "bias" => s * 0.1,
        "gamma" => Tensor::full([count], gamma, (Kind::Double, Device::Cpu)),
        "weight_u" | "weight_v" if shape.len() == 1 => &s / s.norm(),
        "weight_g" => (s * 0.1 + 1.0) * 1.5,
        _ if shape.len() == 1 => s * 0.1 + 1.0,
        _ => s * (SQRT_2 * (2.0 * shape[0] as f64 / count as f64).sqrt()),
    };
    values.view(shape)
}

/// Overwrites every tensor of `state` by the rule that its key and shape name; counters stay 0.
pub fn fill(state: &StateDict, gamma: f64) {
    let _guard = tch::no_grad_guard();
    for entry in state.entries().iter().filter(|entry| entry.tensor.kind() != Kind::Int64) {
        let values = filled(&entry.key, &entry.tensor.size(), gamma).to_kind(Kind::Float);
        entry.tensor.shallow_clone().copy_(&values);
    }
}

/// The input batch of this shape, `[N, C, H, W]`.
pub fn input(shape: &[i64], phase: f64, kind: Kind) -> Tensor {
    let image = shape[1..].iter().product::<i64>() as u64;
    let values: Vec<f64> = (0..shape[0] as u64 * image)
        .map(|i| {
            let k = i / image;
            let amplitude = 0.12 + 0.08 * (k % 4) as f64;
            0.5 + amplitude * (0.05 * ((k + 1) * i) as f64 + phase).sin() + 0.14 * (quad(i) + phase).sin()
        })
        .collect();
    rounded(&values, shape, kind)
}

/// The formulas themselves, against the check values written down with them.
#[test]
fn golden_filling_rules() {
    assert_eq!(crc32fast::hash(b"0.0.weight"), 1_829_393_953);
    let s = wave("0.0.weight", 1001);
    let expected = [(0, -0.105027982607), (1, -0.725285620998), (31, -0.466057343699), (1000, 0.034451893781)];
    for (index, value) in expected {
        assert!((s[index] - value).abs() < 1e-11, "s_{index} is {}", s[index]);
    }
    let x = crate::golden::values(&input(&[4, 3, 64, 64], 0.3, Kind::Double));
    for (index, value) in [(0, 0.576835275), (1, 0.583352625), (12_288, 0.483157665), (49_151, 0.425270617)] {
        assert!((x[index] - value).abs() < 1e-8, "x_{index} is {}", x[index]);
    }
    assert!((l2(&[3.0, 4.0]) - 5.0).abs() < 1e-15);
}
