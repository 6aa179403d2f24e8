//! A batch in the consumer's hands: pixels, labels, and the duty to say what was done with them.
//! Not here: making one (see `sequencer`).

use std::sync::Arc;

use actix::Addr;

use crate::conductor::{Conductor, Report};
use crate::limits::VIEWS_MAX;
use crate::outcome::{Quarantined, Use};
use crate::phase::Phase;
use crate::slab::Slab;
use crate::tell::tell;
use crate::ticket::{Ticket, ViewKey};

/// What one row of the plan came to, in plan order, quarantined ones included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowDigest {
    /// The ticket.
    pub seq: u64,
    /// Its (first record's) label; −1 where the split has none; `i64::MIN` for a quarantined row.
    pub label: i64,
    /// XXH3-64 of each view (0 where the phase hashes nothing).
    pub hashes: [u64; VIEWS_MAX],
}

impl RowDigest {
    /// The label that stands for a quarantined row.
    pub const QUARANTINED: i64 = i64::MIN;
}

/// One batch, in plan order. Dropping it gives the slab back; not settling it is a bug that [`crate::pipeline::Batches::finish`] reports.
pub struct Batch {
    pub(crate) phase: Arc<Phase>,
    pub(crate) number: u64,
    pub(crate) labels: Vec<i64>,
    /// Labels of the second and third records, where tickets have them.
    pub(crate) labels_besides: [Vec<i64>; VIEWS_MAX - 1],
    pub(crate) digests: Vec<RowDigest>,
    pub(crate) quarantined: Vec<Quarantined>,
    pub(crate) slab: Option<Slab>,
    pub(crate) conductor: Arc<Addr<Conductor>>,
    pub(crate) settled: bool,
}

impl Batch {
    /// Number in the phase, from 0 (counted from the phase's first ticket, also after a resume).
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Usable rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether every row was quarantined.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Labels of the usable rows (−1 where the split has none). Of tickets of several records, the first one's.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// Labels of what a view of the usable rows shows. Two records of a pair are of the same class where these are equal.
    pub fn view_labels(&self, view: usize) -> &[i64] {
        match self.phase.spec.plan.records_per_ticket() {
            1 => &self.labels,
            _ => view.checked_sub(1).map_or(&self.labels, |besides| &self.labels_besides[besides]),
        }
    }

    /// Records of each ticket, 1 to 3: where there are several, every view has labels of its own.
    pub fn records_per_ticket(&self) -> usize {
        self.phase.spec.plan.records_per_ticket()
    }

    /// The tickets of the usable rows, in their order.
    pub fn tickets(&self) -> impl Iterator<Item = Ticket> {
        let usable = self.digests.iter().filter(|row| row.label != RowDigest::QUARANTINED);
        usable.map(|row| self.phase.spec.plan.ticket(row.seq))
    }

    /// Every ticket of the batch in plan order, for hashes and ledgers.
    pub fn digests(&self) -> &[RowDigest] {
        &self.digests
    }

    /// What the draws of one view of the usable rows are keyed by, in the order of the rows.
    pub fn view_keys(&self, view: usize) -> impl Iterator<Item = ViewKey> {
        let usable = self.digests.iter().filter(|row| row.label != RowDigest::QUARANTINED);
        usable.map(move |row| self.phase.key(row.seq, view))
    }

    /// The tickets that could not be used.
    pub fn quarantined(&self) -> &[Quarantined] {
        &self.quarantined
    }

    /// The tickets of the batch: from the first to one past the last.
    pub fn seqs(&self) -> std::ops::Range<u64> {
        let first = self.digests.first().map_or(0, |row| row.seq);
        first..first + self.digests.len() as u64
    }

    /// The pixels of one view of the usable rows: `[len, H, W, 3]`, 8-bit RGB.
    ///
    /// # Panics
    /// After [`Batch::release_pixels`], or for a view that the phase doesn't have.
    pub fn view(&self, view: usize) -> &[u8] {
        let slab = self.slab.as_ref().expect("the pixels of this batch were given back");
        slab.view(&self.phase.layout, view, self.labels.len())
    }

    /// Views of each ticket, 1 to 3.
    pub fn views(&self) -> usize {
        self.phase.layout.views().len()
    }

    /// Size of a view, pixels.
    pub fn view_size(&self, view: usize) -> crate::geometry::Size {
        self.phase.layout.views()[view]
    }

    /// Gives the slab back: its credits may be used for another batch from now on.
    pub fn release_pixels(&mut self) {
        if let Some(slab) = self.slab.take() {
            tell(&self.conductor, Report::SlabBack(slab));
        }
    }

    /// Says what was done with the usable rows. Exactly once a batch.
    pub fn settle(&mut self, used: Use) {
        assert!(!std::mem::replace(&mut self.settled, true), "a batch is settled once");
        let quarantined = self.quarantined.len() as u64;
        tell(&self.conductor, Report::Settled { used, rows: self.labels.len() as u64, quarantined });
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.release_pixels();
    }
}
