//! A small software painter: anti-aliased, shaded shapes on a canvas in linear light, in unit coordinates.
//! Not for: general vector graphics. It knows exactly the shapes that flowers, leaves and light spots are made of.
//!
//! Only `+ - * / sqrt` and comparisons of `f32` are used per pixel, in one fixed order, and the `libm` crate
//! elsewhere: the same drawing has the same bytes on every machine.

use super::vector::{Frame2, Vec2, lerp3, scale3, smoothstep};

/// A colour in linear light, nominally 0..1 a channel.
pub type Rgb = [f32; 3];

/// Steps of an [`Outline`] along its length.
const OUTLINE_STEPS: usize = 48;
/// Steps of a [`Ramp`].
const RAMP_STEPS: usize = 24;

/// A square picture being painted; (0, 0) is its top left corner and (1, 1) its bottom right, at any size.
pub struct Canvas {
    side_px: usize,
    px: Vec<Rgb>,
}

impl Canvas {
    /// A canvas of one colour.
    pub fn new(side_px: usize, colour: Rgb) -> Self {
        Self { side_px, px: vec![colour; side_px * side_px] }
    }

    /// Pixels a side.
    pub fn side_px(&self) -> usize {
        self.side_px
    }

    /// The pixels, row by row.
    pub fn pixels(&self) -> &[Rgb] {
        &self.px
    }

    /// The pixels, row by row, to change.
    pub fn pixels_mut(&mut self) -> &mut [Rgb] {
        &mut self.px
    }

    /// Rows whose pixel centres lie in `low..=high` (unit coordinates), with each row's centre.
    pub(super) fn rows(&self, low: f32, high: f32) -> impl Iterator<Item = (usize, f32)> + use<> {
        let side = self.side_px as f32;
        let (first, last) = span(low, high, self.side_px);
        (first..last).map(move |row| (row, (row as f32 + 0.5) / side))
    }
}

/// Pixels whose centres lie in `low..=high`, as a half-open range within 0..side_px.
pub(super) fn span(low: f32, high: f32, side_px: usize) -> (usize, usize) {
    let side = side_px as f32;
    let first = (low * side - 0.5).clamp(-1.0, side);
    let last = (high * side + 0.5).clamp(-1.0, side);
    let first = if first <= 0.0 { 0 } else { first as usize + 1 };
    let last = if last <= 0.0 { 0 } else { last as usize };
    (first.min(side_px), last.min(side_px))
}

/// Half-width of a petal or leaf along its length, the widest place being 1, less a notch on or beside the middle.
#[derive(Clone)]
pub struct Outline {
    outer: [f32; OUTLINE_STEPS + 2],
    notch: [f32; OUTLINE_STEPS + 2],
    notched: bool,
    notch_at: f32,
}

impl Outline {
    /// Samples `outer(u)` for u in 0..=1, whose largest value becomes 1, and `notch(u)`, half the width of what is
    /// cut out around the share `notch_at` of the half-width: at 0 it leaves two lobes, beside it three teeth.
    pub fn new(outer: impl Fn(f32) -> f32, notch_at: f32, notch: impl Fn(f32) -> f32) -> Self {
        let mut table = [0.0; OUTLINE_STEPS + 2];
        let mut inner = [0.0; OUTLINE_STEPS + 2];
        let mut widest = 1e-3f32;
        for step in 0..=OUTLINE_STEPS {
            let u = step as f32 / OUTLINE_STEPS as f32;
            table[step] = outer(u).max(0.0);
            inner[step] = notch(u).max(0.0);
            widest = widest.max(table[step]);
        }
        table[OUTLINE_STEPS + 1] = table[OUTLINE_STEPS];
        inner[OUTLINE_STEPS + 1] = inner[OUTLINE_STEPS];
        table.iter_mut().for_each(|width| *width /= widest);
        let notched = inner.iter().any(|&width| width > 0.0);
        Self { outer: table, notch: inner, notched, notch_at }
    }

    /// (half-width, its slope, notch's half-width) at u in 0..=1.
    fn at(&self, u: f32) -> (f32, f32, f32) {
        let place = u * OUTLINE_STEPS as f32;
        let step = place as usize;
        let part = place - step as f32;
        let slope = self.outer[step + 1] - self.outer[step];
        let notch =
            if self.notched { self.notch[step] + part * (self.notch[step + 1] - self.notch[step]) } else { -1.0 };
        (self.outer[step] + part * slope, slope * OUTLINE_STEPS as f32, notch)
    }
}

/// Colour along a petal, from its base (0) to its tip (1).
#[derive(Clone)]
pub struct Ramp([Rgb; RAMP_STEPS + 1]);

impl Ramp {
    /// Base, middle and tip, the base's colour reaching to about `throat` (0..1) of the length.
    pub fn new(base: Rgb, middle: Rgb, tip: Rgb, throat: f32) -> Self {
        let mut steps = [middle; RAMP_STEPS + 1];
        for (step, colour) in steps.iter_mut().enumerate() {
            let u = step as f32 / RAMP_STEPS as f32;
            let body = lerp3(middle, tip, smoothstep(0.35, 1.0, u));
            *colour = lerp3(base, body, smoothstep(throat * 0.45, throat * 1.35 + 0.02, u));
        }
        Self(steps)
    }

    /// One colour all along.
    pub fn flat(colour: Rgb) -> Self {
        Self([colour; RAMP_STEPS + 1])
    }

    /// The colour at u in 0..=1.
    pub fn at(&self, u: f32) -> Rgb {
        self.0[(u * RAMP_STEPS as f32 + 0.5) as usize]
    }
}

/// What is drawn on a petal beside its ramp.
#[derive(Clone, Copy)]
pub struct Marking {
    /// Colour of veins, spots, stripe and edge.
    pub colour: Rgb,
    /// Strength of the lines along the petal, 0..1, and how many there are a half-width.
    pub veins: (f32, f32),
    /// Strength of the line along the middle, 0..1.
    pub midrib: f32,
    /// Share of the petal covered with spots, 0..1, and spots along its length.
    pub spots: (f32, f32),
    /// Strength of the coloured rim, 0..1.
    pub rim: f32,
}

impl Marking {
    /// Nothing drawn.
    pub const NONE: Self = Self { colour: [0.0; 3], veins: (0.0, 1.0), midrib: 0.0, spots: (0.0, 1.0), rim: 0.0 };

    /// How much of the marking's colour there is at (u, share of the half-width −1..1).
    pub(super) fn at(&self, u: f32, across: f32, salt: u32) -> f32 {
        let side = across.abs();
        let mut amount = 0.0f32;
        if self.veins.0 > 0.0 {
            let place = side * self.veins.1 * (1.15 - 0.3 * u) + 0.5;
            let near = (place - (place as u32) as f32 - 0.5).abs();
            amount = self.veins.0 * (1.0 - near * 5.0).max(0.0) * (1.0 - 0.55 * u);
        }
        if self.midrib > 0.0 {
            amount = amount.max(self.midrib * (1.0 - side * 5.5).max(0.0) * (1.0 - 0.5 * u));
        }
        if self.rim > 0.0 {
            amount = amount.max(self.rim * smoothstep(0.62, 0.95, side.max(u * 1.01)));
        }
        if self.spots.0 > 0.0 && u < 0.85 {
            let (across_at, along_at) = ((across + 1.0) * self.spots.1 * 0.45, u * self.spots.1);
            let (column, line) = (across_at as u32, along_at as u32);
            let hash = hash2(column.wrapping_add(salt << 8), line);
            if (hash & 255) as f32 <= self.spots.0 * 255.0 {
                let dx = across_at - column as f32 - 0.35 - 0.3 * ((hash >> 8) & 255) as f32 / 255.0;
                let dy = along_at - line as f32 - 0.35 - 0.3 * ((hash >> 16) & 255) as f32 / 255.0;
                amount = amount.max(0.85 * (1.0 - smoothstep(0.04, 0.1, dx * dx + dy * dy)));
            }
        }
        amount
    }
}

/// One petal, leaf or stem: an [`Outline`] laid along an axis that may bend.
pub struct Blade<'a> {
    /// Where u = 0.
    pub origin: Vec2,
    /// From the base to the tip, unit coordinates.
    pub axis: Vec2,
    /// From the middle line to the widest place of one side.
    pub across: Vec2,
    /// How far the tip is moved by bending (quadratic along the length).
    pub bend: Vec2,
    /// Its outline.
    pub outline: &'a Outline,
    /// Its colours.
    pub ramp: &'a Ramp,
    /// What is drawn on it.
    pub marking: Marking,
    /// Light at the base, its change to the tip, its change to the +across side.
    pub light: [f32; 3],
    /// Radius of the blur, unit coordinates.
    pub blur: f32,
    /// Strength of the shadow on what lies beneath (0..1) and its reach, unit coordinates.
    pub shadow: (f32, f32),
    /// Makes spots differ from petal to petal.
    pub salt: u32,
}

impl Blade<'_> {
    /// Paints it.
    pub fn paint(&self, canvas: &mut Canvas) {
        let Some(frame) = Frame2::new(self.axis, self.across) else { return };
        let pixel = 1.0 / canvas.side_px as f32;
        let ramp_width = pixel + 2.0 * self.blur;
        let reach = (0.5 * ramp_width).max(if self.shadow.0 > 0.0 { self.shadow.1 } else { 0.0 });
        let (bend_u, bend_v) = frame.coordinates(self.bend);
        let bend_u = bend_u.max(-0.24);
        let (grad_u, grad_v) = frame.gradients();
        let (margin_u, margin_v) = (reach * grad_u, reach * grad_v);
        let u_range = (-margin_u, 1.0 + margin_u + bend_u);
        let v_range = (-1.0 - margin_v + bend_v.min(0.0), 1.0 + margin_v + bend_v.max(0.0));
        let (y_low, y_high) = frame.y_range(self.origin, u_range, v_range);
        let side_px = canvas.side_px;
        for (row, y) in canvas.rows(y_low, y_high) {
            let Some((x_low, x_high)) = frame.x_range(self.origin, y, u_range, v_range) else { continue };
            let (first, last) = span(x_low, x_high, side_px);
            let line = &mut canvas.px[row * side_px..(row + 1) * side_px];
            for (column, under) in line.iter_mut().enumerate().take(last).skip(first) {
                let x = (column as f32 + 0.5) * pixel;
                let (u0, v0) = frame.coordinates([x - self.origin[0], y - self.origin[1]]);
                // Undoes u0 = u + bend_u · u² by its series, near enough at these bends and without a root.
                let k = bend_u * u0;
                let u = u0 * (1.0 - k * (1.0 - k * (2.0 - 5.0 * k)));
                let v = v0 - bend_v * u * u;
                self.paint_pixel(under, u, v, (grad_u, grad_v), ramp_width, reach);
            }
        }
    }

    #[inline(always)]
    fn paint_pixel(&self, under: &mut Rgb, u: f32, v: f32, grad: (f32, f32), ramp_width: f32, reach: f32) {
        let (grad_u, grad_v) = grad;
        let along = u.clamp(0.0, 1.0);
        let (width, slope, notch) = self.outline.at(along);
        let side = v.abs();
        let steep = slope * grad_u;
        let excess = (side - width).max(notch - (side - self.outline.notch_at).abs());
        let square = excess * excess;
        let steepness = grad_v * grad_v + steep * steep;
        if excess > 0.0 && square > reach * reach * steepness {
            return;
        }
        // Most pixels lie well inside and need no root.
        let inside = u == along && excess < 0.0 && square > 0.25 * ramp_width * ramp_width * steepness;
        let beyond = if inside {
            -ramp_width
        } else {
            let beyond_side = excess / steepness.sqrt();
            let beyond_end = (u - along).abs() / grad_u;
            // Beyond an end the distance to the corner counts, not the larger of the two.
            let wide = beyond_side.max(0.0);
            if beyond_end > 0.0 { (beyond_end * beyond_end + wide * wide).sqrt() } else { beyond_side }
        };
        let cover = (0.5 - beyond / ramp_width).clamp(0.0, 1.0);
        if cover < 1.0 && self.shadow.0 > 0.0 && beyond < self.shadow.1 {
            let near = 1.0 - beyond.max(0.0) / self.shadow.1;
            let lee = if v * self.light[2] > 0.0 { 0.45 } else { 1.0 };
            *under = scale3(*under, 1.0 - self.shadow.0 * near * near * lee);
        }
        if cover <= 0.0 {
            return;
        }
        let share = (v / width.max(0.02)).clamp(-1.0, 1.0);
        let mut colour = self.ramp.at(along);
        let marked = self.marking.at(along, share, self.salt);
        if marked > 0.0 {
            colour = lerp3(colour, self.marking.colour, marked);
        }
        let light = (self.light[0] + self.light[1] * along + self.light[2] * share).max(0.12);
        let cover = if self.blur > 0.0 { cover * cover * (3.0 - 2.0 * cover) } else { cover };
        *under = lerp3(*under, scale3(colour, light), cover);
    }
}

/// A disc or ball seen at any angle: anthers, seeds, flower centres, berries, light spots.
pub struct Ball {
    /// Its middle.
    pub centre: Vec2,
    /// Its two half-axes.
    pub axes: [Vec2; 2],
    /// Colour in the middle and at the rim.
    pub colours: [Rgb; 2],
    /// Direction to the light in the plane, times how much it shades (0 = flat).
    pub light: Vec2,
    /// How opaque, 0..1.
    pub opacity: f32,
    /// Radius of the blur, unit coordinates.
    pub blur: f32,
}

impl Ball {
    /// Paints it.
    pub fn paint(&self, canvas: &mut Canvas) {
        let Some(frame) = Frame2::new(self.axes[0], self.axes[1]) else { return };
        let pixel = 1.0 / canvas.side_px as f32;
        let ramp_width = pixel + 2.0 * self.blur;
        let (grad_u, grad_v) = frame.gradients();
        let range_u = 1.0 + 0.5 * ramp_width * grad_u;
        let range_v = 1.0 + 0.5 * ramp_width * grad_v;
        let scale = 0.5 * (grad_u + grad_v) * ramp_width;
        let ranges = ((-range_u, range_u), (-range_v, range_v));
        let (y_low, y_high) = frame.y_range(self.centre, ranges.0, ranges.1);
        let side_px = canvas.side_px;
        for (row, y) in canvas.rows(y_low, y_high) {
            let Some((x_low, x_high)) = frame.x_range(self.centre, y, ranges.0, ranges.1) else { continue };
            let (first, last) = span(x_low, x_high, side_px);
            let line = &mut canvas.px[row * side_px..(row + 1) * side_px];
            for (column, under) in line.iter_mut().enumerate().take(last).skip(first) {
                let x = (column as f32 + 0.5) * pixel;
                let (u, v) = frame.coordinates([x - self.centre[0], y - self.centre[1]]);
                let square = u * u + v * v;
                let radius = square.sqrt();
                let cover = (0.5 - (radius - 1.0) / scale).clamp(0.0, 1.0) * self.opacity;
                if cover > 0.0 {
                    let light = 1.0 + (u * self.light[0] + v * self.light[1]) * 0.8;
                    let colour = lerp3(self.colours[0], self.colours[1], square.min(1.0));
                    *under = lerp3(*under, scale3(colour, light.max(0.1)), cover);
                }
            }
        }
    }
}

/// A well-mixed number from two.
pub fn hash2(a: u32, b: u32) -> u32 {
    let mut mixed = a.wrapping_mul(0x9E37_79B1) ^ b.wrapping_mul(0x85EB_CA77).rotate_left(13);
    mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2C1B_3C6D);
    mixed = (mixed ^ (mixed >> 12)).wrapping_mul(0x297A_2D39);
    mixed ^ (mixed >> 15)
}
