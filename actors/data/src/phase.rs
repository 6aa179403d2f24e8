//! One pass over one split: everything workers need to know to turn its tickets into rows.
//! Not here: progress through it (see `conductor`).

use std::sync::Arc;

use crate::cache::CachedSet;
use crate::example::FeatureNames;
use crate::index::Index;
use crate::limits::ENCODED_BYTES_IN_FLIGHT_MAX;
use crate::picture::DecodeMode;
use crate::plan::Plan;
use crate::resample::ResamplePath;
use crate::slab::Layout;
use crate::ticket::{Records, Transform, ViewKey};

/// Whether a phase trains or judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseKind {
    /// Rows are hashed; a short last batch may be dropped.
    Train,
    /// Every ticket is used.
    Validate,
}

/// What to open a phase with.
#[derive(Clone)]
pub struct PhaseSpec {
    /// Train or validate.
    pub kind: PhaseKind,
    /// The split.
    pub index: Arc<Index>,
    /// Names of the features in its examples.
    pub features: FeatureNames,
    /// Its tickets in order.
    pub plan: Arc<Plan>,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// Whether an incomplete last batch is dropped.
    pub drop_last: bool,
    /// Where to begin: a multiple of `batch_rows` (after a resume, the plan cursor).
    pub first_seq: u64,
    /// Most tickets to issue from there (what `--max-steps` leaves); `None` = the whole plan.
    pub tickets_max: Option<u64>,
    /// One transform per view: as many as the plan's tickets have records, or any number where they have one.
    pub views: Vec<Transform>,
    /// Labels must be in 0..classes; `None` = any label, or none, will do.
    pub classes: Option<i64>,
    /// How forgiving the JPEG decoder is.
    pub decode: DecodeMode,
    /// How pictures become rows.
    pub resample: ResamplePath,
    /// Whether rows are hashed for the batch-hash chain.
    pub hash_rows: bool,
}

impl PhaseSpec {
    /// One past the last ticket that will be read.
    pub fn end_seq(&self) -> u64 {
        let rows = self.batch_rows as u64;
        let planned = self.plan.tickets();
        let whole = if self.drop_last { planned - planned % rows } else { planned };
        match self.tickets_max {
            Some(most) => whole.min(self.first_seq.saturating_add(most)),
            None => whole,
        }
    }

    /// Tickets that are settled as dropped when the phase opens: those of the incomplete last batch.
    /// None when `tickets_max` ends the phase before it gets there.
    pub fn dropped_last(&self) -> u64 {
        let rows = self.batch_rows as u64;
        let planned = self.plan.tickets();
        let tail = if self.drop_last { planned % rows } else { 0 };
        if self.end_seq() + tail == planned { tail } else { 0 }
    }

    /// Batches that will be delivered.
    pub fn batches(&self) -> u64 {
        self.end_seq().saturating_sub(self.first_seq).div_ceil(self.batch_rows as u64)
    }

    /// Where rows and views lie.
    pub fn layout(&self) -> Layout {
        Layout::new(self.batch_rows, self.views.iter().map(|view| view.size).collect())
    }
}

/// An open phase, shared by all workers.
pub struct Phase {
    /// What it was opened with.
    pub spec: PhaseSpec,
    /// Number of the phase in this pipeline, from 1: messages of an older one are recognised by it.
    pub number: u64,
    /// Where rows and views lie.
    pub layout: Arc<Layout>,
    /// What is kept of its records between epochs, if anything is.
    pub cache: Option<Arc<CachedSet>>,
}

impl Phase {
    /// What the draws of a view are keyed by.
    pub fn key(&self, seq: u64, view: usize) -> ViewKey {
        ViewKey { seed: self.spec.plan.seed(), epoch: self.spec.plan.epoch(), seq, view: view as u8 }
    }

    /// Encoded bytes that a ticket takes on its way to the decoder: of each of its records once, none of those that are kept
    /// in memory, and none at all if it is too large.
    pub fn encoded_bytes(&self, records: &Records) -> u64 {
        if self.is_too_large(records) {
            return 0;
        }
        let bytes = |record| match &self.cache {
            Some(cache) if cache.label(record).is_some() => 0,
            _ => self.spec.index.frame_bytes(record),
        };
        records.distinct().map(|(_, record)| bytes(record)).sum()
    }

    /// Whether the records of a ticket, of which each alone may be read, are more together than may be in flight. A property
    /// of the data alone: a cache does not change it.
    pub fn is_too_large(&self, records: &Records) -> bool {
        let bytes = |record| self.spec.index.frame_bytes(record);
        records.all().len() > 1
            && records.distinct().count() > 1
            && records.distinct().map(|(_, record)| bytes(record)).sum::<u64>() > ENCODED_BYTES_IN_FLIGHT_MAX
    }

    /// Whether rows pass the augmenters.
    pub fn augments(&self) -> bool {
        self.spec.views.iter().any(|view| view.jitter)
    }
}
