//! Numbers of a step that depend on whether the step applies: plain ones where that is certain, tensors on the device where
//! only the device knows (a loss scaler found an overflow), so that the host never waits for the answer.

use tch::{Kind, Tensor};

/// A number of a step.
pub(super) enum Factor {
    /// Known here.
    Known(f64),
    /// 0-dimensional, float64, on the device.
    OnDevice(Tensor),
}

impl Factor {
    /// `value` where the step applies (always, without `applied`), else `otherwise`.
    pub fn applied(value: f64, otherwise: f64, applied: Option<&Tensor>) -> Self {
        match applied {
            None => Self::Known(value),
            Some(applied) => Self::OnDevice(applied.to_kind(Kind::Double) * (value - otherwise) + otherwise),
        }
    }

    /// As a 0-dimensional tensor like `like`: lets `addcmul` do multiply-and-add in one call, where tch gives the scalar
    /// forms no factor.
    pub fn like(&self, like: &Tensor) -> Tensor {
        match self {
            // Filled where it is needed: a copy from the host would wait for the device.
            Self::Known(value) => Tensor::full([0_i64; 0], *value, (like.kind(), like.device())),
            Self::OnDevice(value) => value.to_kind(like.kind()),
        }
    }

    /// The same; kept in `constant` where it is known.
    pub fn kept(&self, constant: &mut Constant, like: &Tensor) -> Tensor {
        match self {
            Self::Known(value) => constant.like(*value, like),
            Self::OnDevice(_) => self.like(like),
        }
    }

    /// tensor ← tensor × this.
    pub fn multiply(&self, tensor: &mut Tensor) {
        let _ = match self {
            Self::Known(value) => tensor.g_mul_scalar_(*value),
            Self::OnDevice(_) => tensor.g_mul_(&self.like(tensor)),
        };
    }

    /// tensor ← tensor + this × (end − tensor).
    pub fn lerp(&self, tensor: &mut Tensor, end: &Tensor) {
        let _ = match self {
            Self::Known(weight) => tensor.lerp_(end, *weight),
            Self::OnDevice(_) => tensor.lerp_tensor_(end, &self.like(tensor)),
        };
    }

    /// This divided by another.
    pub fn over(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Known(value), Self::Known(other)) => Self::Known(value / other),
            (Self::OnDevice(value), Self::Known(other)) => Self::OnDevice(value / *other),
            (Self::Known(value), Self::OnDevice(other)) => Self::OnDevice(*value / other),
            (Self::OnDevice(value), Self::OnDevice(other)) => Self::OnDevice(value / other),
        }
    }

    /// This times a number.
    pub fn times(&self, number: f64) -> Self {
        match self {
            Self::Known(value) => Self::Known(value * number),
            Self::OnDevice(value) => Self::OnDevice(value * number),
        }
    }
}

/// Steps made.
pub(super) enum Count {
    /// As every step applied so far.
    Known(i64),
    /// 0-dimensional, float64, on the device.
    OnDevice(Tensor),
}

impl Count {
    /// Counts a step if it applies.
    pub fn up(&mut self, applied: Option<&Tensor>) {
        *self = match (&*self, applied) {
            (Self::Known(count), None) => Self::Known(count + 1),
            (Self::OnDevice(count), None) => Self::OnDevice(count + 1),
            (Self::Known(count), Some(applied)) => Self::OnDevice(applied.to_kind(Kind::Double) + *count as f64),
            (Self::OnDevice(count), Some(applied)) => Self::OnDevice(count + applied.to_kind(Kind::Double)),
        };
    }

    /// The number, waiting for the device where only that has it.
    pub fn read(&self) -> i64 {
        match self {
            Self::Known(count) => *count,
            Self::OnDevice(count) => count.double_value(&[]) as i64,
        }
    }

    /// As a saved tensor.
    pub fn save(&self) -> Tensor {
        Tensor::from(self.read()).to_kind(Kind::Int64)
    }

    /// From a saved tensor.
    pub fn load(saved: &Tensor) -> Self {
        Self::Known(saved.int64_value(&[]))
    }
}

/// A number as a tensor that is kept from step to step while it stays the same.
#[derive(Default)]
pub(super) struct Constant(Option<(f64, Tensor)>);

impl Constant {
    /// `value` as a 0-dimensional tensor like `like`.
    pub fn like(&mut self, value: f64, like: &Tensor) -> Tensor {
        match &self.0 {
            Some((known, tensor)) if known.to_bits() == value.to_bits() && tensor.device() == like.device() => {
                tensor.shallow_clone()
            }
            _ => {
                let tensor = Factor::Known(value).like(like);
                self.0 = Some((value, tensor.shallow_clone()));
                tensor
            }
        }
    }
}
