//! What can be seen of a run: dashboard, metrics, trace, TensorBoard's events, history. Nothing of it can stop a run.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Place, flip, frame_offsets, garden};

const RECIPE: &str = r#"
name = "tiny"
summary = "for tests"
[net]
kind = "xresnet"
stem = { kind = "conv", widths = [8, 8, 16] }
block = { kind = "basic" }
layers = [1, 1, 1, 1]
outputs = 104
[optimizer]
kind = "sgd"
lr = 0.01
[[stage]]
epochs = 2
source_px = 48
input_px = 32
batch_size = 16
drop_last = true
crop = { kind = "random_resized", min_scale = 0.35 }
cpu_augment = "jitter"
schedule = { kind = "constant" }
[evaluation]
source_px = 48
resize_px = 40
input_px = 32
[execution]
cpu_threads = 1
"#;

/// More epochs than any test waits for.
const ENDLESS: &str = "--set stage.0.epochs=100000";
/// How long a test waits for something that comes at once.
const PATIENCE: Duration = Duration::from_secs(60);

fn nursery() -> Place {
    let place = Place::new();
    garden(&place.path("garden"), 96, 32, 48);
    fs::write(place.path("tiny.toml"), RECIPE).unwrap();
    place
}

fn words(more: &str) -> String {
    format!("train tiny.toml --data garden --rules none --runs 1 --device cpu {more}")
}

/// A run in the background, with the addresses that it told.
struct Running {
    child: Child,
    dashboard: Option<String>,
    metrics: Option<String>,
}

impl Running {
    /// Starts and reads what is told until training begins.
    fn start(place: &Place, more: &str) -> Self {
        let mut command = place.command(&words(&format!("{more} {ENDLESS}")));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut dashboard, mut metrics) = (None, None);
        for line in lines.by_ref() {
            let line = line.unwrap();
            let address = |name| Some(line.strip_prefix(name)?.trim().trim_start_matches("http://").to_owned());
            dashboard = dashboard.or_else(|| address("dashboard"));
            metrics = metrics.or_else(|| address("metrics"));
            if line.starts_with("epoch") {
                break;
            }
        }
        // Somebody has to read on, or the program would wait for it.
        std::thread::spawn(move || lines.for_each(drop));
        let authority = |address: String| address.split('/').next().unwrap().to_owned();
        Self { child, dashboard: dashboard.map(authority), metrics: metrics.map(authority) }
    }

    fn dashboard(&self) -> &str {
        self.dashboard.as_deref().expect("the address of the dashboard was told")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server answered.
struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

fn ask(address: &str, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// One request, with further header lines.
fn get(address: &str, path: &str, headers: &str) -> Answer {
    let host = if headers.contains("Host:") { String::new() } else { format!("Host: {address}\r\n") };
    let mut stream = ask(address, &format!("GET {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n"));
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("headers end") + 4;
    let headers = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, headers: headers.to_lowercase(), body: bytes[end..].to_vec() }
}

/// Asks until the answer is what is waited for.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it never came");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Moments as the page gets them.
fn moments(address: &str) -> impl Iterator<Item = Value> {
    let stream = ask(address, &format!("GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
}

#[test]
fn a_run_shows_itself_and_names_what_limits() {
    let place = nursery();
    let running = Running::start(&place, "--dashboard 127.0.0.1:0");
    let address = running.dashboard();
    let page = get(address, "/", "");
    assert_eq!(page.status, 200);
    assert!(page.headers.contains("content-security-policy: default-src 'none'"), "{}", page.headers);
    for part in ["style.css", "page.js", "uPlot.js", "uPlot.css"] {
        assert!(page.text().contains(part), "{part} is asked for");
        assert_eq!(get(address, &format!("/{part}"), "").status, 200, "{part}");
    }
    let told: Vec<Value> = moments(address).filter(|moment| moment["bottleneck"] != "").take(3).collect();
    let [first, _, last] = &told[..] else { panic!("three moments") };
    assert_eq!(first["place"]["recipe"], "tiny");
    assert_eq!(first["stages"].as_array().unwrap().len(), 4);
    assert!(first["verdict"].as_str().unwrap().len() > 10, "{first}");
    assert!(last["seconds"].as_f64() > first["seconds"].as_f64());
    assert!(last["trainer"]["trained"].as_u64() >= first["trainer"]["trained"].as_u64());
    assert!(!get(address, "/past.json", "").json().as_array().unwrap().is_empty());
    let strip = until(|| Some(get(address, "/strip.json", "").json()).filter(|strip| !strip.is_null()));
    assert_eq!((strip["names"].as_array().unwrap().len(), &strip["width"]), (8, &Value::from(32)));
    // How every PNG begins, in base64.
    assert!(strip["png"].as_str().unwrap().starts_with("iVBORw0KGgo"), "{strip}");
    assert_eq!(get(address, "/quarantined.json", "").json(), serde_json::json!([]));
    let series = get(address, "/runs.json", "").json();
    assert!(series[0]["name"].as_str().unwrap().starts_with("tiny-"), "{series}");
}

#[test]
fn strangers_are_turned_away() {
    let place = nursery();
    let running = Running::start(&place, "--dashboard 127.0.0.1:0 --dashboard-host notebooks.example");
    let address = running.dashboard();
    let status = |path: &str, headers: &str| get(address, path, headers).status;
    // A name that was rebound to this machine, and a page of somebody else's.
    assert_eq!(status("/", "Host: evil.example\r\n"), 403);
    assert_eq!(status("/past.json", "Origin: http://evil.example\r\n"), 403);
    assert_eq!(status("/past.json", "Origin: http://localhost:3000\r\n"), 403);
    assert_eq!(status("/events", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"), 403);
    assert_eq!(status("/", "Host: notebooks.example\r\n"), 200);
    assert_eq!(status("/", "Host: localhost:1234\r\nOrigin: http://localhost:1234\r\n"), 200);
    assert_eq!(status("/../Cargo.toml", ""), 404);
    let mut stream =
        ask(address, &format!("POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 405"), "{answer}");
    drop(running);
    let refused = place.run(&words("--dashboard-host notebooks.example:8888")).expect_code(2);
    assert!(refused.stderr.contains("give the name only"), "{}", refused.stderr);
}

#[test]
fn quarantined_records_are_listed_while_the_run_goes_on() {
    let place = nursery();
    let train = place.path("garden").join("tfrecords-jpeg-48x48/train");
    let shard = fs::read_dir(&train).unwrap().next().unwrap().unwrap().path();
    flip(&shard, frame_offsets(&shard)[1] + 100);
    let running = Running::start(&place, "--dashboard 127.0.0.1:0");
    let listed = until(|| {
        let listed = get(running.dashboard(), "/quarantined.json", "").json();
        listed[0].as_str().map(str::to_owned)
    });
    let shard = shard.file_name().unwrap().to_str().unwrap();
    assert!(listed.contains("data_crc_mismatch") && listed.contains(shard), "{listed}");
}

#[test]
fn beyond_this_machine_a_token_is_asked_for() {
    let place = nursery();
    let mut command = place.command(&words(&format!("--dashboard 0.0.0.0:0 --metrics 0.0.0.0:0 {ENDLESS}")));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.starts_with("dashboard")).expect("the address is told");
    let metrics = lines.find(|line| line.starts_with("metrics")).expect("that of the metrics, too");
    let (address, token) = line.rsplit_once("/?token=").expect("with its token");
    std::thread::spawn(move || lines.for_each(drop));
    let port = address.rsplit_once(':').unwrap().1;
    let local = format!("127.0.0.1:{port}");
    let wrong = "0".repeat(token.len());
    assert_eq!(get(&local, "/", "").status, 401);
    assert_eq!(get(&local, &format!("/?token={wrong}"), "").status, 401);
    assert_eq!(get(&local, "/past.json", &format!("Authorization: Bearer {wrong}\r\n")).status, 401);
    let entered = get(&local, &format!("/?token={token}"), "");
    assert_eq!(entered.status, 303);
    assert!(entered.headers.contains("location: ./") && entered.headers.contains("httponly"), "{}", entered.headers);
    assert_eq!(get(&local, "/", &format!("Cookie: a=b; fastgarden-token-{port}={token}\r\n")).status, 200);
    assert_eq!(get(&local, "/past.json", &format!("Authorization: Bearer {token}\r\n")).status, 200);
    // A scraper goes to the address as it was told, and keeps no cookies.
    let (address, path) = metrics.rsplit_once("/metrics").expect("the path is told");
    let scraped = get(&format!("127.0.0.1:{}", address.rsplit_once(':').unwrap().1), &format!("/metrics{path}"), "");
    assert!(scraped.status == 200 && scraped.text().ends_with("# EOF\n"), "{}", scraped.headers);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn metrics_count_what_was_trained() {
    let place = nursery();
    let running = Running::start(&place, "--dashboard off --metrics 127.0.0.1:0");
    assert!(running.dashboard.is_none());
    let address = running.metrics.clone().expect("the address of the metrics was told");
    let value = |text: &str, name: &str| -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    let text = until(|| {
        let answer = get(&address, "/metrics", "");
        assert!(answer.headers.contains("application/openmetrics-text"), "{}", answer.headers);
        let text = answer.text().to_owned();
        value(&text, "fastgarden_epochs_total").filter(|epochs| *epochs >= 1.0).map(|_| text)
    });
    let trained = value(&text, "fastgarden_examples_trained_total").unwrap();
    assert!(trained >= 96.0 && trained % 16.0 == 0.0, "{trained}");
    assert_eq!(value(&text, "fastgarden_steps_total").unwrap() * 16.0, trained);
    assert!(value(&text, "fastgarden_examples_evaluated_total").unwrap() >= 32.0);
    assert!(value(&text, "fastgarden_stage_examples_total{stage=\"decode\"}").unwrap() >= trained);
    let buckets = text.lines().filter(|line| line.starts_with("fastgarden_stage_service_seconds_bucket{"));
    assert!(buckets.filter(|line| line.contains("+Inf")).count() == 4, "{text}");
    assert_eq!(get(&address, "/", "").status, 404);
}

#[test]
fn headroom_is_measured_before_a_run_and_changes_nothing_of_it() {
    let place = nursery();
    let report = |name: &str, more: &str| {
        let told = place.run(&words(&format!("--dashboard off --report {name} {more}"))).expect_code(0);
        (told.stderr, serde_json::from_str::<Value>(&fs::read_to_string(place.path(name)).unwrap()).unwrap())
    };
    let (_, plain) = report("plain.json", "");
    let (told, measured) = report("measured.json", "--headroom");
    assert!(told.contains("headroom a perfect loader would be"), "{told}");
    let number = |name: &str| measured["headroom"][name].as_f64().unwrap();
    let factor = number("replayed_images_per_s") / number("images_per_s");
    assert!((factor - number("factor")).abs() < 1e-9 && factor > 0.0, "{measured}");
    assert!((0.0..=1.0).contains(&number("input_wait_share")), "{measured}");
    assert_eq!(plain["headroom"], Value::Null);
    let (_, resumed) = report("resumed.json", "--resume");
    assert_eq!(resumed["headroom"], measured["headroom"], "a resumed series keeps what was measured");
    for what in ["weights_sha256", "batch_hash", "ledger_head"] {
        assert_eq!(plain["runs"][0][what], measured["runs"][0][what], "{what}");
    }
}

#[test]
fn a_browser_that_stops_reading_and_a_port_in_use_hold_up_nobody() {
    let place = nursery();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address)).unwrap();
    let output = place.run(&words(&format!("--dashboard {} --metrics {}", taken.1, taken.1))).expect_code(0);
    assert_eq!(output.stderr.matches("can't be had").count(), 2, "{}", output.stderr);

    let running = Running::start(&place, "--dashboard 127.0.0.1:0");
    let address = running.dashboard();
    let deaf = ask(address, &format!("GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    // Answers are far more than the buffers between the two hold, questions are not.
    let question = format!("GET /uPlot.js HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let choked = ask(address, &question.repeat((64 << 20) / get(address, "/uPlot.js", "").body.len()));
    let trained = |moment: &Value| moment["trainer"]["trained"].as_u64().unwrap_or(0);
    let seen: Vec<u64> = moments(address).map(|moment| trained(&moment)).take(12).collect();
    assert!(seen.last() > seen.first(), "{seen:?}");
    assert_eq!(get(address, "/", "").status, 200);
    // Nobody gave it up either: whoever reads at last gets all of it.
    let most = 60 << 20;
    assert_eq!(std::io::copy(&mut choked.take(most), &mut std::io::sink()).unwrap(), most);
    drop(deaf);
}

#[test]
fn a_trace_holds_every_stage_and_arrows_that_end_in_steps() {
    let place = nursery();
    place.run(&words("--dashboard off --trace trace.json")).expect_code(0);
    let text = fs::read_to_string(place.path("trace.json")).unwrap();
    let events: Vec<Value> = serde_json::from_str(&text).unwrap();
    let named = |name: &str| events.iter().filter(|event| event["ph"] == "X" && event["name"] == name).count();
    // 96 training and 32 validation examples in batches of 16, two epochs.
    assert_eq!((named("step"), named("judge")), (12, 4));
    for (stage, chunks) in [("read", 16), ("decode", 16), ("augment", 12), ("sequence", 16)] {
        assert_eq!(named(stage), chunks, "{stage}");
    }
    let ids = |kind: &str| {
        let mut ids: Vec<u64> =
            events.iter().filter(|event| event["ph"] == kind).map(|event| event["id"].as_u64().unwrap()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids("s"), ids("f"));
    assert_eq!(ids("s").len(), 16);
    let tracks = events.iter().filter(|event| event["name"] == "thread_name").count();
    assert!(tracks >= 4, "{tracks} threads");

    let refused = place.run(&words("--trace missing/trace.json")).expect_code(2);
    assert!(refused.stderr.contains("missing/trace.json") && refused.stderr.contains("--trace"), "{}", refused.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_trace_on_a_full_disk_is_told_once_and_the_run_goes_on() {
    let place = nursery();
    let output = place.run(&words("--dashboard off --trace /dev/full --report report.json")).expect_code(0);
    assert_eq!(output.stderr.matches("the trace /dev/full").count(), 1, "{}", output.stderr);
    assert!(!output.stderr.contains("ERROR"), "{}", output.stderr);
    let report: Value = serde_json::from_str(&fs::read_to_string(place.path("report.json")).unwrap()).unwrap();
    assert_eq!(report["runs"][0]["steps"], 12);
}

#[test]
fn a_run_leaves_events_for_tensorboard_and_series_can_be_compared() {
    let place = nursery();
    let none = place.run("runs list").expect_code(0);
    assert!(none.stdout.contains("no series in runs"), "{}", none.stdout);
    place.run(&words("--dashboard off")).expect_code(0);
    place.run(&words("--dashboard off --set optimizer.lr=0.02")).expect_code(0);
    let listed = place.run("runs list --format json").expect_code(0).json();
    let series: Vec<&str> =
        listed["series"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(series.len(), 2);
    for name in &series {
        let folder = place.path(&format!("runs/{name}/seed-1"));
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.filter(|name| name.to_string_lossy().contains("tfevents")).count(), 1, "{name}");
    }
    let compared = place.run(&format!("runs compare {} runs/{}", series[0], series[1])).expect_code(0);
    assert!(compared.stdout.contains("optimizer.lr: "), "{}", compared.stdout);
    assert!(compared.stdout.contains("epoch 2, valid loss"), "{}", compared.stdout);
    let missing = place.run(&format!("runs compare {} nothing", series[0])).expect_code(2);
    assert!(missing.stderr.contains("nothing is no series"), "{}", missing.stderr);
}
