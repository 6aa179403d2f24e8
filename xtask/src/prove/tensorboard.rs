//! The proof of the event files: TensorBoard's reader and server are asked what they found in real runs.
//! Not here: TensorBoard's page.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http;
use super::options::Options;
use super::trial::{self, Python, Running, Trial, holds};
use crate::environment::Environment;
use crate::problem::{Problem, Result};

const PACKAGE: &str = "tensorboard==2.21.0";
const READER: &str = include_str!("tensorboard.py");
/// A port of its own.
const ADDRESS: &str = "127.0.0.1:16006";
/// How long the server may take to read the runs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pictures of a look, side by side, and the side of one.
const STRIP: (u64, u64) = (8, 32);

/// Trains two series that differ in a setting, and has them read.
pub fn prove(root: &Path, environment: &Environment, _: &Options) -> Result<()> {
    let trial = Trial::prepare(root, environment, "tensorboard")?;
    let python = trial.python(&[PACKAGE])?;
    super::step("train", trial.train(&["--runs", "2"]))?;
    super::step("train with another rate", trial.train(&["--runs", "1", "--set", "optimizer.lr=0.02"]))?;
    let series = trial.series()?;
    for folder in &series {
        let report = trial::report(folder)?;
        for run in report["runs"].as_array().into_iter().flatten() {
            let name = format!("seed-{}", run["seed"]);
            println!("{}, {name}", file_name(folder));
            reader_agrees(&python, &folder.join(name), run)?;
        }
    }
    server_agrees(&python, &trial.runs(), &series)
}

/// Scalars, pictures, class counts and settings as the ledger and the report have them.
fn reader_agrees(python: &Python, folder: &Path, run: &Value) -> Result<()> {
    let told = python.told(READER, folder)?;
    let (steps, epochs) = ledger(folder)?;
    let of_steps = steps.iter().map(|step| point(step["step"].as_u64(), step["loss"].as_f64()));
    holds("losses of steps", &points(&told["scalars"]["train/loss"]), &of_steps.collect())?;
    holds(
        "learning rates",
        &json!(told["scalars"]["train/learning_rate"].as_array().map(Vec::len)),
        &json!(steps.len()),
    )?;
    let ends = ends_of_epochs(&steps);
    let reported = run["epochs"].as_array().cloned().unwrap_or_default();
    for (tag, member) in [
        ("epoch/number", "/epoch"),
        ("epoch/train_loss", "/train_loss"),
        ("epoch/valid_loss", "/valid_loss"),
        ("epoch/accuracy", "/accuracy"),
        ("epoch/images_per_s", "/images_per_s"),
        ("epoch/input_wait_share", "/input_wait_share"),
        ("epoch/seconds", "/seconds"),
        ("epoch/quarantined", "/examples/quarantined"),
    ] {
        let value = |epoch: &Value| epoch.pointer(member).and_then(Value::as_f64);
        let expected = ends.iter().zip(&reported).map(|(&end, epoch)| point(Some(end), value(epoch)));
        holds(tag, &points(&told["scalars"][tag]), &expected.collect())?;
    }
    let (width, height) = (STRIP.0 * STRIP.1, STRIP.1);
    let strips: Vec<Value> = ends.iter().map(|end| json!([end, width, height, width, height])).collect();
    holds("pictures: step, size told, size decoded", &told["pictures"], &Value::from(strips))?;
    let counted = ends.iter().zip(&epochs).map(|(end, epoch)| json!([end, floats(&epoch["class_histogram"])]));
    holds("class counts", &told["classes"], &counted.collect())?;
    let series = folder.parent().map(file_name).unwrap_or_default();
    holds("settings are grouped by series", &told["group"], &json!(series))?;
    let settings = &told["settings"];
    let some = json!([settings["net.kind"], settings["stage.0.epochs"], settings["stage.0.drop_last"]]);
    holds("settings: a text, a number, a switch", &some, &json!(["xresnet", 2.0, true]))
}

/// The real server finds all runs, and of the first one what its reader finds.
fn server_agrees(python: &Python, runs: &Path, series: &[PathBuf]) -> Result<()> {
    let (host, port) = ADDRESS.split_once(':').unwrap_or_default();
    let mut command = python.command();
    command.args(["-m", "tensorboard.main", "--host", host, "--port", port, "--logdir"]).arg(runs);
    let _server = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
    println!("the server");
    http::until_there(ADDRESS, "/data/runs")?;
    all_runs_are_there(series)?;
    let run = format!("{}/seed-1", file_name(&series[0]));
    let of_run = |plugin: &str, tag: &str| {
        let (run, tag) = (http::escaped(&run), http::escaped(tag));
        http::json(ADDRESS, &format!("/data/plugin/{plugin}/{plugin}?run={run}&tag={tag}&sample=0"))
    };
    let (steps, epochs) = ledger(&series[0].join("seed-1"))?;
    let ends = ends_of_epochs(&steps);
    let accuracies = ends.iter().zip(&epochs).map(|(&end, epoch)| point(Some(end), epoch["accuracy"].as_f64()));
    let served = of_run("scalars", "epoch/accuracy")?;
    let served = served.as_array().into_iter().flatten().map(|served| point(served[1].as_u64(), served[2].as_f64()));
    holds("accuracies", &served.collect(), &accuracies.collect())?;
    let pictures = of_run("images", "train/pictures")?;
    holds("pictures", &json!(pictures.as_array().map(Vec::len)), &json!(ends.len()))?;
    let counts = epochs.last().map(|epoch| floats(&epoch["class_histogram"])).unwrap_or_default();
    let bucket = |(class, count): (usize, f64)| json!([class as f64 - 0.5, class as f64 + 0.5, count]);
    let buckets = counts.into_iter().enumerate().map(bucket).collect();
    let served = of_run("histograms", "epoch/classes")?;
    holds("class counts, each in a bucket around its class", &served[ends.len() - 1][2], &buckets)?;
    series_are_told_apart(series)
}

/// Waits for all runs: the server answers before it has read everything.
fn all_runs_are_there(series: &[PathBuf]) -> Result<()> {
    let mut expected = Vec::new();
    for folder in series {
        let seeds = trial::report(folder)?["runs"].as_array().map_or(0, Vec::len);
        expected.extend((1..=seeds).map(|seed| format!("{}/seed-{seed}", file_name(folder))));
    }
    let begun = Instant::now();
    loop {
        let tags = http::json(ADDRESS, "/data/plugin/scalars/tags")?;
        let runs: Vec<&String> = tags.as_object().into_iter().flat_map(|runs| runs.keys()).collect();
        if runs.len() == expected.len() || begun.elapsed() > PATIENCE {
            return holds("runs", &json!(runs), &json!(expected));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Its table of settings has a row a series, with that series' own.
fn series_are_told_apart(series: &[PathBuf]) -> Result<()> {
    let request = json!({ "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_RUNNING"], "startIndex": 0, "sliceSize": 10 });
    let request = http::escaped(&request.to_string());
    let told = http::json(ADDRESS, &format!("/data/plugin/hparams/session_groups?request={request}"))?;
    let groups = told["sessionGroups"].as_array().into_iter().flatten();
    let row = |group: &Value| {
        let runs = group["sessions"].as_array().map(Vec::len);
        json!([group["name"], group["hparams"]["optimizer.lr"], runs])
    };
    let mut rows: Vec<Value> = groups.map(row).collect();
    rows.sort_by_key(Value::to_string);
    let expected = json!([[file_name(&series[0]), 0.003, 2], [file_name(&series[1]), 0.02, 1]]);
    holds("series with their learning rates and runs", &json!(rows), &expected)
}

/// Step and epoch lines of a ledger.
fn ledger(folder: &Path) -> Result<(Vec<Value>, Vec<Value>)> {
    let path = folder.join("ledger.jsonl");
    let text = std::fs::read_to_string(&path).map_err(Problem::io("reading", &path))?;
    let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of = |kind: &str| lines.iter().filter_map(|line| line.get(kind).cloned()).collect();
    Ok((of("step"), of("epoch")))
}

/// The last step of each epoch.
fn ends_of_epochs(steps: &[Value]) -> Vec<u64> {
    let last = steps.iter().zip(steps.iter().skip(1)).filter(|(step, next)| step["epoch"] != next["epoch"]);
    last.map(|(step, _)| step).chain(steps.last()).filter_map(|step| step["step"].as_u64()).collect()
}

/// A step and a value, which event files hold in single precision.
fn point(step: Option<u64>, value: Option<f64>) -> Value {
    json!([step, value.map(|value| value as f32)])
}

fn points(scalars: &Value) -> Value {
    scalars.as_array().into_iter().flatten().map(|scalar| point(scalar[0].as_u64(), scalar[1].as_f64())).collect()
}

fn floats(numbers: &Value) -> Vec<f64> {
    numbers.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
