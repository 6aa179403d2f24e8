//! Series of the past: what their reports say, for comparing them.
//! Not here: drawing them, or anything that a report doesn't hold.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use crate::report::Report;
use crate::series::{RECIPE_FILE, REPORT_FILE};

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

/// The newest series in a folder, the newest first. A folder that isn't there holds none.
pub fn read(folder: &Path) -> Vec<Entry> {
    newest(folder).iter().map(Stamp::read).collect()
}

/// One series, if the folder is one: it then has a recipe.
pub fn series(folder: &Path) -> Option<Entry> {
    Stamp::of(folder).map(|stamp| stamp.read())
}

/// For who reads a folder again and again: a report that hasn't changed isn't read anew.
#[derive(Debug, Default)]
pub struct History {
    known: Vec<(Stamp, Entry)>,
}

impl History {
    /// The newest series in a folder, the newest first.
    pub fn read(&mut self, folder: &Path) -> Vec<&Entry> {
        let mut before: HashMap<Stamp, Entry> = self.known.drain(..).collect();
        let known = newest(folder).into_iter().map(|stamp| {
            let entry = before.remove(&stamp).unwrap_or_else(|| stamp.read());
            (stamp, entry)
        });
        self.known = known.collect();
        self.known.iter().map(|(_, entry)| entry).collect()
    }
}

/// Series by their age, before any report is read: those that are left out cost nothing more.
fn newest(folder: &Path) -> Vec<Stamp> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<Stamp> = entries.filter_map(|entry| Stamp::of(&entry.ok()?.path())).collect();
    found.sort_by(|a, b| (b.written, &b.name).cmp(&(a.written, &a.name)));
    found.truncate(SERIES_MAX);
    found
}

/// What the file system says of a series. While it says the same, the report is the same.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Stamp {
    folder: PathBuf,
    name: String,
    /// Of the report; of the recipe where there is no report.
    written: SystemTime,
    /// Length of the report, where there is one that may be read.
    report_bytes: Option<u64>,
}

impl Stamp {
    fn of(folder: &Path) -> Option<Self> {
        let recipe = folder.join(RECIPE_FILE).metadata().ok()?;
        let name = folder.file_name()?.to_str()?.to_owned();
        let report = folder.join(REPORT_FILE).metadata().ok().filter(|report| report.len() <= REPORT_BYTES_MAX);
        let written = report.as_ref().unwrap_or(&recipe).modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Self { folder: folder.to_owned(), name, written, report_bytes: report.map(|report| report.len()) })
    }

    fn read(&self) -> Entry {
        let written_s = self.written.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let text = self.report_bytes.and_then(|_| std::fs::read_to_string(self.folder.join(REPORT_FILE)).ok());
        let report = text.and_then(|text| serde_json::from_str(&text).ok());
        Entry { name: self.name.clone(), written_s, report }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;

    /// Makes or changes a series whose report was written at a second.
    fn write(folder: &Path, name: &str, recipe: &str, second: u64) {
        let series = folder.join(name);
        fs::create_dir_all(&series).unwrap();
        fs::write(series.join(RECIPE_FILE), "").unwrap();
        let report = format!(
            r#"{{ "version": 1, "recipe": "{recipe}", "recipe_hash": "", "rules": "none", "not_a_submission": [], "runs": [] }}"#
        );
        let path = series.join(REPORT_FILE);
        fs::write(&path, report).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).unwrap();
    }

    fn recipe(entry: &Entry) -> &str {
        &entry.report.as_ref().expect("a report that can be read").recipe
    }

    #[test]
    fn of_too_many_series_the_oldest_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..=SERIES_MAX {
            write(folder.path(), &format!("a-{number}"), "a", 1_000 + number as u64);
        }
        let found = read(folder.path());
        assert_eq!(found.len(), SERIES_MAX);
        assert_eq!((&*found[0].name, found[0].written_s), ("a-500", 1_500));
        assert_eq!(found.last().unwrap().name, "a-1");
    }

    #[test]
    fn a_report_is_read_again_only_where_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::default();
        write(folder.path(), "series", "one", 1_000);
        write(folder.path(), "other", "old", 900);
        let found = history.read(folder.path());
        assert_eq!((recipe(found[0]), recipe(found[1])), ("one", "old"));
        write(folder.path(), "series", "two", 1_000);
        assert_eq!(recipe(history.read(folder.path())[0]), "one", "neither its time nor its length is another one");
        write(folder.path(), "series", "two", 1_001);
        assert_eq!(recipe(history.read(folder.path())[0]), "two");
        fs::remove_dir_all(folder.path().join("series")).unwrap();
        let found = history.read(folder.path());
        assert_eq!((found.len(), recipe(found[0])), (1, "old"));
    }

    #[test]
    fn a_folder_without_a_recipe_is_no_series_and_one_without_a_report_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("notes")).unwrap();
        fs::create_dir(folder.path().join("begun")).unwrap();
        fs::write(folder.path().join("begun").join(RECIPE_FILE), "").unwrap();
        let found = read(folder.path());
        assert_eq!((found.len(), &*found[0].name, found[0].report.is_none()), (1, "begun", true));
        assert!(read(&folder.path().join("missing")).is_empty());
    }
}
