//! The tables of a report's page: runs, epochs, classes, quarantines, the recipe.
//! Not here: curves, or what the net mistakes.

use std::collections::BTreeMap;

use super::look::Look;
use super::read::{QuarantineSeen, SeriesSeen};
use crate::epoch_table::{clock, percent, rate};
use crate::markup::Markup;
use crate::page::{Bar, Bars, Table, facts, words};
use crate::report::{EpochReport, RunReport};
use crate::rules::grouped;

/// Quarantined records that are listed.
const QUARANTINED_MAX: usize = 50;
/// Runs that are listed.
const RUNS_MAX: usize = 100;
/// Epochs that are listed.
const EPOCHS_MAX: usize = 500;

fn dash() -> String {
    "–".to_owned()
}

fn share(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{:.2} %", 100.0 * value))
}

/// A row a run.
pub(super) fn runs(seen: &SeriesSeen) -> Markup {
    let columns = [
        ("seed", true),
        ("accuracy", true),
        ("epochs", true),
        ("steps", true),
        ("time", true),
        ("attempts", true),
        ("unread in validation", true),
        ("weights", false),
    ];
    let row = |run: &RunReport| -> Vec<Markup> {
        let cells = [
            run.seed.to_string(),
            share(run.accuracy),
            run.epochs.len().to_string(),
            grouped(run.steps),
            clock(run.seconds),
            run.attempts.len().to_string(),
            grouped(run.validation_quarantined),
        ];
        let mut hash = Markup::new();
        let short: String = run.weights_sha256.chars().take(16).collect();
        hash.leaf("code", &[("title", &run.weights_sha256)], &short);
        cells.iter().map(|cell| words(cell)).chain([hash]).collect()
    };
    let rows: Vec<_> = seen.report.runs.iter().take(RUNS_MAX).map(row).collect();
    let mut out = Table { caption: "Every run of the series", columns: &columns, as_cards: false }.markup(&rows);
    for (run, report) in seen.runs.iter().zip(&seen.report.runs) {
        for sentence in &run.missing {
            out.leaf("p", &[("class", "flag")], &format!("seed {}: {sentence}", report.seed));
        }
    }
    let about = "± is the population standard deviation, over n; the sample one, over n − 1, is larger.";
    out.leaf("p", &[("class", "faint small")], about).newline();
    out
}

/// A row an epoch: means over runs.
pub(super) fn epochs(seen: &SeriesSeen) -> Markup {
    let columns = [
        ("epoch", true),
        ("train loss", true),
        ("valid loss", true),
        ("accuracy", true),
        ("images/s", true),
        ("input wait", true),
        ("time", true),
        ("trained", true),
        ("quarantined", true),
    ];
    let mut by_epoch: BTreeMap<u32, Vec<&EpochReport>> = BTreeMap::new();
    for epoch in seen.report.runs.iter().flat_map(|run| &run.epochs) {
        by_epoch.entry(epoch.epoch).or_default().push(epoch);
    }
    let row = |(number, of): (&u32, &Vec<&EpochReport>)| -> Vec<Markup> {
        let mean = |value: fn(&EpochReport) -> Option<f64>| {
            let values: Option<Vec<f64>> = of.iter().map(|epoch| value(epoch)).collect();
            values.map(|values| values.iter().sum::<f64>() / values.len() as f64)
        };
        let loss = |value: Option<f64>| value.map_or_else(dash, |value| format!("{value:.4}"));
        let sum = |count: fn(&EpochReport) -> u64| grouped(of.iter().map(|epoch| count(epoch)).sum());
        let cells = [
            number.to_string(),
            loss(mean(|epoch| epoch.train_loss)),
            loss(mean(|epoch| epoch.valid_loss)),
            share(mean(|epoch| epoch.accuracy)),
            mean(|epoch| epoch.images_per_s).map_or_else(dash, rate),
            mean(|epoch| epoch.input_wait_share).map_or_else(dash, percent),
            mean(|epoch| Some(epoch.seconds)).map_or_else(dash, clock),
            sum(|epoch| epoch.examples.trained),
            sum(|epoch| epoch.examples.quarantined),
        ];
        cells.iter().map(|cell| words(cell)).collect()
    };
    let rows: Vec<_> = by_epoch.iter().take(EPOCHS_MAX).map(row).collect();
    let caption = "Epochs: means over runs; trained and quarantined are sums";
    Table { caption, columns: &columns, as_cards: false }.markup(&rows)
}

/// How often each class was trained on.
pub(super) fn histogram(seen: &SeriesSeen, look: Option<&Look>) -> Markup {
    let mut counts: Vec<u64> = Vec::new();
    for epoch in seen.runs.iter().flat_map(|run| &run.epochs) {
        counts.resize(counts.len().max(epoch.class_histogram.len()), 0);
        for (count, more) in counts.iter_mut().zip(&epoch.class_histogram) {
            *count += more;
        }
    }
    let name = |class| look.map_or_else(|| format!("class {class}"), |look| look.class_name(class).to_owned());
    let bar = |(class, count): (usize, &u64)| Bar { name: name(class), value: *count as f64 };
    let bars = counts.iter().enumerate().map(bar).collect();
    let title = "Examples of each class that were trained on, over all runs and epochs";
    Bars { title, noun: "examples", bars }.figure().unwrap_or_else(|| words("No epoch has ended yet."))
}

/// Records that could not be used.
pub(super) fn quarantines(seen: &SeriesSeen) -> Markup {
    let mut times: BTreeMap<&QuarantineSeen, u64> = BTreeMap::new();
    for line in seen.runs.iter().flat_map(|run| &run.quarantined) {
        *times.entry(line).or_default() += 1;
    }
    let mut out = Markup::new();
    out.newline();
    if times.is_empty() {
        out.leaf("p", &[], "Every record that was wanted could be used: nothing was quarantined.");
        return out;
    }
    let columns = [("record", false), ("what is wrong", false), ("phase", false), ("times", true)];
    let row = |(line, times): (&&QuarantineSeen, &u64)| -> Vec<Markup> {
        let place = format!("{} at byte {}", line.shard, line.offset);
        let what = format!("{}: {}", line.kind, line.detail);
        [place, what, line.phase.clone(), times.to_string()].iter().map(|cell| words(cell)).collect()
    };
    let rows: Vec<_> = times.iter().take(QUARANTINED_MAX).map(row).collect();
    out.append(&Table { caption: "Quarantined records", columns: &columns, as_cards: false }.markup(&rows));
    if times.len() > QUARANTINED_MAX {
        let more = times.len() - QUARANTINED_MAX;
        out.leaf("p", &[("class", "faint small")], &format!("and {more} more: see quarantine.jsonl of each run"));
    }
    out
}

/// What it says of itself, and all of it.
pub(super) fn recipe(seen: &SeriesSeen) -> Markup {
    let recipe = &seen.recipe;
    let mut list = Vec::new();
    for (name, text) in [("Method", &recipe.method), ("Why", &recipe.why), ("Data", &recipe.data_note)] {
        if !text.trim().is_empty() {
            list.push((name, text.clone()));
        }
    }
    if !recipe.based_on.is_empty() {
        list.push(("Based on", recipe.based_on.join("; ")));
    }
    let mut out = facts(&list);
    out.within("details", &[], |details| {
        details.leaf("summary", &[], "Every key");
        let around = [("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", "recipe.toml")];
        details.within("div", &around, |around| {
            around.within("pre", &[], |pre| {
                pre.leaf("code", &[], &recipe.to_toml());
            });
        });
    });
    out.leaf(
        "footer",
        &[],
        &format!("Made of {} by fastgarden-actors {}.", seen.folder_name(), env!("CARGO_PKG_VERSION")),
    );
    out
}
