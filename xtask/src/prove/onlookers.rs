//! Those who look at a training run as it goes: a page that follows its moments and pictures, and a scraper.
//! Not here: what they see; only that they see something.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;
use std::thread::JoinHandle;
use std::time::Duration;

use super::http::ask;
use crate::problem::{Problem, Result};

/// As often as the page asks for pictures.
const STRIP_EVERY: Duration = Duration::from_millis(2_500);
const SCRAPE_EVERY: Duration = Duration::from_secs(1);

/// Who looks. Everybody stops when the run ends.
pub struct Onlookers(Vec<(&'static str, JoinHandle<usize>)>);

impl Onlookers {
    /// Reads the addresses that a run tells on standard error, which must be piped, and looks, if that is wanted.
    pub fn of(child: &mut Child, look: bool) -> Self {
        let mut lines = BufReader::new(child.stderr.take().expect("it was piped")).lines().map_while(|line| line.ok());
        let (mut dashboard, mut metrics) = (None, None);
        for line in lines.by_ref().take_while(|line| !line.starts_with("epoch")) {
            dashboard = dashboard.or_else(|| authority(&line, "dashboard"));
            metrics = metrics.or_else(|| authority(&line, "metrics"));
        }
        // Somebody has to read on, or the program would wait for it.
        std::thread::spawn(move || lines.for_each(drop));
        let mut all = Vec::new();
        if let Some(at) = dashboard.filter(|_| look) {
            let for_strip = at.clone();
            all.push(("moments", std::thread::spawn(move || moments(&at))));
            all.push((
                "pictures",
                std::thread::spawn(move || asks(&for_strip, STRIP_EVERY, "/strip.json", b"\"png\"")),
            ));
        }
        if let Some(at) = metrics.filter(|_| look) {
            let scrapes = move || asks(&at, SCRAPE_EVERY, "/metrics", b"fastgarden_examples_trained_total");
            all.push(("metrics", std::thread::spawn(scrapes)));
        }
        Self(all)
    }

    /// Waits for all of them, once the run is over. Fails when somebody saw nothing: then nothing was measured.
    pub fn finish(self) -> Result<()> {
        for (what, thread) in self.0 {
            if thread.join().unwrap_or(0) == 0 {
                return Err(Problem::Unproved { found: format!("the run showed no {what}") });
            }
        }
        Ok(())
    }
}

/// `127.0.0.1:7878` of the line `dashboard http://127.0.0.1:7878/`.
fn authority(line: &str, what: &str) -> Option<String> {
    let address = line.strip_prefix(what)?.trim().strip_prefix("http://")?;
    address.split('/').next().map(str::to_owned)
}

/// How many moments came.
fn moments(at: &str) -> usize {
    let Ok(stream) = ask(at, "/events") else { return 0 };
    let lines = BufReader::new(stream).lines().map_while(|line| line.ok());
    lines.filter(|line| line.starts_with("data: {")).count()
}

/// Asks for a page again and again; how many answers had these bytes in them.
fn asks(at: &str, every: Duration, path: &str, wanted: &[u8]) -> usize {
    let mut seen = 0;
    loop {
        let mut answer = Vec::new();
        match ask(at, path).and_then(|mut stream| stream.read_to_end(&mut answer)) {
            Ok(_) => seen += usize::from(answer.windows(wanted.len()).any(|part| part == wanted)),
            Err(_) => return seen,
        }
        std::thread::sleep(every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_what_a_run_tells() {
        let line = "dashboard http://127.0.0.1:7878/";
        assert_eq!(authority(line, "dashboard").as_deref(), Some("127.0.0.1:7878"));
        assert_eq!(authority("metrics http://127.0.0.1:9464/metrics", "metrics").as_deref(), Some("127.0.0.1:9464"));
        assert_eq!(authority(line, "metrics"), None);
        assert_eq!(authority("dashboards are fine", "dashboard"), None);
    }
}
