//! Honest ledgers stand, whatever was killed; of others every change is found, wherever it contradicts anything.

use std::collections::{BTreeMap, BTreeSet};

use fastgarden_proto::ledger::Quarantine;
use fastgarden_proto::ledger::line::Line;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

use super::honest::{Run, runs, text_of};
use super::{FaultKind, Standing};
use crate::ledger::Link;
use crate::plan::Plan;
use crate::sampler::Sampler;

/// The lines of a text.
fn lines_of(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn chain_of(line: &str) -> String {
    Link::of(line.as_bytes()).expect("every line has a chain").chain.to_owned()
}

proptest! {
    // A fixed seed: what passes here passes everywhere. Nothing is written beside the sources.
    #![proptest_config(ProptestConfig { cases: 96, rng_seed: RngSeed::Fixed(11), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn honest_ledgers_stand(run in runs(), has_data in any::<bool>()) {
        let lines = run.lines();
        let account = run.audit(&text_of(&lines), has_data, None);
        prop_assert_eq!(account.faults, []);
        prop_assert_eq!((account.standing, account.is_planned), (Standing::Whole, true));
        let steps = lines.iter().filter(|line| matches!(line, Line::Step(_))).count();
        prop_assert_eq!((account.steps, account.epochs.len()), (steps as u64, lines.len() - 1 - steps));
        let account = run.audit_blindly(&text_of(&lines));
        prop_assert_eq!((account.faults, account.is_planned), (vec![], false));
    }

    #[test]
    fn a_killed_run_is_consistent_so_far_and_half_a_line_is_forgiven_only_behind_a_checkpoint(
        run in runs(), place in any::<Index>(), saved in any::<Index>(),
    ) {
        let text = text_of(&run.lines());
        let cut = &text[..=place.index(text.len())];
        let whole: Vec<String> = lines_of(&cut[..cut.rfind('\n').map_or(0, |end| end + 1)]);
        let is_half = !cut.ends_with('\n');
        let account = run.audit(cut, true, None);
        let found: Vec<_> = account.faults.iter().map(|fault| (fault.line, fault.kind)).collect();
        prop_assert_eq!(found, if is_half { vec![(Some(whole.len() + 1), FaultKind::CutShort)] } else { vec![] });
        let standing = if cut == text { Standing::Whole } else { Standing::ConsistentSoFar };
        prop_assert_eq!(account.standing, if is_half { Standing::ConsistentSoFar } else { standing });
        if whole.is_empty() {
            return Ok(());
        }
        let account = run.audit(cut, true, Some(&chain_of(&whole[saved.index(whole.len())])));
        prop_assert_eq!(account.faults, []);
        prop_assert_eq!(account.notes.len(), usize::from(is_half));
    }

    #[test]
    fn lines_cut_from_the_end_are_missed_by_whoever_remembers_the_last(run in runs(), kept in any::<Index>()) {
        let lines = lines_of(&text_of(&run.lines()));
        let kept = kept.index(lines.len());
        let account = run.audit(&joined(&lines[..kept]), false, Some(&chain_of(&lines[lines.len() - 1])));
        prop_assert_eq!(account.faults.iter().map(|fault| fault.kind).collect::<Vec<_>>(), [FaultKind::Head]);
    }

    #[test]
    fn one_flipped_bit_is_found_and_its_line_is_named(run in runs(), place in any::<Index>(), bit in 0u8..8) {
        let mut bytes = text_of(&run.lines()).into_bytes();
        let place = place.index(bytes.len());
        let line = bytes[..place].iter().filter(|&&byte| byte == b'\n').count() + 1;
        bytes[place] ^= 1 << bit;
        // A text that is no text is told apart too; the audit takes bytes.
        let account = run.audit_bytes(&bytes, true, None);
        prop_assert_eq!(account.faults.first().and_then(|fault| fault.line), Some(line), "{:?}", account.faults);
    }

    #[test]
    fn a_removed_line_is_missed_where_it_was(run in runs(), place in any::<Index>()) {
        let mut lines = lines_of(&text_of(&run.lines()));
        let place = place.index(lines.len() - 1);
        lines.remove(place);
        let account = run.audit(&joined(&lines), false, None);
        let found: Vec<_> = account.faults.iter().map(|fault| (fault.line, fault.kind)).collect();
        prop_assert_eq!(found, [(Some(place + 1), FaultKind::Missing)]);
    }

    #[test]
    fn swapped_lines_are_both_named(run in runs(), one in any::<Index>(), other in any::<Index>()) {
        let mut lines = lines_of(&text_of(&run.lines()));
        let (one, other) = (one.index(lines.len()), other.index(lines.len()));
        prop_assume!(one != other);
        lines.swap(one, other);
        let (one, other) = (one.min(other) + 1, one.max(other) + 1);
        let account = run.audit(&joined(&lines), false, None);
        let found: Vec<_> = account.faults.iter().map(|fault| (fault.kind, fault.to_string())).collect();
        prop_assert_eq!(found, [(FaultKind::Swapped, format!("line {one} has changed places with line {other}"))]);
    }

    #[test]
    fn a_repeated_line_is_named(run in runs(), one in any::<Index>(), place in any::<Index>()) {
        let mut lines = lines_of(&text_of(&run.lines()));
        let one = one.index(lines.len());
        let place = one + 1 + place.index(lines.len() - one);
        lines.insert(place, lines[one].clone());
        let account = run.audit(&joined(&lines), false, None);
        let found: Vec<_> = account.faults.iter().map(ToString::to_string).collect();
        prop_assert_eq!(found, [format!("line {} is line {} once more", place + 1, one + 1)]);
    }
}

/// A changed line, and whether anything in the ledger or beside it contradicts the change.
struct Change {
    name: &'static str,
    line: Line,
    is_contradicted: bool,
}

/// What is known of a line's surroundings in an honest ledger.
struct Around<'a> {
    run: &'a Run,
    lines: &'a [Line],
    plans: &'a BTreeMap<u32, Plan>,
    position: usize,
    has_data: bool,
}

impl Around<'_> {
    /// Whether the epoch of the line has its own line, which sums it up.
    fn is_summed_up(&self) -> bool {
        self.lines[self.position..].iter().any(|line| matches!(line, Line::Epoch(_)))
    }

    fn is_half(&self, epoch: u32) -> bool {
        let first = self.run.parent_epochs.unwrap_or(0) + 1;
        let mut before = first;
        self.run.stages.iter().any(|stage| {
            let is_here = (before..before + stage.epochs).contains(&epoch);
            before += stage.epochs;
            is_here && stage.is_half
        })
    }

    fn changes(&self) -> Vec<Change> {
        match &self.lines[self.position] {
            Line::Opening(opening) => self.of_opening(opening),
            Line::Step(step) => self.of_step(step),
            Line::Epoch(epoch) => self.of_epoch(epoch),
        }
    }

    fn of_opening(&self, opening: &fastgarden_proto::ledger::Opening) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut change = |name, is_contradicted, edit: &dyn Fn(&mut fastgarden_proto::ledger::Opening)| {
            let mut changed = opening.clone();
            edit(&mut changed);
            changes.push(Change { name, line: Line::Opening(changed), is_contradicted });
        };
        let some_steps = self.lines.iter().filter(|line| matches!(line, Line::Step(_))).count() as u64;
        // An epoch that no cap cuts short walks as many records as there are.
        let sampler = &self.run.stages[0].sampler;
        let is_capped = |records: u32| self.run.cap.is_some_and(|cap| cap <= u64::from(records));
        let shows_records = self.has_data || *sampler == Sampler::Shuffled && self.run.records > 2;
        let shows_other = |records| shows_records || *sampler == Sampler::Sequential && !is_capped(records);
        change("version", true, &|opening| opening.version += 1);
        change("recipe_hash", true, &|opening| opening.recipe_hash.truncate(63));
        change("rules_hash", true, &|opening| opening.rules_hash.truncate(63));
        change("decoder_fingerprint", true, &|opening| opening.decoder_fingerprint.insert(0, 'x'));
        change("data_fingerprint", true, &|opening| opening.data_fingerprint.push('+'));
        change("cap", true, &|opening| opening.cap = Some(opening.cap.map_or(7, |cap| cap + 1)));
        change("no cap", self.run.cap.is_some(), &|opening| opening.cap = None);
        change("epochs", true, &|opening| opening.stages[0].epochs += 1);
        change("batch_size", true, &|opening| opening.stages[0].batch_size += 1);
        change("drop_last", true, &|opening| opening.stages[0].drop_last ^= true);
        change("fewer stages", true, &|opening| opening.stages.truncate(opening.stages.len() - 1));
        change("records", shows_other(self.run.records), &|opening| opening.stages[0].records += 1);
        change("fewer records", shows_other(self.run.records - 1), &|opening| opening.stages[0].records -= 1);
        change("seed", true, &|opening| opening.seed += 1);
        change("plan_hash", true, &|opening| opening.plan_hash = super::honest::hash(9));
        change("parent's epochs", self.run.parent_epochs.is_some(), &|opening| {
            opening.parent.iter_mut().for_each(|parent| parent.epochs += 1);
        });
        change("validation_fingerprint", self.has_data, &|opening| {
            opening.validation_fingerprint = super::honest::hash(9);
        });
        change("data_fingerprint's value", self.has_data, &|opening| opening.data_fingerprint = super::honest::hash(9));
        let judged = |records: u64| records.min(self.run.limit.unwrap_or(u64::MAX));
        let shows_validation = judged(opening.validation_records) != judged(opening.validation_records + 1);
        let is_validated = self.is_summed_up() && shows_validation;
        change("validation_records", self.has_data || is_validated, &|opening| opening.validation_records += 1);
        for max_steps in [Some(some_steps.saturating_sub(1).max(1)), Some(some_steps + 1), None] {
            let other = Run { max_steps, ..self.run.clone() };
            let is_other = other.lines().get(1..self.lines.len()) != self.lines.get(1..);
            change("max_steps", is_other, &|opening| opening.max_steps = max_steps);
        }
        changes
    }

    fn of_step(&self, step: &fastgarden_proto::ledger::Step) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut change = |name, is_contradicted, edit: &dyn Fn(&mut fastgarden_proto::ledger::Step)| {
            let mut changed = step.clone();
            edit(&mut changed);
            changes.push(Change { name, line: Line::Step(changed), is_contradicted });
        };
        let (is_summed, is_half) = (self.is_summed_up(), self.is_half(step.epoch));
        let usable = step.seq_to - step.seq_from - step.quarantined.len() as u64;
        change("epoch", true, &|step| step.epoch += 1);
        change("earlier epoch", true, &|step| step.epoch -= 1);
        change("step", true, &|step| step.step += 1);
        change("earlier step", true, &|step| step.step -= 1);
        change("seq_from", true, &|step| step.seq_from += 1);
        change("seq_to", true, &|step| step.seq_to += 1);
        change("smaller seq_to", true, &|step| step.seq_to -= 1);
        change("huge seq_to", true, &|step| step.seq_to = u64::MAX);
        change("huge step", true, &|step| step.step = u64::MAX);
        change("batch_hash", true, &|step| step.batch_hash.make_ascii_uppercase());
        change("batch_hash's value", usable == 0, &|step| step.batch_hash = super::honest::hash(9));
        change("loss", is_summed || usable < 2, &|step| step.loss = Some(step.loss.map_or(1.0, |loss| loss + 0.5)));
        let needs_loss = step.loss.is_some() && (step.applied || is_summed);
        change("no loss", needs_loss, &|step| step.loss = None);
        let shows_use = usable < 2 || !is_half || (step.loss.is_none() && !step.applied);
        change("applied", shows_use, &|step| step.applied ^= true);
        let good = (step.seq_from..step.seq_to).find(|seq| step.quarantined.iter().all(|row| row.seq != *seq));
        if let Some(seq) = good {
            change("quarantined", is_summed, &|step| {
                step.quarantined.push(Quarantine { seq, reason: "not_an_image".to_owned() });
                step.quarantined.sort_by_key(|row| row.seq);
            });
        }
        change("quarantined outside", true, &|step| {
            step.quarantined.push(Quarantine { seq: step.seq_to, reason: "not_an_image".to_owned() });
        });
        if let Some(row) = step.quarantined.first() {
            change("not quarantined", is_summed, &|step| drop(step.quarantined.remove(0)));
            change("quarantined twice", true, &|step| step.quarantined.insert(0, row.clone()));
            change("reason", true, &|step| step.quarantined[0].reason = "bad luck".to_owned());
            let records = |step: &fastgarden_proto::ledger::Step, seq| {
                let records: BTreeSet<u32> =
                    self.plans[&step.epoch].ticket(seq).records.all().iter().copied().collect();
                records
            };
            let others = self.lines.iter().filter(|other| **other != self.lines[self.position]);
            let others: Vec<_> =
                others.filter_map(|other| if let Line::Step(step) = other { Some(step) } else { None }).collect();
            let here = records(step, row.seq);
            let is_met = |other: &&fastgarden_proto::ledger::Step| {
                other.quarantined.iter().any(|row| records(other, row.seq) == here)
            };
            let is_met_again = here.len() == 1 && others.iter().any(is_met);
            change("another reason", is_met_again, &|step| step.quarantined[0].reason = "missing_image".to_owned());
            if let Some(seq) = good {
                let label = |seq| self.run.label(self.plans[&step.epoch].ticket(seq).records.first());
                let is_label_other = label(row.seq) != label(seq);
                let is_trained = |record: &u32| {
                    others.iter().any(|other| {
                        let is_good = |seq: &u64| other.quarantined.iter().all(|row| row.seq != *seq);
                        (other.seq_from..other.seq_to).filter(is_good).any(|seq| records(other, seq).contains(record))
                    })
                };
                let is_trained = records(step, seq).iter().all(is_trained);
                let shows = (self.has_data && is_summed && is_label_other) || is_trained || is_met_again;
                change("another row", shows, &|step| {
                    step.quarantined[0].seq = seq;
                    step.quarantined.sort_by_key(|row| row.seq);
                });
            }
        }
        changes
    }

    fn of_epoch(&self, epoch: &fastgarden_proto::ledger::Epoch) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut change = |name, is_contradicted, edit: &dyn Fn(&mut fastgarden_proto::ledger::Epoch)| {
            let mut changed = epoch.clone();
            edit(&mut changed);
            changes.push(Change { name, line: Line::Epoch(changed), is_contradicted });
        };
        change("epoch", true, &|epoch| epoch.epoch += 1);
        change("issued", true, &|epoch| epoch.issued += 1);
        change("trained", true, &|epoch| epoch.trained += 1);
        change("quarantined", true, &|epoch| epoch.quarantined += 1);
        change("dropped_last", true, &|epoch| epoch.dropped_last += 1);
        change("plan_hash", true, &|epoch| epoch.plan_hash = super::honest::hash(9));
        change("a class more", true, &|epoch| epoch.class_histogram[0] += 1);
        change("a class's count", true, &|epoch| epoch.class_histogram.truncate(super::honest::CLASSES - 1));
        let from = epoch.class_histogram.iter().position(|count| *count > 0);
        if let Some(from) = from {
            change("another class", self.has_data, &|epoch| {
                epoch.class_histogram[from] -= 1;
                epoch.class_histogram[(from + 1) % super::honest::CLASSES] += 1;
            });
        }
        change("evaluated", true, &|epoch| epoch.evaluated += 1);
        change("evaluation_quarantined", true, &|epoch| epoch.evaluation_quarantined += 1);
        let epochs = self.lines.iter().filter(|line| matches!(line, Line::Epoch(_))).count();
        if epoch.evaluated > 0 {
            change("unjudged", epochs > 1, &|epoch| {
                epoch.evaluated -= 1;
                epoch.evaluation_quarantined += 1;
                epoch.accuracy = epoch.accuracy.map(|_| 0.0);
            });
        }
        change("train_loss", true, &|epoch| epoch.train_loss += 0.5);
        change("valid_loss", epoch.evaluated == 0, &|epoch| epoch.valid_loss += 0.5);
        change("accuracy", true, &|epoch| epoch.accuracy = Some(epoch.accuracy.unwrap_or(0.0) + 1e-9));
        change("too much accuracy", true, &|epoch| epoch.accuracy = Some(2.0));
        change("no accuracy", epoch.accuracy.is_some(), &|epoch| epoch.accuracy = None);
        change("a loss more", true, &|epoch| epoch.losses.push(7));
        let untrained = epoch.losses.iter().position(|loss| *loss == 0);
        if let Some(record) = untrained {
            change("a loss of nothing", !self.is_half(epoch.epoch), &|epoch| epoch.losses[record] = 7);
        }
        if let Some(record) = epoch.losses.iter().position(|loss| *loss > 0) {
            change("no losses", true, &|epoch| epoch.losses.clear());
            change("a loss less", !self.is_half(epoch.epoch), &|epoch| epoch.losses[record] = 0);
            change("too large a loss", true, &|epoch| epoch.losses[record] = 1_000_001);
        }
        change("weights_sha256", true, &|epoch| epoch.weights_sha256.clear());
        changes
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, rng_seed: RngSeed::Fixed(12), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_field_is_found_even_if_the_chain_is_made_anew(
        run in runs(), has_data in any::<bool>(), written in any::<Index>(),
    ) {
        let (lines, plans) = run.walked();
        // Now and then a run that was killed.
        let lines = &lines[..(lines.len() / 2 + written.index(lines.len() / 2 + 1)).max(2).min(lines.len())];
        for position in 0..lines.len() {
            for change in (Around { run: &run, lines, plans: &plans, position, has_data }).changes() {
                if change.line == lines[position] || !change.is_contradicted {
                    continue;
                }
                let mut changed = lines.to_vec();
                changed[position] = change.line;
                let account = run.audit(&text_of(&changed), has_data, None);
                prop_assert!(!account.faults.is_empty(), "{} of line {}: {:?}", change.name, position + 1, changed);
            }
        }
    }

    #[test]
    fn lines_removed_swapped_or_repeated_are_found_even_if_the_chain_is_made_anew(run in runs(), place in any::<Index>()) {
        let lines = run.lines();
        let place = place.index(lines.len() - 1);
        let (mut removed, mut swapped, mut repeated) = (lines.clone(), lines.clone(), lines.clone());
        removed.remove(place);
        swapped.swap(place, place + 1);
        repeated.insert(place, lines[place].clone());
        for (name, lines) in [("removed", removed), ("swapped", swapped), ("repeated", repeated)] {
            let account = run.audit(&text_of(&lines), false, None);
            prop_assert!(!account.faults.is_empty(), "line {place} {name}");
        }
    }
}
