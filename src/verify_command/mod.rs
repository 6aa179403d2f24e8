//! `verify`: a submission, or the ledger of one run.
//! Not here: what makes either good (submission/judge, referee).

mod build;
mod ledger;
mod rerun;
mod submission;
mod told;
pub mod verdict;

use crate::cli::VerifyArgs;
use crate::exit::Failure;

/// Runs the command.
pub fn run(args: &VerifyArgs) -> Result<(), Failure> {
    if args.checkpoint.is_some() {
        crate::library_settings::start_again();
    }
    match &args.submission {
        Some(file) => {
            refuse_of_ledgers(args)?;
            submission::run(args, file)
        }
        None => ledger::run(args),
    }
}

/// What the parser lets pass: it asks for no --ledger where a submission rules it out.
fn refuse_of_ledgers(args: &VerifyArgs) -> Result<(), Failure> {
    let given =
        [("--pixels", args.pixels), ("--checkpoint", args.checkpoint.is_some()), ("--recipe", args.recipe.is_some())];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => Err(Failure::usage(
            format!("{flag} goes with --ledger, not with a submission"),
            "leave it out, or verify the ledger of a run: verify --ledger RUN",
        )),
        None => Ok(()),
    }
}
