//! `verify SUBMISSION --rerun`: trains again from the submission's recipe and seeds, and compares.
//! Not here: the comparison itself (submission/compare), or building another program (`build`).

use std::fs;
use std::path::{Path, PathBuf};

use fastgarden_data::ledger;
use fastgarden_proto::ledger::Opening;
use fastgarden_proto::ledger::line::Line;
use serde_json::{Value, json};

use super::build;
use crate::child::{Patience, Seeds, Training, this_program, with_this_command};
use crate::cli::VerifyArgs;
use crate::exit::{Complaint, Failure, OrFail as _};
use crate::recipe::Recipe;
use crate::rules::{Rules, grouped};
use crate::series::{self, LEDGER_FILE, RECIPE_FILE, RULES_FILE, run_name};
use crate::submission::compare::{AccuracyTest, Comparison, compare, first_difference};
use crate::submission::{Submission, SubmittedParent, SubmittedRun};
use crate::told::say;

/// What training again came to.
pub(super) struct Rerun {
    comparisons: Vec<Comparison>,
    test: Option<AccuracyTest>,
}

/// Trains again the first `--runs` of a submission.
pub(super) fn rerun(args: &VerifyArgs, submission: &Submission) -> Result<Rerun, Failure> {
    let temporary;
    let place = match &args.out {
        Some(folder) => folder.as_path(),
        None => {
            temporary = tempfile::tempdir().or_run()?;
            temporary.path()
        }
    };
    fs::create_dir_all(place).map_err(|error| unwritable(place, error))?;
    let place = place.canonicalize().map_err(|error| unwritable(place, error))?;
    let runs = submission.runs.iter().take(args.runs as usize);
    let mut comparisons = Vec::new();
    let program = match args.build {
        true => build::build(submission, &place, args.yes)?,
        false => this_program()?,
    };
    let patience = Patience::begin()?;
    let again = Again { args, submission, place: &place, program: &program, patience: &patience };
    for run in runs {
        let compared = again.train(run);
        // A temporary folder is gone with this process.
        comparisons.extend(if args.out.is_some() { compared.map_err(with_this_command) } else { compared }?);
    }
    let records = last_epoch(submission).map_or(0, |epoch| epoch.evaluated + epoch.evaluation_quarantined);
    let submitted: Vec<f64> = submission.report.runs.iter().filter_map(|run| run.accuracy).collect();
    let pairs: Vec<_> = comparisons.iter().map(|run| (run.submitted_accuracy, run.accuracy)).collect();
    Ok(Rerun { comparisons, test: AccuracyTest::of(&submitted, &pairs, records) })
}

/// What all trainings have in common.
struct Again<'a> {
    args: &'a VerifyArgs,
    submission: &'a Submission,
    place: &'a Path,
    program: &'a Path,
    patience: &'a Patience,
}

impl Again<'_> {
    /// A run and, before it, all that it descends from, each compared with what was submitted.
    fn train(&self, run: &SubmittedRun) -> Result<Option<Comparison>, Failure> {
        let (mut from, mut of_parents) = (None, None);
        for (place, parent) in run.parents.iter().enumerate().rev() {
            let number = place + 1;
            let (name, submitted) = (format!("parent-{number}"), lines_of(&parent.ledger)?);
            let max_steps = end_of(parent, &submitted)?;
            let seed = opening_of(&submitted)?.seed;
            let again = self.one(&name, &parent.recipe, &parent.rules, seed, max_steps, from.as_deref())?;
            let told = first_difference(&submitted, &lines_in(&again)?);
            of_parents = of_parents.or(told.map(|told| format!("parent {number}: {told}")));
            from = Some(again);
        }
        let submitted = lines_of(&run.ledger)?;
        let (recipe, rules) = (&self.submission.recipe, &self.submission.rules);
        let max_steps = opening_of(&submitted)?.max_steps;
        let again = self.one("again", recipe, rules, run.seed, max_steps, from.as_deref())?;
        let compared = compare(run.seed, &submitted, &lines_in(&again)?);
        Ok(compared.map(|own| Comparison { difference: of_parents.or(own.difference), ..own }))
    }

    /// Returns the folder of the run.
    fn one(
        &self,
        name: &str,
        recipe: &Recipe,
        rules: &Rules,
        seed: u64,
        max_steps: Option<u64>,
        from: Option<&Path>,
    ) -> Result<PathBuf, Failure> {
        let out = self.place.join(name);
        fs::create_dir_all(&out).map_err(|error| unwritable(&out, error))?;
        let (recipe_file, rules_file) = (out.join(RECIPE_FILE), out.join(RULES_FILE));
        series::write_recipe(&out, recipe).map_err(|error| unwritable(&out, error))?;
        fs::write(&rules_file, rules.to_toml()).map_err(|error| unwritable(&out, error))?;
        say(&format!("training {} again, seed {seed}", recipe.name));
        let training = Training {
            program: self.program,
            recipe: &recipe_file,
            rules: &rules_file.display().to_string(),
            data: &self.args.data,
            pools: &self.args.pools,
            device: self.args.device.to_string(),
            out: &out,
            seeds: Seeds::One(seed),
            from,
            max_steps,
        };
        match training.run(self.patience)? {
            0 => {}
            code => {
                let cause = anyhow::anyhow!("training {} again failed with exit code {code}", recipe.name);
                return Err(Failure::Run(Complaint::new(cause)));
            }
        }
        let found = series::newest(&out, &recipe.name)?;
        let found =
            found.ok_or_else(|| Failure::Run(Complaint::new(anyhow::anyhow!("training again left no series"))))?;
        Ok(found.join(run_name(seed)))
    }
}

/// With which `--max-steps` a parent comes to where it was taken from.
fn end_of(parent: &SubmittedParent, lines: &[Line]) -> Result<Option<u64>, Failure> {
    let opening = opening_of(lines)?;
    let epochs = lines.iter().filter(|line| matches!(line, Line::Epoch(_))).count();
    let is_at_an_end = matches!(lines.last(), Some(Line::Epoch(_)));
    if is_at_an_end && (epochs == parent.recipe.epochs() as usize || opening.max_steps.is_some()) {
        return Ok(opening.max_steps);
    }
    let sentence = "a parent was taken in the midst of its training, where training again can't stop";
    Err(Failure::usage(sentence, "verify it without --rerun"))
}

fn opening_of(lines: &[Line]) -> Result<&Opening, Failure> {
    match lines.first() {
        Some(Line::Opening(opening)) => Ok(opening),
        _ => Err(Failure::Rules(Complaint::new(anyhow::anyhow!("a ledger of it does not open")))),
    }
}

/// The ledger of a run that was trained again.
fn lines_in(run: &Path) -> Result<Vec<Line>, Failure> {
    ledger::read(&run.join(LEDGER_FILE)).or_run()
}

/// The lines of a ledger whose chain the referee has checked.
fn lines_of(bytes: &[u8]) -> Result<Vec<Line>, Failure> {
    let aside = tempfile::NamedTempFile::new().or_run()?;
    fs::write(aside.path(), bytes).or_run()?;
    ledger::read(aside.path()).or_run()
}

fn last_epoch(submission: &Submission) -> Option<fastgarden_proto::ledger::Epoch> {
    let lines = lines_of(&submission.runs.first()?.ledger).ok()?;
    lines.into_iter().rev().find_map(|line| if let Line::Epoch(epoch) = line { Some(epoch) } else { None })
}

impl Rerun {
    /// Whether nothing of it is against the submission.
    pub(super) fn agrees(&self) -> bool {
        self.comparisons.iter().all(|comparison| comparison.difference.is_none())
            && self.test.is_some_and(|test| test.passes)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for Comparison { seed, is_comparable, batches, difference, has_equal_weights, submitted_accuracy, accuracy } in
            &self.comparisons
        {
            let batches = grouped(*batches as u64);
            let chain = match (difference, is_comparable) {
                (Some(difference), _) => difference.clone(),
                (None, true) => format!("the hashes of all {batches} batches agree"),
                (None, false) => {
                    format!(
                        "the tickets of all {batches} batches agree; another decoder made them, so hashes were not compared"
                    )
                }
            };
            let weights = match has_equal_weights {
                true => "weights equal to the bit",
                false => "weights differ in bits, as they may on another machine, with another program or on a GPU",
            };
            let (then, now) = (100.0 * submitted_accuracy, 100.0 * accuracy);
            text += &format!("again   seed {seed}: {now:.2} %, submitted {then:.2} %; {chain}; {weights}\n");
        }
        if let Some(test) = self.test {
            let (difference, allowed) = (100.0 * test.difference, 100.0 * test.allowed);
            let verdict = if test.passes { "within" } else { "beyond" };
            text += &format!(
                "test    seed by seed the accuracy differs by {difference:+.2} on the mean, {verdict} the ±{allowed:.2} of a \
                 two-sided t-test at 1 %\n"
            );
        }
        text
    }

    /// For scripts.
    pub(super) fn json(&self) -> Value {
        let runs = self.comparisons.iter().map(|run| {
            json!({
                "seed": run.seed, "batches": run.batches, "hashes_compared": run.is_comparable,
                "difference": run.difference, "weights_equal": run.has_equal_weights,
                "submitted_accuracy": run.submitted_accuracy, "accuracy": run.accuracy,
            })
        });
        let test = self.test.map(|test| {
            json!({
                "test": "two-sided t-test at 1 %, seed by seed", "difference": test.difference,
                "allowed": test.allowed, "passes": test.passes,
            })
        });
        json!({ "agrees": self.agrees(), "runs": runs.collect::<Vec<_>>(), "accuracy": test })
    }
}

fn unwritable(folder: &Path, error: std::io::Error) -> Failure {
    let cause = anyhow::Error::new(error).context(format!("cannot use the folder {}", folder.display()));
    Failure::Usage(Complaint::new(cause).way_out("name a folder you can write to with --out"))
}
