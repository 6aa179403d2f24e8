//! The board on a terminal, and as JSON.
//! Not here: lines to paste (markdown.rs).

use comfy_table::{Cell, ColumnConstraint};
use serde_json::{Value, json};

use super::entry::{Entry, StdKind};
use super::standing::{Place, TOO_GOOD_WORDS};
use crate::data_commands::text::bytes;
use crate::epoch_table::clock;
use crate::table::{header, plain_table, trimmed};

/// What the marks mean, in lines that fit a terminal.
const LEGEND: &str = "\
±  standard deviation as its author stated it: population (over n), or sample (over n − 1) where an s is
≈  places whose interval, mean ± sample std, overlaps this one's: not shown to differ
=  a tie: the same mean in the digits shown";
/// Columns that may be broken into lines: overlaps, of which there may be many.
const BROKEN: usize = 7;
/// Letters of an author's name that fit there.
const AUTHOR_CHARS_MAX: usize = 14;
/// Letters of a system's.
const SYSTEM_CHARS_MAX: usize = 20;

/// A table with what it means. `left_out` entries stand below those shown.
pub(super) fn text(places: &[Place<'_>], left_out: usize) -> String {
    let mut table = plain_table();
    table.set_header(["#", "accuracy", "runs", "author", "system", "a run", "peak memory", ""].map(header));
    for place in places {
        table.add_row(row(place).map(Cell::new));
    }
    for column in 0..BROKEN {
        if let Some(column) = table.column_mut(column) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let mut text = trimmed(&table) + "\n";
    if places.is_empty() {
        text = "nobody is on this board yet: fastgarden-actors leaderboard add SUBMISSION\n".to_owned();
        return text;
    }
    if left_out > 0 {
        text += &format!("{left_out} more: --all\n");
    }
    for place in places.iter().filter(|place| place.is_too_good) {
        text += &format!("{} by {}: above 98 %, {TOO_GOOD_WORDS}\n", place.entry.system, place.entry.author);
    }
    text + &format!("\n{LEGEND}\n")
}

fn row(place: &Place<'_>) -> [String; 8] {
    let entry = place.entry;
    [
        place.rank_text(),
        score(entry),
        entry.runs().to_string(),
        shortened(&entry.author, AUTHOR_CHARS_MAX),
        format!("{}\n{}", shortened(&entry.system, SYSTEM_CHARS_MAX), standing_words(entry)),
        entry.seconds.map_or_else(dash, clock),
        memory(entry).unwrap_or_else(dash),
        place.overlap_text(),
    ]
}

/// A name, cut with an ellipsis where it is longer than its column. Page and JSON have it whole.
fn shortened(name: &str, chars_max: usize) -> String {
    if name.chars().count() <= chars_max {
        return name.to_owned();
    }
    name.chars().take(chars_max - 1).chain(['…']).collect()
}

/// With an `s` where the deviation is the sample one.
pub(super) fn score(entry: &Entry) -> String {
    let mark = if entry.std == StdKind::Sample && entry.deviation(StdKind::Sample).is_some() { " s" } else { "" };
    format!("{}{mark}", entry.score_text())
}

/// "GPU 9.1 GiB".
pub(super) fn memory(entry: &Entry) -> Option<String> {
    entry.peak_memory().map(|(of, count)| format!("{of} {}", bytes(count)))
}

/// What the referee says of it.
fn standing_words(entry: &Entry) -> String {
    match entry.submitted.as_ref().map(|of| of.passed.as_slice()) {
        None => "published, not re-run".to_owned(),
        Some([]) => "judged".to_owned(),
        Some([one]) => format!("passes {one}"),
        Some([first, .., last]) => format!("passes {first} to {last}"),
    }
}

fn dash() -> String {
    "–".to_owned()
}

/// One document for scripts.
pub(super) fn json(rules: &str, places: &[Place<'_>], left_out: usize) -> String {
    let entries: Vec<Value> = places.iter().map(entry_json).collect();
    let document = json!({
        "version": 1, "rules": rules, "entries": entries, "left_out": left_out,
        "overlap": "intervals mean ± sample std (over n − 1) meet",
    });
    format!("{document:#}\n")
}

fn entry_json(place: &Place<'_>) -> Value {
    let entry = place.entry;
    json!({
        "rank": place.rank, "tied": place.is_tied, "overlaps": place.overlaps,
        "flag": place.is_too_good.then_some(TOO_GOOD_WORDS),
        "origin": if entry.is_published() { "published, not re-run" } else { "submission" },
        "system": entry.system, "author": entry.author, "sentence": entry.sentence, "link": entry.link,
        "date": entry.date, "accuracy_mean": entry.mean(), "runs": entry.runs(),
        "accuracy_std_population": entry.deviation(StdKind::Population),
        "accuracy_std_sample": entry.deviation(StdKind::Sample), "std_stated": entry.std.name(),
        "seconds": entry.seconds, "device": entry.device, "device_memory_bytes": entry.device_memory_bytes,
        "memory_bytes": entry.memory_bytes,
        "passed": entry.submitted.as_ref().map(|of| of.passed.clone()),
        "sha256": entry.submitted.as_ref().map(|of| of.sha256.clone()),
    })
}
