//! The user's own epochs: JSON lines of ids, one line a ticket.
//! Not here: which records the ids are of (see `bind`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::file_error::{FileError, shown};
use crate::limits::{TICKETS_MAX, VIEWS_MAX};

/// Tickets by their ids, of every epoch or of one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochsFile {
    ids_per_ticket: usize,
    /// By epoch over the lineage; under `None` where all epochs are the same.
    epochs: BTreeMap<Option<u32>, Vec<Entry>>,
}

/// A ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub line: usize,
    pub ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    epoch: Option<u32>,
    ids: Vec<String>,
}

impl EpochsFile {
    /// From lines `{"epoch":1,"ids":["…"]}` of one to three ids, as many on every line; epochs count from 1 over the
    /// lineage. Where no line names an epoch, every epoch is the same.
    ///
    /// # Errors
    /// With the line, for what is no such file.
    pub fn from_jsonl(text: &str) -> Result<Self, FileError> {
        let mut epochs: BTreeMap<Option<u32>, Vec<Entry>> = BTreeMap::new();
        let mut ids_per_ticket = 0;
        for (text, line) in text.lines().zip(1..).filter(|(text, _)| !text.trim().is_empty()) {
            let Line { epoch, ids } = serde_json::from_str(text).map_err(|error| {
                let what = format!("{} is no ticket such as {{\"epoch\":1,\"ids\":[\"…\"]}}: {error}", shown(text));
                FileError::new(line, what)
            })?;
            if epoch == Some(0) {
                return Err(FileError::new(line, "epochs count from 1, and this is epoch 0"));
            }
            if !(1..=VIEWS_MAX).contains(&ids.len()) {
                let what = format!("a ticket has 1 to {VIEWS_MAX} ids, not {}", ids.len());
                return Err(FileError::new(line, what));
            }
            if ids_per_ticket == 0 {
                ids_per_ticket = ids.len();
            }
            if ids.len() != ids_per_ticket {
                let what = format!(
                    "this ticket has {} ids, and the first one has {ids_per_ticket}: all need as many",
                    ids.len()
                );
                return Err(FileError::new(line, what));
            }
            if epochs.keys().next().is_some_and(|known| known.is_some() != epoch.is_some()) {
                return Err(FileError::new(line, "either every line names its epoch or none does"));
            }
            let entries = epochs.entry(epoch).or_default();
            if entries.len() == TICKETS_MAX as usize {
                return Err(FileError::new(line, format!("an epoch has at most {TICKETS_MAX} tickets")));
            }
            entries.push(Entry { line, ids });
        }
        if epochs.is_empty() {
            return Err(FileError::new(1, "there are no tickets"));
        }
        Ok(Self { ids_per_ticket, epochs })
    }

    /// Ids on each line, 1 to 3.
    pub fn ids_per_ticket(&self) -> usize {
        self.ids_per_ticket
    }

    pub(super) fn epochs(&self) -> impl Iterator<Item = (Option<u32>, &[Entry])> {
        self.epochs.iter().map(|(epoch, entries)| (*epoch, entries.as_slice()))
    }
}
