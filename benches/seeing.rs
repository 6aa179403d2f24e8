//! What it costs to show a run: the pipeline at its full rate, in stretches of which in turn nobody is told, with what is on
//! by default, again with nothing, and with everything on and looked at. Prints their images a second, a JSON object a round.
//! Not here: what they may differ by (`cargo xtask prove overhead`).
//!
//! The speed of a machine with other guests wanders by several percent within a second, which is far more than what is
//! looked for. So stretches are short and many, and those that are compared lie side by side.

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Parser;
use fastgarden_actors::cli::{DEFAULT_RECIPE, DashboardChoice, SeeingArgs};
use fastgarden_actors::recipe::Recipe;
use fastgarden_actors::telemetry::chrome_trace::{self, ChromeTrace};
use fastgarden_actors::telemetry::{Series, Telemetry};
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::pipeline::Pipeline;
use fastgarden_data::resample::ResamplePath;
use fastgarden_train::trainer::{Event, Stepped};
use serde_json::json;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Layered;
use tracing_subscriber::prelude::*;
use tracing_subscriber::reload::{self, Handle};

/// A stretch takes about as long: a little more than the time between two looks at a pipeline.
const STRETCH: Duration = Duration::from_millis(300);
/// In one round of so many a page asks for pictures, and a scraper comes: more often than every 2.5 s, and every second, of
/// the time that everything is on.
const PICTURES_IN: usize = 8;
const SCRAPE_IN: usize = 3;
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

/// What can be seen of a stretch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Off,
    Default,
    /// In the round of this number.
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
    bench.take_rows_for(bench.stretch(Way::Everything(0)) * STRETCH.as_secs_f64());
    for round in 0..arguments.rounds {
        // Each that shows something has one before it and one behind it that shows nothing.
        let off = bench.stretch(Way::Off);
        let default = bench.stretch(Way::Default);
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
    /// Makes stretches of so many rows that are measured, or of whole epochs where one has fewer.
    fn take_rows_for(&mut self, rows: f64) {
        let margins =
            2 * common::margin_batches(common::options(&self.spec).prefetch_batches) * self.spec.batch_rows as u64;
        let tickets = self.spec.plan.tickets();
        self.epochs = (rows / (tickets - margins) as f64).ceil() as u64;
        self.spec.tickets_max = Some((rows as u64 + margins).min(tickets));
    }

    /// Images a second, of a pipeline and of servers that are there for this stretch only.
    fn stretch(&self, way: Way) -> f64 {
        let mut options = common::options(&self.spec);
        let prefetch_batches = options.prefetch_batches;
        let mut telemetry = (way != Way::Off).then(|| self.telemetry(way));
        options.tap = telemetry.as_ref().map(Telemetry::tap);
        let pipeline = Pipeline::start(options).expect("there is memory");
        if let Some(telemetry) = &mut telemetry {
            telemetry.begin_run(&self.folder.join("series/seed-1"), pipeline.observer(), 1, 1, 1);
            telemetry.hear(&Event::Phase { epoch: 1, trains: true, done: 0, total: self.spec.plan.tickets() });
        }
        let onlookers = match (way, &telemetry) {
            (Way::Everything(round), Some(telemetry)) => Onlookers::of(round, telemetry.notes()),
            _ => Onlookers::default(),
        };
        let (mut done, mut number) = (0, 0);
        let mut step = |examples| {
            (done, number) = (done + examples, number + 1);
            let step = Some(Stepped { number, lr: 0.01, examples });
            telemetry.iter_mut().for_each(|telemetry| telemetry.hear(&Event::Batch { done, loss: Some(4.6), step }));
        };
        let (mut images, mut time) = (0, Duration::ZERO);
        for _ in 0..self.epochs {
            let stretch = common::epoch(&pipeline, &self.spec, prefetch_batches, &mut step);
            (images, time) = (images + stretch.images, time + stretch.time);
        }
        drop(telemetry);
        self.trace.reload(None).expect("the subscriber lives");
        onlookers.finish();
        images as f64 / time.as_secs_f64()
    }

    fn telemetry(&self, way: Way) -> Telemetry {
        let any_port = "127.0.0.1:0".parse().expect("an address");
        let mut args = SeeingArgs { dashboard: DashboardChoice::At(any_port), ..SeeingArgs::default() };
        if way != Way::Default {
            args.metrics = Some(any_port);
            let file = ChromeTrace::create(&self.folder.join("trace.json")).expect("the folder is writable");
            self.trace.reload(Some(chrome_trace::targets().and_then(file))).expect("the subscriber lives");
        }
        let runs_folder = self.folder.to_owned();
        Telemetry::start(&args, Series { recipe: &self.recipe, runs: 1, class_names: None, runs_folder })
    }
}

/// A page that follows the moments, and at times asks for pictures, and a scraper.
#[derive(Default)]
struct Onlookers(Vec<(&'static str, JoinHandle<bool>)>);

impl Onlookers {
    /// Those of a round, who look at the addresses that are told.
    fn of(round: usize, notes: &[String]) -> Self {
        let authority = |what: &str| {
            let address = notes.iter().find_map(|note| note.strip_prefix(what)).expect("there is such a server");
            let address = address.trim().strip_prefix("http://").expect("an address");
            address.split('/').next().expect("an authority").to_owned()
        };
        let look = |server, path: &'static str, wanted: &'static str| {
            let at = authority(server);
            (path, std::thread::spawn(move || looks(&at, path, wanted)))
        };
        let mut all = vec![look("dashboard", "/events", "data: {")];
        if round.is_multiple_of(PICTURES_IN) {
            all.push(look("dashboard", "/strip.json", "\"png\""));
        }
        if round.is_multiple_of(SCRAPE_IN) {
            all.push(look("metrics", "/metrics", "fastgarden_examples_trained_total"));
        }
        Self(all)
    }

    /// Where somebody saw nothing, nothing was measured.
    fn finish(self) {
        for (path, thread) in self.0 {
            assert!(thread.join().expect("no onlooker panics"), "{path} showed nothing");
        }
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
