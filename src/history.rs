//! Series of the past: what their reports say, for comparing them.
//! Not here: drawing them, or anything that a report doesn't hold.

use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;

use crate::report::Report;

/// Most series that are read; the newest come first.
const SERIES_MAX: usize = 500;
/// A larger report is none of ours.
const REPORT_BYTES_MAX: u64 = 16 << 20;

/// One series.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Its folder's name.
    pub name: String,
    /// When its report was written, seconds since 1970.
    pub written_s: u64,
    /// What it says; null where there is none yet, or none that can be read.
    pub report: Option<Report>,
}

/// The series in a folder, the newest first. A folder that isn't there holds none.
pub fn read(folder: &Path) -> Vec<Entry> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<Entry> = entries.filter_map(|entry| series(&entry.ok()?.path())).collect();
    found.sort_by(|a, b| (b.written_s, &b.name).cmp(&(a.written_s, &a.name)));
    found.truncate(SERIES_MAX);
    found
}

/// One series, if the folder is one: it then has a recipe.
pub fn series(folder: &Path) -> Option<Entry> {
    let recipe = folder.join("recipe.toml").metadata().ok()?;
    let name = folder.file_name()?.to_str()?.to_owned();
    let path = folder.join("report.json");
    let report = path.metadata().ok().filter(|report| report.len() <= REPORT_BYTES_MAX);
    let written = report.as_ref().unwrap_or(&recipe).modified().ok();
    let written_s =
        written.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs());
    let report = report.and_then(|_| std::fs::read_to_string(&path).ok());
    Some(Entry { name, written_s, report: report.and_then(|text| serde_json::from_str(&text).ok()) })
}
