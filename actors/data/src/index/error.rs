//! Why a split can't be indexed, and which exit code that means.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::fault::{Fault, FaultKind};
use crate::limits::{RECORDS_MAX, SHARDS_MAX};

/// What kind of failure it is; the application's exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// A path or a limit the user can do something about: exit code 2.
    Usage,
    /// The bytes are bad beyond use: exit code 3.
    BadData,
    /// The machine failed: exit code 1.
    Io,
}

/// Why a split can't be indexed.
#[derive(Debug, Error)]
pub enum IndexError {
    /// A file that is gone, or a link that leads nowhere.
    #[error("{} does not exist; check --data, or the link's target", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// A file without permission to read it.
    #[error("no permission to read {}; change its permissions or give other data", path.display())]
    NotPermitted {
        /// The file.
        path: PathBuf,
    },
    /// A folder where a file is needed.
    #[error("{} is a folder, not a shard; give it to --data by itself", path.display())]
    IsAFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A file that the system fails to read.
    #[error("can't read {}: {source}; check the disk and try again", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file of another format.
    #[error("{} is no TFRecord file: {detail}; {}", path.display(), FaultKind::NotATfrecord.way_out())]
    NotATfrecord {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        detail: String,
    },
    /// Not one record in all shards.
    #[error("there is no record in {shards} shard(s){}; see that the files are whole, or name others", first_fault.as_ref().map(|fault| format!(": {fault}")).unwrap_or_default())]
    NoRecords {
        /// How many shards there are.
        shards: usize,
        /// The first thing that is wrong, if the shards are not just empty.
        first_fault: Option<Fault>,
    },
    /// Two shards that messages and fingerprints could not tell apart.
    #[error("two shards are named {name}: {} and {}; rename one", first.display(), second.display())]
    DuplicateShardName {
        /// The base name.
        name: String,
        /// One path.
        first: PathBuf,
        /// The other path.
        second: PathBuf,
    },
    /// More inflated bytes than may be kept in memory.
    #[error("compressed shards need more memory than their budget, at {}; decompress them on disk (gunzip)", path.display())]
    InflatedOverBudget {
        /// The shard that did not fit any more.
        path: PathBuf,
    },
    /// More shards than can be handled.
    #[error("{shards} shards are more than the limit of {SHARDS_MAX}; write larger shards")]
    TooManyShards {
        /// How many there are.
        shards: usize,
    },
    /// More records than can be numbered.
    #[error("there are more records than the limit of {RECORDS_MAX}; use fewer shards")]
    TooManyRecords,
}

impl IndexError {
    /// What kind of failure it is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotFound { .. }
            | Self::NotPermitted { .. }
            | Self::IsAFolder { .. }
            | Self::DuplicateShardName { .. }
            | Self::InflatedOverBudget { .. }
            | Self::TooManyShards { .. }
            | Self::TooManyRecords => ErrorClass::Usage,
            Self::NotATfrecord { .. } | Self::NoRecords { .. } => ErrorClass::BadData,
            Self::Unreadable { .. } => ErrorClass::Io,
        }
    }

    pub(super) fn reading(path: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { path },
            io::ErrorKind::IsADirectory => Self::IsAFolder { path },
            _ => Self::Unreadable { path, source },
        }
    }
}
