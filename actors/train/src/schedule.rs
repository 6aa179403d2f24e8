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
                if position <= flat_share {
                    return base;
                }
                let progress = (position - flat_share) / (1.0 - flat_share);
                base + (1.0 + (PI * (1.0 - progress)).cos()) / 2.0 * (base / final_divisor - base)
            }
        }
    }
}
