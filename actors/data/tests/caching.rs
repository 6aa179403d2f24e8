//! Caches from a consumer's seat: what later epochs no longer need, and what is never kept.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use fastgarden_data::cache::{Cache, CacheMode};
use fastgarden_data::compression::Compression;
use fastgarden_data::failure::PipelineError;
use fastgarden_data::fault::FaultKind;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::shard_writer::ShardWriter;

use crate::common::{example, index, jpeg, options, phase, shard, small_garden, walk};

const MODES: [CacheMode; 2] = [CacheMode::Encoded, CacheMode::Decoded];

fn caching(mode: CacheMode) -> (Pipeline, Arc<Cache>) {
    let cache = Arc::new(Cache::new(mode, 1 << 30));
    let pipeline = Pipeline::start(PipelineOptions { cache: Some(Arc::clone(&cache)), ..options(1, 2, 1) }).unwrap();
    (pipeline, cache)
}

fn empty_the_shards(folder: &Path) {
    for name in ["train-00.tfrec", "train-01.tfrec"] {
        fs::OpenOptions::new().write(true).open(folder.join(name)).unwrap().set_len(0).unwrap();
    }
}

#[test]
fn after_the_first_epoch_the_disk_is_not_touched() {
    for mode in MODES {
        let folder = tempfile::tempdir().unwrap();
        small_garden(folder.path(), 40);
        let index = index(folder.path());
        let (pipeline, cache) = caching(mode);
        let first = walk(&pipeline, phase(&index, 1, None)).unwrap();
        let read = pipeline.observe().unwrap().stages[0].bytes;
        assert_eq!(read, index.total_bytes());
        empty_the_shards(folder.path());
        assert_eq!(walk(&pipeline, phase(&index, 1, None)).unwrap(), first, "{mode:?}");
        let seen = pipeline.observe().unwrap();
        assert_eq!((seen.stages[0].bytes, cache.observe().records), (read, 40));
        // Another pipeline, as a series' next run has, goes on with the same cache.
        drop(pipeline);
        let pipeline = Pipeline::start(PipelineOptions { cache: Some(cache), ..options(0, 3, 0) }).unwrap();
        assert_eq!(walk(&pipeline, phase(&index, 1, None)).unwrap(), first, "{mode:?}");
        // Without one, the same files fail the run.
        let pipeline = Pipeline::start(options(1, 2, 1)).unwrap();
        assert!(matches!(walk(&pipeline, phase(&index, 1, None)), Err(PipelineError::Io { .. })));
    }
}

#[test]
fn bad_records_are_never_kept_and_are_refused_again_every_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let mut payloads: Vec<_> = (0..24).map(|number| example(&jpeg(number, 40), 1, "x")).collect();
    let whole = jpeg(3, 40);
    payloads[2] = example(&whole[..whole.len() / 2], 1, "cut");
    payloads[8] = example(&whole, 104, "class too high");
    shard(&folder.path().join("train.tfrec"), &payloads);
    let index = index(folder.path());
    let plain = Pipeline::start(options(1, 2, 1)).unwrap();
    let expected = walk(&plain, phase(&index, 5, None)).unwrap();
    let mut found: Vec<_> = expected.quarantined.iter().map(|row| (row.record, row.kind)).collect();
    found.sort_unstable();
    assert_eq!(found, [(2, FaultKind::DamagedImage), (8, FaultKind::LabelOutOfRange)]);
    for mode in MODES {
        let (pipeline, cache) = caching(mode);
        for epoch in 0..3 {
            assert_eq!(walk(&pipeline, phase(&index, 5, None)).unwrap(), expected, "{mode:?} {epoch}");
            assert_eq!(cache.observe().records, 22);
        }
    }
}

#[test]
fn encoded_images_of_compressed_shards_are_not_kept_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ShardWriter::create_compressed(folder.path().join("train.tfrec"), Compression::Gzip).unwrap();
    for number in 0..16 {
        writer.write(&example(&jpeg(number, 40), 1, "x")).unwrap();
    }
    writer.finish().unwrap();
    let index = index(folder.path());
    for (mode, records) in [(CacheMode::Encoded, 0), (CacheMode::Decoded, 16)] {
        let (pipeline, cache) = caching(mode);
        walk(&pipeline, phase(&index, 1, None)).unwrap();
        let seen = cache.observe();
        assert_eq!((seen.records, seen.full), (records, false), "{mode:?}");
    }
}
