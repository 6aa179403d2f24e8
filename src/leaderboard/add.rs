//! `leaderboard add`: from a submission's file to an entry, if it stands before the referee.
//! Not here: the judgement (`submission`).

use std::path::Path;
use std::time::SystemTime;

use super::entry::{Curve, Entry, Score, StdKind, Submitted};
use super::file::Board;
use super::markdown::line;
use super::standing::{TOO_GOOD, TOO_GOOD_WORDS, standing};
use crate::cli::AddArgs;
use crate::exit::{Complaint, Failure};
use crate::markup::is_deceptive;
use crate::report::{EpochReport, RunReport};
use crate::rules::{Rules, Verdict};
use crate::series::date;
use crate::submission::{Against, Environment, Judgement, Submission, judge};

/// Reasons that are listed one by one.
const REASONS_MAX: usize = 20;
/// Letters of a device's name that are kept.
const DEVICE_CHARS_MAX: usize = 100;

/// Judges, adds and says where it stands now.
pub(super) fn add(args: &AddArgs) -> Result<String, Failure> {
    let submission = Submission::read(&args.submission)?;
    let path = &args.board.file;
    let mut board = board_for(path, &submission.rules)?;
    let fastgarden = Rules::fastgarden();
    let rules = if board.is_for(&fastgarden) { &fastgarden } else { &submission.rules };
    let judgement = judge(&submission, &Against { rules: Some(rules), ..Against::default() });
    refuse_broken(&args.submission, &judgement)?;
    let entry = entry(&submission, &judgement, args.sentence.as_deref(), &date(SystemTime::now()));
    if let Some(same) = board.same_as(&entry) {
        let sentence = format!(
            "{} is on {} already: {} by {} of {}",
            args.submission.display(),
            path.display(),
            same.system,
            same.author,
            same.date
        );
        return Err(Failure::usage(sentence, "remove its [[entry]] first if this one is to take its place"));
    }
    board.append(&entry).map_err(|error| {
        Failure::Usage(
            Complaint::new(error).way_out("shorten it with --sentence, or mend the submission and submit again"),
        )
    })?;
    board.write(path)?;
    Ok(told(path, &board, &submission.sha256, &judgement))
}

/// The board at a path, which must be one for these rules; where there is none, a new one.
fn board_for(path: &Path, rules: &Rules) -> Result<Board, Failure> {
    let fastgarden = rules.hash() == Rules::fastgarden().hash();
    if !path.exists() && !fastgarden {
        return Ok(Board::empty(rules));
    }
    let board = Board::load(path, true)?;
    if !board.is_for(rules) {
        let (path, name) = (path.display(), &rules.name);
        let cause = anyhow::anyhow!("this was made under the rules {name}, and {path} is a board for other rules");
        return Err(Failure::Rules(Complaint::new(cause).way_out("name a board of its own with --file")));
    }
    Ok(board)
}

fn refuse_broken(path: &Path, judgement: &Judgement) -> Result<(), Failure> {
    if judgement.stands() {
        return Ok(());
    }
    let broken = judgement.findings.iter().filter(|finding| finding.verdict == Verdict::Fail);
    let broken = broken.map(|finding| format!("{} {}: {}", finding.rule, finding.title, finding.reason));
    let reasons: Vec<String> = broken.chain(judgement.faults.iter().cloned()).collect();
    let mut text = format!("{} does not stand:", path.display());
    for reason in reasons.iter().take(REASONS_MAX) {
        text += &format!("\n    {reason}");
    }
    if reasons.len() > REASONS_MAX {
        text += &format!("\n    and {} more", reasons.len() - REASONS_MAX);
    }
    let way_out = format!("fastgarden-actors verify {} says it in full", path.display());
    Err(Failure::Rules(Complaint::new(anyhow::anyhow!("{text}")).way_out(way_out)))
}

/// What goes on the board. Accuracies are the ledgers', curves the report's, which the referee has compared with them.
fn entry(submission: &Submission, judgement: &Judgement, sentence: Option<&str>, date: &str) -> Entry {
    let report = &submission.report;
    let seconds = report.runs.iter().map(|run| run.seconds).sum::<f64>() / report.runs.len().max(1) as f64;
    let curve = |run: &RunReport| Curve {
        seed: Some(run.seed),
        accuracy: values(&run.epochs, |epoch| epoch.accuracy),
        train_loss: values(&run.epochs, |epoch| epoch.train_loss),
        valid_loss: values(&run.epochs, |epoch| epoch.valid_loss),
    };
    let passed = judgement.findings.iter().filter(|finding| finding.verdict == Verdict::Pass);
    Entry {
        system: submission.recipe.name.clone(),
        author: submission.author.as_deref().unwrap_or("anonymous").trim_start_matches('@').to_owned(),
        sentence: one_line(sentence.unwrap_or(&submission.recipe.summary)),
        link: submission.link.clone().unwrap_or_default(),
        date: date.to_owned(),
        score: Score::Runs(judgement.accuracies.clone()),
        std: StdKind::Population,
        seconds: (seconds > 0.0 && seconds.is_finite()).then(|| (10.0 * seconds).round() / 10.0),
        device: submission.runs.iter().flat_map(|run| &run.environments).next().map(device_of),
        device_memory_bytes: report.peak_device_bytes,
        memory_bytes: report.peak_memory_bytes,
        curves: report.runs.iter().map(curve).collect(),
        submitted: Some(Submitted {
            sha256: submission.sha256.clone(),
            recipe_hash: submission.recipe.hash(),
            ledger_heads: report.runs.iter().map(|run| run.ledger_head.clone()).collect(),
            passed: passed.map(|finding| finding.rule.to_owned()).collect(),
        }),
    }
}

/// What trained, in the words of the machine that it says to be.
fn device_of(environment: &Environment) -> String {
    let name = environment.gpu.clone().unwrap_or_else(|| format!("{} ({} cores)", environment.cpu, environment.cores));
    name.chars().filter(|character| !is_deceptive(*character)).take(DEVICE_CHARS_MAX).collect()
}

/// One value an epoch, to four decimals; nothing where an epoch has none.
fn values(epochs: &[EpochReport], of: fn(&EpochReport) -> Option<f64>) -> Vec<f64> {
    let all: Option<Vec<f64>> = epochs.iter().map(|epoch| of(epoch).filter(|value| value.is_finite())).collect();
    all.unwrap_or_default().into_iter().map(|value| (1e4 * value).round() / 1e4).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn told(path: &Path, board: &Board, sha256: &str, judgement: &Judgement) -> String {
    let places = standing(&board.entries);
    let is_new = |entry: &Entry| entry.submitted.as_ref().is_some_and(|of| of.sha256 == sha256);
    let Some(place) = places.iter().find(|place| is_new(place.entry)) else { return String::new() };
    let mut text = format!("{}: place {} of {}", path.display(), place.rank_text(), places.len());
    if !place.overlaps.is_empty() {
        text += &format!(", not shown to differ from {}", place.overlap_text().trim_start_matches("≈ "));
    }
    text += &format!("\n{}\n", line(place.rank, place.entry));
    if place.entry.mean() > TOO_GOOD {
        text += &format!("above 98 %: {TOO_GOOD_WORDS}\n");
    }
    for note in &judgement.notes {
        text += &format!("note: {note}\n");
    }
    text
}
