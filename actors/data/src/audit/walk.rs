//! Where an audit stands in the run that a ledger tells of, and what may come next.
//! Not here: what each sort of line is held to (see `opening`, `step`, `epoch`).

use std::collections::BTreeMap;

use fastgarden_proto::ledger::{Epoch, Opening};

use super::fault::{Fault, FaultKind};
use super::outcomes::Outcomes;
use super::{Account, FAULTS_MAX, PLAN_RECORDS_MAX, PLANNED_RECORDS_MAX, PlanOf, StageTerms, Standing, Terms};
use crate::batch_hash::BatchHash;
use crate::plan::Plan;

/// An audit under way.
pub(super) struct Walk<'a> {
    pub(super) terms: &'a Terms<'a>,
    pub(super) faults: Vec<Fault>,
    pub(super) opening: Option<Opening>,
    pub(super) stage: usize,
    epoch_of_stage: u32,
    /// Over the lineage, from 1.
    pub(super) epoch: u32,
    /// Steps so far.
    pub(super) step: u64,
    /// Most tickets of an epoch so far.
    pub(super) tickets_max: u64,
    pub(super) batch_hash: String,
    /// The epoch that is walked; `None` before the opening and after the end.
    pub(super) at: Option<Course>,
    is_done: bool,
    pub(super) is_cut_short: bool,
    pub(super) epochs: Vec<Epoch>,
    pub(super) outcomes: Outcomes,
    /// By split.
    pub(super) losses: BTreeMap<usize, Vec<u32>>,
    planned_records: u64,
    /// Whether every plan was drawn again.
    pub(super) is_planned: bool,
    is_ended: bool,
}

/// One epoch, as far as its lines have come.
pub(super) struct Course {
    pub(super) plan: Option<Plan>,
    /// Tickets of the plan, where they are known.
    pub(super) tickets: Option<u64>,
    pub(super) next_seq: u64,
    pub(super) trained: u64,
    pub(super) quarantined: u64,
    pub(super) losses: u64,
    pub(super) loss_sum: f64,
    /// By class, where labels and plan are known.
    pub(super) histogram: Option<Vec<u64>>,
    /// Records that a step of this epoch has the loss of, and whether that step may have been skipped; where plans are known.
    pub(super) noted: BTreeMap<u32, bool>,
    /// Whether a step is missing or out of place, so that no sum can be right.
    pub(super) is_spoilt: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(terms: &'a Terms<'a>) -> Self {
        Self {
            terms,
            faults: Vec::new(),
            opening: None,
            stage: 0,
            epoch_of_stage: 0,
            epoch: 1,
            step: 0,
            tickets_max: 0,
            batch_hash: BatchHash::default().hex(),
            at: None,
            is_done: false,
            is_cut_short: false,
            epochs: Vec::new(),
            outcomes: Outcomes::default(),
            losses: BTreeMap::new(),
            planned_records: 0,
            is_planned: true,
            is_ended: false,
        }
    }

    /// Whether another line is worth looking at.
    pub(super) fn goes_on(&self) -> bool {
        self.faults.len() < FAULTS_MAX && !self.is_ended
    }

    pub(super) fn blame(&mut self, line: usize, kind: FaultKind, what: impl Into<String>) {
        self.faults.push(Fault::at(line, kind, what));
    }

    /// Nothing after this can be judged.
    pub(super) fn end(&mut self) {
        self.is_ended = true;
    }

    /// Whether a line may come here at all; says why not.
    pub(super) fn expects(&mut self, line: usize) -> bool {
        let what = match (&self.opening, self.is_done) {
            (None, _) => "does not open a ledger: the first line is missing",
            (_, true) => "comes after the end of the run",
            _ => return true,
        };
        let kind = if self.is_done { FaultKind::Cap } else { FaultKind::Missing };
        self.blame(line, kind, what);
        // Without an opening, or beyond its end, there is nothing to hold lines to.
        self.end();
        false
    }

    /// The stage's terms, in the epoch that is walked.
    pub(super) fn stage_terms(&self) -> StageTerms {
        self.terms.stages[self.stage]
    }

    /// Whether a later epoch on the same shards goes by the losses of records.
    pub(super) fn keeps_losses(&self) -> bool {
        let StageTerms { epochs, split, .. } = self.stage_terms();
        let is_last = self.epoch_of_stage + 1 >= epochs;
        let mut later = self.terms.stages.iter().skip(self.stage + usize::from(is_last));
        later.any(|stage| stage.goes_by_losses && stage.split == split)
    }

    /// One past the last ticket that is read in the epoch that is walked, where its tickets are known.
    pub(super) fn end_seq(&self) -> Option<u64> {
        let stage = self.stage_terms();
        let tickets = self.at.as_ref()?.tickets?;
        Some(if stage.drop_last { tickets - tickets % stage.batch_rows } else { tickets })
    }

    /// The sums of this epoch can't be right any more.
    pub(super) fn spoil_sums(&mut self) {
        if let Some(at) = &mut self.at {
            at.is_spoilt = true;
        }
    }

    /// Steps that `max_steps` leaves.
    pub(super) fn steps_left(&self) -> u64 {
        let max_steps = self.opening.as_ref().and_then(|opening| opening.max_steps);
        max_steps.map_or(u64::MAX, |most| most.saturating_sub(self.step))
    }

    /// Begins the epoch that the walk stands at; `line` is blamed if that can't be done.
    pub(super) fn open_epoch(&mut self, line: usize) {
        let Some(opening) = &self.opening else { return };
        let (seed, stage, epoch) = (opening.seed, self.stage, self.epoch);
        let records = opening.stages.get(stage).map_or(0, |stage| stage.records);
        self.planned_records = self.planned_records.saturating_add(records);
        let is_too_much = records > PLAN_RECORDS_MAX || self.planned_records > PLANNED_RECORDS_MAX;
        if is_too_much {
            let what = format!("asks for plans over {records} records, which is more than an audit draws");
            self.blame(line, FaultKind::Opening, what);
            self.end();
        }
        let losses = self.losses.get(&self.stage_terms().split).map(Vec::as_slice).unwrap_or_default();
        let asked = |records| PlanOf { stage, records, seed, epoch, losses };
        let drawn = u32::try_from(records).ok().filter(|_| !is_too_much);
        let plan = drawn.and_then(|records| self.terms.planner.plan(&asked(records)));
        let counted = || drawn.and_then(|records| self.terms.planner.tickets(&asked(records)));
        self.is_planned &= plan.is_some();
        let tickets = plan.as_ref().map(Plan::tickets).or_else(counted);
        let has_labels = self.terms.data.is_some_and(|data| data.labels.get(stage).is_some());
        let histogram = (plan.is_some() && has_labels).then(|| vec![0; self.terms.classes]);
        self.at = Some(Course {
            plan,
            tickets,
            next_seq: 0,
            trained: 0,
            quarantined: 0,
            losses: 0,
            loss_sum: 0.0,
            histogram,
            noted: BTreeMap::new(),
            is_spoilt: false,
        });
    }

    /// Moves to the next epoch, the next stage, or the end, after the line of an epoch.
    pub(super) fn advance(&mut self, line: usize, is_whole: bool) {
        let is_stage_over = self.epoch_of_stage + 1 >= self.stage_terms().epochs;
        let is_last = is_stage_over && self.stage + 1 == self.terms.stages.len();
        if !is_whole || self.steps_left() == 0 || is_last {
            self.is_cut_short = !(is_whole && is_last);
            self.is_done = true;
            self.at = None;
            return;
        }
        self.epoch += 1;
        if is_stage_over {
            (self.stage, self.epoch_of_stage) = (self.stage + 1, 0);
        } else {
            self.epoch_of_stage += 1;
        }
        self.open_epoch(line);
    }

    /// What it all came to.
    pub(super) fn account(mut self) -> Account {
        let opening = self.opening.take();
        let validated = opening.as_ref().map_or(0, |opening| opening.validation_records);
        let most = |records: u64| (self.terms.bad_records_max)(records).min((self.terms.bad_records_max)(validated));
        let stages = opening.as_ref().map(|opening| opening.stages.as_slice()).unwrap_or_default();
        let records_of = |split: usize| {
            let stage = self.terms.stages.iter().position(|stage| stage.split == split);
            stage.and_then(|stage| stages.get(stage)).map_or(0, |stage| stage.records)
        };
        self.faults.extend(self.outcomes.contradictions(|split| most(records_of(split))));
        self.faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
        Account {
            faults: self.faults,
            notes: Vec::new(),
            standing: if self.is_done { Standing::Whole } else { Standing::ConsistentSoFar },
            opening,
            epochs: self.epochs,
            steps: self.step,
            tickets_max: self.tickets_max,
            batch_hash: self.batch_hash,
            head: String::new(),
            is_planned: self.is_planned,
            is_cut_short: self.is_cut_short,
        }
    }
}
