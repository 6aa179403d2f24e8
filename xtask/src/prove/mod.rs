//! Proofs that take too long for CI: each is run by name, by hand, and its words are kept with what it proves.

mod bottleneck;
mod browser;
mod dashboard;
mod http;
mod metrics;
mod onlookers;
mod options;
mod overhead;
mod program;
mod tensorboard;
mod threads;
mod trace;
mod trial;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use options::Options;

use crate::environment::Environment;
use crate::problem::{Problem, Result};

struct Proof {
    name: &'static str,
    options: &'static [&'static str],
    claim: &'static str,
    run: fn(&Path, &Environment, &Options) -> Result<()>,
}

const PROOFS: [Proof; 7] = [
    Proof {
        name: "fresh-clone",
        options: &[],
        claim: "in a fresh clone, with an empty home and cargo cache, the README's commands work as they stand",
        run: fresh_clone,
    },
    Proof {
        name: "dashboard",
        options: &[],
        claim: "the dashboard of a real run works in a real browser: two widths, two themes, moving charts, a reconnect",
        run: dashboard::prove,
    },
    Proof {
        name: "bottleneck",
        options: &["--runs", "--data"],
        claim: "a slow disk, slow decoders, a slow trainer and two matched pairs are named in at least 19 of 20 runs each",
        run: bottleneck::prove,
    },
    Proof {
        name: "overhead",
        options: &["--rounds"],
        claim: "all that shows a run costs at most 2 % of the pipeline's throughput, and what is on by default at most 0.5 %",
        run: overhead::prove,
    },
    Proof {
        name: "metrics",
        options: &[],
        claim: "a real Prometheus scrapes what docs/metrics.md says, ends with the report's totals, and answers docs/grafana.json",
        run: metrics::prove,
    },
    Proof {
        name: "tensorboard",
        options: &[],
        claim: "TensorBoard reads from real runs' event files what their ledgers and reports hold",
        run: tensorboard::prove,
    },
    Proof {
        name: "trace",
        options: &[],
        claim: "Perfetto loads the trace of a real run without a fault: every span, arrow, thread and counter is there",
        run: trace::prove,
    },
];

/// Runs the proof that is named, or lists them all.
pub fn run(root: &Path, environment: &Environment, arguments: &[OsString]) -> Result<ExitCode> {
    let Some(name) = arguments.first() else {
        for proof in &PROOFS {
            let options: String = proof.options.iter().map(|option| format!(" [{option} …]")).collect();
            println!("{:<14}{}{options}", proof.name, proof.claim);
        }
        return Ok(ExitCode::SUCCESS);
    };
    let proof = PROOFS
        .iter()
        .find(|proof| name == proof.name)
        .ok_or_else(|| Problem::NoSuchProof { given: name.to_string_lossy().into_owned() })?;
    let options = Options::of(proof.name, proof.options, &arguments[1..])?;
    (proof.run)(root, environment, &options)?;
    println!("proved: {}", proof.claim);
    Ok(ExitCode::SUCCESS)
}

/// Clones what is committed, and runs the README's first commands in it with nothing of the user's but the toolchain.
fn fresh_clone(root: &Path, environment: &Environment, _: &Options) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("fastgarden-fresh-clone-{}", std::process::id()));
    let (home, clone) = (folder.join("home"), folder.join("clone"));
    std::fs::create_dir_all(&home).map_err(Problem::io("making", &home))?;
    println!("in {}, which is removed if all goes well", folder.display());

    let mut git = environment.command("git");
    git.args(["clone", "--quiet", "--no-local"]).args([root, &clone]);
    step("git clone", git)?;
    let readme_path = clone.join("README.md");
    let readme = std::fs::read_to_string(&readme_path).map_err(Problem::io("reading", &readme_path))?;
    let fresh = fresh_environment(environment, &home);
    for command in readme_commands(&readme)? {
        let mut words = command.split_whitespace();
        // cargo by its name, as the README has it: rustup's own, where there is one.
        let mut child = fresh.command(words.next().unwrap_or("cargo"));
        child.current_dir(&clone).args(words);
        let began = Instant::now();
        step(&command, child)?;
        let seconds = began.elapsed().as_secs();
        println!("{command}: {} min {} s", seconds / 60, seconds % 60);
    }
    std::fs::remove_dir_all(&folder).map_err(Problem::io("removing", &folder))
}

/// Nothing that this checkout or an earlier set-up could have left; rustup's folder stays, it is the Rust that the
/// README takes for granted.
fn fresh_environment(environment: &Environment, home: &Path) -> Environment {
    let rustup = environment.variable("RUSTUP_HOME").map(PathBuf::from).or_else(|| {
        let usual = Path::new(environment.variable("HOME")?).join(".rustup");
        usual.is_dir().then_some(usual)
    });
    let mut fresh = environment.with("HOME", home).with("CARGO_HOME", home.join(".cargo"));
    for name in ["LIBTORCH", "FASTGARDEN_CACHE", "XDG_CACHE_HOME", "CARGO_TARGET_DIR", "RUSTFLAGS"] {
        fresh = fresh.without(name);
    }
    match rustup {
        Some(rustup) => fresh.with("RUSTUP_HOME", rustup),
        None => fresh,
    }
}

/// The first two lines of the README that begin with `cargo xtask`.
fn readme_commands(readme: &str) -> Result<Vec<String>> {
    let commands: Vec<String> = readme
        .lines()
        .filter(|line| line.starts_with("cargo xtask "))
        .map(|line| line.split('#').next().unwrap_or(line).trim().to_owned())
        .take(2)
        .collect();
    if commands.len() < 2 {
        return Err(Problem::NoCommandsInReadme { found: commands.len() });
    }
    Ok(commands)
}

fn step(name: &str, mut command: std::process::Command) -> Result<()> {
    println!("> {name}");
    let status = command.status().map_err(Problem::io("starting", command.get_program()))?;
    if status.success() { Ok(()) } else { Err(Problem::Step { step: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_read_from_the_readme_without_their_comments() {
        let readme = "Text with `cargo xtask ci` in it.\n```\ncargo xtask train   # minutes\ncargo xtask test\ncargo xtask ci\n```\n";
        assert_eq!(readme_commands(readme).expect("two commands"), ["cargo xtask train", "cargo xtask test"]);
        assert!(matches!(readme_commands("cargo build\n"), Err(Problem::NoCommandsInReadme { found: 0 })));
    }

    #[test]
    fn nothing_of_the_user_reaches_the_clone_but_the_toolchain() {
        let home = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(home.path().join(".rustup")).expect("a folder");
        let environment = Environment::of(&[("HOME", home.path().as_os_str())]).with("LIBTORCH", "/mine");
        let fresh = fresh_environment(&environment, Path::new("/empty"));
        assert_eq!(fresh.variable("LIBTORCH"), None);
        assert_eq!(fresh.variable("CARGO_HOME").map(Path::new), Some(Path::new("/empty/.cargo")));
        assert_eq!(fresh.variable("RUSTUP_HOME").map(Path::new), Some(&*home.path().join(".rustup")));
    }
}
