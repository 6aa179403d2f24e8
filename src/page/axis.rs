//! Where numbers lie along an axis, and which of them are written on it.
//! Not here: drawing (chart.rs, and the plot of `lr-find`).

/// A straight mapping from values to places in a picture.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// The values at both ends.
    pub values: (f64, f64),
    /// The places of both ends.
    pub places: (f64, f64),
}

impl Axis {
    /// Where a value lies.
    pub fn place(&self, value: f64) -> f64 {
        let share = (value - self.values.0) / (self.values.1 - self.values.0);
        self.places.0 + (self.places.1 - self.places.0) * share
    }

    /// Round values along the axis, about `count` of them, each with its text.
    pub fn ticks(&self, count: f64) -> Vec<(f64, String)> {
        let step = round_step((self.values.1 - self.values.0) / count);
        let (first, last) = ((self.values.0 / step).ceil() as i64, (self.values.1 / step).floor() as i64);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        (first..=last).map(|tick| tick as f64 * step).map(|value| (value, format!("{value:.decimals$}"))).collect()
    }
}

/// The range of some values, wide enough to be an axis; `None` if none of them is finite.
pub fn range_of(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) =
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    (low <= high).then(|| {
        let least = (low.abs().max(high.abs()) * 1e-6).max(1e-9);
        if high - low < least { (low - least, high + least) } else { (low, high) }
    })
}

/// 1, 2 or 5 times a power of ten, not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|step| *step >= least).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: (f64, f64), count: f64) -> Vec<String> {
        Axis { values, places: (0.0, 1.0) }.ticks(count).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        assert_eq!(texts((0.0, 1.0), 5.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts((37.0, 181.0), 5.0), ["50", "100", "150"]);
        assert_eq!(texts((0.0, 0.008), 4.0), ["0.000", "0.002", "0.004", "0.006", "0.008"]);
    }

    #[test]
    fn an_axis_may_run_downwards() {
        let axis = Axis { values: (0.0, 10.0), places: (200.0, 0.0) };
        assert_eq!([0.0, 5.0, 10.0].map(|value| axis.place(value)), [200.0, 100.0, 0.0]);
    }

    #[test]
    fn a_range_has_a_width_and_no_infinities() {
        assert_eq!(range_of([3.0, f64::NAN, -1.0, f64::INFINITY].into_iter()), Some((-1.0, 3.0)));
        let (low, high) = range_of([2.0, 2.0].into_iter()).unwrap();
        assert!(low < 2.0 && high > 2.0);
        assert_eq!(range_of([f64::NAN].into_iter()), None);
    }
}
