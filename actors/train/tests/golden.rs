//! Reading golden files and comparing with them. Nothing here knows the content of one set.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use tch::{Kind, Tensor};

/// Relative tolerance of everything in float64 but gradient norms.
pub const SHARP: f64 = 1e-8;

/// The parsed golden file of this name.
pub fn read(name: &str) -> Value {
    let folder = std::env::var_os("FASTGARDEN_GOLDEN")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden"), PathBuf::from);
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A part of a golden file in the shape that the test expects.
pub fn parse<T: for<'a> Deserialize<'a>>(value: &Value) -> T {
    T::deserialize(value).unwrap_or_else(|error| panic!("{error} in {value}"))
}

/// Both precisions that a golden entry may have, with the names of their columns.
pub const PRECISIONS: [(&str, Kind); 2] = [("float64", Kind::Double), ("float32", Kind::Float)];

/// The digest of a tensor: enough to tell it from another.
#[derive(Deserialize)]
pub struct Digest {
    shape: Vec<i64>,
    sum: f64,
    l2: f64,
    first: Vec<f64>,
}

impl Digest {
    /// Asserts that `tensor` has this digest, within `tolerance` of its l2 norm.
    pub fn check(&self, tensor: &Tensor, tolerance: f64, what: &str) {
        assert_eq!(tensor.size(), self.shape, "{what}: shape");
        let values = values(tensor);
        assert!(!self.first.is_empty(), "{what}: the digest says nothing of the values");
        // A sum may be far larger than the norm, and is written with as many digits.
        close(values.iter().sum(), self.sum, self.l2.max(self.sum.abs()), tolerance, &format!("{what}: sum"));
        close(l2(&values), self.l2, self.l2, tolerance, &format!("{what}: l2"));
        for (index, &expected) in self.first.iter().enumerate() {
            close(values[index], expected, self.l2, tolerance, &format!("{what}: value {index}"));
        }
    }
}

/// Asserts |found − expected| ≤ tolerance × scale. A NaN anywhere fails.
pub fn close(found: f64, expected: f64, scale: f64, tolerance: f64, what: &str) {
    let error = (found - expected).abs();
    assert!(
        error <= tolerance * scale.abs(),
        "{what}: {found} instead of {expected} (allowed: {tolerance} of {scale})"
    );
}

/// All values of a tensor in C order as f64.
pub fn values(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.detach().to_kind(Kind::Double).contiguous().view([-1]);
    Vec::<f64>::try_from(flat).expect("a flat float64 tensor is a vector")
}

/// Root of the sum of squares.
pub fn l2(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}
