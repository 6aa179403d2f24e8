//! One entry of the board.
//! Not here: its TOML (file.rs), its place (standing.rs).

use crate::report::Statistics;

/// A result, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Name of the recipe.
    pub system: String,
    /// Whose it is, without `@`.
    pub author: String,
    /// What it does, in one sentence.
    pub sentence: String,
    /// A page about it; empty if there is none.
    pub link: String,
    /// Day of the result or of its arrival, `YYYY-MM-DD`.
    pub date: String,
    /// What is ranked.
    pub score: Score,
    /// The deviation that its author stated, and that lines to paste state.
    pub std: StdKind,
    /// Of one run, training and validation; the mean over runs.
    pub seconds: Option<f64>,
    /// What it ran on.
    pub device: Option<String>,
    /// Most memory of the device that was in use.
    pub device_memory_bytes: Option<u64>,
    /// Most memory of the process.
    pub memory_bytes: Option<u64>,
    /// Epoch by epoch, a curve a run, as far as known.
    pub curves: Vec<Curve>,
    /// What the referee saw; none for a published result that nobody has run again.
    pub submitted: Option<Submitted>,
}

/// Accuracies, 0–1.
#[derive(Clone, Debug, PartialEq)]
pub enum Score {
    /// Of each run.
    Runs(Vec<f64>),
    /// All that is known is what somebody stated.
    Stated {
        /// Of the runs.
        mean: f64,
        /// Of the kind of [`Entry::std`].
        deviation: f64,
        /// How many.
        runs: u32,
    },
}

/// What a standard deviation of n runs is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdKind {
    /// n.
    Population,
    /// n − 1.
    Sample,
}

impl StdKind {
    /// As boards and pages name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Population => "population",
            Self::Sample => "sample",
        }
    }
}

/// One run, epoch by epoch; lists may be empty, and else have one value an epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// The run's seed, where known.
    pub seed: Option<u64>,
    /// 0–1.
    pub accuracy: Vec<f64>,
    /// Mean over the epoch.
    pub train_loss: Vec<f64>,
    /// Mean over validation.
    pub valid_loss: Vec<f64>,
}

/// What tells a submission from all others, and what the rules said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// SHA-256 hex of its file.
    pub sha256: String,
    /// SHA-256 hex of its recipe.
    pub recipe_hash: String,
    /// The last link of each run's ledger, hex.
    pub ledger_heads: Vec<String>,
    /// Rules it was judged by and passed, such as R1.
    pub passed: Vec<String>,
}

impl Entry {
    /// Mean accuracy, 0–1.
    pub fn mean(&self) -> f64 {
        match &self.score {
            Score::Runs(accuracies) => Statistics::of(accuracies).mean.unwrap_or(0.0),
            Score::Stated { mean, .. } => *mean,
        }
    }

    /// How many runs the mean is over.
    pub fn runs(&self) -> usize {
        match &self.score {
            Score::Runs(accuracies) => accuracies.len(),
            Score::Stated { runs, .. } => *runs as usize,
        }
    }

    /// A standard deviation, 0–1; `None` of a single run.
    pub fn deviation(&self, kind: StdKind) -> Option<f64> {
        match &self.score {
            Score::Runs(accuracies) => {
                let statistics = Statistics::of(accuracies);
                if kind == StdKind::Sample { statistics.std_sample } else { statistics.std_population }
            }
            Score::Stated { deviation, runs, .. } if *runs > 1 => {
                let count = f64::from(*runs);
                let to_sample = (count / (count - 1.0)).sqrt();
                Some(match (self.std, kind) {
                    (StdKind::Population, StdKind::Sample) => deviation * to_sample,
                    (StdKind::Sample, StdKind::Population) => deviation / to_sample,
                    _ => *deviation,
                })
            }
            Score::Stated { .. } => None,
        }
    }

    /// Whether the referee has seen it.
    pub fn is_published(&self) -> bool {
        self.submitted.is_none()
    }

    /// "82.40 % ± 0.15", with the deviation that was stated.
    pub fn score_text(&self) -> String {
        let mean = 100.0 * self.mean();
        match self.deviation(self.std) {
            Some(deviation) => format!("{mean:.2} % ± {:.2}", 100.0 * deviation),
            None => format!("{mean:.2} %"),
        }
    }

    /// Device memory, or where that is not known the process's: what it is, and how much.
    pub fn peak_memory(&self) -> Option<(&'static str, u64)> {
        let device = self.device_memory_bytes.map(|bytes| ("GPU", bytes));
        device.or_else(|| self.memory_bytes.map(|bytes| ("RAM", bytes)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An entry with these accuracies.
    pub fn entry(system: &str, accuracies: &[f64]) -> Entry {
        Entry {
            system: system.to_owned(),
            author: "somebody".to_owned(),
            sentence: "It does what it does.".to_owned(),
            link: "https://example.org/x".to_owned(),
            date: "2026-01-02".to_owned(),
            score: Score::Runs(accuracies.to_vec()),
            std: StdKind::Population,
            seconds: Some(100.0),
            device: None,
            device_memory_bytes: None,
            memory_bytes: Some(1 << 30),
            curves: Vec::new(),
            submitted: None,
        }
    }

    #[test]
    fn a_stated_deviation_is_converted_to_the_other_convention() {
        let score = Score::Stated { mean: 0.7124, deviation: 0.0124, runs: 5 };
        let stated = Entry { score, std: StdKind::Sample, ..entry("a", &[]) };
        assert_eq!(stated.score_text(), "71.24 % ± 1.24");
        let population = stated.deviation(StdKind::Population).unwrap();
        assert!((population - 0.0124 * 0.8f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn runs_give_mean_and_both_deviations() {
        let first = entry("a", &[0.822468, 0.823545, 0.825970]);
        assert_eq!(first.score_text(), "82.40 % ± 0.15");
        assert!((first.deviation(StdKind::Sample).unwrap() - 0.00179).abs() < 1e-5);
        assert_eq!(entry("a", &[0.5]).score_text(), "50.00 %");
    }
}
