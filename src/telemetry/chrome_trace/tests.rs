//! Traces of made-up spans, read back as JSON.

use serde_json::Value;
use tracing_subscriber::prelude::*;

use super::*;

/// The events of a trace that `work` was recorded in.
fn trace_of(bytes_max: u64, work: impl FnOnce()) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let trace = ChromeTrace::create_with(&path, bytes_max).unwrap();
    let subscriber = tracing_subscriber::registry().with(trace.clone().with_filter(targets()));
    tracing::subscriber::with_default(subscriber, work);
    trace.finish();
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn chunk(batch: u64, row: u64) {
    let _span = tracing::trace_span!(
        target: "fastgarden::chunk", "chunk", stage = "decode", phase = 1_u64, batch, row, rows = 16_u64
    )
    .entered();
}

fn step(batch: u64) {
    let _span =
        tracing::trace_span!(target: "fastgarden::batch", "step", phase = 1_u64, batch, step = batch + 1).entered();
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["ph"] == kind).collect()
}

#[test]
fn every_arrow_that_begins_in_a_chunk_ends_in_its_step() {
    let events = trace_of(BYTES_MAX, || {
        for batch in 0..3 {
            chunk(batch, 0);
            chunk(batch, 16);
            step(batch);
        }
    });
    assert_eq!(of_kind(&events, "X").len(), 9);
    let ids = |kind| of_kind(&events, kind).iter().map(|event| event["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids("s"), [1, 2, 3, 4, 5, 6]);
    assert_eq!(ids("s"), ids("f"));
    let (begins, ends) = (of_kind(&events, "s")[0]["ts"].as_f64(), of_kind(&events, "f")[0]["ts"].as_f64());
    assert!(begins <= ends, "{begins:?} {ends:?}");
}

#[test]
fn threads_have_tracks_with_their_names() {
    let events = trace_of(BYTES_MAX, || {
        step(0);
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let other = std::thread::Builder::new().name("decode-7".to_owned());
        let work = move || tracing::dispatcher::with_default(&dispatch, || chunk(0, 0));
        other.spawn(work).unwrap().join().unwrap();
    });
    let named = of_kind(&events, "M").into_iter().find(|event| event["args"]["name"] == "decode-7").unwrap();
    let decoded = events.iter().find(|event| event["name"] == "decode").unwrap();
    assert_eq!(decoded["tid"], named["tid"]);
    assert_ne!(decoded["tid"], events.iter().find(|event| event["name"] == "step").unwrap()["tid"]);
}

#[test]
fn moments_become_counters() {
    let count = fastgarden_proto::observe::Count { credits_free: 3, credits_in_slabs: 61, ..Default::default() };
    let moment = Moment { count: Some(count), ..Moment::default() };
    let events = trace_of(BYTES_MAX, || counters(0, &moment));
    let credits = of_kind(&events, "C").into_iter().find(|event| event["name"] == "credits").unwrap();
    assert_eq!(credits["args"], serde_json::json!({"free": 3, "in slabs": 61}));
}

#[test]
fn of_a_moment_all_counters_are_recorded_or_none() {
    let moment = Moment {
        count: Some(fastgarden_proto::observe::Count::default()),
        held: Some(fastgarden_proto::observe::Held::default()),
        trainer: Some(fastgarden_proto::observe::Trainer::default()),
        ..Moment::default()
    };
    let events = trace_of(80_000, || (0..2_000).for_each(|number| counters(number, &moment)));
    let tracks: Vec<_> = of_kind(&events, "C").iter().map(|event| event["name"].clone()).collect();
    let whole = ["credits", "queue readiness, %", "bytes", "images per second"];
    let moments = tracks.chunks(whole.len());
    assert!((40..1_000).contains(&moments.len()), "{} moments", moments.len());
    assert!(moments.into_iter().all(|tracks| tracks == whole));
}

#[test]
fn a_long_run_is_thinned_out_and_never_outgrows_its_bound() {
    const BOUND: u64 = 80_000;
    let mut batches = 0;
    let events = trace_of(BOUND, || {
        for batch in 0..5_000 {
            chunk(batch, 0);
            step(batch);
            batches += 1;
        }
    });
    let text: usize = events.iter().map(|event| event.to_string().len()).sum();
    assert!(text as u64 <= BOUND, "{text} bytes");
    let steps: Vec<u64> = events
        .iter()
        .filter(|event| event["name"] == "step")
        .map(|event| event["args"]["batch"].as_u64().unwrap())
        .collect();
    assert_eq!(steps[..3], [0, 1, 2]);
    let last = *steps.last().unwrap();
    assert!(last > batches / 2, "the end is not covered: {last} of {batches}");
    assert_eq!(of_kind(&events, "s").len(), of_kind(&events, "f").len());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_trace_and_nothing_else() {
    let trace = ChromeTrace::create(Path::new("/dev/full")).unwrap();
    let subscriber = tracing_subscriber::registry().with(trace.clone().with_filter(targets()));
    tracing::subscriber::with_default(subscriber, || (0..1_000).for_each(step));
    assert!(lock(&trace.0).file.is_none());
    trace.finish();
}
