//! Precision within a net: a layer computes in the kind of its input, whatever kind its weights are kept in, so that
//! float16 or bfloat16 images make a forward pass in mixed precision, on the CPU too. Islands stay in full precision:
//! sums over thousands of positions overflow float16 at 65,504. Not for choosing the precision of a run.

use tch::{Kind, Tensor};

/// Runs `compute` without automatic casts to half precision.
pub(crate) fn in_full_precision<T>(compute: impl FnOnce() -> T) -> T {
    tch::autocast(false, compute)
}

/// `x` in float32 where it is in half precision; float32 and float64 stay as they are.
pub(crate) fn widened(x: &Tensor) -> Tensor {
    match x.kind() {
        Kind::Half | Kind::BFloat16 => x.to_kind(Kind::Float),
        _ => x.shallow_clone(),
    }
}

/// `weight` in the kind of the input that it meets.
pub(crate) fn of_kind_of(weight: &Tensor, x: &Tensor) -> Tensor {
    // No call at all in the common case.
    if weight.kind() == x.kind() { weight.shallow_clone() } else { weight.to_kind(x.kind()) }
}
