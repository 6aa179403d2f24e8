//! `cargo xtask`: set-up, tests, proofs and CI, each in one command. Not for the work itself: that is the binary's.

mod apt;
mod ci;
mod counts;
mod environment;
mod libtorch;
mod link;
mod problem;
mod prove;
mod python;
mod setup;
mod wheels;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use environment::Environment;
use problem::{Problem, Result};
use wheels::Variant;

const HELP: &str = "\
cargo xtask COMMAND

  setup [--cpu|--cuda]   fetch libtorch once into the user's cache and link it as .libtorch
  train [ARGUMENTS]      set up if need be, build, and run `fastgarden-actors train ARGUMENTS`
  test [ARGUMENTS]       set up if need be, and run `cargo test --workspace ARGUMENTS`
  counts [--set-limits]  count the hot functions' instructions under Valgrind and check them against their limits
                         (or make today's counts, plus a margin, the new limits)
  prove [NAME [OPTIONS]] run a long proof (without a name: list them)
  ci                     format, lints, documentation, tests and counts, as CI runs them

Variables: LIBTORCH (a libtorch of your own), FASTGARDEN_CACHE (where libtorch is kept; ~/.cache/fastgarden).
";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(if matches!(problem, Problem::Usage { .. }) { 2 } else { 1 })
        }
    }
}

fn run() -> Result<ExitCode> {
    let root = checkout_root();
    let environment = Environment::of_process(&root);
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let command = if arguments.is_empty() { OsString::from("help") } else { arguments.remove(0) };
    match command.to_str().unwrap_or_default() {
        "setup" => {
            setup::explicit(&root, &environment, variant_of(&arguments)?)?;
            Ok(ExitCode::SUCCESS)
        }
        "train" => {
            setup::if_needed(&root, &environment)?;
            become_cargo(&root, &environment, &["run", "--", "train"], &arguments)
        }
        "test" => {
            setup::if_needed(&root, &environment)?;
            become_cargo(&root, &environment, &["test", "--workspace"], &arguments)
        }
        "counts" => counts::run(&root, &environment, &arguments),
        "prove" => prove::run(&root, &environment, &arguments),
        "ci" => ci::run(&root, &environment),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(Problem::Usage { given: command.to_string_lossy().into_owned() }),
    }
}

/// The choice made on the command line of `setup`, or none: then the machine decides.
fn variant_of(arguments: &[OsString]) -> Result<Option<Variant>> {
    match arguments {
        [] => Ok(None),
        [one] if one == "--cpu" => Ok(Some(Variant::Cpu)),
        [one] if one == "--cuda" => Ok(Some(Variant::Cuda)),
        others => {
            let given: Vec<_> = others.iter().map(|argument| argument.to_string_lossy()).collect();
            Err(Problem::Usage { given: format!("setup {}", given.join(" ")) })
        }
    }
}

/// Replaces this process by cargo, so that signals and the exit code are the child's own and nothing is left to wait.
fn become_cargo(root: &Path, environment: &Environment, verb: &[&str], arguments: &[OsString]) -> Result<ExitCode> {
    let source = environment.cargo().current_dir(root).args(verb).args(arguments).exec();
    Err(Problem::Io { doing: "starting cargo", path: root.to_path_buf(), source })
}

fn checkout_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the checkout's root").to_path_buf()
}
