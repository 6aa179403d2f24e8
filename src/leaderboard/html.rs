//! The board as one page: table, curves, rule badges, what ± means.
//! Not here: how a page is put together (`page`).

use super::entry::{Entry, StdKind};
use super::file::Board;
use super::standing::{OVERLAP_WORDS, Place, STD_WORDS, TOO_GOOD_WORDS, standing};
use super::text::{memory, score};
use crate::epoch_table::clock;
use crate::markup::{Markup, web_link};
use crate::page::{self, Chart, Stroke, Table, words};

/// Entries whose curves are drawn: more can't be told apart.
const CURVES_MAX: usize = 8;
const COLUMNS: [(&str, bool); 8] = [
    ("place", true),
    ("accuracy", true),
    ("who and what", false),
    ("runs", true),
    ("time a run", true),
    ("peak memory", true),
    ("overlaps", false),
    ("rules", false),
];

/// The whole page.
pub(super) fn page(board: &Board) -> String {
    let places = standing(&board.entries);
    let mut body = Markup::new();
    body.leaf("h1", &[], "FastGarden leaderboard");
    let rules =
        if board.rules == "fastgarden" { "fastgarden".to_owned() } else { format!("with the hash {}", board.rules) };
    let about = format!(
        "104 kinds of flowers from scratch in five epochs: mean accuracy on the validation pictures over several runs, under \
         the rules {rules}."
    );
    body.leaf("p", &[], if board.rules == "fastgarden" { &about } else { "" });
    if board.rules != "fastgarden" {
        body.leaf("p", &[("class", "hash")], &format!("rules {rules}"));
    }
    body.newline();
    if places.is_empty() {
        body.leaf("p", &[], "Nobody is on this board yet.");
        return page::document("FastGarden leaderboard", &body, false);
    }
    let rows: Vec<Vec<Markup>> = places.iter().map(row).collect();
    let table = Table { caption: "Best first", columns: &COLUMNS, as_cards: true };
    body.append(&table.markup(&rows));
    body.within("ul", &[("class", "notes")], |notes| {
        notes.leaf("li", &[], STD_WORDS).leaf("li", &[], OVERLAP_WORDS);
        notes.leaf(
            "li",
            &[],
            "GPU is the peak of the device's memory, RAM the peak of the process where that is all that is known.",
        );
    });
    curves(&mut body, &places);
    page::document("FastGarden leaderboard", &body, false)
}

fn row(place: &Place<'_>) -> Vec<Markup> {
    let entry = place.entry;
    vec![
        words(&place.rank_text()),
        accuracy(place),
        description(entry),
        words(&entry.runs().to_string()),
        time(entry),
        words(&memory(entry).unwrap_or_else(dash)),
        words(&if place.overlaps.is_empty() { dash() } else { place.overlap_text() }),
        badges(entry),
    ]
}

fn dash() -> String {
    "–".to_owned()
}

fn time(entry: &Entry) -> Markup {
    let mut cell = words(&entry.seconds.map_or_else(dash, clock));
    if let Some(device) = &entry.device {
        cell.leaf("div", &[("class", "faint small aside")], device);
    }
    cell
}

fn accuracy(place: &Place<'_>) -> Markup {
    let mut cell = Markup::new();
    cell.leaf("strong", &[], &score(place.entry));
    let percent = |kind| place.entry.deviation(kind).map(|std| format!("{:.2}", 100.0 * std));
    if let (Some(population), Some(sample)) = (percent(StdKind::Population), percent(StdKind::Sample)) {
        cell.leaf("div", &[("class", "faint small")], &format!("population {population}, sample {sample}"));
    }
    if place.is_too_good {
        cell.leaf("div", &[("class", "flag")], &format!("above 98 %: {TOO_GOOD_WORDS}"));
    }
    cell
}

fn description(entry: &Entry) -> Markup {
    let mut cell = Markup::new();
    cell.leaf("strong", &[], &entry.system).text(&format!(" by {}", entry.author));
    cell.leaf("div", &[], &entry.sentence);
    cell.within("div", &[("class", "faint small")], |line| {
        line.text(&entry.date);
        if let Some(link) = web_link(&entry.link) {
            line.text(" · ");
            // Where it leads is shown: the words of a link are as little to be trusted as its author.
            let shown = link.trim_start_matches("https://").trim_start_matches("http://");
            line.leaf("a", &[("href", link), ("rel", "noopener noreferrer nofollow")], shown);
        }
    });
    cell
}

fn badges(entry: &Entry) -> Markup {
    let mut cell = Markup::new();
    let Some(submitted) = &entry.submitted else {
        cell.leaf("span", &[("class", "badge open")], "published, not re-run");
        return cell;
    };
    cell.within("ul", &[("class", "badges"), ("aria-label", "rules passed")], |list| {
        for rule in &submitted.passed {
            list.within("li", &[("class", "badge pass")], |item| {
                item.text(&format!("{rule} ✓"));
            });
        }
    });
    cell
}

fn curves(body: &mut Markup, places: &[Place<'_>]) {
    let shown: Vec<_> = places.iter().filter(|place| !place.entry.curves.is_empty()).take(CURVES_MAX).collect();
    let chart = |title, unit, of: fn(&super::Curve) -> &Vec<f64>, factor: f64, from_zero| {
        let curve = |(colour, place): (usize, &&Place<'_>)| page::Curve {
            name: format!("{} {}", place.rank_text(), place.entry.system),
            colour,
            stroke: Stroke::Dotted,
            points: mean_of(place.entry, of).into_iter().map(|(epoch, value)| (epoch, factor * value)).collect(),
        };
        let curves: Vec<_> = shown.iter().enumerate().map(curve).filter(|curve| !curve.points.is_empty()).collect();
        Chart { title, across: "epoch", unit, from_zero, curves }.figure()
    };
    let figures = [
        chart("Accuracy on validation", " %", |curve| &curve.accuracy, 100.0, true),
        chart("Loss in training", "", |curve| &curve.train_loss, 1.0, false),
        chart("Loss on validation", "", |curve| &curve.valid_loss, 1.0, false),
    ];
    if figures.iter().all(Option::is_none) {
        return;
    }
    body.leaf("h2", &[], "Epoch by epoch");
    let about = "Submissions: the mean of their runs. Published rows: their first run, as far as it is known. Losses are those \
                 that each was trained with, so their heights don't compare.";
    body.leaf("p", &[("class", "faint small")], about);
    body.within("div", &[("class", "charts")], |charts| {
        for figure in figures.iter().flatten() {
            charts.append(figure);
        }
    });
    numbers(body, &shown);
}

/// The mean over the entry's curves, epoch by epoch, as far as all that have any go.
fn mean_of(entry: &Entry, of: fn(&super::Curve) -> &Vec<f64>) -> Vec<(f64, f64)> {
    let known: Vec<_> = entry.curves.iter().map(of).filter(|values| !values.is_empty()).collect();
    let epochs = known.iter().map(|values| values.len()).min().unwrap_or(0);
    let mean = |epoch: usize| known.iter().map(|values| values[epoch]).sum::<f64>() / known.len() as f64;
    (0..epochs).map(|epoch| ((epoch + 1) as f64, mean(epoch))).collect()
}

/// The accuracies as a table, for those who can't see the chart or want the digits.
fn numbers(body: &mut Markup, shown: &[&Place<'_>]) {
    let of = |place: &&Place<'_>| mean_of(place.entry, |curve| &curve.accuracy);
    let epochs = shown.iter().map(|place| of(place).len()).max().unwrap_or(0).min(20);
    let headings: Vec<String> = (1..=epochs).map(|epoch| format!("epoch {epoch}")).collect();
    let mut columns = vec![("system", false)];
    columns.extend(headings.iter().map(|heading| (heading.as_str(), true)));
    let row = |place: &&Place<'_>| -> Vec<Markup> {
        let values = of(place);
        let cells = (0..epochs)
            .map(|epoch| values.get(epoch).map_or_else(dash, |(_, value)| format!("{:.1} %", 100.0 * value)));
        std::iter::once(place.entry.system.clone()).chain(cells).map(|text| words(&text)).collect()
    };
    let rows: Vec<_> = shown.iter().map(row).collect();
    body.within("details", &[], |details| {
        details.leaf("summary", &[], "The accuracies in numbers");
        let table = Table { caption: "Accuracy on validation after each epoch", columns: &columns, as_cards: false };
        details.append(&table.markup(&rows));
    });
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::super::entry::{Curve, Submitted};
    use super::super::file::EMBEDDED;
    use super::*;

    #[test]
    fn the_embedded_board_is_a_page_with_all_rows_and_curves() {
        let page = page(&Board::from_text("leaderboard.toml", EMBEDDED).unwrap());
        assert_eq!(page.matches("published, not re-run").count(), 5);
        assert_eq!(page.matches("<figure").count(), 3);
        for part in ["82.40 % ± 0.15", "71.24 % ± 1.24 s", "≈ 3", "by morgan", "population 0.73, sample 0.90"] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn nothing_that_a_submission_says_becomes_markup_or_a_dangerous_link() {
        let hostile = "</style><script>alert(1)</script>\" onmouseover=\"x";
        let submitted = Submitted {
            sha256: String::new(),
            recipe_hash: String::new(),
            ledger_heads: Vec::new(),
            passed: vec![hostile.to_owned()],
        };
        let entry = Entry {
            author: hostile.to_owned(),
            sentence: hostile.to_owned(),
            link: "javascript:alert(1)".to_owned(),
            date: hostile.to_owned(),
            device: Some(hostile.to_owned()),
            submitted: Some(submitted),
            curves: vec![Curve { accuracy: vec![0.1, 0.2], ..Curve::default() }],
            ..entry(hostile, &[0.99])
        };
        let mut board = Board::empty(&crate::rules::Rules::none());
        board.entries.push(entry);
        let page = page(&board);
        assert!(!page.contains("<script") && !page.contains("javascript:"), "{page}");
        assert!(!page.contains("\" onmouseover") && page.contains("&lt;script&gt;"), "{page}");
        assert_eq!(page.matches("</style>").count(), 1);
        assert!(page.contains(TOO_GOOD_WORDS));
    }

    #[test]
    fn an_empty_board_says_so() {
        assert!(page(&Board::empty(&crate::rules::Rules::none())).contains("Nobody is on this board yet."));
    }
}
