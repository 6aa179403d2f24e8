//! `verify --ledger`: every ledger of a run or a series, held to its recipe, its rules, its report, and the data where given.
//!
//! `--format json` prints `{"sound","not_proved","ledgers":[{"name","standing","seed","epochs","steps","accuracy",
//! "ledger_head","batch_hash","faults":[{"line","kind","what"}],"notes":[…],"pixels":{…}|null,"checkpoint":{…}|null}]}`;
//! `standing` is "whole" or "consistent_so_far", `line` null where the whole ledger is meant. Exit code 4 when anything is
//! wrong.
//!
//! Not here: what makes a ledger good (referee).

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use fastgarden_train::checkpoint;
use fastgarden_train::trainer::standing_in;

use super::told::{self, Told};
use crate::cli::{EvaluateArgs, Format, RecipeChoice, VerifyArgs};
use crate::evaluate_command;
use crate::exit::{Complaint, Failure, OrFail as _};
use crate::progress::{Figures, Progress, ProgressKind};
use crate::recipe::Recipe;
use crate::referee::{self, DataColumns, Evidence, Finding, KnownHead, LEDGER_BYTES_MAX};
use crate::report::{Report, RunReport};
use crate::rules::Rules;
use crate::run_spec::{DataSource, PoolSizes};
use crate::series::{LEDGER_FILE, RECIPE_FILE, REPORT_FILE, read_report, run_name};
use crate::weights::{checkpoint_at, of_checkpoint};

/// Runs the command.
pub(super) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let Some(path) = &args.ledger else {
        return Err(Failure::usage("nothing to verify is named", "name a submission, or a run with --ledger"));
    };
    let ledgers = ledgers_at(path)?;
    let series = ancestor_with(path, RECIPE_FILE);
    let recipe = recipe(args, series.as_deref())?;
    let rules = rules(args, series.as_deref())?;
    let needs_data = args.pixels || args.checkpoint.is_some();
    if needs_data && args.data.data.is_empty() {
        return Err(Failure::usage(
            "batches and scores are made from data, and none is given",
            "name it with --data (the garden of `train` lies in the cache folder)",
        ));
    }
    if args.checkpoint.is_some() && ledgers.len() > 1 {
        let sentence = format!("--checkpoint is of one run, and {} has {}", path.display(), ledgers.len());
        return Err(Failure::usage(sentence, "name one run with --ledger"));
    }
    let data = match args.data.data.is_empty() {
        true => None,
        false => Some(DataColumns::read(&recipe.1, &DataSource::from_patterns(&args.data.data)?)?),
    };
    let known = Known { recipe_name: &recipe.0, recipe: &recipe.1, rules: &rules, data: data.as_ref(), args };
    let report = series.as_deref().map(report_of).transpose()?.flatten();
    if let Some(sentence) = report.as_ref().and_then(|report| vanished(path, report)) {
        let cause = anyhow::Error::msg(sentence);
        return Err(Failure::Rules(Complaint::new(cause).way_out("put it back: a run that was started counts")));
    }
    let told = ledgers.iter().map(|ledger| known.verify(ledger, report.as_ref())).collect::<Result<Vec<_>, _>>()?;
    told::print(args.format, &told)?;
    let broken: Vec<&Told> = told.iter().filter(|told| !told.is_sound()).collect();
    let Some(first) = broken.first() else { return Ok(()) };
    let cause = match (broken.len(), told.len()) {
        (1, 1) => anyhow::anyhow!("{} does not hold", first.finding.name),
        (broken, all) => anyhow::anyhow!("{broken} of {all} ledgers do not hold"),
    };
    Err(Failure::Rules(Complaint::new(cause).way_out("train again, or look for whoever changed it")))
}

/// What all ledgers of a series have in common.
struct Known<'a> {
    recipe_name: &'a str,
    recipe: &'a Recipe,
    rules: &'a Rules,
    data: Option<&'a DataColumns>,
    args: &'a VerifyArgs,
}

impl Known<'_> {
    fn verify(&self, path: &Path, report: Option<&Report>) -> Result<Told, Failure> {
        let bytes = read_ledger(path)?;
        let name = path.display().to_string();
        let run = report.and_then(|report| report.runs.iter().find(|run| is_of(run, path)));
        let remembered = remembered(path, run)?;
        let known_head = remembered.as_ref().map(|(chain, told_by)| KnownHead { chain, told_by });
        let Self { recipe, rules, data, .. } = *self;
        let evidence = Evidence { name: &name, ledger: &bytes, recipe, rules, known_head, data };
        let mut finding = referee::verify(&evidence);
        if let Some(run) = run.filter(|_| finding.is_sound()) {
            finding.faults = referee::compare_with_report(&finding, run);
        }
        let mut told = Told { finding, pixels: None, judged: None };
        if !told.is_sound() {
            return Ok(told);
        }
        if let Some(data) = data.filter(|_| self.args.pixels) {
            told.pixels = Some(self.remake(&evidence, data, &told.finding)?);
        }
        if let Some(weights) = &self.args.checkpoint {
            told.judged = Some(self.judge(weights, &told.finding)?);
        }
        Ok(told)
    }

    fn remake(
        &self,
        evidence: &Evidence<'_>,
        data: &DataColumns,
        finding: &Finding,
    ) -> Result<referee::Remade, Failure> {
        let mut progress = Progress::new(ProgressKind::Auto);
        let (begun, epochs) = (std::time::Instant::now(), self.recipe.epochs());
        let (mut current, mut before, mut done_before) = (0, 0, 0);
        let told = |epoch, done, total| {
            if current != epoch {
                (current, before, done_before) = (epoch, before + done_before, 0);
                progress.start_phase(1, 1, epoch, epochs.max(epoch), "decode", total);
            }
            done_before = done;
            let rate = (before + done) as f64 / begun.elapsed().as_secs_f64().max(1e-9);
            progress.update(&Figures::of_rate(done, rate));
        };
        let remade = referee::remake(evidence, data, &PoolSizes::from(&self.args.pools), told)?;
        progress.finish();
        if remade.batches != finding.steps && remade.faults.is_empty() {
            let cause = anyhow::anyhow!("{} of {} batches could be made again", remade.batches, finding.steps);
            return Err(Failure::Run(Complaint::new(cause)));
        }
        Ok(remade)
    }

    fn judge(&self, weights: &Path, finding: &Finding) -> Result<referee::Judged, Failure> {
        let sha256 = referee::sha256_of(&checkpoint_at(weights)?, self.recipe)?;
        let args = EvaluateArgs {
            checkpoint: weights.to_owned(),
            recipe: RecipeChoice { recipe: Some(self.recipe_name.to_owned()), set: Vec::new() },
            data: self.args.data.clone(),
            device: self.args.device,
            format: Format::Text,
            pools: self.args.pools.clone(),
        };
        let score = evaluate_command::score(&args)?;
        Ok(referee::hold_to_weights(finding, &score.path, sha256, score.tally.accuracy()))
    }
}

/// The ledgers at a path: of a run, of every run of a series, or the file itself.
fn ledgers_at(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let of_run = path.join("ledger.jsonl");
    if path.is_file() || of_run.is_file() {
        return Ok(vec![if path.is_file() { path.to_owned() } else { of_run }]);
    }
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let seed = entry.file_name().to_str().and_then(|name| name.strip_prefix("seed-")?.parse().ok());
        let ledger = entry.path().join("ledger.jsonl");
        if let Some(seed) = seed.filter(|_| ledger.is_file()) {
            found.push((seed, ledger));
        }
    }
    found.sort();
    if found.is_empty() {
        let sentence = format!("there is no ledger at {}", path.display());
        return Err(Failure::usage(sentence, "name a run such as runs/<series>/seed-1, its ledger.jsonl, or a series"));
    }
    Ok(found.into_iter().map(|(_, ledger)| ledger).collect())
}

/// The nearest folder at or above a path that holds a file of this name.
fn ancestor_with(path: &Path, name: &str) -> Option<PathBuf> {
    let whole = path.canonicalize().ok()?;
    whole.ancestors().find(|folder| folder.join(name).is_file()).map(Path::to_owned)
}

/// A recipe and what it is called by.
fn recipe(args: &VerifyArgs, series: Option<&Path>) -> Result<(String, Recipe), Failure> {
    let beside = series.map(|series| series.join(RECIPE_FILE).display().to_string());
    let name = args.recipe.clone().or(beside).ok_or_else(|| {
        let sentence = "there is no recipe.toml above the ledger";
        Failure::usage(sentence, "leave ledgers in the folder of their series, or name the recipe with --recipe")
    })?;
    let recipe = Recipe::load(&name, &[]).or_usage()?;
    Ok((name, recipe))
}

fn rules(args: &VerifyArgs, series: Option<&Path>) -> Result<Rules, Failure> {
    let beside = series.map(|series| series.join("rules.toml")).filter(|path| path.is_file());
    let name = args.rules.clone().or_else(|| beside.map(|path| path.display().to_string())).ok_or_else(|| {
        let sentence = "there is no rules.toml above the ledger";
        Failure::usage(sentence, "leave ledgers in the folder of their series, or name the rules with --rules")
    })?;
    Rules::load(&name).or_usage()
}

/// The report of a series, if it has one.
fn report_of(series: &Path) -> Result<Option<Report>, Failure> {
    read_report(series).map_err(|error| {
        let path = series.join(REPORT_FILE);
        let cause = error.context(format!("cannot read what {} remembers of the runs", path.display()));
        Failure::Usage(Complaint::new(cause).way_out("put the report back as it was, or move it away"))
    })
}

/// A run that the report of a whole series tells of, and whose ledger is not there.
fn vanished(series: &Path, report: &Report) -> Option<String> {
    let is_series = series.join(RECIPE_FILE).is_file();
    let seeds = report.runs.iter().map(|run| run.seed).filter(|_| is_series);
    let ledgers = seeds.map(|seed| series.join(run_name(seed)).join(LEDGER_FILE));
    let gone = ledgers.into_iter().find(|ledger| !ledger.is_file())?;
    Some(format!("{} is gone, and report.json tells of a finished run there", gone.display()))
}

fn is_of(run: &RunReport, ledger: &Path) -> bool {
    let folder = ledger.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    folder == Some(&format!("seed-{}", run.seed))
}

/// The last line that somebody else knows of: the report if the run is in it, else its newest checkpoint.
fn remembered(ledger: &Path, run: Option<&RunReport>) -> Result<Option<(String, String)>, Failure> {
    if let Some(run) = run {
        return Ok(Some((run.ledger_head.clone(), REPORT_FILE.to_owned())));
    }
    let Some(folder) = ledger.parent() else { return Ok(None) };
    let newest = checkpoint::newest_meta(&folder.join("checkpoints")).map_err(of_checkpoint)?;
    Ok(newest.and_then(|(path, meta)| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some((standing_in(&meta)?.ledger.head, format!("the checkpoint {name}")))
    }))
}

fn read_ledger(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| {
        let cause = anyhow::Error::new(error).context(format!("cannot read {}", path.display()));
        Failure::Usage(Complaint::new(cause))
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LEDGER_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LEDGER_BYTES_MAX {
        let sentence = format!("{} is larger than {} MiB", path.display(), LEDGER_BYTES_MAX >> 20);
        return Err(Failure::usage(sentence, "name the ledger of a run"));
    }
    Ok(bytes)
}
