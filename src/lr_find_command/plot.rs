//! The curve of a learning-rate range test as an SVG: loss over the logarithm of the rate, with the suggestions.
//! Not a plotting library.

use fastgarden_train::lr_range::Tried;

use super::{Found, rate};
use crate::markup::Markup;
use crate::page::Axis;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 96.0;
/// Above the first loss there is room for as much as the curve falls below it, at least for this share of the lowest.
/// What is higher is cut off: the divergence would flatten all else.
const ROOM_ABOVE_MIN: f64 = 0.1;
const INK: &str = "#26342b";
const FAINT: &str = "#d9dee5";
const RAW: &str = "#b9c4bd";
const CURVE: &str = "#2f7d4f";
/// One for each suggestion.
const MARKS: [&str; 3] = ["#c2410c", "#1d4ed8", "#7e22ce"];

/// Where rates and losses lie in the picture.
struct Scale {
    /// Of powers of ten.
    lr: Axis,
    loss: Axis,
}

impl Scale {
    fn of(points: &[Tried]) -> Self {
        let lowest = points.iter().map(|point| point.smoothed).fold(f64::INFINITY, f64::min);
        let highest = points.iter().map(|point| point.smoothed).fold(f64::NEG_INFINITY, f64::max);
        let first = points.first().map_or(lowest, |point| point.smoothed);
        let top = highest.min(first + (first - lowest).max(ROOM_ABOVE_MIN * lowest.abs()));
        let room = ((top - lowest) * 0.08).max(1e-3);
        let lr = |point: Option<&Tried>| point.map_or(0.0, |point| point.lr.log10());
        let (from, to) = (lr(points.first()), lr(points.last()));
        Self {
            lr: Axis { values: (from, to.max(from + 1e-3)), places: (LEFT, WIDTH - RIGHT) },
            loss: Axis { values: (lowest - room, top + room), places: (HEIGHT - BOTTOM, TOP) },
        }
    }

    fn x(&self, lr: f64) -> f64 {
        self.lr.place(lr.log10())
    }

    fn y(&self, loss: f64) -> f64 {
        self.loss.place(loss)
    }
}

/// The whole picture.
pub(super) fn svg(found: &Found<'_>) -> String {
    let points = found.curve.points();
    let (view_box, width, height) = (format!("0 0 {WIDTH} {HEIGHT}"), WIDTH.to_string(), HEIGHT.to_string());
    let attributes = [
        ("xmlns", "http://www.w3.org/2000/svg"),
        ("viewBox", &view_box),
        ("width", &width),
        ("height", &height),
        ("font-family", "system-ui, Helvetica, Arial, sans-serif"),
        ("role", "img"),
    ];
    let mut out = Markup::new();
    out.within("svg", &attributes, |svg| {
        svg.leaf("rect", &[("width", &width), ("height", &height), ("fill", "#ffffff")], "").newline();
        let title = format!("{}: loss over learning rate, {} steps", found.recipe.name, points.len());
        text(svg, LEFT, 30.0, "start", 16, &title);
        if points.is_empty() {
            text(svg, WIDTH / 2.0, HEIGHT / 2.0, "middle", 14, "no loss was a number");
            return;
        }
        let scale = Scale::of(points);
        grid(svg, &scale);
        svg.within("clipPath", &[("id", "frame")], |clip| {
            let [x, y, width, height] =
                [LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - BOTTOM - TOP].map(|at| at.to_string());
            clip.leaf("rect", &[("x", &x), ("y", &y), ("width", &width), ("height", &height)], "");
        });
        svg.newline().within("g", &[("clip-path", "url(#frame)")], |frame| {
            line(frame, &scale, points, |point| point.loss, RAW, "1");
            line(frame, &scale, points, |point| point.smoothed, CURVE, "2.5");
        });
        marks(svg.newline(), &scale, found);
    });
    out.newline();
    out.into_text()
}

fn text(out: &mut Markup, x: f64, y: f64, anchor: &str, size: u32, words: &str) {
    let (x, y, size) = (format!("{x:.1}"), format!("{y:.1}"), size.to_string());
    let attributes = [("x", x.as_str()), ("y", &y), ("font-size", &size), ("fill", INK), ("text-anchor", anchor)];
    out.leaf("text", &attributes, words).newline();
}

fn stroke(out: &mut Markup, path: &str, colour: &str, width: &str) {
    out.leaf("path", &[("d", path), ("stroke", colour), ("stroke-width", width)], "").newline();
}

/// A line for each power of ten, and about five for the losses.
fn grid(out: &mut Markup, scale: &Scale) {
    let bottom = HEIGHT - BOTTOM;
    for power in scale.lr.values.0.ceil() as i32..=scale.lr.values.1.floor() as i32 {
        let x = scale.lr.place(f64::from(power));
        stroke(out, &format!("M{x:.1} {TOP}V{bottom}"), FAINT, "1");
        text(out, x, bottom + 18.0, "middle", 12, &format!("1e{power}"));
    }
    for (loss, words) in scale.loss.ticks(5.0) {
        let y = scale.y(loss);
        stroke(out, &format!("M{LEFT} {y:.1}H{:.1}", WIDTH - RIGHT), FAINT, "1");
        text(out, LEFT - 8.0, y + 4.0, "end", 12, &words);
    }
}

fn line(out: &mut Markup, scale: &Scale, points: &[Tried], of: fn(&Tried) -> f64, colour: &str, width: &str) {
    let path: Vec<String> =
        points.iter().map(|point| format!("{:.1} {:.1}", scale.x(point.lr), scale.y(of(point)))).collect();
    let attributes = [
        ("points", path.join(" ")),
        ("fill", "none".to_owned()),
        ("stroke", colour.to_owned()),
        ("stroke-width", width.to_owned()),
        ("stroke-linejoin", "round".to_owned()),
    ];
    let attributes: Vec<_> = attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
    out.leaf("polyline", &attributes, "").newline();
}

fn dot(out: &mut Markup, (x, y): (f64, f64), radius: &str, colour: &str) {
    let (x, y) = (format!("{x:.1}"), format!("{y:.1}"));
    let attributes = [("cx", x.as_str()), ("cy", &y), ("r", radius), ("fill", colour), ("stroke", "#ffffff")];
    out.leaf("circle", &attributes, "").newline();
}

/// A dot on the curve for each suggestion, and what it means below.
fn marks(out: &mut Markup, scale: &Scale, found: &Found<'_>) {
    let mut legend = LEFT;
    let y = HEIGHT - 34.0;
    for ((name, lr, _), colour) in found.named().into_iter().zip(MARKS) {
        let near = |point: &&Tried| (point.lr / lr).ln().abs();
        let nearest = found.curve.points().iter().min_by(|a, b| near(a).total_cmp(&near(b)));
        if let Some(point) = nearest {
            dot(out, (scale.x(point.lr), scale.y(point.smoothed)), "6", colour);
        }
        dot(out, (legend + 5.0, y - 4.0), "5", colour);
        text(out, legend + 16.0, y, "start", 13, &format!("{name} {}", rate(lr)));
        legend += 170.0;
    }
    let swatch = |out: &mut Markup, x: f64, colour: &str, words: &str| {
        stroke(out, &format!("M{x:.1} {:.1}h14", y - 4.0), colour, "2.5");
        text(out, x + 20.0, y, "start", 13, words);
    };
    swatch(out, legend, CURVE, "smoothed loss");
    swatch(out, legend + 140.0, RAW, "loss");
}
