//! The referee: what a run's ledger proves, given its recipe, the rules and, where it is there, the data.
//! Not here: what the rules say of a recipe (rules/), reading ledgers line by line (`fastgarden_data::audit`), or what a
//! submission holds besides. Not for proving that a loss or an accuracy is true: only training again does that.

mod data_columns;

pub use fastgarden_data::audit::{Fault, FaultKind, KnownHead, Standing};
use fastgarden_proto::ledger::{Epoch, Opening};

pub use self::data_columns::DataColumns;
use crate::recipe::Recipe;
use crate::report::RunReport;
use crate::rules::Rules;

/// What is known of a run.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// The ledger's name in messages.
    pub name: &'a str,
    /// Its bytes.
    pub ledger: &'a [u8],
    /// The recipe it says to follow.
    pub recipe: &'a Recipe,
    /// The rules it says to keep.
    pub rules: &'a Rules,
    /// Chain of a line that must be there, where somebody remembers one.
    pub known_head: Option<KnownHead<'a>>,
    /// The data it was trained and judged on, where it is at hand.
    pub data: Option<&'a DataColumns>,
}

/// What the referee found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Everything that contradicts the ledger, by line; empty if nothing does.
    pub faults: Vec<Fault>,
    /// What is no fault but worth knowing.
    pub notes: Vec<String>,
    /// Whether the run is finished.
    pub standing: Standing,
    /// Its first line, if it can be read.
    pub opening: Option<Opening>,
    /// Its epoch lines.
    pub epochs: Vec<Epoch>,
    /// Steps it tells of.
    pub steps: u64,
    /// Chain of its last batch, hex.
    pub batch_hash: String,
    /// Chain of its last line, hex.
    pub head: String,
}

/// Checks a ledger against everything that is known of its run.
pub fn verify(evidence: &Evidence<'_>) -> Finding;

/// What a report says of a run that its ledger does not.
pub fn compare_with_report(finding: &Finding, run: &RunReport) -> Vec<Fault>;
