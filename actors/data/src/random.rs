//! Random numbers that depend on what they are for, never on who draws them or when.
//! Not for: cryptography, or speed beyond a few draws a view.
//!
//! A [`Draws`] is a ChaCha8 stream keyed by (seed, epoch, sequence number, view, purpose), with our own mapping of
//! integers to floats and ranges, so that another version of a library can't change a box.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What the draws decide; draws for one purpose never disturb those for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// The order of an epoch.
    Shuffle = 1,
    /// The box of a random resized crop.
    Crop = 2,
    /// Whether the view is mirrored.
    Flip = 3,
    /// Brightness and contrast.
    Jitter = 4,
    /// The synthetic data set.
    Garden = 5,
    /// Which records a hold-out takes.
    Holdout = 6,
}

/// A reproducible stream of draws.
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of one view of one ticket.
    pub fn new(seed: u64, epoch: u32, seq: u64, view: u8, purpose: Purpose) -> Self {
        let mut key = [0u8; 32];
        key[0..8].copy_from_slice(&seed.to_le_bytes());
        key[8..12].copy_from_slice(&epoch.to_le_bytes());
        key[12] = view;
        key[13] = purpose as u8;
        key[16..24].copy_from_slice(&seq.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in [0, 1): 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in 0..bound, without bias (Lemire's multiply-and-reject).
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "an empty range has no element");
        loop {
            let wide = u128::from(self.0.next_u64()) * u128::from(bound);
            let low = wide as u64;
            if low >= bound.wrapping_neg() % bound {
                return (wide >> 64) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_every_part_of_the_key() {
        let first = |mut draws: Draws| draws.unit().to_bits();
        let base = first(Draws::new(1, 1, 1, 0, Purpose::Crop));
        assert_eq!(base, first(Draws::new(1, 1, 1, 0, Purpose::Crop)));
        for other in [
            Draws::new(2, 1, 1, 0, Purpose::Crop),
            Draws::new(1, 2, 1, 0, Purpose::Crop),
            Draws::new(1, 1, 2, 0, Purpose::Crop),
            Draws::new(1, 1, 1, 1, Purpose::Crop),
            Draws::new(1, 1, 1, 0, Purpose::Flip),
        ] {
            assert_ne!(base, first(other));
        }
    }

    #[test]
    fn below_reaches_every_value_and_none_beyond() {
        let mut draws = Draws::new(7, 0, 0, 0, Purpose::Shuffle);
        let mut seen = [0u32; 5];
        for _ in 0..5_000 {
            seen[draws.below(5) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (800..1_200).contains(&count)), "{seen:?}");
    }
}
