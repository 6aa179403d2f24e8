//! The files of a run's parents, kept beside the run from its start: without them nobody could follow its lineage once the
//! parents' own folders are gone. Not here: whose weights are taken (see `parent`).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use fastgarden_data::ledger::LedgerPosition;

use crate::recipe::Recipe;
use crate::referee::{self, Evidence};
use crate::report::write_atomically;
use crate::rules::{ParentRun, Rules, views_max};
use crate::series::{self, LEDGER_FILE, PARENTS_FOLDER, RECIPE_FILE, RULES_FILE};

/// Most generations that are followed.
const GENERATIONS_MAX: usize = crate::submission::PARENTS_MAX;

/// One parent: its ledger up to the checkpoint that was taken, with what is needed to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// By their names.
    files: BTreeMap<String, Vec<u8>>,
}

impl Ancestor {
    /// Ledger, and what lies beside a recipe.
    fn read(ledger: Vec<u8>, beside: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::from([(LEDGER_FILE.to_owned(), ledger)]);
        let of_samplers = series::sampler_files(beside)?;
        for name in [RECIPE_FILE, RULES_FILE].map(str::to_owned).into_iter().chain(of_samplers) {
            let bytes = fs::read(beside.join(&name))?;
            files.insert(name, bytes);
        }
        Ok(Self { files })
    }

    /// What the rules ask of it, as a parent of the run with this seed.
    ///
    /// # Errors
    /// In words, when its files can't be understood.
    pub fn as_parent(&self, of_seed: u64) -> Result<ParentRun, String> {
        let text = |name: &str| String::from_utf8_lossy(self.files.get(name).map_or(&[][..], Vec::as_slice));
        let read = |name: &str| self.files.get(name).cloned();
        let recipe = Recipe::from_resolved(RECIPE_FILE, &text(RECIPE_FILE), read).map_err(|error| error.to_string())?;
        let rules = Rules::from_text(RULES_FILE, &text(RULES_FILE)).map_err(|error| error.to_string())?;
        let ledger = self.files.get(LEDGER_FILE).map_or(&[][..], Vec::as_slice);
        let (recipe, rules) = (&recipe, &rules);
        let found =
            referee::verify(&Evidence { name: LEDGER_FILE, ledger, recipe, rules, known_head: None, data: None });
        let opening = found.opening.ok_or("its ledger does not open")?;
        Ok(ParentRun { of_seed, seed: opening.seed, examples_max: found.examples_max, views_max: views_max(recipe) })
    }
}

/// The parent whose run lies in `run`, then its parents.
///
/// # Errors
/// When a file of the parent itself can't be read. The generations before it may be fewer than there were.
pub fn of_parent(run: &Path, position: &LedgerPosition) -> io::Result<Vec<Ancestor>> {
    let run = run.canonicalize()?;
    let series = run.parent().unwrap_or(&run);
    let mut ledger = fs::read(run.join(LEDGER_FILE))?;
    ledger.truncate(usize::try_from(position.bytes).unwrap_or(usize::MAX));
    let mut found = vec![Ancestor::read(ledger, series)?];
    for number in 1..GENERATIONS_MAX {
        let folder = run.join(PARENTS_FOLDER).join(number.to_string());
        let ancestor = fs::read(folder.join(LEDGER_FILE)).and_then(|ledger| Ancestor::read(ledger, &folder));
        let Ok(ancestor) = ancestor else { break };
        found.push(ancestor);
    }
    Ok(found)
}

/// Whether a run has come to a checkpoint: from then on it goes on with the parents it began with, or not at all.
pub fn is_settled(run: &Path) -> bool {
    let checkpoints = fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    checkpoints.into_iter().any(|checkpoint| checkpoint.path().extension().is_none())
}

/// Writes them into a run's folder, as `parents/1`, `parents/2` …, in place of those of an earlier start.
pub fn keep(ancestors: &[Ancestor], run: &Path) -> io::Result<()> {
    match fs::remove_dir_all(run.join(PARENTS_FOLDER)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for (ancestor, number) in ancestors.iter().zip(1..) {
        let folder = run.join(PARENTS_FOLDER).join(number.to_string());
        fs::create_dir_all(&folder)?;
        for (name, bytes) in &ancestor.files {
            write_atomically(&folder.join(name), bytes)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A series of one run, with these files in it.
    fn series(ledger: &str) -> tempfile::TempDir {
        let series = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(series.path().join("seed-1")).expect("writable");
        for (name, text) in [("recipe.toml", "a"), ("rules.toml", "b"), ("seed-1/ledger.jsonl", ledger)] {
            fs::write(series.path().join(name), text).expect("writable");
        }
        series
    }

    #[test]
    fn generations_are_kept_in_order_and_ledgers_end_at_the_checkpoint() {
        let position = |bytes| LedgerPosition { head: String::new(), bytes };
        let (oldest, middle, youngest) = (series("oldest+later"), series("middle"), series("youngest"));
        let run = |series: &tempfile::TempDir| series.path().join("seed-1");
        let first = of_parent(&run(&oldest), &position(6)).expect("readable");
        keep(&first, &run(&middle)).expect("writable");
        let both = of_parent(&run(&middle), &position(6)).expect("readable");
        keep(&both, &run(&youngest)).expect("writable");
        keep(&[&both[..], &both].concat(), &run(&youngest)).expect("writable");
        keep(&both, &run(&youngest)).expect("another start takes the place of the one before");
        let ledger = |number: u32| fs::read_to_string(run(&youngest).join(format!("parents/{number}/ledger.jsonl")));
        assert_eq!((ledger(1).expect("kept"), ledger(2).expect("kept")), ("middle".to_owned(), "oldest".to_owned()));
        assert!(ledger(3).is_err());
        assert_eq!(of_parent(&run(&youngest), &position(99)).expect("readable").len(), 3);
    }

    #[test]
    fn a_run_is_settled_with_its_first_whole_checkpoint() {
        let series = series("ledger");
        let run = series.path().join("seed-1");
        assert!(!is_settled(&run));
        fs::create_dir_all(run.join("checkpoints/1-4.tmp")).expect("writable");
        assert!(!is_settled(&run));
        fs::create_dir_all(run.join("checkpoints/1-4")).expect("writable");
        assert!(is_settled(&run));
    }

    #[test]
    fn a_parent_without_its_recipe_is_none() {
        let alone = series("ledger");
        fs::remove_file(alone.path().join("recipe.toml")).expect("there");
        assert!(of_parent(&alone.path().join("seed-1"), &LedgerPosition::default()).is_err());
    }
}
