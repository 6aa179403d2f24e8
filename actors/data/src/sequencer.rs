//! Puts finished chunks back into plan order and hands whole batches to the bounded channel.
//! Not here: counting (see `conductor`). A plain thread, since it blocks when the consumer is slow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use actix::Addr;
use crossbeam_channel::{Receiver, Sender, select};

use crate::batch::{Batch, RowDigest};
use crate::chunk::{Chunk, RowState};
use crate::conductor::Conductor;
use crate::failure::PipelineError;
use crate::limits::VIEWS_MAX;
use crate::outcome::Quarantined;
use crate::phase::Phase;
use crate::shared::{Shared, StageName, ThreadCpu, nanoseconds};
use crate::slab::Slab;

/// What the sequencer is told.
pub enum ToSequencer {
    /// A phase begins; all chunks of the one before have been seen.
    Open(Arc<Phase>),
    /// A chunk is finished.
    Chunk(Box<Chunk>),
    /// Nothing more will come; the consumer must know why.
    Fail(PipelineError),
}

/// What the consumer gets.
pub type Delivery = Result<Batch, PipelineError>;

/// The sequencer's state.
pub struct Sequencer {
    /// Finished chunks; bounded by the credits.
    pub chunks: Receiver<ToSequencer>,
    /// The bounded batch channel.
    pub batches: Sender<Delivery>,
    /// Disconnected when the pipeline stops.
    pub stop: Receiver<()>,
    /// Passed on to batches.
    pub conductor: Arc<Addr<Conductor>>,
    /// Shared state.
    pub shared: Arc<Shared>,
}

struct Open {
    phase: Arc<Phase>,
    next_batch: u64,
    pending: BTreeMap<u64, Vec<Chunk>>,
}

impl Sequencer {
    /// Runs until the pipeline stops or the consumer is gone.
    pub fn run(self) {
        let meter = self.shared.meter(StageName::Sequence);
        meter.workers.store(1, Relaxed);
        meter.alive.store(1, Relaxed);
        let mut open: Option<Open> = None;
        let mut cpu = ThreadCpu::begin(&self.shared);
        let mut idle_since = Instant::now();
        loop {
            let told = select! {
                recv(self.chunks) -> told => told,
                recv(self.stop) -> _ => break,
            };
            meter.wait_input_ns.fetch_add(nanoseconds(idle_since.elapsed()), Relaxed);
            let alive = match told {
                Ok(ToSequencer::Open(phase)) => {
                    open = Some(Open { phase, next_batch: 0, pending: BTreeMap::new() });
                    true
                }
                Ok(ToSequencer::Chunk(chunk)) => {
                    meter.queue.pop();
                    match open.as_mut().filter(|open| open.phase.number == chunk.phase.number) {
                        Some(open) if chunk.is_finished() => self.accept(open, *chunk),
                        // Unfinished chunks come only while everything stops.
                        _ => true,
                    }
                }
                Ok(ToSequencer::Fail(error)) => {
                    open = None;
                    self.deliver(Err(error))
                }
                Err(_) => false,
            };
            if !alive {
                break;
            }
            cpu.book(&self.shared);
            idle_since = Instant::now();
        }
        meter.alive.store(0, Relaxed);
    }

    /// Takes a chunk; delivers every batch that is now complete and next in the plan.
    fn accept(&self, open: &mut Open, chunk: Chunk) -> bool {
        open.pending.entry(chunk.batch).or_default().push(chunk);
        loop {
            let spec = &open.phase.spec;
            let rows = spec.batch_rows as u64;
            let Some(chunks) = open.pending.get(&open.next_batch) else { return true };
            let left = spec.end_seq() - spec.first_seq - open.next_batch * rows;
            let there: usize = chunks.iter().map(|chunk| chunk.rows.len()).sum();
            if (there as u64) < left.min(rows) {
                return true;
            }
            let chunks = open.pending.remove(&open.next_batch).expect("just seen");
            let begun = Instant::now();
            let batch = self.assemble(open, chunks);
            let meter = self.shared.meter(StageName::Sequence);
            meter.busy_ns.fetch_add(nanoseconds(begun.elapsed()), Relaxed);
            meter.tickets.fetch_add(batch.digests.len() as u64, Relaxed);
            open.next_batch += 1;
            if !self.deliver(Ok(batch)) {
                return false;
            }
        }
    }

    fn assemble(&self, open: &Open, mut chunks: Vec<Chunk>) -> Batch {
        chunks.sort_unstable_by_key(|chunk| chunk.slab_rows.first());
        let mut labels = Vec::with_capacity(open.phase.spec.batch_rows);
        let mut digests = Vec::with_capacity(open.phase.spec.batch_rows);
        let mut labels_besides: [Vec<i64>; VIEWS_MAX - 1] = Default::default();
        let besides = open.phase.spec.plan.records_per_ticket() - 1;
        labels_besides[..besides].iter_mut().for_each(|labels| labels.reserve_exact(open.phase.spec.batch_rows));
        let mut quarantined = Vec::new();
        let mut kept = Vec::with_capacity(open.phase.spec.batch_rows);
        for row in chunks.iter().flat_map(|chunk| &chunk.rows) {
            let mut digest = RowDigest { seq: row.seq, label: row.labels[0], hashes: row.hashes };
            match &row.state {
                RowState::Ready => {
                    kept.push(digests.len());
                    labels.push(row.labels[0]);
                    for (labels, label) in labels_besides[..besides].iter_mut().zip(&row.labels[1..]) {
                        labels.push(*label);
                    }
                }
                RowState::Bad { record, bad } => {
                    digest.label = RowDigest::QUARANTINED;
                    let (kind, detail) = (bad.kind, bad.detail.clone());
                    quarantined.push(Quarantined { seq: row.seq, record: *record, kind, detail });
                }
                unfinished => unreachable!("only finished chunks are accepted, not {unfinished:?}"),
            }
            digests.push(digest);
        }
        let mut slab = Slab::close(chunks.into_iter().map(|chunk| chunk.slab_rows).collect());
        if !quarantined.is_empty() {
            slab.keep(&open.phase.layout, &kept);
        }
        Batch {
            phase: Arc::clone(&open.phase),
            number: open.next_batch,
            labels,
            labels_besides,
            digests,
            quarantined,
            slab: Some(slab),
            conductor: Arc::clone(&self.conductor),
            settled: false,
        }
    }

    /// Blocks while the channel is full. False when there is nobody to deliver to.
    fn deliver(&self, delivery: Delivery) -> bool {
        let begun = Instant::now();
        self.shared.batch_readiness.push();
        let delivered = select! {
            send(self.batches, delivery) -> sent => sent.is_ok(),
            recv(self.stop) -> _ => false,
        };
        let meter = self.shared.meter(StageName::Sequence);
        meter.wait_output_ns.fetch_add(nanoseconds(begun.elapsed()), Relaxed);
        delivered
    }
}
