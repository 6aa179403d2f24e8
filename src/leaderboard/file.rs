//! The board's file: TOML that people may edit by hand, read with the same care as a recipe.
//! Not here: ranking (standing.rs), submissions (add.rs).

mod check;
mod write;

use std::path::Path;

use serde::Deserialize;

use self::check::Checker;
use super::entry::{Curve, Entry, Score, StdKind, Submitted};
use crate::exit::{Complaint, Failure};
use crate::recipe::{RecipeError, decode, parse, read_small_text};
use crate::report::write_atomically;
use crate::rules::Rules;

/// The board that comes with the program: the competition's five published rows.
pub const EMBEDDED: &str = include_str!("../../leaderboard.toml");
/// Version of the format.
const VERSION: i64 = 1;
/// The name that stands for the competition's rules; other rules are named by their hash.
const FASTGARDEN: &str = "fastgarden";

/// A board in memory, as its file has it.
#[derive(Clone, Debug)]
pub struct Board {
    text: String,
    /// `fastgarden`, or the SHA-256 hex of other rules: what every entry was made under.
    pub rules: String,
    /// In the order of the file.
    pub entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct BoardToml {
    version: i64,
    rules: String,
    #[serde(default)]
    entry: Vec<EntryToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct EntryToml {
    origin: String,
    system: String,
    author: String,
    sentence: String,
    #[serde(default)]
    link: String,
    date: String,
    accuracies: Option<Vec<f64>>,
    mean: Option<f64>,
    deviation: Option<f64>,
    runs: Option<i64>,
    std: String,
    seconds: Option<f64>,
    device: Option<String>,
    device_memory_bytes: Option<i64>,
    memory_bytes: Option<i64>,
    #[serde(default)]
    curve: Vec<CurveToml>,
    submission: Option<SubmissionToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct CurveToml {
    seed: Option<i64>,
    #[serde(default)]
    accuracy: Vec<f64>,
    #[serde(default)]
    train_loss: Vec<f64>,
    #[serde(default)]
    valid_loss: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct SubmissionToml {
    sha256: String,
    recipe_hash: String,
    ledger_heads: Vec<String>,
    passed: Vec<String>,
}

impl Board {
    /// The board of a file. Where there is no such file and `or_embedded` is set, the one that came with the program.
    pub fn load(path: &Path, or_embedded: bool) -> Result<Self, Failure> {
        let file = path.display().to_string();
        let read = if or_embedded && !path.exists() {
            Self::from_text("the embedded leaderboard", EMBEDDED)
        } else {
            read_small_text(path).and_then(|text| Self::from_text(&file, &text))
        };
        read.map_err(|error| {
            let way_out =
                format!("mend that line (docs/leaderboard.md lists the keys), or go back: git checkout {file}");
            Failure::Usage(Complaint::new(error).way_out(way_out))
        })
    }

    /// A board from its text; `file` is its name in messages.
    pub fn from_text(file: &str, text: &str) -> Result<Self, RecipeError> {
        let root = parse(file, text)?;
        let raw: BoardToml = decode(file, &root)?;
        let check = Checker { file, root: &root };
        if raw.version != VERSION {
            let sentence = format!("it is {}, and this program reads version {VERSION}", raw.version);
            return Err(check.wrong("version", sentence));
        }
        if raw.rules != FASTGARDEN {
            check.hash("rules", &raw.rules).map_err(|_| {
                check.wrong(
                    "rules",
                    format!("it must be \"{FASTGARDEN}\" or the hash of other rules: 64 digits of 0-9a-f"),
                )
            })?;
        }
        let mut entries = Vec::new();
        for (number, entry) in raw.entry.into_iter().enumerate() {
            let entry = entry_of(&check, &format!("entry.{number}"), entry)?;
            check.is_new(&format!("entry.{number}"), &entry, &entries)?;
            entries.push(entry);
        }
        Ok(Self { text: text.to_owned(), rules: raw.rules, entries })
    }

    /// A board without entries, for runs under these rules.
    pub fn empty(rules: &Rules) -> Self {
        let rules = name_of(rules);
        let text = format!(
            "# A leaderboard of fastgarden-actors. `leaderboard show --file` ranks and prints it, `leaderboard add --file` \
             appends to it.\n\nversion = {VERSION}\nrules = \"{rules}\"\n"
        );
        Self { text, rules, entries: Vec::new() }
    }

    /// Whether runs under these rules may stand on it.
    pub fn is_for(&self, rules: &Rules) -> bool {
        self.rules == name_of(rules)
    }

    /// The entry of which this one is a repetition, if there is one: the same file, or a run in common.
    pub fn same_as(&self, entry: &Entry) -> Option<&Entry> {
        self.entries.iter().find(|other| check::is_same(other, entry))
    }

    /// Appends an entry to the text, leaving all that stands there as it is; nothing is written yet.
    pub fn append(&mut self, entry: &Entry) -> Result<(), RecipeError> {
        let text = format!("{}\n\n{}", self.text.trim_end(), write::entry(entry));
        // What was written is read back, so that no file is ever left that the next command refuses.
        *self = Self::from_text("the new entry", &text)?;
        Ok(())
    }

    /// Writes the file whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        write_atomically(path, self.text.as_bytes()).map_err(|error| {
            let cause = anyhow::Error::new(error).context(format!("cannot write {}", path.display()));
            Failure::Usage(Complaint::new(cause).way_out("free space, or name another board with --file"))
        })
    }
}

fn name_of(rules: &Rules) -> String {
    if rules.hash() == Rules::fastgarden().hash() { FASTGARDEN.to_owned() } else { rules.hash() }
}

fn entry_of(check: &Checker<'_>, at: &str, raw: EntryToml) -> Result<Entry, RecipeError> {
    let key = |name: &str| format!("{at}.{name}");
    check.text(&key("system"), &raw.system, 100)?;
    check.text(&key("author"), &raw.author, 100)?;
    check.text(&key("sentence"), &raw.sentence, 400)?;
    check.link(&key("link"), &raw.link)?;
    check.date(&key("date"), &raw.date)?;
    let std = match raw.std.as_str() {
        "population" => StdKind::Population,
        "sample" => StdKind::Sample,
        _ => return Err(check.wrong(&key("std"), "it must be \"population\" (over n) or \"sample\" (over n − 1)")),
    };
    if let Some(device) = &raw.device {
        check.text(&key("device"), device, 100)?;
    }
    let submitted = match (raw.origin.as_str(), raw.submission) {
        ("published", None) => None,
        ("submission", Some(of)) => Some(submitted(check, &key("submission"), of)?),
        ("published", Some(_)) => {
            return Err(
                check.wrong(&key("submission"), "a published result has no [entry.submission]: nobody judged it")
            );
        }
        ("submission", None) => {
            return Err(check.wrong(&key("origin"), "a submission has an [entry.submission]: use `leaderboard add`"));
        }
        _ => return Err(check.wrong(&key("origin"), "it must be \"published\" or \"submission\"")),
    };
    let score = score(check, at, raw.accuracies, (raw.mean, raw.deviation, raw.runs))?;
    let curves = raw.curve.into_iter().enumerate();
    Ok(Entry {
        score,
        std,
        seconds: check.positive(&key("seconds"), raw.seconds)?,
        device: raw.device,
        device_memory_bytes: check.count(&key("device_memory_bytes"), raw.device_memory_bytes)?,
        memory_bytes: check.count(&key("memory_bytes"), raw.memory_bytes)?,
        curves: curves
            .map(|(number, raw)| curve(check, &key(&format!("curve.{number}")), raw))
            .collect::<Result<_, _>>()?,
        submitted,
        system: raw.system,
        author: raw.author.trim_start_matches('@').to_owned(),
        sentence: raw.sentence,
        link: raw.link,
        date: raw.date,
    })
}

/// Either every run's accuracy, or what was stated of them: never both, or they could differ.
fn score(
    check: &Checker<'_>,
    at: &str,
    accuracies: Option<Vec<f64>>,
    stated: (Option<f64>, Option<f64>, Option<i64>),
) -> Result<Score, RecipeError> {
    let key = |name: &str| format!("{at}.{name}");
    match (accuracies, stated) {
        (Some(accuracies), (None, None, None)) => {
            if accuracies.is_empty() {
                return Err(check.wrong(&key("accuracies"), "it is empty: give one a run, from 0 to 1"));
            }
            check.shares(&key("accuracies"), &accuracies)?;
            Ok(Score::Runs(accuracies))
        }
        (None, (Some(mean), Some(deviation), Some(runs))) => {
            check.shares(&key("mean"), &[mean])?;
            check.shares(&key("deviation"), &[deviation])?;
            let Some(runs) = u32::try_from(runs).ok().filter(|runs| *runs > 0) else {
                return Err(check.wrong(&key("runs"), format!("it is {runs} and must be 1 or more")));
            };
            Ok(Score::Stated { mean, deviation, runs })
        }
        _ => {
            let sentence = "an entry needs either `accuracies`, or `mean`, `deviation` and `runs` together";
            Err(check.wrong(at, sentence))
        }
    }
}

fn curve(check: &Checker<'_>, at: &str, raw: CurveToml) -> Result<Curve, RecipeError> {
    let key = |name: &str| format!("{at}.{name}");
    check.shares(&key("accuracy"), &raw.accuracy)?;
    check.losses(&key("train_loss"), &raw.train_loss)?;
    check.losses(&key("valid_loss"), &raw.valid_loss)?;
    let seed = check.count(&key("seed"), raw.seed)?;
    Ok(Curve { seed, accuracy: raw.accuracy, train_loss: raw.train_loss, valid_loss: raw.valid_loss })
}

fn submitted(check: &Checker<'_>, at: &str, raw: SubmissionToml) -> Result<Submitted, RecipeError> {
    let key = |name: &str| format!("{at}.{name}");
    check.hash(&key("sha256"), &raw.sha256)?;
    check.hash(&key("recipe_hash"), &raw.recipe_hash)?;
    for head in &raw.ledger_heads {
        check.hash(&key("ledger_heads"), head)?;
    }
    for rule in &raw.passed {
        check.text(&key("passed"), rule, 4)?;
    }
    let SubmissionToml { sha256, recipe_hash, ledger_heads, passed } = raw;
    Ok(Submitted { sha256, recipe_hash, ledger_heads, passed })
}

#[cfg(test)]
mod tests;
