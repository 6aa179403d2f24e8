//! What is found of a submission, in words, a table, or JSON.
//! Not here: finding it.

use serde_json::{Value, json};

use crate::recipes_command::findings_table;
use crate::report::Statistics;
use crate::rules::{Finding, Rules, Verdict};
use crate::submission::{Against, Judgement, Submission};
use crate::told::harmless;

/// The whole of it for people.
pub fn text(submission: &Submission, judgement: &Judgement, against: &Against<'_>) -> String {
    let mut lines = vec![
        format!("file    {}", submission.path.display()),
        format!("recipe  {}: {}", harmless(&submission.recipe.name), harmless(&submission.recipe.summary)),
    ];
    let by: Vec<String> = [&submission.author, &submission.link].into_iter().flatten().map(|it| harmless(it)).collect();
    if !by.is_empty() {
        lines.push(format!("by      {}", by.join("  ")));
    }
    lines.push(format!("score   {}, on {}", score(&judgement.accuracies), submission.recipe.evaluation.on));
    lines.push(format!("rules   {}", rules(submission, against)));
    let table = findings_table(&judgement.findings);
    let mut text = format!("{}\n\n{table}\n\n", lines.join("\n"));
    for note in &judgement.notes {
        text += &format!("note    {}\n", harmless(note));
    }
    for fault in &judgement.faults {
        text += &format!("fault   {}\n", harmless(fault));
    }
    text
}

/// Which rules it is judged by. Those that are no built-in ones are spelled out, for they are the submission's own.
fn rules(submission: &Submission, against: &Against<'_>) -> String {
    let made_under = match Rules::load(&submission.rules.name) {
        Ok(_) => submission.rules.name.clone(),
        Err(_) => format!("{}: {}", submission.rules.name, submission.rules.to_toml().trim_end().replace('\n', ", ")),
    };
    match against.rules {
        Some(rules) if rules.hash() != submission.rules.hash() => format!("{}; made under {made_under}", rules.name),
        _ => made_under,
    }
}

/// "82.40 % ± 0.15 (population; sample 0.18) over 3 runs", from the ledgers.
pub fn score(accuracies: &[f64]) -> String {
    let Statistics { mean, std_population, std_sample } = Statistics::of(accuracies);
    let Some(mean) = mean else { return "none: no run has been validated".to_owned() };
    let mean = format!("{:.2} %", 100.0 * mean);
    match (std_population, std_sample) {
        (Some(population), Some(sample)) => {
            let (population, sample, runs) = (100.0 * population, 100.0 * sample, accuracies.len());
            format!("{mean} ± {population:.2} (population; sample {sample:.2}) over {runs} runs")
        }
        _ => format!("{mean} over 1 run"),
    }
}

/// "it stands", or how much is against it.
pub fn sentence(judgement: &Judgement) -> String {
    let failed: Vec<&str> = judgement
        .findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Fail)
        .map(|finding| finding.rule)
        .collect();
    let faults = match judgement.faults.len() {
        0 => None,
        1 => Some("1 fault".to_owned()),
        count => Some(format!("{count} faults")),
    };
    let rules = (!failed.is_empty()).then(|| match failed.len() {
        1 => format!("rule {} is not kept", failed[0]),
        _ => format!("rules {} are not kept", failed.join(", ")),
    });
    let against: Vec<String> = [rules, faults].into_iter().flatten().collect();
    if against.is_empty() { "it stands".to_owned() } else { against.join(", ") }
}

/// The whole of it for scripts.
pub fn json(submission: &Submission, judgement: &Judgement, against: &Against<'_>) -> Value {
    let statistics = Statistics::of(&judgement.accuracies);
    json!({
        "file": submission.path, "sha256": submission.sha256, "recipe": submission.recipe.name,
        "recipe_hash": submission.recipe.hash(), "rules": rules(submission, against), "author": submission.author,
        "link": submission.link, "evaluated_on": submission.recipe.evaluation.on.to_string(), "stands": judgement.stands(),
        "accuracies": judgement.accuracies, "accuracy_mean": statistics.mean,
        "accuracy_std_population": statistics.std_population, "accuracy_std_sample": statistics.std_sample,
        "findings": judgement.findings.iter().map(finding).collect::<Vec<_>>(),
        "faults": judgement.faults, "notes": judgement.notes,
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "rule": finding.rule, "title": finding.title, "verdict": finding.verdict.name(), "reason": finding.reason,
    })
}
