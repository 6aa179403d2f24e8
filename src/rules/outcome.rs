//! What a series came to, and what of it keeps it from being a submission.
//! Not here: what a rule says of the recipe alone.

use super::check::{epochs_of, views_max};
use super::{Rules, Verdict, check, grouped};
use crate::exit::{Complaint, Failure};
use crate::recipe::Recipe;

/// Where the first weights of a series come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The net's own initialisation.
    #[default]
    Initialised,
    /// Runs of our own, from scratch.
    Own {
        /// Epochs that they had opened, over their lineage.
        epochs: u32,
    },
    /// Not shown to be our own.
    Foreign {
        /// Epochs that are known of.
        epochs: u32,
        /// Why not.
        why: String,
    },
}

/// A run that one of the series descends from, as far as the rules go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParentRun {
    /// Seed of the run that descends from it.
    pub of_seed: u64,
    /// Its own seed.
    pub seed: u64,
    /// Most examples of its epochs.
    pub examples_max: u64,
    /// Most images of its examples.
    pub views_max: u32,
}

/// What a finished or stopped series has to show for itself.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Seeds of the runs that finished, in any order.
    pub finished_seeds: Vec<u64>,
    /// Seeds of the runs that were started and did not finish.
    pub unfinished_seeds: Vec<u64>,
    /// Whether `--max-steps` ended a run.
    pub was_cut_short: bool,
    /// Validation records that were scored.
    pub validation_records: u64,
    /// Validation records that could not be read and counted as wrong.
    pub validation_quarantined: u64,
    /// Whether the data set is the synthetic garden.
    pub on_garden: bool,
    /// Where its first weights come from.
    pub origin: Origin,
    /// What its runs descend from.
    pub parents: Vec<ParentRun>,
    /// Largest device memory of a run, bytes, where it was measured.
    pub device_bytes_max: Option<u64>,
    /// Seconds of the longest run.
    pub seconds_max: f64,
}

/// Every reason why this series is not a submission; empty when nothing is known against it.
pub fn reasons_against(rules: &Rules, recipe: &Recipe, outcome: &Outcome) -> Vec<String> {
    let mut reasons: Vec<String> = check(rules, recipe, &outcome.finished_seeds, &outcome.origin)
        .into_iter()
        .filter(|finding| finding.verdict == Verdict::Fail)
        .map(|finding| format!("{}: {}", finding.rule, finding.reason))
        .collect();
    if !outcome.unfinished_seeds.is_empty() && rules.runs.is_some() {
        let seeds = outcome.unfinished_seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        reasons.push(format!("R4: started and not finished: seed {seeds}; --resume goes on with it"));
    }
    if outcome.was_cut_short {
        reasons.push("R4: --max-steps ended the run before its last epoch".to_owned());
    }
    // Rules for just as many records as the garden holds were written for it.
    if outcome.on_garden && rules.validation_records.is_some_and(|records| records != outcome.validation_records) {
        reasons.push("R2: the synthetic garden is not the competition's data set".to_owned());
    }
    if let Some(wanted) = rules.validation_records {
        let scored = outcome.validation_records;
        if scored != wanted {
            reasons.push(format!("R2: {} validation images were scored, not {}", grouped(scored), grouped(wanted)));
        }
        if outcome.validation_quarantined > 0 {
            let count = grouped(outcome.validation_quarantined);
            reasons.push(format!("R2: {count} validation images could not be read"));
        }
    }
    reasons.extend(outcome.parents.iter().flat_map(|parent| against_parent(rules, parent)));
    if let (Some(gib), Some(bytes)) = (rules.device_memory, outcome.device_bytes_max) {
        let used_gib = bytes as f64 / (1u64 << 30) as f64;
        if used_gib > gib {
            reasons.push(format!("R6: {used_gib:.1} GiB of device memory were used, more than {gib:.1} GiB"));
        }
    }
    if let Some(most) = rules.max_seconds.filter(|&most| outcome.seconds_max > most as f64) {
        let seconds = outcome.seconds_max;
        reasons.push(format!("time: a run took {seconds:.0} s, more than {}", grouped(most)));
    }
    reasons
}

/// Every epoch of the lineage is one of the competition's.
fn against_parent(rules: &Rules, parent: &ParentRun) -> Vec<String> {
    let ParentRun { of_seed, seed, examples_max, views_max } = *parent;
    let mut reasons = Vec::new();
    if rules.runs.is_some() && seed != of_seed {
        reasons.push(format!(
            "R4: seed {of_seed} started from a run of seed {seed}: each starts from that of its own seed, so that nobody \
             picks the best of many"
        ));
    }
    if let Some(cap) = rules.examples_per_epoch.filter(|&cap| examples_max > cap) {
        let (told, cap) = (grouped(examples_max), grouped(cap));
        reasons.push(format!("R7: an epoch of a parent of seed {of_seed} has {told} examples, more than {cap}"));
    }
    if let Some(most) = rules.views.filter(|&most| views_max > most) {
        let what = format!("an example of a parent of seed {of_seed} has {views_max} images, more than {most}");
        reasons.push(format!("R7: {what}"));
    }
    reasons
}

/// Refuses a run that would pass a counter of the rules: epochs of the lineage, or images of an example. The number of
/// examples needs no refusal: a plan never holds more.
pub fn refuse_beyond(rules: &Rules, recipe: &Recipe, origin: &Origin) -> Result<(), Failure> {
    let (epochs, views) = (epochs_of(recipe, origin), views_max(recipe));
    let passed = [
        (rules.epochs.filter(|&most| epochs > most), epochs, "epochs in its lineage"),
        (rules.views.filter(|&most| views > most), views, "images an example"),
    ];
    let Some((most, have, what)) = passed.iter().find_map(|(most, have, what)| Some((most.as_ref()?, have, what)))
    else {
        return Ok(());
    };
    let cause = anyhow::anyhow!("this run would have {have} {what}, and the rules {} allow {most}", rules.name);
    Err(Failure::Rules(Complaint::new(cause).way_out("change the recipe, or try it freely with --rules none")))
}
