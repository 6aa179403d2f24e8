//! `bench`: what it counts and what stays the same, whatever it is asked for. Never how fast it is.

use crate::common::{Place, garden};
use fastgarden_data::shard_writer::ShardWriter;

/// A garden of 96 training pictures, and the words that measure it once.
fn place() -> Place {
    let place = Place::new();
    garden(&place.path("garden"), 96, 8, 48);
    place
}

#[test]
fn batches_are_counted_whole_and_the_hash_is_that_of_the_tickets() {
    let place = place();
    let bench = |words: &str| {
        place
            .run(&format!("bench --data garden --images 300 --batch-size 16 --format json {words}"))
            .expect_code(0)
            .json()
    };
    let plain = bench("");
    assert!(plain["ceiling_images_per_s"].as_f64().is_some_and(|rate| rate > 0.0), "{plain}");
    assert_eq!(plain["slices_images_per_s"].as_array().map(Vec::len), Some(2), "{plain}");
    assert!(plain["cache"].is_null() && plain["cpu_budget"].is_null(), "{plain}");
    for words in [
        "--no-ceiling",
        "--no-ceiling --cache encoded",
        "--cache decoded",
        "--no-ceiling --no-hash --readers 0 --decoders 3",
        "--cpu-budget 60%",
        "--stand-in-read-ms 1 --readers 8",
    ] {
        let seen = bench(words);
        assert_eq!((&seen["images"], &seen["batch_hash"]), (&plain["images"], &plain["batch_hash"]), "{words}");
        assert_eq!(seen["images"], 304, "150 and what is left, in batches of 16: {words}");
        assert_eq!(seen["ceiling_images_per_s"].is_null(), !words.starts_with("--cache decoded"), "{words}");
        assert!(seen["cpu_s_per_1000_images"].as_f64().is_some_and(|seconds| seconds > 0.0), "{words}");
        let (bottleneck, verdict) = (seen["bottleneck"].as_str(), seen["verdict"].as_str());
        let known = ["read", "decode", "augment", "sequence", "trainer", "balanced"];
        assert!(bottleneck.is_some_and(|name| known.contains(&name)) && verdict.is_some(), "{words}");
        if words.contains("--cache") {
            let (cache, before) = (&seen["cache"], &seen["images_before_measuring"]);
            assert_eq!((&cache["records"], &cache["full"], before), (&96.into(), &false.into(), &96.into()), "{words}");
            assert_eq!(seen["stages"][0]["busy_share"].as_f64().map(|share| share < 0.5), Some(true), "{words}");
        }
        if words.contains("--cpu-budget") {
            assert_eq!(seen["cpu_budget"]["share"], 0.6);
        }
    }
}

#[test]
fn a_trace_shows_the_pipeline_at_its_full_rate() {
    let place = place();
    let words = "bench --data garden --images 96 --batch-size 16 --no-ceiling --trace trace.json";
    place.run(words).expect_code(0);
    let text = std::fs::read_to_string(place.path("trace.json")).expect("the trace");
    let events: Vec<serde_json::Value> = serde_json::from_str(&text).expect("whole JSON");
    let named = |name: &str| events.iter().filter(|event| event["ph"] == "X" && event["name"] == name).count();
    assert!(named("decode") >= 6 && named("step") >= 6, "{} chunks, {} steps", named("decode"), named("step"));
    let ends = |kind: &str| events.iter().filter(|event| event["ph"] == kind).count();
    assert!(ends("f") >= 6 && ends("s") >= ends("f"), "{} arrows begin, {} end", ends("s"), ends("f"));
}

#[test]
fn a_set_without_a_usable_record_is_bad_data() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("data/train")).expect("a folder");
    let mut writer = ShardWriter::create(place.path("data/train/00-3.tfrec")).expect("a shard");
    (0..3).for_each(|_| writer.write(b"no example").expect("a record"));
    writer.finish().expect("a whole shard");
    let output = place.run("bench --data data --images 1 --no-ceiling").expect_code(3);
    assert!(output.stderr.contains("none of the 3 records can be used"), "{}", output.stderr);
}

#[test]
fn the_resample_path_is_told_and_each_has_its_own_bits() {
    let place = place();
    let bench = |words: &str| {
        let words = format!("bench --data garden --images 64 --batch-size 16 --no-ceiling --format json {words}");
        place.run(&words).expect_code(0).json()
    };
    let (plain, pil, planar) = (bench(""), bench("--resample pil"), bench("--resample planar"));
    assert_eq!((&plain["resample"], &planar["resample"]), (&"pil".into(), &"planar".into()));
    assert_eq!(plain["batch_hash"], pil["batch_hash"]);
    assert_ne!(plain["batch_hash"], planar["batch_hash"]);
    let by_cache = bench("--resample planar --cache decoded");
    assert_eq!(by_cache["batch_hash"], planar["batch_hash"]);
}

#[test]
fn a_recipes_cache_and_its_budget_are_used_and_told() {
    let place = place();
    let words = "bench --data garden --recipe seedling --set stage.0.source_px=48 --set execution.cache=decoded \
                 --set execution.cache_bytes=100KiB --images 64 --no-ceiling --format";
    let seen = place.run(&format!("{words} json")).expect_code(0).json();
    let cache = &seen["cache"];
    assert_eq!(
        (&cache["mode"], &cache["full"], &cache["budget_bytes"]),
        (&"decoded".into(), &true.into(), &102_400.into())
    );
    assert!(cache["records"].as_u64().is_some_and(|records| records > 0 && records < 96), "{cache}");
    let text = place.run(&format!("{words} text")).expect_code(0).stdout;
    assert!(text.contains("cache decoded: 1") && text.contains("it is full"), "{text}");
    assert!(text.contains("CPU seconds per 1,000 images"), "{text}");
}

#[test]
fn wrong_budgets_say_what_a_budget_is() {
    let place = place();
    for (words, expected) in [
        ("bench --data garden --cpu-budget 40", "such as \"40%\""),
        ("train --data garden --set execution.cpu_budget=0%", "`execution.cpu_budget` is \"0%\""),
        ("train --data garden --set execution.cache_bytes=lots", "such as \"4GiB\""),
        ("train --data garden --set execution.cache=decodd", "did you mean `decoded`?"),
    ] {
        let output = place.run(words).expect_code(2);
        assert!(output.stderr.contains(expected), "{}", output.stderr);
    }
}
