//! The batch-hash chain: one number that says exactly which pixels, in which order, with which labels, were consumed.
//! Not here: the ledger that stores it, or the hashing of rows (workers do that while they are hot).

use sha2::{Digest, Sha256};

use crate::batch::RowDigest;
use crate::plan::hex;

/// h₀ = 32 zero bytes; hₖ = SHA-256(hₖ₋₁ ‖ for each row: seq u64 ‖ label i64 ‖ per view XXH3-64 of its pixels u64), all
/// little-endian; a quarantined row is seq ‖ i64::MIN alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchHash {
    state: [u8; 32],
}

impl BatchHash {
    /// Continues a chain from its hex form; `None` when that isn't one.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut state = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, digits) in state.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self { state })
    }

    /// Takes in one batch of `views` views.
    pub fn update(&mut self, rows: &[RowDigest], views: usize) {
        let mut hasher = Sha256::new();
        hasher.update(self.state);
        for row in rows {
            hasher.update(row.seq.to_le_bytes());
            hasher.update(row.label.to_le_bytes());
            if row.label != RowDigest::QUARANTINED {
                for hash in &row.hashes[..views] {
                    hasher.update(hash.to_le_bytes());
                }
            }
        }
        self.state = hasher.finalize().into();
    }

    /// The chain so far, hex.
    pub fn hex(&self) -> String {
        hex(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: u64, label: i64) -> RowDigest {
        RowDigest { seq, label, hashes: [seq + 100, 7, 9] }
    }

    #[test]
    fn the_chain_is_the_documented_bytes() {
        let mut chain = BatchHash::default();
        chain.update(&[row(0, 3), row(1, RowDigest::QUARANTINED)], 1);
        let mut bytes = vec![0u8; 32];
        for number in [0i64, 3, 100, 1, i64::MIN] {
            bytes.extend(number.to_le_bytes());
        }
        assert_eq!(chain.hex(), hex(&Sha256::digest(bytes)));
    }

    #[test]
    fn a_chain_continues_from_its_hex() {
        let mut whole = BatchHash::default();
        whole.update(&[row(0, 1)], 2);
        let mut resumed = BatchHash::from_hex(&whole.hex()).unwrap();
        whole.update(&[row(1, 1)], 2);
        resumed.update(&[row(1, 1)], 2);
        assert_eq!(whole, resumed);
        assert_eq!(BatchHash::from_hex("12"), None);
        assert_eq!(BatchHash::from_hex(&"g".repeat(64)), None);
    }
}
