//! What a recipe will take of a GPU, told before it runs: by rehearsing its steps with two and four rows on the CPU, in a
//! process of its own, and going on from there in a straight line to its batch size.
//! Not here: what a run took (`report.json` says).

pub mod rehearse;

use std::fmt;
use std::process::Command;

use fastgarden_train::device_memory::{CAN_CAP, total_bytes};
use fastgarden_train::rehearsal::{CONTEXT_BYTES, ENVIRONMENT, Needs};
use tch::Device;

use crate::exit::Failure;
use crate::recipe::{Recipe, StagePrecision};
use crate::run_spec::RunSpec;

/// Batches are offered in steps of so many rows.
const ROWS_STEP: u64 = 8;

/// What each stage of a recipe needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    stages: Vec<(Needs, usize)>,
}

impl Estimate {
    /// Rehearses a recipe as it was named and changed on the command line; takes some seconds.
    ///
    /// # Errors
    /// In words, where this system doesn't tell what a process took, or the rehearsal failed.
    pub fn make(recipe: &Recipe, name: &str, set: &[String]) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(["rehearse-memory", name]).args(set.iter().flat_map(|assignment| ["--set", assignment]));
        let output = command.envs(ENVIRONMENT).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(said.lines().next().unwrap_or("the rehearsal broke down").to_owned());
        }
        let needs: Vec<Needs> = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        if needs.len() != recipe.stages.len() {
            return Err(format!("{} stages were rehearsed, of {}", needs.len(), recipe.stages.len()));
        }
        Ok(Self { stages: needs.into_iter().zip(recipe.stages.iter().map(|stage| stage.batch_size)).collect() })
    }

    /// Of the stage that needs most; CUDA's own share is in it.
    pub fn bytes(&self) -> u64 {
        self.stages.iter().map(|(needs, rows)| needs.device_bytes(*rows)).max().unwrap_or(0)
    }

    /// For `--format json`.
    pub fn json(&self) -> serde_json::Value {
        let stage = |(needs, rows): &(Needs, usize)| {
            serde_json::json!({
                "batch_size": rows, "bytes": needs.device_bytes(*rows), "row_bytes": needs.row_bytes,
                "fixed_bytes": needs.fixed_bytes,
            })
        };
        let stages: Vec<_> = self.stages.iter().map(stage).collect();
        serde_json::json!({ "bytes": self.bytes(), "context_bytes": CONTEXT_BYTES, "stages": stages })
    }

    /// A recipe that doesn't fit is told which stage, and what would.
    pub fn refuse_beyond(&self, most: u64, recipe: &Recipe) -> Result<(), Failure> {
        let over = self.stages.iter().enumerate().find(|(_, (needs, rows))| needs.device_bytes(*rows) > most);
        let Some((number, (needs, rows))) = over else { return Ok(()) };
        let (needed, most_gib) = (Gib(needs.device_bytes(*rows)), Gib(most));
        let sentence = format!(
            "stage.{number} would not fit: batches of {rows} are estimated to take {needed} GiB of device memory, and there \
             are {most_gib}"
        );
        let fits = needs.rows_within(most);
        let rounded = if fits >= ROWS_STEP { fits / ROWS_STEP * ROWS_STEP } else { fits };
        let is_full = recipe.stages[number].precision == StagePrecision::Fp32;
        let half = if is_full { format!(", or --set stage.{number}.precision=fp16-on-gpu") } else { String::new() };
        let way_out = match rounded {
            2.. => format!("--set stage.{number}.batch_size={rounded}{half}"),
            _ => format!("a smaller input_px or net{half} (as it is, not even two rows fit)"),
        };
        Err(Failure::usage(sentence, way_out))
    }
}

/// Before a run: a line about its memory, if there is anything to say; a run that can't fit is refused.
pub fn before_a_run(spec: &RunSpec, device: Device) -> Result<Option<String>, Failure> {
    let limit = spec.device_memory_limit;
    let is_gpu = matches!(device, Device::Cuda(_));
    if !is_gpu && limit.is_none() {
        return Ok(None);
    }
    let total = total_bytes(device);
    if is_gpu && limit.is_some() && total.is_none() {
        let sentence =
            "--device-memory-limit can't be kept: NVIDIA's management library (libnvidia-ml) is not to be found";
        return Err(Failure::usage(sentence, "install the driver's library, or leave the limit out"));
    }
    let most = [limit, total].into_iter().flatten().min();
    let args = &spec.arguments;
    let estimate = match Estimate::make(&spec.recipe, &args.recipe, &args.set) {
        Ok(estimate) => estimate,
        Err(why) => return Ok(Some(format!("memory  not estimated: {why}"))),
    };
    if let Some(most) = most {
        estimate.refuse_beyond(most, &spec.recipe)?;
    }
    let of = most.map(|most| format!(" of {}", Gib(most))).unwrap_or_default();
    let kept = match (is_gpu, limit) {
        (false, Some(_)) => "; the limit binds no run on a CPU",
        (true, Some(_)) if !CAN_CAP => "; the limit is watched",
        _ => "",
    };
    Ok(Some(format!("memory  estimated {} GiB of device memory{of}{kept}", Gib(estimate.bytes()))))
}

/// Bytes, shown as GiB with one decimal, rounded up: an estimate that seems to fit must fit.
#[derive(Clone, Copy, Debug)]
pub struct Gib(pub u64);

impl fmt::Display for Gib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 as f64 / (1u64 << 30) as f64 * 10.0).ceil();
        write!(f, "{:.1}", tenths / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate() -> (Estimate, Recipe) {
        let recipe = Recipe::load("baseline", &["stage.0.batch_size=64".to_owned()]).expect("it is embedded");
        let needs = Needs { fixed_bytes: 400 << 20, row_bytes: 100 << 20 };
        (Estimate { stages: vec![(needs, 64)] }, recipe)
    }

    #[test]
    fn what_fits_passes_and_what_does_not_is_told_the_batch_that_would() {
        let (estimate, recipe) = estimate();
        assert_eq!(estimate.bytes(), (400 + 6400 + 512) << 20);
        assert!(estimate.refuse_beyond(estimate.bytes(), &recipe).is_ok());
        let told = |most| estimate.refuse_beyond(most, &recipe).expect_err("it is too much").message();
        let text = told(estimate.bytes() - 1).expect("it says so");
        assert!(text.contains("stage.0 would not fit: batches of 64 are estimated to take 7.2 GiB"), "{text}");
        assert!(text.contains("--set stage.0.batch_size=56"), "{text}");
        let text = told((400 + 512 + 310) << 20).expect("it says so");
        assert!(text.contains("--set stage.0.batch_size=3"), "{text}");
        assert!(told(1 << 30).expect("it says so").contains("not even two rows fit"));
    }

    #[test]
    fn gibibytes_are_rounded_up() {
        assert_eq!([14 << 30, (14 << 30) + 1, 0].map(|bytes| Gib(bytes).to_string()), ["14.0", "14.1", "0.0"]);
    }
}
