//! The proof of what seeing a run costs: of the pipeline's throughput at its full rate, in stretches with nothing, with what
//! is on by default and with everything on and looked at, side by side (`benches/seeing.rs`); and of the CPU time of whole
//! trainings, by the threads that do nothing else.
//! Not here: what there is to see.
//!
//! The throughput of neighbouring stretches differs by several percent on a machine with other guests. What nothing loses
//! against nothing tells by how much, and each loss has its standard error beside it. Both are for people: a loss beyond the
//! limit, or threads that take more than it, is a claim that does not hold.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::onlookers::Onlookers;
use super::options::Options;
use super::program::Program;
use super::threads::Threads;
use crate::environment::Environment;
use crate::problem::{Problem, Result};

/// Rounds of stretches, unless told otherwise: enough to tell 0.5 % from nothing where neighbours differ by 7 %.
const ROUNDS: usize = 1_300;
/// Between two lines that say how far it is.
const SAY_EVERY: usize = 50;
/// Pictures of the training split that the trainings are of.
const PICTURES: usize = 4_096;
/// Between two looks at the process's threads.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Threads that do nothing but show the run, by how their names begin; the last are those of the web servers.
const SHOWING: [&str; 4] = ["telemetry", "web", "actix-server", "actix-rt"];

/// What can be seen of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Default,
    Everything,
}

impl Way {
    const ALL: [Self; 2] = [Self::Default, Self::Everything];

    fn name(self) -> &'static str {
        match self {
            Self::Default => "what is on by default",
            Self::Everything => "everything, looked at",
        }
    }

    /// A sentence where more is lost than may be, or where that can't be told; all in percent.
    fn beyond(self, of_what: &str, (lost, error): (f64, f64)) -> Option<String> {
        let (name, most) = (self.name(), if self == Self::Default { 0.5 } else { 2.0 });
        // Whatever is no number doesn't hold either.
        if lost.is_nan() || lost > most {
            return Some(format!("{name} takes {lost:.2} % of the {of_what}, more than {most} %"));
        }
        let too_coarse =
            || format!("{name}: an error of {error:.2} % is too much to tell {most} %; more --rounds could");
        (error.is_nan() || error > most / 2.0).then(too_coarse)
    }
}

/// Images a second of a round's stretches, in their order.
#[derive(Clone, Copy)]
struct Round {
    off: f64,
    default: f64,
    off_again: f64,
    everything: f64,
}

/// Measures, and holds what was lost to the claims.
pub fn prove(root: &Path, environment: &Environment, options: &Options) -> Result<()> {
    // Fewer have no error.
    let rounds = stretches(root, environment, options.count("--rounds", ROUNDS)?.max(3))?;
    println!("\nthroughput lost in {} rounds, the mean and its standard error", rounds.len());
    let chance = mean_and_error(&of_chance(&rounds));
    tell("nothing, against nothing", chance);
    let mut missed: Vec<_> = unlikely(chance).into_iter().collect();
    for way in Way::ALL {
        let lost = mean_and_error(&lost(way, &rounds));
        tell(way.name(), lost);
        missed.extend(way.beyond("throughput", lost));
    }
    let program = Program::build(root, environment)?;
    let folder = std::env::temp_dir().join(format!("fastgarden-overhead-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(Problem::io("making", &folder))?;
    program.draw_garden(&folder.join("garden"), PICTURES, 64)?;
    let recipe = folder.join("overhead.toml");
    fs::write(&recipe, include_str!("overhead.toml")).map_err(Problem::io("writing", &recipe))?;
    println!("\nCPU time of the threads that only show a training, of all of its CPU time");
    for way in Way::ALL {
        let threads = train(&program, &folder, way)?;
        let share = 100.0 * threads.seconds_of(&SHOWING) / threads.seconds();
        println!("  {:<26}{share:>6.2} %", way.name());
        missed.extend(way.beyond("CPU time", (share, 0.0)));
    }
    fs::remove_dir_all(&folder).map_err(Problem::io("removing", &folder))?;
    if missed.is_empty() { Ok(()) } else { Err(Problem::Unproved { found: missed.join("; ") }) }
}

/// Runs the bench, in the profile of everything else.
fn stretches(root: &Path, environment: &Environment, count: usize) -> Result<Vec<Round>> {
    const BENCH: &str = "cargo bench --bench seeing";
    println!("> {BENCH}");
    let mut cargo = environment.cargo();
    cargo.current_dir(root).args(["bench", "--quiet", "--workspace", "--profile", "dev", "--bench", "seeing", "--"]);
    cargo.args(["--rounds", &count.to_string()]).stdout(Stdio::piped());
    let mut child = cargo.spawn().map_err(Problem::io("starting", BENCH))?;
    let mut rounds = Vec::with_capacity(count);
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(|line| line.ok()) {
        rounds.extend(round(&line));
        if rounds.len().is_multiple_of(SAY_EVERY) || rounds.len() == count {
            println!("{:>5}  {line}", rounds.len());
        }
    }
    let status = child.wait().map_err(Problem::io("waiting for", BENCH))?;
    if status.success() && rounds.len() == count { Ok(rounds) } else { Err(Problem::Step { step: BENCH.to_owned() }) }
}

/// A line of the bench.
fn round(line: &str) -> Option<Round> {
    let told: Value = serde_json::from_str(line).ok()?;
    let rate = |name: &str| told[name].as_f64();
    Some(Round {
        off: rate("off")?,
        default: rate("default")?,
        off_again: rate("off_again")?,
        everything: rate("everything")?,
    })
}

/// Percent of the throughput that is lost (100 times the logarithm of the ratio), against the mean of the stretches with
/// nothing before and behind.
fn lost(way: Way, rounds: &[Round]) -> Vec<f64> {
    let against = |before: f64, on: f64, behind: f64| 100.0 * ((before * behind).sqrt() / on).ln();
    rounds
        .windows(2)
        .map(|pair| match way {
            Way::Default => against(pair[0].off, pair[0].default, pair[0].off_again),
            Way::Everything => against(pair[0].off_again, pair[0].everything, pair[1].off),
        })
        .collect()
}

/// The same of nothing, against nothing.
fn of_chance(rounds: &[Round]) -> Vec<f64> {
    rounds.iter().map(|round| 100.0 * (round.off / round.off_again).ln()).collect()
}

/// A sentence where nothing differs from nothing by more than chance makes it: then the stretches differ in something else.
fn unlikely((lost, error): (f64, f64)) -> Option<String> {
    (lost.abs() > 3.0 * error)
        .then(|| format!("nothing, against nothing, takes {lost:.2} ± {error:.2} %: it is no measure"))
}

fn tell(what: &str, (lost, error): (f64, f64)) {
    println!("  {what:<26}{lost:>6.2} %  ± {error:.2}");
}

/// One training.
fn train(program: &Program, folder: &Path, way: Way) -> Result<Threads> {
    let out = folder.join("runs");
    let mut command = program.command();
    command.args(["train", "--rules", "none", "--runs", "1", "--device", "cpu", "--data"]).arg(folder.join("garden"));
    command.arg("--out").arg(&out).arg(folder.join("overhead.toml"));
    if way == Way::Everything {
        let any_port = "127.0.0.1:0";
        command.args(["--dashboard", any_port, "--metrics", any_port, "--trace"]).arg(folder.join("trace.json"));
    }
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Problem::io("starting", "fastgarden-actors train"))?;
    let onlookers = Onlookers::of(&mut child, way == Way::Everything);
    let threads = watch(&mut child)?;
    onlookers.finish()?;
    Ok(threads)
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
    fn what_is_on_is_compared_with_its_neighbours() {
        // A machine that becomes slower all the time, by the same factor for every stretch.
        let speed = |stretch: i32| 5_000.0 * 0.98_f64.powi(stretch);
        let rounds: Vec<Round> = (0..4)
            .map(|number| 4 * number)
            .map(|first| Round {
                off: speed(first),
                default: 0.99 * speed(first + 1),
                off_again: speed(first + 2),
                everything: 0.9 * speed(first + 3),
            })
            .collect();
        let is = |losses: &[f64], percent: f64| losses.iter().all(|lost| (lost - percent).abs() < 0.01);
        assert!(is(&lost(Way::Default, &rounds), 1.005) && is(&lost(Way::Everything, &rounds), 10.536));
        assert!(is(&of_chance(&rounds), 4.04), "nobody behind it makes up for what changed meanwhile");
    }

    #[test]
    fn what_is_beyond_the_limit_is_told_and_so_is_what_nobody_can_tell() {
        assert_eq!(Way::Default.beyond("throughput", (0.5, 0.25)), None);
        assert_eq!(Way::Everything.beyond("throughput", (-3.0, 1.0)), None);
        let told = "what is on by default takes 0.51 % of the CPU time, more than 0.5 %";
        assert_eq!(Way::Default.beyond("CPU time", (0.51, 0.0)).as_deref(), Some(told));
        assert!(Way::Everything.beyond("throughput", (f64::NAN, 0.1)).is_some());
        let coarse = Way::Default.beyond("throughput", (0.1, 0.3));
        assert!(coarse.is_some_and(|told| told.contains("0.30 % is too much to tell 0.5 %")));
        assert!(unlikely((-0.9, 0.35)).is_none() && unlikely((1.1, 0.35)).is_some());
    }

    #[test]
    fn only_whole_rounds_count() {
        let line = r#"{"default":4058.5,"everything":3936.0,"off":4826.0,"off_again":4385.0}"#;
        assert!(round(line).is_some_and(|round| round.default == 4058.5 && round.everything == 3936.0));
        assert!(round("data: 2048 records").is_none() && round(r#"{"off":4826.0}"#).is_none());
    }
}
