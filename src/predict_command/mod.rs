//! `predict`: a class for every record of a split, as the CSV that Kaggle takes.
//! Not here: judging records (`judged`), the file's form (csv.rs). Not for the score: `evaluate` is.

mod csv;
pub mod judged;

use std::io::Write as _;

use fastgarden_data::columns::Columns;
use fastgarden_data::index::Index;

use self::judged::{Judge, Judged};
use crate::cli::{Format, PredictArgs, Tta};
use crate::exit::{Complaint, Failure, OrFail as _};
use crate::report::write_atomically;
use crate::rules::grouped;
use crate::told::{harmless, say};

/// Runs the command.
pub fn run(args: &PredictArgs) -> Result<(), Failure> {
    let judge = Judge::open(&judged::Question {
        checkpoint: &args.checkpoint,
        recipe: &args.recipe,
        data: &args.data,
        split: args.split.split(),
        device: &args.device,
        flip: args.tta == Tta::Flip,
    })?;
    let ids = Columns::read(judge.index(), judge.features()).or_run()?;
    let judged = judge.ask(&args.pools, |_| {})?;
    for fault in &judged.unreadable {
        say(&harmless(&format!("quarantined {fault}")));
    }
    let lines = csv::lines(&judged, |record| id_of(judge.index(), &ids, record));
    write_atomically(&args.out, lines.text.as_bytes()).map_err(|error| {
        let cause = anyhow::Error::new(error).context(format!("cannot write {}", args.out.display()));
        Failure::Usage(Complaint::new(cause).way_out("free space, or name another file with --out"))
    })?;
    let text = match args.format {
        Format::Json => json(args, &judge, &judged, &lines),
        Format::Text => text(args, &judge, &judged, &lines),
    };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::from)
}

/// The id of a record; where it has none that can be read, its place instead: `shard@byte`.
fn id_of(index: &Index, ids: &Columns, record: u32) -> (String, bool) {
    match ids.id(record).filter(|id| !id.is_empty()) {
        Some(id) => (String::from_utf8_lossy(id).into_owned(), true),
        None => (format!("{}@{}", index.shard_of(record).name, index.address(record).offset), false),
    }
}

fn text(args: &PredictArgs, judge: &Judge, judged: &Judged, lines: &csv::Lines) -> String {
    let (out, recipe, records) = (args.out.display(), &judge.recipe().name, grouped(lines.records));
    let tta = if judged.flipped.is_some() { " (with TTA: pictures and their mirror images)" } else { "" };
    let mut text = format!("{out}: {records} records of {} by {recipe}{tta}\n", args.split.split().name());
    if lines.unreadable > 0 {
        let (count, class) = (grouped(lines.unreadable), lines.fallback);
        text += &format!("unreadable: {count}, written as class {class}, the one predicted most often\n");
    }
    if lines.without_id > 0 {
        text += &format!("without an id: {}, named by shard and byte\n", grouped(lines.without_id));
    }
    if lines.repeated_ids > 0 {
        text +=
            &format!("warning: {} ids are there more than once; Kaggle refuses that\n", grouped(lines.repeated_ids));
    }
    let lost = judge.index().missing_records();
    if lost > 0 {
        text +=
            &format!("warning: at least {} records are lost with damaged framing: no line is theirs\n", grouped(lost));
    }
    if let Some(plain) = judged.accuracy(false) {
        text += &format!("accuracy {:.2} % without TTA\n", 100.0 * plain);
        if let Some(flipped) = judged.accuracy(true) {
            text += &format!("accuracy {:.2} % with TTA, which is not the score\n", 100.0 * flipped);
        }
    }
    text
}

fn json(args: &PredictArgs, judge: &Judge, judged: &Judged, lines: &csv::Lines) -> String {
    let document = serde_json::json!({
        "out": args.out, "checkpoint": judge.checkpoint(), "recipe": judge.recipe().name,
        "split": args.split.split().name(), "tta": judged.flipped.is_some(), "records": lines.records,
        "unreadable": lines.unreadable, "fallback_class": lines.fallback, "without_id": lines.without_id,
        "repeated_ids": lines.repeated_ids, "lost_with_framing": judge.index().missing_records(),
        "accuracy": judged.accuracy(false), "accuracy_with_tta": judged.accuracy(true),
    });
    format!("{document:#}\n")
}
