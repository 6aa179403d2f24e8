//! `evaluate`: the accuracy of a checkpoint, by the same actors and the same arithmetic as in training.
//! Not here: the validation phase itself (`fastgarden-train`).

use std::path::{Path, PathBuf};

use fastgarden_data::fault::BadBytes;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::slab::Layout;
use fastgarden_train::device;
use fastgarden_train::metric::Tally;
use fastgarden_train::net::xresnet::XResNet;
use fastgarden_train::trainer::{self, EvaluationSpec, SplitSpec, TrainError};
use tch::Device;

use crate::cli::{EvaluateArgs, Format};
use crate::data_set;
use crate::examples;
use crate::exit::{Failure, OrFail as _};
use crate::interrupt::Interrupts;
use crate::recipe::Recipe;
use crate::rules::grouped;
use crate::run_spec::{DataSource, PoolSizes};
use crate::told::{harmless, say};
use crate::train_command::{evaluation, of_train};
use crate::{transforms, weights};

/// What weights came to.
pub struct Score {
    /// Where they lie.
    pub path: PathBuf,
    /// Of their net.
    pub recipe: Recipe,
    /// The count.
    pub tally: Tally,
}

/// Runs the command.
pub fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    crate::library_settings::start_again();
    let Score { path, recipe, tally } = score(args)?;
    print(args.format, &path, &recipe, &tally)
}

/// Judges weights on validation data.
pub fn score(args: &EvaluateArgs) -> Result<Score, Failure> {
    let device = device::choose(&args.device).or_usage()?;
    let interrupts = Interrupts::listen()?;
    let found = weights::find(&args.checkpoint, &args.recipe)?;
    let net = weights::build(&found, device)?;
    let weights::Found { loaded, recipe } = found;
    let features = data_set::features(&recipe.data);
    let source = DataSource::from_patterns(&args.data.data)?;
    let patterns = data_set::patterns(&source, &data_set::sizes_px(&recipe))?;
    let class_names = args.data.class_names.as_deref();
    let found = data_set::find(&patterns, Some(recipe.evaluation.source_px), class_names)?;
    let on = recipe.evaluation.on;
    let index = data_set::open(&found, examples::split_of(on))?;
    let sampler = examples::judged_by(&recipe, &index, &features)?;
    let classes = i64::from(recipe.data.classes);
    let bad_records_max = data_set::bad_records_max(recipe.data.bad_records, &[&*index])?;
    data_set::warn_of_faults(&index);
    let decode = transforms::decode_mode(recipe.data.decode);
    let split = SplitSpec { index, features, decode, resample: recipe.data.resample, classes };
    let rows = recipe.stages.last().map_or(1, |stage| stage.batch_size);
    let spec = evaluation(&recipe, split, sampler, rows);
    let tally = judge(&net, &spec, device, &recipe, PoolSizes::from(&args.pools), bad_records_max, &interrupts)?;
    Ok(Score { path: loaded.path, recipe, tally })
}

fn judge(
    net: &XResNet,
    spec: &EvaluationSpec,
    device: Device,
    recipe: &Recipe,
    pools: PoolSizes,
    bad_records_max: u64,
    interrupts: &Interrupts,
) -> Result<Tally, Failure> {
    let slab_bytes = Layout::new(spec.batch_rows, vec![spec.view.size]).bytes();
    let options = transforms::pipeline_options(&pools, &recipe.execution, slab_bytes, spec.batch_rows);
    let pipeline =
        Pipeline::start(PipelineOptions { bad_records_max, ..options }).map_err(|error| of_train(error.into()))?;
    let channels_last = matches!(device, Device::Cuda(_));
    let told = |_: u64, batch: &fastgarden_data::batch::Batch| {
        for row in batch.quarantined() {
            let bytes = BadBytes { kind: row.kind, detail: row.detail.clone() };
            say(&harmless(&format!("quarantined {}", spec.split.index.fault(row.record, bytes))));
        }
        Ok::<_, TrainError>(())
    };
    let judged = trainer::evaluate(net, spec, &pipeline, device, channels_last, &interrupts.commands, told);
    judged.map_err(of_train)?.ok_or_else(|| {
        let signal = interrupts.received().unwrap_or(crate::exit::Signal::Interrupt);
        Failure::Interrupted { signal, resume_command: None }
    })
}

fn print(format: Format, checkpoint: &Path, recipe: &Recipe, tally: &Tally) -> Result<(), Failure> {
    let records = tally.examples + tally.quarantined;
    let text = match format {
        Format::Json => {
            let document = serde_json::json!({
                "checkpoint": checkpoint, "recipe": recipe.name, "accuracy": tally.accuracy(),
                "valid_loss": tally.mean_loss(), "records": records, "quarantined": tally.quarantined,
                "full_set": recipe.evaluation.limit == 0, "judged_on": recipe.evaluation.on.to_string(),
            });
            format!("{document:#}\n")
        }
        Format::Text => {
            let accuracy = 100.0 * tally.accuracy().unwrap_or(0.0);
            let loss = tally.mean_loss().map(|loss| format!(", loss {loss:.4}")).unwrap_or_default();
            let bad = if tally.quarantined > 0 {
                format!(" ({} unreadable, counted as wrong)", tally.quarantined)
            } else {
                String::new()
            };
            format!("accuracy {accuracy:.2} %{loss} over {} records{bad}\n", grouped(records))
        }
    };
    std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes()).map_err(Failure::from)
}
