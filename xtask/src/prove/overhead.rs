//! The proof of what seeing a run costs: the same training with nothing of it (twice), with what is on by default, and
//! with everything on and looked at, in turn; and the pipeline at its full rate with and without a trace.
//! Not here: what there is to see.
//!
//! Even the smallest net takes longer for a picture than the pipeline does, on a CPU. What costs by the second shows in
//! training all the same; a trace costs by the picture, hence the second part.
//!
//! Throughput of the same program varies by several percent from run to run on a machine with other guests: the second
//! run with nothing tells by how much, and each loss has its standard error beside it. Both are for people: a loss beyond
//! the limit, or threads that take more than it, is a claim that does not hold.

use std::ffi::OsString;
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
/// Threads that do nothing but show the run, by how their names begin; the last are those of the web servers.
const SHOWING: [&str; 4] = ["telemetry", "web", "actix-server", "actix-rt"];

/// What can be seen of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Off,
    OffAgain,
    Default,
    Trace,
    Everything,
}

/// What a run came to.
#[derive(Clone, Copy, Default)]
struct Ran {
    images_per_s: f64,
    /// CPU time of the process; of `bench` by the picture.
    cpu_s: f64,
    /// CPU time of the threads that show the run.
    showing_s: f64,
}

/// A run with something on, and its neighbour without.
type Pair = (Ran, Ran);

/// Runs everything in turn, and holds the losses to the claims.
pub fn prove(root: &Path, environment: &Environment, options: &Options) -> Result<()> {
    // One alone has no error.
    let pairs = options.count("--pairs", PAIRS)?.max(2);
    let program = Program::build(root, environment)?;
    let folder = std::env::temp_dir().join(format!("fastgarden-overhead-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(Problem::io("making", &folder))?;
    program.draw_garden(&folder.join("garden"), PICTURES, 64)?;
    let recipe = folder.join("overhead.toml");
    fs::write(&recipe, include_str!("overhead.toml")).map_err(Problem::io("writing", &recipe))?;
    let (mut nothing, mut default, mut everything, mut traced) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..pairs {
        let run = |way| train(&program, &folder, way);
        let ways = [Way::Off, Way::Default, Way::OffAgain, Way::Everything];
        let [off, by_default, again, all] = in_turn("train", number, ways, run)?;
        nothing.push((again, off));
        default.push((by_default, off));
        everything.push((all, off));
        let [without, with] = in_turn("bench", number, [Way::Off, Way::Trace], |way| bench(&program, &folder, way))?;
        traced.push((with, without));
    }
    fs::remove_dir_all(&folder).map_err(Problem::io("removing", &folder))?;
    println!("\nmeans of {pairs} pairs, with their standard errors");
    let missed: Vec<_> = [
        compare("train with --dashboard off, against the same", None, &nothing),
        compare("train with the defaults, against --dashboard off", Some(0.5), &default),
        compare("train with everything, against --dashboard off", Some(2.0), &everything),
        compare("bench with a trace, against one without", Some(2.0), &traced),
    ]
    .into_iter()
    .flatten()
    .collect();
    if missed.is_empty() { Ok(()) } else { Err(Problem::Unproved { found: missed.join("; ") }) }
}

/// Runs all ways, beginning with another one each time, and returns them in their own order.
fn in_turn<const N: usize>(
    what: &str,
    number: usize,
    ways: [Way; N],
    run: impl Fn(Way) -> Result<Ran>,
) -> Result<[Ran; N]> {
    let mut all = [Ran::default(); N];
    for turn in 0..N {
        let way = (number + turn) % N;
        all[way] = run(ways[way])?;
        let (name, rate) = (format!("{:?}", ways[way]).to_lowercase(), all[way].images_per_s);
        println!("{:>3}  {what} {name:<12}{rate:>8.0} images/s", number + 1);
    }
    Ok(all)
}

/// Says what something costs; returns a sentence where that is more than so many percent.
fn compare(what: &str, most: Option<f64>, pairs: &[Pair]) -> Option<String> {
    let told = |what: &str, figure: fn(&Pair) -> f64| {
        let (mean, error) = mean_and_error(&pairs.iter().map(|pair| 100.0 * figure(pair)).collect::<Vec<_>>());
        println!("  {what:<46}{mean:>6.2} %  ± {error:.2}");
        (mean, error)
    };
    println!("{what}");
    let (loss, error) = told("throughput lost", |(on, off)| (off.images_per_s / on.images_per_s).ln());
    told("CPU time, more by", |(on, off)| (on.cpu_s / off.cpu_s).ln());
    let (share, _) = told("threads that only show, of all CPU time", |(on, _)| on.showing_s / on.cpu_s);
    let most = most?;
    (loss.max(share) > most)
        .then(|| format!("{what}: {loss:.2} ± {error:.2} %, {share:.2} % by threads, more than {most} %"))
}

/// The pipeline at its full rate.
fn bench(program: &Program, folder: &Path, way: Way) -> Result<Ran> {
    let mut words: Vec<OsString> = ["bench", "--no-ceiling", "--seconds", "4"].map(OsString::from).into();
    if way == Way::Trace {
        words.extend(["--trace".into(), folder.join("trace.json").into()]);
    }
    let seen = program.json("measuring", &words, &folder.join("garden"))?;
    let figure = |name: &str| {
        let missing = || Problem::Unproved { found: format!("`bench` tells no {name}") };
        seen[name].as_f64().ok_or_else(missing)
    };
    Ok(Ran { images_per_s: figure("images_per_s")?, cpu_s: figure("cpu_s_per_1000_images")?, showing_s: 0.0 })
}

/// One training.
fn train(program: &Program, folder: &Path, way: Way) -> Result<Ran> {
    let out = folder.join(format!("{way:?}"));
    let trace = folder.join("trace.json");
    let mut command = program.command();
    command.args(["train", "--rules", "none", "--runs", "1", "--device", "cpu", "--data"]).arg(folder.join("garden"));
    command.arg("--out").arg(&out).arg(folder.join("overhead.toml"));
    match way {
        Way::Off | Way::OffAgain => command.args(["--dashboard", "off"]),
        Way::Default => &mut command,
        Way::Trace => command.args(["--dashboard", "off", "--trace"]).arg(&trace),
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

/// The mean, and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (variance / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_mean_grows_with_what_differs_and_shrinks_with_what_was_seen() {
        assert_eq!(mean_and_error(&[3.0, 3.0, 3.0]), (3.0, 0.0));
        assert_eq!(mean_and_error(&[1.0, 3.0]), (2.0, 1.0));
        let (mean, error) = mean_and_error(&[1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 1.0, 3.0]);
        assert!(mean == 2.0 && error < 0.4, "{error}");
    }

    #[test]
    fn neither_a_loss_nor_a_thread_s_time_may_be_beyond_the_limit() {
        let ran = |images_per_s, showing_s| Ran { images_per_s, cpu_s: 10.0, showing_s };
        let off = ran(1_000.0, 0.0);
        let noisy = [(ran(900.0, 0.0), off), (ran(1_080.0, 0.0), off), (ran(950.0, 0.0), off)];
        assert!(compare("noise", Some(0.5), &noisy).is_some(), "an error is no excuse");
        assert_eq!(compare("a control", None, &noisy), None);
        assert_eq!(compare("nothing", Some(0.5), &[(off, off); 3]), None);
        let slow = [(ran(950.0, 0.0), off), (ran(952.0, 0.0), off), (ran(948.0, 0.0), off)];
        assert!(compare("slow", Some(2.0), &slow).is_some_and(|told| told.starts_with("slow: 5.1")));
        assert!(compare("threads", Some(0.5), &[(ran(1_000.0, 0.1), off); 3]).is_some());
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
