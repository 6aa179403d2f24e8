//! Every training batch of a ledger made again, without training: same pixels, same hashes.
//! Not here: the pipeline.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use fastgarden_data::audit::{Fault, FaultKind, PlanOf, Planner as _};
use fastgarden_data::batch::Batch;
use fastgarden_data::batch_hash::BatchHash;
use fastgarden_data::ledger::Link;
use fastgarden_data::outcome::Use;
use fastgarden_data::phase::{PhaseKind, PhaseSpec};
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_proto::ledger::line::Line;
use fastgarden_proto::ledger::{Opening, Step};

use super::plans::RecipePlans;
use super::{DataColumns, Evidence};
use crate::exit::Failure;
use crate::run_spec::PoolSizes;
use crate::source::of_pipeline;
use crate::{data_set, transforms};

/// Batches that differ and are told one by one; after so many nothing is left to find out.
const DIFFERENT_MAX: usize = 8;

/// What making batches again came to.
#[derive(Clone, Debug, Default)]
pub struct Remade {
    /// Batches made.
    pub batches: u64,
    /// Examples in them.
    pub images: u64,
    /// How long it took, from the first epoch's opening to the last one's end.
    pub seconds: f64,
    /// What differs from the ledger.
    pub faults: Vec<Fault>,
}

/// Makes the batches of a ledger, in which nothing else was found wrong, and compares their hashes.
/// `told` hears of epoch, tickets done and tickets in all.
pub fn remake(
    evidence: &Evidence<'_>,
    data: &DataColumns,
    pools: &PoolSizes,
    mut told: impl FnMut(u32, u64, u64),
) -> Result<Remade, Failure> {
    let Some((opening, epochs)) = epochs_of(evidence.ledger) else { return Ok(Remade::default()) };
    let pipeline = Pipeline::start(options(evidence, data, pools)?).map_err(of_pipeline)?;
    let (mut remade, begun) = (Remade::default(), Instant::now());
    let (mut chain, mut losses) = (BatchHash::default(), BTreeMap::<_, &[u32]>::new());
    for of_epoch in &epochs {
        if of_epoch.steps.is_empty() {
            continue;
        }
        let split = |stage: usize| data.train.get(stage).map(|split| split.fingerprint.as_str());
        let before = losses.get(&split(of_epoch.stage)).copied().unwrap_or_default();
        let Some(phase) = phase(evidence, data, &opening, of_epoch, before) else { break };
        if !of_epoch.losses.is_empty() {
            losses.insert(split(of_epoch.stage), &of_epoch.losses);
        }
        let (epoch, total) = (phase.plan.epoch(), phase.end_seq());
        let views = phase.views.len();
        let mut batches = pipeline.open(phase).map_err(of_pipeline)?;
        for (line, step) in &of_epoch.steps {
            let Some(batch) = batches.next() else { break };
            let mut batch = batch.map_err(of_pipeline)?;
            remade.compare(*line, step, &batch, &mut chain, views);
            batch.release_pixels();
            batch.settle(Use::Trained);
            told(epoch, step.seq_to, total);
        }
        batches.finish().map_err(of_pipeline)?;
        if remade.faults.len() >= DIFFERENT_MAX {
            break;
        }
    }
    remade.seconds = begun.elapsed().as_secs_f64();
    Ok(remade)
}

/// The step lines of one epoch.
struct OfEpoch {
    stage: usize,
    epoch: u32,
    steps: Vec<(usize, Step)>,
    /// Of each record, for the sampler of the next epoch on the same shards.
    losses: Vec<u32>,
}

/// The epochs of a ledger whose lines fit together.
fn epochs_of(ledger: &[u8]) -> Option<(Opening, Vec<OfEpoch>)> {
    let mut lines = ledger.split(|&byte| byte == b'\n').zip(1..).map_while(|(text, number)| {
        let line = Link::of(text)?.parse().ok()?;
        Some((number, line))
    });
    let Some((_, Line::Opening(opening))) = lines.next() else { return None };
    let mut ends = opening.stages.iter().scan(0u32, |end, stage| {
        *end = end.saturating_add(stage.epochs);
        Some(*end)
    });
    let ends: Vec<u32> = ends.by_ref().collect();
    let mut epochs: Vec<OfEpoch> = Vec::new();
    for (number, line) in lines {
        let epoch = match &line {
            Line::Step(step) => step.epoch,
            Line::Epoch(epoch) => epoch.epoch,
            Line::Opening(_) => return None,
        };
        if epochs.last().is_none_or(|last| last.epoch != epoch) {
            let done = epochs.len() as u32;
            let stage = ends.iter().position(|&end| done < end)?;
            epochs.push(OfEpoch { stage, epoch, steps: Vec::new(), losses: Vec::new() });
        }
        let Some(last) = epochs.last_mut() else { continue };
        match line {
            Line::Step(step) => last.steps.push((number, step)),
            Line::Epoch(epoch) => last.losses = epoch.losses,
            Line::Opening(_) => return None,
        }
    }
    Some((opening, epochs))
}

fn phase(
    evidence: &Evidence<'_>,
    data: &DataColumns,
    opening: &Opening,
    of_epoch: &OfEpoch,
    losses: &[u32],
) -> Option<PhaseSpec> {
    let (recipe, stage) = (evidence.recipe, evidence.recipe.stages.get(of_epoch.stage)?);
    let index = Arc::clone(&data.train.get(of_epoch.stage)?.split.index);
    let plans = RecipePlans { recipe, cap: evidence.rules.examples_per_epoch, data: Some(data) };
    let (number, records) = (of_epoch.stage, index.len());
    let plan = plans.plan(&PlanOf { stage: number, records, seed: opening.seed, epoch: of_epoch.epoch, losses })?;
    Some(PhaseSpec {
        kind: PhaseKind::Train,
        index,
        features: data_set::features(&recipe.data),
        plan: Arc::new(plan),
        batch_rows: stage.batch_size,
        drop_last: stage.drop_last,
        first_seq: 0,
        tickets_max: Some(of_epoch.steps.last().map_or(0, |(_, step)| step.seq_to)),
        views: transforms::stage_views(stage),
        classes: Some(i64::from(recipe.data.classes)),
        decode: transforms::decode_mode(recipe.data.decode),
        resample: recipe.data.resample,
        hash_rows: true,
    })
}

fn options(evidence: &Evidence<'_>, data: &DataColumns, pools: &PoolSizes) -> Result<PipelineOptions, Failure> {
    let recipe = evidence.recipe;
    let bytes = |stage: &crate::recipe::Stage| {
        fastgarden_data::slab::Layout::new(
            stage.batch_size,
            transforms::stage_views(stage).iter().map(|view| view.size).collect(),
        )
        .bytes()
    };
    let slab_bytes = recipe.stages.iter().map(bytes).max().unwrap_or(0);
    let rows_max = recipe.stages.iter().map(|stage| stage.batch_size).max().unwrap_or(1);
    let indexes: Vec<_> = data.train.iter().map(|split| &*split.split.index).collect();
    let bad_records_max = data_set::bad_records_max(recipe.data.bad_records, &indexes)?;
    let options = transforms::pipeline_options(pools, &recipe.execution, slab_bytes, rows_max);
    Ok(PipelineOptions { bad_records_max, ..options })
}

impl Remade {
    fn compare(&mut self, line: usize, step: &Step, batch: &Batch, chain: &mut BatchHash, views: usize) {
        self.batches += 1;
        self.images += batch.len() as u64;
        chain.update(batch.digests(), views);
        let made = batch.quarantined().iter().map(|row| (row.seq, row.kind.name()));
        let told = step.quarantined.iter().map(|row| (row.seq, row.reason.as_str()));
        if !made.eq(told) {
            let what = format!("quarantines other rows of step {} than this data makes bad", step.step);
            self.faults.push(Fault::at(line, FaultKind::Outcome, what));
        } else if chain.hex() != step.batch_hash {
            let what = format!("has another batch_hash than the batch of step {} made again", step.step);
            self.faults.push(Fault::at(line, FaultKind::Pixels, what));
        }
        // Each batch is held to its own line: one that differs doesn't speak for those after it.
        *chain = BatchHash::from_hex(&step.batch_hash).unwrap_or_default();
        self.faults.truncate(DIFFERENT_MAX);
    }
}
