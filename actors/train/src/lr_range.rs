//! The learning-rate range test (Smith 2015, arXiv 1506.01186) as fastai's `lr_find` does it: which rates are tried, how
//! their losses are smoothed, when to stop, and what the curve suggests. Not here: training (see `trainer`).

/// fastai's share of the past in the smoothed loss.
const SMOOTHING: f64 = 0.98;
/// The test ends where the smoothed loss is so many times the lowest so far.
pub const STOP_FACTOR: f64 = 4.0;
/// Suggestions leave out this share of the planned steps at the beginning,
const SKIPPED_SHARE: u64 = 10;
/// and so many tried ones at the end.
const SKIPPED_AT_END: usize = 5;
/// Fewest points that suggestions are made of.
const POINTS_MIN: usize = 3;

/// Which rates to try.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RangeSpec {
    /// The first, above 0.
    pub start_lr: f64,
    /// Where the rates would get to after the last step; above the first.
    pub end_lr: f64,
    /// Most steps.
    pub steps: u64,
}

impl RangeSpec {
    /// The rate of step `step`, counted from 0: exponential, so that every step multiplies it by the same.
    pub fn lr(&self, step: u64) -> f64 {
        self.start_lr * (self.end_lr / self.start_lr).powf(step as f64 / self.steps as f64)
    }
}

/// One step of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tried {
    /// Its rate.
    pub lr: f64,
    /// The batch's loss, before the step.
    pub loss: f64,
    /// The running mean of the losses up to here, which is what suggestions are made of.
    pub smoothed: f64,
}

/// The steps so far.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    points: Vec<Tried>,
    /// The running mean before it is corrected for having begun at 0.
    mean: f64,
    lowest: Option<f64>,
}

impl Curve {
    /// Takes in a step's loss; false where the test is over because training diverges at this rate.
    ///
    /// A loss that is no number ends it too, and is no part of the curve.
    pub fn push(&mut self, lr: f64, loss: f64) -> bool {
        if !loss.is_finite() {
            return false;
        }
        self.mean = SMOOTHING * self.mean + (1.0 - SMOOTHING) * loss;
        let smoothed = self.mean / (1.0 - SMOOTHING.powf((self.points.len() + 1) as f64));
        self.points.push(Tried { lr, loss, smoothed });
        let lowest = self.lowest.map_or(smoothed, |lowest| lowest.min(smoothed));
        self.lowest = Some(lowest);
        smoothed <= STOP_FACTOR * lowest
    }

    /// The steps in order.
    pub fn points(&self) -> &[Tried] {
        &self.points
    }
}

/// What a curve suggests as learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suggestions {
    /// Half-way down the longest descent; fastai's default.
    pub valley: f64,
    /// Where the loss falls fastest over the logarithm of the rate.
    pub steepest: f64,
    /// A tenth of the rate with the lowest loss.
    pub minimum_tenth: f64,
}

impl Suggestions {
    /// fastai's suggestions from the steps of a test that was planned for `steps`; `None` where too few are left
    /// without those at both ends.
    pub fn of(points: &[Tried], steps: u64) -> Option<Self> {
        let skipped = usize::try_from(steps / SKIPPED_SHARE).unwrap_or(usize::MAX);
        let end = points.len().saturating_sub(SKIPPED_AT_END);
        let points = points.get(skipped..end).filter(|points| points.len() >= POINTS_MIN)?;
        let lowest = points.iter().min_by(|a, b| a.smoothed.total_cmp(&b.smoothed))?;
        Some(Self {
            valley: points[valley(points)].lr,
            steepest: points[steepest(points)].lr,
            minimum_tenth: lowest.lr / 10.0,
        })
    }
}

/// The point where the segment to the next one falls most steeply.
fn steepest(points: &[Tried]) -> usize {
    let slope = |pair: &[Tried]| (pair[1].smoothed - pair[0].smoothed) / (pair[1].lr / pair[0].lr).ln();
    let slopes = points.windows(2).map(slope).enumerate();
    slopes.min_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(index, _)| index)
}

/// The point half-way along the longest descent. A descent is a falling subsequence: it may leave out points that rise.
/// fastai takes its number of points for its length along the curve, and a third and a sixth of that, each rounded down,
/// for the half.
fn valley(points: &[Tried]) -> usize {
    let mut lengths = vec![1usize; points.len()];
    let mut end = 0;
    for here in 1..points.len() {
        let above = (0..here).filter(|&before| points[here].smoothed < points[before].smoothed);
        lengths[here] = above.map(|before| lengths[before] + 1).max().unwrap_or(1);
        if lengths[here] > lengths[end] {
            end = here;
        }
    }
    // One before the first point where the descent leaves out none.
    let length = lengths[end];
    let sections = length as f64 / 3.0;
    (end + sections as usize + (sections / 2.0) as usize).saturating_sub(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A curve whose smoothed losses are given, at rates 1e-6 · 1.2ⁱ.
    fn points(count: i32, loss: impl Fn(f64) -> f64) -> Vec<Tried> {
        let point = |i| {
            let loss = loss(f64::from(i));
            Tried { lr: 1e-6 * 1.2_f64.powi(i), loss, smoothed: loss }
        };
        (0..count).map(point).collect()
    }

    fn index_of(lr: f64) -> i64 {
        ((lr / 1e-6).ln() / 1.2_f64.ln()).round() as i64
    }

    #[test]
    fn rates_grow_by_the_same_factor_and_end_short_of_the_last() {
        let spec = RangeSpec { start_lr: 1e-7, end_lr: 10.0, steps: 100 };
        assert_eq!(spec.lr(0), 1e-7);
        assert!((spec.lr(50) / 1e-3 - 1.0).abs() < 1e-12);
        assert!((spec.lr(99) / 10.0_f64.powf(0.92) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn losses_are_smoothed_with_the_bias_taken_out() {
        let mut curve = Curve::default();
        for loss in [4.0, 2.0, 3.0] {
            assert!(curve.push(0.1, loss));
        }
        // 0.02·4 / 0.02; (0.98·0.08 + 0.04) / (1 − 0.98²); (0.98·0.1184 + 0.06) / (1 − 0.98³)
        for (point, expected) in curve.points().iter().zip([4.0, 0.1184 / 0.0396, 0.176_032 / 0.058_808]) {
            assert!((point.smoothed - expected).abs() < 1e-12, "{point:?}");
        }
    }

    #[test]
    fn the_test_ends_at_four_times_the_lowest_and_at_what_is_no_number() {
        let mut curve = Curve::default();
        assert!(curve.push(0.1, 1.0));
        // (0.98·0.02 + 0.02·x) / 0.0396 passes 4 where x passes 6.94.
        assert!(curve.clone().push(0.2, 6.9));
        assert!(!curve.clone().push(0.2, 7.0));
        assert!(!curve.push(0.2, f64::NAN) && !curve.push(0.2, f64::INFINITY));
        assert_eq!(curve.points().len(), 1);
    }

    /// Points that valley, steepest and minimum lie at, as fastai 2.8.12's functions find them on the same curves.
    #[test]
    fn suggestions_are_those_of_fastai() {
        let bowl = |i: f64| 5.0 - 3.0 * (-((i - 60.0) / 18.0).powi(2)).exp() + ((i - 75.0).max(0.0) / 10.0).powi(2);
        let wavy = |i: f64| {
            let fall = 4.6 - 2.5 / (1.0 + (-(i - 55.0) / 6.0).exp());
            fall + 0.12 * (i * 1.3).sin() + ((i - 72.0).max(0.0) / 8.0).powi(3)
        };
        let curves = [
            (points(100, bowl), [34, 47, 60]),
            (points(90, wavy), [59, 55, 71]),
            (points(100, |i| 5.0 - 0.01 * i - 0.0002 * i * i), [51, 93, 94]),
            (points(18, |i| 5.0 - 0.01 * i - 0.001 * i * i), [10, 11, 12]),
        ];
        for (curve, expected) in curves {
            let found = Suggestions::of(&curve, 100).expect("enough points");
            let found = [found.valley, found.steepest, 10.0 * found.minimum_tenth].map(index_of);
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn too_few_points_suggest_nothing() {
        for count in [0, 5, 10, 17] {
            assert_eq!(Suggestions::of(&points(count, |i| 5.0 - 0.01 * i), 100), None, "{count}");
        }
        assert!(Suggestions::of(&points(8, |i| 5.0 - i), 8).is_some());
        assert_eq!(Suggestions::of(&points(7, |i| 5.0 - i), u64::MAX), None);
    }
}
