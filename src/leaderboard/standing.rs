//! Who stands where: ranks, ties, and whose intervals overlap.
//! Not here: how that is shown.

use super::entry::{Entry, StdKind};

/// A mean above this asks whether the data set still measures anything.
pub const TOO_GOOD: f64 = 0.98;

/// What is said of such a mean.
pub(super) const TOO_GOOD_WORDS: &str = "time to rethink the data set";
/// How overlaps are found, for whoever reads them.
pub(super) const OVERLAP_WORDS: &str = "\"≈\" names the places whose interval, mean ± sample std (over n − 1), overlaps this \
                                        one's: neither is shown to be better. \"=\" marks means that agree in the digits shown.";
/// Which deviation stands after ±.
pub(super) const STD_WORDS: &str = "± is the standard deviation as its author stated it: the population std (over n) unless \
                                    marked s for sample std (over n − 1); submissions are stated with the population std.";

/// An entry in its place.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// From 1; the same for entries that tie, and as many are left out after them.
    pub rank: usize,
    /// Whether another entry has the same rank.
    pub is_tied: bool,
    /// The entry.
    pub entry: &'a Entry,
    /// Ranks of the others whose interval overlaps this one's, in order, each once.
    pub overlaps: Vec<usize>,
    /// Whether its mean is above [`TOO_GOOD`].
    pub is_too_good: bool,
}

/// All entries in order: by mean as it is shown (two decimals of a percent), then by date, author, system and exact mean.
pub fn standing(entries: &[Entry]) -> Vec<Place<'_>> {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by(|one, other| {
        let names = |entry: &Entry| (entry.date.clone(), entry.author.clone(), entry.system.clone());
        let by_mean = shown(other).cmp(&shown(one)).then_with(|| names(one).cmp(&names(other)));
        by_mean.then_with(|| other.mean().total_cmp(&one.mean()))
    });
    let rank = |entry: &Entry| 1 + entries.iter().filter(|other| shown(other) > shown(entry)).count();
    let ranks: Vec<usize> = order.iter().map(|entry| rank(entry)).collect();
    let place = |(at, entry): (usize, &&'_ Entry)| -> (usize, Vec<usize>) {
        let others = order.iter().enumerate().filter(|(other, _)| *other != at);
        let mut overlaps: Vec<usize> =
            others.filter(|(_, other)| overlap(entry, other)).map(|(other, _)| ranks[other]).collect();
        overlaps.dedup();
        (at, overlaps)
    };
    let overlaps: Vec<_> = order.iter().enumerate().map(place).collect();
    overlaps
        .into_iter()
        .map(|(at, overlaps)| Place {
            rank: ranks[at],
            is_tied: ranks.iter().filter(|rank| **rank == ranks[at]).count() > 1,
            entry: order[at],
            overlaps,
            is_too_good: order[at].mean() > TOO_GOOD,
        })
        .collect()
}

/// The mean as it is shown: hundredths of a percent.
fn shown(entry: &Entry) -> i64 {
    (10_000.0 * entry.mean()).round() as i64
}

/// Whether the intervals mean ± sample std meet. An entry of one run has none.
fn overlap(one: &Entry, other: &Entry) -> bool {
    let (Some(left), Some(right)) = (one.deviation(StdKind::Sample), other.deviation(StdKind::Sample)) else {
        return false;
    };
    (one.mean() - other.mean()).abs() <= left + right
}

impl Place<'_> {
    /// "1", or "=2" in a tie.
    pub fn rank_text(&self) -> String {
        if self.is_tied { format!("={}", self.rank) } else { self.rank.to_string() }
    }

    /// "≈ 2, 3", or nothing.
    pub fn overlap_text(&self) -> String {
        let ranks: Vec<String> = self.overlaps.iter().map(usize::to_string).collect();
        if ranks.is_empty() { String::new() } else { format!("≈ {}", ranks.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;

    fn seen(entries: &[Entry]) -> Vec<(String, String, String)> {
        let places = standing(entries);
        places.iter().map(|place| (place.rank_text(), place.entry.system.clone(), place.overlap_text())).collect()
    }

    fn expected(rows: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
        rows.iter().map(|(rank, name, words)| ((*rank).to_owned(), (*name).to_owned(), (*words).to_owned())).collect()
    }

    #[test]
    fn equal_means_share_a_rank_and_come_by_date() {
        let older = Entry { date: "2020-01-01".to_owned(), ..entry("older", &[0.7, 0.7]) };
        let entries =
            [entry("low", &[0.5, 0.5]), entry("newer", &[0.70001, 0.70001]), older, entry("top", &[0.9, 0.9])];
        let rows = [("1", "top", ""), ("=2", "older", ""), ("=2", "newer", ""), ("4", "low", "")];
        let found = seen(&entries);
        // Intervals without a width still meet where means are the same to the last bit, which these are not.
        assert_eq!(found, expected(&rows));
    }

    #[test]
    fn overlapping_intervals_are_named_on_both_sides() {
        let entries = [entry("a", &[0.80, 0.82]), entry("b", &[0.79, 0.80]), entry("c", &[0.5, 0.501])];
        assert_eq!(seen(&entries), expected(&[("1", "a", "≈ 2"), ("2", "b", "≈ 1"), ("3", "c", "")]));
    }

    #[test]
    fn one_run_has_no_interval_and_98_percent_are_flagged() {
        let entries = [entry("a", &[0.981]), entry("b", &[0.98, 0.98]), entry("c", &[0.97, 0.99])];
        let places = standing(&entries);
        assert!(places[0].is_too_good && places[0].overlaps.is_empty());
        assert!(!places[1].is_too_good);
    }

    #[test]
    fn the_order_does_not_depend_on_that_of_the_file() {
        let mut entries = vec![entry("a", &[0.5, 0.6]), entry("b", &[0.5, 0.6]), entry("c", &[0.9, 0.91])];
        let forwards = seen(&entries);
        entries.reverse();
        assert_eq!(seen(&entries), forwards);
    }
}
