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
        Some(file) => submission::run(args, file),
        None => ledger::run(args),
    }
}
