//! The filling rules of the golden numbers: weights and inputs by formula, so that no file holds any.

use std::f64::consts::{PI, SQRT_2};

use fastgarden_train::state::StateDict;
use tch::{Kind, Tensor};

use crate::golden::l2;

fn quad(index: u64) -> f64 {
    2.0 * PI * ((index * index) % 1009) as f64 / 1009.0
}

/// s_i(key) for i in 0..count.
pub fn wave(key: &str, count: u64) -> Vec<f64> {
    let h = f64::from(crc32fast::hash(key.as_bytes()) % 1000);
    (0..count).map(|i| (0.7 * i as f64 + 0.01 * h + quad(i)).sin()).collect()
}

/// Values rounded to float32, in a tensor of `shape` and `kind`.
pub fn rounded(values: &[f64], shape: &[i64], kind: Kind) -> Tensor {
    Tensor::from_slice(values).to_kind(Kind::Float).view(shape).to_kind(kind)
}

/// Overwrites every tensor of `state` by the rule that its key and shape name.
pub fn fill(state: &StateDict) {
    let _guard = tch::no_grad_guard();
    for entry in state.entries() {
        let shape = entry.tensor.size();
        let s = wave(&entry.key, entry.numel());
        let last = entry.key.rsplit('.').next().expect("rsplit gives at least one part");
        let by = |offset: f64, factor: f64| s.iter().map(|value| offset + factor * value).collect::<Vec<f64>>();
        let values = match last {
            "running_var" => by(1.0, 0.2),
            "running_mean" | "bias" => by(0.0, 0.1),
            _ if shape.len() == 1 => by(1.0, 0.1),
            _ => by(0.0, SQRT_2 * (2.0 * shape[0] as f64 / entry.numel() as f64).sqrt()),
        };
        entry.tensor.shallow_clone().copy_(&rounded(&values, &shape, entry.tensor.kind()));
    }
}

/// The input batch `[batch, 3, size, size]`.
pub fn input(batch: i64, size: i64, phase: f64, kind: Kind) -> Tensor {
    let image = (3 * size * size) as u64;
    let values: Vec<f64> = (0..batch as u64 * image)
        .map(|i| {
            let k = i / image;
            let amplitude = 0.12 + 0.08 * (k % 4) as f64;
            0.5 + amplitude * (0.05 * ((k + 1) * i) as f64 + phase).sin() + 0.14 * (quad(i) + phase).sin()
        })
        .collect();
    rounded(&values, &[batch, 3, size, size], kind)
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
    let x = crate::golden::values(&input(4, 64, 0.3, Kind::Double));
    for (index, value) in [(0, 0.576835275), (1, 0.583352625), (12_288, 0.483157665), (49_151, 0.425270617)] {
        assert!((x[index] - value).abs() < 1e-8, "x_{index} is {}", x[index]);
    }
    assert!((l2(&[3.0, 4.0]) - 5.0).abs() < 1e-15);
}
