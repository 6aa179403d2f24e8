//! `--tui`: a run on the whole terminal, drawn from the same moments as every other picture of it.
//! Not here: what is drawn where (see `view`), or how the terminal is taken and given back (see `screen`).
//!
//! There are no keys: Ctrl-C saves and ends, as ever. Lines that were told meanwhile stay on the terminal afterwards.

mod screen;
mod view;

use std::io::{self, BufRead as _, BufReader};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use fastgarden_data::shared::lock;

use self::view::View;
use super::live::Live;

pub use self::screen::{Screen, is_there};

/// Between two pictures.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// Lines that belong on the screen besides the moment.
#[derive(Debug, Default)]
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
            let listen = move || {
                for line in BufReader::new(told).lines().map_while(Result::ok) {
                    lock(&lines).notes.extend((!line.trim().is_empty()).then_some(line));
                }
            };
            std::thread::Builder::new().name("tui-notes".to_owned()).spawn(listen)?
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
            eprintln!("{line}");
        }
    }
}

fn draw_until(stopped: &Receiver<()>, screen: &Screen, live: &Live, lines: &Mutex<Lines>) {
    let mut terminal = match screen.terminal() {
        Ok(terminal) => terminal,
        Err(error) => return tracing::warn!(%error, "the full-screen view can't be drawn; the run goes on"),
    };
    loop {
        let (now, past) = (live.now(), live.past());
        let drawn = {
            let lines = lock(lines);
            let view = View { now: &now, past: &past, epochs: &lines.epochs, notes: &lines.notes };
            terminal.draw(|frame| view.draw(frame)).map(drop)
        };
        if let Err(error) = drawn {
            return tracing::warn!(%error, "the full-screen view ends here; the run goes on");
        }
        if stopped.recv_timeout(DRAW_EVERY) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}
