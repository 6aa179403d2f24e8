//! Activations between layers. Not for the sigmoids inside attention modules, which are part of what those are.

use tch::Tensor;

/// What stands after a norm, inside squeeze-and-excite, and after the sum of a residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x·tanh(ln(1 + eˣ)) (Misra 2019).
    Mish,
}

impl Activation {
    /// Every activation with its name in recipes.
    pub const ALL: &'static [(&'static str, Self)] = &[("relu", Self::Relu), ("mish", Self::Mish)];

    /// Its name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Mish => "mish",
        }
    }

    /// The activation of `x`, which must be a fresh tensor that no backward pass reads: ReLU overwrites it.
    pub fn apply(self, mut x: Tensor) -> Tensor {
        match self {
            Self::Relu => x.relu_(),
            Self::Mish => x.mish(),
        }
    }
}
