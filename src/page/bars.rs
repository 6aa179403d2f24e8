//! A bar for each class, as an inline SVG.
//! Not here: what is counted.

use super::axis::Axis;
use crate::markup::Markup;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 46.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;
/// Bars that are drawn at most; a page with more would show nothing.
const BARS_MAX: usize = 1_024;

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it stands for.
    pub name: String,
    /// Its height.
    pub value: f64,
}

/// A picture of bars.
#[derive(Clone, Debug)]
pub struct Bars<'a> {
    /// What it shows.
    pub title: &'a str,
    /// What is counted, such as "examples".
    pub noun: &'a str,
    /// From left to right.
    pub bars: Vec<Bar>,
}

impl Bars<'_> {
    /// The picture; `None` without bars of any height.
    pub fn figure(&self) -> Option<Markup> {
        let shown = &self.bars[..self.bars.len().min(BARS_MAX)];
        let (least, most) = (shown.iter().min_by(by_value)?, shown.iter().max_by(by_value)?);
        if most.value <= 0.0 || most.value.is_nan() {
            return None;
        }
        let up = Axis { values: (0.0, most.value), places: (HEIGHT - BOTTOM, TOP) };
        let spoken = format!(
            "{}: from {} {} of {} to {} of {}",
            self.title, least.value, self.noun, least.name, most.value, most.name
        );
        let (view_box, wide) = (format!("0 0 {WIDTH} {HEIGHT}"), (WIDTH - LEFT) / shown.len() as f64);
        let mut out = Markup::new();
        out.within("figure", &[], |figure| {
            figure.leaf("h3", &[], self.title);
            let around = [("class", "map"), ("tabindex", "0"), ("role", "region"), ("aria-label", self.title)];
            figure.within("div", &around, |around| {
                around.within("svg", &[("viewBox", &view_box), ("role", "img"), ("aria-label", &spoken)], |svg| {
                    grid(svg, &up);
                    for (place, bar) in shown.iter().enumerate() {
                        let (x, y) = (LEFT + place as f64 * wide, up.place(bar.value.max(0.0)));
                        self.bar(svg, bar, (x, y, (wide * 0.82).max(0.5)));
                    }
                    let end = format!("class 0 to {}", shown.len() - 1);
                    let (x, y) = (format!("{LEFT}"), format!("{:.1}", HEIGHT - 6.0));
                    svg.leaf("text", &[("x", &x), ("y", &y)], &end);
                });
            });
            figure.leaf("figcaption", &[], &format!("{spoken}."));
        });
        out.newline();
        Some(out)
    }

    fn bar(&self, svg: &mut Markup, bar: &Bar, (x, y, width): (f64, f64, f64)) {
        let texts = [x, y, width, HEIGHT - BOTTOM - y].map(|number| format!("{number:.2}"));
        let [x, y, width, height] = &texts;
        let attributes = [("class", "bar"), ("x", x.as_str()), ("y", y), ("width", width), ("height", height)];
        svg.within("rect", &attributes, |rect| {
            rect.leaf("title", &[], &format!("{}: {} {}", bar.name, bar.value, self.noun));
        });
    }
}

fn by_value(one: &&Bar, other: &&Bar) -> std::cmp::Ordering {
    one.value.total_cmp(&other.value)
}

fn grid(svg: &mut Markup, up: &Axis) {
    for (value, text) in up.ticks(4.0) {
        let y = up.place(value);
        let path = format!("M{LEFT} {y:.1}H{WIDTH}");
        svg.leaf("path", &[("class", "grid"), ("d", &path)], "");
        let (x, y) = (format!("{:.1}", LEFT - 6.0), format!("{:.1}", y + 4.0));
        svg.leaf("text", &[("x", &x), ("y", &y), ("text-anchor", "end")], &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(values: &[f64]) -> Bars<'static> {
        let bar = |(place, value): (usize, &f64)| Bar { name: format!("class {place}"), value: *value };
        Bars { title: "classes", noun: "examples", bars: values.iter().enumerate().map(bar).collect() }
    }

    #[test]
    fn every_class_has_its_bar_and_its_words() {
        let text = bars(&[3.0, 0.0, 12.0]).figure().unwrap().into_text();
        assert_eq!(text.matches("<rect").count(), 3);
        assert!(text.contains("<title>class 2: 12 examples</title>"), "{text}");
        assert!(text.contains("from 0 examples of class 1 to 12 of class 2"), "{text}");
    }

    #[test]
    fn nothing_counted_is_no_picture() {
        assert!(bars(&[]).figure().is_none());
        assert!(bars(&[0.0, 0.0]).figure().is_none());
    }
}
