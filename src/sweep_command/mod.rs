//! `sweep`: a recipe at every point of a grid, one series a point, and a table that compares them.
//!
//! The points lie in `<out>/sweep-<recipe>/<first digits of the recipe's hash>/`, so that the same command goes on where it
//! stopped and a larger grid keeps what is there; `sweep.json` beside them is what `--format json` prints.
//! Not here: training; each point is a `train` of its own.

mod grid;
mod table;

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use self::grid::{Grid, Point};
use self::table::{Row, Sweep};
use crate::child::{Patience, Seeds, Training, this_program, with_this_command};
use crate::cli::{Format, SweepArgs};
use crate::exit::{Complaint, Failure, OrFail as _};
use crate::report::{Report, write_atomically};
use crate::rules::Rules;
use crate::run_spec::DataSource;
use crate::series::{self, RECIPE_FILE, REPORT_FILE, RULES_FILE};
use crate::told::say;

/// Digits of a recipe's hash in the name of a point's folder.
const HASH_DIGITS: usize = 12;

/// Runs the command.
pub fn run(args: &SweepArgs) -> Result<(), Failure> {
    let grid = Grid::of(&args.recipe, &args.set, &args.grid)?;
    Rules::load(&args.rules).or_usage()?;
    DataSource::from_patterns(&args.data.data)?;
    let first = &grid.points[0].recipe;
    let folder = args.out.join(format!("sweep-{}", first.name));
    fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, error))?;
    let patience = Patience::begin()?;
    let mut sweep = Sweep {
        version: 1,
        recipe: first.name.clone(),
        evaluated_on: scored_on(&grid),
        keys: grid.keys.clone(),
        points: grid.points.iter().map(|point| row_of(point, &folder)).collect::<Result<_, _>>()?,
    };
    if sweep.evaluated_on.contains("val") {
        say("warning the points are compared on the scored set: tuning on it makes its score too good\n  \
             try: --set evaluation.on=holdout:1000, which takes records of the training split");
    }
    for (number, point) in grid.points.iter().enumerate() {
        let told = grid::told(&grid.keys, &point.values);
        say(&format!("point   {} of {}: {told}", number + 1, grid.points.len()));
        let failure = train(args, point, &folder, &patience).map_err(with_this_command)?;
        sweep.points[number] = Row { failure, ..row_of(point, &folder)? };
        let path = folder.join("sweep.json");
        write_atomically(&path, sweep.to_json().as_bytes()).map_err(|error| unwritable(&path, error))?;
    }
    let text = match args.format {
        Format::Text => sweep.to_text(),
        Format::Json => sweep.to_json(),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    match sweep.points.iter().filter(|row| row.failure.is_some()).count() {
        0 => Ok(()),
        failed => {
            let cause = anyhow::anyhow!("{failed} of {} points failed", sweep.points.len());
            Err(Failure::Run(Complaint::new(cause).way_out("see above; the same command tries them again")))
        }
    }
}

/// What the points are scored on: one word where it is the same at all of them.
fn scored_on(grid: &Grid) -> String {
    let mut words: Vec<String> = grid.points.iter().map(|point| point.recipe.evaluation.on.to_string()).collect();
    words.sort_unstable();
    words.dedup();
    words.join(", ")
}

fn folder_of(point: &Point, sweep: &Path) -> std::path::PathBuf {
    sweep.join(&point.recipe.hash()[..HASH_DIGITS])
}

/// A point as its folder shows it.
fn row_of(point: &Point, sweep: &Path) -> Result<Row, Failure> {
    let found = series::newest(&folder_of(point, sweep), &point.recipe.name)?;
    let report = found.as_ref().and_then(|series| fs::read(series.join(REPORT_FILE)).ok());
    let report = report.and_then(|bytes| serde_json::from_slice::<Report>(&bytes).ok());
    let (values, recipe_hash) = (point.values.clone(), point.recipe.hash());
    Ok(Row { values, recipe_hash, series: found, report, failure: None })
}

/// Trains a point, or what is left of it. Returns why it failed, if it did.
fn train(args: &SweepArgs, point: &Point, sweep: &Path, patience: &Patience) -> Result<Option<String>, Failure> {
    let out = folder_of(point, sweep);
    if is_done(args, point, sweep)? {
        return Ok(None);
    }
    fs::create_dir_all(&out).map_err(|error| unwritable(&out, error))?;
    series::write_recipe(&out, &point.recipe).map_err(|error| unwritable(&out, error))?;
    let training = Training {
        program: &this_program()?,
        recipe: &out.join(RECIPE_FILE),
        rules: &args.rules,
        data: &args.data,
        pools: &args.pools,
        device: args.device.to_string(),
        out: &out,
        seeds: Seeds::UpTo(args.runs),
        from: args.from.as_deref(),
        max_steps: args.max_steps,
    };
    match training.run(patience)? {
        0 => Ok(None),
        code => Ok(Some(format!("failed, exit code {code}"))),
    }
}

/// Whether all runs of a point are there already, under the same rules and to their last epoch: then not even the data is
/// opened. Whatever else is there is for `train --resume` to go on with, or to refuse.
fn is_done(args: &SweepArgs, point: &Point, sweep: &Path) -> Result<bool, Failure> {
    let Row { report: Some(report), series: Some(series), .. } = row_of(point, sweep)? else { return Ok(false) };
    let rules = Rules::load(&series.join(RULES_FILE).display().to_string());
    let is_same = rules.is_ok_and(|rules| Rules::load(&args.rules).is_ok_and(|asked| asked.hash() == rules.hash()));
    let has = |seed: u64| report.runs.iter().any(|run| run.seed == seed && !run.cut_short);
    Ok(is_same && args.max_steps.is_none() && (1..=u64::from(args.runs)).all(has))
}

fn unwritable(path: &Path, error: io::Error) -> Failure {
    let cause = anyhow::Error::new(error).context(format!("cannot write {}", path.display()));
    Failure::Usage(Complaint::new(cause).way_out("name a folder you can write to with --out"))
}
