//! Poolings: the one between stem and body, the shortcut's, and the head's.
//!
//! Not for blur inside blocks. The blurred poolings that bear nearly the same name in different places are told apart
//! here by what they compute.

use tch::{Device, Kind, Tensor};

use super::Layer;
use super::part::Part;
use super::precision::of_kind_of;
use crate::state::StateBuilder;

/// How a pooling between stem and body is made, for `[N, channels, H, W]`.
pub struct PoolMaker {
    /// Smallest H and W that it can take.
    pub side_min: i64,
    /// The layer for so many channels.
    pub build: fn(&mut StateBuilder, channels: i64) -> Box<dyn Layer>,
}

/// Every pooling between stem and body.
pub static POOLS: &[&Part<PoolMaker>] = &[&MAX, &MAX_BLUR_2020, &MAX_BLUR, &MAX_BLUR_KORNIA];

/// 3×3 maximum, stride 2, padding 1.
static MAX: Part<PoolMaker> =
    Part { name: "max", settings: &[], make: PoolMaker { side_min: 1, build: |_, _| Box::new(MaxPool) } };

/// `MaxBlurPool2d(3)` of kornia 0.2 (2020): 3×3 maximum at stride 1, a reflected 5×5 binomial blur, and the mean of 2×2.
/// The two last are one reflected 6-tap filter at stride 2; an odd last row or column is dropped.
static MAX_BLUR_2020: Part<PoolMaker> = Part {
    name: "max_blur_2020",
    settings: &[],
    make: PoolMaker {
        side_min: 3,
        build: |state, channels| Box::new(MaxBlur::new(state, channels, 3, Border::Reflect(2), &[1, 5, 10, 10, 5, 1])),
    },
};

/// 3×3 maximum at stride 1, then the reflected 3-tap blur at stride 2 (Zhang 2019, as in timm's anti-aliased ResNets).
static MAX_BLUR: Part<PoolMaker> = Part {
    name: "max_blur",
    settings: &[],
    make: PoolMaker {
        side_min: 2,
        build: |state, channels| Box::new(MaxBlur::new(state, channels, 3, Border::Reflect(1), &[1, 2, 1])),
    },
};

/// `MaxBlurPool2D(3)` of today's kornia: 2×2 maximum at stride 1 without padding, then the 3-tap blur at stride 2 with
/// zeros around.
static MAX_BLUR_KORNIA: Part<PoolMaker> = Part {
    name: "max_blur_kornia",
    settings: &[],
    make: PoolMaker {
        side_min: 2,
        build: |state, channels| Box::new(MaxBlur::new(state, channels, 2, Border::Zero(1), &[1, 2, 1])),
    },
};

struct MaxPool;

impl Layer for MaxPool {
    fn forward(&self, x: &Tensor, _train: bool) -> Tensor {
        x.max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)
    }
}

/// What stands around the map when it is blurred, so many pixels wide.
enum Border {
    Reflect(i64),
    Zero(i64),
}

/// Maximum at stride 1, then a separable blur at stride 2.
struct MaxBlur {
    /// Side of the maximum's window. Odd ones are centred, even ones take what lies to the right and below.
    window: i64,
    border: Border,
    /// `[C, 1, k, k]`, each summing to 1.
    filter: Tensor,
}

impl MaxBlur {
    fn new(state: &StateBuilder, channels: i64, window: i64, border: Border, taps: &[i64]) -> Self {
        let taps = Tensor::from_slice(taps).to_kind(Kind::Float).to_device(Device::Cpu);
        let taps = &taps / taps.sum(Kind::Float);
        let filter = taps.outer(&taps).repeat([channels, 1, 1, 1]);
        Self { window, border, filter: state.constant(&filter) }
    }
}

impl Layer for MaxBlur {
    fn forward(&self, x: &Tensor, _train: bool) -> Tensor {
        let x = x.max_pool2d([self.window; 2], [1, 1], [(self.window - 1) / 2; 2], [1, 1], false);
        let (x, padding) = match self.border {
            Border::Reflect(width) => (x.reflection_pad2d([width; 4]), 0),
            Border::Zero(width) => (x, width),
        };
        let filter = of_kind_of(&self.filter, &x);
        x.conv2d(&filter, None::<&Tensor>, [2, 2], [padding; 2], [1, 1], filter.size()[0])
    }
}

/// Mean of `stride`×`stride` patches, of what there is of them at an odd edge: the shortcut's way to shrink.
pub(crate) fn average_pool_shortcut(x: &Tensor, stride: i64) -> Tensor {
    x.avg_pool2d([stride; 2], [stride; 2], [0, 0], true, true, None)
}

/// `[N, C, H, W]` → `[N, C]`, the mean over all positions.
pub(crate) fn global_average_pool(x: &Tensor) -> Tensor {
    x.adaptive_avg_pool2d([1, 1]).flatten(1, -1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::part::find;

    /// The value at (y, x) of a map, by the definition of a pooling.
    type Definition = fn(&dyn Fn(i64, i64) -> f64, i64, i64) -> f64;

    const TAPS: [f64; 3] = [0.25, 0.5, 0.25];
    const SIDE: i64 = 9;

    /// Index -1 is 1, and SIDE is SIDE - 2.
    fn reflected(index: i64) -> i64 {
        SIDE - 1 - (SIDE - 1 - index.abs()).abs()
    }

    fn blurred(at: impl Fn(i64, i64) -> f64, y: i64, x: i64) -> f64 {
        let taps = (0..3).flat_map(|dy| (0..3).map(move |dx| (dy, dx)));
        taps.map(|(dy, dx)| TAPS[dy as usize] * TAPS[dx as usize] * at(2 * y + dy - 1, 2 * x + dx - 1)).sum()
    }

    fn largest(
        map: &dyn Fn(i64, i64) -> f64,
        ys: std::ops::RangeInclusive<i64>,
        xs: std::ops::RangeInclusive<i64>,
    ) -> f64 {
        let inside = |index: &i64| (0..SIDE).contains(index);
        let values = ys.filter(inside).flat_map(|y| xs.clone().filter(inside).map(move |x| map(y, x)));
        values.fold(f64::NEG_INFINITY, f64::max)
    }

    #[test]
    fn the_poolings_of_today_are_as_they_are_defined() {
        let max_blur: Definition = |map, y, x| {
            let centred = |y: i64, x: i64| largest(map, y - 1..=y + 1, x - 1..=x + 1);
            blurred(|y, x| centred(reflected(y), reflected(x)), y, x)
        };
        let max_blur_kornia: Definition = |map, y, x| {
            // The map of maxima is one row and column smaller, and stands in zeros.
            let inside = |index| (0..SIDE - 1).contains(&index);
            let corner = |y, x| if inside(y) && inside(x) { largest(map, y..=y + 1, x..=x + 1) } else { 0.0 };
            blurred(corner, y, x)
        };
        let values =
            Tensor::arange(2 * SIDE * SIDE, (Kind::Double, Device::Cpu)).square().sin().view([1, 2, SIDE, SIDE]);
        for (name, side, definition) in [("max_blur", 5, max_blur), ("max_blur_kornia", 4, max_blur_kornia)] {
            let mut state = StateBuilder::new(Device::Cpu, Kind::Double);
            let pool = (find(POOLS, "pool", name).expect("a pooling").make.build)(&mut state, 2);
            let out = pool.forward(&values, true);
            assert_eq!(out.size(), [1, 2, side, side], "{name}");
            for channel in 0..2 {
                let map = |y, x| values.double_value(&[0, channel, y, x]);
                for (y, x) in [(0, 0), (0, 2), (1, 1), (2, 3), (side - 1, side - 1)] {
                    let (found, expected) = (out.double_value(&[0, channel, y, x]), definition(&map, y, x));
                    assert!((found - expected).abs() < 1e-7, "{name} at {y}, {x}: {found} instead of {expected}");
                }
            }
        }
    }
}
