//! The referee: what a run's ledger proves, given its recipe, the rules and, where it is there, the data.
//! Not here: what the rules say of a recipe (rules/), the audit line by line (`fastgarden_data::audit`), or what a submission
//! holds besides. Not for proving that a loss or an accuracy is true: only training again does that.

mod data_columns;
mod plans;
mod pixels;
mod report;
mod weights;

pub use fastgarden_data::audit::{Fault, FaultKind, KnownHead, Standing};
use fastgarden_data::audit::{StageTerms, Terms, audit};
use fastgarden_data::fingerprint::decoder_fingerprint;
use fastgarden_data::ledger::Link;
use fastgarden_proto::ledger::line::Line;
use fastgarden_proto::ledger::{Epoch, Opening};

pub use self::data_columns::{DataColumns, SplitColumns};
pub use self::pixels::{Remade, remake};
use self::plans::RecipePlans;
pub use self::report::compare_with_report;
pub use self::weights::{Judged, hold_to_weights, sha256_of};
use crate::recipe::{Recipe, Stage, StagePrecision};
use crate::rules::{Rules, grouped};

/// Most bytes of a ledger: far above a run of a million steps.
pub const LEDGER_BYTES_MAX: u64 = 512 << 20;

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
    /// The ledger's name in messages.
    pub name: String,
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
    /// Most examples of an epoch.
    pub examples_max: u64,
    /// Chain of its last batch, hex.
    pub batch_hash: String,
    /// Chain of its last line, hex.
    pub head: String,
    /// Whether `--max-steps` ended it before its last epoch did.
    pub is_cut_short: bool,
    /// Whether every plan was drawn again.
    pub is_planned: bool,
}

impl Finding {
    /// Whether nothing contradicts the ledger.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

/// What no ledger can show by itself, whatever it says.
pub const NOT_PROVED: &str = "losses, accuracies, weights and batch hashes: a ledger whose chain was made anew can hold any. \
                              --pixels makes the batches again, --checkpoint judges the weights again, training again (verify \
                              SUBMISSION --rerun) shows the rest";

/// Checks a ledger against everything that is known of its run.
pub fn verify(evidence: &Evidence<'_>) -> Finding {
    let Evidence { recipe, rules, data, .. } = *evidence;
    let labels = data.map(DataColumns::labels);
    let fingerprint = data.map(DataColumns::fingerprint).unwrap_or_default();
    let plans = RecipePlans { recipe, cap: rules.examples_per_epoch, data };
    let is_one_split = is_of_one_split(evidence.ledger);
    let stage_terms =
        |stage| StageTerms { split: if is_one_split { 0 } else { split_of(recipe, stage) }, ..terms_of(stage) };
    let terms = Terms {
        cap: rules.examples_per_epoch,
        stages: recipe.stages.iter().map(stage_terms).collect(),
        classes: recipe.data.classes as usize,
        evaluation_limit: (recipe.evaluation.limit > 0).then_some(recipe.evaluation.limit),
        bad_records_max: &|records| recipe.data.bad_records.allowed(records),
        planner: &plans,
        data: data.zip(labels.as_deref()).map(|(data, labels)| data.terms(labels, &fingerprint)),
    };
    let account = audit(evidence.ledger, &terms, evidence.known_head);
    let mut finding = Finding {
        name: evidence.name.to_owned(),
        faults: account.faults,
        notes: account.notes,
        standing: account.standing,
        opening: account.opening,
        epochs: account.epochs,
        steps: account.steps,
        examples_max: account.tickets_max,
        batch_hash: account.batch_hash,
        head: account.head,
        is_cut_short: account.is_cut_short,
        is_planned: account.is_planned,
    };
    hold_to_hashes(&mut finding, recipe, rules);
    if let Some(sentence) = data.and_then(|data| data.mixed.as_ref()) {
        finding.faults.push(Fault::overall(FaultKind::Data, sentence.clone()));
    }
    finding.faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
    take_notes(&mut finding, evidence);
    finding
}

/// Whether one folder of shards served every size of pictures that the recipe asks for.
fn is_of_one_split(ledger: &[u8]) -> bool {
    let first = ledger.split(|&byte| byte == b'\n').next().and_then(Link::of).map(|link| link.parse());
    matches!(first, Some(Ok(Line::Opening(opening))) if !opening.data_fingerprint.contains('+'))
}

/// The first stage on pictures of the same size.
fn split_of(recipe: &Recipe, stage: &Stage) -> usize {
    recipe.stages.iter().position(|other| other.source_px == stage.source_px).unwrap_or(0)
}

fn terms_of(stage: &Stage) -> StageTerms {
    StageTerms {
        epochs: stage.epochs,
        batch_rows: stage.batch_size as u64,
        drop_last: stage.drop_last,
        may_skip_steps: matches!(stage.precision, StagePrecision::Fp16 | StagePrecision::Fp16OnGpu),
        goes_by_losses: stage.sampler.sampler.needs_losses(),
        split: 0,
    }
}

fn hold_to_hashes(finding: &mut Finding, recipe: &Recipe, rules: &Rules) {
    let Some(opening) = &finding.opening else { return };
    let mut faults = Vec::new();
    if opening.recipe_hash != recipe.hash() {
        let what = format!("follows another recipe: its recipe_hash is not that of {}", recipe.name);
        faults.push(Fault::at(1, FaultKind::Opening, what));
    }
    if opening.rules_hash != rules.hash() {
        let what = format!("was held to other rules: its rules_hash is not that of {}", rules.name);
        faults.push(Fault::at(1, FaultKind::Opening, what));
    }
    if opening.judged_on != recipe.evaluation.on.to_string() {
        let (told, asked) = (&opening.judged_on, recipe.evaluation.on);
        let what = format!("was judged on {told:?}, and the recipe asks for {asked}");
        faults.push(Fault::at(1, FaultKind::Opening, what));
    }
    let lineage = opening.parent.as_ref().map_or(0, |parent| parent.epochs).saturating_add(recipe.epochs());
    if let Some(most) = rules.epochs.filter(|&most| lineage > most) {
        let what = format!("begins a lineage of {lineage} epochs, and the rules allow {most}");
        faults.push(Fault::at(1, FaultKind::Cap, what));
    }
    finding.faults.extend(faults);
}

fn take_notes(finding: &mut Finding, evidence: &Evidence<'_>) {
    let Some(opening) = &finding.opening else { return };
    let mut notes = Vec::new();
    if evidence.known_head.is_none() {
        notes.push(
            "whole lines that were cut from the end would not be noticed: neither report.json nor a checkpoint remembers the \
             last one"
                .to_owned(),
        );
    }
    if evidence.data.is_none() {
        let besides = if finding.is_planned { "" } else { "; its sampler's plans can't be drawn without them" };
        notes.push(format!("classes and fingerprints were not held against the shards: give --data{besides}"));
    }
    if finding.is_cut_short {
        notes.push(format!("--max-steps ended the run after {} steps", grouped(finding.steps)));
    }
    if opening.decoder_fingerprint != decoder_fingerprint(evidence.recipe.data.resample) {
        let note = "made with another decoder than this program's: batches made here have other hashes";
        notes.push(note.to_owned());
    }
    if let Some(parent) = &opening.parent {
        let epochs = parent.epochs;
        let own =
            if parent.foreign { "not shown to be trained here" } else { "trained here, as its own ledger must show" };
        notes.push(format!("starts from weights of {epochs} epochs, {own}"));
    }
    finding.notes.extend(notes);
}
