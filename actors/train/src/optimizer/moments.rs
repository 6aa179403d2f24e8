//! Running means of the gradients and of their squares, and the step that all of Adam's kin take along them.
//! Not here: what decays, and how long the step is.

use std::collections::HashMap;

use tch::{Kind, Tensor};

use super::Expected;
use super::flat::{Flat, Layout};
use super::masked::{Count, Factor};
use super::slots::{Fresh, Slots};

/// Name of the counter in saved state.
const STEP: &str = "step";

/// Both moments of every parameter of a part, and how many steps made them.
pub(super) struct Moments {
    part: usize,
    mean: Slots,
    mean_square: Slots,
    /// Steps made, one counter for all parameters.
    step: Count,
}

/// What a bias-corrected step needs to know of the counter: 1 − βᵗ of both moments.
pub(super) struct Corrections {
    pub mean: Factor,
    pub mean_square: Factor,
}

impl Moments {
    /// Before the first step of the parameters of `part`.
    pub fn new(part: usize, kind: Kind) -> Self {
        let slots = |name| Slots::new(name, Some(part), Fresh::Zeros, kind);
        Self { part, mean: slots("mean"), mean_square: slots("mean_square"), step: Count::Known(0) }
    }

    /// Counts a step, if it applies.
    pub fn count(&mut self, (beta1, beta2): (f64, f64), applied: Option<&Tensor>) -> Corrections {
        self.step.up(applied);
        let of = |beta: f64| match &self.step {
            Count::Known(step) => Factor::Known(1.0 - beta.powf(*step as f64)),
            // At least one step, or the very first, left out, would divide by 0.
            Count::OnDevice(step) => Factor::OnDevice(1.0 - Tensor::pow_scalar(beta, &step.clamp_min(1.0))),
        };
        Corrections { mean: of(beta1), mean_square: of(beta2) }
    }

    /// Steps counted.
    pub fn step(&self) -> &Count {
        &self.step
    }

    /// Takes the part's gradient in, and uses it up.
    pub fn update(
        &mut self,
        layout: &Layout,
        gradient: &mut Tensor,
        (beta1, beta2): (f64, f64),
        applied: Option<&Tensor>,
    ) {
        let take = |beta: f64, slots: &mut Slots, end: &Tensor| {
            Factor::applied(1.0 - beta, 0.0, applied).lerp(&mut slots.values(layout), end);
        };
        take(beta1, &mut self.mean, gradient);
        let _ = gradient.square_();
        take(beta2, &mut self.mean_square, gradient);
    }

    /// p += `length`(lr factor) · m / (√(v / correction) + ε), in `scratch`, a tensor like the part's gradient. Where
    /// `plain` is true on the device, the divisor is 1.
    pub fn walk(
        &mut self,
        layout: &Layout,
        scratch: &mut Tensor,
        (correction, eps): (&Factor, f64),
        length: &Factor,
        plain: Option<&Tensor>,
    ) {
        let (mean, mean_square) = (self.mean.values(layout), self.mean_square.values(layout));
        let _ = mean_square.sqrt_out(scratch);
        let runs = &layout.parts[self.part].by_rate;
        match (correction, length) {
            (Factor::Known(correction), Factor::Known(length)) => {
                for run in runs {
                    let length = length * run.lr_factor;
                    if length == 0.0 {
                        continue;
                    }
                    // The length goes into the divisor, which spares a pass.
                    let mut divisor = run.of(scratch);
                    let _ = divisor.g_mul_scalar_(1.0 / (correction.sqrt() * length)).g_add_scalar_(eps / length);
                    let _ = run.values.shallow_clone().addcdiv_(&run.of(&mean), &divisor);
                }
            }
            _ => {
                let root = correction.like(scratch).sqrt();
                let _ = scratch.g_div_(&root).g_add_scalar_(eps);
                if let Some(plain) = plain {
                    let _ = scratch.masked_fill_(plain, 1.0);
                }
                // Nothing but a finite number times 0 leaves a parameter as it was.
                let _ = mean.div_out(scratch, scratch);
                for run in runs {
                    let length = length.times(run.lr_factor).like(scratch);
                    let _ = run.values.shallow_clone().addcmul_(&run.of(scratch), &length);
                }
            }
        }
    }

    /// p += `length`(lr factor) · m.
    pub fn walk_plainly(&mut self, layout: &Layout, length: &Factor) {
        let mean = self.mean.values(layout);
        for run in &layout.parts[self.part].by_rate {
            let length = length.times(run.lr_factor).like(&mean);
            let _ = run.values.shallow_clone().addcmul_(&run.of(&mean), &length);
        }
    }

    /// As [`Optimizer::save`](super::Optimizer::save).
    pub fn save(&self, flat: &Flat) -> Vec<(String, Tensor)> {
        let mut saved = self.mean.save(flat);
        saved.extend(self.mean_square.save(flat));
        saved.push((STEP.to_owned(), self.step.save()));
        saved
    }

    /// As [`Optimizer::expected`](super::Optimizer::expected).
    pub fn expected(&self, flat: &Flat) -> Vec<Expected> {
        let mut expected = self.mean.expected(flat);
        expected.extend(self.mean_square.expected(flat));
        expected.push(Expected::count(STEP));
        expected
    }

    /// As [`Optimizer::restore`](super::Optimizer::restore).
    pub fn restore(&mut self, flat: &Flat, saved: &HashMap<String, Tensor>) {
        self.mean.restore(flat, saved);
        self.mean_square.restore(flat, saved);
        self.step = Count::load(&saved[STEP]);
    }
}
