//! Pages for people: one HTML file each, which fetches nothing, runs nothing that isn't ours, and suits dark and light,
//! phone and desk, keyboard and screen reader.
//! Not here: what a page says (leaderboard, report).

mod axis;
mod bars;
mod base64;
mod chart;
mod heat;

use sha2::{Digest as _, Sha256};

pub use axis::Axis;
pub use bars::{Bar, Bars};
pub use base64::base64;
pub use chart::{Chart, Curve, Stroke};
pub use heat::{Confusions, HEAT_CLASSES_MAX};

use crate::markup::Markup;

/// The one style sheet.
const STYLE: &str = include_str!("style.css");
/// What moves the cursor of a heat map.
const HEAT_SCRIPT: &str = include_str!("heat.js");

/// A whole page: `body` goes into its `main`. `has_heat` brings the script of heat maps along.
///
/// Its policy lets nothing load but this style, this script (both by hash) and pictures within the file.
pub fn document(title: &str, body: &Markup, has_heat: bool) -> String {
    let mut page = Markup::new();
    page.within("html", &[("lang", "en")], |html| {
        html.within("head", &[], |head| {
            head.void("meta", &[("charset", "utf-8")]).newline();
            let content = policy(has_heat);
            head.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &content)]).newline();
            head.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]).newline();
            head.void("meta", &[("name", "referrer"), ("content", "no-referrer")]).newline();
            head.void("meta", &[("name", "color-scheme"), ("content", "light dark")]).newline();
            head.leaf("title", &[], title).newline();
            head.code("style", STYLE).newline();
        });
        html.newline().within("body", &[], |inner| {
            inner.within("main", &[], |main| {
                main.newline().append(body);
            });
            if has_heat {
                inner.newline().code("script", HEAT_SCRIPT);
            }
        });
    });
    format!("<!doctype html>\n{}\n", page.into_text())
}

fn policy(has_heat: bool) -> String {
    let hash = |code: &str| format!("'sha256-{}'", base64(&Sha256::digest(code.as_bytes())));
    let script = if has_heat { format!("; script-src {}", hash(HEAT_SCRIPT)) } else { String::new() };
    format!("default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src {}{script}", hash(STYLE))
}

/// A table that scrolls by itself where it is wider than the screen, also with the keyboard. `columns` are headings with
/// whether they stand over numbers; the first cell of a row is its heading.
pub struct Table<'a> {
    /// What it shows.
    pub caption: &'a str,
    /// Heading, and whether its cells are numbers.
    pub columns: &'a [(&'a str, bool)],
    /// Whether rows become cards on a narrow screen, instead of scrolling.
    pub as_cards: bool,
}

impl Table<'_> {
    /// The table with these cells.
    pub fn markup(&self, rows: &[Vec<Markup>]) -> Markup {
        let mut out = Markup::new();
        let class = if self.as_cards { "scroll cards" } else { "scroll" };
        let around = [("class", class), ("role", "region"), ("aria-label", self.caption), ("tabindex", "0")];
        out.within("div", &around, |out| {
            // Told outright: a table shown as cards is none to a screen reader otherwise.
            out.within("table", &[("role", "table")], |table| {
                table.leaf("caption", &[], self.caption).newline();
                table.within("thead", &[("role", "rowgroup")], |head| {
                    head.within("tr", &[("role", "row")], |row| self.headings(row));
                });
                table.newline().within("tbody", &[("role", "rowgroup")], |body| {
                    for cells in rows {
                        body.within("tr", &[("role", "row")], |row| self.row(row, cells)).newline();
                    }
                });
            });
        });
        out.newline();
        out
    }

    fn headings(&self, row: &mut Markup) {
        for (heading, is_number) in self.columns {
            let class = if *is_number { "number" } else { "" };
            row.leaf("th", &[("scope", "col"), ("role", "columnheader"), ("class", class)], heading);
        }
    }

    fn row(&self, row: &mut Markup, cells: &[Markup]) {
        for (place, (cell, (heading, is_number))) in cells.iter().zip(self.columns).enumerate() {
            let class = if *is_number { "number" } else { "" };
            let label = ("data-label", *heading);
            // One box, so that a card's cell has two columns whatever it holds.
            let fill = |out: &mut Markup| {
                out.within("div", &[], |inner| {
                    inner.append(cell);
                });
            };
            if place == 0 {
                row.within("th", &[("scope", "row"), ("role", "rowheader"), ("class", class), label], fill);
            } else {
                row.within("td", &[("role", "cell"), ("class", class), label], fill);
            }
        }
    }
}

/// Words as a cell.
pub fn words(text: &str) -> Markup {
    let mut cell = Markup::new();
    cell.text(text);
    cell
}

/// A list of facts: name, value.
pub fn facts(list: &[(&str, String)]) -> Markup {
    let mut out = Markup::new();
    out.within("dl", &[("class", "facts")], |out| {
        for (name, value) in list {
            out.leaf("dt", &[], name).leaf("dd", &[], value).newline();
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_fetches_nothing_and_runs_only_what_its_policy_names() {
        let page = document("a <b>", &words("x"), true);
        assert!(page.contains("<title>a &lt;b&gt;</title>"), "{page}");
        for part in ["default-src 'none'", "style-src 'sha256-", "script-src 'sha256-", "img-src data:"] {
            assert!(page.contains(&crate::markup::escaped(part)), "{part}");
        }
        assert!(!page.contains("unsafe-inline") && !page.contains(" style=") && !page.contains("http://"), "{page}");
        assert!(
            !page.contains("<link") && !page.contains(" src=") && !page.contains("@import") && !page.contains("url(")
        );
        assert_eq!(page.matches("<script").count(), 1);
        assert_eq!(document("a", &words("x"), false).matches("<script").count(), 0);
    }

    #[test]
    fn the_policy_has_the_hash_of_what_stands_between_the_tags() {
        let page = document("a", &words("x"), true);
        for name in ["style", "script"] {
            let (_, rest) = page.split_once(&format!("<{name}>")).unwrap();
            let (code, _) = rest.split_once(&format!("</{name}>")).unwrap();
            let hash = base64(&Sha256::digest(code.as_bytes()));
            assert!(page.contains(&crate::markup::escaped(&format!("{name}-src 'sha256-{hash}'"))), "{name}");
        }
    }
}
