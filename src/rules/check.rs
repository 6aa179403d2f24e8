//! What each rule says of a recipe: kept, broken, or for a run to tell.
//! Not here: what a series came to (see `outcome`).

use super::{Origin, Rules, grouped};
use crate::recipe::{JudgedOn, Recipe};
use crate::transforms;

/// What a rule says of a recipe before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The recipe keeps the rule.
    Pass,
    /// The recipe breaks it.
    Fail,
    /// Only a run can tell.
    Undecided,
}

impl Verdict {
    /// The word in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Undecided => "after a run",
        }
    }
}

/// One rule's word on a recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// R1–R9.
    pub rule: &'static str,
    /// The rule in a few words.
    pub title: &'static str,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

/// Every rule's word on a recipe that is to run, or has run, with these seeds.
pub fn check(rules: &Rules, recipe: &Recipe, seeds: &[u64], origin: &Origin) -> Vec<Finding> {
    let finding = |rule, title, (verdict, reason)| Finding { rule, title, verdict, reason };
    let mut findings = vec![
        finding("R1", "from scratch", from_scratch(rules, origin)),
        finding("R2", "scored on the whole set", scored(rules, recipe)),
        finding(
            "R3",
            "one split",
            undecided(
                "no validation record in a training plan, one set of pictures at every size: checked against the data",
            ),
        ),
        finding("R4", "mean of enough runs", runs(rules, seeds)),
        finding("R5", "epochs", epochs(rules, recipe, origin)),
        finding("R6", "one small GPU", device(rules)),
        finding("R7", "examples an epoch", examples(rules, recipe)),
        finding("R8", "technique explained", explained(rules, recipe)),
        finding("R9", "data explained", data_explained(rules, recipe)),
    ];
    if let Some(seconds) = rules.max_seconds {
        let reason = format!("a run that takes more than {} s is stopped", grouped(seconds));
        findings.push(finding("time", "seconds of a run", undecided(reason)));
    }
    findings
}

type Word = (Verdict, String);

fn pass(reason: impl Into<String>) -> Word {
    (Verdict::Pass, reason.into())
}

fn fail(reason: impl Into<String>) -> Word {
    (Verdict::Fail, reason.into())
}

fn undecided(reason: impl Into<String>) -> Word {
    (Verdict::Undecided, reason.into())
}

fn unlimited() -> Word {
    pass("these rules set no limit")
}

fn from_scratch(rules: &Rules, origin: &Origin) -> Word {
    match origin {
        Origin::Initialised => pass("weights come from the net's own initialisation"),
        Origin::Own { .. } => pass("weights come from runs of our own, from scratch"),
        // Rules without a limit on epochs are not the competition's.
        Origin::Foreign { why, .. } if rules.epochs.is_some() => fail(why.clone()),
        Origin::Foreign { .. } => unlimited(),
    }
}

fn scored(rules: &Rules, recipe: &Recipe) -> Word {
    let evaluation = &recipe.evaluation;
    if let Some(wanted) = rules.input_px
        && evaluation.input_px != wanted
    {
        return fail(format!("the score is taken at {} px, not at {wanted} px", evaluation.input_px));
    }
    if let Some(wanted) = rules.source_px
        && evaluation.source_px != wanted
    {
        return fail(format!("the score is taken on pictures of {} px, not of {wanted} px", evaluation.source_px));
    }
    if evaluation.on != JudgedOn::Validation && rules.validation_records.is_some() {
        return fail(format!("the score is taken on {}, records of the training split", evaluation.on));
    }
    if evaluation.limit > 0 && rules.validation_records.is_some() {
        return fail(format!("evaluation.limit scores {} images only", grouped(evaluation.limit)));
    }
    match rules.validation_records {
        Some(wanted) => undecided(format!("all {} images must be scored, none unreadable", grouped(wanted))),
        None => unlimited(),
    }
}

fn runs(rules: &Rules, seeds: &[u64]) -> Word {
    let Some(wanted) = rules.runs else { return unlimited() };
    let count = seeds.len();
    if count < wanted as usize {
        return fail(format!("{count} {} of at least {wanted}: add --runs {wanted}", plural(count, "run")));
    }
    let mut sorted = seeds.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(1..=count as u64) {
        return fail(format!("the seeds must be 1 to {count}, so that nobody picks the best of many"));
    }
    pass(format!("{count} runs with the seeds 1 to {count}"))
}

fn epochs(rules: &Rules, recipe: &Recipe, origin: &Origin) -> Word {
    let Some(most) = rules.epochs else { return unlimited() };
    let (have, before) = (epochs_of(recipe, origin), epochs_before(origin));
    let lineage = if before > 0 { format!("{before} of them the parent's") } else { "no parents".to_owned() };
    if have > most {
        let lineage = if before > 0 { format!(", {lineage}") } else { String::new() };
        return fail(format!("{have} epochs, more than {most}{lineage}"));
    }
    pass(format!("{have} {}, {lineage}", plural(have as usize, "epoch")))
}

fn epochs_before(origin: &Origin) -> u32 {
    match origin {
        Origin::Initialised => 0,
        Origin::Own { epochs } | Origin::Foreign { epochs, .. } => *epochs,
    }
}

/// Epochs of the whole lineage, with those of the recipe.
pub(super) fn epochs_of(recipe: &Recipe, origin: &Origin) -> u32 {
    recipe.epochs().saturating_add(epochs_before(origin))
}

fn device(rules: &Rules) -> Word {
    match rules.device_memory {
        Some(gib) => undecided(format!("one device; its peak memory must stay within {gib:.1} GiB")),
        None => unlimited(),
    }
}

fn examples(rules: &Rules, recipe: &Recipe) -> Word {
    let views = views_max(recipe);
    if let Some(most) = rules.views.filter(|&most| views > most) {
        return fail(format!("an example has {views} images, more than {most}"));
    }
    let images = if views == 1 { "one image".to_owned() } else { format!("at most {views} images") };
    match rules.examples_per_epoch {
        Some(cap) => pass(format!("an epoch stops at {} examples; each has {images}", grouped(cap))),
        None => unlimited(),
    }
}

/// Most images of a ticket, over all stages.
pub fn views_max(recipe: &Recipe) -> u32 {
    recipe.stages.iter().map(|stage| transforms::stage_views(stage).len() as u32).max().unwrap_or(1)
}

fn explained(rules: &Rules, recipe: &Recipe) -> Word {
    if rules.runs.is_none() {
        return unlimited();
    }
    let mut empty = Vec::new();
    for (key, text) in [("method", &recipe.method), ("why", &recipe.why), ("based_on", &recipe.based_on.join(" "))] {
        if !says_something(text) {
            empty.push(format!("`{key}`"));
        }
    }
    if empty.is_empty() {
        pass("method, based_on and why are there")
    } else {
        fail(format!("{} must say more", empty.join(", ")))
    }
}

fn data_explained(rules: &Rules, recipe: &Recipe) -> Word {
    if rules.runs.is_none() {
        return unlimited();
    }
    if says_something(&recipe.data_note) { pass(recipe.data_note.clone()) } else { fail("`data_note` must say more") }
}

/// Three words are the least that can explain anything.
fn says_something(text: &str) -> bool {
    text.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count() >= 3
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}
