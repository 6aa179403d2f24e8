//! What of a data set a plan and a class histogram need, read once.
//! Not here: pixels.

use std::sync::Arc;

use fastgarden_data::audit::DataTerms;
use fastgarden_data::catalog::Split;
use fastgarden_data::index::Index;
use fastgarden_data::plan::hex;

use crate::data_set::{self, Identified};
use crate::exit::Failure;
use crate::recipe::Recipe;
use crate::run_spec::DataSource;

/// The training split of every stage, and the validation split.
#[derive(Clone)]
pub struct DataColumns {
    /// One a recipe stage, in order; stages that read the same shards share one.
    pub train: Vec<Arc<SplitColumns>>,
    /// What accuracy is measured on.
    pub validation: Arc<Index>,
    /// Its fingerprint, hex.
    pub validation_fingerprint: String,
    /// Why the splits are not one split at every size, in words, if they aren't.
    pub mixed: Option<String>,
}

/// A training split.
pub struct SplitColumns {
    /// Its records, with class and id of each.
    pub split: Identified,
    /// Fingerprint, hex.
    pub fingerprint: String,
}

impl DataColumns {
    /// Finds and reads the data of a recipe: every record once, no picture.
    pub fn read(recipe: &Recipe, source: &DataSource) -> Result<Self, Failure> {
        let features = data_set::features(&recipe.data);
        let patterns = data_set::patterns(source, &data_set::sizes_px(recipe))?;
        let open = |px, split| data_set::open(&data_set::find(&patterns, Some(px), None)?, split);
        let validation = open(recipe.evaluation.source_px, Split::Validation)?;
        let judged = Identified::read(Arc::clone(&validation), &features)?;
        let mut read: Vec<(u32, Arc<SplitColumns>)> = Vec::new();
        let mut mixed = None;
        for stage in &recipe.stages {
            let px = stage.source_px;
            if read.iter().any(|(of, _)| *of == px) {
                continue;
            }
            let split = Identified::read(open(px, Split::Train)?, &features)?;
            mixed = mixed.or_else(|| data_set::overlap(&split, &judged));
            if let Some((first_px, first)) = read.first() {
                mixed = mixed.or_else(|| data_set::other_pictures((*first_px, &first.split), (px, &split)));
            }
            let fingerprint = hex(&split.index.fingerprint());
            read.push((px, Arc::new(SplitColumns { split, fingerprint })));
        }
        let of_stage = |px| read.iter().find(|(of, _)| *of == px).map(|(_, split)| Arc::clone(split));
        let train = recipe.stages.iter().filter_map(|stage| of_stage(stage.source_px)).collect();
        let validation_fingerprint = hex(&validation.fingerprint());
        Ok(Self { train, validation, validation_fingerprint, mixed })
    }

    /// What of it an audit needs; both arguments are this value's own.
    pub(super) fn terms<'a>(&'a self, labels: &'a [&'a [Option<i64>]], fingerprint: &'a str) -> DataTerms<'a> {
        DataTerms {
            labels,
            fingerprint,
            validation_records: u64::from(self.validation.len()),
            validation_fingerprint: &self.validation_fingerprint,
        }
    }

    /// As openings write it: of the shards of all stages, neighbours that are the same once.
    pub(super) fn fingerprint(&self) -> String {
        let mut prints: Vec<&str> = self.train.iter().map(|split| split.fingerprint.as_str()).collect();
        prints.dedup();
        prints.join("+")
    }

    /// Classes of the records, by stage.
    pub(super) fn labels(&self) -> Vec<&[Option<i64>]> {
        self.train.iter().map(|split| split.split.columns.labels.as_slice()).collect()
    }
}
