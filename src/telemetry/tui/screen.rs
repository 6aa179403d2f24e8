//! Taking the terminal for a full-screen view, and giving it back whatever happens.
//! Not here: drawing.
//!
//! The terminal stays in its usual mode but for the echo and the keys that would leave it taken, so that Ctrl-C is a
//! signal as ever.

use std::fs::File;
use std::io::{self, IsTerminal as _, stderr};
use std::sync::Mutex;

use fastgarden_data::shared::lock;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use rustix::stdio::dup2_stderr;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr,
};

/// In place of a special key: `_POSIX_VDISABLE`, as Linux has it.
const NO_KEY: u8 = 0;

/// What the terminal was before.
struct Before {
    terminal: File,
    modes: Termios,
}

/// A terminal that was taken, until it is given back or dropped.
pub struct Screen(Mutex<Option<Before>>);

/// Whether there is a terminal to take: standard error, where progress is shown.
pub fn is_there() -> bool {
    stderr().is_terminal()
}

impl Screen {
    /// Takes it; what is written to standard error from now on comes out of the file.
    pub(super) fn take() -> io::Result<(Self, File)> {
        let mut terminal = File::from(rustix::io::dup(stderr())?);
        let modes = tcgetattr(&terminal)?;
        let quiet = quiet(&modes);
        let (told, teller) = rustix::pipe::pipe()?;
        // Whatever fails from here on gives it back.
        let screen = Self(Mutex::new(Some(Before { terminal: terminal.try_clone()?, modes })));
        tcsetattr(&terminal, OptionalActions::Now, &quiet)?;
        execute!(terminal, EnterAlternateScreen, Hide)?;
        dup2_stderr(&teller)?;
        Ok((screen, File::from(told)))
    }

    /// To draw on.
    pub(super) fn terminal(&self) -> io::Result<Terminal<CrosstermBackend<File>>> {
        let Some(before) = &*lock(&self.0) else { return Err(io::Error::other("it was given back")) };
        Terminal::new(CrosstermBackend::new(before.terminal.try_clone()?))
    }

    /// Makes the terminal what it was. Also for whoever ends the program without dropping anything.
    pub fn give_back(&self) {
        let Some(mut before) = lock(&self.0).take() else { return };
        // Nothing better can be done about a terminal that is gone. Its modes come first: writing waits for one that
        // doesn't read.
        let _ = tcsetattr(&before.terminal, OptionalActions::Now, &before.modes);
        // What was typed meanwhile was meant for nobody, least of all for the shell.
        let _ = tcflush(&before.terminal, QueueSelector::IFlush);
        let _ = execute!(before.terminal, Show, LeaveAlternateScreen);
        let _ = dup2_stderr(&before.terminal);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Modes in which keys neither show, nor hold the screen up, nor leave it taken.
fn quiet(modes: &Termios) -> Termios {
    let mut quiet = modes.clone();
    quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
    // Ctrl-S would stop the screen, and with it everybody who writes there.
    quiet.input_modes.remove(InputModes::IXON);
    // A program that is stopped (Ctrl-Z) or killed (Ctrl-\) would leave the screen as it is.
    for key in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
        quiet.special_codes[key] = NO_KEY;
    }
    quiet
}
