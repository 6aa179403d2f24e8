//! Where a submission's first weights come from, as the ledgers of the parents show it.
//! Not here: whether the rules allow it.

use fastgarden_proto::ledger::Parent;
use fastgarden_proto::ledger::line::Line;

use super::{Against, Judgement};
use crate::referee::{self, Evidence, KnownHead};
use crate::rules::{Origin, ParentRun, views_max};
use crate::submission::{Submission, SubmittedParent, SubmittedRun};

/// What the rules are told of the parents of all runs together.
#[derive(Default)]
pub(super) struct Lineage {
    /// The origin that they will mind most.
    pub origin: Origin,
    /// Every parent whose ledger is there.
    pub parents: Vec<ParentRun>,
}

/// Follows every run to its beginning.
pub(super) fn of_runs(
    submission: &Submission,
    findings: &[referee::Finding],
    against: &Against<'_>,
    judgement: &mut Judgement,
) -> Lineage {
    let mut together = Lineage::default();
    for (run, finding) in submission.runs.iter().zip(findings) {
        let parent = finding.opening.as_ref().and_then(|opening| opening.parent.as_ref());
        let origin = of_run(run, parent, against, judgement, &mut together.parents);
        together.origin = worse(together.origin, origin);
    }
    together
}

/// Of two origins the one that the rules will mind more.
fn worse(one: Origin, other: Origin) -> Origin {
    let rank = |origin: &Origin| match origin {
        Origin::Initialised => (0, 0),
        Origin::Own { epochs } => (1, *epochs),
        Origin::Foreign { epochs, .. } => (2, *epochs),
    };
    if rank(&other) > rank(&one) { other } else { one }
}

fn of_run(
    run: &SubmittedRun,
    parent: Option<&Parent>,
    against: &Against<'_>,
    judgement: &mut Judgement,
    followed: &mut Vec<ParentRun>,
) -> Origin {
    let SubmittedRun { seed, parents, .. } = run;
    let Some(parent) = parent else {
        if !parents.is_empty() {
            judgement.faults.push(format!("seed-{seed} has parents' ledgers, but its own names no parent"));
        }
        return Origin::Initialised;
    };
    let epochs = parent.epochs;
    let foreign = |why: String| Origin::Foreign { epochs, why };
    if parent.foreign {
        return foreign(format!("seed {seed} started from weights that are not shown to be trained here"));
    }
    let mut expected = Some(parent.clone());
    for (generation, number) in parents.iter().zip(1..) {
        let name = format!("seed-{seed}/parents/{number}/ledger.jsonl");
        let Some(told) = expected else {
            judgement.faults.push(format!("{name} is nobody's parent: the run before it names none"));
            return foreign(format!("the parents of seed {seed} don't belong together"));
        };
        let known_head = Some(KnownHead { chain: &told.ledger_head, told_by: "the run that started from it" });
        let SubmittedParent { ledger, recipe, rules } = generation;
        let data = against.of_parents.and_then(|of_parents| of_parents.get(&recipe.hash()));
        let found = referee::verify(&Evidence { name: &name, ledger, recipe, rules, known_head, data });
        judgement.faults.extend(found.faults.iter().map(|fault| format!("{name}: {fault}")));
        if found.head != told.ledger_head {
            judgement.faults.push(format!("{name} does not end where the run that started from it says"));
        }
        if let Some(opened) = epochs_opened(ledger).filter(|&opened| opened != told.epochs) {
            let says = told.epochs;
            judgement
                .faults
                .push(format!("{name} opened {opened} epochs, and the run that started from it says {says}"));
        }
        followed.extend(found.opening.as_ref().map(|opening| ParentRun {
            of_seed: *seed,
            seed: opening.seed,
            examples_max: found.examples_max,
            views_max: views_max(recipe),
        }));
        expected = found.opening.and_then(|opening| opening.parent);
        if expected.as_ref().is_some_and(|parent| parent.foreign) {
            return foreign(format!(
                "a parent of seed {seed} started from weights that are not shown to be trained here"
            ));
        }
    }
    match expected {
        Some(_) => foreign(format!("the ledger of a parent of seed {seed} is not in it")),
        None => Origin::Own { epochs },
    }
}

/// Epochs over the lineage that a ledger had opened at its end; `None` where its last line can't be read.
fn epochs_opened(ledger: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(ledger).ok()?;
    let (body, _) = text.lines().next_back()?.rsplit_once(",\"chain\":\"")?;
    match serde_json::from_str(&format!("{body}}}")).ok()? {
        Line::Opening(opening) => Some(opening.parent.map_or(0, |parent| parent.epochs)),
        Line::Step(step) => Some(step.epoch),
        Line::Epoch(epoch) => Some(epoch.epoch),
    }
}
