//! Two ledgers of one recipe and seed, the submitted and the one of training again; and two sets of accuracies.
//! Not here: training again.

use fastgarden_proto::ledger::line::Line;
use fastgarden_proto::ledger::{Epoch, Opening, Step};

use crate::report::Statistics;

/// What became of a run that was trained again.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Its seed.
    pub seed: u64,
    /// Whether batch hashes could be compared: only if one decoder made both.
    pub is_comparable: bool,
    /// Batches that were compared, by their hashes or at least by their tickets.
    pub batches: usize,
    /// The first thing that differs, in words.
    pub difference: Option<String>,
    /// Whether the last weights are the same to the bit.
    pub has_equal_weights: bool,
    /// As submitted, 0–1.
    pub submitted_accuracy: f64,
    /// Of training again, 0–1.
    pub accuracy: f64,
}

/// A ledger taken apart.
#[derive(Default)]
struct Parts<'a> {
    opening: Option<&'a Opening>,
    steps: Vec<&'a Step>,
    epochs: Vec<&'a Epoch>,
}

impl<'a> Parts<'a> {
    fn of(lines: &'a [Line]) -> Self {
        let mut parts = Self::default();
        for line in lines {
            match line {
                Line::Opening(opening) => parts.opening = Some(opening),
                Line::Step(step) => parts.steps.push(step),
                Line::Epoch(epoch) => parts.epochs.push(epoch),
            }
        }
        parts
    }
}

/// Compares a ledger as submitted with one of training again. `None` where one of them has no accuracy at its end.
pub fn compare(seed: u64, submitted: &[Line], again: &[Line]) -> Option<Comparison> {
    let (one, other) = (Parts::of(submitted), Parts::of(again));
    let (last, last_again) = (one.epochs.last()?, other.epochs.last()?);
    Some(Comparison {
        seed,
        is_comparable: is_comparable(&one, &other),
        batches: one.steps.len(),
        difference: first_difference(submitted, again),
        has_equal_weights: last.weights_sha256 == last_again.weights_sha256,
        submitted_accuracy: last.accuracy?,
        accuracy: last_again.accuracy?,
    })
}

/// Whether one decoder made the batches of both.
fn is_comparable(one: &Parts<'_>, other: &Parts<'_>) -> bool {
    let decoder = |parts: &Parts<'_>| parts.opening.map(|opening| opening.decoder_fingerprint.clone());
    decoder(one) == decoder(other)
}

/// The first thing that differs between a ledger as submitted and one of training again, in words.
pub fn first_difference(submitted: &[Line], again: &[Line]) -> Option<String> {
    let (one, other) = (&Parts::of(submitted), &Parts::of(again));
    let is_comparable = is_comparable(one, other);
    let data = |parts: &Parts<'_>| {
        parts.opening.map(|opening| (opening.data_fingerprint.clone(), opening.validation_fingerprint.clone()))
    };
    if data(one) != data(other) {
        return Some("it was trained again on other data".to_owned());
    }
    for (there, here) in one.steps.iter().zip(&other.steps) {
        let place =
            format!("step {} of epoch {}, tickets {} to {}", there.step, there.epoch, there.seq_from, there.seq_to);
        let is_same_batch = (there.epoch, there.seq_from, there.seq_to) == (here.epoch, here.seq_from, here.seq_to);
        if !is_same_batch {
            return Some(format!("{place}: other tickets than in training again"));
        }
        if is_comparable && there.batch_hash != here.batch_hash {
            return Some(format!("{place}: another batch hash than in training again"));
        }
    }
    if one.steps.len() != other.steps.len() {
        let (there, here) = (one.steps.len(), other.steps.len());
        return Some(format!("{there} steps were submitted, training again made {here}"));
    }
    let plans = |parts: &Parts<'_>| parts.epochs.iter().map(|epoch| epoch.plan_hash.clone()).collect::<Vec<_>>();
    (plans(one) != plans(other)).then(|| "the plans of its epochs are others than in training again".to_owned())
}

/// Whether accuracies of training again can be of the same making as those submitted: a two-sided t-test at 1 %.
///
/// Runs are compared with those of the same seed: the mean of the K differences is held against `t · σ · √(2/K)`. σ is the
/// sample deviation of all N submitted runs with t of N − 1 degrees of freedom, or, where that is more, the deviation that
/// the size of the validation set alone brings, √(p (1 − p) / records), with t of the normal distribution: three runs that
/// agree by chance say little of how far a fourth may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AccuracyTest {
    /// Mean of the differences, training again less the submitted.
    pub difference: f64,
    /// Largest difference, up or down, that passes.
    pub allowed: f64,
    /// Whether it does.
    pub passes: bool,
}

impl AccuracyTest {
    /// Of the accuracies 0–1 of all submitted runs, and of pairs (submitted, again), over `records` validation records.
    /// `None` where there are none.
    pub fn of(submitted: &[f64], pairs: &[(f64, f64)], records: u64) -> Option<Self> {
        let differences: Vec<f64> = pairs.iter().map(|(then, now)| now - then).collect();
        let difference = Statistics::of(&differences).mean?;
        let Statistics { mean, std_sample, .. } = Statistics::of(submitted);
        // Four made-up examples, half of them right: a share of 0 or 1 in a small set has a deviation all the same.
        let share = (mean? * records as f64 + 2.0) / (records as f64 + 4.0);
        let of_set = (share * (1.0 - share) / records.max(1) as f64).sqrt();
        let (deviation, t) = match std_sample.filter(|&deviation| deviation > of_set) {
            Some(deviation) => (deviation, t_995(submitted.len() - 1)),
            None => (of_set, NORMAL_995),
        };
        let allowed = t * deviation * (2.0 / pairs.len() as f64).sqrt();
        Some(Self { difference, allowed, passes: difference.abs() <= allowed })
    }
}

/// The 99.5 % point of the normal distribution.
const NORMAL_995: f64 = 2.575_829;
/// The 99.5 % points of Student's t with 1 to 10 degrees of freedom.
const STUDENT_995: [f64; 10] = [63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169];

/// The 99.5 % point of Student's t; beyond the table by its expansion around the normal one, good to three digits there.
fn t_995(degrees_of_freedom: usize) -> f64 {
    if let Some(t) = degrees_of_freedom.checked_sub(1).and_then(|place| STUDENT_995.get(place)) {
        return *t;
    }
    let (z, n) = (NORMAL_995, degrees_of_freedom.max(1) as f64);
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / n + second / n.powi(2) + third / n.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(decoder: &str, hashes: &[&str]) -> Vec<Line> {
        let opening = Opening { decoder_fingerprint: decoder.to_owned(), ..Opening::default() };
        let steps = hashes.iter().zip(0..).map(|(hash, step)| {
            let (seq_from, seq_to) = (8 * step, 8 * step + 8);
            Line::Step(Step {
                epoch: 1,
                step: step + 1,
                seq_from,
                seq_to,
                batch_hash: (*hash).to_owned(),
                ..Step::default()
            })
        });
        let end = Line::Epoch(Epoch { epoch: 1, accuracy: Some(0.5), ..Epoch::default() });
        [Line::Opening(opening)].into_iter().chain(steps).chain([end]).collect()
    }

    #[test]
    fn the_first_batch_that_differs_is_named_unless_decoders_differ() {
        let difference = |decoder: &str, hashes: &[&str]| {
            compare(1, &ledger("x", &["a", "b", "c"]), &ledger(decoder, hashes)).expect("both end").difference
        };
        assert_eq!(difference("x", &["a", "b", "c"]), None);
        let told = difference("x", &["a", "q", "q"]).expect("a difference");
        assert_eq!(told, "step 2 of epoch 1, tickets 8 to 16: another batch hash than in training again");
        assert_eq!(difference("y", &["a", "q", "q"]), None);
        assert!(difference("y", &["a"]).is_some_and(|told| told.contains("3 steps were submitted")));
        assert_eq!(compare(1, &ledger("x", &[]), &[]), None);
    }

    #[test]
    fn accuracies_pass_within_what_runs_and_set_vary_by() {
        let test = |submitted: &[f64], pairs: &[(f64, f64)]| {
            AccuracyTest::of(submitted, pairs, 3_712).expect("there are some")
        };
        // Runs that agree by chance: the deviation of the set, 0.63 %, with the normal 2.58 and √2.
        let close = test(&[0.8240, 0.8241, 0.8240], &[(0.8240, 0.8100)]);
        assert!(close.passes && (close.allowed - 0.0228).abs() < 1e-4, "{close:?}");
        assert!(!test(&[0.8240, 0.8241, 0.8240], &[(0.8240, 0.80)]).passes);
        // Runs that differ: s = 1 %, t of 2 degrees of freedom. Each is held against its own seed.
        let wide = test(&[0.81, 0.82, 0.83], &[(0.81, 0.81), (0.82, 0.84), (0.83, 0.83)]);
        assert!(wide.passes && (wide.allowed - 9.925 * 0.01 * (2.0f64 / 3.0).sqrt()).abs() < 1e-9, "{wide:?}");
        assert!(test(&[0.5], &[(0.5, 0.5)]).passes && !test(&[0.9], &[(0.9, 0.5)]).passes);
        assert_eq!(AccuracyTest::of(&[0.5], &[], 10), None);
    }

    #[test]
    fn the_expansion_goes_on_where_the_table_ends() {
        for (degrees, t) in [(10, 3.169), (11, 3.106), (30, 2.750), (1_000, 2.581)] {
            assert!((t_995(degrees) - t).abs() < 0.002, "{degrees}: {}", t_995(degrees));
        }
    }
}
