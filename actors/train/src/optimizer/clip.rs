//! Clipping of gradients by their norm over all parameters, as `torch.nn.utils.clip_grad_norm_` does it.
//! Nothing here waits for a device: the factor stays there.

use tch::Tensor;

/// Added to the norm that the factor is taken from, as torch does.
const NORM_EPS: f64 = 1e-6;

/// Shrinks all gradients by one factor where their l2 norm over all parameters is above `norm_max`. `gradient` is all of
/// them in one tensor. Call it between the backward pass and the optimiser's step.
pub fn clip_gradient(gradient: &mut Tensor, norm_max: f64) {
    let _guard = tch::no_grad_guard();
    let factor = ((gradient.norm() + NORM_EPS).reciprocal() * norm_max).clamp_max(1.0);
    let _ = gradient.g_mul_(&factor);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_gradients_are_cut_to_the_norm_and_short_ones_left() {
        let clipped = |norm_max| {
            let mut gradient = Tensor::from_slice(&[3.0, 4.0]);
            clip_gradient(&mut gradient, norm_max);
            (gradient.double_value(&[0]), gradient.double_value(&[1]))
        };
        assert_eq!(clipped(5.1), (3.0, 4.0));
        let (three, four) = clipped(2.0);
        assert!((three - 1.2).abs() < 1e-6 && (four - 1.6).abs() < 1e-6);
    }
}
