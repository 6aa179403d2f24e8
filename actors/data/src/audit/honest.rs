//! Runs that never happened, with the ledgers they would have written: what audits are tested on.
//! Not here: tests. Made without the audit's own arithmetic, by walking plans as a trainer does.

use std::collections::BTreeMap;

use fastgarden_proto::ledger::line::Line;
use fastgarden_proto::ledger::{Epoch, Opening, Parent, Quarantine, Stage, Step};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{DataTerms, KnownHead, PlanOf, Planner, StageTerms, Terms};
use crate::batch::RowDigest;
use crate::batch_hash::BatchHash;
use crate::columns::Columns;
use crate::ledger::{LEDGER_VERSION, genesis, written};
use crate::plan::Plan;
use crate::random::{Draws, Purpose};
use crate::sampler::{Occasion, Population, Sampler, Weights};

pub(super) const CLASSES: usize = 5;
const REASONS: [&str; 3] = ["not_an_image", "damaged_image", "data_crc_mismatch"];

#[derive(Clone, Debug)]
pub(super) struct RunStage {
    pub sampler: Sampler,
    pub epochs: u32,
    pub rows: u64,
    pub drop_last: bool,
    pub is_half: bool,
}

/// A run over one split, in all that a ledger tells of.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub records: u32,
    pub validation_records: u64,
    pub validation_bad: u64,
    pub limit: Option<u64>,
    pub cap: Option<u64>,
    pub stages: Vec<RunStage>,
    pub seed: u64,
    pub max_steps: Option<u64>,
    pub parent_epochs: Option<u32>,
    /// Bad records with their reasons.
    pub bad: BTreeMap<u32, &'static str>,
}

impl Run {
    pub fn with_bad(mut self, records: &[u32]) -> Self {
        let reason = |record: u32| REASONS[record as usize % REASONS.len()];
        self.bad = records.iter().map(|record| record % self.records).map(|record| (record, reason(record))).collect();
        self
    }

    pub fn label(&self, record: u32) -> i64 {
        i64::from(record * 7 % 11) % CLASSES as i64
    }

    pub fn labels(&self) -> Vec<Option<i64>> {
        (0..self.records).map(|record| Some(self.label(record))).collect()
    }

    fn plan(&self, stage: usize, epoch: u32, losses: &[u32]) -> Plan {
        self.plan_over(stage, self.records, &self.occasion(epoch, losses)).expect("every stage was made possible")
    }

    /// `None` where the sampler goes by classes and the number of records is another than the data's.
    fn plan_over(&self, stage: usize, records: u32, occasion: &Occasion<'_>) -> Option<Plan> {
        let sampler = &self.stages[stage].sampler;
        if sampler.needs_columns() && records != self.records {
            return None;
        }
        let columns = Columns::of(self.labels().into_iter().map(|label| (label, None)));
        let population = Population::all(records).with_columns(&columns, Some(CLASSES as i64));
        Some(Plan::of(&sampler.bind(&population).ok()?, occasion))
    }

    /// Stages whose sampler can't draw from these records are shuffled instead.
    pub fn made_possible(mut self) -> Self {
        for stage in 0..self.stages.len() {
            if self.plan_over(stage, self.records, &self.occasion(1, &[])).is_none() {
                self.stages[stage].sampler = Sampler::Shuffled;
            }
        }
        self
    }

    fn occasion<'a>(&self, epoch: u32, losses: &'a [u32]) -> Occasion<'a> {
        Occasion { seed: self.seed, epoch, cap: self.cap, losses }
    }

    /// Whether a later epoch goes by the losses of this one, the `of_stage`th of its stage from 0.
    fn keeps_losses(&self, stage: usize, of_stage: u32) -> bool {
        let is_last = of_stage + 1 == self.stages[stage].epochs;
        self.stages[stage + usize::from(is_last)..].iter().any(|stage| stage.sampler.needs_losses())
    }

    fn first_epoch(&self) -> u32 {
        self.parent_epochs.unwrap_or(0) + 1
    }

    fn opening(&self) -> Opening {
        let stage = |stage: &RunStage| Stage {
            epochs: stage.epochs,
            batch_size: stage.rows as u32,
            drop_last: stage.drop_last,
            records: u64::from(self.records),
        };
        let parent = |epochs| Parent { ledger_head: hash(1), epochs, weights_sha256: hash(2), foreign: false };
        Opening {
            version: LEDGER_VERSION,
            recipe_hash: hash(3),
            rules_hash: hash(4),
            cap: self.cap,
            stages: self.stages.iter().map(stage).collect(),
            max_steps: self.max_steps,
            data_fingerprint: hash(5),
            validation_fingerprint: hash(6),
            decoder_fingerprint: hash(7),
            seed: self.seed,
            plan_hash: self.plan(0, self.first_epoch(), &[]).hash(),
            parent: self.parent_epochs.map(parent),
            judged_on: "val".to_owned(),
            validation_records: self.validation_records,
        }
    }

    /// Every line of the run, from its beginning to its end.
    pub fn lines(&self) -> Vec<Line> {
        self.walked().0
    }

    /// The lines, and the plan of each epoch.
    pub fn walked(&self) -> (Vec<Line>, BTreeMap<u32, Plan>) {
        let mut lines = vec![Line::Opening(self.opening())];
        let (mut plans, mut losses) = (BTreeMap::new(), Vec::new());
        let (mut chain, mut step, mut epoch) = (BatchHash::default(), 0, self.first_epoch());
        for (number, stage) in self.stages.iter().enumerate() {
            for of_stage in 0..stage.epochs {
                let plan = self.plan(number, epoch, &losses);
                let mut totals = Totals { histogram: vec![0; CLASSES], by_record: losses, ..Totals::default() };
                let tickets: Vec<u64> = (0..plan.tickets()).collect();
                let mut dropped = 0;
                let mut is_cut = false;
                for batch in tickets.chunks(stage.rows as usize) {
                    if stage.drop_last && (batch.len() as u64) < stage.rows {
                        dropped = batch.len() as u64;
                    } else if self.max_steps.is_some_and(|most| step >= most) {
                        is_cut = true;
                        break;
                    } else {
                        step += 1;
                        lines.push(Line::Step(self.step(stage, (epoch, step), batch, &plan, &mut chain, &mut totals)));
                    }
                }
                losses = totals.by_record.clone();
                if !self.keeps_losses(number, of_stage) {
                    totals.by_record.clear();
                }
                lines.push(Line::Epoch(self.epoch(epoch, &plan, totals, dropped)));
                plans.insert(epoch, plan);
                if is_cut || self.max_steps.is_some_and(|most| step >= most) {
                    return (lines, plans);
                }
                epoch += 1;
            }
        }
        (lines, plans)
    }

    fn step(
        &self,
        stage: &RunStage,
        (epoch, step): (u32, u64),
        batch: &[u64],
        plan: &Plan,
        chain: &mut BatchHash,
        totals: &mut Totals,
    ) -> Step {
        let mut draws = Draws::new(self.seed, epoch, step, 0, Purpose::Garden);
        let mut quarantined = Vec::new();
        let (mut digests, mut noted) = (Vec::new(), Vec::new());
        for &seq in batch {
            let records = plan.ticket(seq).records;
            let record = records.first();
            let reason = records.all().iter().find_map(|record| self.bad.get(record));
            let label = reason.map_or(self.label(record), |_| RowDigest::QUARANTINED);
            digests.push(RowDigest { seq, label, hashes: [u64::from(record); 3] });
            match reason {
                Some(reason) => quarantined.push(Quarantine { seq, reason: (*reason).to_owned() }),
                None => {
                    totals.histogram[label as usize] += 1;
                    noted.extend(<[u32; 1]>::try_from(records.all()));
                }
            }
        }
        chain.update(&digests, 1);
        let usable = batch.len() - quarantined.len();
        let is_skipped = stage.is_half && draws.unit() < 0.3;
        totals.by_record.resize(self.records as usize, 0);
        for [record] in noted.into_iter().filter(|_| usable >= 2) {
            totals.by_record[record as usize] = 1 + record * 37 % 4_000 + epoch;
        }
        let loss = f64::from(draws.unit() as f32 * 4.0);
        let loss = (usable >= 2 && !(is_skipped && draws.unit() < 0.5)).then_some(loss);
        totals.trained += usable as u64;
        totals.quarantined += quarantined.len() as u64;
        totals.losses.extend(loss);
        Step {
            epoch,
            step,
            seq_from: batch[0],
            seq_to: batch[batch.len() - 1] + 1,
            batch_hash: chain.hex(),
            loss,
            applied: usable >= 2 && !is_skipped,
            quarantined,
        }
    }

    fn epoch(&self, epoch: u32, plan: &Plan, totals: Totals, dropped_last: u64) -> Epoch {
        let judged = self.validation_records.min(self.limit.unwrap_or(u64::MAX));
        let evaluated = judged - self.validation_bad.min(judged);
        let sum: f64 = totals.losses.iter().sum();
        Epoch {
            epoch,
            issued: totals.trained + totals.quarantined + dropped_last,
            trained: totals.trained,
            quarantined: totals.quarantined,
            dropped_last,
            plan_hash: plan.hash(),
            class_histogram: totals.histogram,
            evaluated,
            evaluation_quarantined: judged - evaluated,
            train_loss: if totals.losses.is_empty() { 0.0 } else { sum / totals.losses.len() as f64 },
            valid_loss: if evaluated > 0 { 1.25 } else { 0.0 },
            accuracy: (judged > 0).then(|| (evaluated * 3 / 4) as f64 / judged as f64),
            weights_sha256: hash(u64::from(epoch) + 100),
            losses: totals.by_record,
        }
    }

    /// Audits a text as this run's ledger, with or without the data.
    pub fn audit(&self, text: &str, has_data: bool, known_head: Option<&str>) -> super::Account {
        self.audit_bytes(text.as_bytes(), has_data, known_head)
    }

    /// Audits any bytes.
    pub fn audit_bytes(&self, ledger: &[u8], has_data: bool, known_head: Option<&str>) -> super::Account {
        self.audit_with(self, ledger, has_data, known_head)
    }

    /// Audits a text by somebody who can't draw plans.
    pub fn audit_blindly(&self, text: &str) -> super::Account {
        self.audit_with(&Blind, text.as_bytes(), false, None)
    }

    fn audit_with(
        &self,
        planner: &dyn Planner,
        ledger: &[u8],
        has_data: bool,
        known_head: Option<&str>,
    ) -> super::Account {
        let labels = self.labels();
        let of_stages = vec![labels.as_slice(); self.stages.len()];
        let (fingerprint, validation_fingerprint) = (hash(5), hash(6));
        let data = has_data.then(|| DataTerms {
            labels: &of_stages,
            fingerprint: &fingerprint,
            validation_fingerprint: &validation_fingerprint,
            validation_records: self.validation_records,
        });
        let stage = |stage: &RunStage| StageTerms {
            epochs: stage.epochs,
            batch_rows: stage.rows,
            drop_last: stage.drop_last,
            may_skip_steps: stage.is_half,
            goes_by_losses: stage.sampler.needs_losses(),
            split: 0,
        };
        let terms = Terms {
            cap: self.cap,
            stages: self.stages.iter().map(stage).collect(),
            classes: CLASSES,
            evaluation_limit: self.limit,
            bad_records_max: &|_| 10,
            planner,
            data,
        };
        super::audit(ledger, &terms, known_head.map(|chain| KnownHead { chain, told_by: "the test" }))
    }
}

impl Planner for Run {
    fn tickets(&self, _asked: &PlanOf<'_>) -> Option<u64> {
        None
    }

    fn plan(&self, asked: &PlanOf<'_>) -> Option<Plan> {
        let PlanOf { seed, epoch, losses, .. } = *asked;
        self.plan_over(asked.stage, asked.records, &Occasion { seed, epoch, cap: self.cap, losses })
    }
}

/// Draws nothing.
struct Blind;

impl Planner for Blind {
    fn tickets(&self, _asked: &PlanOf<'_>) -> Option<u64> {
        None
    }

    fn plan(&self, _asked: &PlanOf<'_>) -> Option<Plan> {
        None
    }
}

#[derive(Default)]
struct Totals {
    trained: u64,
    quarantined: u64,
    losses: Vec<f64>,
    by_record: Vec<u32>,
    histogram: Vec<u64>,
}

/// Some hash.
pub(super) fn hash(number: u64) -> String {
    format!("{number:064x}")
}

/// The text of these lines, chained.
pub(super) fn text_of(lines: &[Line]) -> String {
    let mut head = genesis();
    lines.iter().fold(String::new(), |mut text, line| {
        let (line, chain) = written(&head, line);
        head = chain;
        text.push_str(&line);
        text
    })
}

fn stages() -> impl Strategy<Value = Vec<RunStage>> {
    let tickets = || proptest::option::of(1u32..30);
    let by_class: std::sync::Arc<[f64]> = [0.5, 0.0, 2.0, 1.0, 1.0].into();
    let sampler = prop_oneof![
        Just(Sampler::Sequential),
        Just(Sampler::Shuffled),
        tickets().prop_map(|tickets| Sampler::Balanced { tickets }),
        tickets().prop_map(move |tickets| Sampler::Weighted { weights: Weights::ByClass(by_class.clone()), tickets }),
        tickets().prop_map(|tickets| Sampler::Hard { uniform_share: 0.25, tickets }),
        tickets().prop_map(|tickets| Sampler::Triplet { tickets }),
        tickets().prop_map(|tickets| Sampler::Siamese { same_share: 0.5, tickets }),
    ];
    let stage = (sampler, 1u32..3, 1u64..9, any::<bool>(), any::<bool>());
    let stage = stage.prop_map(|(sampler, epochs, rows, drop_last, is_half)| RunStage {
        sampler,
        epochs,
        rows,
        drop_last,
        is_half,
    });
    vec(stage, 1..3)
}

prop_compose! {
    /// Any run over a few records.
    pub(super) fn runs()(
        records in 1u32..40,
        (validation_records, validation_bad, limit) in (0u64..9, 0u64..3, proptest::option::of(1u64..9)),
        cap in proptest::option::of(1u64..50),
        stages in stages(),
        seed in 0u64..1_000,
        max_steps in proptest::option::of(1u64..20),
        parent_epochs in proptest::option::of(0u32..4),
        bad in vec(any::<u32>(), 0..6),
    ) -> Run {
        let run = Run {
            records, validation_records, validation_bad, limit, cap, stages, seed, max_steps, parent_epochs,
            bad: Default::default(),
        };
        run.with_bad(&bad).made_possible()
    }
}
