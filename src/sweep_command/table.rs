//! What a sweep came to: a table for people, JSON for scripts and for the sweep's folder.
//! Not here: training.

use comfy_table::Cell;
use serde::Serialize;

use crate::epoch_table::clock;
use crate::report::Report;
use crate::table::{header, plain_table, trimmed};

/// One point, trained or not.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its values, in the order of the keys.
    pub values: Vec<String>,
    /// SHA-256 hex of the recipe there.
    pub recipe_hash: String,
    /// Folder of its series; none before it was begun.
    pub series: Option<std::path::PathBuf>,
    /// Its report; none before a run was begun.
    pub report: Option<Report>,
    /// Why it is not finished, where it was tried.
    pub failure: Option<String>,
}

/// A sweep as far as it has come.
#[derive(Clone, Debug, Serialize)]
pub struct Sweep {
    /// Of the format: 1.
    pub version: u32,
    /// Name of the recipe.
    pub recipe: String,
    /// What the score is taken on.
    pub evaluated_on: String,
    /// The grid's keys.
    pub keys: Vec<String>,
    /// Its points.
    pub points: Vec<Row>,
}

impl Sweep {
    /// For scripts.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("it has only text keys");
        text.push('\n');
        text
    }

    /// For people, the best point first.
    pub fn to_text(&self) -> String {
        let mut rows: Vec<&Row> = self.points.iter().collect();
        let mean = |row: &Row| row.report.as_ref().and_then(|report| report.accuracy_mean);
        rows.sort_by(|one, other| mean(other).partial_cmp(&mean(one)).unwrap_or(std::cmp::Ordering::Equal));
        let mut table = plain_table();
        let titles = ["accuracy", "± population", "valid loss", "runs", "time a run"];
        table.set_header(self.keys.iter().map(String::as_str).chain(titles).map(header));
        for row in rows {
            let mut cells: Vec<Cell> = row.values.iter().map(Cell::new).collect();
            cells.extend(figures(row).map(Cell::new));
            table.add_row(cells);
        }
        let table = trimmed(&table);
        format!("{table}\n\nrecipe {}, scored on {}\n", self.recipe, self.evaluated_on)
    }
}

fn figures(row: &Row) -> [String; 5] {
    let dash = || "–".to_owned();
    let Some(report) = &row.report else {
        return [row.failure.clone().unwrap_or_else(dash), dash(), dash(), "0".to_owned(), dash()];
    };
    let percent = |share: Option<f64>| share.map_or_else(dash, |share| format!("{:.2} %", 100.0 * share));
    let losses: Vec<f64> = report.runs.iter().filter_map(|run| run.epochs.last()?.valid_loss).collect();
    let count = report.runs.len();
    let seconds: f64 = report.runs.iter().flat_map(|run| &run.epochs).map(|epoch| epoch.seconds).sum();
    let mean_loss = losses.iter().sum::<f64>() / losses.len() as f64;
    [
        row.failure.clone().filter(|_| count == 0).unwrap_or_else(|| percent(report.accuracy_mean)),
        percent(report.accuracy_std_population),
        if losses.is_empty() { dash() } else { format!("{mean_loss:.4}") },
        format!("{count}{}", if report.unfinished.is_empty() { "" } else { ", more unfinished" }),
        if count > 0 { clock(seconds / count as f64) } else { dash() },
    ]
}
