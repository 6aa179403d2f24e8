//! The audit of a ledger: whether what it says was consumed is what the plan asked for, once each, with an outcome each.
//! Not here: recipes, rules and reports (the application's referee turns those into [`Terms`]). Not for losses and accuracies:
//! that they are true only training again can show; here they are only held against each other.

mod chain;
mod epoch;
mod fault;
#[cfg(test)]
mod honest;
mod opening;
mod outcomes;
mod step;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod unplanned_tests;
mod walk;

use fastgarden_proto::ledger::line::Line;
use fastgarden_proto::ledger::{Epoch, Opening};

pub use self::fault::{Fault, FaultKind};
use crate::plan::Plan;

/// Most records of a split whose plans are drawn again: 256 MiB of numbers.
pub const PLAN_RECORDS_MAX: u64 = 1 << 26;
/// Most numbers that one audit draws for plans, over all epochs.
pub const PLANNED_RECORDS_MAX: u64 = 1 << 31;
/// Faults after which an audit ends.
pub const FAULTS_MAX: usize = 1_000;

/// What a run was to do, as far as a ledger can be held to it.
pub struct Terms<'a> {
    /// Most tickets of a training phase.
    pub cap: Option<u64>,
    /// The stages, in order; at least one.
    pub stages: Vec<StageTerms>,
    /// Number of classes.
    pub classes: usize,
    /// Most validation records that are judged; `None` = all.
    pub evaluation_limit: Option<u64>,
    /// Distinct bad records that a run over a split of so many may meet.
    pub bad_records_max: &'a dyn Fn(u64) -> u64,
    /// Draws plans again.
    pub planner: &'a dyn Planner,
    /// The data, where it is at hand.
    pub data: Option<DataTerms<'a>>,
}

impl Terms<'_> {
    /// Validation records that are judged of a split of so many.
    fn evaluation_records(&self, records: u64) -> u64 {
        records.min(self.evaluation_limit.unwrap_or(u64::MAX))
    }
}

/// One stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageTerms {
    /// Its epochs.
    pub epochs: u32,
    /// Tickets of a batch.
    pub batch_rows: u64,
    /// Whether an incomplete last batch is dropped.
    pub drop_last: bool,
    /// Whether steps may be skipped although they have rows: only with float16 and its loss scaler.
    pub may_skip_steps: bool,
    /// Whether its sampler goes by losses, so that the epochs before it on the same shards keep those of their records.
    pub goes_by_losses: bool,
    /// Stages with the same number train on the same shards.
    pub split: usize,
}

/// What the data says.
#[derive(Clone, Copy, Debug)]
pub struct DataTerms<'a> {
    /// Class of each record, by stage.
    pub labels: &'a [&'a [Option<i64>]],
    /// Of the training shards of all stages, as openings write it.
    pub fingerprint: &'a str,
    /// Of the validation shards.
    pub validation_fingerprint: &'a str,
    /// Records of the validation split.
    pub validation_records: u64,
}

/// Draws the plans of a run again.
pub trait Planner {
    /// Tickets of an epoch, if that can be said without its plan.
    fn tickets(&self, asked: &PlanOf<'_>) -> Option<u64>;

    /// The plan of an epoch, if what is at hand is enough to draw it.
    fn plan(&self, asked: &PlanOf<'_>) -> Option<Plan>;
}

/// Which plan.
#[derive(Clone, Copy, Debug)]
pub struct PlanOf<'a> {
    /// Stage, from 0.
    pub stage: usize,
    /// Records of its split.
    pub records: u32,
    /// Seed of the run.
    pub seed: u64,
    /// Over the lineage, from 1.
    pub epoch: u32,
    /// Loss of each record in thousandths, as the last epoch on the same shards left them; empty before.
    pub losses: &'a [u32],
}

/// A line's chain that somebody remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownHead<'a> {
    /// The chain, hex.
    pub chain: &'a str,
    /// Who remembers it, for messages: `report.json`, `the checkpoint 5-995`.
    pub told_by: &'a str,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is finished: every epoch has its line.
    Whole,
    /// It is not, or not any more: what is there fits together so far.
    ConsistentSoFar,
}

/// What an audit came to.
#[derive(Clone, Debug)]
pub struct Account {
    /// What contradicts the ledger, by line.
    pub faults: Vec<Fault>,
    /// What is no fault but worth knowing.
    pub notes: Vec<String>,
    /// How far it has come.
    pub standing: Standing,
    /// Its first line, if it can be read.
    pub opening: Option<Opening>,
    /// Its epoch lines.
    pub epochs: Vec<Epoch>,
    /// Steps it tells of.
    pub steps: u64,
    /// Most tickets of an epoch, dropped ones included.
    pub tickets_max: u64,
    /// Chain of its last batch, hex.
    pub batch_hash: String,
    /// Chain of its last line, hex.
    pub head: String,
    /// Whether every plan was drawn again.
    pub is_planned: bool,
    /// Whether the run ended by its `max_steps`, before its last epoch's end.
    pub is_cut_short: bool,
}

/// Audits the bytes of a ledger.
pub fn audit(ledger: &[u8], terms: &Terms<'_>, known_head: Option<KnownHead<'_>>) -> Account {
    let chained = chain::read(ledger);
    let mut walk = walk::Walk::new(terms);
    for (number, line) in &chained.lines {
        if !walk.goes_on() {
            break;
        }
        match line {
            Line::Opening(opening) => walk.opening(*number, opening),
            Line::Step(step) => walk.step(*number, step),
            Line::Epoch(epoch) => walk.epoch(*number, epoch),
        }
    }
    let mut account = walk.account();
    account.head = chained.chains.last().cloned().unwrap_or_default();
    if !chained.faults.is_empty() {
        account.faults = explained(chained.faults, &account.faults);
    }
    end(&mut account, chained.cut_short, &chained.chains, known_head);
    account
}

/// Where the chain is broken, everything after is a consequence: only what explains the break is told besides.
fn explained(mut broken: Vec<Fault>, found: &[Fault]) -> Vec<Fault> {
    for fault in &mut broken {
        let gap = found.iter().find(|other| other.line == fault.line && other.kind == FaultKind::Missing);
        if let (FaultKind::Changed, Some(gap)) = (fault.kind, gap) {
            fault.clone_from(gap);
        }
    }
    broken
}

/// What the end of the file says.
fn end(account: &mut Account, cut_short: Option<usize>, chains: &[String], known_head: Option<KnownHead<'_>>) {
    let is_known = |head: KnownHead<'_>| chains.iter().any(|chain| chain == head.chain);
    if let Some(line) = cut_short {
        if known_head.is_some_and(is_known) && account.standing != Standing::Whole {
            let note = format!(
                "line {line} is half a line, after all that was saved: a kill leaves that, --resume cuts it off"
            );
            account.notes.push(note);
        } else {
            let what = "is cut short: the file ends in the middle of it";
            account.faults.push(Fault::at(line, FaultKind::CutShort, what));
        }
    }
    let Some(head) = known_head.filter(|&head| !is_known(head)) else { return };
    if account.faults.is_empty() {
        let what = format!(
            "lines are missing at the end, or it is another run's: {} knows of a line whose chain is {}…, which is not here",
            head.told_by,
            head.chain.get(..12).unwrap_or(head.chain),
        );
        account.faults.push(Fault::overall(FaultKind::Head, what));
    }
}
