//! A series as it is now: one thread looks at the pipeline four times a second, the trainer's events come in between, and
//! everything that people see reads from here.
//! Not here: what a moment is made of (see `moment`), and any picture of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use fastgarden_data::machine;
use fastgarden_data::observe::{Verdict, Window, nothing};
use fastgarden_data::pipeline::Observer;
use fastgarden_data::shared::lock;
use fastgarden_proto::observe::{Cache, Moment, Place, Snapshot};
use fastgarden_train::trainer::{EpochRecord, Event};
use tokio::sync::watch;

use super::looks::{Look, Looks, Mark};
use super::moment;
use crate::told::harmless;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Moments that are kept of the past. When they are too many every second one goes, so that they span the whole series.
const PAST_MAX: usize = 1_200;
/// Quarantined records that are kept to be shown: the newest.
const QUARANTINED_MAX: usize = 20;

/// What the trainer's events said last.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Steps of the run.
    pub step: u64,
    /// Of the last step.
    pub loss: Option<f64>,
    /// Of the last step.
    pub lr: Option<f64>,
    /// Of the last validation of this run.
    pub accuracy: Option<f64>,
    /// The most that this run was seen to take of its device's memory.
    pub peak_device_bytes: Option<u64>,
    /// Examples trained since the program began.
    pub trained: u64,
    /// Examples judged since the program began.
    pub evaluated: u64,
    /// Steps made since the program began.
    pub steps: u64,
    /// Epochs ended since the program began.
    pub epochs: u64,
}

impl Heard {
    fn mark(&self) -> Mark {
        Mark { handled: self.trained + self.evaluated, steps: self.steps }
    }
}

/// The state of a series, shared by all who look at it.
pub struct Live {
    begun: Instant,
    now: watch::Sender<Arc<Moment>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    place: Place,
    heard: Heard,
    observer: Option<Observer>,
    looks: Looks,
    /// The newest look at the pipeline at hand.
    seen: Option<Snapshot>,
    /// Of pipelines that have ended.
    before: Option<Snapshot>,
    /// When the training phase at hand began.
    phase_from: Option<Snapshot>,
    verdict: Option<Verdict>,
    /// What the newest quarantined records were, the newest last.
    quarantined: VecDeque<String>,
    past: VecDeque<Arc<Moment>>,
    /// One look in so many is kept.
    stride: u64,
    looked: u64,
}

impl Live {
    /// Of a series of `runs` runs of a recipe, from now on.
    pub fn new(recipe: &str, runs: usize) -> Arc<Self> {
        let place =
            Place { recipe: recipe.to_owned(), runs: runs as u32, phase: "idle".to_owned(), ..Place::default() };
        let first = Moment { place: Some(place.clone()), ..Moment::default() };
        let state = State { place, stride: 1, ..State::default() };
        Arc::new(Self { begun: Instant::now(), now: watch::Sender::new(Arc::new(first)), state: Mutex::new(state) })
    }

    /// Follows a run's pipeline until what is returned is dropped.
    pub fn watch(self: &Arc<Self>, observer: Observer, run: usize, seed: u64, epochs: u32) -> std::io::Result<Watch> {
        {
            let mut state = lock(&self.state);
            (state.place.run, state.place.seed, state.place.epochs) = (run as u32, seed, epochs);
            let heard = &mut state.heard;
            (heard.step, heard.loss, heard.lr, heard.accuracy, heard.peak_device_bytes) = (0, None, None, None, None);
            let first = Look { seen: nothing(), mark: heard.mark() };
            state.looks.begin(first);
            state.observer = Some(observer.clone());
        }
        let (stop, stopped) = bounded(0);
        let live = Arc::clone(self);
        let looking = move || live.look_until(&observer, &stopped);
        let thread = std::thread::Builder::new().name("telemetry".to_owned()).spawn(looking)?;
        Ok(Watch { live: Arc::clone(self), stop: Some(stop), thread: Some(thread) })
    }

    fn look_until(&self, observer: &Observer, stopped: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK_EVERY) {
            let Some(seen) = observer.observe() else { return };
            self.look(seen);
        }
    }

    fn look(&self, seen: Snapshot) {
        let mut state = lock(&self.state);
        let State { heard, looks, place, seen: newest, looked, .. } = &mut *state;
        // A phase that has begun meanwhile was looked at when it did.
        if !looks.push(Look { seen: seen.clone(), mark: heard.mark() }) {
            return;
        }
        *newest = Some(seen);
        let window = looks.window().expect("a look was just taken in");
        let seconds = self.begun.elapsed().as_secs_f64();
        let moment = Arc::new(moment::of(&window, looks.pace(), heard, place, seconds));
        super::chrome_trace::counters(*looked, &moment);
        state.keep(Arc::clone(&moment));
        drop(state);
        // Nobody looking is no news.
        self.now.send_replace(moment);
    }

    /// Takes note of what the trainer tells.
    pub fn hear(&self, event: &Event) {
        let mut state = lock(&self.state);
        match event {
            Event::Phase { epoch, trains, done, total } => {
                state.end_phase();
                let place = &mut state.place;
                (place.epoch, place.done, place.total) = (*epoch, *done, *total);
                place.phase = if *trains { "train" } else { "validate" }.to_owned();
                let seen = state.observer.as_ref().and_then(Observer::observe);
                // Looks across a change of phase would mix training with validation.
                let first = Look { seen: seen.clone().unwrap_or_else(nothing), mark: state.heard.mark() };
                state.looks.begin(first);
                state.phase_from = seen.filter(|_| *trains);
            }
            Event::Batch { done, loss, examples, step } => {
                state.place.done = *done;
                let heard = &mut state.heard;
                if let Some(step) = step {
                    (heard.step, heard.loss, heard.lr) = (step.number, loss.or(heard.loss), Some(step.lr));
                    heard.peak_device_bytes = step.peak_device_bytes;
                    heard.trained += examples;
                    heard.steps += 1;
                } else {
                    heard.evaluated += examples;
                }
            }
            Event::Epoch(EpochRecord { accuracy, .. }) => {
                state.end_phase();
                state.place.phase = "idle".to_owned();
                state.heard.accuracy = *accuracy;
                state.heard.epochs += 1;
            }
            Event::Resumed { step, .. } => state.heard.step = *step,
            Event::Quarantined { what } => {
                if state.quarantined.len() == QUARANTINED_MAX {
                    state.quarantined.pop_front();
                }
                state.quarantined.push_back(harmless(what));
            }
        }
    }

    /// The newest moment, and a call whenever there is a newer one.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Moment>> {
        self.now.subscribe()
    }

    /// The newest moment.
    pub fn now(&self) -> Arc<Moment> {
        Arc::clone(&self.now.borrow())
    }

    /// Moments of the past, the oldest first.
    pub fn past(&self) -> Vec<Arc<Moment>> {
        lock(&self.state).past.iter().cloned().collect()
    }

    /// What the newest quarantined records of the series were, at most twenty, the newest last.
    pub fn quarantined(&self) -> Vec<String> {
        lock(&self.state).quarantined.iter().cloned().collect()
    }

    /// What limited the last training phase as a whole.
    pub fn verdict(&self) -> Option<Verdict> {
        lock(&self.state).verdict.clone()
    }

    /// What is kept in memory between epochs.
    pub fn cache(&self) -> Option<Cache> {
        let observer = lock(&self.state).observer.clone();
        observer.and_then(|observer| observer.observe()?.cache)
    }

    /// What the trainer's events said, and the meters of all pipelines of the series added up.
    pub fn totals(&self) -> (Heard, Snapshot) {
        let state = lock(&self.state);
        let mut sum = state.before.clone().unwrap_or_else(nothing);
        if let Some(seen) = &state.seen {
            Window { from: &nothing(), to: seen }.add_to(&mut sum);
        }
        (state.heard.clone(), sum)
    }
}

impl State {
    /// The verdict on a training phase, at its end.
    fn end_phase(&mut self) {
        let Some(from) = self.phase_from.take() else { return };
        if let Some(to) = self.observer.as_ref().and_then(Observer::observe) {
            self.verdict = Some(Window { from: &from, to: &to }.verdict(machine::cores()));
        }
    }

    fn keep(&mut self, moment: Arc<Moment>) {
        self.looked += 1;
        if !self.looked.is_multiple_of(self.stride) {
            return;
        }
        self.past.push_back(moment);
        if self.past.len() > PAST_MAX {
            let mut number = 0;
            self.past.retain(|_| {
                number += 1;
                number % 2 == 0
            });
            self.stride *= 2;
        }
    }
}

/// Follows one pipeline; dropping it takes a last look.
pub struct Watch {
    live: Arc<Live>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that looks at the pipeline ended in a panic");
        }
        let observer = lock(&self.live.state).observer.take();
        if let Some(seen) = observer.and_then(|observer| observer.observe()) {
            self.live.look(seen);
        }
        let mut state = lock(&self.live.state);
        if let Some(seen) = state.seen.take() {
            let mut sum = state.before.take().unwrap_or_else(nothing);
            Window { from: &nothing(), to: &seen }.add_to(&mut sum);
            state.before = Some(sum);
        }
    }
}
