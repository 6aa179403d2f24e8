//! CPU time of another process's threads, by their names, as Linux tells it.
//! Not here: which threads matter.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What was seen of each thread last: its name, and seconds on a processor.
#[derive(Debug, Default)]
pub struct Threads(BTreeMap<String, (String, f64)>);

impl Threads {
    /// Looks at a process. Threads that have ended keep what was seen of them.
    pub fn look(&mut self, process: u32) {
        self.look_in(Path::new(&format!("/proc/{process}/task")));
    }

    fn look_in(&mut self, tasks: &Path) {
        let Ok(entries) = fs::read_dir(tasks) else { return };
        for entry in entries.flatten() {
            let read = |name| fs::read_to_string(entry.path().join(name));
            // A thread may end at any moment.
            let (Ok(name), Ok(times)) = (read("comm"), read("schedstat")) else { continue };
            let Some(Ok(nanoseconds)) = times.split_whitespace().next().map(str::parse::<u64>) else { continue };
            let id = entry.file_name().to_string_lossy().into_owned();
            self.0.insert(id, (name.trim().to_owned(), nanoseconds as f64 / 1e9));
        }
    }

    /// Seconds of all threads whose names begin with one of these.
    pub fn seconds_of(&self, names: &[&str]) -> f64 {
        let is_meant = |name: &str| names.iter().any(|start| name.starts_with(start));
        self.0.values().filter(|(name, _)| is_meant(name)).map(|(_, seconds)| seconds).sum()
    }

    /// Seconds of all threads.
    pub fn seconds(&self) -> f64 {
        self.0.values().map(|(_, seconds)| seconds).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_added_up_by_name_and_outlive_their_threads() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let task = |id: &str, name: &str, nanoseconds: u64| {
            let task = folder.path().join(id);
            fs::create_dir_all(&task).expect("a folder");
            fs::write(task.join("comm"), format!("{name}\n")).expect("a file");
            fs::write(task.join("schedstat"), format!("{nanoseconds} 7 1\n")).expect("a file");
        };
        let mut threads = Threads::default();
        task("1", "trainer", 3_000_000_000);
        task("2", "telemetry", 250_000_000);
        task("3", "actix-server wo", 500_000_000);
        threads.look_in(folder.path());
        fs::remove_dir_all(folder.path().join("2")).expect("the thread ends");
        task("3", "actix-server wo", 750_000_000);
        threads.look_in(folder.path());
        assert_eq!((threads.seconds_of(&["telemetry", "actix-server"]), threads.seconds()), (1.0, 4.0));
    }
}
