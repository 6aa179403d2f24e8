//! Classes and ids of a run's splits, read once: what must not be in two of them, and what samplers draw from.
//! Not here: opening them (see `plan`), or drawing (`fastgarden-data`).

use std::sync::Arc;

use fastgarden_data::example::FeatureNames;
use fastgarden_data::index::Index;
use fastgarden_data::sampler::BoundSampler;

use crate::data_set::{self, Identified};
use crate::examples::{self, Examples};
use crate::exit::Failure;
use crate::recipe::{JudgedOn, Recipe, Stage};
use crate::rules::Rules;

/// Training splits that differ, with the size of the pictures that each was first opened for.
pub struct Splits(Vec<(u32, Identified)>);

impl Splits {
    /// Reads them. I-disjoint and R3: refuses a validation record in any training split, and other pictures in one than in
    /// another.
    pub fn read(
        recipe: &Recipe,
        opened: &[(u32, Arc<Index>)],
        of_parents: &[(u32, Arc<Index>)],
        judged: &Arc<Index>,
        features: &FeatureNames,
    ) -> Result<Self, Failure> {
        let is_held_out = recipe.evaluation.on != JudgedOn::Validation;
        let validation = match is_held_out {
            true => None,
            false => Some(Identified::read(Arc::clone(judged), features)?),
        };
        // The records that are held out must be told by id in every size.
        let held_out = is_held_out.then(|| (recipe.evaluation.source_px, Arc::clone(judged)));
        let mut distinct: Vec<(u32, Identified)> = Vec::new();
        for (px, index) in opened.iter().chain(of_parents).chain(&held_out) {
            // One folder of shards serves every size that it is asked for.
            if distinct.iter().any(|(_, seen)| seen.index.fingerprint() == index.fingerprint()) {
                continue;
            }
            let train = Identified::read(Arc::clone(index), features)?;
            if let Some(validation) = &validation {
                data_set::refuse_overlap(&train, validation)?;
            }
            if let Some((first_px, first)) = distinct.first() {
                data_set::refuse_other_pictures((*first_px, first), (*px, &train))?;
            }
            distinct.push((*px, train));
        }
        Ok(Self(distinct))
    }

    /// Says so where the same pictures are there in several sizes.
    pub fn same_ids(&self) -> Option<String> {
        let sizes: Vec<String> = self.0.iter().map(|(px, _)| format!("{px} px")).collect();
        (sizes.len() > 1).then(|| format!("ids     the same pictures train at {}", sizes.join(" and ")))
    }

    fn examples(&self, recipe: &Recipe, index: &Index) -> Result<Examples<'_>, Failure> {
        let split = self.0.iter().find(|(_, split)| split.index.fingerprint() == index.fingerprint());
        let (_, split) = split.expect("every training split was read");
        Examples::new(recipe, &split.index, Some(&split.columns)).map_err(examples::refused)
    }

    /// What draws the records to judge.
    pub fn judged(&self, recipe: &Recipe, index: &Index) -> Result<BoundSampler, Failure> {
        match recipe.evaluation.on {
            JudgedOn::Validation => Ok(examples::judged(index, None)),
            JudgedOn::Holdout(_) => Ok(examples::judged(index, self.examples(recipe, index)?.held_out())),
        }
    }

    /// What draws the epochs of each stage, after `before` epochs of a parent's.
    pub fn samplers(
        &self,
        recipe: &Recipe,
        opened: &[(u32, Arc<Index>)],
        before: u32,
    ) -> Result<Vec<BoundSampler>, Failure> {
        let mut epoch = before;
        let of_stage = |(number, stage): (usize, &Stage)| {
            let opened = opened.iter().find(|(px, _)| *px == stage.source_px);
            let (_, index) = opened.expect("the split of every stage is open");
            let epochs = epoch + 1..=epoch + stage.epochs;
            epoch += stage.epochs;
            self.examples(recipe, index)?.sampler(number, stage, epochs).map_err(examples::refused)
        };
        recipe.stages.iter().enumerate().map(of_stage).collect()
    }
}

/// A stage whose epochs have no whole batch would train nothing at all.
pub fn refuse_empty_epochs(
    recipe: &Recipe,
    samplers: &[BoundSampler],
    before: u32,
    rules: &Rules,
) -> Result<(), Failure> {
    let mut epoch = before;
    for (number, (stage, sampler)) in recipe.stages.iter().zip(samplers).enumerate() {
        let epochs = epoch + 1..=epoch + stage.epochs;
        epoch += stage.epochs;
        let fewest = epochs.map(|epoch| sampler.tickets(epoch)).min().unwrap_or(0);
        let tickets = fewest.min(rules.examples_per_epoch.unwrap_or(u64::MAX));
        if stage.drop_last && tickets < stage.batch_size as u64 {
            let size = stage.batch_size;
            let sentence = format!("stage.{number} has {tickets} examples an epoch: not one whole batch of {size}");
            let way_out = format!("--set stage.{number}.batch_size={}, or drop_last=false", tickets.max(1));
            return Err(Failure::usage(sentence, way_out));
        }
    }
    Ok(())
}
