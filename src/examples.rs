//! From what a recipe says of examples to what draws them: held-out records set aside, samplers bound to the rest.
//! Not here: what samplers draw, or which records are held out (`fastgarden-data`).

use std::ops::RangeInclusive;
use std::sync::Arc;

use fastgarden_data::catalog::Split;
use fastgarden_data::columns::Columns;
use fastgarden_data::example::FeatureNames;
use fastgarden_data::holdout::Holdout;
use fastgarden_data::index::Index;
use fastgarden_data::sampler::{BoundSampler, Population, SamplerError};

use crate::exit::{Complaint, Failure, OrFail as _};
use crate::recipe::{JudgedOn, Recipe, Stage};
use crate::rules::grouped;

/// A training split, with what of it is known and needed.
pub struct Examples<'a> {
    index: &'a Index,
    columns: Option<&'a Columns>,
    holdout: Option<Holdout>,
    classes: i64,
}

impl<'a> Examples<'a> {
    /// A split whose records may all be needed.
    ///
    /// # Errors
    /// In words, when a hold-out leaves nothing to train on.
    pub fn new(recipe: &Recipe, index: &'a Index, columns: Option<&'a Columns>) -> Result<Self, String> {
        let holdout = match (recipe.evaluation.on, columns) {
            (JudgedOn::Validation, _) => None,
            (JudgedOn::Holdout(count), Some(columns)) => {
                Some(Holdout::choose(index, columns, count).ok_or_else(|| {
                    let (count, records) = (grouped(count.into()), grouped(index.len().into()));
                    format!(
                        "`evaluation.on` holds {count} of {records} training records out, which leaves none to train on"
                    )
                })?)
            }
            (JudgedOn::Holdout(_), None) => return Err("a hold-out needs the ids of all records".to_owned()),
        };
        Ok(Self { index, columns, holdout, classes: i64::from(recipe.data.classes) })
    }

    /// The records that are judged instead of trained on, if any.
    pub fn held_out(&self) -> Option<&Arc<[u32]>> {
        self.holdout.as_ref().map(|holdout| &holdout.held)
    }

    /// What draws the epochs of a stage, given which of the lineage they are.
    ///
    /// # Errors
    /// In words, with the key and where there is one the file and line.
    pub fn sampler(&self, number: usize, stage: &Stage, epochs: RangeInclusive<u32>) -> Result<BoundSampler, String> {
        let population = Population::all(self.index.len());
        let population =
            self.columns.map_or(population, |columns| population.with_columns(columns, Some(self.classes)));
        let population = self.holdout.as_ref().map_or(population, |holdout| population.only(&holdout.kept));
        let bound = stage.sampler.sampler.bind(&population);
        let checked = bound.and_then(|bound| bound.check_epochs(epochs).map(|()| bound));
        checked.map_err(|error| self.in_words(number, stage, &error))
    }

    fn in_words(&self, number: usize, stage: &Stage, error: &SamplerError) -> String {
        let mut text = match &stage.sampler.file {
            Some(file) => format!("`stage.{number}.sampler.file`: {}, {error}", file.called),
            None => format!("`stage.{number}.sampler`: {error}"),
        };
        if let Some(record) = error.record() {
            let (shard, offset) = (&self.index.shard_of(record).name, self.index.address(record).offset);
            text += &format!(" ({shard} at byte {offset})");
        }
        text
    }
}

/// What draws the records to judge: those held out, or all.
pub fn judged(index: &Index, held_out: Option<&Arc<[u32]>>) -> BoundSampler {
    match held_out {
        None => BoundSampler::sequential(index.len()),
        Some(held) => BoundSampler::sequential_of(index.len(), held),
    }
}

/// The split that holds the records to judge.
pub fn split_of(on: JudgedOn) -> Split {
    match on {
        JudgedOn::Validation => Split::Validation,
        JudgedOn::Holdout(_) => Split::Train,
    }
}

/// What draws the records to judge of a recipe's split of that kind.
pub fn judged_by(recipe: &Recipe, index: &Index, features: &FeatureNames) -> Result<BoundSampler, Failure> {
    let JudgedOn::Holdout(_) = recipe.evaluation.on else { return Ok(judged(index, None)) };
    let columns = Columns::read(index, features).or_run()?;
    let examples = Examples::new(recipe, index, Some(&columns)).map_err(refused)?;
    Ok(judged(index, examples.held_out()))
}

/// Whether class and id of every record must be read before anything can be drawn.
pub fn needs_columns(recipe: &Recipe, stage: &Stage) -> bool {
    recipe.evaluation.on != JudgedOn::Validation || stage.sampler.sampler.needs_columns()
}

/// Reads them where that is so.
pub fn columns(
    recipe: &Recipe,
    stage: &Stage,
    index: &Index,
    features: &FeatureNames,
) -> Result<Option<Columns>, Failure> {
    needs_columns(recipe, stage).then(|| Columns::read(index, features).or_run()).transpose()
}

/// The refusal of a recipe that doesn't fit its data.
pub fn refused(sentence: String) -> Failure {
    Failure::Usage(Complaint::new(anyhow::Error::msg(sentence)))
}
