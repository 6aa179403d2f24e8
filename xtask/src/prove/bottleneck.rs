//! The proof of the verdict: three bottlenecks that are made on purpose, and a disk and a trainer that take the same time,
//! each over and over; how often each is named as what it is.
//! Not here: how the verdict comes about (the data crate's `observe::verdict`).

use std::collections::BTreeMap;
use std::path::Path;

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

/// A way to make something limit.
struct Case {
    what: &'static str,
    /// What it must be named.
    expected: &'static str,
    /// What `bench` is told.
    words: &'static [&'static str],
}

const CASES: [Case; 4] = [
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
    // Sixteen reads a batch, which take as long as its step. Both wait for a clock: what takes processor time keeps no pace
    // on a machine with other guests, so that nobody could tell what would have been right.
    Case { what: "matched pair", expected: "balanced", words: &MATCHED },
];

const MATCHED: [&str; 9] =
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
            let words = [&["bench", "--no-ceiling"], case.words].concat();
            let seen = program.json("measuring", &words, &data)?;
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
