//! How long the work on chunks takes: counts in classes of time that are √2 apart, from a microsecond to half a minute.
//! Not here: what is timed (see `worker`, `sequencer`).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Classes of time; what takes longer is in the last.
pub const CLASSES: usize = 51;

/// Counts by class of time, added to by many threads.
pub struct ServiceTimes([AtomicU64; CLASSES]);

impl Default for ServiceTimes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl ServiceTimes {
    /// Counts one.
    pub fn book(&self, time: Duration) {
        self.0[class(time)].fetch_add(1, Relaxed);
    }

    /// The counts, up to the last class that has one.
    pub fn counts(&self) -> Vec<u64> {
        let mut counts: Vec<u64> = self.0.iter().map(|count| count.load(Relaxed)).collect();
        counts.truncate(counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1));
        counts
    }
}

/// Number `i` takes everything of at most 2^(i/2) microseconds that number i − 1 doesn't.
fn class(time: Duration) -> usize {
    let microseconds = time.as_secs_f64() * 1e6;
    let class = (2.0 * microseconds.max(1.0).log2()).ceil();
    (class as usize).min(CLASSES - 1)
}

/// Most seconds of a class; the last has no such bound, and is told as if it had.
pub fn bound_s(class: usize) -> f64 {
    1e-6 * 2f64.powf(class as f64 / 2.0)
}

/// Counts that came between two looks.
pub fn difference(from: &[u64], to: &[u64]) -> Vec<u64> {
    let before = from.iter().chain(std::iter::repeat(&0));
    to.iter().zip(before).map(|(to, from)| to.saturating_sub(*from)).collect()
}

/// Counts of two stretches together.
pub fn sum(a: &[u64], b: &[u64]) -> Vec<u64> {
    let count = |counts: &[u64], class: usize| counts.get(class).copied().unwrap_or(0);
    (0..a.len().max(b.len())).map(|class| count(a, class) + count(b, class)).collect()
}

/// The bound of the class that holds the count at this share of all; `None` where there are none.
pub fn quantile_s(counts: &[u64], share: f64) -> Option<f64> {
    let all: u64 = counts.iter().sum();
    let wanted = ((share * all as f64).ceil() as u64).max(1);
    let mut passed = 0;
    let class = counts.iter().position(|count| {
        passed += count;
        passed >= wanted
    })?;
    Some(bound_s(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_off_by_no_more_than_a_class() {
        let times = ServiceTimes::default();
        for microseconds in 1..=1_000 {
            times.book(Duration::from_micros(microseconds));
        }
        let counts = times.counts();
        assert_eq!(counts.iter().sum::<u64>(), 1_000);
        for (share, expected_s) in [(0.5, 500e-6), (0.99, 990e-6), (0.001, 1e-6), (1.0, 1e-3)] {
            let found = quantile_s(&counts, share).unwrap();
            assert!(expected_s <= found && found <= expected_s * 1.4143, "{share}: {found} for {expected_s}");
        }
    }

    #[test]
    fn nothing_has_no_quantile_and_eternity_has_the_last_class() {
        assert_eq!(quantile_s(&[], 0.5), None);
        assert_eq!(quantile_s(&[0, 0], 0.5), None);
        let times = ServiceTimes::default();
        times.book(Duration::from_secs(1_000_000));
        times.book(Duration::ZERO);
        assert_eq!(times.counts().len(), CLASSES);
        assert_eq!(quantile_s(&times.counts(), 0.5), Some(1e-6));
    }

    #[test]
    fn differences_and_sums_undo_each_other() {
        let (from, to) = (vec![1, 2], vec![1, 5, 7]);
        assert_eq!(difference(&from, &to), [0, 3, 7]);
        assert_eq!(sum(&from, &difference(&from, &to)), to);
    }
}
