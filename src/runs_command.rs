//! `runs list|compare`: series of the past, by what their reports say.
//! Not here: reading them (see `history`).

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::Path;

use comfy_table::Cell;

use crate::cli::{Format, RunsCommand, RunsCompareArgs, RunsListArgs};
use crate::epoch_table::{percent, rate};
use crate::exit::Failure;
use crate::history::{self, Entry};
use crate::report::{EpochReport, Report};
use crate::series;
use crate::table::{header, plain_table, trimmed};
use crate::told::harmless;

/// Runs one of them; output goes to standard output.
pub fn run(command: &RunsCommand) -> Result<(), Failure> {
    let text = match command {
        RunsCommand::List(args) => list(args),
        RunsCommand::Compare(args) => compare(args)?,
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

fn list(args: &RunsListArgs) -> String {
    let found = history::read(&args.out);
    if args.format == Format::Json {
        return format!("{:#}\n", serde_json::json!({ "series": found }));
    }
    if found.is_empty() {
        return format!("no series in {}: `fastgarden-actors train` makes one\n", args.out.display());
    }
    let mut table = plain_table();
    table.set_header(["series", "runs", "epochs", "accuracy", "images/s", "input wait", ""].map(header));
    for entry in &found {
        let name = harmless(&entry.name);
        table.add_row(match &entry.report {
            Some(report) => row(&name, report),
            None => [&*name, "–", "–", "–", "–", "–", "no report yet"].map(str::to_owned),
        });
    }
    format!("{}\n", trimmed(&table))
}

fn row(name: &str, report: &Report) -> [String; 7] {
    let epochs = report.runs.iter().map(|run| run.epochs.len()).sum::<usize>();
    let note = if report.not_a_submission.is_empty() { "" } else { "not a submission" };
    [
        name.to_owned(),
        report.runs.len().to_string(),
        epochs.to_string(),
        accuracy(report),
        mean_of_epochs(report, |epoch| epoch.images_per_s).map_or_else(dash, rate),
        mean_of_epochs(report, |epoch| epoch.input_wait_share).map_or_else(dash, percent),
        note.to_owned(),
    ]
}

fn compare(args: &RunsCompareArgs) -> Result<String, Failure> {
    let (first, second) = (open(&args.first, &args.out)?, open(&args.second, &args.out)?);
    let recipes = [&args.first, &args.second].map(|path| series::read_recipe(&folder_of(path, &args.out)));
    let [there, here] = recipes;
    let differences = series::differences(&there?.to_toml(), &here?.to_toml());
    if args.format == Format::Json {
        let document = serde_json::json!({ "differences": differences, "series": [first, second] });
        return Ok(format!("{document:#}\n"));
    }
    let (Some(a), Some(b)) = (&first.report, &second.report) else {
        let without = if first.report.is_none() { &first.name } else { &second.name };
        let way_out = "it is written after a series' first run; look at `runs list`";
        return Err(Failure::usage(format!("{without} has no report"), way_out));
    };
    let mut table = plain_table();
    table.set_header(["", &*harmless(&first.name), &*harmless(&second.name)].map(header));
    let mut add = |what: &str, of: &dyn Fn(&Report) -> String| {
        table.add_row([Cell::new(what), Cell::new(of(a)), Cell::new(of(b))]);
    };
    add("accuracy", &accuracy);
    add("runs", &|report| report.runs.len().to_string());
    add("images/s", &|report| mean_of_epochs(report, |epoch| epoch.images_per_s).map_or_else(dash, rate));
    add("input wait", &|report| mean_of_epochs(report, |epoch| epoch.input_wait_share).map_or_else(dash, percent));
    let numbers: BTreeSet<u32> = [a, b].into_iter().flat_map(epochs).map(|epoch| epoch.epoch).collect();
    for number in numbers {
        add(&format!("epoch {number}, accuracy"), &|report| {
            of_epoch(report, number, |epoch| epoch.accuracy, 100.0, 2, " %")
        });
        add(&format!("epoch {number}, valid loss"), &|report| {
            of_epoch(report, number, |epoch| epoch.valid_loss, 1.0, 4, "")
        });
    }
    let mut text = format!("{}\n", trimmed(&table));
    match &*differences {
        [] => text += "\nthe recipes are the same\n",
        keys => {
            text += "\nthe recipes differ (there = the first, now = the second):\n";
            for key in keys {
                text += &format!("    {}\n", harmless(key));
            }
        }
    }
    Ok(text)
}

/// A path as it is, or a name under the folder of all series.
fn folder_of(path: &Path, out: &Path) -> std::path::PathBuf {
    if path.join(series::RECIPE_FILE).is_file() { path.to_owned() } else { out.join(path) }
}

fn open(path: &Path, out: &Path) -> Result<Entry, Failure> {
    history::series(&folder_of(path, out)).ok_or_else(|| {
        let sentence = format!("{} is no series: there is no recipe.toml in it", path.display());
        Failure::usage(sentence, "give a folder that `train` made, or its name under --out; `runs list` lists them")
    })
}

fn epochs(report: &Report) -> impl Iterator<Item = &EpochReport> {
    report.runs.iter().flat_map(|run| &run.epochs)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

fn mean_of_epochs(report: &Report, value: fn(&EpochReport) -> Option<f64>) -> Option<f64> {
    mean(epochs(report).filter_map(value))
}

/// The mean over the runs, at one epoch.
fn of_epoch(
    report: &Report,
    number: u32,
    value: fn(&EpochReport) -> Option<f64>,
    factor: f64,
    digits: usize,
    unit: &str,
) -> String {
    let found = mean(epochs(report).filter(|epoch| epoch.epoch == number).filter_map(value));
    found.map_or_else(dash, |value| format!("{:.digits$}{unit}", factor * value))
}

fn accuracy(report: &Report) -> String {
    let percent = |share: f64| format!("{:.2}", 100.0 * share);
    match (report.accuracy_mean, report.accuracy_std_population) {
        (Some(mean), Some(deviation)) => format!("{} % ± {}", percent(mean), percent(deviation)),
        (Some(mean), None) => format!("{} %", percent(mean)),
        (None, _) => dash(),
    }
}

fn dash() -> String {
    "–".to_owned()
}
