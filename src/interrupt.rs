//! Ctrl-C, SIGTERM and SIGHUP: the first asks whoever works to save and end, the second ends at once.
//! Not here: saving (the trainer does that).

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use fastgarden_data::shared::lock;
use fastgarden_train::trainer::Command;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Signal;
use crate::told::say;

/// How long a farewell is waited for: a terminal that no longer reads would hold it for ever.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Listens for the rest of the process's life.
pub struct Interrupts {
    /// Gets `Stop` at the first signal.
    pub commands: Receiver<Command>,
    received: Arc<AtomicI32>,
    armed: Arc<AtomicBool>,
    farewell: Arc<Mutex<Option<Farewell>>>,
}

/// What is done before the program is ended at once.
type Farewell = Box<dyn FnOnce() + Send>;

impl Interrupts {
    /// Starts listening. Until [`Interrupts::arm`] is called there is nothing to save, and the first signal ends at once.
    pub fn listen() -> std::io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        if !outlives_its_terminal() {
            signals.add_signal(SIGHUP)?;
        }
        let (sender, commands) = bounded(1);
        let received = Arc::new(AtomicI32::new(0));
        let armed = Arc::new(AtomicBool::new(false));
        let farewell = Arc::new(Mutex::new(None::<Farewell>));
        let (first, is_armed, last) = (Arc::clone(&received), Arc::clone(&armed), Arc::clone(&farewell));
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                if !is_armed.load(Ordering::Acquire) || first.swap(signal, Ordering::AcqRel) != 0 {
                    let farewell = lock(&last).take();
                    if let Some(farewell) = farewell {
                        part(farewell, FAREWELL_MAX);
                    }
                    signal_hook::low_level::exit(128 + signal);
                }
                // Before anything is told: whoever reads that may be gone, or may never read on. Full only if it was sent
                // before, and then it is known.
                let _ = sender.try_send(Command::Stop);
                say("\nstopping: saving everything (once more to stop at once)");
            }
        })?;
        Ok(Self { commands, received, armed, farewell })
    }

    /// From now on there is something to save.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::Release);
    }

    /// What is to be done before the second signal ends everything: nothing is dropped then.
    pub fn before_the_end(&self, farewell: impl FnOnce() + Send + 'static) {
        *lock(&self.farewell) = Some(Box::new(farewell));
    }

    /// The signal that came, if any.
    pub fn received(&self) -> Option<Signal> {
        match self.received.load(Ordering::Acquire) {
            0 => None,
            SIGTERM => Some(Signal::Terminate),
            SIGHUP => Some(Signal::HangUp),
            _ => Some(Signal::Interrupt),
        }
    }
}

/// Whether the program was started to go on without its terminal, as by `nohup`. Where the system doesn't tell, SIGHUP
/// stays what it is.
fn outlives_its_terminal() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    ignored.is_none_or(|signals| signals & 1 << (SIGHUP - 1) != 0)
}

/// Does the last thing, and waits for it no longer than it may take.
fn part(farewell: Farewell, at_most: Duration) {
    let (until_then, ended) = bounded::<()>(0);
    let farewell = move || {
        // Dropped when all is done, which is what is waited for.
        let _until_then = until_then;
        farewell();
    };
    if std::thread::Builder::new().name("farewell".to_owned()).spawn(farewell).is_ok() {
        let _ = ended.recv_timeout(at_most);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Far more than anything here takes.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_farewell_is_over_before_the_end() {
        let is_done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_done);
        part(Box::new(move || told.store(true, Ordering::Release)), LONG);
        assert!(is_done.load(Ordering::Acquire));
    }

    #[test]
    fn a_farewell_that_hangs_does_not_put_off_the_end() {
        let (_never, comes) = bounded::<()>(0);
        let begun = Instant::now();
        let waits = move || {
            let _ = comes.recv();
        };
        part(Box::new(waits), Duration::from_millis(20));
        assert!(begun.elapsed() < LONG);
    }
}
