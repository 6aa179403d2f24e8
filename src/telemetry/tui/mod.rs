//! `--tui`: a run on the whole terminal, drawn from the same moments as every other picture of it.
//! Not here: what is drawn where (see `view`), or how the terminal is taken and given back (see `screen`).
//!
//! There are no keys: Ctrl-C saves and ends, as ever. The newest lines that were told meanwhile stay on the terminal
//! afterwards.

mod screen;
mod view;

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use fastgarden_data::shared::lock;

use self::view::{HEADER_ROWS, View, newest};
use super::live::Live;
use crate::data_commands::text::counted;
use crate::told::{harmless, say};

pub use self::screen::{Screen, is_there};

/// Between two pictures.
const DRAW_EVERY: Duration = Duration::from_millis(250);
/// Notes that are kept, the newest: whoever asks for every log line gets many a second, for hours.
const NOTES_MAX: usize = 500;

/// Lines that belong on the screen besides the moment.
#[derive(Debug, Default)]
struct Lines {
    /// Of the epoch table, its header first.
    epochs: Vec<String>,
    /// The newest of everything else that was told.
    notes: VecDeque<String>,
    /// Notes before these, which are no longer kept.
    dropped: usize,
}

impl Lines {
    fn note(&mut self, line: String) {
        self.notes.push_back(line);
        if self.notes.len() > NOTES_MAX {
            self.notes.pop_front();
            self.dropped += 1;
        }
    }

    /// Copies of the epoch table's newest lines and the newest notes, as many of each as a screen has rows.
    fn on_screen(&self, rows: usize) -> (Vec<String>, Vec<String>) {
        let (header, epochs) = self.epochs.split_at(self.epochs.len().min(HEADER_ROWS));
        let notes = self.notes.iter().skip(self.notes.len().saturating_sub(rows));
        (header.iter().chain(newest(epochs, rows)).cloned().collect(), notes.cloned().collect())
    }

    /// Notes after the first `count` that there ever were, and in front of them how many are no longer kept.
    fn told_after(&self, count: usize) -> Vec<String> {
        let lost = self.dropped.saturating_sub(count);
        let earlier = (lost > 0).then(|| format!("… {} before these, no longer kept", counted(lost as u64, "line")));
        let kept = self.notes.iter().skip(count.saturating_sub(self.dropped)).cloned();
        earlier.into_iter().chain(kept).collect()
    }
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
        let mut lines = Lines::default();
        notes.iter().for_each(|line| lines.note(line.clone()));
        let lines = Arc::new(Mutex::new(lines));
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
        lock(&self.lines).note(line.to_owned());
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
        let told = lock(&self.lines).told_after(self.told_before);
        for line in &told {
            say(line);
        }
    }
}

/// Makes notes of what is written to standard error, by whomever.
fn listen(told: impl Read, lines: &Mutex<Lines>) {
    for line in BufReader::new(told).split(b'\n').map_while(Result::ok) {
        let line = harmless(without_sequences(&String::from_utf8_lossy(&line)).trim_end());
        if !line.is_empty() {
            lock(lines).note(line);
        }
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
        let drawn = terminal.draw(|frame| {
            // Copies, since drawing takes as long as it likes, and the training must not wait for the lines.
            let (epochs, notes) = lock(lines).on_screen(usize::from(frame.area().height));
            View { now: &now, past: &past, epochs: &epochs, notes: &notes }.draw(frame);
        });
        if let Err(error) = drawn {
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
        lock(&lines).told_after(0)
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

    #[test]
    fn only_the_newest_notes_are_kept_and_those_before_them_counted() {
        let mut lines = Lines::default();
        let last = NOTES_MAX + 3;
        (1..=last).for_each(|number| lines.note(format!("note {number}")));
        assert_eq!(lines.notes.len(), NOTES_MAX);
        let told = lines.told_after(0);
        assert_eq!(told.len(), 1 + NOTES_MAX);
        assert_eq!(told[..2], ["… 3 lines before these, no longer kept", "note 4"]);
        assert_eq!(told.last(), Some(&format!("note {last}")));
        // Some stood on the terminal before: two of those that were dropped, or more than were.
        assert_eq!(lines.told_after(2)[..2], ["… 1 line before these, no longer kept", "note 4"]);
        assert_eq!(lines.told_after(5)[0], "note 6");
    }

    #[test]
    fn no_more_lines_are_copied_than_there_are_rows() {
        let mut lines = Lines::default();
        (1..=9).for_each(|number| lines.note(format!("note {number}")));
        lines.epochs = (1..=9).map(|number| format!("row {number}")).collect();
        let (epochs, notes) = lines.on_screen(2);
        assert_eq!(epochs, ["row 1", "row 2", "row 8", "row 9"], "the header, and the newest");
        assert_eq!(notes, ["note 8", "note 9"]);
    }
}
