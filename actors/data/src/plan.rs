//! The plan of one phase: a pure function of (data, sampler, seed, epoch, cap) to a sequence of tickets.
//! Not here: handing tickets out (see `conductor`).

use sha2::{Digest, Sha256};

use crate::sampler::Sampler;
use crate::ticket::Ticket;

/// The tickets of one phase, in order. The cap is applied here, where nothing can go round it: a plan never holds more.
#[derive(Debug)]
pub struct Plan {
    sampler: Sampler,
    seed: u64,
    epoch: u32,
    records: Vec<u32>,
}

impl Plan {
    /// The plan of `epoch` (from 1, over the lineage) over `records` records, at most `cap` tickets long.
    pub fn new(sampler: Sampler, records: u32, seed: u64, epoch: u32, cap: Option<u64>) -> Self {
        let mut order = sampler.order(records, seed, epoch);
        if let Some(cap) = cap {
            order.truncate(usize::try_from(cap).unwrap_or(usize::MAX));
        }
        Self { sampler, seed, epoch, records: order }
    }

    /// Number of tickets.
    pub fn tickets(&self) -> u64 {
        self.records.len() as u64
    }

    /// The ticket at a place of the plan, which must be below [`Plan::tickets`].
    pub fn ticket(&self, seq: u64) -> Ticket {
        Ticket { seq, record: self.records[seq as usize] }
    }

    /// Seed that all draws of the phase are keyed by.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Epoch over the lineage, from 1.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// SHA-256 hex over sampler name, a zero byte, seed, epoch, count and every record number, little-endian.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.sampler.name().as_bytes());
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
        assert_eq!(Plan::new(Sampler::Shuffled, 100, 1, 1, Some(37)).tickets(), 37);
        assert_eq!(Plan::new(Sampler::Shuffled, 100, 1, 1, None).tickets(), 100);
        assert_eq!(Plan::new(Sampler::Sequential, 10, 1, 1, Some(u64::MAX)).tickets(), 10);
    }

    #[test]
    fn the_hash_depends_on_every_input() {
        let hash = |sampler, records, seed, epoch, cap| Plan::new(sampler, records, seed, epoch, cap).hash();
        let base = hash(Sampler::Shuffled, 50, 1, 1, None);
        assert_eq!(base, hash(Sampler::Shuffled, 50, 1, 1, Some(50)));
        for other in [
            hash(Sampler::Sequential, 50, 1, 1, None),
            hash(Sampler::Shuffled, 51, 1, 1, None),
            hash(Sampler::Shuffled, 50, 2, 1, None),
            hash(Sampler::Shuffled, 50, 1, 2, None),
            hash(Sampler::Shuffled, 50, 1, 1, Some(49)),
        ] {
            assert_ne!(base, other);
        }
    }
}
