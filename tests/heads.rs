//! Nets of two heads, losses of several pictures, and memory told beforehand.
//! Not here: the numbers of losses and estimates, which the training crate tests.

use std::fs;

use serde_json::Value;

use crate::common::{Place, garden};

/// Triplets of a user's own making.
const RECIPE: &str = r#"
name = "two-heads"
[net]
kind = "xresnet"
stem = { kind = "conv", widths = [8, 8, 64] }
block = { kind = "basic" }
layers = [1, 1, 1, 1]
[head]
kind = "classify_and_embed"
embedding = 16
[loss]
kind = "triplet"
[optimizer]
kind = "adamw"
lr = 1e-3
[[stage]]
epochs = 2
source_px = 32
input_px = 32
batch_size = 8
sampler = { kind = "file", file = "triplets.jsonl" }
[evaluation]
source_px = 32
resize_px = 32
input_px = 32
[execution]
cpu_threads = 1
"#;

/// The same net with one head.
const ONE_HEAD: &str =
    r#"--set head={kind="classify"} --set loss={kind="cross_entropy"} --set stage.0.sampler={kind="shuffled"}"#;

/// A small garden, the recipe, and 20 tickets of three pictures.
fn place() -> Place {
    let place = Place::new();
    garden(&place.path("garden"), 24, 8, 32);
    fs::write(place.path("two-heads.toml"), RECIPE).expect("the place is writable");
    let words = format!("data dump --data garden --recipe two-heads.toml {ONE_HEAD} --batches 3 --out dump");
    place.run(&words).expect_code(0);
    let tickets = fs::read_to_string(place.path("dump/tickets.jsonl")).expect("it was dumped");
    let id = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["id"].clone();
    let ids: Vec<Value> = tickets.lines().map(id).collect();
    let triplet = |ids: &[Value]| format!("{}\n", serde_json::json!({ "ids": ids }));
    let triplets: String = ids.windows(3).take(20).map(triplet).collect();
    fs::write(place.path("triplets.jsonl"), triplets).expect("the place is writable");
    place
}

fn series(place: &Place, out: &str) -> std::path::PathBuf {
    let entry = fs::read_dir(place.path(out)).expect("runs").next().expect("a series");
    entry.expect("an entry").path()
}

/// Names of the tensors in a safetensors file.
fn tensors(place: &Place, name: &str) -> Vec<String> {
    let bytes = fs::read(place.path(name)).expect("it was written");
    let length = u64::from_le_bytes(*bytes.first_chunk().expect("a header")) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).expect("JSON");
    header.as_object().expect("tensors by name").keys().filter(|name| *name != "__metadata__").cloned().collect()
}

#[test]
fn a_net_of_two_heads_trains_scores_goes_out_and_starts_others() {
    let place = place();
    place.run("train two-heads.toml --data garden --rules none --seed 1 --device cpu --out runs").expect_code(0);
    let series = series(&place, "runs");
    let report: Value =
        serde_json::from_slice(&fs::read(series.join("report.json")).expect("there")).expect("valid JSON");
    assert_eq!(report["runs"][0]["steps"], 4);
    assert_eq!(report["peak_device_bytes"], Value::Null);
    let run = series.join("seed-1").display().to_string();
    let scored = place.run(&format!("evaluate {run} --data garden --device cpu --format json")).expect_code(0).json();
    assert_eq!(scored["accuracy"], report["runs"][0]["accuracy"]);

    let export = |layout: &str, out: &str| place.run(&format!("export {run} --layout {layout} --out {out}"));
    let told = export("native", "native.safetensors").expect_code(0).stdout;
    assert!(!told.contains("left out"), "{told}");
    let own = tensors(&place, "native.safetensors");
    assert!(["embedding.weight", "embedding.bias"].iter().all(|key| own.iter().any(|name| name == key)));
    let told = export("fastai", "fastai.safetensors").expect_code(0).stdout;
    assert!(told.contains("left out: embedding.weight, embedding.bias"), "{told}");
    let theirs = tensors(&place, "fastai.safetensors");
    assert!(theirs.iter().all(|name| !name.starts_with("embedding")) && theirs.contains(&"11.weight".to_owned()));

    // A net of two heads takes over all but the second from a file without it, and all of a checkpoint.
    for (from, fate) in [("fastai.safetensors", "initialised"), (run.as_str(), "copied")] {
        let words =
            format!("train two-heads.toml --data garden --rules none --seed 1 --out b --max-steps 1 --from {from}");
        place.run(&words).expect_code(0);
        let account = self::series(&place, "b").join("seed-1/transfer.json");
        let account: Value = serde_json::from_slice(&fs::read(account).expect("there")).expect("valid JSON");
        let layers = account["layers"].as_array().expect("layers");
        let fates: Vec<_> =
            layers.iter().filter(|layer| layer["fate"] != "copied").map(|layer| &layer["layer"]).collect();
        let expected: &[&str] = if fate == "copied" { &[] } else { &["embedding"] };
        assert_eq!(fates, expected, "{from}");
        fs::remove_dir_all(place.path("b")).expect("it is there");
    }
    // A file without the second head is scored as the net of one head that it holds.
    let words = format!("evaluate fastai.safetensors --recipe two-heads.toml {ONE_HEAD} --data garden --format json");
    let again = place.run(&words).expect_code(0).json();
    assert_eq!(again["accuracy"], scored["accuracy"]);
}

#[test]
fn memory_is_told_before_a_run_and_what_would_not_fit_is_refused() {
    let place = place();
    let memory =
        place.run("recipes check two-heads.toml --memory --format json").expect_code(0).json()["memory"].take();
    let (bytes, stage) = (memory["bytes"].as_u64().expect("bytes"), &memory["stages"][0]);
    let number = |key: &str| stage[key].as_u64().expect("a number");
    assert_eq!(
        bytes,
        number("fixed_bytes") + 8 * number("row_bytes") + memory["context_bytes"].as_u64().expect("bytes")
    );
    // Three views of 32 px through a small net: weights, state and gradients are tens of MiB, a row some hundred KiB.
    assert!((10 << 20..200 << 20).contains(&number("fixed_bytes")), "{memory}");
    assert!((100 << 10..8 << 20).contains(&number("row_bytes")), "{memory}");
    let text = place.run("recipes check two-heads.toml --memory --rules none").expect_code(0).stdout;
    assert!(text.contains("memory: a run is estimated to take 0."), "{text}");

    let train = "train two-heads.toml --data garden --rules none --seed 1 --device cpu --max-steps 1 --out";
    let refused = place.run(&format!("{train} small --device-memory-limit 400MiB")).expect_code(2).stderr;
    assert!(refused.contains("stage.0 would not fit: batches of 8 are estimated to take 0."), "{refused}");
    assert!(!place.path("small").exists(), "nothing is begun");
    let trained = place.run(&format!("{train} large --device-memory-limit 4GiB")).expect_code(0).stderr;
    assert!(trained.contains("GiB of device memory of 4.0; the limit binds no run on a CPU"), "{trained}");
    place.run(&format!("{train} wrong --device-memory-limit 4GB")).expect_code(2);
}
