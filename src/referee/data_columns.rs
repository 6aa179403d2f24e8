//! What of a data set a plan and a class histogram need, read once.
//! Not here: pixels.

use crate::exit::Failure;
use crate::recipe::Recipe;
use crate::run_spec::DataSource;

/// The training split of every stage, and the validation split.
#[derive(Clone, Debug)]
pub struct DataColumns {
    /// One a recipe stage, in order; stages that read the same shards have equal ones.
    pub train: Vec<SplitColumns>,
    /// What accuracy is measured on.
    pub validation: SplitColumns,
}

/// One split.
#[derive(Clone, Debug)]
pub struct SplitColumns {
    /// Number of records.
    pub records: u32,
    /// Class of each record, where it has one.
    pub labels: Vec<Option<i64>>,
    /// Fingerprint, hex.
    pub fingerprint: String,
}

impl DataColumns {
    /// Finds and reads the data of a recipe.
    pub fn read(recipe: &Recipe, source: &DataSource) -> Result<Self, Failure>;
}
