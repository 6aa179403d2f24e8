//! The proof of the dashboard: a real run, looked at through a real browser.
//! Not here: driving the browser.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use super::browser::Browser;
use super::options::Options;
use super::trial::Running;
use crate::environment::Environment;
use crate::problem::{Problem, Result};

const WIDE: (u32, u32) = (1280, 900);
const NARROW: (u32, u32) = (400, 800);
/// A port of its own, so that a run can come back to it.
const ADDRESS: &str = "127.0.0.1:17878";
/// How long the page may take to ask again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a training run that goes on until what is returned is dropped.
fn start(root: &Path, environment: &Environment, folder: &Path) -> Result<Running> {
    let mut command = environment.cargo();
    command.current_dir(root).args(["run", "--quiet", "--", "train", "--rules", "none", "--device", "cpu"]);
    command.args(["--set", "stage.0.epochs=500", "--out"]).arg(folder.join("runs"));
    command.args(["--dashboard", ADDRESS]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Problem::io("starting", "cargo run"))?;
    let told = child.stderr.take().expect("it was piped");
    let mut lines = BufReader::new(told).lines().map_while(std::result::Result::ok);
    let begun = lines.any(|line| line.starts_with("epoch"));
    std::thread::spawn(move || lines.for_each(drop));
    let run = Running::of(child);
    if begun { Ok(run) } else { Err(Problem::Step { step: "the training run".to_owned() }) }
}

/// Looks at the page at two widths in both themes, at charts that move, and at a run that goes and comes back.
pub fn prove(root: &Path, environment: &Environment, _: &Options) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("fastgarden-dashboard-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(Problem::io("making", &folder))?;
    let mut build = environment.cargo();
    build.current_dir(root).args(["build", "--bin", "fastgarden-actors"]);
    super::step("cargo build", build)?;
    let run = start(root, environment, &folder)?;
    let mut browser = Browser::start(environment, &folder.join("profile"))?;
    let url = format!("http://{ADDRESS}/");
    for (name, size, dark) in [
        ("wide-light", WIDE, false),
        ("wide-dark", WIDE, true),
        ("narrow-light", NARROW, false),
        ("narrow-dark", NARROW, true),
    ] {
        look(&mut browser, &url, size, dark, &folder.join(format!("dashboard-{name}.png")))?;
    }
    browser.value("moments.forEach((moment) => { moment.isOfTheFirstRun = true; })")?;
    drop(run);
    browser.until("document.getElementById('link')?.className === 'broken'")?;
    // What the browser says of a server that is gone is no fault of the page.
    let faults = std::mem::take(&mut browser.errors);
    let of_page: Vec<_> = faults.iter().filter(|fault| !fault.contains("ERR_")).collect();
    // After such an answer a browser doesn't ask again by itself.
    refuse_moments()?;
    let run = start(root, environment, &folder)?;
    browser.until("document.getElementById('link')?.textContent === 'live'")?;
    browser.until("moments.length > 0 && moments.every((moment) => !moment.isOfTheFirstRun)")?;
    until_charts_move(&mut browser)?;
    drop(run);
    if let Some(fault) = of_page.first() {
        return Err(Problem::Page { fault: (*fault).clone() });
    }
    println!("pictures of the page are in {}", folder.display());
    Ok(())
}

/// Answers in the program's place as a notebook's proxy does, until the page has asked for moments.
fn refuse_moments() -> Result<()> {
    let listener = TcpListener::bind(ADDRESS).map_err(Problem::io("listening", ADDRESS))?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(std::result::Result::ok) {
            let mut request = String::new();
            // A browser also opens connections on which it then asks for nothing.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let _ = BufReader::new(&stream).read_line(&mut request);
            let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            if request.starts_with("GET /events ") {
                break;
            }
        }
        drop(listener);
        tell.send(())
    });
    let fault = "it stopped asking for moments when the run had ended";
    told.recv_timeout(PATIENCE).map_err(|_| Problem::Page { fault: fault.to_owned() })
}

/// Waits for new points on the charts themselves.
fn until_charts_move(browser: &mut Browser) -> Result<()> {
    let last = "charts[0].plot.data[0].at(-1) ?? -1";
    let before = browser.value(last)?.as_f64().unwrap_or(-1.0);
    browser.until(&format!("({last}) > {before} + 1"))
}

fn look(browser: &mut Browser, url: &str, size: (u32, u32), dark: bool, picture: &Path) -> Result<()> {
    browser.visit(url, size, dark)?;
    browser.until("document.getElementById('link')?.textContent === 'live'")?;
    browser.until("document.querySelectorAll('#flow li').length === 5")?;
    browser.until("document.querySelectorAll('#strip canvas').length === 8")?;
    browser.until("document.querySelectorAll('.chart canvas').length === 6")?;
    browser.value("document.querySelector('#flow .stage dd').firstChild.isTheFirst = true")?;
    until_charts_move(browser)?;
    if browser.value("document.querySelector('#flow .stage dd').firstChild.isTheFirst")? != true {
        return Err(Problem::Page { fault: "what stands in the pipeline's boxes is put there anew".to_owned() });
    }
    let width = browser.value("document.documentElement.scrollWidth")?.as_u64().unwrap_or(u64::MAX);
    if width > u64::from(size.0) {
        return Err(Problem::Page { fault: format!("it is {width} pixels wide in a window of {}", size.0) });
    }
    if let Some(fault) = browser.errors.first() {
        return Err(Problem::Page { fault: fault.clone() });
    }
    browser.picture(picture)
}
