//! The rules' verdicts on a submission: what the recipe leaves open is decided by the ledgers and the report.
//! Not here: the rules of recipes and of finished series (the crate's `rules`), which are asked first.

use super::lineage::Lineage;
use crate::referee::{self, Standing};
use crate::rules::{Finding, Outcome, Rules, Verdict, check, grouped, reasons_against};
use crate::submission::Submission;

/// R1 to R9, none left undecided.
pub(super) fn verdicts(
    submission: &Submission,
    rules: &Rules,
    findings: &[referee::Finding],
    lineage: Lineage,
    has_data: bool,
) -> Vec<Finding> {
    let recipe = submission.explanation.put_into(&submission.recipe);
    let outcome = outcome(submission, findings, lineage);
    let mut verdicts = check(rules, &recipe, &outcome.finished_seeds, &outcome.origin);
    if let Some(most) = rules.max_seconds {
        let reason = format!("the longest run took {:.0} s of {}", outcome.seconds_max, grouped(most));
        verdicts.push(Finding { rule: "time", title: "time of a run", verdict: Verdict::Pass, reason });
    }
    for finding in &mut verdicts {
        if finding.verdict == Verdict::Undecided {
            finding.verdict = Verdict::Pass;
            finding.reason =
                decided(finding.rule, submission, &outcome, has_data).unwrap_or_else(|| finding.reason.clone());
        }
    }
    let mut against = reasons_against(rules, &recipe, &outcome);
    against.extend(too_many_examples(rules, findings));
    for reason in against {
        let Some((rule, reason)) = reason.split_once(": ") else { continue };
        let Some(finding) = verdicts.iter_mut().find(|finding| finding.rule == rule) else { continue };
        match finding.verdict {
            Verdict::Fail if finding.reason.contains(reason) => {}
            Verdict::Fail => finding.reason = format!("{}; {reason}", finding.reason),
            _ => (finding.verdict, finding.reason) = (Verdict::Fail, reason.to_owned()),
        }
    }
    verdicts
}

/// What the series came to, as the ledgers have it.
fn outcome(submission: &Submission, findings: &[referee::Finding], lineage: Lineage) -> Outcome {
    let runs = || submission.runs.iter().zip(findings);
    let is_finished = |finding: &referee::Finding| finding.standing == Standing::Whole;
    let mut unfinished: Vec<u64> = runs().filter(|(_, it)| !is_finished(it)).map(|(run, _)| run.seed).collect();
    unfinished.extend(submission.report.unfinished.iter().map(|run| run.seed));
    unfinished.sort_unstable();
    unfinished.dedup();
    let scored = findings.iter().filter_map(|finding| finding.epochs.last());
    Outcome {
        finished_seeds: runs().filter(|(_, it)| is_finished(it)).map(|(run, _)| run.seed).collect(),
        unfinished_seeds: unfinished,
        was_cut_short: findings.iter().any(|finding| finding.is_cut_short),
        validation_records: scored
            .clone()
            .map(|epoch| epoch.evaluated + epoch.evaluation_quarantined)
            .min()
            .unwrap_or(0),
        validation_quarantined: scored.map(|epoch| epoch.evaluation_quarantined).max().unwrap_or(0),
        on_garden: submission.report.on_garden,
        origin: lineage.origin,
        parents: lineage.parents,
        device_bytes_max: submission.report.runs.iter().filter_map(|run| run.peak_device_bytes).max(),
        seconds_max: submission.report.runs.iter().map(|run| run.seconds).fold(0.0, f64::max),
    }
}

/// How a rule that only a run can tell was kept, where nothing says that it was not.
fn decided(rule: &str, submission: &Submission, outcome: &Outcome, has_data: bool) -> Option<String> {
    let (of_these, again) = match has_data {
        true => ("of this data", "and there is none in this data"),
        false => ("but which ones only --data tells", "--data checks it again"),
    };
    match rule {
        "R2" => {
            let records = grouped(outcome.validation_records);
            Some(format!("{records} images were scored, none unreadable, {of_these}"))
        }
        "R3" => Some(format!("no run starts with a validation record in its training data, {again}")),
        "R6" => {
            let environments = submission.runs.iter().flat_map(|run| &run.environments);
            let mut devices: Vec<&str> = environments.map(|it| it.gpu.as_deref().unwrap_or(&it.device)).collect();
            devices.sort_unstable();
            devices.dedup();
            let devices = if devices.is_empty() { "of an unknown kind".to_owned() } else { devices.join(", ") };
            let memory = match outcome.device_bytes_max {
                Some(bytes) => {
                    format!("; at most {:.1} GiB of its memory were used", bytes as f64 / (1u64 << 30) as f64)
                }
                None => String::new(),
            };
            Some(format!("one device: {devices}{memory}"))
        }
        _ => None,
    }
}

/// The cap once more, where a submission is judged by other rules than it was made under.
fn too_many_examples(rules: &Rules, findings: &[referee::Finding]) -> Option<String> {
    let cap = rules.examples_per_epoch?;
    let most = findings.iter().map(|finding| finding.examples_max).max().filter(|&most| most > cap)?;
    Some(format!("R7: an epoch has {} examples, more than {}", grouped(most), grouped(cap)))
}
