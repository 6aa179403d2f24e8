//! Everything of a series' folder that its page shows. Nothing there is trusted: files are read up to a limit, and what is
//! missing or damaged is left out and said.
//! Not here: showing it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use fastgarden_data::ledger;
use fastgarden_proto::ledger::line::Line;
use fastgarden_proto::ledger::{Epoch, Step};
use serde::Deserialize;

use crate::exit::{Complaint, Failure};
use crate::recipe::Recipe;
use crate::report::Report;
use crate::series;

/// Largest report, bytes.
const REPORT_BYTES_MAX: u64 = 64 << 20;
/// Largest list of quarantined records that is read, bytes.
const QUARANTINE_BYTES_MAX: u64 = 4 << 20;

/// A series as its page sees it.
pub(super) struct SeriesSeen {
    /// Its folder.
    pub folder: PathBuf,
    /// How it was trained.
    pub recipe: Recipe,
    /// What came of it.
    pub report: Report,
    /// One for each of the report's runs, in its order.
    pub runs: Vec<RunSeen>,
}

/// What lies beside a run.
#[derive(Default)]
pub(super) struct RunSeen {
    /// Consumed batches.
    pub steps: Vec<Step>,
    /// Ends of epochs.
    pub epochs: Vec<Epoch>,
    /// Records that could not be used, as often as they were met.
    pub quarantined: Vec<QuarantineSeen>,
    /// What could not be read, in sentences.
    pub missing: Vec<String>,
}

/// A line of `quarantine.jsonl`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct QuarantineSeen {
    /// Of the record.
    pub shard: String,
    /// Of its frame in the shard.
    pub offset: u64,
    /// What is wrong.
    pub kind: String,
    /// What was found.
    pub detail: String,
    /// train or validate.
    pub phase: String,
}

impl SeriesSeen {
    /// Reads a series; without a recipe and a report there is nothing to show.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(series::REPORT_FILE);
        if !path.is_file() {
            let sentence =
                format!("{} has no report.json: it is no series, or none of its runs has ended", folder.display());
            return Err(Failure::usage(sentence, "name one such as runs/seedling-20261123-191203"));
        }
        let recipe = series::read_recipe(folder)?;
        let damaged = |error: anyhow::Error| {
            let cause = error.context(format!("cannot read {}", path.display()));
            Failure::Usage(Complaint::new(cause).way_out("train --resume writes it anew"))
        };
        let text = read_up_to(&path, REPORT_BYTES_MAX).map_err(|error| damaged(error.into()))?;
        let report: Report = serde_json::from_slice(&text).map_err(|error| damaged(error.into()))?;
        let runs = report.runs.iter().map(|run| RunSeen::read(&folder.join(format!("seed-{}", run.seed)))).collect();
        Ok(Self { folder: folder.to_owned(), recipe, report, runs })
    }

    /// The folder's own name: pages are shown to people who have no use for the rest of the path.
    pub(super) fn folder_name(&self) -> String {
        self.folder.file_name().unwrap_or(self.folder.as_os_str()).to_string_lossy().into_owned()
    }
}

impl RunSeen {
    fn read(folder: &Path) -> Self {
        let mut seen = Self::default();
        match ledger::read(&folder.join("ledger.jsonl")) {
            Ok(lines) => lines.into_iter().for_each(|line| match line {
                Line::Step(step) => seen.steps.push(step),
                Line::Epoch(epoch) => seen.epochs.push(epoch),
                Line::Opening(_) => {}
            }),
            Err(error) => seen.missing.push(error.to_string()),
        }
        let path = folder.join("quarantine.jsonl");
        match read_up_to(&path, QUARANTINE_BYTES_MAX) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                seen.quarantined = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => seen.missing.push(format!("{}: {error}", path.display())),
        }
        seen
    }
}

fn read_up_to(path: &Path, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let message = format!("the file is larger than {bytes_max} bytes");
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}
