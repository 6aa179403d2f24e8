//! The short way in: augmented training batches from a path, for other programs.
//! Not for: training runs of this project (they need validation, caps and ledgers and use [`crate::pipeline`] itself).

use std::sync::Arc;

use crate::batch::Batch;
use crate::cache::{Cache, CacheMode};
use crate::catalog::{self, CatalogError};
use crate::columns::Columns;
use crate::compression::InflateBudget;
use crate::example::FeatureNames;
use crate::failure::PipelineError;
use crate::geometry::Size;
use crate::index::{Index, IndexError};
use crate::outcome::Use;
use crate::phase::{PhaseKind, PhaseSpec};
use crate::picture::DecodeMode;
use crate::pipeline::{Batches, Pipeline, PipelineOptions};
use crate::plan::Plan;
use crate::resample::ResamplePath;
use crate::sampler::{BoundSampler, Population, Sampler, SamplerError};
use crate::slab::Layout;
use crate::ticket::{Crop, Transform};

/// What can go wrong before the first batch.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// No data set there.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Its shards can't be used.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The sampler does not fit the records.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    /// Classes and ids could not be read for the sampler.
    #[error("the training shards could not be read: {0}")]
    Columns(std::io::Error),
    /// The pipeline did not start, or ended.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// There is no training split.
    #[error("{0} has no training shards; name them in a folder train/ or as a pattern such as 'shards/train-*.tfrec'")]
    NoTrainingSplit(String),
}

/// What batches should look like. The default: 64 random resized crops (area 0.35–1) of 224 × 224, flipped half the time.
#[derive(Clone, Debug)]
pub struct LoaderOptions {
    /// Rows of a batch.
    pub batch_rows: usize,
    /// What happens to each image.
    pub transform: Transform,
    /// Order of the examples. (A batch has as many views as the sampler's tickets have records.)
    pub sampler: Sampler,
    /// Seed of order, crops and flips.
    pub seed: u64,
    /// Names of the features; found by themselves when not given.
    pub features: FeatureNames,
    /// How pictures become rows.
    pub resample: ResamplePath,
    /// What stays in memory between epochs, and the most bytes of it.
    pub cache: Option<(CacheMode, u64)>,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        let size = Size { width: 224, height: 224 };
        let transform = Transform {
            size,
            crop: Crop::RandomResized { min_scale: 0.35 },
            flip: true,
            distort: false,
            jitter: false,
        };
        let (sampler, features) = (Sampler::Shuffled, FeatureNames::default());
        Self { batch_rows: 64, transform, sampler, seed: 1, features, resample: ResamplePath::Pil, cache: None }
    }
}

/// A data set, ready to be read epoch by epoch.
pub struct Loader {
    pipeline: Pipeline,
    index: Arc<Index>,
    sampler: BoundSampler,
    options: LoaderOptions,
}

impl Loader {
    /// Finds the training split of `path` (a folder, file or pattern) and starts the pools.
    pub fn open(path: &str, options: LoaderOptions) -> Result<Self, LoaderError> {
        let found = catalog::find(&[path.to_owned()], Some(options.transform.size.width))?;
        let files = found.train.ok_or_else(|| LoaderError::NoTrainingSplit(path.to_owned()))?;
        let index = Arc::new(Index::open(&files, &InflateBudget::default())?);
        let columns = options.sampler.needs_columns().then(|| Columns::read(&index, &options.features));
        let columns = columns.transpose().map_err(LoaderError::Columns)?;
        let population = Population::all(index.len());
        let population = columns.as_ref().map_or(population, |columns| population.with_columns(columns, None));
        let sampler = options.sampler.bind(&population)?;
        let layout = Layout::new(options.batch_rows, vec![options.transform.size; sampler.records_per_ticket()]);
        let cache = options.cache.map(|(mode, budget_bytes)| Arc::new(Cache::new(mode, budget_bytes)));
        let usual = PipelineOptions::new(layout.bytes(), options.batch_rows);
        let pipeline = Pipeline::start(PipelineOptions { cache, ..usual })?;
        Ok(Self { pipeline, index, sampler, options })
    }

    /// The batches of one epoch (from 1), in an order and with pixels that depend on data, options and epoch alone.
    /// Records that can't be used are left out of their batch and listed in [`Batch::quarantined`].
    pub fn epoch(&self, epoch: u32) -> Result<Epoch<'_>, LoaderError> {
        let options = &self.options;
        let plan = Plan::new(&self.sampler, options.seed, epoch, None);
        let batches = self.pipeline.open(PhaseSpec {
            kind: PhaseKind::Train,
            index: Arc::clone(&self.index),
            features: options.features.clone(),
            plan: Arc::new(plan),
            batch_rows: options.batch_rows,
            drop_last: false,
            first_seq: 0,
            tickets_max: None,
            views: vec![options.transform; self.sampler.records_per_ticket()],
            classes: None,
            decode: DecodeMode::Strict,
            resample: options.resample,
            hash_rows: true,
        })?;
        Ok(Epoch { batches: Some(batches) })
    }

    /// The records.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The pipeline, to observe it.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }
}

/// The batches of one epoch.
pub struct Epoch<'a> {
    batches: Option<Batches<'a>>,
}

impl Iterator for Epoch<'_> {
    type Item = Result<Batch, PipelineError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.batches.as_mut()?.next() {
            Some(Ok(mut batch)) => {
                batch.settle(Use::Trained);
                Some(Ok(batch))
            }
            Some(Err(error)) => {
                self.batches = None;
                Some(Err(error))
            }
            None => self.batches.take()?.finish().err().map(Err),
        }
    }
}
