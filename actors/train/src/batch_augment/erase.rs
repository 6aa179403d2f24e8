//! Random erasing (Zhong et al. 2017) as fastai does it: a rectangle of noise over some pictures.
//! Not for: erasing with a constant, or several rectangles a picture.

use fastgarden_data::random::{Draws, Purpose};
use fastgarden_data::ticket::ViewKey;
use tch::{Device, Kind, Tensor};

use super::{laid_out_like, upload};

/// Largest share of a picture that is erased.
const AREA_MAX: f64 = 0.3;
/// Smallest ratio of height to width of a rectangle; the largest is its reciprocal.
const ASPECT_MIN: f64 = 0.3;
/// Where a picture's noise may begin in the pool.
const NOISE_STARTS: u64 = 1 << 20;

/// `stage.erase`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EraseSpec {
    /// Probability that a picture has a rectangle erased, 0–1.
    pub probability: f64,
}

/// The rectangle of one picture, pixels; it may reach beyond the right and the bottom edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erasure {
    /// First row.
    pub top: i64,
    /// One past the last row.
    pub bottom: i64,
    /// First column.
    pub left: i64,
    /// One past the last column.
    pub right: i64,
    /// Where its noise begins in the pool.
    pub noise: i64,
}

impl Erasure {
    /// fastai's rectangle for a picture of this size; an empty one where nothing is erased. An area uniform in 0–0.3 of the
    /// picture, a shape log-uniform in 0.3–1/0.3, at any place.
    pub fn draw(spec: EraseSpec, key: ViewKey, height: i64, width: i64) -> Self {
        let mut draws = key.draws(Purpose::Erase);
        let chance = draws.unit();
        let area = draws.between(0.0, AREA_MAX) * (height * width) as f64;
        let aspect = libm::exp(draws.between(libm::log(ASPECT_MIN), -libm::log(ASPECT_MIN)));
        let mut side = |area: f64, length: i64| {
            let side = libm::sqrt(area).round_ties_even() as i64;
            let room = (length - side).max(0) as u64;
            let start = draws.below(room + 1) as i64;
            (start, start + side)
        };
        let (top, bottom) = side(area * aspect, height);
        let (left, right) = side(area / aspect, width);
        let noise = draws.below(NOISE_STARTS) as i64;
        if chance < spec.probability { Self { top, bottom, left, right, noise } } else { Self::default() }
    }
}

/// Random erasing with its noise on the device.
///
/// Noise for a batch would be more numbers than the CPU should draw for each step: a pool of normal numbers is drawn once,
/// and a picture's noise is the stretch of it that begins where the picture's ticket says.
pub struct Eraser {
    spec: EraseSpec,
    pool: Tensor,
}

impl Eraser {
    /// Erases pictures of three channels and up to `pixels_max` pixels.
    pub fn new(spec: EraseSpec, pixels_max: u64, device: Device) -> Self {
        let numbers = NOISE_STARTS + 3 * pixels_max;
        let mut draws = Draws::new(0, 0, 0, 0, Purpose::Noise);
        let pool: Vec<f32> = (0..numbers).map(|_| draws.normal() as f32).collect();
        Self { spec, pool: Tensor::from_slice(&pool).to_device(device) }
    }

    /// Erases in `images` `[N, 3, H, W]` float32, one key a row.
    pub fn apply(&self, images: Tensor, keys: &[ViewKey]) -> Tensor {
        let size = images.size();
        let draw = |&key: &ViewKey| Erasure::draw(self.spec, key, size[2], size[3]);
        self.fill(images, &keys.iter().map(draw).collect::<Vec<_>>())
    }

    /// Fills the rectangles, one a row.
    fn fill(&self, images: Tensor, erasures: &[Erasure]) -> Tensor {
        let size = images.size();
        let numbers: Vec<i64> = erasures
            .iter()
            .flat_map(|erasure| [erasure.top, erasure.bottom, erasure.left, erasure.right, erasure.noise])
            .collect();
        let numbers = upload(&numbers, images.device()).view([-1, 5, 1, 1, 1]);
        let bound = |column: i64| numbers.select(1, column);
        let axis = |length: i64| Tensor::arange(length, (Kind::Int64, images.device()));
        let within = |at: Tensor, first: i64| at.ge_tensor(&bound(first)).logical_and(&at.lt_tensor(&bound(first + 1)));
        let rows = within(axis(size[2]).view([1, 1, -1, 1]), 0);
        let columns = within(axis(size[3]).view([1, 1, 1, -1]), 2);
        // Every stretch of the pool as a row of a matrix that shares its memory; only the chosen ones are copied.
        let stretches = self.pool.unfold(0, size[1] * size[2] * size[3], 1);
        let noise = stretches.index_select(0, &bound(4).view([-1])).view(size.as_slice());
        laid_out_like(noise.where_self(&rows.logical_and(&columns), &images), &images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seq: u64) -> ViewKey {
        ViewKey { seed: 5, epoch: 1, seq, view: 0 }
    }

    #[test]
    fn rectangles_are_fastais() {
        let spec = EraseSpec { probability: 0.5 };
        let drawn: Vec<Erasure> = (0..8_000).map(|seq| Erasure::draw(spec, key(seq), 100, 100)).collect();
        let erased: Vec<&Erasure> = drawn.iter().filter(|e| e.bottom > e.top && e.right > e.left).collect();
        assert!((3_800..4_150).contains(&erased.len()), "{}", erased.len());
        let area = |e: &Erasure| ((e.bottom - e.top) * (e.right - e.left)) as f64 / 1e4;
        let mean = erased.iter().map(|e| area(e)).sum::<f64>() / erased.len() as f64;
        assert!((mean - 0.15).abs() < 0.005, "the mean area is {mean}");
        // Rounded to whole pixels, so a hair above is possible.
        assert!(erased.iter().all(|e| area(e) < 0.32
            && e.top >= 0
            && e.left >= 0
            && e.bottom <= 100
            && e.right <= 100));
        let tall = erased.iter().filter(|e| e.bottom - e.top > e.right - e.left).count() as f64;
        assert!((tall / erased.len() as f64 - 0.5).abs() < 0.03, "as often tall as wide: {tall}");
    }

    #[test]
    fn only_the_rectangle_becomes_noise_whatever_the_layout() {
        let eraser = Eraser::new(EraseSpec { probability: 1.0 }, 1_600, Device::Cpu);
        let images = Tensor::full([2, 3, 40, 40], 7.0, (Kind::Float, Device::Cpu));
        let erasure = Erasure { top: 10, bottom: 30, left: 5, right: 45, noise: 77 };
        let filled = eraser.fill(images.copy(), &[Erasure::default(), erasure]);
        assert_eq!(filled.get(0), images.get(0));
        let inside = filled.get(1).narrow(1, 10, 20).narrow(2, 5, 35);
        assert_eq!(i64::try_from(filled.ne(7.0).sum(Kind::Int64)).expect("a count"), inside.numel() as i64);
        let (mean, std) = (inside.mean(Kind::Float).double_value(&[]), inside.std(true).double_value(&[]));
        assert!(mean.abs() < 0.08 && (std - 1.0).abs() < 0.08, "{mean} {std}");
        let channels_last = images.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        let same = eraser.fill(channels_last.copy(), &[Erasure::default(), erasure]);
        assert_eq!((&same, same.stride()), (&filled, channels_last.stride()));
    }

    #[test]
    fn the_last_stretch_of_noise_lies_in_the_pool() {
        let eraser = Eraser::new(EraseSpec { probability: 1.0 }, 16, Device::Cpu);
        let all = Erasure { top: 0, bottom: 4, left: 0, right: 4, noise: NOISE_STARTS as i64 - 1 };
        let filled = eraser.fill(Tensor::zeros([1, 3, 4, 4], (Kind::Float, Device::Cpu)), &[all]);
        assert_eq!(i64::try_from(filled.eq(0.0).sum(Kind::Int64)).expect("a count"), 0);
    }
}
