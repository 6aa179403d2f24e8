//! Learning-rate schedules as pure functions of the step. They keep no state, so a resumed run needs none of it.

use std::f64::consts::PI;

/// fastai's default share of the base rate that a cosine ends at: lr / 1e5.
pub const FINAL_DIVISOR: f64 = 1e5;

/// How the learning rate goes over one recipe stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// The base rate throughout (fastai's `fit`).
    Constant,
    /// The base rate for a share of the steps, then half a cosine down to `base / final_divisor` (fastai's
    /// `fit_flat_cos`).
    FlatCos {
        /// Share of the steps at the base rate, 0–1 (fastai's `pct_start`).
        flat_share: f64,
        /// The cosine ends at the base rate divided by this; [`FINAL_DIVISOR`] unless there is a reason.
        final_divisor: f64,
    },
}

impl Schedule {
    /// Flat, then cosine, down to fastai's final rate.
    pub fn flat_cos(flat_share: f64) -> Self {
        Self::FlatCos { flat_share, final_divisor: FINAL_DIVISOR }
    }

    /// Learning rate of step `step` (counted from 0 in its recipe stage) of `total`. From `total` on it stays at the
    /// final rate.
    pub fn lr(&self, base: f64, step: u64, total: u64) -> f64 {
        match *self {
            Self::Constant => base,
            Self::FlatCos { flat_share, final_divisor } => {
                let position = if step < total { step as f64 / total as f64 } else { 1.0 };
                // fastai measures the way along the cosine in float32; so do we, or the last rates would differ from
                // its own by up to 1e-4 of themselves.
                let (position, flat_share) = (position as f32, flat_share as f32);
                if position < flat_share || flat_share >= 1.0 {
                    return base;
                }
                let progress = f64::from((position - flat_share) / (1.0 - flat_share)).min(1.0);
                base + (1.0 + (PI * (1.0 - progress)).cos()) / 2.0 * (base / final_divisor - base)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_stays_a_number_at_its_edges() {
        assert_eq!(Schedule::Constant.lr(0.1, 7, 0), 0.1);
        assert_eq!(Schedule::flat_cos(1.0).lr(0.1, u64::MAX - 1, u64::MAX), 0.1);
        assert_eq!(Schedule::flat_cos(0.5).lr(0.1, 0, 10), 0.1);
        let last = 0.1 / FINAL_DIVISOR;
        for (step, total) in [(10, 10), (11, 10), (0, 0)] {
            assert!((Schedule::flat_cos(0.5).lr(0.1, step, total) - last).abs() < 1e-15);
            assert!((Schedule::flat_cos(0.0).lr(0.1, step, total) - last).abs() < 1e-15);
        }
    }
}
