//! What became of a ticket: exactly one outcome each, and the arithmetic that proves it.
//! Not here: the ledger, which writes outcomes down.

use crate::fault::FaultKind;

/// A row that could not be used, and why. Only a property of its bytes puts a row here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The ticket.
    pub seq: u64,
    /// The record, numbered over the split.
    pub record: u32,
    /// What is wrong with its bytes.
    pub kind: FaultKind,
    /// What was found.
    pub detail: String,
}

/// What the consumer did with the rows of a batch that could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// They trained the network.
    Trained,
    /// They were judged.
    Evaluated,
}

/// Outcomes counted over a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tickets of the phase, dropped ones included.
    pub issued: u64,
    /// Tickets between the plan and their outcome.
    pub in_flight: u64,
    /// Trained.
    pub trained: u64,
    /// Evaluated.
    pub evaluated: u64,
    /// Quarantined.
    pub quarantined: u64,
    /// In the incomplete last batch of a training phase.
    pub dropped_last: u64,
}

impl Tally {
    /// I-conservation: every issued ticket is in flight or has exactly one outcome.
    pub fn is_conserved(&self) -> bool {
        self.issued == self.in_flight + self.trained + self.evaluated + self.quarantined + self.dropped_last
    }
}
