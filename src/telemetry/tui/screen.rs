//! Taking the terminal for a full-screen view, and giving it back whatever happens.
//! Not here: drawing.
//!
//! The terminal stays in its usual mode but for the echo, so that Ctrl-C is a signal as ever.

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
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// What the terminal was before.
struct Before {
    terminal: File,
    modes: Termios,
}

/// A terminal that was taken, until it is given back.
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
        let (told, teller) = rustix::pipe::pipe()?;
        let mut quiet = modes.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
        // A stopped program would leave the screen as it is.
        quiet.special_codes[SpecialCodeIndex::VSUSP] = 0;
        tcsetattr(&terminal, OptionalActions::Now, &quiet)?;
        let screen = Self(Mutex::new(Some(Before { terminal: terminal.try_clone()?, modes })));
        let entered = execute!(terminal, EnterAlternateScreen, Hide).and_then(|()| Ok(dup2_stderr(&teller)?));
        if let Err(error) = entered {
            screen.give_back();
            return Err(error);
        }
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
        // Nothing better can be done about a terminal that is gone.
        let _ = execute!(before.terminal, Show, LeaveAlternateScreen);
        let _ = tcsetattr(&before.terminal, OptionalActions::Now, &before.modes);
        let _ = dup2_stderr(&before.terminal);
    }
}
