//! `verify SUBMISSION`: offline, from the file alone, and with `--rerun` by training again.
//! Not here: the judgement (submission/judge), or training again (`rerun`).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Write as _};
use std::path::Path;

use super::{rerun, verdict};
use crate::cli::{Format, VerifyArgs};
use crate::exit::{Complaint, Failure, OrFail as _};
use crate::referee::DataColumns;
use crate::rules::Rules;
use crate::run_spec::DataSource;
use crate::submission::{Against, Submission, judge};

/// Runs the command.
pub(super) fn run(args: &VerifyArgs, file: &Path) -> Result<(), Failure> {
    let submission = Submission::read(file)?;
    let rules = args.rules.as_deref().map(Rules::load).transpose().or_usage()?;
    // Without --data a training is one on the garden, here as everywhere.
    let data = match args.data.data.is_empty() && !args.rerun {
        true => None,
        false => Some(Columns::read(&submission, &DataSource::from_patterns(&args.data.data)?)?),
    };
    let (own, of_parents) = (data.as_ref().map(|data| &data.own), data.as_ref().map(|data| &data.of_parents));
    let against = Against { rules: rules.as_ref(), data: own, of_parents };
    let judgement = judge(&submission, &against);
    let text = verdict::text(&submission, &judgement, &against);
    if args.format == Format::Text {
        io::stdout().lock().write_all(text.as_bytes())?;
    }
    // What doesn't stand by itself is not worth hours.
    let again = match args.rerun && judgement.stands() {
        true => Some(rerun::rerun(args, &submission)?),
        false => None,
    };
    let stands = judgement.stands() && again.as_ref().is_none_or(rerun::Rerun::agrees);
    let sentence = match (judgement.stands(), stands) {
        (true, false) => "training again does not bear it out".to_owned(),
        (true, true) if again.is_some() => "it stands, and training again bears it out".to_owned(),
        _ => verdict::sentence(&judgement),
    };
    let text = match args.format {
        Format::Text => format!("{}verdict {sentence}\n", again.map(|again| again.text()).unwrap_or_default()),
        Format::Json => {
            let mut document = verdict::json(&submission, &judgement, &against);
            document["stands"] = stands.into();
            document["rerun"] = again.map_or(serde_json::Value::Null, |again| again.json());
            format!("{document:#}\n")
        }
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    match stands {
        true => Ok(()),
        false => {
            let cause = anyhow::anyhow!("{} does not stand: {sentence}", file.display());
            Err(Failure::Rules(Complaint::new(cause)))
        }
    }
}

/// What its own recipe and those of its parents ask of the data.
struct Columns {
    own: DataColumns,
    /// By the recipes' hashes.
    of_parents: BTreeMap<String, DataColumns>,
}

impl Columns {
    fn read(submission: &Submission, source: &DataSource) -> Result<Self, Failure> {
        let mut of_parents = BTreeMap::new();
        for parent in submission.runs.iter().flat_map(|run| &run.parents) {
            if let Entry::Vacant(place) = of_parents.entry(parent.recipe.hash()) {
                place.insert(DataColumns::read(&parent.recipe, source)?);
            }
        }
        Ok(Self { own: DataColumns::read(&submission.recipe, source)?, of_parents })
    }
}
