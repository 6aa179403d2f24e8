//! Learning-rate schedules as pure functions of the step. They keep no state, so a resumed run needs none of it.

use std::f64::consts::PI;

use crate::optimizer::Rates;

/// fastai's default share of the base rate that a cosine ends at: lr / 1e5.
pub const FINAL_DIVISOR: f64 = 1e5;
/// fastai's default share of the base rate that a one-cycle begins at: lr / 25.
pub const START_DIVISOR: f64 = 25.0;

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
    /// Half a cosine up to the base rate and half a cosine down, the momentum going the other way (fastai's
    /// `fit_one_cycle`; Smith 2018, arXiv 1803.09820).
    OneCycle {
        /// Share of the steps on the way up, 0–1 (fastai's `pct_start`).
        rise_share: f64,
        /// It begins at the base rate divided by this; fastai's is [`START_DIVISOR`].
        start_divisor: f64,
        /// It ends at the base rate divided by this; fastai's is [`FINAL_DIVISOR`].
        final_divisor: f64,
        /// Momentum at both ends, and where the rate is highest.
        momentum: (f64, f64),
    },
    /// The base rate for a share of the steps, then a straight line down to 0 (Li et al. 2019, arXiv 1905.04753).
    Linear {
        /// Share of the steps at the base rate, 0–1.
        flat_share: f64,
    },
    /// The base rate for a share of the steps, then down to 0 as (1 − z) / (1 − z/2), slowly first and ever faster
    /// (REX; Chen et al. 2021, arXiv 2107.04197).
    Rex {
        /// Share of the steps at the base rate, 0–1.
        flat_share: f64,
    },
}

impl Schedule {
    /// Flat, then cosine, down to fastai's final rate.
    pub fn flat_cos(flat_share: f64) -> Self {
        Self::FlatCos { flat_share, final_divisor: FINAL_DIVISOR }
    }

    /// Rates of step `step` (counted from 0 in its recipe stage) of `total`. From `total` on they stay at the final ones.
    pub fn rates(&self, base: f64, step: u64, total: u64) -> Rates {
        let way = |share| Way::at(step, total, share);
        let lr = match *self {
            Self::Constant => base,
            Self::FlatCos { flat_share, final_divisor } => match way(flat_share) {
                Way::First(_) => base,
                Way::Second(z) => cosine(base, base / final_divisor, z),
            },
            Self::OneCycle { rise_share, start_divisor, final_divisor, .. } => match way(rise_share) {
                Way::First(z) => cosine(base / start_divisor, base, z),
                Way::Second(z) => cosine(base, base / final_divisor, z),
            },
            Self::Linear { flat_share } => match way(flat_share) {
                Way::First(_) => base,
                Way::Second(z) => base * (1.0 - z),
            },
            Self::Rex { flat_share } => match way(flat_share) {
                Way::First(_) => base,
                Way::Second(z) => base * (1.0 - z) / (1.0 - z / 2.0),
            },
        };
        Rates { lr, momentum: self.momentum(step, total) }
    }

    fn momentum(&self, step: u64, total: u64) -> Option<f64> {
        let Self::OneCycle { rise_share, momentum: (high, low), .. } = *self else { return None };
        Some(match Way::at(step, total, rise_share) {
            Way::First(z) => cosine(high, low, z),
            Way::Second(z) => cosine(low, high, z),
        })
    }
}

/// Which piece of a schedule of two a step is in, and how far it is through that piece, 0–1.
enum Way {
    First(f64),
    Second(f64),
}

impl Way {
    /// The first piece takes `share` of the steps; one of the whole never ends.
    fn at(step: u64, total: u64, share: f64) -> Self {
        let position = if step < total { step as f64 / total as f64 } else { 1.0 };
        // fastai measures the way through a piece in float32; so do we, or the last rates would differ from its own by
        // up to 1e-4 of themselves.
        let (position, share) = (position as f32, share as f32);
        if position < share || share >= 1.0 {
            return Self::First(f64::from(position / share));
        }
        Self::Second(f64::from((position - share) / (1.0 - share)).min(1.0))
    }
}

/// Half a cosine from `start` to `end`.
fn cosine(start: f64, end: f64, z: f64) -> f64 {
    start + (1.0 + (PI * (1.0 - z)).cos()) / 2.0 * (end - start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_stays_a_number_at_its_edges() {
        let lr = |schedule: Schedule, step, total| schedule.rates(0.1, step, total).lr;
        assert_eq!(lr(Schedule::Constant, 7, 0), 0.1);
        assert_eq!(lr(Schedule::flat_cos(1.0), u64::MAX - 1, u64::MAX), 0.1);
        assert_eq!(lr(Schedule::flat_cos(0.5), 0, 10), 0.1);
        let last = 0.1 / FINAL_DIVISOR;
        for (step, total) in [(10, 10), (11, 10), (0, 0)] {
            assert!((lr(Schedule::flat_cos(0.5), step, total) - last).abs() < 1e-15);
            assert!((lr(Schedule::flat_cos(0.0), step, total) - last).abs() < 1e-15);
            assert_eq!(lr(Schedule::Linear { flat_share: 0.0 }, step, total), 0.0);
            assert_eq!(lr(Schedule::Rex { flat_share: 0.5 }, step, total), 0.0);
        }
    }

    #[test]
    fn linear_and_rex_fall_to_nothing_after_their_flat_share() {
        let close = |schedule: Schedule, step, expected: f64| {
            let rates = schedule.rates(0.1, step, 100);
            assert!((rates.lr - expected).abs() < 1e-8, "{schedule:?} at {step}: {}", rates.lr);
            assert_eq!(rates.momentum, None);
        };
        let (linear, rex) = (Schedule::Linear { flat_share: 0.5 }, Schedule::Rex { flat_share: 0.5 });
        for (step, on_line, on_rex) in [(0, 0.1, 0.1), (50, 0.1, 0.1), (75, 0.05, 0.1 * 2.0 / 3.0), (100, 0.0, 0.0)] {
            close(linear, step, on_line);
            close(rex, step, on_rex);
        }
        close(Schedule::Linear { flat_share: 0.0 }, 25, 0.075);
        close(Schedule::Rex { flat_share: 0.0 }, 80, 0.1 * 0.2 / 0.6);
    }

    #[test]
    fn a_cycle_rises_and_falls_while_the_momentum_falls_and_rises() {
        let schedule = Schedule::OneCycle {
            rise_share: 0.25,
            start_divisor: START_DIVISOR,
            final_divisor: FINAL_DIVISOR,
            momentum: (0.95, 0.85),
        };
        let found = |step| {
            let rates = schedule.rates(1.0, step, 100);
            (rates.lr, rates.momentum.expect("a cycle moves it"))
        };
        assert_eq!(found(0), (1.0 / 25.0, 0.95));
        assert_eq!(found(25), (1.0, 0.85));
        let (lr, momentum) = found(100);
        assert!((lr - 1e-5).abs() < 1e-12 && (momentum - 0.95).abs() < 1e-12);
    }
}
