//! `train` and `evaluate` as a user meets them: reports, kills, resumes, refusals. Tiny nets on a tiny garden.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::{Output, Place, garden};

/// Its net has every kind of state: norms, a deconvolution that freezes, self-attention with its power iteration.
const RECIPE: &str = r#"
name = "tiny"
summary = "for tests"
[net]
kind = "xresnet"
stem = { kind = "deconv", widths = [8, 8, 64], freeze_after = [2, 0, 0] }
block = { kind = "basic" }
layers = [1, 1, 1, 1]
squeeze_excite = 8
self_attention = true
outputs = 104
[optimizer]
kind = "sgd"
lr = 0.01
clip_norm = 5
group = [{ match = "*.bias", lr_factor = 2.0, decay = false }]
[ema]
decay = 0.7
[[stage]]
epochs = 3
source_px = 48
input_px = 32
batch_size = 8
drop_last = true
crop = { kind = "random_resized", min_scale = 0.35 }
cpu_augment = "jitter"
schedule = { kind = "flat_cos", flat_share = 0.5 }
[evaluation]
source_px = 48
resize_px = 40
input_px = 32
[checkpoint]
every_steps = 4
every_seconds = 0
keep = 2
[execution]
cpu_threads = 1
"#;

/// A place with a garden of 70 + 20 pictures and a recipe.
pub struct Nursery {
    /// Where its program runs.
    pub place: Place,
}

impl Nursery {
    /// With nothing trained yet.
    pub fn new() -> Self {
        let place = Place::new();
        garden(&place.path("garden"), 70, 20, 48);
        fs::write(place.path("tiny.toml"), RECIPE).unwrap();
        Self { place }
    }

    /// A file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    /// Trains to the end.
    pub fn train(&self, out: &str, more: &str) -> Output {
        self.place.run(&format!("train tiny.toml --data garden --out {out} --rules none --device cpu {more}"))
    }

    /// Starts a training and waits until it has committed the named checkpoint.
    pub fn start_until(&self, out: &str, checkpoint: &str) -> Child {
        // Whoever runs the tests may have them ignore SIGHUP, as `nohup` does.
        let by: &[&str] = if cfg!(target_os = "linux") { &["env", "--default-signal=HUP"] } else { &["env"] };
        let words = format!("train tiny.toml --data garden --out {out} --rules none --device cpu");
        let mut command = self.place.command_by(by, &words);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        loop {
            let folder = series(&self.path(out)).map(|series| series.join("seed-1/checkpoints").join(checkpoint));
            if folder.is_some_and(|folder| folder.is_dir()) {
                return child;
            }
            assert!(child.try_wait().unwrap().is_none(), "the training ended before its checkpoint {checkpoint}");
            std::thread::yield_now();
        }
    }
}

/// The newest series.
pub fn series(out: &Path) -> Option<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(out).ok()?.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.pop()
}

/// Its report.
pub fn report(out: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(series(out).unwrap().join("report.json")).unwrap()).unwrap()
}

/// What must not depend on interruptions.
pub fn essence(out: &Path) -> (Value, Value, Value, Value, String) {
    let run = report(out)["runs"][0].clone();
    let ledger = fs::read_to_string(series(out).unwrap().join("seed-1/ledger.jsonl")).unwrap();
    (
        run["weights_sha256"].clone(),
        run["batch_hash"].clone(),
        run["accuracy"].clone(),
        run["ledger_head"].clone(),
        ledger,
    )
}

#[test]
fn a_series_is_trained_reported_and_evaluated_alike() {
    let place = Nursery::new();
    let output = place.train("runs", "--runs 2 --report copy.json");
    assert_eq!(output.code, 0, "{}", output.stderr);
    let report = report(&place.path("runs"));
    assert_eq!(report, serde_json::from_str::<Value>(&fs::read_to_string(place.path("copy.json")).unwrap()).unwrap());
    assert_eq!((&report["version"], report["runs"].as_array().unwrap().len()), (&1.into(), 2));
    for run in report["runs"].as_array().unwrap() {
        assert_eq!(run["steps"], 24, "3 epochs of 70 / 8 whole batches");
        for epoch in run["epochs"].as_array().unwrap() {
            let examples = serde_json::json!({"issued": 70, "trained": 64, "quarantined": 0, "dropped_last": 6});
            assert_eq!(epoch["examples"], examples);
            assert!(epoch["train_loss"].as_f64().unwrap() > 0.0);
        }
    }
    assert_ne!(report["runs"][0]["batch_hash"], report["runs"][1]["batch_hash"]);
    assert_eq!(report["of_mean_weights"], true);
    assert!(report["accuracy_std_population"].is_f64() && report["accuracy_std_sample"].is_f64());
    assert!(output.stdout.contains("over 2 runs"), "{}", output.stdout);

    let seed = series(&place.path("runs")).unwrap().join("seed-2");
    let lines = fastgarden_data::ledger::read(&seed.join("ledger.jsonl")).unwrap();
    assert_eq!(lines.len(), 1 + 24 + 3);
    let evaluate = format!("evaluate {} --data garden --device cpu --format json", seed.display());
    let evaluated = place.place.run(&evaluate).expect_code(0).json();
    assert_eq!(evaluated["accuracy"], report["runs"][1]["accuracy"]);
    assert_eq!(evaluated["valid_loss"], report["runs"][1]["epochs"][2]["valid_loss"]);
}

#[test]
fn caches_and_budgets_change_no_weight_and_are_told() {
    let place = Nursery::new();
    assert_eq!(place.train("plain", "--seed 1").code, 0);
    let output = place.train("quick", "--seed 1 --cpu-budget 50% --set execution.cache=decoded");
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(essence(&place.path("plain")), essence(&place.path("quick")));
    assert_eq!(output.stderr.matches("cache decoded: ").count(), 1, "{}", output.stderr);
    assert!(report(&place.path("plain"))["cache"].is_null());
    let cache = report(&place.path("quick"))["cache"].clone();
    // Every picture that was used: at least those of one epoch and the validation, at most all.
    assert!(cache["records"].as_u64().is_some_and(|records| (84..=90).contains(&records)), "{cache}");
}

#[test]
fn a_kill_in_mid_epoch_changes_nothing_but_the_attempts() {
    let place = Nursery::new();
    assert_eq!(place.train("whole", "").code, 0);
    let mut child = place.start_until("killed", "2-12");
    child.kill().unwrap();
    child.wait().unwrap();
    let output = place.train("killed", "--resume");
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(essence(&place.path("killed")), essence(&place.path("whole")));
    let attempts = report(&place.path("killed"))["runs"][0]["attempts"].clone();
    let attempts = attempts.as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert!(attempts[1]["from_step"].as_u64().unwrap() >= 12, "it did not start over: {attempts:?}");
    assert_eq!(attempts[1]["to_step"], 24);
    assert!(output.stderr.contains("resumed at step"), "{}", output.stderr);
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_everything_and_says_how_to_go_on() {
    let place = Nursery::new();
    assert_eq!(place.train("whole", "").code, 0);
    let child = place.start_until("stopped", "1-4");
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let ended = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{told}");
    assert!(told.contains("train tiny.toml") && told.contains("--resume"), "{told}");
    let output = place.train("stopped", "--resume");
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(essence(&place.path("stopped")), essence(&place.path("whole")));
}

#[test]
fn resuming_a_finished_series_trains_nothing() {
    let place = Nursery::new();
    assert_eq!(place.train("runs", "").code, 0);
    let before = (essence(&place.path("runs")), report(&place.path("runs"))["runs"].clone());
    assert_eq!(place.train("runs", "--resume").code, 0);
    assert_eq!((essence(&place.path("runs")), report(&place.path("runs"))["runs"].clone()), before);
    let output = place.train("runs", "--resume --set optimizer.lr=0.5");
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("optimizer.lr"), "{}", output.stderr);
}

#[test]
fn a_run_goes_on_with_its_own_data_or_not_at_all() {
    let nursery = Nursery::new();
    assert_eq!(nursery.train("runs", "--max-steps 5").code, 0);
    let before = report(&nursery.path("runs"));
    garden(&nursery.path("other"), 80, 20, 48);
    let words = "train tiny.toml --data other --out runs --rules none --device cpu --max-steps 5 --resume";
    let output = nursery.place.run(words).expect_code(2);
    assert!(output.stderr.contains("other training data"), "{}", output.stderr);
    assert_eq!(report(&nursery.path("runs")), before, "what is refused leaves the report alone");
}

#[test]
fn a_run_whose_checkpoints_are_all_damaged_is_not_begun_anew() {
    let nursery = Nursery::new();
    assert_eq!(nursery.train("runs", "").code, 0);
    let seed = series(&nursery.path("runs")).unwrap().join("seed-1");
    let before = fs::read(seed.join("ledger.jsonl")).unwrap();
    for checkpoint in fs::read_dir(seed.join("checkpoints")).unwrap() {
        crate::common::flip(&checkpoint.unwrap().path().join("state.safetensors"), 5_000);
    }
    let output = nursery.train("runs", "--resume").expect_code(2);
    assert!(output.stderr.contains("are damaged"), "{}", output.stderr);
    assert_eq!(fs::read(seed.join("ledger.jsonl")).unwrap(), before);
}

#[test]
fn a_series_keeps_the_runs_it_has_when_another_seed_is_added() {
    let nursery = Nursery::new();
    assert_eq!(nursery.train("runs", "").code, 0);
    let first = report(&nursery.path("runs"))["runs"][0].clone();
    assert_eq!(nursery.train("runs", "--seed 2 --resume").code, 0);
    let both = report(&nursery.path("runs"));
    assert_eq!((&both["runs"][0], &both["runs"][1]["seed"]), (&first, &2.into()));
    assert!(both["accuracy_std_population"].is_f64());
}

#[test]
fn the_cap_and_max_steps_bound_what_is_issued() {
    let place = Nursery::new();
    fs::write(place.path("rules.toml"), "examples_per_epoch = 20\n").unwrap();
    let output = place.place.run("train tiny.toml --data garden --out capped --rules rules.toml --device cpu");
    assert_eq!(output.code, 0, "{}", output.stderr);
    for epoch in report(&place.path("capped"))["runs"][0]["epochs"].as_array().unwrap() {
        assert_eq!((&epoch["examples"]["issued"], &epoch["examples"]["trained"]), (&20.into(), &16.into()));
    }
    let output = place.train("short", "--max-steps 3");
    assert_eq!(output.code, 0, "{}", output.stderr);
    let run = &report(&place.path("short"))["runs"][0];
    assert_eq!((&run["steps"], &run["epochs"][0]["examples"]["issued"]), (&3.into(), &24.into()));
    assert!(run["accuracy"].is_f64());
}

#[test]
fn a_validation_record_in_the_training_split_refuses_the_run() {
    let place = Nursery::new();
    let sized = place.path("garden").join("tfrecords-jpeg-48x48");
    let shard = fs::read_dir(sized.join("val")).unwrap().next().unwrap().unwrap().path();
    let name =
        format!("99-48x48-{}.tfrec", shard.to_str().unwrap().rsplit_once('-').unwrap().1.trim_end_matches(".tfrec"));
    fs::copy(&shard, sized.join("train").join(&name)).unwrap();
    let output = place.train("runs", "");
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains(&name) && output.stderr.contains("by id"), "{}", output.stderr);
    assert!(series(&place.path("runs")).is_none(), "nothing was begun");
}

#[test]
fn what_can_not_work_is_refused_in_one_sentence() {
    let place = Nursery::new();
    fs::write(place.path("a-file"), "x").unwrap();
    let usual = "--data garden --out runs --device cpu";
    let cases = [
        (format!("{usual} --set stage.0.batch_size=0"), "batch_size"),
        (format!("{usual} --set stage.0.epochs=-1"), "epochs"),
        (format!("{usual} --set optimizer.lr=nan"), "lr"),
        (format!("{usual} --set optimizer.rate=1"), "rate"),
        (format!("{usual} --set net.outputs=50"), "outputs"),
        (format!("{usual} --set stage.0.batch_size=4096"), "not one whole batch"),
        (format!("{usual} --set stage.0.precision=fp16"), "`stage.0.precision` is \"fp16\", which needs a gpu"),
        (format!("{usual} --set stage.0.precision=fp8"), "`stage.0.precision` is \"fp8\""),
        ("--data nowhere --out runs --device cpu".to_owned(), "nowhere"),
        ("--data garden --out a-file --device cpu".to_owned(), "a-file"),
        ("--data garden --out runs --device cuda:7".to_owned(), "cuda"),
    ];
    for (more, word) in cases {
        let ended = place.place.run(&format!("train tiny.toml --rules none {more}")).expect_code(2);
        assert!(ended.stderr.to_lowercase().contains(word), "{more}: {}", ended.stderr);
    }
    assert!(series(&place.path("runs")).is_none(), "nothing was begun");
}

#[test]
fn half_precision_on_a_gpu_is_full_precision_here_and_said_once() {
    let place = Nursery::new();
    let output = place.train("runs", "--seed 1 --max-steps 2 --set stage.0.precision=fp16-on-gpu");
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(output.stderr.matches("fp16-on-gpu is fp32 here").count(), 1, "{}", output.stderr);
    let plain = place.train("plain", "--seed 1 --max-steps 2");
    assert!(!plain.stderr.contains("fp32"), "{}", plain.stderr);
    let weights = |out: &str| report(&place.path(out))["runs"][0]["weights_sha256"].clone();
    assert_eq!(weights("runs"), weights("plain"));
    let output = place.train("bf16", "--seed 1 --max-steps 2 --set stage.0.precision=bf16");
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_ne!(weights("bf16"), weights("plain"));
}

#[test]
fn a_checkpoint_of_another_net_is_refused() {
    let place = Nursery::new();
    assert_eq!(place.train("runs", "--max-steps 1").code, 0);
    let series = series(&place.path("runs")).unwrap();
    let recipe = fs::read_to_string(series.join("recipe.toml")).unwrap();
    fs::write(series.join("recipe.toml"), recipe.replace("layers = [1, 1, 1, 1]", "layers = [2, 1, 1, 1]")).unwrap();
    let output = place.place.run(&format!("evaluate {} --data garden --device cpu", series.join("seed-1").display()));
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(output.stderr.contains("another net"), "{}", output.stderr);
}

#[test]
fn bad_records_are_quarantined_within_the_budget_and_end_the_run_beyond_it() {
    let place = Nursery::new();
    let train = place.path("garden").join("tfrecords-jpeg-48x48/train");
    let shard = fs::read_dir(&train).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&shard).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&shard, bytes).unwrap();
    let output = place.train("runs", "");
    assert_eq!(output.code, 0, "{}", output.stderr);
    let examples = report(&place.path("runs"))["runs"][0]["epochs"][0]["examples"].clone();
    let quarantined = examples["quarantined"].as_u64().unwrap() + u64::from(examples["trained"] == 64);
    assert_eq!(quarantined, 1, "{examples}: trained on, or in the dropped batch");
    assert!(output.stderr.contains("data_crc_mismatch"), "{}", output.stderr);
    let output = place.train("none", "--set data.bad_records=\"0\"");
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains("bad_records"), "{}", output.stderr);
}
