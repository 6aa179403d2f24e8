//! The proof of what seeing a run costs: the same training with nothing of it, with what is on by default, and with
//! everything on and looked at, in turn.
//! Not here: what there is to see.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::onlookers::Onlookers;
use super::options::Options;
use super::program::Program;
use super::threads::Threads;
use crate::environment::Environment;
use crate::problem::{Problem, Result};

/// Rounds of the three ways, unless told otherwise.
const PAIRS: usize = 12;
/// Pictures of the training split.
const PICTURES: usize = 4_096;
/// Between two looks at the process's threads.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Threads that do nothing but show the run, by how their names begin.
const SHOWING: [&str; 3] = ["telemetry", "web", "actix-server"];

/// What can be seen of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Off,
    Default,
    Everything,
}

const WAYS: [Way; 3] = [Way::Off, Way::Default, Way::Everything];
/// Most that each may cost, percent.
const MOST: [f64; 3] = [0.0, 0.5, 2.0];

/// What a run came to.
#[derive(Clone, Copy)]
struct Ran {
    images_per_s: f64,
    /// CPU time of the process.
    cpu_s: f64,
    /// CPU time of the threads that show the run.
    showing_s: f64,
}

/// The ways next to each other, in the order of `WAYS`.
type Round = [Ran; 3];

/// Runs the ways in turn, in an order that goes round, and compares each with the one without anything of its round.
pub fn prove(root: &Path, environment: &Environment, options: &Options) -> Result<()> {
    let pairs = options.count("--pairs", PAIRS)?;
    let program = Program::build(root, environment)?;
    let folder = std::env::temp_dir().join(format!("fastgarden-overhead-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(Problem::io("making", &folder))?;
    program.draw_garden(&folder.join("garden"), PICTURES, 64)?;
    let recipe = folder.join("overhead.toml");
    fs::write(&recipe, include_str!("overhead.toml")).map_err(Problem::io("writing", &recipe))?;
    let mut rounds = Vec::new();
    for round in 0..pairs {
        let mut ran = [None; 3];
        for turn in 0..3 {
            let way = (round + turn) % 3;
            let seen = run(&program, &folder, WAYS[way])?;
            println!("{:>3}  {:<12}{:>8.0} images/s", round + 1, format!("{:?}", WAYS[way]), seen.images_per_s);
            ran[way] = Some(seen);
        }
        rounds.push(ran.map(|ran| ran.expect("each had its turn")));
    }
    fs::remove_dir_all(&folder).map_err(Problem::io("removing", &folder))?;
    println!("\nagainst a run of which nothing is shown, medians of {pairs} (and where the middle half lies):");
    let missed: Vec<_> = [1, 2].into_iter().filter_map(|way| compare(&rounds, way)).collect();
    if missed.is_empty() { Ok(()) } else { Err(Problem::Unproved { found: missed.join("; ") }) }
}

/// Says what a way costs; returns a sentence where that is too much.
fn compare(rounds: &[Round], way: usize) -> Option<String> {
    let each = |figure: fn(Ran, Ran) -> f64| {
        let values = rounds.iter().map(|round| 100.0 * figure(round[way], round[0]));
        let (low, middle, high) = quartiles(values.collect());
        (middle, format!("{middle:.2} % ({low:.2} to {high:.2})"))
    };
    let (loss, of_throughput) = each(|ran, off| 1.0 - ran.images_per_s / off.images_per_s);
    let (_, more_cpu) = each(|ran, off| ran.cpu_s / off.cpu_s - 1.0);
    let (share, of_threads) = each(|ran, _| ran.showing_s / ran.cpu_s);
    let (name, most) = (format!("{:?}", WAYS[way]).to_lowercase(), MOST[way]);
    println!("{name}: at most {most} %");
    println!("  throughput lost                         {of_throughput}");
    println!("  CPU time of the process, more by        {more_cpu}");
    println!("  share of it of threads that only show   {of_threads}");
    let cost = loss.max(share);
    (cost > most).then(|| format!("{name} cost {cost:.2} %, more than {most} %"))
}

/// One training.
fn run(program: &Program, folder: &Path, way: Way) -> Result<Ran> {
    let out = folder.join(format!("{way:?}"));
    let trace = folder.join("trace.json");
    let mut command = program.command();
    command.args(["train", "--rules", "none", "--runs", "1", "--device", "cpu", "--data"]).arg(folder.join("garden"));
    command.arg("--out").arg(&out).arg(folder.join("overhead.toml"));
    match way {
        Way::Off => command.args(["--dashboard", "off"]),
        Way::Default => &mut command,
        Way::Everything => {
            let any_port = "127.0.0.1:0";
            command.args(["--dashboard", any_port, "--metrics", any_port, "--trace"]).arg(&trace)
        }
    };
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Problem::io("starting", "fastgarden-actors train"))?;
    let onlookers = Onlookers::of(&mut child, way == Way::Everything);
    let threads = watch(&mut child)?;
    onlookers.finish()?;
    let images_per_s = images_per_s(&out)?;
    fs::remove_dir_all(&out).map_err(Problem::io("removing", &out))?;
    Ok(Ran { images_per_s, cpu_s: threads.seconds(), showing_s: threads.seconds_of(&SHOWING) })
}

/// Looks at the threads until the program has ended.
fn watch(child: &mut Child) -> Result<Threads> {
    let mut threads = Threads::default();
    loop {
        match child.try_wait().map_err(Problem::io("waiting for", "fastgarden-actors train"))? {
            Some(status) if status.success() && threads.seconds() > 0.0 => return Ok(threads),
            Some(status) if status.success() => {
                let found = "this system doesn't tell the CPU time of threads".to_owned();
                return Err(Problem::Unproved { found });
            }
            Some(_) => return Err(Problem::Step { step: "the training run".to_owned() }),
            None => threads.look(child.id()),
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Of all epochs but the first, in which everything is still cold.
fn images_per_s(out: &Path) -> Result<f64> {
    let entries = fs::read_dir(out).map_err(Problem::io("listing", out))?;
    let mut reports = entries.flatten().map(|entry| entry.path().join("report.json")).filter(|path| path.is_file());
    let path = reports.next().unwrap_or_else(|| PathBuf::from("report.json"));
    let text = fs::read(&path).map_err(Problem::io("reading", &path))?;
    let report: Value = serde_json::from_slice(&text).unwrap_or_default();
    let epochs = report["runs"][0]["epochs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let seconds: Vec<f64> =
        epochs.iter().skip(1).filter_map(|epoch| epoch["images_per_s"].as_f64()).map(|rate| 1.0 / rate).collect();
    if seconds.is_empty() {
        return Err(Problem::Unproved { found: format!("{} tells of no epoch after the first", path.display()) });
    }
    Ok(seconds.len() as f64 / seconds.iter().sum::<f64>())
}

/// The first quartile, the median and the third.
fn quartiles(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * values.len().saturating_sub(1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        values[below] + (values[above] - values[below]) * place.fract()
    };
    (at(0.25), at(0.5), at(0.75))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_values() {
        assert_eq!(quartiles(vec![3.0, 1.0, 2.0]), (1.5, 2.0, 2.5));
        assert_eq!(quartiles(vec![1.0, 4.0, 2.0, 3.0]), (1.75, 2.5, 3.25));
        assert_eq!(quartiles(vec![0.5]), (0.5, 0.5, 0.5));
    }

    #[test]
    fn the_rate_is_that_of_all_epochs_but_the_first() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let series = folder.path().join("overhead-1");
        fs::create_dir(&series).expect("a folder");
        let report = r#"{"runs":[{"epochs":[{"images_per_s":1.0},{"images_per_s":2000.0},{"images_per_s":6000.0}]}]}"#;
        fs::write(series.join("report.json"), report).expect("a file");
        let rate = images_per_s(folder.path()).expect("two epochs");
        assert!((rate - 3000.0).abs() < 1e-6, "{rate}: as many images in each");
        fs::write(series.join("report.json"), r#"{"runs":[{"epochs":[{"images_per_s":1.0}]}]}"#).expect("a file");
        assert!(matches!(images_per_s(folder.path()), Err(Problem::Unproved { .. })));
    }
}
