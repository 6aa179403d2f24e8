//! The attempts at a run: an append-only account of starts, resumes and steps that were thrown away.
//! Not part of the ledger: an interrupted run's ledger equals an uninterrupted one's, this file tells them apart.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::progress::TrainError;

/// One line of `attempts.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum AttemptLine {
    /// An attempt begins.
    Start {
        /// Steps that were done before it.
        from_step: u64,
        /// Steps of the attempt before that it makes again.
        discarded_steps: u64,
        /// Seconds since 1970.
        unix_seconds: u64,
    },
    /// An attempt ends in an orderly way.
    End {
        /// Steps that are done.
        to_step: u64,
        /// Whether the run is finished.
        finished: bool,
        /// Seconds since 1970.
        unix_seconds: u64,
    },
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}

fn append(path: &Path, line: &AttemptLine) -> Result<(), TrainError> {
    let text = serde_json::to_string(line).expect("an attempt is plain data") + "\n";
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|cause| TrainError::File { path: path.to_owned(), cause })
}

/// Notes that an attempt begins.
pub fn start(path: &Path, from_step: u64, discarded_steps: u64) -> Result<(), TrainError> {
    append(path, &AttemptLine::Start { from_step, discarded_steps, unix_seconds: now() })
}

/// Notes that an attempt ended.
pub fn end(path: &Path, to_step: u64, finished: bool) -> Result<(), TrainError> {
    append(path, &AttemptLine::End { to_step, finished, unix_seconds: now() })
}

/// From and to which step each attempt went. One that was killed went as far as the next one's start says.
pub fn read(path: &Path) -> Vec<(u64, u64)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut attempts: Vec<(u64, u64)> = Vec::new();
    for line in text.lines() {
        match serde_json::from_str(line) {
            Ok(AttemptLine::Start { from_step, discarded_steps, .. }) => {
                if let Some(before) = attempts.last_mut() {
                    before.1 = before.1.max(from_step + discarded_steps);
                }
                attempts.push((from_step, from_step));
            }
            Ok(AttemptLine::End { to_step, .. }) => {
                if let Some(attempt) = attempts.last_mut() {
                    attempt.1 = to_step;
                }
            }
            // A kill can leave half a line.
            Err(_) => {}
        }
    }
    attempts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_attempt_ends_where_the_next_one_says_it_had_come() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attempts.jsonl");
        start(&path, 0, 0).unwrap();
        start(&path, 20, 7).unwrap();
        end(&path, 50, true).unwrap();
        assert_eq!(read(&path), [(0, 27), (20, 50)]);
    }
}
