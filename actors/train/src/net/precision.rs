//! Keeping an island of a net in full precision while the rest runs in half: sums over thousands of positions overflow
//! float16 at 65,504. Not for choosing the precision of a run.

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
