//! `train --tui` on a terminal of the test's own: it is given back as it was, and nobody waits for it.
//! Not here: what is drawn (beside the view).

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastgarden_data::shared::lock;
use rustix::io::ioctl_fionread;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Action, InputModes, LocalModes, SpecialCodeIndex, Winsize, tcflow, tcgetattr, tcsetwinsize};

use crate::train::{Nursery, series};

/// The screen was taken.
const TAKEN: &str = "\u{1b}[?1049h";
/// It was given back.
const GIVEN_BACK: &str = "\u{1b}[?1049l";
/// How long a test waits for something that comes at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with somebody who reads it.
struct Terminal {
    /// The person's end.
    keyboard: File,
    /// The program's end.
    line: File,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn open() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let keyboard = openpt(flags).unwrap();
        unlockpt(&keyboard).unwrap();
        let line = ioctl_tiocgptpeer(&keyboard, flags).unwrap();
        tcsetwinsize(&line, Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let keyboard = File::from(keyboard);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut screen, seen) = (keyboard.try_clone().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            // Fails when nobody has the program's end any more.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                lock(&seen).extend_from_slice(&bytes[..count]);
            }
        });
        Self { keyboard, line: File::from(line), shown }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&lock(&self.shown)).into_owned()
    }

    fn type_in(&self, keys: &[u8]) {
        (&self.keyboard).write_all(keys).unwrap();
    }
}

/// A training on a terminal, for longer than any test waits.
struct Training(Child);

impl Training {
    fn start(nursery: &Nursery, terminal: &Terminal) -> Self {
        let words = "train tiny.toml --data garden --out runs --rules none --device cpu --dashboard off --tui";
        let mut command = nursery.place.command(&format!("{words} --set stage.0.epochs=100000"));
        let line = || Stdio::from(terminal.line.try_clone().unwrap());
        Self(command.stdin(Stdio::null()).stdout(line()).stderr(line()).spawn().unwrap())
    }

    fn send(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a run has saved something: until then a signal ends it at once.
fn has_saved(out: &Path) -> bool {
    let is_any = |folder: &Path| folder.read_dir().is_ok_and(|mut found| found.next().is_some());
    series(out).is_some_and(|series| is_any(&series.join("seed-1/checkpoints")))
}

#[test]
fn the_terminal_is_given_back_as_it_was() {
    let (nursery, terminal) = (Nursery::new(), Terminal::open());
    let before = tcgetattr(&terminal.line).unwrap();
    let mut training = Training::start(&nursery, &terminal);
    wait_until("the screen is taken", || terminal.shown().contains(TAKEN));
    let taken = tcgetattr(&terminal.line).unwrap();
    assert!(taken.local_modes.contains(LocalModes::ISIG), "Ctrl-C is a signal as ever: {taken:?}");
    assert!(!taken.local_modes.intersects(LocalModes::ECHO | LocalModes::ICANON), "{taken:?}");
    assert!(!taken.input_modes.contains(InputModes::IXON), "{taken:?}");
    for key in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
        assert_eq!(taken.special_codes[key], 0, "{taken:?}");
    }
    // Ctrl-S, Ctrl-\ and a command, which no shell should get.
    terminal.type_in(b"\x13\x1cdate\n");
    wait_until("something is saved", || has_saved(&nursery.path("runs")));
    training.send("-TERM");
    assert_eq!(training.0.wait().unwrap().code(), Some(143));
    wait_until("it says how to go on", || terminal.shown().contains("--resume"));
    let shown = terminal.shown();
    let (screen, after) = shown.rsplit_once(GIVEN_BACK).unwrap();
    assert!(screen.contains("Ctrl-C"), "it was drawn on: {screen}");
    assert!(after.contains("stopping: saving everything") && after.contains("--resume"), "{after}");
    assert_eq!(format!("{:?}", tcgetattr(&terminal.line).unwrap()), format!("{before:?}"));
    assert_eq!(ioctl_fionread(&terminal.line).unwrap(), 0, "what was typed is gone");
}

#[test]
fn a_terminal_that_stands_still_holds_nobody() {
    let (nursery, terminal) = (Nursery::new(), Terminal::open());
    let mut training = Training::start(&nursery, &terminal);
    wait_until("the screen is taken", || terminal.shown().contains(TAKEN));
    // As a dead connection would: whoever writes now waits.
    tcflow(&terminal.line, Action::OOff).unwrap();
    wait_until("something is saved", || has_saved(&nursery.path("runs")));
    // The first asks to save and end, and the end waits for the terminal; the next waits for nothing.
    let mut ended: Option<ExitStatus> = None;
    wait_until("a second signal ends it", || {
        training.send("-TERM");
        std::thread::sleep(Duration::from_millis(500));
        ended = training.0.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(143));
}
