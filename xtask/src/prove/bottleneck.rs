//! The proof of the verdict: three bottlenecks that are made on purpose, and two matched pairs, a disk and a trainer that
//! wait for the same time and a trainer that takes just what a decoder gives, each over and over; how often each is named
//! as what it is.
//! Not here: how the verdict comes about (the data crate's `observe::verdict`).

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::options::Options;
use super::program::Program;
use crate::environment::Environment;
use crate::problem::{Problem, Result};

/// Runs of each case, unless told otherwise.
const RUNS: usize = 20;
/// One run in so many may be named wrongly.
const MISS_IN: usize = 20;
/// Pictures that are drawn where no data is given.
const PICTURES: usize = 2_048;
/// Rows of a batch of the pair matched by work: its step then takes long enough for whole milliseconds to be exact enough.
const PAIR_ROWS: usize = 128;
/// Most that the processor's time for a batch may differ from the step of such a pair,
const DRIFT_MAX: f64 = 0.05;
/// and how often another pair is tried for one of which it did.
const TRIES_MAX: usize = 20;

/// A way to make something limit.
struct Case {
    what: &'static str,
    /// What it must be named.
    expected: &'static str,
    /// What `bench` is told.
    words: &'static [&'static str],
}

const CASES: [Case; 5] = [
    Case {
        what: "slow disk",
        expected: "read",
        words: &["--stand-in-read-ms", "5", "--batch-size", "16", "--seconds", "1"],
    },
    Case { what: "slow decode", expected: "decode", words: &["--decoders", "1", "--seconds", "1"] },
    Case {
        what: "slow trainer",
        expected: "trainer",
        words: &["--stand-in-step-ms", "500", "--batch-size", "16", "--images", "48"],
    },
    // Sixteen reads a batch, which take as long as its step. Both wait for a clock, whatever the processor does.
    Case { what: "pair by clock", expected: "balanced", words: &PAIR_BY_CLOCK },
    // Its step is measured: see `matched_pair`. One decoder, so that whatever else the machine does has a core.
    Case { what: PAIR_BY_WORK, expected: "balanced", words: &["--decoders", "1", "--seconds", "2"] },
];

const PAIR_BY_WORK: &str = "pair by work";
const PAIR_BY_CLOCK: [&str; 9] =
    ["--readers", "1", "--stand-in-read-ms", "5", "--stand-in-step-ms", "80", "--batch-size", "16", "--seconds=2"];

/// Runs all cases in turn, so that whatever else the machine does meets all of them, and counts the names.
pub fn prove(root: &Path, environment: &Environment, options: &Options) -> Result<()> {
    let runs = options.count("--runs", RUNS)?;
    let program = Program::build(root, environment)?;
    let folder = std::env::temp_dir().join(format!("fastgarden-bottleneck-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(Problem::io("making", &folder))?;
    let data = match options.folder("--data")? {
        Some(data) => data,
        None => {
            program.draw_garden(&folder.join("garden"), PICTURES, 8)?;
            folder.join("garden")
        }
    };
    let mut named: [BTreeMap<String, usize>; CASES.len()] = Default::default();
    for run in 1..=runs {
        for (case, names) in CASES.iter().zip(&mut named) {
            let measure = if case.what == PAIR_BY_WORK { matched_pair } else { bench };
            let seen = measure(&program, case.words, &data)?;
            let name = seen["bottleneck"].as_str().unwrap_or_default().to_owned();
            println!("{run:>3}  {:<14}{}", case.what, seen["verdict"].as_str().unwrap_or_default());
            *names.entry(name).or_default() += 1;
        }
    }
    std::fs::remove_dir_all(&folder).map_err(Problem::io("removing", &folder))?;
    println!("\n{:<16}{:<14}named", "case", "right");
    for (case, names) in CASES.iter().zip(&named) {
        let all: Vec<_> = names.iter().map(|(name, count)| format!("{name} {count}")).collect();
        println!("{:<16}{:<14}{}", case.what, format!("{} of {runs}", right(case, names)), all.join(", "));
    }
    let missed = CASES.iter().zip(&named).find(|(case, names)| runs - right(case, names) > runs / MISS_IN);
    missed.map_or(Ok(()), |(case, names)| {
        let found = format!("{} was named {} in {} of {runs} runs", case.what, case.expected, right(case, names));
        Err(Problem::Unproved { found })
    })
}

fn right(case: &Case, names: &BTreeMap<String, usize>) -> usize {
    names.get(case.expected).copied().unwrap_or(0)
}

fn bench(program: &Program, words: &[&str], data: &Path) -> Result<Value> {
    program.json("measuring", &[&["bench", "--no-ceiling"], words].concat(), data)
}

/// Runs the pipeline with a trainer whose step takes as long as the processor took for a batch the time before, nearly all of
/// it for decoding where shards need no inflating. Whether that was a pair is told by what a batch took this time, which is
/// no part of the verdict; else the next one is tried, whatever the verdict was.
fn matched_pair(program: &Program, words: &[&str], data: &Path) -> Result<Value> {
    let rows = PAIR_ROWS.to_string();
    let words = [&["--batch-size", &rows], words].concat();
    let batch_ms = |seen: &Value| seen["cpu_s_per_1000_images"].as_f64().unwrap_or(f64::NAN) * PAIR_ROWS as f64;
    let mut step_ms = batch_ms(&bench(program, &words, data)?).round();
    for _ in 0..TRIES_MAX {
        let seen = bench(program, &[&["--stand-in-step-ms", &step_ms.to_string()], &words[..]].concat(), data)?;
        let work_ms = batch_ms(&seen);
        if (work_ms / step_ms - 1.0).abs() <= DRIFT_MAX {
            return Ok(seen);
        }
        println!("     no pair: a step of {step_ms} ms, and batches of {work_ms:.1} ms");
        step_ms = work_ms.round();
    }
    let found = format!("in {TRIES_MAX} tries the machine never kept its speed for as long as a pair takes");
    Err(Problem::Unproved { found })
}
