//! What it costs to show a run: the pipeline at its full rate, in stretches of which in turn nobody is told, with what is on
//! by default, again with nothing, and with everything on and looked at. Prints their images a second, a JSON object a round.
//! Not here: what they may differ by (`cargo xtask prove overhead`).
//!
//! The speed of a machine with other guests wanders by several percent within a second, which is far more than what is
//! looked for. So stretches are short and many, and those that are compared lie side by side.

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Parser;
use fastgarden_actors::cli::{DEFAULT_RECIPE, DashboardChoice, SeeingArgs};
use fastgarden_actors::recipe::Recipe;
use fastgarden_actors::telemetry::chrome_trace::{self, ChromeTrace};
use fastgarden_actors::telemetry::{Series, Telemetry};
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::pipeline::{Observer, Pipeline};
use fastgarden_data::resample::ResamplePath;
use fastgarden_train::trainer::{EpochRecord, Event, Stepped};
use serde_json::json;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Layered;
use tracing_subscriber::prelude::*;
use tracing_subscriber::reload::{self, Handle};

/// A stretch takes about as long: a little more than the time between two looks at a pipeline.
const STRETCH: Duration = Duration::from_millis(300);
/// In one round of so many a page asks for pictures, and an epoch ends: oftener than every 2.5 s of being shown, in which
/// two cores give about as many images as the competition's epochs have.
const PICTURES_IN: usize = 8;
const EPOCH_IN: usize = 8;
/// In one round of so many a scraper comes: oftener than every second.
const SCRAPE_IN: usize = 3;
/// What the page follows.
const MOMENTS: &str = "/events";
/// Between two questions of an onlooker who has seen nothing yet.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

#[derive(Parser)]
struct Arguments {
    /// Rounds of four stretches
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// What `cargo bench` says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be seen of a stretch; in the round of this number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Off,
    Default(usize),
    Everything(usize),
}

/// A trace, while there is one.
type Trace = Option<Layered<ChromeTrace, Targets, Registry>>;

fn main() {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let (layer, trace) = reload::Layer::new(None);
    tracing_subscriber::registry().with(layer).init();
    let spec = common::phase(&common::data(), ResamplePath::Pil);
    let recipe = Recipe::load(DEFAULT_RECIPE, &[]).expect("it is built in");
    let mut bench = Bench { spec, epochs: 1, recipe, folder: folder.path(), trace };
    // Everything is cold at first.
    bench.stretch(Way::Everything(0));
    let rates: Vec<f64> = (0..5).map(|_| bench.stretch(Way::Off)).collect();
    bench.take_rows_for(common::median(&rates) * STRETCH.as_secs_f64());
    for round in 0..arguments.rounds {
        // Each that shows something has one before it and one behind it that shows nothing.
        let off = bench.stretch(Way::Off);
        let default = bench.stretch(Way::Default(round));
        let off_again = bench.stretch(Way::Off);
        let everything = bench.stretch(Way::Everything(round));
        println!("{}", json!({ "off": off, "default": default, "off_again": off_again, "everything": everything }));
    }
}

struct Bench<'a> {
    spec: PhaseSpec,
    /// Of a stretch.
    epochs: u64,
    recipe: Recipe,
    folder: &'a Path,
    trace: Handle<Trace, Registry>,
}

impl Bench<'_> {
    /// Batches that aren't measured, before a stretch and after it.
    fn margin(&self) -> u64 {
        common::margin_batches(common::options(&self.spec).prefetch_batches)
    }

    /// Makes stretches of so many rows that are measured, in as many epochs as that takes.
    fn take_rows_for(&mut self, rows: f64) {
        let margins = 2 * self.margin() * self.spec.batch_rows as u64;
        let tickets = self.spec.plan.tickets();
        self.epochs = (rows / (tickets - margins) as f64).ceil() as u64;
        // At least a batch to open with, and one before the last to close with.
        let rows = (rows as u64 / self.epochs).max(3 * self.spec.batch_rows as u64);
        self.spec.tickets_max = Some((rows + margins).min(tickets));
    }

    /// Images a second, of a pipeline and of servers that are there for this stretch only.
    fn stretch(&self, way: Way) -> f64 {
        let mut options = common::options(&self.spec);
        let prefetch_batches = options.prefetch_batches;
        let mut shown = (way != Way::Off).then(|| self.shown(way));
        options.tap = shown.as_ref().map(|shown| shown.telemetry.tap());
        let pipeline = Pipeline::start(options).expect("there is memory");
        if let Some(shown) = &mut shown {
            shown.begin(&self.spec, pipeline.observer());
        }
        let (mut images, mut time) = (0, Duration::ZERO);
        for _ in 0..self.epochs {
            let step = |examples| shown.iter_mut().for_each(|shown| shown.step(examples));
            let stretch = common::epoch(&pipeline, &self.spec, prefetch_batches, step);
            (images, time) = (images + stretch.images, time + stretch.time);
        }
        if let Some(shown) = shown {
            shown.end();
            self.trace.reload(None).expect("the subscriber lives");
        }
        images as f64 / time.as_secs_f64()
    }

    fn shown(&self, way: Way) -> Shown {
        let any_port = "127.0.0.1:0".parse().expect("an address");
        let mut args = SeeingArgs { dashboard: DashboardChoice::At(any_port), ..SeeingArgs::default() };
        if let Way::Everything(_) = way {
            args.metrics = Some(any_port);
            let file = ChromeTrace::create(&self.folder.join("trace.json")).expect("the folder is writable");
            self.trace.reload(Some(chrome_trace::targets().and_then(file))).expect("the subscriber lives");
        }
        let runs_folder = self.folder.to_owned();
        let telemetry =
            Telemetry::start(&args, Series { recipe: &self.recipe, runs: 1, class_names: None, runs_folder });
        let run = self.folder.join("series/seed-1");
        fs::create_dir_all(&run).expect("the folder is writable");
        // The first batch that is measured, and the last but one.
        let (opens, closes) = (self.margin() + 1, self.spec.batches() - self.margin() - 1);
        Shown { telemetry, way, run, opens, closes, number: 0, done: 0, onlookers: Vec::new() }
    }
}

/// A stretch that is shown.
struct Shown {
    telemetry: Telemetry,
    way: Way,
    /// Its folder.
    run: PathBuf,
    /// Numbers of steps.
    opens: u64,
    closes: u64,
    number: u64,
    done: u64,
    /// Who looks at what.
    onlookers: Vec<(&'static str, JoinHandle<bool>)>,
}

impl Shown {
    fn begin(&mut self, spec: &PhaseSpec, observer: Observer) {
        self.telemetry.begin_run(&self.run, observer, 1, 1, 1);
        self.telemetry.hear(&Event::Phase { epoch: 1, trains: true, done: 0, total: spec.plan.tickets() });
        if let Way::Everything(_) = self.way {
            self.look("dashboard", MOMENTS, "data: {");
        }
    }

    fn step(&mut self, examples: u64) {
        (self.number, self.done) = (self.number + 1, self.done + examples);
        let (number, done) = (self.number, self.done);
        let step = Some(Stepped { number, lr: 0.01, peak_device_bytes: None });
        self.telemetry.hear(&Event::Batch { done, loss: Some(4.6), examples, step });
        match self.way {
            Way::Default(round) | Way::Everything(round) if number == self.closes && round % EPOCH_IN == 0 => {
                self.telemetry.hear(&Event::Epoch(epoch(done)));
            }
            Way::Everything(round) if number == self.opens => {
                if round % PICTURES_IN == 0 {
                    self.look("dashboard", "/strip.json", "\"png\"");
                }
                if round % SCRAPE_IN == 0 {
                    self.look("metrics", "/metrics", "fastgarden_examples_trained_total");
                }
            }
            _ => {}
        }
    }

    /// Somebody begins to look.
    fn look(&mut self, server: &str, path: &'static str, wanted: &'static str) {
        let mut notes = self.telemetry.notes().iter();
        let address = notes.find_map(|note| note.strip_prefix(server)).expect("there is such a server");
        let address = address.trim().strip_prefix("http://").expect("an address");
        let authority = address.split('/').next().expect("an authority").to_owned();
        self.onlookers.push((path, std::thread::spawn(move || looks(&authority, path, wanted))));
    }

    /// Where nothing was written, or somebody saw nothing, nothing was measured.
    fn end(mut self) {
        self.telemetry.end_run();
        // Who follows the moments does so until the server goes; the others have their answer before.
        let (following, asking): (Vec<_>, Vec<_>) = self.onlookers.into_iter().partition(|(path, _)| *path == MOMENTS);
        let mut ended = asking.into_iter().map(|(path, thread)| (path, thread.join())).collect::<Vec<_>>();
        drop(self.telemetry);
        ended.extend(following.into_iter().map(|(path, thread)| (path, thread.join())));
        for (path, saw) in ended {
            assert!(saw.expect("no onlooker panics"), "{path} showed nothing");
        }
        let written = fs::read_dir(&self.run).expect("it is there").flatten().map(|entry| entry.path());
        let bytes: u64 = written.map(|path| fs::metadata(path).map_or(0, |found| found.len())).sum();
        assert!(bytes > 0, "no events were written");
        fs::remove_dir_all(&self.run).expect("the folder is writable");
    }
}

/// What is told at the end of an epoch.
fn epoch(trained: u64) -> EpochRecord {
    EpochRecord {
        epoch: 1,
        train_loss: 4.6,
        valid_loss: Some(4.6),
        accuracy: Some(0.01),
        evaluated: 0,
        evaluation_quarantined: 0,
        images_per_s: 5e3,
        input_wait_share: 0.9,
        seconds: 1.0,
        issued: trained,
        trained,
        quarantined: 0,
        dropped_last: 0,
        skipped_steps: 0,
        class_histogram: vec![10; 104],
    }
}

/// Asks until an answer tells what is wanted, and reads that to its end; false once nobody answers any more.
fn looks(authority: &str, path: &str, wanted: &str) -> bool {
    loop {
        let Ok(answer) = ask(authority, path) else { return false };
        let lines = BufReader::new(answer).lines().map_while(|line| line.ok());
        if lines.fold(false, |seen, line| seen | line.contains(wanted)) {
            return true;
        }
        std::thread::sleep(AGAIN_AFTER);
    }
}

fn ask(authority: &str, path: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(authority)?;
    // An answer to 1.0 is never in chunks.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {authority}\r\nConnection: close\r\n\r\n")?;
    Ok(stream)
}
