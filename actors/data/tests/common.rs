//! A small garden on disk and phases over it.

use std::path::Path;
use std::sync::Arc;

use fastgarden_data::batch_hash::BatchHash;
use fastgarden_data::catalog;
use fastgarden_data::compression::InflateBudget;
use fastgarden_data::example::{FeatureNames, FeatureValue, encode_example};
use fastgarden_data::failure::PipelineError;
use fastgarden_data::garden;
use fastgarden_data::geometry::Size;
use fastgarden_data::index::Index;
use fastgarden_data::outcome::{Quarantined, Tally, Use};
use fastgarden_data::phase::{PhaseKind, PhaseSpec};
use fastgarden_data::picture::DecodeMode;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::plan::Plan;
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::sampler::BoundSampler;
use fastgarden_data::shard_writer::ShardWriter;
use fastgarden_data::ticket::{Crop, Transform};

pub const BATCH_ROWS: usize = 8;

/// A JPEG of a garden picture.
pub fn jpeg(number: u32, side_px: u32) -> Vec<u8> {
    let drawing = garden::draw(1, number, side_px);
    let mut bytes = Vec::new();
    let side = side_px as u16;
    let encoder = jpeg_encoder::Encoder::new(&mut bytes, 85);
    encoder.encode(&drawing.pixels, side, side, jpeg_encoder::ColorType::Rgb).expect("a small picture encodes");
    bytes
}

/// An example record in the Kaggle layout.
pub fn example(image: &[u8], class: i64, id: &str) -> Vec<u8> {
    encode_example(&[
        ("class", FeatureValue::Int64(class)),
        ("id", FeatureValue::Bytes(id.as_bytes())),
        ("image", FeatureValue::Bytes(image)),
    ])
}

/// Writes one shard.
pub fn shard(path: &Path, payloads: &[Vec<u8>]) {
    let mut writer = ShardWriter::create(path).expect("the folder is writable");
    for payload in payloads {
        writer.write(payload).expect("the disk has room");
    }
    writer.finish().expect("the disk has room");
}

/// A garden of `records` small pictures in two shards.
pub fn small_garden(folder: &Path, records: u32) {
    let payloads: Vec<_> =
        (0..records).map(|number| example(&jpeg(number, 40), i64::from(number % 7), &format!("{number:09}"))).collect();
    let half = payloads.len() / 2;
    shard(&folder.join("train-00.tfrec"), &payloads[..half]);
    shard(&folder.join("train-01.tfrec"), &payloads[half..]);
}

/// The training split of a folder.
pub fn index(folder: &Path) -> Arc<Index> {
    let found = catalog::find(&[folder.to_string_lossy().into_owned()], None).expect("there are shards");
    Arc::new(
        Index::open(&found.train.expect("they are for training"), &InflateBudget::default()).expect("they are whole"),
    )
}

/// Crop, flip and jitter to 24 px.
pub fn transform() -> Transform {
    let size = Size { width: 24, height: 24 };
    Transform { size, crop: Crop::RandomResized { min_scale: 0.35 }, flip: true, distort: false, jitter: true }
}

/// A shuffled training phase.
pub fn phase(index: &Arc<Index>, seed: u64, cap: Option<u64>) -> PhaseSpec {
    PhaseSpec {
        kind: PhaseKind::Train,
        index: Arc::clone(index),
        features: FeatureNames::default(),
        plan: Arc::new(Plan::new(&BoundSampler::shuffled(index.len()), seed, 1, cap)),
        batch_rows: BATCH_ROWS,
        drop_last: false,
        first_seq: 0,
        tickets_max: None,
        views: vec![transform()],
        classes: Some(104),
        decode: DecodeMode::Strict,
        resample: ResamplePath::Pil,
        hash_rows: true,
    }
}

/// Options for phases like these.
pub fn options(readers: usize, decoders: usize, augmenters: usize) -> PipelineOptions {
    let bytes = BATCH_ROWS * 24 * 24 * 3;
    PipelineOptions { readers, decoders, augmenters, ..PipelineOptions::new(bytes, BATCH_ROWS) }
}

/// What a phase came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Walked {
    pub batch_hash: String,
    pub tally: Tally,
    pub quarantined: Vec<Quarantined>,
    pub sizes: Vec<usize>,
}

/// Consumes a phase.
pub fn walk(pipeline: &Pipeline, spec: PhaseSpec) -> Result<Walked, PipelineError> {
    let mut chain = BatchHash::default();
    let (mut quarantined, mut sizes, mut next_seq) = (Vec::new(), Vec::new(), spec.first_seq);
    let mut batches = pipeline.open(spec)?;
    for batch in batches.by_ref() {
        let mut batch = batch?;
        assert_eq!(batch.seqs().start, next_seq, "batches come in plan order");
        next_seq = batch.seqs().end;
        assert_eq!(batch.view(0).len(), batch.len() * 24 * 24 * 3);
        chain.update(batch.digests(), 1);
        quarantined.extend_from_slice(batch.quarantined());
        sizes.push(batch.len());
        batch.settle(Use::Trained);
    }
    let tally = batches.finish()?;
    Ok(Walked { batch_hash: chain.hex(), tally, quarantined, sizes })
}
