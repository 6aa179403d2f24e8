//! What can be seen of a series: one snapshot of its pipeline and the trainer's events, shown in many ways.
//! Not here: log lines' contents, progress on the terminal (progress.rs), or anything that a result depends on.
//!
//! Nothing in here can fail a run that has begun: what can't be served or written any more is told once, as a warning.

pub mod chrome_trace;
pub mod dashboard;
pub mod live;
pub mod logging;
pub mod looks;
pub mod metrics;
pub mod moment;
pub mod server;
pub mod tensorboard;
pub mod tui;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::web::{self, Data};
use actix_web::{HttpResponse, Responder};
use fastgarden_data::pipeline::Observer;
use fastgarden_data::tap::Tap;
use fastgarden_train::trainer::Event;

use self::dashboard::Board;
use self::live::{Live, Watch};
use self::server::{Doors, Server};
use self::tensorboard::{EventFile, Settings};
use self::tui::Tui;
use crate::cli::SeeingArgs;
use crate::recipe::Recipe;

pub use self::logging::{LogFormat, Recording, start};

/// Where the dashboard is unless told otherwise.
pub const DASHBOARD_ADDRESS: &str = "127.0.0.1:7878";

/// A series as it is told of.
pub struct Series<'a> {
    /// The resolved recipe.
    pub recipe: &'a Recipe,
    /// How many runs there will be.
    pub runs: usize,
    /// Names of the classes.
    pub class_names: Option<Vec<String>>,
    /// The folder of all series.
    pub runs_folder: PathBuf,
}

/// Everything that shows a series, for as long as it lives.
pub struct Telemetry {
    live: Arc<Live>,
    tap: Arc<Tap>,
    settings: Settings,
    event_file: Option<EventFile>,
    watch: Option<Watch>,
    _servers: Vec<Server>,
    notes: Vec<String>,
}

impl Telemetry {
    /// Starts the servers that were asked for.
    pub fn start(args: &SeeingArgs, series: Series<'_>) -> Self {
        let live = Live::new(&series.recipe.name, series.runs);
        let tap = Arc::new(Tap::default());
        let board = Board::new(Arc::clone(&live), Arc::clone(&tap), series.class_names, series.runs_folder);
        let board = Arc::new(board);
        let (mut servers, mut notes) = (Vec::new(), Vec::new());
        if let Some(address) = args.dashboard.address() {
            let routes = move |config: &mut web::ServiceConfig| dashboard::routes(&board, config);
            match open(address, args, routes.clone()) {
                // Nobody asked for this port: another series may show itself there.
                Err(_) if args.dashboard.is_default() => {
                    let any_port = SocketAddr::new(address.ip(), 0);
                    keep("dashboard", any_port, open(any_port, args, routes), &mut servers, &mut notes);
                }
                opened => keep("dashboard", address, opened, &mut servers, &mut notes),
            }
        }
        if let Some(address) = args.metrics {
            let live = Arc::clone(&live);
            let routes = move |config: &mut web::ServiceConfig| {
                config.app_data(Data::new(Arc::clone(&live))).route("/metrics", web::get().to(scrape));
            };
            keep("metrics", address, open(address, args, routes), &mut servers, &mut notes);
        }
        let settings = tensorboard::settings_of(&series.recipe.to_toml());
        Self { live, tap, settings, event_file: None, watch: None, _servers: servers, notes }
    }

    /// Where it can be seen, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The series on the whole terminal.
    pub fn full_screen(&self) -> std::io::Result<Tui> {
        Tui::start(Arc::clone(&self.live), &self.notes)
    }

    /// For the pipeline, which shows pictures through it.
    pub fn tap(&self) -> Arc<Tap> {
        Arc::clone(&self.tap)
    }

    /// A run begins.
    pub fn begin_run(&mut self, folder: &Path, observer: Observer, run: usize, seed: u64, epochs: u32) {
        self.event_file = match EventFile::create(folder) {
            Ok(mut file) => {
                let series = folder.parent().and_then(Path::file_name).unwrap_or_default();
                file.settings(&series.to_string_lossy(), &self.settings);
                // So that there are pictures at the end of the first epoch already.
                self.tap.look();
                Some(file)
            }
            Err(error) => {
                tracing::warn!(%error, "no TensorBoard events of this run: {} can't be written to", folder.display());
                None
            }
        };
        self.watch = match self.live.watch(observer, run, seed, epochs) {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::warn!(%error, "nothing can be seen of this run: a thread could not be started");
                None
            }
        };
    }

    /// Takes note of what the trainer tells.
    pub fn hear(&mut self, event: &Event) {
        self.live.hear(event);
        let Some(file) = &mut self.event_file else { return };
        match event {
            Event::Batch { loss, step: Some(step), .. } => file.step(step.number, *loss, step.lr),
            Event::Epoch(record) => {
                let (step, pictures) = (self.live.totals().0.step, self.tap.look());
                file.epoch(step, record, pictures.as_ref());
            }
            Event::Resumed { step, .. } => file.resumed(*step),
            _ => {}
        }
    }

    /// The run at hand is over; the servers stay.
    pub fn end_run(&mut self) {
        self.watch = None;
        self.event_file = None;
    }

    /// The series as it is now.
    pub fn live(&self) -> &Live {
        &self.live
    }
}

fn open(
    address: SocketAddr,
    args: &SeeingArgs,
    routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> std::io::Result<(Server, Option<String>)> {
    let doors = Doors::of(address, args.dashboard_host.clone())?;
    let token = doors.token.clone();
    Ok((Server::start(address, doors, routes)?, token))
}

fn keep(
    what: &str,
    wanted: SocketAddr,
    opened: std::io::Result<(Server, Option<String>)>,
    servers: &mut Vec<Server>,
    notes: &mut Vec<String>,
) {
    match opened {
        Ok((server, token)) => {
            let query = token.map(|token| format!("?token={token}")).unwrap_or_default();
            let path = if what == "metrics" { "metrics" } else { "" };
            notes.push(format!("{what} http://{}/{path}{query}", server.address()));
            servers.push(server);
        }
        Err(error) => tracing::warn!(%error, "no {what}: {wanted} can't be had; the run goes on without"),
    }
}

async fn scrape(live: Data<Arc<Live>>) -> impl Responder {
    HttpResponse::Ok().content_type(metrics::CONTENT_TYPE).body(metrics::text(&live))
}
