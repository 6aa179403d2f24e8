//! Cross-entropy with label smoothing and its gradient, against PyTorch.

use fastgarden_train::loss::{Targets, cross_entropy};
use serde_json::Value;
use tch::Tensor;

use crate::fill::{rounded, wave};
use crate::golden::{Digest, PRECISIONS, SHARP, close, parse, read};

#[test]
fn golden_label_smoothing() {
    let set = read("augment.json");
    let cases: Vec<Value> = parse(&set["label_smoothing"]);
    assert!(!cases.is_empty());
    for case in &cases {
        let (eps, classes): (f64, i64) = (parse(&case["eps"]), parse(&case["classes"]));
        let labels: Vec<i64> = parse(&case["labels"]);
        let rows = labels.len() as i64;
        let filled: Vec<f64> = wave("logits", (rows * classes) as u64).iter().map(|s| 3.0 * s).collect();
        for (column, kind) in PRECISIONS {
            let tolerance = if column == "float64" { SHARP } else { 1e-4 };
            let logits = rounded(&filled, &[rows, classes], kind).set_requires_grad(true);
            let loss = cross_entropy(&logits, &Targets::Classes(Tensor::from_slice(&labels)), eps);
            loss.backward();
            let what = format!("{column}, eps {eps}, {classes} classes");
            let expected: f64 = parse(&case[column]["loss"]);
            close(loss.double_value(&[]), expected, expected, tolerance, &what);
            let gradient: Digest = parse(&case[column]["logit_grad"]);
            gradient.check(&logits.grad(), tolerance, &format!("{what}: gradient"));
        }
    }
}
