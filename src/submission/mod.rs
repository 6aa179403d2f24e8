//! Submissions: one file that holds all there is to say for a series, and the judgement of it.
//! Not here: the rules themselves (rules), ledgers line by line (referee), commands around it.

mod about;
pub mod compare;
mod container;
#[cfg(test)]
mod container_tests;
mod digest;
mod environment;
mod explanation;
mod judge;
mod members;
mod pack;
mod read;
mod source;

use std::path::PathBuf;

pub use about::{About, Explanation, Fingerprints, Member, Source, Tuning};
pub use container::{Content, write};
pub use environment::Environment;
pub use explanation::TEMPLATE;
pub use judge::{Against, Judgement, judge};
pub use members::PARENTS_MAX;
pub use pack::{Packing, pack};
pub use source::{Found as FoundSource, find as find_source};

use crate::exit::{Complaint, Failure};
use crate::recipe::Recipe;
use crate::report::Report;
use crate::rules::Rules;

/// A submission in memory. Its container is sound: every member is there once, with the bytes that `submission.json` says.
/// Nothing else about it has been believed yet: that is for [`judge`].
#[derive(Clone, Debug)]
pub struct Submission {
    /// Where it was read from.
    pub path: PathBuf,
    /// SHA-256 hex of the file.
    pub sha256: String,
    /// The recipe of the series.
    pub recipe: Recipe,
    /// Its resolved form, as submitted.
    pub recipe_toml: String,
    /// The rules that it was made under, named as the built-in ones where they are the same.
    pub rules: Rules,
    /// Of the series.
    pub report: Report,
    /// In the order of their seeds.
    pub runs: Vec<SubmittedRun>,
    /// The technique, in words.
    pub explanation: Explanation,
    /// Whose it is, as `@name`.
    pub author: Option<String>,
    /// Where to read more.
    pub link: Option<String>,
    /// Everything else that it says of itself.
    pub about: About,
    /// What was not committed in the source.
    pub patch: Option<Vec<u8>>,
}

/// One run of a submission.
#[derive(Clone, Debug)]
pub struct SubmittedRun {
    /// Its seed.
    pub seed: u64,
    /// `ledger.jsonl`.
    pub ledger: Vec<u8>,
    /// `attempts.jsonl`: starts, resumes and ends.
    pub attempts: String,
    /// Where it was trained; several when it was resumed elsewhere.
    pub environments: Vec<Environment>,
    /// Its parent first, then the parent's parent and so on.
    pub parents: Vec<SubmittedParent>,
    /// SHA-256 hex of the final weights that came along, by the measure of `weights_sha256`.
    pub weights_sha256: Option<String>,
}

/// A run that another one started from.
#[derive(Clone, Debug)]
pub struct SubmittedParent {
    /// Its ledger, up to the checkpoint that was taken.
    pub ledger: Vec<u8>,
    /// Its recipe.
    pub recipe: Recipe,
    /// The rules that it was made under.
    pub rules: Rules,
}

/// Why a file could not be read as a submission.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionError {
    /// The file system refused.
    #[error("{path} could not be {action}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// read, written, …
        action: &'static str,
        /// The system's words.
        cause: std::io::Error,
    },
    /// Not one, or not all of one.
    #[error("{path} is not a sound submission: {what}")]
    Unsound {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Written by a later version of this program.
    #[error("{path} has format version {found}, and this program reads up to {}: use a newer one", about::VERSION)]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
}

/// A file that can't be opened was named wrongly; one that holds something else than it should does not stand.
impl From<SubmissionError> for Failure {
    fn from(error: SubmissionError) -> Self {
        match error {
            SubmissionError::Unsound { .. } => Self::Rules(Complaint::new(error)),
            _ => Self::Usage(Complaint::new(error)),
        }
    }
}
