//! What of a data set a plan and a class histogram need, read once.
//! Not here: pixels.

use std::ops::RangeInclusive;
use std::sync::Arc;

use fastgarden_data::audit::DataTerms;
use fastgarden_data::catalog::Split;
use fastgarden_data::index::Index;
use fastgarden_data::plan::hex;
use fastgarden_data::sampler::BoundSampler;

use crate::data_set::{self, Identified};
use crate::examples::{self, Examples};
use crate::exit::Failure;
use crate::recipe::{JudgedOn, Recipe};
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
    /// Records of it that are judged.
    pub judged_records: u64,
    /// One a recipe stage: what draws its epochs; none where the recipe's samplers don't fit the data.
    pub samplers: Vec<BoundSampler>,
    /// Why the recipe can't have been followed on this data, in words, if it can't: the splits are not one split at every size,
    /// or a sampler doesn't fit them.
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
        let on = recipe.evaluation.on;
        let validation = open(recipe.evaluation.source_px, examples::split_of(on))?;
        let judged = Identified::read(Arc::clone(&validation), &features)?;
        let is_held_out = on != JudgedOn::Validation;
        let mut read: Vec<(u32, Arc<SplitColumns>)> = Vec::new();
        let mut mixed = None;
        for stage in &recipe.stages {
            let px = stage.source_px;
            if read.iter().any(|(of, _)| *of == px) {
                continue;
            }
            let split = Identified::read(open(px, Split::Train)?, &features)?;
            mixed = mixed.or_else(|| match is_held_out {
                true => data_set::other_pictures((px, &split), (recipe.evaluation.source_px, &judged)),
                false => data_set::overlap(&split, &judged),
            });
            if let Some((first_px, first)) = read.first() {
                mixed = mixed.or_else(|| data_set::other_pictures((*first_px, &first.split), (px, &split)));
            }
            let fingerprint = hex(&split.index.fingerprint());
            read.push((px, Arc::new(SplitColumns { split, fingerprint })));
        }
        let of_stage = |px| read.iter().find(|(of, _)| *of == px).map(|(_, split)| Arc::clone(split));
        let train: Vec<_> = recipe.stages.iter().filter_map(|stage| of_stage(stage.source_px)).collect();
        let samplers = samplers(recipe, &train);
        let held_out = Examples::new(recipe, &judged.index, Some(&judged.columns));
        let judged_records = match &held_out {
            Ok(examples) => examples::judged(&validation, examples.held_out()).tickets(0),
            Err(_) => u64::from(validation.len()),
        };
        mixed = mixed.or_else(|| held_out.err()).or_else(|| samplers.as_ref().err().cloned());
        let validation_fingerprint = hex(&validation.fingerprint());
        Ok(Self {
            train,
            validation,
            validation_fingerprint,
            judged_records,
            samplers: samplers.unwrap_or_default(),
            mixed,
        })
    }

    /// What of it an audit needs; both arguments are this value's own.
    pub(super) fn terms<'a>(&'a self, labels: &'a [&'a [Option<i64>]], fingerprint: &'a str) -> DataTerms<'a> {
        DataTerms {
            labels,
            fingerprint,
            validation_records: self.judged_records,
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

/// What draws the epochs of each stage. Which epochs there are depends on parents; a plan that a file lacks is empty.
fn samplers(recipe: &Recipe, train: &[Arc<SplitColumns>]) -> Result<Vec<BoundSampler>, String> {
    let stages = recipe.stages.iter().zip(train).enumerate();
    let bound = stages.map(|(number, (stage, split))| {
        let examples = Examples::new(recipe, &split.split.index, Some(&split.split.columns))?;
        // An empty range: no epoch must be there.
        examples.sampler(number, stage, RangeInclusive::new(1, 0))
    });
    bound.collect()
}
