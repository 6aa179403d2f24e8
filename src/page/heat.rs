//! The confusion matrix as a heat map that can be read by pointer, by keyboard and by ear.
//! Not here: judging pictures.

use crate::markup::Markup;

/// Classes of the largest map that is drawn: with more, a cell is too small to be met.
pub const HEAT_CLASSES_MAX: usize = 150;

const SIDE: f64 = 7.0;
const LEFT: f64 = 30.0;
const TOP: f64 = 22.0;
/// Shades of the style sheet, `h1` to `h7`.
const SHADES: f64 = 7.0;

/// How often which class was taken for which.
#[derive(Clone, Debug, Default)]
pub struct Confusions {
    /// By class.
    pub names: Vec<String>,
    /// Row by row, a row for what a picture is, a column for what it was taken for.
    pub counts: Vec<u64>,
}

impl Confusions {
    /// Of no pictures yet.
    pub fn new(names: Vec<String>) -> Self {
        let counts = vec![0; names.len() * names.len()];
        Self { names, counts }
    }

    /// Adds a picture of class `actual`. Neither may be beyond the names.
    pub fn add(&mut self, actual: usize, predicted: usize) {
        self.counts[actual * self.names.len() + predicted] += 1;
    }

    /// How often.
    pub fn count(&self, actual: usize, predicted: usize) -> u64 {
        self.counts[actual * self.names.len() + predicted]
    }

    /// Pictures of a class.
    pub fn total(&self, actual: usize) -> u64 {
        let classes = self.names.len();
        self.counts[actual * classes..(actual + 1) * classes].iter().sum()
    }

    /// What was taken for something else, most frequent first: actual, predicted, how often.
    pub fn mistakes(&self) -> Vec<(usize, usize, u64)> {
        let classes = self.names.len().max(1);
        let cells = self.counts.iter().enumerate().map(|(at, count)| (at / classes, at % classes, *count));
        let mut mistakes: Vec<_> =
            cells.filter(|(actual, predicted, count)| actual != predicted && *count > 0).collect();
        mistakes.sort_by_key(|&(actual, predicted, count)| (std::cmp::Reverse(count), actual, predicted));
        mistakes
    }

    /// The map; `None` with no class, or more of them than [`HEAT_CLASSES_MAX`]. The page needs the script of heat maps.
    pub fn figure(&self) -> Option<Markup> {
        let classes = self.names.len();
        if classes == 0 || classes > HEAT_CLASSES_MAX {
            return None;
        }
        let extent = classes as f64 * SIDE;
        let view_box = format!("0 0 {} {}", LEFT + extent + 4.0, TOP + extent + 4.0);
        let names = serde_json::to_string(&self.names).expect("names are text");
        let grid = format!("{LEFT} {TOP} {SIDE}");
        let spoken = "Confusion matrix: a row for what a picture is, a column for what it was taken for. Arrow keys move \
                      from cell to cell; the table of the most frequent mistakes says the same.";
        let mut out = Markup::new();
        out.within("figure", &[], |figure| {
            figure.within("div", &[("class", "map")], |around| {
                let attributes = [
                    ("viewBox", view_box.as_str()),
                    ("role", "img"),
                    ("aria-label", spoken),
                    ("tabindex", "0"),
                    ("data-names", &names),
                    ("data-grid", &grid),
                    ("data-told", "confusion-told"),
                ];
                around.within("svg", &attributes, |svg| self.draw(svg, extent));
            });
            figure.leaf("output", &[("id", "confusion-told"), ("aria-live", "polite")], "");
            let caption = "Rows: what a picture is. Columns: what it was taken for. The stronger the colour, the larger the share of the row; \
                           green is right, orange is wrong. Point at a cell, or move with the arrow keys.";
            figure.leaf("figcaption", &[], caption);
        });
        out.newline();
        Some(out)
    }

    fn draw(&self, svg: &mut Markup, extent: f64) {
        let (left, top, side) = (LEFT.to_string(), TOP.to_string(), extent.to_string());
        let frame = [("class", "frame"), ("x", left.as_str()), ("y", &top), ("width", &side), ("height", &side)];
        svg.leaf("rect", &frame, "").newline();
        for class in (0..self.names.len()).step_by(10) {
            let at = class as f64 * SIDE + SIDE * 0.85;
            let (x, y, number) = (format!("{}", LEFT + at - SIDE / 2.0), format!("{}", TOP + at), class.to_string());
            svg.leaf("text", &[("x", &format!("{}", LEFT - 5.0)), ("y", &y), ("text-anchor", "end")], &number);
            svg.leaf("text", &[("x", &x), ("y", &format!("{}", TOP - 6.0)), ("text-anchor", "middle")], &number);
        }
        for actual in 0..self.names.len() {
            self.draw_row(svg, actual);
        }
        let cell = SIDE.to_string();
        svg.leaf("rect", &[("class", "cursor"), ("width", &cell), ("height", &cell)], "");
    }

    fn draw_row(&self, svg: &mut Markup, actual: usize) {
        let (total, side) = (self.total(actual), SIDE.to_string());
        for predicted in 0..self.names.len() {
            let count = self.count(actual, predicted);
            if count == 0 {
                continue;
            }
            let share = count as f64 / total as f64;
            let shade = (share * SHADES).ceil().clamp(1.0, SHADES);
            let class = format!("{} h{shade}", if actual == predicted { "right" } else { "wrong" });
            let at = |class: usize, from: f64| (from + class as f64 * SIDE).to_string();
            let (x, y, place) = (at(predicted, LEFT), at(actual, TOP), format!("{actual} {predicted}"));
            let attributes = [
                ("class", class.as_str()),
                ("x", &x),
                ("y", &y),
                ("width", &side),
                ("height", &side),
                ("data-at", &place),
            ];
            svg.within("rect", &attributes, |cell| {
                cell.leaf("title", &[], &self.told(actual, predicted, total));
            });
        }
        svg.newline();
    }

    fn told(&self, actual: usize, predicted: usize, total: u64) -> String {
        let count = self.count(actual, predicted);
        let percent = 100.0 * count as f64 / total as f64;
        let (name, other) = (&self.names[actual], &self.names[predicted]);
        if actual == predicted {
            return format!("{name} recognised: {count} of {total} ({percent:.0} %)");
        }
        format!("{name} taken for {other}: {count} of {total} ({percent:.0} %)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusions() -> Confusions {
        let mut found = Confusions::new(["rose", "<tulip>", "iris"].map(str::to_owned).to_vec());
        for (actual, predicted) in [(0, 0), (0, 1), (0, 1), (1, 1), (1, 0)] {
            found.add(actual, predicted);
        }
        found
    }

    #[test]
    fn cells_say_what_was_taken_for_what() {
        let text = confusions().figure().unwrap().into_text();
        assert_eq!(text.matches("data-at=").count(), 4);
        assert!(text.contains("<title>rose taken for &lt;tulip&gt;: 2 of 3 (67 %)</title>"), "{text}");
        assert!(text.contains("class=\"right h3\"") && text.contains("class=\"wrong h5\""), "{text}");
        assert!(
            text.contains("data-names=\"[&quot;rose&quot;,&quot;&lt;tulip&gt;&quot;,&quot;iris&quot;]\""),
            "{text}"
        );
    }

    #[test]
    fn mistakes_come_by_frequency_then_class() {
        assert_eq!(confusions().mistakes(), [(0, 1, 2), (1, 0, 1)]);
        assert_eq!((confusions().total(0), confusions().total(2)), (3, 0));
    }

    #[test]
    fn too_many_classes_are_no_map() {
        assert!(Confusions::new(vec![String::new(); HEAT_CLASSES_MAX + 1]).figure().is_none());
        assert!(Confusions::new(Vec::new()).figure().is_none());
    }
}
