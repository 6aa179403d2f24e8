//! Curves over epochs as an inline SVG with a legend.
//! Not here: which curves.

use super::axis::{Axis, range_of};
use crate::markup::Markup;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
/// Colours of the style sheet, `c0` to `c7`; more curves than that begin anew.
const COLOURS: [&str; 8] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
/// Points that a curve is drawn with at most: beyond that they fall on the same pixels.
const POINTS_MAX: usize = 600;

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// As usual, with a dot at each point.
    Dotted,
    /// Without dots.
    Plain,
    /// Interrupted, with a dot at each point.
    Dashed,
    /// Heavier than the others, with a dot at each point: a mean.
    Bold,
}

/// One curve.
#[derive(Clone, Debug)]
pub struct Curve {
    /// For the legend.
    pub name: String,
    /// Number of its colour.
    pub colour: usize,
    /// How it is drawn.
    pub stroke: Stroke,
    /// From left to right; points that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// A picture of curves over epochs.
#[derive(Clone, Debug)]
pub struct Chart<'a> {
    /// What it shows.
    pub title: &'a str,
    /// What runs to the right.
    pub across: &'a str,
    /// What follows a number of the vertical axis, such as " %".
    pub unit: &'a str,
    /// Whether the vertical axis begins at 0 too.
    pub from_zero: bool,
    /// The curves.
    pub curves: Vec<Curve>,
}

impl Chart<'_> {
    /// The picture; `None` if no curve has a point.
    pub fn figure(&self) -> Option<Markup> {
        let points = || self.curves.iter().flat_map(|curve| curve.points.iter()).filter(is_finite);
        let (left, right) = range_of(points().map(|point| point.0))?;
        let (low, high) = range_of(points().map(|point| point.1))?;
        let room = (high - low) * 0.06;
        let low = if self.from_zero { 0.0 } else { low - room };
        // What is known from the ends of epochs has nothing to show before the first.
        let left = if left >= 1.0 && right > left + 0.5 { left } else { 0.0 };
        let across = Axis { values: (left, right.ceil().max(1.0)), places: (LEFT, WIDTH - RIGHT) };
        let up = Axis { values: (low, high + room), places: (HEIGHT - BOTTOM, TOP) };
        let mut out = Markup::new();
        out.within("figure", &[], |figure| {
            figure.leaf("h3", &[], self.title);
            let view_box = format!("0 0 {WIDTH} {HEIGHT}");
            let spoken = self.spoken();
            figure.within("svg", &[("viewBox", &view_box), ("role", "img"), ("aria-label", &spoken)], |svg| {
                self.grid(svg, &across, &up);
                for curve in &self.curves {
                    draw(svg, curve, &across, &up, self.unit);
                }
            });
            figure.append(&self.legend());
        });
        out.newline();
        Some(out)
    }

    /// The picture in words: where each curve begins and ends.
    fn spoken(&self) -> String {
        let ends = |curve: &Curve| {
            let finite: Vec<_> = curve.points.iter().filter(is_finite).collect();
            let (first, last) = (finite.first()?, finite.last()?);
            Some(format!("{} from {:.2} to {:.2}{}", curve.name, first.1, last.1, self.unit))
        };
        let curves: Vec<_> = self.curves.iter().filter_map(ends).collect();
        format!("{}: {}", self.title, curves.join("; "))
    }

    fn grid(&self, svg: &mut Markup, across: &Axis, up: &Axis) {
        for (value, text) in up.ticks(5.0) {
            let y = up.place(value);
            let path = format!("M{LEFT} {y:.1}H{:.1}", WIDTH - RIGHT);
            svg.leaf("path", &[("class", "grid"), ("d", &path)], "");
            label(svg, LEFT - 6.0, y + 4.0, "end", &format!("{text}{}", self.unit));
        }
        // Whole epochs only.
        for (value, text) in across.ticks((across.values.1 - across.values.0).clamp(1.0, 8.0)) {
            if value.fract() == 0.0 {
                label(svg, across.place(value), HEIGHT - BOTTOM + 17.0, "middle", text.split('.').next().unwrap_or(""));
            }
        }
        label(svg, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 5.0, "middle", self.across);
    }

    fn legend(&self) -> Markup {
        let mut out = Markup::new();
        out.within("ul", &[("class", "legend")], |list| {
            for curve in &self.curves {
                list.within("li", &[], |item| {
                    item.within("svg", &[("viewBox", "0 0 26 10"), ("aria-hidden", "true")], |svg| {
                        svg.leaf("path", &[("class", &class_of(curve)), ("d", "M1 5H25")], "");
                    });
                    item.leaf("span", &[], &curve.name);
                });
            }
        });
        out
    }
}

fn is_finite(point: &&(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}

fn class_of(curve: &Curve) -> String {
    let stroke = match curve.stroke {
        Stroke::Dotted => "",
        Stroke::Plain => " thin",
        Stroke::Dashed => " dashed",
        Stroke::Bold => " bold",
    };
    format!("curve {}{stroke}", COLOURS[curve.colour % COLOURS.len()])
}

fn draw(svg: &mut Markup, curve: &Curve, across: &Axis, up: &Axis, unit: &str) {
    let finite: Vec<_> = curve.points.iter().filter(is_finite).collect();
    let every = finite.len().div_ceil(POINTS_MAX).max(1);
    let place = |point: &(f64, f64)| (across.place(point.0), up.place(point.1));
    let path: Vec<String> =
        finite.iter().step_by(every).map(|point| place(point)).map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    svg.leaf("polyline", &[("class", &class_of(curve)), ("points", &path.join(" "))], "");
    if curve.stroke == Stroke::Plain {
        return;
    }
    for point in finite.iter().step_by(every) {
        let (x, y) = place(point);
        let (x, y, class) =
            (format!("{x:.1}"), format!("{y:.1}"), format!("dot {}", COLOURS[curve.colour % COLOURS.len()]));
        svg.within("circle", &[("class", &class), ("cx", &x), ("cy", &y), ("r", "3.5")], |dot| {
            dot.leaf("title", &[], &format!("{}, {}: {:.2}{unit}", curve.name, point.0, point.1));
        });
    }
}

fn label(svg: &mut Markup, x: f64, y: f64, anchor: &str, words: &str) {
    let (x, y) = (format!("{x:.1}"), format!("{y:.1}"));
    svg.leaf("text", &[("x", &x), ("y", &y), ("text-anchor", anchor)], words);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart<'static> {
        let curve = Curve { name: "seed <1>".to_owned(), colour: 9, stroke: Stroke::Dotted, points };
        Chart { title: "accuracy", across: "epoch", unit: " %", from_zero: true, curves: vec![curve] }
    }

    #[test]
    fn a_chart_has_its_points_its_legend_and_words_for_those_who_dont_see_it() {
        let text = chart(vec![(1.0, 10.0), (2.0, f64::NAN), (3.0, 50.0)]).figure().unwrap().into_text();
        assert_eq!(text.matches("<circle").count(), 2, "{text}");
        assert!(text.contains("aria-label=\"accuracy: seed &lt;1&gt; from 10.00 to 50.00 %\""), "{text}");
        assert!(text.contains("<li><svg") && text.contains("class=\"curve c1\""), "{text}");
        assert!(!text.contains("NaN"), "{text}");
    }

    #[test]
    fn nothing_to_draw_is_no_chart() {
        assert!(chart(vec![]).figure().is_none());
        assert!(chart(vec![(1.0, f64::INFINITY)]).figure().is_none());
    }

    #[test]
    fn a_single_point_and_a_flat_curve_are_drawn() {
        for points in [vec![(1.0, 0.0)], vec![(1.0, 2.0), (2.0, 2.0)]] {
            let text = chart(points).figure().unwrap().into_text();
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}
