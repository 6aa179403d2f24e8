//! Ctrl-C and SIGTERM: the first asks whoever works to save and end, the second ends at once.
//! Not here: saving (the trainer does that).

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, bounded};
use fastgarden_data::shared::lock;
use fastgarden_train::trainer::Command;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Signal;

/// Listens for the rest of the process's life.
pub struct Interrupts {
    /// Gets `Stop` at the first signal.
    pub commands: Receiver<Command>,
    received: Arc<AtomicI32>,
    armed: Arc<AtomicBool>,
    farewell: Arc<Mutex<Option<Farewell>>>,
}

/// What is done before the program is ended at once.
type Farewell = Box<dyn Fn() + Send>;

impl Interrupts {
    /// Starts listening. Until [`Interrupts::arm`] is called there is nothing to save, and the first signal ends at once.
    pub fn listen() -> std::io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let (sender, commands) = bounded(1);
        let received = Arc::new(AtomicI32::new(0));
        let armed = Arc::new(AtomicBool::new(false));
        let farewell = Arc::new(Mutex::new(None::<Farewell>));
        let (first, is_armed, last) = (Arc::clone(&received), Arc::clone(&armed), Arc::clone(&farewell));
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                if !is_armed.load(Ordering::Acquire) || first.swap(signal, Ordering::AcqRel) != 0 {
                    if let Some(farewell) = &*lock(&last) {
                        farewell();
                    }
                    signal_hook::low_level::exit(128 + signal);
                }
                eprintln!("\nstopping: saving everything (once more to stop at once)");
                // Full only if it was told before, and then it knows.
                let _ = sender.try_send(Command::Stop);
            }
        })?;
        Ok(Self { commands, received, armed, farewell })
    }

    /// From now on there is something to save.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::Release);
    }

    /// What is to be done before the second signal ends everything: nothing is dropped then.
    pub fn before_the_end(&self, farewell: impl Fn() + Send + 'static) {
        *lock(&self.farewell) = Some(Box::new(farewell));
    }

    /// The signal that came, if any.
    pub fn received(&self) -> Option<Signal> {
        match self.received.load(Ordering::Acquire) {
            0 => None,
            SIGTERM => Some(Signal::Terminate),
            _ => Some(Signal::Interrupt),
        }
    }
}
