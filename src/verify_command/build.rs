//! `--build`: the submission's own program, from the commit and patch that it names.
//! This runs its code, and its dependencies' build scripts, with the rights of whoever verifies: it is asked for each time.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exit::{Complaint, Failure, OrFail as _};
use crate::submission::{Source, Submission};
use crate::told::{harmless, say, say_on};

/// Fetches and builds; returns the program. `place` is a folder to work in.
pub(super) fn build(submission: &Submission, place: &Path, is_agreed: bool) -> Result<PathBuf, Failure> {
    let Some(source) = &submission.about.source else {
        return Err(Failure::usage("this submission has no source to build", "leave --build out"));
    };
    let repository = repository(source)?;
    if !is_agreed {
        ask(submission, repository, source)?;
    }
    let checkout = place.join("source");
    // Left by an earlier call in the same folder.
    let whose = checkout.join(".git").join("submission");
    if !std::fs::read_to_string(&whose).is_ok_and(|sha256| sha256 == submission.sha256) {
        check_out(repository, source, submission.patch.as_deref(), &checkout)?;
        std::fs::write(&whose, &submission.sha256).or_run()?;
    }
    compile(&checkout, &place.join("target"))
}

/// The address, if it is one that can be fetched from.
fn repository(source: &Source) -> Result<&str, Failure> {
    let refused = |what: &str| Err(Failure::usage(what, "leave --build out, or build it yourself"));
    let is_hash = matches!(source.commit.len(), 40 | 64) && source.commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hash {
        return refused("the submission's commit is not a hash");
    }
    match source.repository.as_deref() {
        None => refused("the submission's source has no address to fetch it from"),
        Some(address) if address.is_empty() || address.starts_with('-') || address.contains("::") => {
            refused("the address of the submission's source is not one to fetch from")
        }
        Some(address) => Ok(address),
    }
}

fn ask(submission: &Submission, repository: &str, source: &Source) -> Result<(), Failure> {
    let whose = submission.author.as_deref().unwrap_or("somebody who gives no name");
    let (whose, repository) = (harmless(whose), harmless(repository));
    let patch =
        submission.patch.as_ref().map_or(String::new(), |patch| format!(" and a patch of {} bytes", patch.len()));
    let commit = source.commit.get(..12).unwrap_or_default();
    say(&format!(
        "This builds and runs the code of {whose}: {repository} at {commit}{patch}.\nIt can do whatever you can do here. \
         Read it first, or use a machine that has nothing to lose."
    ));
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "--build runs a submission's code, and there is no terminal to ask at",
            "add --yes",
        ));
    }
    say_on("Type yes to go on: ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "yes" => Ok(()),
        _ => Err(Failure::usage("nothing was built", "leave --build out to train with this program")),
    }
}

fn check_out(repository: &str, source: &Source, patch: Option<&[u8]>, into: &Path) -> Result<(), Failure> {
    if into.exists() {
        let sentence = format!("{} is there already, and is not this submission's source", into.display());
        return Err(Failure::usage(sentence, "take it away, or name another folder with --out"));
    }
    let git = |words: &[&OsStr]| {
        let mut command = Command::new("git");
        // No transport that is itself a command.
        command.env("GIT_ALLOW_PROTOCOL", "https:http:ssh:git:file").env("GIT_TERMINAL_PROMPT", "0").args(words);
        finish(&mut command, "git")
    };
    let word = OsStr::new;
    git(&[word("clone"), word("--quiet"), word("--no-checkout"), word("--"), word(repository), into.as_os_str()])?;
    let inside = [word("-C"), into.as_os_str()];
    git(&[&inside[..], &["checkout", "--quiet", "--detach", &source.commit].map(word)].concat())?;
    if let Some(patch) = patch {
        let file = into.join(".git").join("submission.patch");
        std::fs::write(&file, patch).or_run()?;
        git(&[&inside[..], &["apply", "--whitespace=nowarn"].map(word), &[file.as_os_str()]].concat())?;
    }
    Ok(())
}

fn compile(checkout: &Path, target: &Path) -> Result<PathBuf, Failure> {
    let cargo = |words: &[&str]| {
        let mut command = Command::new("cargo");
        finish(command.args(words).current_dir(checkout).env("CARGO_TARGET_DIR", target), "cargo")
    };
    if std::env::var_os("LIBTORCH").is_none() {
        cargo(&["xtask", "setup"])?;
    }
    let name = env!("CARGO_PKG_NAME");
    cargo(&["build", "--release", "--locked", "--bin", name])?;
    Ok(target.join("release").join(name))
}

/// Runs a tool with its output on standard error.
fn finish(command: &mut Command, name: &str) -> Result<(), Failure> {
    let told =
        |what: String| Failure::Run(Complaint::new(anyhow::anyhow!("the submission could not be built: {what}")));
    command.stdin(Stdio::null()).stdout(io::stderr());
    let status = command.status().map_err(|error| told(format!("{name} can't be run: {error}")))?;
    match status.success() {
        true => Ok(()),
        false => Err(told(format!("{name} failed, {status}"))),
    }
}
