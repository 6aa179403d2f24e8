//! How to build a pipeline: pool sizes, buffers, budgets.
//! Not here: what users type (the application maps it to this).

use std::sync::Arc;
use std::time::Duration;

use crate::cache::Cache;
use crate::limits::POOL_WORKERS_MAX;
use crate::machine;
use crate::sabotage::Sabotage;
use crate::simd::Simd;
use crate::slab::{Heap, SlabMemory};
use crate::tap::Tap;
use crate::worker::WorkMaker;

/// How to build a pipeline.
pub struct PipelineOptions {
    /// Reader threads; 0 = each decoder reads for itself.
    pub readers: usize,
    /// Decoder threads, at least 1.
    pub decoders: usize,
    /// Augmenter threads; 0 = each decoder augments its own rows.
    pub augmenters: usize,
    /// Batches that may wait in the batch channel.
    pub prefetch_batches: usize,
    /// Bytes of the largest batch of the run (see [`PhaseSpec::layout`](crate::phase::PhaseSpec::layout)).
    pub slab_bytes: usize,
    /// Rows of the largest batch of the run.
    pub batch_rows_max: usize,
    /// Slabs beyond `prefetch_batches + 2`.
    pub slabs_extra: usize,
    /// Where slabs come from.
    pub slab_memory: Box<dyn SlabMemory>,
    /// Distinct bad records a data set may have.
    pub bad_records_max: u64,
    /// What is kept in memory between epochs.
    pub cache: Option<Arc<Cache>>,
    /// Shows some rows to who asks.
    pub tap: Option<Arc<Tap>>,
    /// Share of the machine's cores that the pools may use, above 0 and below 1; `None` = whatever there is.
    pub cpu_share: Option<f64>,
    /// Pretend that every read takes this long: slow storage, for benches.
    pub stand_in_read: Duration,
    /// Other work in place of the stages' own: nothing at all, for benches of the actors.
    pub stand_in_work: Option<WorkMaker>,
    /// Vector instructions of the decoders; rows don't depend on them.
    pub simd: Simd,
    /// Trouble, in tests.
    pub sabotage: Option<Arc<dyn Sabotage>>,
}

/// Cores whose decoders one reader, or one augmenter, serves with ease: from warm storage it reads and checks some
/// 100,000 small images a second.
const CORES_PER_HELPER: usize = 8;

/// Pool sizes for a machine.
#[derive(Debug, PartialEq, Eq)]
struct Sizes {
    readers: usize,
    decoders: usize,
    augmenters: usize,
}

impl Sizes {
    /// A decoder a core; readers and augmenters hardly ever work.
    fn for_cores(cores: usize) -> Self {
        let helpers = cores.div_ceil(CORES_PER_HELPER);
        Self { readers: helpers, decoders: cores.min(POOL_WORKERS_MAX), augmenters: helpers }
    }
}

impl PipelineOptions {
    /// Settings that suit this machine, for batches of at most these dimensions.
    pub fn new(slab_bytes: usize, batch_rows_max: usize) -> Self {
        let Sizes { readers, decoders, augmenters } = Sizes::for_cores(machine::cores());
        Self {
            readers,
            decoders,
            augmenters,
            prefetch_batches: 2,
            slab_bytes,
            batch_rows_max,
            slabs_extra: 0,
            slab_memory: Box::new(Heap),
            bad_records_max: u64::MAX,
            cache: None,
            tap: None,
            cpu_share: None,
            stand_in_read: Duration::ZERO,
            stand_in_work: None,
            simd: Simd::detect(),
            sabotage: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_grow_with_the_machine() {
        let sizes = |cores| {
            let Sizes { readers, decoders, augmenters } = Sizes::for_cores(cores);
            (readers, decoders, augmenters)
        };
        assert_eq!([1, 2, 8, 9, 64].map(sizes), [(1, 1, 1), (1, 2, 1), (1, 8, 1), (2, 9, 2), (8, 64, 8)]);
    }
}
