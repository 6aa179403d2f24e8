//! Clipping of gradients by their norm over all parameters, as `torch.nn.utils.clip_grad_norm_` does it.
//! Nothing here waits for a device: the factor stays there.

use tch::Tensor;

use crate::state::StateDict;

/// Added to the norm that the factor is taken from, as torch does.
const NORM_EPS: f64 = 1e-6;

/// Shrinks all gradients by one factor where their l2 norm over all parameters is above `norm_max`. Call it between the
/// backward pass and the optimiser's step.
pub fn clip_gradients(state: &StateDict, norm_max: f64) {
    let _guard = tch::no_grad_guard();
    let gradients: Vec<Tensor> = state.parameters().map(|entry| entry.tensor.grad()).filter(Tensor::defined).collect();
    if gradients.is_empty() {
        return;
    }
    let norms: Vec<Tensor> = gradients.iter().map(Tensor::norm).collect();
    let factor = (norm_max / (Tensor::stack(&norms, 0).norm() + NORM_EPS)).clamp_max(1.0);
    for mut gradient in gradients {
        let _ = gradient.g_mul_(&factor);
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn long_gradients_are_cut_to_the_norm_and_short_ones_left() {
        let one = || Tensor::ones([1], (Kind::Double, Device::Cpu));
        let named = [("a".to_owned(), one(), true), ("b".to_owned(), one(), true), ("none".to_owned(), one(), true)];
        let state = StateDict::of_parameters(named, Device::Cpu, Kind::Double);
        clip_gradients(&state, 1.0);
        (&state.entries()[0].tensor * 3.0 + &state.entries()[1].tensor * 4.0).backward();
        let gradient = |index: usize| state.entries()[index].tensor.grad().double_value(&[0]);
        clip_gradients(&state, 5.1);
        assert_eq!((gradient(0), gradient(1)), (3.0, 4.0));
        clip_gradients(&state, 2.0);
        assert!((gradient(0) - 1.2).abs() < 1e-6 && (gradient(1) - 1.6).abs() < 1e-6);
        assert!(!state.entries()[2].tensor.grad().defined());
    }
}
