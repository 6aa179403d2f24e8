//! What is found of an epoch where its plan can't be drawn, so that nobody can say how many tickets it has.

use fastgarden_proto::ledger::line::Line;
use fastgarden_proto::ledger::{Epoch, Step};

use super::FaultKind;
use super::honest::{Run, RunStage, text_of};
use crate::sampler::Sampler;

/// One epoch of 3 batches of 4 rows.
fn run(drop_last: bool) -> Run {
    let stage = RunStage { sampler: Sampler::Shuffled, epochs: 1, rows: 4, drop_last, is_half: false };
    Run {
        records: 12,
        validation_records: 0,
        validation_bad: 0,
        limit: None,
        cap: Some(12),
        stages: vec![stage],
        seed: 1,
        max_steps: None,
        parent_epochs: None,
        bad: Default::default(),
    }
}

/// The kinds of fault in its ledger, with these changes and its chain made anew.
fn found(run: &Run, step: impl Fn(&mut Step), end: impl Fn(&mut Epoch)) -> Vec<(Option<usize>, FaultKind)> {
    let mut lines = run.lines();
    for line in &mut lines {
        match line {
            Line::Opening(_) => {}
            Line::Step(of) => step(of),
            Line::Epoch(epoch) => end(epoch),
        }
    }
    let account = run.audit_blindly(&text_of(&lines));
    account.faults.iter().map(|fault| (fault.line, fault.kind)).collect()
}

#[test]
fn a_batch_that_is_short_is_the_last() {
    // The first batch has a row less, and all others begin one ticket earlier.
    let earlier = |step: &mut Step| {
        step.seq_from = step.seq_from.saturating_sub(1);
        step.seq_to -= 1;
    };
    let fewer = |epoch: &mut Epoch| {
        (epoch.issued, epoch.trained) = (11, 11);
        let class = epoch.class_histogram.iter().position(|count| *count > 0).expect("some trained");
        epoch.class_histogram[class] -= 1;
    };
    let order = [(Some(3), FaultKind::Order), (Some(4), FaultKind::Order)];
    assert_eq!(found(&run(false), earlier, fewer), order);
    // Where incomplete batches are dropped, there is none at all.
    let last = |step: &mut Step| step.seq_to = step.seq_to.min(11);
    assert_eq!(found(&run(false), last, fewer), []);
    assert_eq!(found(&run(true), last, fewer).first(), Some(&(Some(4), FaultKind::Order)));
}

#[test]
fn the_cap_holds_all_the_same() {
    let run = run(false);
    assert_eq!(found(&run, |_| (), |_| ()), []);
    let capped = Run { cap: Some(8), ..run.clone() };
    let mut lines = run.lines();
    if let Line::Opening(opening) = &mut lines[0] {
        opening.cap = Some(8);
    }
    let account = capped.audit_blindly(&text_of(&lines));
    let kinds: Vec<_> = account.faults.iter().map(|fault| (fault.line, fault.kind)).collect();
    assert_eq!(kinds, [(Some(4), FaultKind::Cap), (Some(5), FaultKind::Cap)]);
    assert_eq!(account.tickets_max, 12);
}
