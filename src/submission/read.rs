//! From a submission's files to a [`Submission`].
//! Not here: the container (see `container`), or whether what it says is true (see `judge`).

use std::collections::BTreeMap;
use std::path::Path;

use fastgarden_train::checkpoint::{self, Loaded};
use fastgarden_train::net::Net as _;
use tch::Device;

use super::about::Member;
use super::members::{ATTEMPTS, ENVIRONMENT, Kind, LEDGER, PATCH, RECIPE, REPORT, RULES, WEIGHTS, kind_of};
use super::{Submission, SubmissionError, SubmittedParent, SubmittedRun, container, environment};
use crate::recipe::{Recipe, SamplerFile};
use crate::report::Report;
use crate::rules::Rules;
use crate::told::harmless;
use crate::weights;

/// Files by their names' last parts, in memory.
type Files = BTreeMap<String, Vec<u8>>;

/// What has been read so far.
#[derive(Default)]
struct Gathered {
    series: Files,
    runs: BTreeMap<u64, Files>,
    parents: BTreeMap<(u64, usize), Files>,
    weights: BTreeMap<u64, String>,
}

impl Submission {
    /// Reads a file, and refuses one whose container is not sound or whose files can't be understood.
    pub fn read(path: &Path) -> Result<Self, SubmissionError> {
        let mut gathered = Gathered::default();
        let (about, sha256) = container::read(path, |member, content| gathered.take(member, content))?;
        // It may repeat what somebody put into a file.
        let unsound = |what: String| SubmissionError::Unsound { path: path.to_owned(), what: harmless(&what) };
        let Gathered { mut series, runs, mut parents, mut weights } = gathered;
        let recipe_toml = text(&mut series, "", RECIPE).map_err(unsound)?;
        let recipe = recipe_of("", &recipe_toml, &series).map_err(unsound)?;
        let rules = rules_of("", &text(&mut series, "", RULES).map_err(unsound)?).map_err(unsound)?;
        let report = text(&mut series, "", REPORT).map_err(unsound)?;
        let report: Report = serde_json::from_str(&report).map_err(|error| unsound(format!("{REPORT}: {error}")))?;
        let mut submitted = Vec::new();
        for (seed, mut files) in runs {
            let parents = parents_of(seed, &mut parents).map_err(unsound)?;
            let run = run_of(seed, &mut files, parents, weights.remove(&seed)).map_err(unsound)?;
            submitted.push(run);
        }
        if let Some((seed, _)) = parents.keys().next() {
            return Err(unsound(format!("seed-{seed} has parents and no {LEDGER}")));
        }
        if let Some(seed) = weights.keys().next() {
            return Err(unsound(format!("seed-{seed} has weights and no {LEDGER}")));
        }
        let patch = series.remove(PATCH);
        if about.source.as_ref().is_some_and(|source| source.has_patch) != patch.is_some() {
            return Err(unsound(format!("{PATCH} is not there, or nothing is said of it")));
        }
        Ok(Self {
            path: path.to_owned(),
            sha256,
            recipe,
            recipe_toml,
            rules,
            report,
            runs: submitted,
            explanation: about.explanation.clone(),
            author: about.author.clone(),
            link: about.link.clone(),
            about,
            patch,
        })
    }
}

impl Gathered {
    fn take(&mut self, member: &Member, content: Vec<u8>) -> Result<(), String> {
        let (kind, file) = kind_of(&member.name).ok_or("it has a file of an unknown name")?;
        let name = file.to_owned();
        match kind {
            Kind::Run(seed) if file == WEIGHTS => {
                let recipe = self.series.get(RECIPE).ok_or_else(|| format!("{RECIPE} comes after {}", member.name))?;
                let recipe = recipe_of("", &String::from_utf8_lossy(recipe), &self.series)?;
                let sha256 = sha256_of_weights(&content, &recipe).map_err(|what| format!("{}: {what}", member.name))?;
                self.weights.insert(seed, sha256);
            }
            Kind::Series => drop(self.series.insert(name, content)),
            Kind::Run(seed) => drop(self.runs.entry(seed).or_default().insert(name, content)),
            Kind::Parent(seed, number) => drop(self.parents.entry((seed, number)).or_default().insert(name, content)),
        }
        Ok(())
    }
}

fn run_of(
    seed: u64,
    files: &mut Files,
    parents: Vec<SubmittedParent>,
    weights_sha256: Option<String>,
) -> Result<SubmittedRun, String> {
    let folder = format!("seed-{seed}/");
    let ledger = files.remove(LEDGER).ok_or_else(|| format!("{folder}{LEDGER} is missing"))?;
    let attempts = text(files, &folder, ATTEMPTS)?;
    let environments = match files.contains_key(ENVIRONMENT) {
        true => environment::read(&text(files, &folder, ENVIRONMENT)?),
        false => Vec::new(),
    };
    Ok(SubmittedRun { seed, ledger, attempts, environments, parents, weights_sha256 })
}

/// The parents of a run, which must be numbered from 1 without a gap.
fn parents_of(seed: u64, parents: &mut BTreeMap<(u64, usize), Files>) -> Result<Vec<SubmittedParent>, String> {
    let mut found = Vec::new();
    while let Some(mut files) = parents.remove(&(seed, found.len() + 1)) {
        let folder = format!("seed-{seed}/parents/{}/", found.len() + 1);
        let ledger = files.remove(LEDGER).ok_or_else(|| format!("{folder}{LEDGER} is missing"))?;
        let recipe = text(&mut files, &folder, RECIPE)?;
        let rules = rules_of(&folder, &text(&mut files, &folder, RULES)?)?;
        let recipe = recipe_of(&folder, &recipe, &files)?;
        found.push(SubmittedParent { ledger, recipe, rules });
    }
    match parents.keys().find(|(of, _)| *of == seed) {
        Some((_, number)) => Err(format!("seed-{seed} has parent {number} and not the one before it")),
        None => Ok(found),
    }
}

fn text(files: &mut Files, folder: &str, name: &str) -> Result<String, String> {
    let bytes = files.remove(name).ok_or_else(|| format!("{folder}{name} is missing"))?;
    String::from_utf8(bytes).map_err(|_| format!("{folder}{name} is not UTF-8 text"))
}

/// A recipe of a text and, of `files`, those that it names for its samplers. Nothing else is opened for it.
fn recipe_of(folder: &str, text: &str, files: &Files) -> Result<Recipe, String> {
    let given = |name: &str| files.get(name).filter(|_| SamplerFile::is_name(name)).cloned();
    let recipe = Recipe::from_resolved(&format!("{folder}{RECIPE}"), text, given).map_err(|error| error.to_string())?;
    let named = recipe.files();
    match files.keys().find(|name| SamplerFile::is_name(name) && !named.contains_key(*name)) {
        Some(name) => Err(format!("{folder}{name} is there, and the recipe names no such file")),
        None => Ok(recipe),
    }
}

/// The rules of a text, under the name of the built-in ones where they are the same.
fn rules_of(folder: &str, text: &str) -> Result<Rules, String> {
    let rules = Rules::from_text(&format!("{folder}{RULES}"), text).map_err(|error| error.to_string())?;
    let built_in = [Rules::fastgarden(), Rules::none()].into_iter().find(|built_in| built_in.hash() == rules.hash());
    Ok(built_in.unwrap_or(Rules { name: "their own".to_owned(), ..rules }))
}

/// Of the net's weights in a safetensors file, by the measure of `weights_sha256` in ledger and report.
fn sha256_of_weights(content: &[u8], recipe: &Recipe) -> Result<String, String> {
    let aside = tempfile::NamedTempFile::new().map_err(|error| format!("there is no temporary folder: {error}"))?;
    std::fs::write(aside.path(), content).map_err(|error| format!("the temporary folder: {error}"))?;
    let not_one = |_| "it is no safetensors file".to_owned();
    let mut tensors = checkpoint::read_file(aside.path()).map_err(not_one)?.tensors;
    // What belongs to a mean of the weights has a section of its own; the hash is that of the last weights.
    tensors.retain(|name, _| !name.contains('/'));
    let loaded = Loaded { path: WEIGHTS.into(), meta: serde_json::Value::Null, tensors };
    let found = weights::Found { loaded, recipe: recipe.clone() };
    let net = weights::build(&found, Device::Cpu).map_err(|failure| failure.message().unwrap_or_default())?;
    Ok(checkpoint::sha256_of_weights(net.state()))
}
