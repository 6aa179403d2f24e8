//! The table of a series' runs, one a line, finished or not.
//! Not here: the table of epochs, or mean and deviation.

use crate::epoch_table::clock;
use crate::report::Report;
use crate::rules::grouped;

const WIDTHS: [usize; 6] = [7, 11, 13, 10, 11, 11];

/// The lines of the table; none where a single finished run has said everything already.
pub fn lines(report: &Report) -> Vec<String> {
    if report.runs.len() + report.unfinished.len() < 2 && report.unfinished.is_empty() {
        return Vec::new();
    }
    let titles = ["seed", "accuracy", "valid loss", "steps", "time", "attempts"].map(str::to_owned);
    let titles = aligned(&titles);
    let rule = format!(" {}", "─".repeat(titles.chars().count() - 1));
    let finished = report.runs.iter().map(|run| {
        let last = run.epochs.last();
        let number = |value: Option<f64>, told: fn(f64) -> String| value.map_or_else(|| "–".to_owned(), told);
        let cells = [
            run.seed.to_string(),
            number(run.accuracy, |accuracy| format!("{:.2} %", 100.0 * accuracy)),
            number(last.and_then(|epoch| epoch.valid_loss), |loss| format!("{loss:.4}")),
            grouped(run.steps),
            clock(run.epochs.iter().map(|epoch| epoch.seconds).sum()),
            run.attempts.len().to_string(),
        ];
        (run.seed, aligned(&cells))
    });
    let unfinished = report.unfinished.iter().map(|run| {
        let steps = run.attempts.last().map_or(0, |attempt| attempt.to_step);
        let why = run.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
        let seed = aligned(&[run.seed.to_string()]);
        (run.seed, format!("{seed}  not finished, {} steps{why}", grouped(steps)))
    });
    let mut rows: Vec<_> = finished.chain(unfinished).collect();
    rows.sort_by_key(|(seed, _)| *seed);
    [titles, rule].into_iter().chain(rows.into_iter().map(|(_, row)| row)).collect()
}

fn aligned(cells: &[String]) -> String {
    cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:>width$}")).collect()
}
