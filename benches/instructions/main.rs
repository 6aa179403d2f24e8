//! How many instructions the hot functions take, counted by Valgrind's Callgrind, against limits that CI checks: counts
//! are the same on a busy machine as on a quiet one, and timings aren't.
//! Not here: time (see the other benches), or the functions counted (see `subjects`).
//!
//! `cargo bench -p fastgarden-data --bench instructions` starts this program once more under Valgrind for each function.
//! `-- --check` fails when a count exceeds its limit, `-- --set-limits` writes today's counts as the new ones (both as
//! `cargo xtask counts` too). Callgrind's files stay in `target/tmp/instructions`, for `callgrind_annotate`.

mod limits;
mod subjects;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use limits::Limits;
use subjects::Subject;

/// Says to a process under Valgrind which function it is to run.
const RUN: &str = "--run";

/// Why nothing could be counted.
type Refusal = String;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [run, name] = &arguments[..]
        && run == RUN
    {
        return run_one(name);
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    match count_all(has("--check"), has("--set-limits")) {
        Ok(code) => code,
        Err(refusal) if has("--check") || has("--set-limits") => {
            eprintln!("error: {refusal}");
            ExitCode::FAILURE
        }
        // Among all the other benches of a plain `cargo bench` this is no failure.
        Err(refusal) => {
            eprintln!("instructions are not counted: {refusal}");
            ExitCode::SUCCESS
        }
    }
}

/// Under Valgrind: runs one function, and counts its second call (the first grows buffers).
fn run_one(name: &str) -> ExitCode {
    let Some(mut work) = subjects::all().into_iter().find(|subject| subject.name == name).and_then(Subject::prepare)
    else {
        return ExitCode::from(2);
    };
    work();
    counted(&mut *work);
    ExitCode::SUCCESS
}

/// Callgrind counts what happens in here, by this function's name.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
    // Or the call above would be a jump, and this function over before it.
    std::hint::black_box(());
}

fn count_all(check: bool, set_limits: bool) -> Result<ExitCode, Refusal> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut limits = Limits::read()?;
    println!("{:<34}{:>12}  {:>12}", "instructions", "count", "limit");
    let mut counts = Vec::new();
    for Subject { name, .. } in subjects::all() {
        match count(name, &folder)? {
            Some(count) => {
                let limit = limits.of(name).map_or_else(|| "none".to_owned(), |limit| limit.to_string());
                println!("{name:<34}{count:>12}  {limit:>12}");
                counts.push((name, count));
            }
            None => println!("{name:<34}{:>12}", "not here"),
        }
    }
    if set_limits {
        limits.set(&counts)?;
        return Ok(ExitCode::SUCCESS);
    }
    let complaints = limits.complaints(&counts, &subjects::all());
    for complaint in &complaints {
        eprintln!("{}: {complaint}", if check { "error" } else { "note" });
    }
    for praise in limits.praise(&counts) {
        eprintln!("note: {praise}");
    }
    Ok(if check && !complaints.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Instructions of one function; `None` where this processor (as Valgrind shows it) lacks what the function needs.
fn count(name: &str, folder: &Path) -> Result<Option<u64>, Refusal> {
    let this = std::env::current_exe().map_err(|error| format!("this program's own path is unknown: {error}"))?;
    let out = out_file(folder, name);
    let out_argument = format!("--callgrind-out-file={}", out.display());
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--toggle-collect=*counted*", &out_argument])
        .arg(this)
        .args([RUN, name])
        .output()
        .map_err(|error| format!("valgrind does not start ({error}); install it (Debian: apt install valgrind)"))?;
    match output.status.code() {
        Some(0) => {}
        Some(2) => return Ok(None),
        _ => return Err(format!("valgrind failed on {name}: {}", String::from_utf8_lossy(&output.stderr))),
    }
    let text = std::fs::read_to_string(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    match total {
        None | Some(0) => Err(format!("valgrind counted nothing for {name}, see {}", out.display())),
        counted => Ok(counted),
    }
}

fn out_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{}.callgrind", name.replace([' ', ','], "-")))
}
