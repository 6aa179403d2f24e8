//! I-order: batches, bit for bit, depend on (data, recipe, seed, epoch) alone.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use fastgarden_data::cache::{Cache, CacheMode};
use fastgarden_data::index::Index;
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::plan::Plan;
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::sabotage::Trouble;
use fastgarden_data::sampler::BoundSampler;
use fastgarden_data::shared::StageName;
use fastgarden_data::simd::Simd;
use fastgarden_data::ticket::Transform;
use proptest::prelude::*;

use crate::common::{Walked, example, index, jpeg, options, phase, shard, small_garden, transform, walk};

#[test]
fn pool_sizes_never_change_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 45);
    let index = index(folder.path());
    let mut hashes = Vec::new();
    for decoders in [1, 2, 5] {
        for readers in [0, 1, 2] {
            for augmenters in [0, 1, 2] {
                let pipeline = Pipeline::start(options(readers, decoders, augmenters)).unwrap();
                hashes.push(walk(&pipeline, phase(&index, 7, None)).unwrap().batch_hash);
            }
        }
    }
    assert_eq!(hashes.len(), 27);
    hashes.dedup();
    assert_eq!(hashes.len(), 1, "{hashes:?}");
}

#[test]
fn another_seed_or_one_changed_record_is_another_hash() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 24);
    let hash = |seed| {
        let pipeline = Pipeline::start(options(1, 2, 1)).unwrap();
        walk(&pipeline, phase(&index(folder.path()), seed, None)).unwrap().batch_hash
    };
    let base = hash(7);
    assert_eq!(base, hash(7));
    assert_ne!(base, hash(8));
    // One pixel's worth: another picture in the place of record 5.
    let mut payloads: Vec<_> = (0..12)
        .map(|number| crate::common::example(&crate::common::jpeg(number, 40), i64::from(number % 7), "x"))
        .collect();
    let before = {
        crate::common::shard(&folder.path().join("train-00.tfrec"), &payloads);
        hash(7)
    };
    assert_eq!(base, before, "ids are no part of a batch");
    payloads[5] = crate::common::example(&crate::common::jpeg(99, 40), 5, "x");
    crate::common::shard(&folder.path().join("train-00.tfrec"), &payloads);
    assert_ne!(base, hash(7));
}

#[test]
fn a_phase_that_is_entered_in_the_middle_goes_on_with_the_same_batches() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 40);
    let index = index(folder.path());
    let pipeline = Pipeline::start(options(1, 2, 1)).unwrap();
    let rows = |spec| {
        let mut batches = pipeline.open(spec).unwrap();
        let mut rows = Vec::new();
        for batch in batches.by_ref() {
            let mut batch = batch.unwrap();
            rows.extend_from_slice(batch.digests());
            batch.settle(fastgarden_data::outcome::Use::Trained);
        }
        batches.finish().unwrap();
        rows
    };
    let whole = rows(phase(&index, 3, None));
    let tail = rows(PhaseSpec { first_seq: 16, ..phase(&index, 3, None) });
    assert_eq!(whole[16..], tail);
}

#[test]
fn compressed_copies_give_the_same_batches() {
    use fastgarden_data::compression::Compression;
    use fastgarden_data::shard_writer::ShardWriter;
    let (plain, packed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    small_garden(plain.path(), 20);
    for (name, compression) in [("train-00.tfrec", Compression::Gzip), ("train-01.tfrec", Compression::Zlib)] {
        let index = index(plain.path());
        let shard = index.shards().iter().find(|shard| shard.name == name).unwrap();
        let mut writer = ShardWriter::create_compressed(packed.path().join(name), compression).unwrap();
        for record in shard.first_record..shard.first_record + shard.records {
            let mut frame = Vec::new();
            index.read_frames(record, 1, &mut frame).unwrap();
            writer.write(index.check_payload(record, &frame).unwrap()).unwrap();
        }
        writer.finish().unwrap();
    }
    assert_ne!(
        fs::read(plain.path().join("train-00.tfrec")).unwrap(),
        fs::read(packed.path().join("train-00.tfrec")).unwrap()
    );
    let pipeline = Pipeline::start(options(1, 2, 0)).unwrap();
    let first = walk(&pipeline, phase(&index(plain.path()), 1, None)).unwrap();
    let second = walk(&pipeline, phase(&index(packed.path()), 1, None)).unwrap();
    assert_eq!(first, second);
}

/// The epochs of one seed; the views of every second one are distorted.
fn epochs(index: &Arc<Index>, resample: ResamplePath, epochs: u32) -> Vec<PhaseSpec> {
    let epoch = |epoch: u32| {
        let plan = Arc::new(Plan::new(&BoundSampler::shuffled(index.len()), 7, epoch, None));
        let distort = epoch.is_multiple_of(2);
        let views = vec![Transform { distort, flip: !distort, ..transform() }];
        PhaseSpec { plan, resample, views, ..phase(index, 7, None) }
    };
    (1..=epochs).map(epoch).collect()
}

/// Images of every kind, each some times: baseline ones with planes, and those that the planar path leaves to the other.
fn mixed_garden(folder: &Path) {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/fingerprint");
    let mut paths: Vec<_> = fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
    paths.sort();
    assert_eq!(paths.len(), 16);
    let kinds = paths.iter().map(|path| fs::read(path).unwrap()).chain((0..29).map(|number| jpeg(number, 40)));
    let payloads: Vec<_> = kinds.zip(0..).map(|(image, number)| example(&image, number % 7, "x")).collect();
    shard(&folder.join("train-00.tfrec"), &payloads);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn caches_pools_instructions_and_delays_never_change_a_batch(
        resample in prop::sample::select(vec![ResamplePath::Pil, ResamplePath::Planar]),
        simd in prop::sample::select(vec![Simd::Portable, Simd::detect()]),
        cache in prop::sample::select(vec![None, Some(CacheMode::Encoded), Some(CacheMode::Decoded)]),
        budget_bytes in prop::sample::select(vec![0u64, 40_000, 1 << 30]),
        decoders in prop::sample::select(vec![1usize, 2, 3, 8]),
        readers in 0usize..3,
        augmenters in 0usize..3,
        prefetch_batches in 1usize..=8,
        delays in any::<u32>(),
    ) {
        static GARDEN: OnceLock<(tempfile::TempDir, Arc<Index>, [Vec<Walked>; 2])> = OnceLock::new();
        let (_, index, expected) = GARDEN.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            mixed_garden(folder.path());
            let index = index(folder.path());
            let pipeline = Pipeline::start(options(0, 1, 0)).unwrap();
            let walked = [ResamplePath::Pil, ResamplePath::Planar].map(|resample| {
                epochs(&index, resample, 3).into_iter().map(|spec| walk(&pipeline, spec).unwrap()).collect()
            });
            (folder, index, walked)
        });
        prop_assert_ne!(&expected[0][0], &expected[1][0], "the paths differ in their bits");
        prop_assert_eq!(&expected[0][1], &expected[1][1], "but not where views are distorted: that is done in RGB");
        // About every eighth row is late, at a stage and by a time that differ from case to case.
        let late = move |stage: StageName, record: u32| {
            let dice = twox_hash::XxHash3_64::oneshot(&[delays, record, stage as u32].map(u32::to_le_bytes).concat());
            dice.is_multiple_of(8).then_some(Trouble::Slow(dice >> 8 & 1))
        };
        let pipeline = Pipeline::start(PipelineOptions {
            prefetch_batches,
            simd,
            cache: cache.map(|mode| Arc::new(Cache::new(mode, budget_bytes))),
            sabotage: Some(Arc::new(late)),
            ..options(readers, decoders, augmenters)
        })
        .unwrap();
        for (spec, expected) in epochs(index, resample, 3).into_iter().zip(&expected[resample as usize]) {
            prop_assert_eq!(&walk(&pipeline, spec).unwrap(), expected);
        }
        if let Some(seen) = pipeline.observe().unwrap().cache {
            prop_assert!(seen.bytes <= seen.budget_bytes);
            prop_assert_eq!(seen.records == 45, budget_bytes == 1 << 30, "{:?}", seen);
        }
    }
}
