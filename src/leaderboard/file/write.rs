//! An entry as TOML, as `leaderboard add` appends it.
//! Not here: reading it back.

use crate::leaderboard::entry::{Entry, Score};
use crate::recipe::quoted;

/// One `[[entry]]`.
pub(super) fn entry(entry: &Entry) -> String {
    let origin = if entry.is_published() { "published" } else { "submission" };
    let mut lines = vec![
        "[[entry]]".to_owned(),
        format!("origin = \"{origin}\""),
        format!("system = {}", quoted(&entry.system)),
        format!("author = {}", quoted(&entry.author)),
        format!("sentence = {}", quoted(&entry.sentence)),
        format!("link = {}", quoted(&entry.link)),
        format!("date = {}", quoted(&entry.date)),
    ];
    match &entry.score {
        Score::Runs(accuracies) => lines.push(format!("accuracies = {}", list(accuracies))),
        Score::Stated { mean, deviation, runs } => {
            lines.push(format!("mean = {mean:?}\ndeviation = {deviation:?}\nruns = {runs}"));
        }
    }
    lines.push(format!("std = \"{}\"", entry.std.name()));
    lines.extend(entry.seconds.map(|seconds| format!("seconds = {seconds:?}")));
    lines.extend(entry.device.as_ref().map(|device| format!("device = {}", quoted(device))));
    lines.extend(entry.device_memory_bytes.map(|bytes| format!("device_memory_bytes = {bytes}")));
    lines.extend(entry.memory_bytes.map(|bytes| format!("memory_bytes = {bytes}")));
    if let Some(of) = &entry.submitted {
        lines.extend([
            "\n[entry.submission]".to_owned(),
            format!("sha256 = \"{}\"", of.sha256),
            format!("recipe_hash = \"{}\"", of.recipe_hash),
            format!("ledger_heads = {}", texts(&of.ledger_heads)),
            format!("passed = {}", texts(&of.passed)),
        ]);
    }
    for curve in &entry.curves {
        lines.push("\n[[entry.curve]]".to_owned());
        lines.extend(curve.seed.map(|seed| format!("seed = {seed}")));
        lines.push(format!("accuracy = {}", list(&curve.accuracy)));
        lines.push(format!("train_loss = {}", list(&curve.train_loss)));
        lines.push(format!("valid_loss = {}", list(&curve.valid_loss)));
    }
    lines.join("\n") + "\n"
}

fn list(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    format!("[{}]", values.join(", "))
}

fn texts(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", values.join(", "))
}
