//! Brightness and contrast jitter: fastai's lighting transform, on 8-bit pixels in place.
//! Not for: jitter on the device (that works on floats, before rounding), hue or saturation.

use crate::random::Draws;
use std::sync::LazyLock;

/// Probability that brightness, or contrast, is changed at all.
const PROBABILITY: f64 = 0.75;
/// Lowest and highest brightness drawn; 0.5 leaves a picture as it is.
const BRIGHTNESS: (f64, f64) = (0.4, 0.6);
/// Lowest contrast drawn; the highest is its reciprocal, and 1 leaves a picture as it is.
const CONTRAST_MIN: f64 = 0.8;
/// Black and white are taken this far inside (0, 1), where the logit is finite.
const EDGE: f64 = 1e-7;

/// The logit of each byte as a share of 255.
static LOGITS: LazyLock<[f64; 256]> =
    LazyLock::new(|| std::array::from_fn(|byte| logit((byte as f64 / 255.0).clamp(EDGE, 1.0 - EDGE))));

/// How one view is lit: each channel value x in 0..1 becomes
/// sigmoid((logit(x) + logit(`brightness`)) * `contrast`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter {
    /// In (0, 1); 0.5 = unchanged.
    pub brightness: f32,
    /// Above 0; 1 = unchanged.
    pub contrast: f32,
}

impl Jitter {
    /// The jitter that changes nothing.
    pub const NONE: Self = Self { brightness: 0.5, contrast: 1.0 };

    /// Draws fastai's defaults: brightness uniform in 0.4..0.6 and contrast log-uniform in 0.8..1.25, each with
    /// probability 0.75. Always takes four draws.
    pub fn draw(draws: &mut Draws) -> Self {
        let mut sometimes = |low: f64, high: f64| {
            let (chance, value) = (draws.unit(), draws.between(low, high));
            (chance < PROBABILITY).then_some(value)
        };
        let brightness = sometimes(BRIGHTNESS.0, BRIGHTNESS.1);
        let log_max = -libm::log(CONTRAST_MIN);
        let contrast = sometimes(-log_max, log_max).map(libm::exp);
        Self {
            brightness: brightness.map_or(Self::NONE.brightness, |value| value as f32),
            contrast: contrast.map_or(Self::NONE.contrast, |value| value as f32),
        }
    }

    /// Lights the channel values in `pixels`. The arithmetic is double precision with `libm`'s functions, rounded to
    /// the nearest byte, so that it's the same on every machine.
    pub fn apply(self, pixels: &mut [u8]) {
        if self == Self::NONE {
            return;
        }
        let table = self.table();
        for value in pixels {
            *value = table[usize::from(*value)];
        }
    }

    /// What becomes of each byte.
    fn table(self) -> [u8; 256] {
        let shift = logit(f64::from(self.brightness));
        let contrast = f64::from(self.contrast);
        LOGITS.map(|input| {
            let lit = 1.0 / (1.0 + libm::exp(-(input + shift) * contrast));
            (lit * 255.0 + 0.5) as u8
        })
    }
}

fn logit(share: f64) -> f64 {
    libm::log(share / (1.0 - share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn the_formula_at_its_neutral_point_changes_nothing() {
        let expected: Vec<u8> = (0..=255).collect();
        assert_eq!(Jitter::NONE.table().as_slice(), expected);
    }

    #[test]
    fn values_follow_fastai() {
        // sigmoid((logit(100/255) + logit(0.6)) * 1.25) * 255 = 124.89, and 130.11 for the mirror image 155/255, 0.4.
        let mut pixels = [100, 0, 255];
        Jitter { brightness: 0.6, contrast: 1.25 }.apply(&mut pixels);
        assert_eq!(pixels, [125, 0, 255]);
        let mut mirrored = [155];
        Jitter { brightness: 0.4, contrast: 1.25 }.apply(&mut mirrored);
        assert_eq!(mirrored, [130]);
    }

    #[test]
    fn draws_stay_in_range_and_leave_a_quarter_alone() {
        let mut draws = Draws::new(3, 1, 1, 0, Purpose::Jitter);
        let jitters: Vec<Jitter> = (0..4_000).map(|_| Jitter::draw(&mut draws)).collect();
        assert!(jitters.iter().all(|j| (0.4..=0.6).contains(&j.brightness) && (0.8..=1.25).contains(&j.contrast)));
        let alone = |same: fn(&Jitter) -> bool| jitters.iter().filter(|j| same(j)).count();
        assert!((850..1_150).contains(&alone(|j| j.brightness == 0.5)));
        assert!((850..1_150).contains(&alone(|j| j.contrast == 1.0)));
        // Log-uniform: as often below 1 as above.
        assert!((1_350..1_650).contains(&alone(|j| j.contrast < 1.0)));
    }
}
