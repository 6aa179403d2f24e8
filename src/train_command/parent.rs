//! `--from`: whose weights each run starts from, and what the ledger and the rules are told of it.
//! Not here: copying them (the training crate's `transfer`).

use std::path::{Path, PathBuf};

use fastgarden_data::ledger;
use fastgarden_proto::ledger::Parent as LedgerParent;
use fastgarden_train::trainer::{StartSpec, StartWeights};

use super::lineage::{self, Ancestor};
use super::of_train;
use crate::exit::{Complaint, Failure};
use crate::recipe::{Net, Recipe};
use crate::rules::{Origin, ParentRun};
use crate::series::{LEDGER_FILE, RECIPE_FILE};
use crate::weights;

/// What one run starts from.
#[derive(Clone, Debug)]
pub struct Parent {
    /// For the trainer.
    pub start: StartSpec,
    /// For the ledger.
    pub ledger: LedgerParent,
    /// What is copied, in one line.
    pub summary: String,
    /// Its recipe and the fingerprints of its training data, where they are known.
    pub trained_on: Option<(Recipe, String)>,
    /// Why it can't be shown that everything was trained here.
    pub foreign: Option<String>,
    /// Its files, and those of its own parents, to be kept beside the run.
    pub ancestors: Vec<Ancestor>,
    /// What the rules ask of each of them.
    runs: Vec<ParentRun>,
}

/// What the runs of a series start from, each seed from the same seed of the parent.
#[derive(Clone, Debug, Default)]
pub struct Parents(Vec<(u64, Parent)>);

impl Parents {
    /// Finds, reads and matches the parent of every seed; a parent that has nothing to give is refused here.
    pub fn find(from: Option<&Path>, seeds: &[u64], net: &Net) -> Result<Self, Failure> {
        let Some(from) = from else { return Ok(Self::default()) };
        let is_series = from.join(RECIPE_FILE).is_file();
        if !is_series && seeds.len() > 1 {
            let sentence = format!("{} is one run, and {} runs would start from it", from.display(), seeds.len());
            return Err(Failure::usage(
                sentence,
                "name the parent's series, so that each seed has its own, or --seed N",
            ));
        }
        let of_seed = |&seed: &u64| {
            let path = if is_series { seed_folder(from, seed)? } else { from.to_owned() };
            Ok((seed, Parent::read(&path, net, seed)?))
        };
        seeds.iter().map(of_seed).collect::<Result<_, Failure>>().map(Self)
    }

    /// The parent of a seed.
    pub fn of(&self, seed: u64) -> Option<&Parent> {
        self.0.iter().find(|(of, _)| *of == seed).map(|(_, parent)| parent)
    }

    /// All of them.
    pub fn all(&mut self) -> impl Iterator<Item = &mut Parent> {
        self.0.iter_mut().map(|(_, parent)| parent)
    }

    /// What the rules are told of all of them together.
    pub fn origin(&self) -> Origin {
        let Some(epochs) = self.0.iter().map(|(_, parent)| parent.ledger.epochs).max() else {
            return Origin::Initialised;
        };
        match self.0.iter().find_map(|(_, parent)| parent.foreign.clone()) {
            Some(why) => Origin::Foreign { epochs, why },
            None => Origin::Own { epochs },
        }
    }

    /// Every run that they descend from.
    pub fn runs(&self) -> Vec<ParentRun> {
        self.0.iter().flat_map(|(_, parent)| &parent.runs).copied().collect()
    }

    /// A line for each run: what it starts from.
    pub fn headlines(&self) -> Vec<String> {
        let line = |(seed, parent): &(u64, Parent)| {
            let after = match parent.ledger.epochs {
                0 => String::new(),
                1 => " after 1 epoch".to_owned(),
                epochs => format!(" after {epochs} epochs"),
            };
            format!("from    seed {seed}: {}{after}: {}", parent.start.path.display(), parent.summary)
        };
        self.0.iter().map(line).collect()
    }
}

impl Parent {
    fn read(path: &Path, net: &Net, seed: u64) -> Result<Self, Failure> {
        let weights = match path.is_file() {
            true => StartWeights::read(path, net).map_err(of_train)?,
            false => StartWeights::of_checkpoint(weights::checkpoint_at(path)?),
        };
        let transfer = weights.plan(net).map_err(of_train)?;
        let mut parent = Self {
            start: StartSpec { path: weights.path.clone(), weights_sha256: weights.sha256.clone() },
            ledger: LedgerParent { weights_sha256: weights.sha256, ..LedgerParent::default() },
            summary: transfer.summary(),
            trained_on: None,
            foreign: None,
            ancestors: Vec::new(),
            runs: Vec::new(),
        };
        let Some(standing) = weights.standing else {
            parent.mark_foreign(format!("{} was trained elsewhere", weights.path.display()));
            return Ok(parent);
        };
        parent.ledger.epochs = standing.epochs;
        parent.ledger.ledger_head.clone_from(&standing.ledger.head);
        let run = weights.path.ancestors().nth(2).filter(|run| run.join(LEDGER_FILE).is_file());
        let Some(run) = run else {
            parent.mark_foreign(format!("the ledger of {} is not in its run's folder", weights.path.display()));
            return Ok(parent);
        };
        let opening = ledger::opening_of(&run.join(LEDGER_FILE), &standing.ledger);
        let opening = opening.map_err(|error| Failure::Usage(Complaint::new(error)))?;
        let unreadable = |error: String| {
            let sentence = format!("the lineage of {} can't be read: {error}", weights.path.display());
            Failure::usage(sentence, "leave checkpoints in the whole folder of their series")
        };
        parent.ancestors = lineage::of_parent(run, &standing.ledger).map_err(|error| unreadable(error.to_string()))?;
        let runs = parent.ancestors.iter().map(|ancestor| ancestor.as_parent(seed));
        parent.runs = runs.collect::<Result<_, _>>().map_err(unreadable)?;
        match opening.parent {
            Some(grandparent) if grandparent.foreign => {
                parent
                    .mark_foreign(format!("{} itself started from weights trained elsewhere", weights.path.display()));
            }
            Some(_) if parent.ancestors.len() < 2 => {
                parent.mark_foreign(format!("the ledger of what {} started from is gone", weights.path.display()));
            }
            _ => {}
        }
        parent.trained_on = Some((weights::recipe_of(&weights.path)?, opening.data_fingerprint));
        Ok(parent)
    }

    /// Notes, for ledger and rules, that not everything in the lineage can be shown to have been trained here.
    pub fn mark_foreign(&mut self, why: String) {
        self.ledger.foreign = true;
        self.foreign.get_or_insert(why);
    }
}

/// The run of a seed in a series.
fn seed_folder(series: &Path, seed: u64) -> Result<PathBuf, Failure> {
    let folder = series.join(format!("seed-{seed}"));
    if folder.join("checkpoints").is_dir() {
        return Ok(folder);
    }
    let sentence = format!("{} has no run of seed {seed} to start from", series.display());
    let way_out =
        format!("train it there first (--seed {seed} --resume), or choose seeds that it has with --seed or --runs");
    Err(Failure::usage(sentence, way_out))
}
