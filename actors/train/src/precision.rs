//! In which precision a stage computes, and the scaler that keeps float16 gradients from vanishing.
//! Not here: what stays in full precision within a net (see `net::precision`).

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

use crate::optimizer::{OptimizerStateError, load_handles, save_handles};

/// How the forward and backward pass compute. Weights, norms' statistics, optimiser state and the loss are float32
/// throughout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Precision {
    /// Kind of the views, and so of what the layers make of them.
    pub kind: Kind,
    /// Whether a [`Scaler`] watches over the gradients.
    pub is_scaled: bool,
}

impl Precision {
    /// float32.
    pub const FULL: Self = Self { kind: Kind::Float, is_scaled: false };
    /// bfloat16: float32's range, so that no scaler is needed.
    pub const BFLOAT16: Self = Self { kind: Kind::BFloat16, is_scaled: false };
    /// float16, in which gradients vanish and overflow.
    pub const HALF: Self = Self { kind: Kind::Half, is_scaled: true };

    /// A view in this precision.
    pub fn of_view(self, view: Tensor) -> Tensor {
        if view.kind() == self.kind { view } else { view.to_kind(self.kind) }
    }
}

/// Where the scale begins, and how it moves: fastai 2's `MixedPrecision`.
const SCALE_START: f64 = 16_777_216.0;
/// An overflow multiplies the scale by this.
const BACKOFF: f64 = 0.5;
/// Enough steps without one multiply it by this.
const GROWTH: f64 = 2.0;
/// How many those are.
const GOOD_STEPS: i64 = 500;

/// A dynamic loss scaler (Micikevicius et al. 2018). The loss is multiplied by a scale before the backward pass and the
/// gradients divided by it after; when one of them has overflowed, the step is skipped and the scale halved.
///
/// Scale, count and decision are tensors on the device: nothing here waits for it.
pub struct Scaler {
    scale: Tensor,
    /// Steps without overflow since the scale last moved.
    good_steps: Tensor,
}

impl Scaler {
    /// A scaler at its start.
    pub fn new(device: Device) -> Self {
        Self {
            scale: Tensor::full([1], SCALE_START, (Kind::Float, device)),
            good_steps: Tensor::zeros([1], (Kind::Int, device)),
        }
    }

    /// The loss to go backward from.
    pub fn scaled(&self, loss: &Tensor) -> Tensor {
        loss * self.scale.squeeze()
    }

    /// Divides all gradients, given in one tensor, by the scale, moves the scale, and says whether the step is to be
    /// made: a 0-dimensional bool on the device, false where a gradient was infinite or not a number.
    pub fn unscale(&mut self, gradient: &mut Tensor) -> Tensor {
        let _guard = tch::no_grad_guard();
        let mut overflowed = self.scale.zeros_like();
        gradient.internal_amp_non_finite_check_and_unscale(&mut overflowed, &self.scale.reciprocal());
        let _ = self.scale.internal_amp_update_scale_(&self.good_steps, &overflowed, GROWTH, BACKOFF, GOOD_STEPS);
        overflowed.eq(0.0).squeeze()
    }

    /// Copies of its state on the CPU.
    pub fn save(&self) -> Vec<(String, Tensor)> {
        save_handles(self.handles().into_iter())
    }

    /// Puts back what [`save`](Self::save) gave.
    pub fn load(&mut self, tensors: &HashMap<String, Tensor>) -> Result<(), OptimizerStateError> {
        load_handles(self.handles(), tensors)
    }

    fn handles(&self) -> Vec<(String, Tensor)> {
        [("scale", &self.scale), ("good_steps", &self.good_steps)]
            .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::StateDict;

    fn one_parameter() -> StateDict {
        let one = Tensor::ones([2], (Kind::Float, Device::Cpu));
        StateDict::of_parameters([("w".to_owned(), one, true)], Device::Cpu, Kind::Float)
    }

    /// A backward pass that gives the gradient `slope`; whether the step is to be made, and the scale after it.
    fn pass(scaler: &mut Scaler, state: &StateDict, slope: f64) -> (bool, f64) {
        state.entries()[0].tensor.shallow_clone().zero_grad();
        scaler.scaled(&(state.entries()[0].tensor.sum(Kind::Float) * slope)).backward();
        let applied = scaler.unscale(&mut state.entries()[0].tensor.grad());
        assert_eq!(applied.kind(), Kind::Bool);
        (applied.int64_value(&[]) == 1, scaler.scale.double_value(&[0]))
    }

    #[test]
    fn a_product_in_bf16_has_nothing_of_other_rows() {
        let filled = |size: [i64; 3]| Tensor::ones(size, (Kind::BFloat16, Device::Cpu));
        let rows = filled([4, 128, 33]);
        let _every_second = rows.slice(1, 1, None, 2).fill_(f64::NAN);
        let product = rows.bmm(&filled([4, 33, 96]));
        let sums = product.slice(1, 0, None, 2).to_kind(Kind::Float);
        assert!(
            sums.eq(33.0).all().int64_value(&[]) == 1,
            "oneDNN uses AMX: see ONEDNN_MAX_CPU_ISA in .cargo/config.toml"
        );
    }

    #[test]
    fn gradients_come_back_as_they_were_and_overflows_halve_the_scale() {
        let (mut scaler, state) = (Scaler::new(Device::Cpu), one_parameter());
        assert_eq!(pass(&mut scaler, &state, 0.75), (true, SCALE_START));
        assert_eq!(state.entries()[0].tensor.grad().double_value(&[1]), 0.75);
        assert_eq!(pass(&mut scaler, &state, f64::INFINITY), (false, SCALE_START / 2.0));
        assert_eq!(pass(&mut scaler, &state, f64::NAN), (false, SCALE_START / 4.0));
        // Finite, but not when it is scaled.
        assert_eq!(pass(&mut scaler, &state, 1e36), (false, SCALE_START / 8.0));
        assert_eq!(pass(&mut scaler, &state, -2.0), (true, SCALE_START / 8.0));
        assert_eq!(state.entries()[0].tensor.grad().double_value(&[0]), -2.0);
    }

    #[test]
    fn the_scale_grows_again_after_enough_good_steps_in_a_row() {
        let (mut scaler, state) = (Scaler::new(Device::Cpu), one_parameter());
        pass(&mut scaler, &state, 1.0);
        pass(&mut scaler, &state, f64::INFINITY);
        for _ in 0..GOOD_STEPS - 1 {
            assert_eq!(pass(&mut scaler, &state, 1.0), (true, SCALE_START / 2.0));
        }
        assert_eq!(pass(&mut scaler, &state, 1.0), (true, SCALE_START));
    }

    #[test]
    fn a_saved_scaler_goes_on_where_it_was() {
        let (mut scaler, state) = (Scaler::new(Device::Cpu), one_parameter());
        for slope in [f64::INFINITY, 1.0, 1.0, 1.0] {
            pass(&mut scaler, &state, slope);
        }
        let mut again = Scaler::new(Device::Cpu);
        again.load(&scaler.save().into_iter().collect()).expect("the same names");
        assert_eq!((&again.scale, &again.good_steps), (&scaler.scale, &scaler.good_steps));
        assert_eq!(again.good_steps.int64_value(&[0]), 3);
        assert!(again.load(&HashMap::new()).is_err());
    }
}
