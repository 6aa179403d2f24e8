//! The plans of a recipe, drawn again.
//! Not here: what a sampler does.

use std::borrow::Cow;

use fastgarden_data::audit::{PlanOf, Planner};
use fastgarden_data::plan::{Occasion, Plan};
use fastgarden_data::sampler::{BoundSampler, Population};

use super::DataColumns;
use crate::examples;
use crate::recipe::Recipe;

/// Draws what a recipe asks for.
pub(super) struct RecipePlans<'a> {
    pub recipe: &'a Recipe,
    pub cap: Option<u64>,
    pub data: Option<&'a DataColumns>,
}

impl RecipePlans<'_> {
    /// What draws the epochs of a stage, if what is at hand is enough for it.
    fn sampler(&self, stage: usize, records: u32) -> Option<Cow<'_, BoundSampler>> {
        if let Some(data) = self.data {
            // Records of another number are told as a fault of the opening; a plan over others would only blame the steps.
            let fits = data.train.get(stage).is_some_and(|split| split.split.index.len() == records);
            return data.samplers.get(stage).filter(|_| fits).map(Cow::Borrowed);
        }
        let asked = self.recipe.stages.get(stage)?;
        if examples::needs_columns(self.recipe, asked) {
            return None;
        }
        asked.sampler.sampler.bind(&Population::all(records)).ok().map(Cow::Owned)
    }
}

impl Planner for RecipePlans<'_> {
    fn tickets(&self, asked: &PlanOf<'_>) -> Option<u64> {
        let sampler = self.sampler(asked.stage, asked.records)?;
        Some(sampler.tickets(asked.epoch).min(self.cap.unwrap_or(u64::MAX)))
    }

    fn plan(&self, asked: &PlanOf<'_>) -> Option<Plan> {
        let sampler = self.sampler(asked.stage, asked.records)?;
        let occasion = Occasion { seed: asked.seed, epoch: asked.epoch, cap: self.cap, losses: asked.losses };
        Some(Plan::of(&sampler, &occasion))
    }
}
