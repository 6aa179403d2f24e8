//! The proof of the metrics: a real Prometheus scrapes a real series, and is asked what it has.
//! Not here: Grafana itself; its dashboard's questions are put to Prometheus instead.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use super::http;
use super::options::Options;
use super::trial::{self, Running, Trial, holds};
use crate::apt;
use crate::environment::Environment;
use crate::problem::{Problem, Result};

/// Ports of their own.
const METRICS: &str = "127.0.0.1:19464";
const PROMETHEUS: &str = "127.0.0.1:19090";
/// Often enough that the validation after the last step outlasts it.
const CONFIG: &str = "\
global: { scrape_interval: 100ms, scrape_timeout: 100ms }
scrape_configs:
  - job_name: fastgarden
    static_configs: [{ targets: ['127.0.0.1:19464'] }]
";
/// All that was scraped.
const EVER: &str = "[1h]";

/// What is known of a family of metrics: kind and labels.
type Families = BTreeMap<String, (String, BTreeSet<String>)>;

/// Has a series of two runs scraped while it goes on, and asks about it then and afterwards.
pub fn prove(root: &Path, environment: &Environment, _: &Options) -> Result<()> {
    let prometheus = apt::program(environment, "prometheus")?;
    let trial = Trial::prepare(root, environment, "metrics")?;
    let config = trial.folder.join("prometheus.yml");
    std::fs::write(&config, CONFIG).map_err(Problem::io("writing", &config))?;
    let mut command = environment.command(prometheus);
    command.args(["--log.level=warn", "--web.listen-address", PROMETHEUS]);
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", trial.folder.join("prometheus").display()));
    let _prometheus = Running::start(&mut command)?;
    http::until_there(PROMETHEUS, "/-/ready")?;

    let mut train = trial.train(&["--runs", "2", "--metrics", METRICS, "--set", "execution.cache=encoded"]);
    let seen = watch(&mut Running::start(train.stderr(Stdio::null()).stdout(Stdio::null()))?)?;
    let document = root.join("docs/metrics.md");
    let documented = documented(&document)?;
    holds(
        "families, their kinds and labels are those of docs/metrics.md",
        &json!(families(&seen)?),
        &json!(documented),
    )?;
    scrapes_went_well(&documented, seen.last_s)?;
    totals_agree(&trial::report(&trial.series()?[0])?)?;
    are_answered("docs/metrics.md", &questions_of_text(&document)?, seen.last_s)?;
    are_answered("docs/grafana.json", &questions_of_dashboard(&root.join("docs/grafana.json"))?, seen.last_s)?;
    promtool_agrees(environment, &seen.text)
}

/// What was seen while the series went on.
struct Seen {
    /// When it was scraped last but a little.
    last_s: f64,
    /// What Prometheus knows of families.
    metadata: Value,
    text: String,
}

/// Looks on until the series has ended.
fn watch(run: &mut Running) -> Result<Seen> {
    let mut seen = Seen { last_s: 0.0, metadata: Value::Null, text: String::new() };
    while !run.has_ended("the training run")? {
        std::thread::sleep(Duration::from_millis(100));
        let up = query("timestamp(up == 1)", None)?;
        let Some(at) = up.first().and_then(number) else { continue };
        let metadata = http::json(PROMETHEUS, "/api/v1/metadata")?["data"].clone();
        // The server goes with the run.
        if let Ok(text) = http::get(METRICS, "/metrics") {
            seen = Seen { last_s: at, metadata, text };
        }
    }
    Ok(seen)
}

/// Families as Prometheus has them: kinds from its metadata, labels from its series.
fn families(seen: &Seen) -> Result<Families> {
    let series = http::json(PROMETHEUS, &format!("/api/v1/series?match[]={}", http::escaped("{job=\"fastgarden\"}")))?;
    let mut found = Families::new();
    for labels in series["data"].as_array().into_iter().flatten().filter_map(Value::as_object) {
        let name = labels["__name__"].as_str().unwrap_or_default();
        if !name.starts_with("fastgarden_") {
            continue;
        }
        let parts = ["_bucket", "_count", "_sum"];
        let name = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        // OpenMetrics names a family of counters without what its samples end in.
        let told = &seen.metadata[name.strip_suffix("_total").unwrap_or(name)][0];
        let kind = told["type"].as_str().unwrap_or("unknown").to_owned();
        let own = |label: &&String| !["__name__", "instance", "job", "le"].contains(&label.as_str());
        let (_, labels_there) = found.entry(name.to_owned()).or_insert((kind, BTreeSet::new()));
        labels_there.extend(labels.keys().filter(own).cloned());
    }
    Ok(found)
}

/// Families by the table of the document: `name{label}`, several a line, and their kind. Not those that the run at hand, on a
/// CPU, has none of.
fn documented(path: &Path) -> Result<Families> {
    let text = std::fs::read_to_string(path).map_err(Problem::io("reading", path))?;
    let mut found = Families::new();
    for line in text.lines().filter(|line| line.starts_with("| `") && !line.contains("there is none on a CPU")) {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let (Some(names), Some(kind)) = (cells.next(), cells.next()) else { continue };
        for name in names.split('`').skip(1).step_by(2) {
            let (name, label) = name.split_once('{').unwrap_or((name, ""));
            let label = label.trim_end_matches('}');
            let labels = Some(label.to_owned()).filter(|label| !label.is_empty());
            found.insert(format!("fastgarden_{name}"), (kind.to_owned(), labels.into_iter().collect()));
        }
    }
    Ok(found)
}

/// From the first scrape to the last there was none that failed, and no counter ever fell.
fn scrapes_went_well(families: &Families, last_s: f64) -> Result<()> {
    let up = query(&format!("up{EVER}"), Some(last_s))?;
    let values: Vec<f64> = up.first().map(numbers).unwrap_or_default();
    let since_first: Vec<f64> = values.into_iter().skip_while(|&up| up == 0.0).collect();
    let failed = since_first.iter().filter(|&&up| up == 0.0).count();
    println!("  {} scrapes", since_first.len());
    holds("scrapes that failed", &json!(failed), &json!(0))?;
    let mut fallen = Vec::new();
    for counter in families.iter().filter(|(_, (kind, _))| kind == "counter").map(|(name, _)| name) {
        let resets = query(&format!("resets({counter}{EVER})"), None)?;
        fallen.extend(resets.iter().filter(|series| number(series) != Some(0.0)).map(|_| counter));
    }
    holds("counters that ever fell", &json!(fallen), &json!([]))
}

/// What was scraped last is what the report says.
fn totals_agree(report: &Value) -> Result<()> {
    let runs = || report["runs"].as_array().into_iter().flatten();
    let epochs = || runs().flat_map(|run| run["epochs"].as_array().into_iter().flatten());
    let sum = |name: &str| epochs().filter_map(|epoch| epoch["examples"][name].as_f64()).sum::<f64>();
    let steps = runs().filter_map(|run| run["steps"].as_f64()).sum::<f64>();
    for (name, expected) in
        [("examples_trained", sum("trained")), ("steps", steps), ("examples_quarantined", sum("quarantined"))]
    {
        let metric = format!("fastgarden_{name}_total");
        let last = query(&format!("sum(last_over_time({metric}{EVER}))"), None)?;
        holds(
            &format!("{metric} at the end is the report's"),
            &json!(last.first().and_then(number)),
            &json!(expected),
        )?;
    }
    Ok(())
}

/// Questions of a text: blocks of PromQL, each question under its comment.
fn questions_of_text(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(Problem::io("reading", path))?;
    let blocks = text.split("```promql\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut questions: Vec<String> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        match questions.last_mut() {
            _ if line.starts_with('#') => questions.push(String::new()),
            Some(question) => question.extend([line, " "]),
            None => {}
        }
    }
    Ok(questions)
}

/// Questions of a dashboard's panels.
fn questions_of_dashboard(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read(path).map_err(Problem::io("reading", path))?;
    let board: Value = serde_json::from_slice(&text).map_err(|error| Problem::io("reading", path)(error.into()))?;
    let panels = board["panels"].as_array().into_iter().flatten();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    Ok(targets.filter_map(|target| target["expr"].as_str().map(str::to_owned)).collect())
}

/// Every question has an answer.
fn are_answered(whose: &str, questions: &[String], at_s: f64) -> Result<()> {
    let mut unanswered = Vec::new();
    for question in questions {
        if query(question, Some(at_s))?.is_empty() {
            unanswered.push(question);
        }
    }
    holds(&format!("unanswered of the {} questions of {whose}", questions.len()), &json!(unanswered), &json!([]))
}

/// `promtool check metrics` reads the older text format, in which the help of an OpenMetrics counter belongs to another
/// name; it must have nothing else to say.
fn promtool_agrees(environment: &Environment, text: &str) -> Result<()> {
    let Some(promtool) = environment.program("promtool") else { return Ok(()) };
    let mut command = environment.command(&promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Problem::io("starting", &promtool))?;
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(text.as_bytes()).map_err(Problem::io("writing to", &promtool))?;
    drop(input);
    let output = child.wait_with_output().map_err(Problem::io("waiting for", &promtool))?;
    let words = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> = words.lines().filter(|line| !line.ends_with("_total no help text")).collect();
    holds("complaints of promtool check metrics", &json!(complaints), &json!([]))
}

/// The series that are the answer to a question, now or then.
fn query(question: &str, at_s: Option<f64>) -> Result<Vec<Value>> {
    let at = at_s.map(|at| format!("&time={at:.3}")).unwrap_or_default();
    let path = format!("/api/v1/query?query={}{at}", http::escaped(question));
    let answer = http::json(PROMETHEUS, &path)?;
    Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
}

/// The value of a series at one moment.
fn number(series: &Value) -> Option<f64> {
    series["value"][1].as_str()?.parse().ok()
}

/// The values of a series over time.
fn numbers(series: &Value) -> Vec<f64> {
    let values = series["values"].as_array().into_iter().flatten();
    values.filter_map(|value| value[1].as_str()?.parse().ok()).collect()
}
