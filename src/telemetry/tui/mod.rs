//! `--tui`: a run on the whole terminal, drawn from the same moments as every other picture of it.
//! Not here: what is drawn where (see `view`), or how the terminal is taken and given back (see `screen`).
//!
//! There are no keys: Ctrl-C saves and ends, as ever. Lines that were told meanwhile stay on the terminal afterwards.

mod screen;
mod view;

use std::io::{self, BufRead as _, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use fastgarden_data::shared::lock;

use self::view::View;
use super::live::Live;
use crate::told::{harmless, say};

pub use self::screen::{Screen, is_there};

/// Between two pictures.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// Lines that belong on the screen besides the moment.
#[derive(Clone, Debug, Default)]
struct Lines {
    /// Of the epoch table, its header first.
    epochs: Vec<String>,
    /// Everything else that was told.
    notes: Vec<String>,
}

/// The whole terminal, until it is dropped.
pub struct Tui {
    lines: Arc<Mutex<Lines>>,
    /// Notes that stood on the terminal before.
    told_before: usize,
    screen: Arc<Screen>,
    stop: Option<Sender<()>>,
    drawing: Option<JoinHandle<()>>,
    listening: Option<JoinHandle<()>>,
}

impl Tui {
    /// Takes the terminal. Whatever is written to standard error from now on is shown as notes.
    pub fn start(live: Arc<Live>, notes: &[String]) -> io::Result<Self> {
        let lines = Arc::new(Mutex::new(Lines { notes: notes.to_vec(), ..Lines::default() }));
        let (screen, told) = Screen::take()?;
        let screen = Arc::new(screen);
        let listening = {
            let lines = Arc::clone(&lines);
            std::thread::Builder::new().name("tui-notes".to_owned()).spawn(move || listen(told, &lines))?
        };
        let (stop, stopped) = bounded(0);
        let drawing = {
            let (lines, screen) = (Arc::clone(&lines), Arc::clone(&screen));
            let draw = move || draw_until(&stopped, &screen, &live, &lines);
            std::thread::Builder::new().name("tui".to_owned()).spawn(draw)?
        };
        let told_before = notes.len();
        Ok(Self { lines, told_before, screen, stop: Some(stop), drawing: Some(drawing), listening: Some(listening) })
    }

    /// What has the terminal.
    pub fn screen(&self) -> Arc<Screen> {
        Arc::clone(&self.screen)
    }

    /// A line that people should see.
    pub fn note(&self, line: &str) {
        lock(&self.lines).notes.push(line.to_owned());
    }

    /// A line of the epoch table.
    pub fn epoch(&self, line: &str) {
        lock(&self.lines).epochs.push(line.to_owned());
    }
}

/// Gives the terminal back, and leaves on it what was told.
impl Drop for Tui {
    fn drop(&mut self) {
        drop(self.stop.take());
        let drawing = self.drawing.take().map(JoinHandle::join);
        self.screen.give_back();
        // Its pipe has no writer any more.
        let listening = self.listening.take().map(JoinHandle::join);
        if [drawing, listening].into_iter().flatten().any(|ended| ended.is_err()) {
            tracing::error!("a thread of the full-screen view ended in a panic");
        }
        for line in &lock(&self.lines).notes[self.told_before..] {
            say(line);
        }
    }
}

/// Makes notes of what is written to standard error, by whomever.
fn listen(told: impl Read, lines: &Mutex<Lines>) {
    for line in BufReader::new(told).split(b'\n').map_while(Result::ok) {
        let line = harmless(without_sequences(&String::from_utf8_lossy(&line)).trim_end());
        lock(lines).notes.extend((!line.is_empty()).then_some(line));
    }
}

/// A line without its colours: log lines have them, since standard error was a terminal when logging began.
fn without_sequences(line: &str) -> String {
    let mut pieces = line.split("\u{1b}[");
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        // Parameters come first, then one character that says what they mean.
        let rest = piece.trim_start_matches(|part: char| matches!(part, ' '..='?'));
        kept += rest.strip_prefix(|last: char| matches!(last, '@'..='~')).unwrap_or(rest);
    }
    kept
}

fn draw_until(stopped: &Receiver<()>, screen: &Screen, live: &Live, lines: &Mutex<Lines>) {
    let mut terminal = match screen.terminal() {
        Ok(terminal) => terminal,
        Err(error) => return tracing::warn!(%error, "the full-screen view can't be drawn; the run goes on"),
    };
    loop {
        let (now, past) = (live.now(), live.past());
        // A copy, since drawing takes as long as the terminal likes, and the training must not wait for the lines.
        let Lines { epochs, notes } = lock(lines).clone();
        let view = View { now: &now, past: &past, epochs: &epochs, notes: &notes };
        if let Err(error) = terminal.draw(|frame| view.draw(frame)) {
            return tracing::warn!(%error, "the full-screen view ends here; the run goes on");
        }
        if stopped.recv_timeout(DRAW_EVERY) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(told: &[u8]) -> Vec<String> {
        let lines = Mutex::new(Lines::default());
        listen(told, &lines);
        lock(&lines).notes.clone()
    }

    #[test]
    fn what_is_told_becomes_notes_without_colours() {
        let told = b"\x1b[2m2026-01-01\x1b[0m \x1b[1;33mWARN\x1b[0m slow\r\n\n \nthe last\x1b[";
        assert_eq!(notes(told), ["2026-01-01 WARN slow", "the last"]);
    }

    #[test]
    fn no_line_ends_the_notes_or_plays_tricks_on_the_terminal() {
        let told = b"\xff is not UTF-8\n\x1b]0;a title\x07\nand on\n";
        assert_eq!(notes(told), ["\u{fffd} is not UTF-8", "\u{fffd}]0;a title\u{fffd}", "and on"]);
    }
}
