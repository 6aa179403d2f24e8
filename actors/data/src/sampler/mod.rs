//! Which records an epoch uses, in which order and together with which: one pure function a sampler.
//! Not here: caps and batch geometry (see `plan`), or what is done to pictures (see `ticket`).
//!
//! A [`Sampler`] is what a recipe says. Bound to the records that may be drawn ([`BoundSampler`]) it has been checked against
//! them, and every later plan is drawn without fail. A plan depends on (records, sampler, seed, epoch, cap, losses) alone;
//! all draws come from [`crate::random`].

mod bind;
mod classes;
mod draw;
mod epochs;
mod file_error;
#[cfg(test)]
mod tests;
mod weights;

use std::sync::Arc;

pub use self::bind::{BoundSampler, Population, SamplerError};
pub use self::draw::Occasion;
pub use self::epochs::EpochsFile;
pub use self::file_error::FileError;
pub use self::weights::{WeightsById, class_weights, class_weights_from_csv};

/// How an epoch walks its records.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampler {
    /// In the order of the shards.
    Sequential,
    /// A fresh permutation of all records each epoch.
    Shuffled,
    /// Every class equally often. Classes that have records take turns, in a fresh order each round, so that at any place of
    /// an epoch no class is more than one ticket ahead of another. Within a class, records are used in a fresh permutation,
    /// then in another, so that no record of it is more than one use ahead of another.
    Balanced {
        /// Tickets of an epoch; as many as there are records if not given.
        tickets: Option<u32>,
    },
    /// Every ticket is drawn anew, with replacement, in proportion to the weights of the records.
    Weighted {
        /// What a record weighs.
        weights: Weights,
        /// As for [`Sampler::Balanced`].
        tickets: Option<u32>,
    },
    /// What the user wrote down.
    File(Arc<EpochsFile>),
    /// Like `Weighted`, by the losses that the records had when they were last trained on. A record without one yet weighs as
    /// much as the mean of the others. Shuffled while there are no losses at all.
    Hard {
        /// Share of the tickets that are drawn without regard to losses, 0–1.
        uniform_share: f64,
        /// As for [`Sampler::Balanced`].
        tickets: Option<u32>,
    },
    /// Anchor, positive, negative. Anchors are the records in a fresh permutation, then in another; the positive is any other
    /// record of the anchor's class, the negative any record of another class.
    Triplet {
        /// As for [`Sampler::Balanced`].
        tickets: Option<u32>,
    },
    /// Pairs. The first ones are the records in a fresh permutation, then in another; the second is any other record of the
    /// same class, or any record of another class.
    Siamese {
        /// Probability that a pair is of one class, 0–1.
        same_share: f64,
        /// As for [`Sampler::Balanced`].
        tickets: Option<u32>,
    },
}

/// What the records of a weighted sampler weigh: not negative, finite, not all 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// A record weighs what its class does.
    ByClass(Arc<[f64]>),
    /// Each record by its id.
    ById(Arc<WeightsById>),
}

impl Sampler {
    /// The name in recipes and hashes.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Shuffled => "shuffled",
            Self::Balanced { .. } => "balanced",
            Self::Weighted { .. } => "weighted",
            Self::File(_) => "file",
            Self::Hard { .. } => "hard",
            Self::Triplet { .. } => "triplet",
            Self::Siamese { .. } => "siamese",
        }
    }

    /// Records of each of its tickets, 1 to 3. The single record of a ticket is shown by all of its views.
    pub fn records_per_ticket(&self) -> usize {
        match self {
            Self::Triplet { .. } => 3,
            Self::Siamese { .. } => 2,
            Self::File(epochs) => epochs.ids_per_ticket(),
            _ => 1,
        }
    }

    /// Whether it must know class or id of every record, which takes a pass over the data.
    pub fn needs_columns(&self) -> bool {
        !matches!(self, Self::Sequential | Self::Shuffled | Self::Hard { .. })
    }

    /// Whether it goes by the losses of earlier epochs.
    pub fn needs_losses(&self) -> bool {
        matches!(self, Self::Hard { .. })
    }

    /// Checks it against the records that it may draw.
    ///
    /// # Errors
    /// When they are not what it needs: ids that aren't there, a class with a single example for pairs, no weight at all.
    pub fn bind(&self, population: &Population<'_>) -> Result<BoundSampler, SamplerError> {
        bind::bind(self, population)
    }
}
