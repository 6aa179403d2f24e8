//! From the folder of a series to the files of its submission.
//! Not here: judging it, which is done on the finished file as anybody else would do it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fastgarden_data::ledger;
use fastgarden_proto::ledger::line::Line;

use super::about::{About, Explanation, Fingerprints, Tuning, VERSION};
use super::container::Content;
use super::members::{ATTEMPTS, ENVIRONMENT, LEDGER, PARENTS, PATCH, RECIPE, REPORT, RULES, WEIGHTS};
use super::source;
use crate::exit::{Complaint, Failure, OrFail as _};
use crate::report::Report;
use crate::series::{self, run_name};
use crate::weights;

/// What goes into a submission besides what lies in the series' folder.
#[derive(Clone, Debug, Default)]
pub struct Packing {
    /// Whose it is, as `@name`.
    pub author: Option<String>,
    /// Where to read more.
    pub link: Option<String>,
    /// In place of the recipe's own words.
    pub explanation: Option<Explanation>,
    /// The source, where it is to go in.
    pub source: Option<source::Found>,
    /// Whether the final weights go in.
    pub with_weights: bool,
}

/// The parts of a submission, to be written by [`super::write`]. Weights are made in `aside`, a temporary folder.
pub fn pack(series: &Path, packing: &Packing, aside: &Path) -> Result<(About, Vec<(String, Content)>), Failure> {
    let recipe = series::read_recipe(series)?;
    let report = read_report(series)?;
    let mut files = Vec::new();
    for name in [RECIPE, RULES, REPORT] {
        files.push((name.to_owned(), Content::Bytes(read(&series.join(name))?)));
    }
    let of_samplers = recipe.files().into_iter();
    files.extend(of_samplers.map(|(name, text)| (name, Content::Bytes(text.as_bytes().to_vec()))));
    let runs = runs_of(series)?;
    for (seed, folder) in &runs {
        push_run(&mut files, *seed, folder)?;
    }
    if packing.with_weights {
        for (seed, folder) in &runs {
            let file = aside.join(format!("{seed}.safetensors"));
            write_weights(folder, &file)?;
            files.push((format!("{}/{WEIGHTS}", run_name(*seed)), Content::File(file)));
        }
    }
    let source = packing.source.clone();
    if let Some(found) = source.as_ref().filter(|found| found.source.has_patch) {
        files.push((PATCH.to_owned(), Content::Bytes(found.patch.clone())));
    }
    let explanation = packing.explanation.clone().unwrap_or_else(|| Explanation::of(&recipe));
    let about = About {
        version: VERSION,
        recipe: recipe.name.clone(),
        rules: report.rules.clone(),
        author: packing.author.clone(),
        link: packing.link.clone(),
        explanation,
        fingerprints: fingerprints(&runs)?,
        source: source.map(|found| found.source),
        tuning: tuning_beside(series, &recipe.name),
        members: Vec::new(),
    };
    Ok((about, files))
}

/// The report of a series; one that was never written has nothing to submit.
fn read_report(series: &Path) -> Result<Report, Failure> {
    let path = series.join(REPORT);
    if !path.is_file() {
        let sentence = format!("{} has no {REPORT}: no run of it has finished", series.display());
        return Err(Failure::usage(sentence, "train it to its end with --resume"));
    }
    let parsed = serde_json::from_slice(&read(&path)?);
    parsed.map_err(|error| Failure::usage(format!("{}: {error}", path.display()), "write it again: train … --resume"))
}

/// Every run that was started. One that has not come to a ledger is in the report alone.
fn runs_of(series: &Path) -> Result<BTreeMap<u64, PathBuf>, Failure> {
    let mut runs = series::started_runs(series).map_err(|error| unreadable(series, error))?;
    runs.retain(|_, folder| folder.join(LEDGER).is_file());
    Ok(runs)
}

fn push_run(files: &mut Vec<(String, Content)>, seed: u64, folder: &Path) -> Result<(), Failure> {
    let inside = run_name(seed);
    for name in [LEDGER, ATTEMPTS, ENVIRONMENT] {
        let path = folder.join(name);
        if path.is_file() || name != ENVIRONMENT {
            files.push((format!("{inside}/{name}"), Content::Bytes(read(&path)?)));
        }
    }
    for number in 1.. {
        let parent = folder.join(PARENTS).join(number.to_string());
        if !parent.is_dir() {
            break;
        }
        let of_samplers = series::sampler_files(&parent).map_err(|error| unreadable(&parent, error))?;
        for name in [LEDGER, RECIPE, RULES].map(str::to_owned).into_iter().chain(of_samplers) {
            let content = Content::Bytes(read(&parent.join(&name))?);
            files.push((format!("{inside}/{PARENTS}/{number}/{name}"), content));
        }
    }
    Ok(())
}

/// The weights of a run's newest checkpoint, with their mean where one is kept.
fn write_weights(run: &Path, file: &Path) -> Result<(), Failure> {
    let mut loaded = weights::checkpoint_at(run)?;
    loaded.tensors.retain(|name, _| !name.contains('/') || name.starts_with("ema/"));
    let mut tensors: Vec<_> = loaded.tensors.into_iter().collect();
    tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
    fastgarden_train::checkpoint::write_file(file, &tensors).or_run()
}

/// As the first ledger opens; whether the others agree is for the judge.
fn fingerprints(runs: &BTreeMap<u64, PathBuf>) -> Result<Fingerprints, Failure> {
    let Some(run) = runs.values().next() else {
        return Err(Failure::usage("this series has no run with a ledger", "train it first"));
    };
    let lines = ledger::read(&run.join(LEDGER)).or_usage()?;
    let Some(Line::Opening(opening)) = lines.into_iter().next() else { return Ok(Fingerprints::default()) };
    Ok(Fingerprints {
        data: opening.data_fingerprint,
        validation: opening.validation_fingerprint,
        decoder: opening.decoder_fingerprint,
    })
}

/// The other series of this name beside this one, by what they were scored on. What can't be read is not counted: this
/// is an account of what is there, not a proof that there was no more.
fn tuning_beside(series: &Path, recipe_name: &str) -> Vec<Tuning> {
    let own = series.canonicalize().unwrap_or_else(|_| series.to_owned());
    let sweep = format!("sweep-{recipe_name}");
    // A point of a sweep lies two folders deeper than other series.
    let of_sweep = own.ancestors().nth(2).filter(|folder| folder.file_name().is_some_and(|name| *name == *sweep));
    let Some(out) = of_sweep.unwrap_or(&own).parent() else { return Vec::new() };
    let mut counts = BTreeMap::new();
    let folders = [out.to_owned()].into_iter().chain(folders_in(&out.join(sweep)));
    for folder in folders.flat_map(|folder| folders_in(&folder)).filter(|folder| *folder != own) {
        let Some(recipe) = folder.join(REPORT).is_file().then(|| series::read_recipe(&folder).ok()).flatten() else {
            continue;
        };
        if recipe.name == recipe_name {
            *counts.entry(recipe.evaluation.on.to_string()).or_insert(0) += 1;
        }
    }
    counts.into_iter().map(|(on, series)| Tuning { on, series }).collect()
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: std::io::Error) -> Failure {
    let cause = anyhow::Error::new(error).context(format!("cannot read {}", path.display()));
    Failure::Usage(
        Complaint::new(cause).way_out("name the folder of a whole series, such as runs/seedling-20261123-191203"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_the_name_are_counted_wherever_sweeps_put_them() {
        let out = tempfile::tempdir().expect("a temporary folder");
        let recipe = crate::recipe::Recipe::load("seedling", &[]).expect("embedded").to_toml();
        let places = ["seedling-1", "seedling-2", "sweep-seedling/aa/seedling-3", "sweep-seedling/bb/seedling-4"];
        for (place, recipe) in places.iter().map(|place| (place, &*recipe)).chain([(&"other-5", "name = \"other\"")]) {
            fs::create_dir_all(out.path().join(place)).expect("writable");
            fs::write(out.path().join(place).join(RECIPE), recipe).expect("writable");
            fs::write(out.path().join(place).join(REPORT), "{}").expect("writable");
        }
        for place in places {
            let beside = tuning_beside(&out.path().join(place), "seedling");
            assert_eq!(beside, [Tuning { on: "val".to_owned(), series: 3 }], "{place}");
        }
    }
}
