//! Painting corollas that are grown together: petunias, bindweeds, the cups of daffodils.
//! Not here: separate petals.

use super::paint::{Canvas, Marking, Ramp, Rgb, span};
use super::vector::{Frame2, Vec2, lerp3, scale3, smoothstep};

/// A corolla grown together: a lobed funnel or trumpet rim, seen at any angle.
pub struct Funnel<'a> {
    /// Its middle.
    pub centre: Vec2,
    /// Its two half-axes (to the tip of a lobe).
    pub axes: [Vec2; 2],
    /// Where the throat lies, in shares of the axes: away from the middle where the funnel is tilted.
    pub throat: Vec2,
    /// Lobes around the rim.
    pub lobes: u32,
    /// Depth of the cuts between lobes, 0..1, and fine waves on the rim, 0..1.
    pub cuts: (f32, f32),
    /// Colours from the throat to the rim.
    pub ramp: &'a Ramp,
    /// What is drawn on each lobe.
    pub marking: Marking,
    /// Mean light and the direction it comes from, in shares of the axes.
    pub light: (f32, Vec2),
    /// Radius of the blur, unit coordinates.
    pub blur: f32,
    /// Strength of the shadow on what lies beneath (0..1) and its reach, unit coordinates.
    pub shadow: (f32, f32),
}

impl Funnel<'_> {
    /// Paints it.
    pub fn paint(&self, canvas: &mut Canvas) {
        let Some(frame) = Frame2::new(self.axes[0], self.axes[1]) else { return };
        let pixel = 1.0 / canvas.side_px() as f32;
        let ramp_width = pixel + 2.0 * self.blur;
        let reach = ramp_width.max(self.shadow.1);
        let (grad_u, grad_v) = frame.gradients();
        let range_u = (-1.05 - reach * grad_u, 1.05 + reach * grad_u);
        let range_v = (-1.05 - reach * grad_v, 1.05 + reach * grad_v);
        let grad = 0.5 * (grad_u + grad_v);
        let (y_low, y_high) = frame.y_range(self.centre, range_u, range_v);
        let side_px = canvas.side_px();
        for (row, y) in canvas.rows(y_low, y_high) {
            let Some((x_low, x_high)) = frame.x_range(self.centre, y, range_u, range_v) else { continue };
            let (first, last) = span(x_low, x_high, side_px);
            let line = &mut canvas.pixels_mut()[row * side_px..(row + 1) * side_px];
            for (column, under) in line.iter_mut().enumerate().take(last).skip(first) {
                let x = (column as f32 + 0.5) * pixel;
                let (u, v) = frame.coordinates([x - self.centre[0], y - self.centre[1]]);
                self.paint_pixel(under, u, v, grad, ramp_width);
            }
        }
    }

    #[inline(always)]
    fn paint_pixel(&self, under: &mut Rgb, u: f32, v: f32, grad: f32, ramp_width: f32) {
        let radius = (u * u + v * v).sqrt();
        let turn = turn_of(u, v) * self.lobes as f32;
        let lobe = turn as u32;
        // −1 at one side of the lobe, 0 at its tip, 1 at the other side.
        let across = 2.0 * (turn - lobe as f32) - 1.0;
        let round = 1.0 - across * across;
        let wave = {
            let place = turn * 6.0;
            let part = place - (place as u32) as f32;
            part * (1.0 - part) * 4.0
        };
        let rim = 1.0 - self.cuts.0 * (1.0 - round.sqrt() * 0.6 - round * 0.4) - self.cuts.1 * 0.06 * wave;
        let beyond = (radius - rim) / grad;
        let cover = (0.5 - beyond / ramp_width).clamp(0.0, 1.0);
        if cover < 1.0 && beyond < self.shadow.1 {
            let near = 1.0 - beyond.max(0.0) / self.shadow.1;
            *under = scale3(*under, 1.0 - self.shadow.0 * near * near);
        }
        if cover <= 0.0 {
            return;
        }
        let (du, dv) = (u - self.throat[0], v - self.throat[1]);
        let from_throat = ((du * du + dv * dv).sqrt() / rim.max(0.2)).min(1.0);
        let mut colour = self.ramp.at(from_throat);
        let marked = self.marking.at(from_throat, across, lobe);
        if marked > 0.0 {
            colour = lerp3(colour, self.marking.colour, marked);
        }
        // The wall facing the light is the one on the far side of the throat.
        let facing = (du * self.light.1[0] + dv * self.light.1[1]) * (1.0 - 0.5 * from_throat);
        let fold = 0.10 * (1.0 - round) * from_throat;
        let depth = 0.55 * (1.0 - smoothstep(0.0, 0.3, from_throat));
        let light = (self.light.0 - facing - fold) * (1.0 - depth);
        *under = lerp3(*under, scale3(colour, light.max(0.08)), cover);
    }
}

/// The angle of (u, v) in turns, 0..1 (a polynomial good to 0.0005 turns: nobody measures petals).
fn turn_of(u: f32, v: f32) -> f32 {
    let (wide, high) = (u.abs(), v.abs());
    let ratio = wide.min(high) / wide.max(high).max(1e-9);
    let eighth = ratio * (0.125 + (1.0 - ratio) * (0.038_94 + 0.010_55 * ratio));
    let quarter = if high > wide { 0.25 - eighth } else { eighth };
    let half = if u < 0.0 { 0.5 - quarter } else { quarter };
    (if v < 0.0 { 1.0 - half } else { half }).clamp(0.0, 0.999_999)
}
