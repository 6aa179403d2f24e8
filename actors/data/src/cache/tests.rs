//! The budget, alone and under concurrency, and what counts as the same data set.

use super::*;
use crate::plan::Plan;
use crate::sampler::BoundSampler;
use crate::shard_writer::ShardWriter;
use crate::{catalog, compression::InflateBudget, phase::PhaseKind};

const RECORDS: u32 = 64;

fn phase() -> PhaseSpec {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ShardWriter::create(folder.path().join("train.tfrec")).unwrap();
    (0..RECORDS).for_each(|_| writer.write(b"any payload").unwrap());
    writer.finish().unwrap();
    let found = catalog::find(&[folder.path().to_string_lossy().into_owned()], None).unwrap();
    let index = Arc::new(Index::open(&found.train.unwrap(), &InflateBudget::default()).unwrap());
    PhaseSpec {
        kind: PhaseKind::Train,
        plan: Arc::new(Plan::new(&BoundSampler::sequential(index.len()), 1, 1, None)),
        index,
        features: FeatureNames::default(),
        batch_rows: 1,
        drop_last: false,
        first_seq: 0,
        tickets_max: None,
        views: Vec::new(),
        classes: None,
        decode: DecodeMode::Strict,
        resample: ResamplePath::Pil,
        hash_rows: false,
    }
}

fn picture(pixels: &[u8]) -> Decoded<'_> {
    Decoded::Rgb(Picture { size: Size { width: pixels.len() as u32 / 3, height: 1 }, pixels })
}

const SLOTS_BYTES: u64 = RECORDS as u64 * 16;

#[test]
fn what_is_kept_comes_back_and_is_counted() {
    let spec = phase();
    for (mode, image_bytes) in [(CacheMode::Encoded, 5), (CacheMode::Decoded, 6)] {
        let cache = Cache::new(mode, 1 << 20);
        let set = cache.of_phase(&spec).unwrap();
        assert!(set.label(3).is_none() && set.get(3).is_none());
        set.keep(3, 17, b"bytes", &picture(&[1, 2, 3, 4, 5, 6]));
        set.keep(3, 99, b"other", &picture(&[9; 9]));
        assert_eq!(set.label(3), Some(17));
        match set.get(3).unwrap() {
            Kept::Encoded(bytes) => assert_eq!((&**bytes, mode), (&b"bytes"[..], CacheMode::Encoded)),
            Kept::Decoded(stored) => {
                let Decoded::Rgb(stored) = stored.image() else { panic!("it was kept as pixels") };
                assert_eq!((stored.pixels, mode), (&[1, 2, 3, 4, 5, 6][..], CacheMode::Decoded));
            }
        }
        let seen = cache.observe();
        assert_eq!((seen.records, seen.bytes), (1, SLOTS_BYTES + image_bytes + ENTRY_OVERHEAD_BYTES));
        assert!(!seen.full);
    }
}

#[test]
fn a_full_cache_goes_on_without_the_records_that_do_not_fit() {
    let spec = phase();
    let budget = SLOTS_BYTES + 2 * (ENTRY_OVERHEAD_BYTES + 30) + 3;
    let cache = Cache::new(CacheMode::Decoded, budget);
    let set = cache.of_phase(&spec).unwrap();
    for record in 0..4 {
        set.keep(record, 0, b"", &picture(&[0; 30]));
    }
    let kept: Vec<bool> = (0..4).map(|record| set.label(record).is_some()).collect();
    assert_eq!(kept, [true, true, false, false]);
    let seen = cache.observe();
    assert_eq!((seen.records, seen.bytes, seen.full), (2, budget - 3, true));
}

#[test]
fn one_huge_record_does_not_turn_the_others_away() {
    let cache = Cache::new(CacheMode::Decoded, SLOTS_BYTES + 3 * (ENTRY_OVERHEAD_BYTES + 3_000));
    let set = cache.of_phase(&phase()).unwrap();
    set.keep(0, 0, b"", &picture(&[0; 3_000]));
    set.keep(1, 0, b"", &picture(&[0; 300_000]));
    assert_eq!((set.keeps(), cache.observe().full), (Some(CacheMode::Decoded), true));
    (2..6).for_each(|record| set.keep(record, 0, b"", &picture(&[0; 3_000])));
    let kept: Vec<bool> = (0..6).map(|record| set.label(record).is_some()).collect();
    assert_eq!(kept, [true, false, true, true, false, false]);
    assert_eq!(set.keeps(), None, "not even a usual record fits any more");
}

#[test]
fn without_room_for_the_slots_there_is_no_set() {
    let cache = Cache::new(CacheMode::Encoded, SLOTS_BYTES - 1);
    assert!(cache.of_phase(&phase()).is_none());
    assert!(cache.observe().full);
}

#[test]
fn the_budget_holds_under_concurrency_and_every_byte_is_accounted_for() {
    let spec = phase();
    let budget = SLOTS_BYTES + 20 * (ENTRY_OVERHEAD_BYTES + 300);
    let cache = Cache::new(CacheMode::Decoded, budget);
    let set = cache.of_phase(&spec).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for record in 0..RECORDS {
                    set.keep(record, 0, b"", &picture(&[7; 300]));
                    assert!(cache.observe().bytes <= budget);
                }
            });
        }
    });
    let kept = (0..RECORDS).filter(|record| set.label(*record).is_some()).count() as u64;
    let seen = cache.observe();
    // A worker that lost a race gave its bytes back, perhaps after another found no room.
    assert!(kept > 0 && kept <= 20, "{kept}");
    assert_eq!((seen.records, seen.bytes), (kept, SLOTS_BYTES + kept * (ENTRY_OVERHEAD_BYTES + 300)));
}

#[test]
fn another_way_of_reading_is_another_set() {
    let cache = Cache::new(CacheMode::Encoded, 1 << 20);
    let spec = phase();
    let set = cache.of_phase(&spec).unwrap();
    assert!(Arc::ptr_eq(&set, &cache.of_phase(&spec.clone()).unwrap()));
    let others = [
        PhaseSpec { classes: Some(104), ..spec.clone() },
        PhaseSpec { decode: DecodeMode::Lenient, ..spec.clone() },
        PhaseSpec { features: FeatureNames { image: Some("photo".to_owned()), ..Default::default() }, ..spec },
        phase(),
    ];
    for other in &others {
        assert!(!Arc::ptr_eq(&set, &cache.of_phase(other).unwrap()));
    }
}
