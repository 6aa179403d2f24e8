//! Mirroring, rotation, zoom and perspective warp of one view as a single 3×3 matrix: the geometry of fastai's
//! `aug_transforms`.
//! Not here: pixels (on the CPU see `fused`, on the device the trainer's), or brightness and contrast (see `jitter`).
//!
//! Coordinates run from −1 to 1 between the centres of the outermost pixels, x to the right and y down, as in PyTorch's
//! `grid_sample` with `align_corners`. The matrix says for a place of the output where in the input its value lies.

use crate::random::{Draws, Purpose};
use crate::ticket::ViewKey;

/// Probability that a view is mirrored.
pub const FLIP_PROBABILITY: f64 = 0.5;
/// Probability that it is rotated, zoomed, or warped along an axis; each by itself.
const PROBABILITY: f64 = 0.75;
/// Most degrees that it is rotated, either way.
const ROTATION_DEGREES_MAX: f64 = 10.0;
/// Most that it is zoomed in.
const ZOOM_MAX: f64 = 1.1;
/// Most that a corner is moved by a warp, as a share of half a side, either way.
const WARP_MAX: f64 = 0.2;

/// How one view is distorted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distortion {
    /// Mirrored left to right.
    pub flip: bool,
    /// Rotation, degrees.
    pub rotation_degrees: f64,
    /// Zoom; 1 = none, above 1 = into the picture.
    pub zoom: f64,
    /// Where the zoomed part lies across the width, 0 (left) to 1.
    pub zoom_x: f64,
    /// Where it lies down the height, 0 (top) to 1.
    pub zoom_y: f64,
    /// Perspective warp along x; the square of both warps together stays below 1.
    pub warp_x: f64,
    /// Perspective warp along y.
    pub warp_y: f64,
}

/// Row-major 3×3: (x, y, 1) of the output to (x·w, y·w, w) of the input.
pub type Homography = [[f64; 3]; 3];

impl Distortion {
    /// The distortion that changes nothing.
    pub const NONE: Self =
        Self { flip: false, rotation_degrees: 0.0, zoom: 1.0, zoom_x: 0.5, zoom_y: 0.5, warp_x: 0.0, warp_y: 0.0 };

    /// fastai's defaults: mirrored with probability ½; rotated by up to 10° either way, zoomed by up to 1.1 towards any
    /// place, warped by up to 0.2 along each axis, each with probability ¾.
    ///
    /// Whether a view is mirrored is drawn as for a crop that mirrors, so that both ways mirror the same views.
    pub fn draw(key: ViewKey) -> Self {
        let mut draws = key.draws(Purpose::Distortion);
        Self { flip: drawn_flip(key), ..Self::drawn(&mut draws) }
    }

    fn drawn(draws: &mut Draws) -> Self {
        let sometimes = |draws: &mut Draws, low: f64, high: f64, otherwise: f64| {
            let (chance, value) = (draws.unit(), draws.between(low, high));
            if chance < PROBABILITY { value } else { otherwise }
        };
        // In the order of the fields: every draw is made whatever comes of the ones before.
        Self {
            flip: false,
            rotation_degrees: sometimes(draws, -ROTATION_DEGREES_MAX, ROTATION_DEGREES_MAX, 0.0),
            zoom: sometimes(draws, 1.0, ZOOM_MAX, 1.0),
            zoom_x: draws.unit(),
            zoom_y: draws.unit(),
            warp_x: sometimes(draws, -WARP_MAX, WARP_MAX, 0.0),
            warp_y: sometimes(draws, -WARP_MAX, WARP_MAX, 0.0),
        }
    }

    /// All of it in one matrix, for a view whose width is `aspect` times its height.
    pub fn homography(&self, aspect: f64) -> Homography {
        let sign = if self.flip { -1.0 } else { 1.0 };
        let angle = self.rotation_degrees * (std::f64::consts::PI / 180.0);
        let (sin, cos) = (libm::sin(angle), libm::cos(angle));
        let scale = 1.0 / self.zoom;
        let shift = |at: f64| (1.0 - scale) * (2.0 * at - 1.0);
        let turned = [[sign * cos, sign * sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]];
        let zoomed = [[scale, 0.0, shift(self.zoom_x)], [0.0, scale, shift(self.zoom_y)], [0.0, 0.0, 1.0]];
        let mut affine = product(&turned, &zoomed);
        // A rotation keeps angles in pixels, not in coordinates that are stretched by the aspect.
        affine[0][1] /= aspect;
        affine[1][0] *= aspect;
        product(&self.warp(), &affine)
    }

    /// The projective map that takes the points (X(1 − Y·warp_y), Y(1 − X·warp_x)) to (X, Y) at the four corners X, Y = ±1.
    ///
    /// Solved by hand: written in the functions 1, X, Y and XY, which are independent on the corners, the conditions give
    /// a symmetric matrix of three different numbers.
    fn warp(&self) -> Homography {
        let (u, v) = (self.warp_x, self.warp_y);
        let shear = 2.0 * u * v / (1.0 - u * u - v * v);
        let (across, down) = (-u - shear * v, -v - shear * u);
        [[1.0, shear, across], [shear, 1.0, down], [across, down, 1.0]]
    }
}

/// Whether a view is mirrored, where half of them are.
pub fn drawn_flip(key: ViewKey) -> bool {
    key.draws(Purpose::Flip).unit() < FLIP_PROBABILITY
}

fn product(a: &Homography, b: &Homography) -> Homography {
    std::array::from_fn(|row| std::array::from_fn(|column| (0..3).map(|k| a[row][k] * b[k][column]).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(matrix: &Homography, [x, y]: [f64; 2]) -> [f64; 2] {
        let [xw, yw, w] = matrix.map(|row| row[0] * x + row[1] * y + row[2]);
        [xw / w, yw / w]
    }

    fn key(seq: u64) -> ViewKey {
        ViewKey { seed: 3, epoch: 1, seq, view: 0 }
    }

    #[test]
    fn a_warp_takes_the_moved_corners_to_the_corners() {
        for (u, v) in [(0.0, 0.0), (0.2, 0.0), (0.0, -0.2), (0.2, 0.2), (-0.13, 0.07), (0.5, -0.4)] {
            let warp = Distortion { warp_x: u, warp_y: v, ..Distortion::NONE }.homography(1.0);
            for (from, to) in [
                ([-1.0 - v, -1.0 - u], [-1.0, -1.0]),
                ([-1.0 + v, 1.0 + u], [-1.0, 1.0]),
                ([1.0 + v, -1.0 + u], [1.0, -1.0]),
                ([1.0 - v, 1.0 - u], [1.0, 1.0]),
            ] {
                let found = mapped(&warp, from);
                assert!((0..2).all(|axis| (found[axis] - to[axis]).abs() < 1e-12), "{u} {v}: {found:?} not {to:?}");
            }
        }
    }

    #[test]
    fn a_quarter_turn_of_an_oblong_view_turns_its_pixels() {
        // 200×100 px: half a height right of the centre is a quarter of the width, and turns to half the height above.
        let turn = Distortion { rotation_degrees: 90.0, ..Distortion::NONE }.homography(2.0);
        let [x, y] = mapped(&turn, [0.25, 0.0]);
        assert!(x.abs() < 1e-12 && (y + 0.5).abs() < 1e-12, "{x} {y}");
    }

    #[test]
    fn nothing_drawn_changes_nothing() {
        let identity = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        assert_eq!(Distortion::NONE.homography(1.5), identity);
    }

    #[test]
    fn draws_are_fastais_defaults() {
        let drawn: Vec<Distortion> = (0..8_000).map(|seq| Distortion::draw(key(seq))).collect();
        let share = |holds: &dyn Fn(&Distortion) -> bool| drawn.iter().filter(|d| holds(d)).count() as f64 / 8_000.0;
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 0.02, "{found} is not {expected}");
        near(share(&|d| d.flip), 0.5);
        near(share(&|d| d.rotation_degrees == 0.0), 0.25);
        near(share(&|d| d.zoom == 1.0), 0.25);
        near(share(&|d| d.warp_x == 0.0), 0.25);
        near(share(&|d| d.warp_y == 0.0), 0.25);
        // Uniform over the whole range where they are drawn, and each by itself.
        near(share(&|d| d.rotation_degrees > 5.0), 0.75 / 4.0);
        near(share(&|d| d.zoom > 1.05), 0.75 / 2.0);
        near(share(&|d| d.warp_x < -0.1), 0.75 / 4.0);
        near(share(&|d| d.zoom_x < 0.3), 0.3);
        near(share(&|d| d.warp_x == 0.0 && d.warp_y == 0.0), 0.0625);
        let within = |d: &Distortion| {
            d.rotation_degrees.abs() <= 10.0
                && (1.0..=1.1).contains(&d.zoom)
                && d.warp_x.abs().max(d.warp_y.abs()) <= 0.2
        };
        assert!(drawn.iter().all(within));
    }
}
