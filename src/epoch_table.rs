//! The table of epochs: a header once, then a row an epoch, aligned so that rows can be printed as they come.
//! Not here: when to print (progress.rs). Seventy-odd columns wide, so it fits an 80-column terminal.

use std::time::Duration;

use crate::rules::grouped;

/// What a row shows; `None` prints as a dash.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EpochRow {
    /// From 1.
    pub epoch: u32,
    /// Plain mean over the epoch.
    pub train_loss: Option<f64>,
    /// Mean over validation.
    pub valid_loss: Option<f64>,
    /// 0–1.
    pub accuracy: Option<f64>,
    /// Training images a second.
    pub images_per_s: Option<f64>,
    /// 0–1.
    pub input_wait_share: Option<f64>,
    /// Training and validation.
    pub seconds: f64,
}

const COLUMNS: [(&str, usize); 7] = [
    ("epoch", 6),
    ("train loss", 12),
    ("valid loss", 12),
    ("accuracy", 11),
    ("images/s", 11),
    ("input wait", 12),
    ("time", 9),
];

/// The header and the line under it. `runs` above 1 adds a column for the run.
pub fn header(runs: usize) -> [String; 2] {
    let titles = aligned(runs, "run", COLUMNS.map(|(title, _)| title.to_owned()));
    let rule = "─".repeat(titles.chars().count() - 1);
    [titles, format!(" {rule}")]
}

/// One row; `run` counts from 1.
pub fn row(run: usize, runs: usize, row: &EpochRow) -> String {
    let cells = [
        row.epoch.to_string(),
        loss(row.train_loss),
        loss(row.valid_loss),
        row.accuracy.map_or_else(dash, |accuracy| format!("{:.2} %", 100.0 * accuracy)),
        row.images_per_s.map_or_else(dash, rate),
        row.input_wait_share.map_or_else(dash, percent),
        clock(row.seconds),
    ];
    aligned(runs, &format!("{run}/{runs}"), cells)
}

/// The row as a sentence, for logs in which a table would be torn apart.
pub fn sentence(run: usize, runs: usize, epochs: u32, row: &EpochRow) -> String {
    let mut text = format!("{}epoch {}/{epochs} done", run_prefix(run, runs), row.epoch);
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!("  {name} {value}"));
        }
    };
    add("train loss", row.train_loss.map(|_| loss(row.train_loss)));
    add("valid loss", row.valid_loss.map(|_| loss(row.valid_loss)));
    add("accuracy", row.accuracy.map(|accuracy| format!("{:.2} %", 100.0 * accuracy)));
    add("images/s", row.images_per_s.map(rate));
    add("input wait", row.input_wait_share.map(percent));
    add("time", Some(clock(row.seconds)));
    text
}

fn aligned(runs: usize, run: &str, cells: [String; COLUMNS.len()]) -> String {
    let mut line = if runs > 1 { format!("{run:>7}") } else { String::new() };
    for (cell, (_, width)) in cells.iter().zip(COLUMNS) {
        line.push_str(&format!("{cell:>width$}"));
    }
    line
}

/// "run 2/3, " where there are several.
pub fn run_prefix(run: usize, runs: usize) -> String {
    if runs > 1 { format!("run {run}/{runs}, ") } else { String::new() }
}

fn dash() -> String {
    "–".to_owned()
}

fn loss(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{value:.4}"))
}

/// Images a second: whole from 10 on.
pub fn rate(images_per_s: f64) -> String {
    if images_per_s < 9.95 { format!("{images_per_s:.1}") } else { grouped(images_per_s.round() as u64) }
}

/// A share in whole percent, but one decimal where it is small and not nothing.
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent > 0.0 && percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// 65 → "1:05", 3,661 → "1:01:01"; under ten seconds with a decimal.
pub fn clock(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    // Saturates instead of failing on a number that is not finite.
    let whole = Duration::from_secs(seconds.round() as u64).as_secs();
    let (hours, minutes, seconds) = (whole / 3_600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: EpochRow = EpochRow {
        epoch: 3,
        train_loss: Some(3.1236),
        valid_loss: Some(2.5),
        accuracy: Some(0.12345),
        images_per_s: Some(1_234.4),
        input_wait_share: Some(0.012),
        seconds: 65.4,
    };

    #[test]
    fn rows_stand_under_their_header_within_80_columns() {
        for runs in [1, 3] {
            let [titles, rule] = header(runs);
            let row = row(1, runs, &ROW);
            let ends = |text: &str| text.chars().count();
            assert_eq!((ends(&rule), ends(&row)), (ends(&titles), ends(&titles)));
            assert!(ends(&titles) <= 80);
        }
        assert_eq!(row(1, 1, &ROW), "     3      3.1236      2.5000    12.35 %      1,234       1.2 %     1:05");
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        let row = row(1, 1, &EpochRow { epoch: 1, train_loss: Some(4.0), seconds: 2.0, ..EpochRow::default() });
        assert_eq!(row.matches('–').count(), 4);
    }

    #[test]
    fn a_sentence_says_only_what_is_known() {
        assert_eq!(
            sentence(2, 3, 5, &ROW),
            "run 2/3, epoch 3/5 done  train loss 3.1236  valid loss 2.5000  accuracy 12.35 %  images/s 1,234  \
             input wait 1.2 %  time 1:05"
        );
        let bare = EpochRow { epoch: 1, seconds: 3_661.0, ..EpochRow::default() };
        assert_eq!(sentence(1, 1, 5, &bare), "epoch 1/5 done  time 1:01:01");
    }

    #[test]
    fn numbers_read_well_at_every_size() {
        assert_eq!([0.0, 4.26, 59.6, 7_322.0].map(clock), ["0.0 s", "4.3 s", "1:00", "2:02:02"]);
        assert_eq!([0.0, 0.004, 0.5, 1.0].map(percent), ["0 %", "0.4 %", "50 %", "100 %"]);
        assert_eq!([3.33, 9.96, 12_345.6].map(rate), ["3.3", "10", "12,346"]);
    }
}
