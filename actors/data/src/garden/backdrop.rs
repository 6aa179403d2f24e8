//! What is behind the plant: blurred meadows, foliage, light spots, sky, soil, wood, walls.
//! Not here: the plant.
//!
//! Backgrounds are out of focus, so they are painted on a small canvas of fixed size and enlarged smoothly; grain that
//! is in focus (soil, wood, plaster) is added at full size.

use super::flower::{Kit, jitter};
use super::paint::{Ball, Canvas, Rgb, hash2};
use super::palette::hsv;
use super::plant::paint_loose_leaf;
use super::vector::{lerp, lerp3, scale3, smoothstep};
use crate::random::Draws;

/// Pixels a side of the small canvas.
const SMALL_PX: usize = 56;

/// The kinds of background.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Meadow,
    Foliage,
    Bokeh,
    Shade,
    Sky,
    Soil,
    Wood,
    Wall,
}

/// A background on its small canvas, before plants in the distance are added to it.
pub struct Backdrop {
    /// The small canvas.
    pub small: Canvas,
    kind: Kind,
    salt: u32,
}

impl Backdrop {
    /// Paints one; `kit` lends colours of leaves and the light.
    pub fn draw(kit: Kit<'_>, draws: &mut Draws) -> Self {
        let kind = match draws.below(20) {
            0..=5 => Kind::Meadow,
            6..=9 => Kind::Foliage,
            10..=12 => Kind::Bokeh,
            13..=14 => Kind::Shade,
            15 => Kind::Sky,
            16 => Kind::Soil,
            17 => Kind::Wood,
            18 => Kind::Wall,
            _ => Kind::Meadow,
        };
        let mut backdrop = Self { small: Canvas::new(SMALL_PX, [0.0; 3]), kind, salt: draws.below(1 << 24) as u32 };
        match kind {
            Kind::Meadow => backdrop.meadow(draws),
            Kind::Foliage => backdrop.foliage(kit, draws),
            Kind::Bokeh => backdrop.bokeh(draws),
            Kind::Shade => backdrop.shade(draws),
            Kind::Sky => backdrop.sky(draws),
            Kind::Soil => backdrop.gradient(hsv(0.07, 0.38, 0.34), hsv(0.06, 0.45, 0.22)),
            Kind::Wood => {
                let tone = draws.between(0.30, 0.62) as f32;
                backdrop.gradient(hsv(0.08, 0.36, tone), hsv(0.07, 0.42, tone * 0.75));
            }
            Kind::Wall => {
                let (h, s) = (draws.between(0.02, 0.6) as f32, draws.between(0.03, 0.16) as f32);
                backdrop.gradient(hsv(h, s, 0.88), hsv(h, s * 1.3, 0.66));
            }
        }
        backdrop
    }

    /// Whether plants in the distance fit it.
    pub fn is_open(&self) -> bool {
        matches!(self.kind, Kind::Meadow | Kind::Bokeh | Kind::Foliage | Kind::Shade)
    }

    fn gradient(&mut self, top: Rgb, bottom: Rgb) {
        for (index, px) in self.small.pixels_mut().iter_mut().enumerate() {
            let y = (index / SMALL_PX) as f32 / SMALL_PX as f32;
            *px = lerp3(top, bottom, smoothstep(0.0, 1.0, y));
        }
    }

    fn spots(
        &mut self,
        count: u32,
        size: (f32, f32),
        opacity: f32,
        draws: &mut Draws,
        colour: impl Fn(&mut Draws) -> Rgb,
    ) {
        for _ in 0..count {
            let radius = draws.between(f64::from(size.0), f64::from(size.1)) as f32;
            let colour = colour(draws);
            Ball {
                centre: [draws.between(-0.1, 1.1) as f32, draws.between(-0.1, 1.1) as f32],
                axes: [[radius, 0.0], [0.0, radius]],
                colours: [scale3(colour, 0.9), colour],
                light: [0.0, 0.0],
                opacity: opacity * draws.between(0.5, 1.0) as f32,
                blur: radius * 0.3,
            }
            .paint(&mut self.small);
        }
    }

    fn meadow(&mut self, draws: &mut Draws) {
        let h = draws.between(0.13, 0.34) as f32;
        let bright = draws.between(0.46, 0.88) as f32;
        self.gradient(hsv(h - 0.02, 0.42, bright), hsv(h + 0.02, 0.58, bright * 0.52));
        self.spots(26, (0.06, 0.24), 0.55, draws, |d| {
            let v = d.between(0.16, 0.85) as f32;
            hsv(h + d.between(-0.05, 0.06) as f32, d.between(0.35, 0.66) as f32, v * (0.4 + 0.8 * bright))
        });
        let count = draws.below(9) as u32;
        let bloom = draws.unit() as f32;
        self.spots(count, (0.02, 0.07), 0.7, draws, |d| {
            hsv(bloom + d.between(-0.03, 0.03) as f32, d.between(0.1, 0.7) as f32, d.between(0.6, 0.95) as f32)
        });
    }

    fn foliage(&mut self, kit: Kit<'_>, draws: &mut Draws) {
        let h = draws.between(0.24, 0.38) as f32;
        self.gradient(hsv(h, 0.6, 0.24), hsv(h, 0.66, 0.13));
        for _ in 0..30 {
            let from = [draws.between(-0.2, 1.2) as f32, draws.between(-0.1, 1.3) as f32];
            let turn = draws.unit() as f32;
            let length = draws.between(0.25, 0.6) as f32;
            paint_loose_leaf(&mut self.small, kit, from, turn, length, 0.02, draws);
        }
        let dim = draws.between(0.45, 0.95) as f32;
        for px in self.small.pixels_mut() {
            *px = lerp3(scale3(*px, dim), hsv(h, 0.5, 0.3), 0.18);
        }
    }

    fn bokeh(&mut self, draws: &mut Draws) {
        let warm = draws.between(0.02, 0.55) as f32;
        let bright = draws.between(0.22, 0.72) as f32;
        self.gradient(hsv(warm, 0.45, bright), hsv(warm + 0.06, 0.6, bright * 0.5));
        self.spots(16, (0.10, 0.26), 0.4, draws, |d| {
            hsv(warm + d.between(-0.06, 0.10) as f32, d.between(0.3, 0.6) as f32, d.between(0.2, 0.7) as f32)
        });
        // Light spots have a rim, as those of a lens do.
        for _ in 0..14 {
            let radius = draws.between(0.03, 0.075) as f32;
            let colour = hsv(warm + draws.between(-0.05, 0.05) as f32, draws.between(0.1, 0.4) as f32, 0.95);
            Ball {
                centre: [draws.unit() as f32, draws.between(0.0, 0.75) as f32],
                axes: [[radius, 0.0], [0.0, radius]],
                colours: [scale3(colour, 0.72), colour],
                light: [0.0, 0.0],
                opacity: draws.between(0.12, 0.55) as f32,
                blur: 0.008,
            }
            .paint(&mut self.small);
        }
    }

    fn shade(&mut self, draws: &mut Draws) {
        let h = draws.between(0.22, 0.72) as f32;
        let v = draws.between(0.10, 0.26) as f32;
        self.gradient(hsv(h, 0.35, v * 1.4), hsv(h, 0.45, v * 0.5));
        self.spots(7, (0.2, 0.45), 0.5, draws, |d| {
            hsv(h + d.between(-0.04, 0.04) as f32, 0.4, d.between(0.5, 2.0) as f32 * v)
        });
    }

    fn sky(&mut self, draws: &mut Draws) {
        let h = draws.between(0.54, 0.61) as f32;
        self.gradient(hsv(h, 0.52, 0.84), hsv(h - 0.02, 0.20, 0.94));
        self.spots(9, (0.10, 0.26), 0.55, draws, |d| hsv(0.58, 0.05, d.between(0.86, 1.0) as f32));
    }

    /// Enlarges it to `side_px`, with grain where it is in focus.
    pub fn enlarge(&self, side_px: usize) -> Canvas {
        let mut canvas = Canvas::new(side_px, [0.0; 3]);
        let taps: Vec<([usize; 3], [f32; 3])> = (0..side_px).map(|place| taps(place, side_px)).collect();
        let small = self.small.pixels();
        let mut line = [[0.0f32; 3]; SMALL_PX];
        for (row, out) in canvas.pixels_mut().chunks_exact_mut(side_px).enumerate() {
            let (rows, shares) = taps[row];
            for (column, mixed) in line.iter_mut().enumerate() {
                let at = |row: usize| small[row * SMALL_PX + column];
                *mixed = blend(at(rows[0]), at(rows[1]), at(rows[2]), shares);
            }
            for (px, (columns, shares)) in out.iter_mut().zip(&taps) {
                *px = blend(line[columns[0]], line[columns[1]], line[columns[2]], *shares);
            }
            let y = (row as f32 + 0.5) / side_px as f32;
            self.add_grain(out, y);
        }
        canvas
    }

    fn add_grain(&self, line: &mut [Rgb], y: f32) {
        let side = line.len() as f32;
        for (column, px) in line.iter_mut().enumerate() {
            let x = (column as f32 + 0.5) / side;
            let tone = match self.kind {
                Kind::Soil => {
                    let coarse = noise(x * 9.0, y * 9.0, self.salt);
                    let fine = noise(x * 34.0, y * 34.0, self.salt ^ 7);
                    0.35 + 0.75 * coarse + 0.75 * fine * fine
                }
                Kind::Wood => {
                    let plank = (x * 4.0) as u32;
                    let within = x * 4.0 - plank as f32;
                    let seam = smoothstep(0.0, 0.035, within.min(1.0 - within));
                    let tint = (hash2(plank, self.salt) & 255) as f32 / 255.0;
                    let fibre = noise(x * 60.0, y * 3.0 + tint * 40.0, self.salt);
                    let wave = noise(x * 14.0, y * 1.6 + tint * 90.0, self.salt ^ 3);
                    lerp(0.25, 1.0, seam) * (0.70 + 0.25 * tint + 0.28 * fibre + 0.22 * wave)
                }
                Kind::Wall => {
                    0.90 + 0.10 * noise(x * 40.0, y * 40.0, self.salt) + 0.12 * noise(x * 5.0, y * 5.0, self.salt)
                }
                _ => return,
            };
            *px = scale3(*px, tone);
        }
    }
}

/// The three small pixels that a large one is blended from (a quadratic B-spline), and their shares.
fn taps(place: usize, side_px: usize) -> ([usize; 3], [f32; 3]) {
    let at = (place as f32 + 0.5) * SMALL_PX as f32 / side_px as f32;
    let middle = (at as usize).min(SMALL_PX - 1);
    let t = at - middle as f32;
    let shares = [0.5 * (1.0 - t) * (1.0 - t), 0.5 + t * (1.0 - t), 0.5 * t * t];
    ([middle.saturating_sub(1), middle, (middle + 1).min(SMALL_PX - 1)], shares)
}

#[inline(always)]
fn blend(a: Rgb, b: Rgb, c: Rgb, shares: [f32; 3]) -> Rgb {
    let [p, q, r] = shares;
    [a[0] * p + b[0] * q + c[0] * r, a[1] * p + b[1] * q + c[1] * r, a[2] * p + b[2] * q + c[2] * r]
}

/// Smooth noise, 0..1, for x and y not below 0.
fn noise(x: f32, y: f32, salt: u32) -> f32 {
    let (column, row) = (x as u32, y as u32);
    let (u, v) = (x - column as f32, y - row as f32);
    let (u, v) = (u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v));
    let value = |c: u32, r: u32| (hash2(c ^ salt, r) & 0xFFFF) as f32 / 65535.0;
    let top = lerp(value(column, row), value(column + 1, row), u);
    let bottom = lerp(value(column, row + 1), value(column + 1, row + 1), u);
    lerp(top, bottom, v)
}

/// A leaf or blade of grass out of focus before the flower, from the picture's edge.
pub fn paint_foreground(canvas: &mut Canvas, kit: Kit<'_>, draws: &mut Draws) {
    let count = 1 + draws.below(3);
    for _ in 0..count {
        let x = if draws.below(2) == 0 { draws.between(-0.1, 0.3) } else { draws.between(0.7, 1.1) } as f32;
        let turn = 0.75 + jitter(draws, 0.10);
        let length = draws.between(0.35, 0.75) as f32;
        let blur = draws.between(0.012, 0.035) as f32;
        paint_loose_leaf(canvas, kit, [x, 1.12], turn, length, blur, draws);
    }
}
