//! `verify SUBMISSION`: offline, from the file alone.
//! Not here: training again (see `rerun`).

use std::io::{self, Write as _};
use std::path::Path;

use super::verdict;
use crate::cli::{Format, VerifyArgs};
use crate::exit::{Complaint, Failure, OrFail as _};
use crate::referee::DataColumns;
use crate::rules::Rules;
use crate::run_spec::DataSource;
use crate::submission::{Against, Submission, SubmissionError, judge};

/// Runs the command.
pub fn run(args: &VerifyArgs, file: &Path) -> Result<(), Failure> {
    let submission = Submission::read(file).map_err(unread)?;
    let rules = args.rules.as_deref().map(Rules::load).transpose().or_usage()?;
    let data = match args.data.data.is_empty() {
        true => None,
        false => Some(DataColumns::read(&submission.recipe, &DataSource::from_patterns(&args.data.data)?)?),
    };
    let against = Against { rules: rules.as_ref(), data: data.as_ref() };
    let judgement = judge(&submission, &against);
    let text = match args.format {
        Format::Text => format!("{}verdict {}\n", verdict::text(&submission, &judgement), verdict::sentence(&judgement)),
        Format::Json => format!("{:#}\n", verdict::json(&submission, &judgement)),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    match judgement.stands() {
        true => Ok(()),
        false => {
            let cause = anyhow::anyhow!("{} does not stand: {}", file.display(), verdict::sentence(&judgement));
            Err(Failure::Rules(Complaint::new(cause)))
        }
    }
}

/// A file that can't be opened was named wrongly; one that holds something else than it should does not stand.
fn unread(error: SubmissionError) -> Failure {
    match error {
        SubmissionError::Unsound { .. } => Failure::Rules(Complaint::new(error)),
        _ => Failure::Usage(Complaint::new(error)),
    }
}
