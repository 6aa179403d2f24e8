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
    /// Rotation, zoom and warp.
    Distortion = 7,
    /// Whether and where a rectangle is erased.
    Erase = 8,
    /// The noise that erased rectangles are filled from.
    Noise = 9,
    /// How much of itself a view keeps when it's mixed with another.
    MixShare = 10,
    /// Who is mixed with whom, and where.
    MixBatch = 11,
    /// Which records a sampler draws, other than by a permutation of all.
    Sample = 12,
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

    /// Normal with mean 0 and variance 1 (Box and Muller 1958, the cosine only). Always takes two draws.
    pub fn normal(&mut self) -> f64 {
        // The logarithm of 0 is out of reach: 1 − unit lies in (0, 1].
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.unit())
    }

    /// Beta-distributed with both shapes `alpha`, above 0: in [0, 1], symmetric about ½.
    ///
    /// The share of one of two gamma variates. They are kept as logarithms, which don't underflow for a small `alpha`.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        let (first, second) = (self.log_gamma_variate(alpha), self.log_gamma_variate(alpha));
        1.0 / (1.0 + libm::exp(second - first))
    }

    /// Logarithm of a gamma variate of this shape and scale 1: Marsaglia and Tsang 2000 for shape + 1, brought down by a
    /// uniform to the power of 1/shape.
    fn log_gamma_variate(&mut self, shape: f64) -> f64 {
        let d = shape + 1.0 - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        let above_one = loop {
            let x = self.normal();
            let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
            let log_unit = libm::log(1.0 - self.unit());
            if v > 0.0 && log_unit < 0.5 * x * x + d - d * v + d * libm::log(v) {
                break d * v;
            }
        };
        libm::log(above_one) + libm::log(1.0 - self.unit()) / shape
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

    /// Mean and variance of many draws.
    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let draws: Vec<f64> = (0..40_000).map(|_| draw()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        (mean, draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / draws.len() as f64)
    }

    #[test]
    fn normal_draws_have_the_moments_and_tails_of_the_normal_distribution() {
        let mut draws = Draws::new(7, 0, 0, 0, Purpose::Noise);
        let (mean, variance) = moments(|| draws.normal());
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        // 4.55 % lie beyond two standard deviations.
        let beyond = (0..40_000).filter(|_| draws.normal().abs() > 2.0).count();
        assert!((1_650..2_000).contains(&beyond), "{beyond}");
    }

    #[test]
    fn beta_draws_have_the_moments_of_the_beta_distribution() {
        for alpha in [0.001, 0.2, 0.4, 1.0, 8.0] {
            let mut draws = Draws::new(7, 0, 0, 0, Purpose::MixShare);
            let (mean, variance) = moments(|| draws.beta(alpha));
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!(
                (mean - 0.5).abs() < 0.02 && (variance / expected - 1.0).abs() < 0.04,
                "{alpha}: {mean} {variance}"
            );
        }
        // With shapes of 1 it is uniform.
        let mut draws = Draws::new(8, 0, 0, 0, Purpose::MixShare);
        let low = (0..40_000).filter(|_| draws.beta(1.0) < 0.1).count();
        assert!((3_750..4_250).contains(&low), "{low}");
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
