//! The plan of one phase: a pure function of (data, sampler, seed, epoch, cap) to a sequence of tickets.
//! Not here: handing tickets out (see `conductor`), or drawing records (see `sampler`).

use sha2::{Digest, Sha256};

use crate::sampler::BoundSampler;
pub use crate::sampler::Occasion;
use crate::ticket::{Records, Ticket};

/// The tickets of one phase, in order. The cap is applied here, where nothing can go round it: a plan never holds more.
#[derive(Debug)]
pub struct Plan {
    sampler: &'static str,
    seed: u64,
    epoch: u32,
    /// Those of each ticket, ticket after ticket.
    records: Vec<u32>,
    records_per_ticket: usize,
}

impl Plan {
    /// The plan of `epoch` (from 1, over the lineage), at most `cap` tickets long, where no losses are known.
    pub fn new(sampler: &BoundSampler, seed: u64, epoch: u32, cap: Option<u64>) -> Self {
        Self::of(sampler, &Occasion { seed, epoch, cap, losses: &[] })
    }

    /// The plan of an epoch.
    pub fn of(sampler: &BoundSampler, occasion: &Occasion<'_>) -> Self {
        Self {
            sampler: sampler.name(),
            seed: occasion.seed,
            epoch: occasion.epoch,
            records: sampler.order(occasion),
            records_per_ticket: sampler.records_per_ticket(),
        }
    }

    /// Number of tickets.
    pub fn tickets(&self) -> u64 {
        (self.records.len() / self.records_per_ticket) as u64
    }

    /// Records of each ticket, 1 to 3.
    pub fn records_per_ticket(&self) -> usize {
        self.records_per_ticket
    }

    /// The ticket at a place of the plan, which must be below [`Plan::tickets`].
    pub fn ticket(&self, seq: u64) -> Ticket {
        let first = seq as usize * self.records_per_ticket;
        Ticket { seq, records: Records::of(&self.records[first..first + self.records_per_ticket]) }
    }

    /// Seed that all draws of the phase are keyed by.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Epoch over the lineage, from 1.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// SHA-256 hex over sampler name, a zero byte, seed, epoch, number of tickets and every record number of every ticket,
    /// little-endian.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.sampler.as_bytes());
        hasher.update([0]);
        hasher.update(self.seed.to_le_bytes());
        hasher.update(self.epoch.to_le_bytes());
        hasher.update(self.tickets().to_le_bytes());
        for record in &self.records {
            hasher.update(record.to_le_bytes());
        }
        hex(&hasher.finalize())
    }
}

/// Lowercase hex of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String never fails");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_never_holds_more_tickets_than_its_cap() {
        assert_eq!(Plan::new(&BoundSampler::shuffled(100), 1, 1, Some(37)).tickets(), 37);
        assert_eq!(Plan::new(&BoundSampler::shuffled(100), 1, 1, None).tickets(), 100);
        assert_eq!(Plan::new(&BoundSampler::sequential(10), 1, 1, Some(u64::MAX)).tickets(), 10);
    }

    #[test]
    fn the_hash_depends_on_every_input() {
        let hash = |sampler, seed, epoch, cap| Plan::new(&sampler, seed, epoch, cap).hash();
        let base = hash(BoundSampler::shuffled(50), 1, 1, None);
        assert_eq!(base, hash(BoundSampler::shuffled(50), 1, 1, Some(50)));
        for other in [
            hash(BoundSampler::sequential(50), 1, 1, None),
            hash(BoundSampler::shuffled(51), 1, 1, None),
            hash(BoundSampler::shuffled(50), 2, 1, None),
            hash(BoundSampler::shuffled(50), 1, 2, None),
            hash(BoundSampler::shuffled(50), 1, 1, Some(49)),
        ] {
            assert_ne!(base, other);
        }
    }
}
