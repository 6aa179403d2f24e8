//! A real browser without a window, told what to do over its debugging socket (Chrome DevTools protocol).
//! Not here: what is looked at.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use crate::environment::Environment;
use crate::problem::{Problem, Result};

/// Names it goes by.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One page of a browser.
pub struct Browser {
    child: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    asked: u64,
    /// Errors of the page and its console, as they came.
    pub errors: Vec<String>,
}

impl Browser {
    /// Starts one, with a profile of its own in a folder.
    pub fn start(environment: &Environment, profile: &Path) -> Result<Self> {
        let program = NAMES.iter().find_map(|name| environment.program(name)).ok_or(Problem::BrowserMissing)?;
        let mut child = Command::new(&program)
            .args(["--headless=new", "--remote-debugging-port=0", "--no-first-run", "--disable-gpu", "--no-sandbox"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Problem::io("starting", &program))?;
        let told = child.stderr.take().expect("it was piped");
        let mut lines = BufReader::new(told).lines().map_while(std::result::Result::ok);
        let address = lines.find_map(|line| line.split_once("listening on ws://").map(|(_, rest)| rest.to_owned()));
        // Somebody has to read on, or the browser would wait for it.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.ok_or_else(|| failed("it told no debugging address"))?;
        let authority = address.split('/').next().unwrap_or_default();
        let page = first_page(authority)?;
        let (socket, _) = tungstenite::connect(page).map_err(failed)?;
        let mut browser = Self { child, socket, asked: 0, errors: Vec::new() };
        for domain in ["Page", "Runtime", "Log"] {
            browser.ask(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(browser)
    }

    /// Sets the size of the window and its colours, and goes to a page.
    pub fn visit(&mut self, url: &str, (width, height): (u32, u32), dark: bool) -> Result<()> {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", metrics)?;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.ask("Emulation.setEmulatedMedia", media)?;
        self.ask("Page.navigate", json!({ "url": url }))?;
        Ok(())
    }

    /// What an expression is on the page.
    pub fn value(&mut self, expression: &str) -> Result<Value> {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.ask("Runtime.evaluate", parameters)?;
        match answer.get("exceptionDetails") {
            Some(error) => Err(failed(format!("{expression}: {error}"))),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) -> Result<()> {
        let begun = Instant::now();
        while self.value(expression)? != Value::Bool(true) {
            if begun.elapsed() > PATIENCE {
                return Err(failed(format!("the page never came to `{expression}`")));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// The whole page as a picture.
    pub fn picture(&mut self, path: &Path) -> Result<()> {
        let answer = self.ask("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }))?;
        let text = answer["data"].as_str().unwrap_or_default();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(failed)?;
        std::fs::write(path, bytes).map_err(Problem::io("writing", path))
    }

    /// Sends a command and waits for its answer, taking note of errors that come before it.
    fn ask(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.asked += 1;
        let command = json!({ "id": self.asked, "method": method, "params": parameters });
        self.socket.send(Message::text(command.to_string())).map_err(failed)?;
        loop {
            let Message::Text(text) = self.socket.read().map_err(failed)? else { continue };
            let told: Value = serde_json::from_str(&text).map_err(failed)?;
            if told["id"] == self.asked {
                return match told.get("error") {
                    Some(error) => Err(failed(format!("{method}: {error}"))),
                    None => Ok(told["result"].clone()),
                };
            }
            self.note(&told);
        }
    }

    fn note(&mut self, told: &Value) {
        let error = match told["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(&told["params"]["exceptionDetails"]),
            Some("Log.entryAdded") if told["params"]["entry"]["level"] == "error" => Some(&told["params"]["entry"]),
            Some("Runtime.consoleAPICalled") if told["params"]["type"] == "error" => Some(&told["params"]),
            _ => None,
        };
        self.errors.extend(error.map(Value::to_string));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The debugging address of the page that the browser opened with.
fn first_page(authority: &str) -> Result<String> {
    let mut stream = TcpStream::connect(authority).map_err(failed)?;
    let request = format!("GET /json/list HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut reader = BufReader::new(stream);
    let mut body_bytes = 0;
    // It keeps the connection open, whatever it is asked for.
    for line in reader.by_ref().lines() {
        let line = line.map_err(failed)?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        body_bytes = line.strip_prefix("content-length:").map_or(body_bytes, |bytes| bytes.trim().parse().unwrap_or(0));
    }
    let mut body = String::new();
    reader.take(body_bytes).read_to_string(&mut body).map_err(failed)?;
    let pages: Value = serde_json::from_str(&body).map_err(failed)?;
    let pages = pages.as_array().into_iter().flatten();
    let address = pages.filter(|page| page["type"] == "page").find_map(|page| page["webSocketDebuggerUrl"].as_str());
    address.map(str::to_owned).ok_or_else(|| failed("it has no page"))
}

fn failed(detail: impl std::fmt::Display) -> Problem {
    Problem::Program { program: "the browser".to_owned(), doing: "being looked through", detail: detail.to_string() }
}
