//! `lr-find`: tries growing learning rates on a recipe's data, draws the losses and says which rates they suggest.
//! Not here: the test itself (`fastgarden-train`), or the recipe's file, which only its author changes.

mod plot;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use fastgarden_data::pipeline::Pipeline;
use fastgarden_train::device;
use fastgarden_train::lr_range::{Curve, RangeSpec, STOP_FACTOR, Suggestions, Tried};
use fastgarden_train::trainer;

use crate::cli::{DashboardChoice, Format, LrFindArgs, NO_RULES, SeeingArgs, TrainArgs};
use crate::exit::{Complaint, Failure, OrFail as _, Signal};
use crate::interrupt::Interrupts;
use crate::recipe::Recipe;
use crate::run_spec::RunSpec;
use crate::told::{say, say_on};
use crate::train_command::{Prepared, of_train};

/// Runs the command.
pub fn run(args: &LrFindArgs) -> Result<(), Failure> {
    let range = range(args)?;
    let spec = RunSpec::from_args(&as_train(args))?;
    crate::library_settings::start_again();
    let device = device::choose(&spec.device).or_usage()?;
    let interrupts = Interrupts::listen()?;
    std::fs::create_dir_all(&args.out).map_err(|error| unwritable(&args.out, error))?;
    let prepared = Prepared::new(&spec, device)?;
    // Of a run's folder nothing is read or written by the test.
    let run = prepared.run(&spec, spec.seeds[0], PathBuf::new());
    let pipeline = Pipeline::start(prepared.pipeline_options()).map_err(|error| of_train(error.into()))?;
    let progress = ProgressLine::new(range.steps);
    let curve = trainer::find_lr(&run, &pipeline, range, &interrupts.commands, |tried| progress.show(tried));
    progress.end();
    let curve = curve.map_err(of_train)?.ok_or_else(|| {
        let signal = interrupts.received().unwrap_or(Signal::Interrupt);
        Failure::Interrupted { signal, resume_command: None }
    })?;
    let found = Found { recipe: &spec.recipe, range, suggestions: Suggestions::of(curve.points(), range.steps), curve };
    let plot = args.out.join(format!("lr-find-{}.svg", spec.recipe.name));
    std::fs::write(&plot, plot::svg(&found)).map_err(|error| unwritable(&plot, error))?;
    let text = match args.format {
        Format::Json => found.json(&plot),
        Format::Text => found.text(&plot, &args.recipe),
    };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::from)
}

/// The rates to try, checked against each other (each alone was checked by the command line).
fn range(args: &LrFindArgs) -> Result<RangeSpec, Failure> {
    let (start_lr, end_lr) = (args.start_lr, args.end_lr);
    if end_lr <= start_lr {
        let sentence = format!("--end-lr {end_lr:e} is not above --start-lr {start_lr:e}");
        return Err(Failure::usage(sentence, "rates grow from step to step, as from 1e-7 to 10"));
    }
    Ok(RangeSpec { start_lr, end_lr, steps: args.steps })
}

/// The arguments of a `train` of the same recipe, data and device. Rules are for runs that count.
fn as_train(args: &LrFindArgs) -> TrainArgs {
    TrainArgs {
        recipe: args.recipe.clone(),
        data: args.data.data.clone(),
        class_names: args.data.class_names.clone(),
        rules: NO_RULES.to_owned(),
        out: args.out.clone(),
        runs: None,
        seed: args.seed,
        device: args.device,
        set: args.set.clone(),
        from: None,
        resume: false,
        max_steps: None,
        device_memory_limit: None,
        report: None,
        pools: args.pools.clone(),
        seeing: SeeingArgs { dashboard: DashboardChoice::Off, ..SeeingArgs::default() },
    }
}

fn unwritable(path: &Path, error: std::io::Error) -> Failure {
    let cause = anyhow::Error::new(error).context(format!("cannot write to {}", path.display()));
    Failure::Usage(Complaint::new(cause).way_out("name a folder you can write to with --out"))
}

/// What a test came to.
struct Found<'a> {
    recipe: &'a Recipe,
    range: RangeSpec,
    curve: Curve,
    suggestions: Option<Suggestions>,
}

impl Found<'_> {
    fn lowest(&self) -> Option<&Tried> {
        self.curve.points().iter().min_by(|a, b| a.smoothed.total_cmp(&b.smoothed))
    }

    /// The key of the rate that the tested stage has in the recipe, and that rate.
    fn present(&self) -> (&'static str, f64) {
        let optimizers = ("optimizer.lr", self.recipe.optimizer.lr);
        self.recipe.stages[0].lr.map_or(optimizers, |lr| ("stage.0.lr", lr))
    }

    /// The suggestions with their names, fastai's default first.
    fn named(&self) -> Vec<(&'static str, f64, &'static str)> {
        self.suggestions.map_or_else(Vec::new, |found| {
            vec![
                ("valley", found.valley, "half-way down the longest descent: fastai's default"),
                ("steepest", found.steepest, "where the loss falls fastest"),
                ("minimum/10", found.minimum_tenth, "a tenth of where the loss is lowest"),
            ]
        })
    }

    fn text(&self, plot: &Path, recipe: &str) -> String {
        let (points, planned) = (self.curve.points(), self.range.steps);
        let ended = match points.len() as u64 {
            made if made < planned => {
                format!("{made} of {planned} steps, then the loss was over {STOP_FACTOR} × its lowest")
            }
            made => format!("{made} steps"),
        };
        let mut text = format!("{}: {ended}", self.recipe.name);
        if let (Some(lowest), Some(last)) = (self.lowest(), points.last()) {
            let (from, to, loss, at) = (rate(self.range.start_lr), rate(last.lr), lowest.smoothed, rate(lowest.lr));
            text += &format!("; rates from {from} to {to}, lowest smoothed loss {loss:.3} at {at}");
        }
        text += &format!("\nplot {}\n", plot.display());
        for (name, lr, meaning) in self.named() {
            text += &format!("{name:<11} {:<8} {meaning}\n", rate(lr));
        }
        text += &match self.suggestions {
            Some(found) => {
                let (key, now) = self.present();
                let (valley, now) = (rate(found.valley), rate(now));
                format!(
                    "The recipe has {key} = {now}. To try another, put it there or on the command line:\n  \
                     fastgarden-actors train {recipe} --set {key}={valley}\n"
                )
            }
            None => "Too few steps for a suggestion: try a lower --start-lr or more --steps\n".to_owned(),
        };
        text
    }

    fn json(&self, plot: &Path) -> String {
        let points: Vec<_> = self.curve.points().iter().map(|point| [point.lr, point.loss, point.smoothed]).collect();
        let suggestions = self.suggestions.map(|found| {
            serde_json::json!({
                "valley": found.valley, "steepest": found.steepest, "minimum_tenth": found.minimum_tenth,
            })
        });
        let document = serde_json::json!({
            "version": 1, "recipe": self.recipe.name, "lr": self.present().1,
            "start_lr": self.range.start_lr, "end_lr": self.range.end_lr, "steps": self.range.steps,
            "columns": ["lr", "loss", "smoothed"], "points": points, "suggestions": suggestions, "plot": plot,
        });
        format!("{document:#}\n")
    }
}

/// A rate in the three digits that it is good for.
fn rate(lr: f64) -> String {
    let text = format!("{lr:.2e}");
    // 1.50e-3 → 1.5e-3
    match text.split_once('e') {
        Some((digits, exponent)) => format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.')),
        None => text,
    }
}

/// A line on the terminal that follows the steps; nothing elsewhere.
struct ProgressLine {
    steps: u64,
    is_shown: bool,
    made: std::cell::Cell<u64>,
}

impl ProgressLine {
    fn new(steps: u64) -> Self {
        Self { steps, is_shown: std::io::stderr().is_terminal(), made: std::cell::Cell::new(0) }
    }

    fn show(&self, tried: &Tried) {
        self.made.set(self.made.get() + 1);
        if self.is_shown {
            let (made, steps, lr) = (self.made.get(), self.steps, rate(tried.lr));
            say_on(&format!("\rstep {made} of {steps}, lr {lr}, loss {:.3}   ", tried.smoothed));
        }
    }

    fn end(&self) {
        if self.is_shown && self.made.get() > 0 {
            say("");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_in_up_to_three_digits() {
        assert_eq!([1e-7, 1.5e-3, 0.012_345, 10.0].map(rate), ["1e-7", "1.5e-3", "1.23e-2", "1e1"]);
    }
}
