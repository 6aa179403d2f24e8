//! Tickets of several records and of several views: bit for bit the same however they are made, each with one outcome.

use std::sync::Arc;

use fastgarden_data::batch_hash::BatchHash;
use fastgarden_data::cache::{Cache, CacheMode};
use fastgarden_data::columns::Columns;
use fastgarden_data::example::FeatureNames;
use fastgarden_data::fault::FaultKind;
use fastgarden_data::geometry::Size;
use fastgarden_data::index::Index;
use fastgarden_data::outcome::{Quarantined, Tally, Use};
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::plan::{Occasion, Plan};
use fastgarden_data::sabotage::Trouble;
use fastgarden_data::sampler::{EpochsFile, Population, Sampler};
use fastgarden_data::shared::StageName;
use fastgarden_data::ticket::Transform;

use crate::common::{BATCH_ROWS, example, index, jpeg, phase, shard, small_garden, transform};

const SIDES: [u32; 3] = [24, 16, 32];

/// A phase of what a sampler draws, in views of these sides.
fn phase_of(index: &Arc<Index>, sampler: &Sampler, sides: &[u32], cap: Option<u64>) -> PhaseSpec {
    let columns = Columns::read(index, &FeatureNames::default()).expect("the shards are readable");
    let population = Population::all(index.len()).with_columns(&columns, Some(7));
    let bound = sampler.bind(&population).expect("every class has several records");
    let plan = Plan::of(&bound, &Occasion { seed: 7, epoch: 1, cap, losses: &[] });
    let view = |&side: &u32| Transform { size: Size { width: side, height: side }, ..transform() };
    PhaseSpec { plan: Arc::new(plan), views: sides.iter().map(view).collect(), ..phase(index, 7, cap) }
}

/// Room for three views.
fn wide(readers: usize, decoders: usize, augmenters: usize) -> PipelineOptions {
    let bytes = BATCH_ROWS * SIDES.iter().map(|side| (side * side * 3) as usize).sum::<usize>();
    PipelineOptions { readers, decoders, augmenters, ..PipelineOptions::new(bytes, BATCH_ROWS) }
}

/// What a phase came to: every view's pixels and labels, row after row.
#[derive(Debug, PartialEq, Eq)]
struct Walked {
    batch_hash: String,
    views: Vec<Vec<Vec<u8>>>,
    labels: Vec<Vec<i64>>,
    quarantined: Vec<Quarantined>,
    tally: Tally,
}

fn walk(pipeline: &Pipeline, spec: PhaseSpec) -> Walked {
    let (mut chain, mut quarantined) = (BatchHash::default(), Vec::new());
    let sizes: Vec<usize> = spec.views.iter().map(|view| view.size.px() as usize * 3).collect();
    let (mut views, mut labels) = (vec![Vec::new(); sizes.len()], vec![Vec::new(); sizes.len()]);
    let mut batches = pipeline.open(spec).expect("it opens");
    for batch in batches.by_ref() {
        let mut batch = batch.expect("it is made");
        assert_eq!(batch.tickets().count(), batch.len());
        for (view, &bytes) in sizes.iter().enumerate() {
            assert_eq!(batch.view(view).len(), batch.len() * bytes);
            views[view].extend(batch.view(view).chunks_exact(bytes).map(<[u8]>::to_vec));
            labels[view].extend_from_slice(batch.view_labels(view));
        }
        chain.update(batch.digests(), sizes.len());
        quarantined.extend_from_slice(batch.quarantined());
        batch.settle(Use::Trained);
    }
    let tally = batches.finish().expect("it ends");
    Walked { batch_hash: chain.hex(), views, labels, quarantined, tally }
}

/// The samplers whose tickets have several records, and one whose single records are shown in several sizes.
fn samplers() -> [Sampler; 3] {
    [Sampler::Triplet { tickets: None }, Sampler::Siamese { same_share: 0.5, tickets: Some(50) }, Sampler::Shuffled]
}

fn sides(sampler: &Sampler) -> &'static [u32] {
    if matches!(sampler, Sampler::Siamese { .. }) { &SIDES[..2] } else { &SIDES }
}

#[test]
fn pools_caches_and_delays_never_change_a_ticket_of_several_views() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 42);
    let index = index(folder.path());
    for sampler in samplers() {
        let spec = || phase_of(&index, &sampler, sides(&sampler), None);
        let expected = walk(&Pipeline::start(wide(0, 1, 0)).unwrap(), spec());
        assert_eq!(expected.tally.trained, expected.tally.issued);
        for (readers, decoders, augmenters, cache) in
            [(1, 2, 1, None), (2, 5, 2, None), (0, 3, 0, Some(CacheMode::Encoded)), (1, 2, 1, Some(CacheMode::Decoded))]
        {
            let late =
                |stage: StageName, record: u32| (record + stage as u32).is_multiple_of(5).then_some(Trouble::Slow(1));
            let pipeline = Pipeline::start(PipelineOptions {
                cache: cache.map(|mode| Arc::new(Cache::new(mode, 1 << 30))),
                sabotage: Some(Arc::new(late)),
                ..wide(readers, decoders, augmenters)
            });
            let pipeline = pipeline.unwrap();
            // The second time what is kept is used.
            for _ in 0..2 {
                assert_eq!(walk(&pipeline, spec()), expected, "{}: {readers} {decoders} {augmenters}", sampler.name());
            }
        }
    }
}

#[test]
fn a_view_shows_what_its_record_alone_would_and_has_its_label() {
    let folder = tempfile::tempdir().unwrap();
    small_garden(folder.path(), 42);
    let index = index(folder.path());
    let pipeline = Pipeline::start(wide(1, 2, 1)).unwrap();
    for sampler in samplers() {
        let spec = phase_of(&index, &sampler, sides(&sampler), None);
        let plan = Arc::clone(&spec.plan);
        let walked = walk(&pipeline, spec);
        let of_view = |seq: u64, view| plan.ticket(seq).records.of_view(view);
        for (view, labels) in walked.labels.iter().enumerate() {
            let expected: Vec<i64> = (0..plan.tickets()).map(|seq| i64::from(of_view(seq, view)) % 7).collect();
            assert_eq!(labels, &expected, "{}, view {view}", sampler.name());
        }
        // The anchors as tickets of their own.
        let line = |seq| format!("{{\"ids\":[\"{:09}\"]}}\n", of_view(seq, 0));
        let anchors: String = (0..plan.tickets()).map(line).collect();
        let alone = Sampler::File(Arc::new(EpochsFile::from_jsonl(&anchors).expect("tickets")));
        let alone = walk(&pipeline, phase_of(&index, &alone, &SIDES[..1], None));
        assert_eq!(walked.views[0], alone.views[0], "{}", sampler.name());
    }
}

#[test]
fn a_bad_record_costs_the_tickets_that_show_it_and_the_cap_counts_tickets() {
    let folder = tempfile::tempdir().unwrap();
    let mut payloads: Vec<_> =
        (0..42).map(|number| example(&jpeg(number, 40), i64::from(number % 7), &format!("{number:09}"))).collect();
    payloads[5] = example(b"not a picture", 5, "000000005");
    shard(&folder.path().join("train.tfrec"), &payloads);
    let index = index(folder.path());
    for (readers, decoders, augmenters) in [(0, 1, 0), (2, 3, 1)] {
        let pipeline = Pipeline::start(wide(readers, decoders, augmenters)).unwrap();
        for sampler in samplers() {
            for cap in [None, Some(20)] {
                let spec = phase_of(&index, &sampler, sides(&sampler), cap);
                let plan = Arc::clone(&spec.plan);
                assert!(plan.tickets() <= cap.unwrap_or(50));
                let hit: Vec<u64> =
                    (0..plan.tickets()).filter(|&seq| plan.ticket(seq).records.all().contains(&5)).collect();
                let walked = walk(&pipeline, spec);
                let found: Vec<_> = walked.quarantined.iter().map(|row| (row.seq, row.record, row.kind)).collect();
                let expected: Vec<_> = hit.iter().map(|&seq| (seq, 5, FaultKind::NotAnImage)).collect();
                assert_eq!(found, expected, "{} {cap:?}", sampler.name());
                let (issued, quarantined) = (plan.tickets(), hit.len() as u64);
                let trained = issued - quarantined;
                assert_eq!(walked.tally, Tally { issued, trained, quarantined, ..Tally::default() });
            }
        }
    }
}
