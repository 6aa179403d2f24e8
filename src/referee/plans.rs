//! The plans of a recipe, drawn again.
//! Not here: what a sampler does.

use fastgarden_data::audit::{PlanOf, Planner};
use fastgarden_data::plan::Plan;

use super::DataColumns;
use crate::recipe::Recipe;
use crate::transforms;

/// Draws what a recipe asks for.
pub(super) struct RecipePlans<'a> {
    pub recipe: &'a Recipe,
    pub cap: Option<u64>,
    pub data: Option<&'a DataColumns>,
}

impl Planner for RecipePlans<'_> {
    fn tickets(&self, _stage: usize, records: u64) -> Option<u64> {
        Some(records.min(self.cap.unwrap_or(u64::MAX)))
    }

    fn plan(&self, asked: &PlanOf<'_>) -> Option<Plan> {
        let sampler = transforms::sampler(self.recipe.stages[asked.stage].sampler);
        Some(Plan::new(sampler, asked.records, asked.seed, asked.epoch, self.cap))
    }
}
