//! The curve of a learning-rate range test as an SVG: loss over the logarithm of the rate, with the suggestions.
//! Not a plotting library.

use std::fmt::Write as _;

use fastgarden_train::lr_range::Tried;

use super::{Found, rate};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 96.0;
/// Losses above so many times the lowest smoothed one are cut off, or the divergence would flatten all else.
const SHOWN_FACTOR: f64 = 2.5;
const INK: &str = "#26342b";
const FAINT: &str = "#d9dee5";
const RAW: &str = "#b9c4bd";
const CURVE: &str = "#2f7d4f";
/// One for each suggestion.
const MARKS: [&str; 3] = ["#c2410c", "#1d4ed8", "#7e22ce"];

/// Where rates and losses lie in the picture.
struct Scale {
    lr: (f64, f64),
    loss: (f64, f64),
}

impl Scale {
    fn of(points: &[Tried]) -> Self {
        let lowest = points.iter().map(|point| point.smoothed).fold(f64::INFINITY, f64::min);
        let highest = points.iter().map(|point| point.smoothed).fold(f64::NEG_INFINITY, f64::max);
        let first = points.first().map_or(lowest, |point| point.smoothed);
        let top = highest.min((SHOWN_FACTOR * lowest).max(first));
        let room = ((top - lowest) * 0.08).max(1e-3);
        let lr = |point: Option<&Tried>| point.map_or(0.0, |point| point.lr.log10());
        let (from, to) = (lr(points.first()), lr(points.last()));
        Self { lr: (from, to.max(from + 1e-3)), loss: (lowest - room, top + room) }
    }

    fn x(&self, lr: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (lr.log10() - self.lr.0) / (self.lr.1 - self.lr.0)
    }

    fn y(&self, loss: f64) -> f64 {
        let share = ((loss - self.loss.0) / (self.loss.1 - self.loss.0)).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share
    }
}

/// The whole picture.
pub(super) fn svg(found: &Found<'_>) -> String {
    let points = found.curve.points();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" font-family=\"system-ui, Helvetica, Arial, sans-serif\" role=\"img\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    // A recipe's name is letters, digits, `-`, `_` and `.`.
    let title = format!("{}: loss over learning rate, {} steps", found.recipe.name, points.len());
    text(&mut out, LEFT, 30.0, "start", 16, &title);
    if points.is_empty() {
        text(&mut out, WIDTH / 2.0, HEIGHT / 2.0, "middle", 14, "no loss was a number");
    } else {
        let scale = Scale::of(points);
        grid(&mut out, &scale);
        line(&mut out, &scale, points, |point| point.loss, RAW, 1.0);
        line(&mut out, &scale, points, |point| point.smoothed, CURVE, 2.5);
        marks(&mut out, &scale, found);
    }
    out + "</svg>\n"
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, size: u32, words: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{INK}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}

/// A line for each power of ten, and about five for the losses.
fn grid(out: &mut String, scale: &Scale) {
    let bottom = HEIGHT - BOTTOM;
    for power in scale.lr.0.ceil() as i32..=scale.lr.1.floor() as i32 {
        let x = scale.x(10f64.powi(power));
        let _ = writeln!(out, "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"{FAINT}\"/>");
        text(out, x, bottom + 18.0, "middle", 12, &format!("1e{power}"));
    }
    let step = round_step((scale.loss.1 - scale.loss.0) / 5.0);
    let (first, last) = ((scale.loss.0 / step).ceil() as i64, (scale.loss.1 / step).floor() as i64);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    for tick in first..=last {
        let loss = tick as f64 * step;
        let y = scale.y(loss);
        let _ = writeln!(out, "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"{FAINT}\"/>", WIDTH - RIGHT);
        text(out, LEFT - 8.0, y + 4.0, "end", 12, &format!("{loss:.decimals$}"));
    }
}

/// 1, 2 or 5 times a power of ten, not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|step| *step >= least).unwrap_or(10.0 * power)
}

fn line(out: &mut String, scale: &Scale, points: &[Tried], of: fn(&Tried) -> f64, colour: &str, width: f64) {
    let path: Vec<String> =
        points.iter().map(|point| format!("{:.1} {:.1}", scale.x(point.lr), scale.y(of(point)))).collect();
    let _ = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"/>",
        path.join(" ")
    );
}

/// A dot on the curve for each suggestion, and what it means below.
fn marks(out: &mut String, scale: &Scale, found: &Found<'_>) {
    let mut legend = LEFT;
    let y = HEIGHT - 34.0;
    for ((name, lr, _), colour) in found.named().into_iter().zip(MARKS) {
        let near = |point: &&Tried| (point.lr / lr).ln().abs();
        let nearest = found.curve.points().iter().min_by(|a, b| near(a).total_cmp(&near(b)));
        if let Some(point) = nearest {
            let (x, y) = (scale.x(point.lr), scale.y(point.smoothed));
            let _ = writeln!(
                out,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\" fill=\"{colour}\" stroke=\"#ffffff\" stroke-width=\"1.5\"/>"
            );
        }
        let _ = writeln!(out, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"5\" fill=\"{colour}\"/>", legend + 5.0, y - 4.0);
        text(out, legend + 16.0, y, "start", 13, &format!("{name} {}", rate(lr)));
        legend += 170.0;
    }
    let swatch = |out: &mut String, x: f64, colour: &str, words: &str| {
        let _ = writeln!(out, "<path d=\"M{x:.1} {:.1}h14\" stroke=\"{colour}\" stroke-width=\"2.5\"/>", y - 4.0);
        text(out, x + 20.0, y, "start", 13, words);
    };
    swatch(out, legend, CURVE, "smoothed loss");
    swatch(out, legend + 140.0, RAW, "loss");
}
