//! `recipes list|show|check`.
//! Not here: what makes a recipe valid (recipe/) or good under the rules (rules.rs).

use std::io::{self, Write as _};

use comfy_table::{Cell, Color};

use crate::cli::{Format, RecipesCommand};
use crate::exit::{Complaint, Failure, OrFail as _};
use crate::memory_estimate::{Estimate, Gib};
use crate::recipe::{EMBEDDED, Recipe};
use crate::rules::{Finding, Rules, Verdict, check};
use crate::table::{header, plain_table, trimmed};
use crate::told::harmless;
use crate::train_command::Parents;

/// Runs one of them; output goes to standard output.
pub fn run(command: &RecipesCommand) -> Result<(), Failure> {
    let text = match command {
        RecipesCommand::List { format } => list(*format)?,
        RecipesCommand::Show { recipe, set } => Recipe::load(recipe, set).or_usage()?.to_toml(),
        RecipesCommand::Check { recipe: name, set, rules, from, runs, memory, format } => {
            let recipe = Recipe::load(name, set).or_usage()?;
            let rules = Rules::load(rules).or_usage()?;
            let seeds = runs.map_or_else(|| recipe.seeds.clone(), |runs| (1..=u64::from(runs)).collect());
            let origin = Parents::find(from.as_deref(), &seeds, &recipe.net)?.origin();
            let findings = check(&rules, &recipe, &seeds, &origin);
            let make = || Estimate::make(&recipe, name, set).map_err(|why| not_estimated(&why));
            let estimate = memory.then(make).transpose()?;
            match format {
                Format::Json => check_json(&recipe, &rules, &findings, estimate.as_ref()),
                Format::Text => {
                    let memory = estimate.map(|estimate| memory_line(&estimate, &rules)).unwrap_or_default();
                    check_text(&recipe, &rules, &findings) + &memory
                }
            }
        }
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

fn list(format: Format) -> Result<String, Failure> {
    let mut recipes = Vec::new();
    for embedded in EMBEDDED {
        recipes.push(Recipe::load(embedded.name, &[]).or_run()?);
    }
    if format == Format::Json {
        let list: Vec<_> = recipes
            .iter()
            .map(|recipe| {
                serde_json::json!({
                    "name": recipe.name, "summary": recipe.summary, "epochs": recipe.epochs(), "hash": recipe.hash(),
                })
            })
            .collect();
        return Ok(format!("{:#}\n", serde_json::json!({ "recipes": list })));
    }
    let mut table = plain_table();
    table.set_header(["recipe", "epochs", "input", "runs", "summary"].map(header));
    for recipe in &recipes {
        let input = format!("{} px", recipe.evaluation.input_px);
        let counts = [recipe.epochs().to_string(), input, recipe.seeds.len().to_string()];
        let [epochs, input, runs] = counts;
        table.add_row([recipe.name.clone(), epochs, input, runs, recipe.summary.clone()]);
    }
    let table = trimmed(&table);
    Ok(format!("{table}\n\nprint one in full:  fastgarden-actors recipes show {}\n", recipes[0].name))
}

fn not_estimated(why: &str) -> Failure {
    Failure::Run(Complaint::new(anyhow::anyhow!("the memory of a run can't be estimated: {why}")))
}

/// What a run is estimated to take of a GPU, against what the rules allow.
fn memory_line(estimate: &Estimate, rules: &Rules) -> String {
    let needed = estimate.bytes();
    let most = rules.device_memory.map(|gib| (gib, (gib * (1u64 << 30) as f64) as u64));
    let against = match most {
        Some((gib, most)) if needed > most => format!(": more than the {gib:.1} GiB of the rules"),
        Some((gib, _)) => format!(", within the {gib:.1} GiB of the rules"),
        None => String::new(),
    };
    format!("memory: a run is estimated to take {} GiB of a GPU{against}\n", Gib(needed))
}

fn check_json(recipe: &Recipe, rules: &Rules, findings: &[Finding], memory: Option<&Estimate>) -> String {
    let findings: Vec<_> = findings
        .iter()
        .map(|finding| {
            let verdict = finding.verdict.name();
            serde_json::json!({
                "rule": finding.rule, "title": finding.title, "verdict": verdict, "reason": finding.reason,
            })
        })
        .collect();
    let document = serde_json::json!({
        "recipe": recipe.name, "recipe_hash": recipe.hash(), "rules": rules.name, "findings": findings,
        "memory": memory.map(Estimate::json),
    });
    format!("{document:#}\n")
}

/// Rules with their verdicts, a line each.
pub(crate) fn findings_table(findings: &[Finding]) -> String {
    let mut table = plain_table();
    table.set_header(["rule", "", "verdict", "reason"].map(header));
    for finding in findings {
        table.add_row([
            Cell::new(finding.rule),
            Cell::new(finding.title),
            verdict_cell(finding.verdict),
            Cell::new(harmless(&finding.reason)),
        ]);
    }
    trimmed(&table)
}

fn check_text(recipe: &Recipe, rules: &Rules, findings: &[Finding]) -> String {
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (passed, failed, open) = (count(Verdict::Pass), count(Verdict::Fail), count(Verdict::Undecided));
    let summary = match failed {
        0 => format!("{passed} pass, {open} only a run can tell"),
        _ => format!("not a submission as it stands: {failed} fail, {passed} pass, {open} only a run can tell"),
    };
    let table = findings_table(findings);
    format!("recipe {} under the rules {}\n\n{table}\n\n{summary}\n", recipe.name, rules.name)
}

fn verdict_cell(verdict: Verdict) -> Cell {
    let color = match verdict {
        Verdict::Pass => Color::Green,
        Verdict::Fail => Color::Red,
        Verdict::Undecided => Color::Yellow,
    };
    Cell::new(verdict.name()).fg(color)
}
