//! Which records an epoch uses, in which order: one pure function a sampler.
//! Not here: caps and batch geometry (see `plan`).

use crate::random::{Draws, Purpose};

/// How an epoch walks its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampler {
    /// In the order of the shards.
    Sequential,
    /// A fresh permutation of all records each epoch.
    Shuffled,
}

impl Sampler {
    /// The name in recipes and hashes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Shuffled => "shuffled",
        }
    }

    /// The order of an epoch over `records` records.
    pub fn order(self, records: u32, seed: u64, epoch: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..records).collect();
        if self == Self::Shuffled {
            let mut draws = Draws::new(seed, epoch, 0, 0, Purpose::Shuffle);
            for last in (1..order.len()).rev() {
                let other = draws.below(last as u64 + 1) as usize;
                order.swap(last, other);
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_is_a_permutation_that_depends_on_seed_and_epoch_alone() {
        let order = Sampler::Shuffled.order(1_000, 3, 1);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, Sampler::Sequential.order(1_000, 3, 1));
        assert_eq!(order, Sampler::Shuffled.order(1_000, 3, 1));
        assert_ne!(order, Sampler::Shuffled.order(1_000, 4, 1));
        assert_ne!(order, Sampler::Shuffled.order(1_000, 3, 2));
    }

    #[test]
    fn no_records_and_one_record_are_plans_too() {
        assert!(Sampler::Shuffled.order(0, 1, 1).is_empty());
        assert_eq!(Sampler::Shuffled.order(1, 1, 1), [0]);
    }
}
