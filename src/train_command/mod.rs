//! `train`: one recipe, one run a seed, one report.
//! Not here: training (`fastgarden-train`) or batches (`fastgarden-data`).

mod headroom;
mod lineage;
mod parent;
mod plan;
mod precision;
mod run_table;
mod show;
mod splits;
mod summary;

use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::bounded;
use fastgarden_data::failure::PipelineError;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_train::checkpoint::CheckpointError;
use fastgarden_train::device;
use fastgarden_train::trainer::{EVENTS_MAX, Run, RunEnd, RunResult, TrainError, TrainSpec, Trainer};

use crate::cli::TrainArgs;
use crate::exit::{Complaint, Failure, OrFail as _};
use crate::interrupt::Interrupts;
use crate::memory_estimate;
use crate::progress::{Progress, ProgressKind};
use crate::rules::refuse_beyond;
use crate::run_spec::RunSpec;
use crate::series::Series;
use crate::submission::Environment;
use crate::telemetry::{Telemetry, tui};
pub use parent::Parents;
pub use plan::{Prepared, batch_spec, evaluation, objective};
pub use show::cache_sentence;

/// Runs the command.
pub fn run(args: &TrainArgs) -> Result<(), Failure> {
    let spec = RunSpec::from_args(args)?;
    if args.seeing.tui && !tui::is_there() {
        return Err(Failure::usage("--tui needs a terminal, and standard error is none", "leave --tui out"));
    }
    crate::library_settings::start_again();
    let device = device::choose(&spec.device).or_usage()?;
    let interrupts = Interrupts::listen()?;
    let mut prepared = Prepared::new(&spec, device)?;
    refuse_beyond(&spec.rules, &spec.recipe, &prepared.parents.origin())?;
    let memory = memory_estimate::before_a_run(&spec, device)?;
    let series = Series::open(&spec.out, &spec.recipe, &spec.rules, spec.resume)?;
    let mut progress = Progress::new(ProgressKind::Auto);
    let mut telemetry = Telemetry::start(&args.seeing, prepared.told_of(&spec));
    let headlines = prepared.headlines(&spec, &series);
    for line in headlines.iter().chain(&memory).chain(telemetry.notes()) {
        progress.note(line);
    }
    summary::refuse_vanished(&series)?;
    if args.seeing.headroom {
        progress.note("headroom is being measured");
        prepared.headroom = headroom::measure(&prepared, &spec).map_err(of_train)?;
        progress.note(&headroom::sentence(prepared.headroom.as_ref()));
    }
    let environment = Environment::of_this_machine(device);
    if args.seeing.tui {
        // Before the screen is taken, or the bar would be on it again afterwards.
        progress.finish();
        let tui = telemetry.full_screen()?;
        let screen = tui.screen();
        interrupts.before_the_end(move || screen.give_back());
        progress.go_full_screen(tui);
    }
    interrupts.arm();
    let mut results = Vec::new();
    for (position, &seed) in spec.seeds.iter().enumerate() {
        let folder = series.run_folder(seed);
        begin(&prepared, &environment, seed, &folder).map_err(|error| unwritable(&folder, error))?;
        // The report knows of every run from its start. One that it knows already may yet be refused, for other data say.
        if !summary::is_told(&series, seed)? {
            summary::write(&spec, &series, &prepared, &results, None)?;
        }
        let run = prepared.run(&spec, seed, folder);
        let seen = (&mut progress, &mut telemetry);
        match run_one(&prepared, run, &interrupts, seen, (position + 1, spec.seeds.len())) {
            Ok(RunEnd::Finished(result)) => results.push((seed, result)),
            Ok(RunEnd::Stopped { .. }) => {
                // Before the terminal is given back: it may be one that no longer reads.
                summary::write(&spec, &series, &prepared, &results, None)?;
                progress.finish();
                let signal = interrupts.received().unwrap_or(crate::exit::Signal::Interrupt);
                return Err(Failure::Interrupted { signal, resume_command: Some(spec.resume_command()) });
            }
            Err(error) => {
                let why = error.to_string();
                let failure = resumable(error, &spec);
                // A run that was refused has not been tried. The run's own error comes first, should the report not be
                // writable either.
                if !matches!(failure, Failure::Usage(_))
                    && let Err(second) = summary::write(&spec, &series, &prepared, &results, Some((seed, &why)))
                {
                    tracing::error!(?second, "the report could not be written either");
                }
                progress.finish();
                return Err(failure);
            }
        }
    }
    progress.finish();
    summary::print(&spec, &series, &prepared, &results)
}

/// Makes a run's folder: from here on it counts as started. Beside it go its parents' ledgers and where it is trained.
fn begin(prepared: &Prepared, environment: &Environment, seed: u64, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let parent = prepared.parents.of(seed).filter(|_| !lineage::is_settled(folder));
    if let Some(parent) = parent {
        lineage::keep(&parent.ancestors, folder)?;
    }
    environment.note(folder)
}

/// One run from its pipeline's start to its end.
fn run_one(
    prepared: &Prepared,
    spec: TrainSpec,
    interrupts: &Interrupts,
    (progress, telemetry): (&mut Progress, &mut Telemetry),
    run_of_runs: (usize, usize),
) -> Result<RunEnd, TrainError> {
    let options = PipelineOptions { tap: Some(telemetry.tap()), ..prepared.pipeline_options() };
    let pipeline = Arc::new(Pipeline::start(options)?);
    let (events, told) = bounded(EVENTS_MAX);
    let (reply, answer) = bounded(1);
    let before = spec.opening.parent.as_ref().map_or(0, |parent| parent.epochs);
    let epochs = before + spec.stages.iter().map(|stage| stage.epochs).sum::<u32>();
    let commands = interrupts.commands.clone();
    telemetry.begin_run(&spec.folder, pipeline.observer(), run_of_runs.0, spec.seed, epochs);
    let run = Run { spec: Box::new(spec), pipeline: Arc::clone(&pipeline), commands, events, reply };
    Trainer::run(&pipeline, run)?;
    show::until_the_end(&told, telemetry, progress, run_of_runs, epochs);
    telemetry.end_run();
    // The events end when the trainer has let go of its sender: the answer is there, or never comes.
    answer.recv().unwrap_or(Err(TrainError::Pipeline(PipelineError::Stopped)))
}

/// A failed run with the command that goes on with it, where doing the same again can help.
fn resumable(error: TrainError, spec: &RunSpec) -> Failure {
    let is_outer = matches!(
        error,
        TrainError::Pipeline(_) | TrainError::Checkpoint(_) | TrainError::Ledger(_) | TrainError::File { .. }
    );
    match of_train(error) {
        Failure::Run(complaint) if is_outer => {
            Failure::Run(complaint.way_out(format!("when that is mended: {}", spec.resume_command())))
        }
        failure => failure,
    }
}

/// The exit code that a failed run means.
pub fn of_train(error: TrainError) -> Failure {
    match &error {
        TrainError::OutOfTime { .. } => Failure::Rules(Complaint::new(error)),
        TrainError::Pipeline(PipelineError::TooManyBadRecords { .. }) => Failure::BadData(Complaint::new(error)),
        TrainError::Misfit { .. }
        | TrainError::Start { .. }
        | TrainError::Checkpoint(CheckpointError::Foreign { .. }) => Failure::Usage(Complaint::new(error)),
        _ => Failure::Run(Complaint::new(error)),
    }
}

fn unwritable(folder: &Path, error: std::io::Error) -> Failure {
    let cause = anyhow::Error::new(error).context(format!("cannot use the output folder {}", folder.display()));
    Failure::Usage(Complaint::new(cause).way_out("name a folder you can write to with --out"))
}

/// Finished runs with their seeds.
type Results = [(u64, RunResult)];
