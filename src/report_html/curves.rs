//! The curves of a series: every run's, and their mean.
//! Not here: drawing them.

use super::read::{RunSeen, SeriesSeen};
use crate::markup::Markup;
use crate::page::{Chart, Curve, Stroke};
use crate::report::EpochReport;

/// Runs that get a curve each; the mean is over all.
const RUNS_MAX: usize = 7;
/// The colour of means, which no run has.
const MEAN_COLOUR: usize = 7;
/// Points of a curve over steps, each the mean of the steps around it.
const BINS: usize = 240;
/// Points of an epoch's learning rates.
const RATES_PER_EPOCH: u64 = 60;

/// All of them.
pub(super) fn figures(seen: &SeriesSeen) -> Markup {
    let of_epochs = |title, unit, from_zero, factor: f64, of: fn(&EpochReport) -> Option<f64>| {
        let curves = runs_and_mean(seen, |epoch| of(epoch).map(|value| factor * value));
        Chart { title, across: "epoch", unit, from_zero, curves }.figure()
    };
    let figures = [
        of_epochs("Accuracy on validation", " %", true, 100.0, |epoch| epoch.accuracy),
        of_epochs("Loss on validation", "", false, 1.0, |epoch| epoch.valid_loss),
        of_epochs("Loss in training, mean of each epoch", "", false, 1.0, |epoch| epoch.train_loss),
        step_losses(seen),
        learning_rate(seen),
        of_epochs("Training images a second", "", true, 1.0, |epoch| epoch.images_per_s),
        of_epochs("Share of time spent waiting for input", " %", true, 100.0, |epoch| epoch.input_wait_share),
    ];
    let mut out = Markup::new();
    out.within("div", &[("class", "charts")], |charts| {
        for figure in figures.iter().flatten() {
            charts.append(figure);
        }
    });
    if seen.report.runs.len() > RUNS_MAX {
        let about =
            format!("The first {RUNS_MAX} runs have a curve each; means are over all {}.", seen.report.runs.len());
        out.leaf("p", &[("class", "faint small")], &about);
    }
    out
}

/// A curve for each run, and the mean where there are several.
fn runs_and_mean(seen: &SeriesSeen, of: impl Fn(&EpochReport) -> Option<f64>) -> Vec<Curve> {
    let runs = &seen.report.runs;
    let points = |epochs: &[EpochReport]| -> Vec<(f64, f64)> {
        epochs.iter().filter_map(|epoch| Some((f64::from(epoch.epoch), of(epoch)?))).collect()
    };
    let all: Vec<Vec<(f64, f64)>> = runs.iter().map(|run| points(&run.epochs)).collect();
    let curve = |(place, points): (usize, &Vec<(f64, f64)>)| Curve {
        name: format!("seed {}", runs[place].seed),
        colour: place,
        stroke: Stroke::Dotted,
        points: points.clone(),
    };
    let mut curves: Vec<Curve> = all.iter().enumerate().take(RUNS_MAX).map(curve).collect();
    if all.len() > 1 {
        curves.push(Curve { name: "mean".to_owned(), colour: MEAN_COLOUR, stroke: Stroke::Bold, points: mean(&all) });
    }
    curves
}

/// The mean at each place that all curves have.
fn mean(all: &[Vec<(f64, f64)>]) -> Vec<(f64, f64)> {
    let Some((first, others)) = all.split_first() else { return Vec::new() };
    let at = |points: &[(f64, f64)], x: f64| points.iter().find(|point| point.0 == x).map(|point| point.1);
    let mean_at = |&(x, y): &(f64, f64)| {
        let ys: Option<Vec<f64>> = others.iter().map(|points| at(points, x)).collect();
        ys.map(|ys| (x, (y + ys.iter().sum::<f64>()) / all.len() as f64))
    };
    first.iter().filter_map(mean_at).collect()
}

fn step_losses(seen: &SeriesSeen) -> Option<Markup> {
    let curve = |(place, run): (usize, &RunSeen)| Curve {
        name: format!("seed {}", seen.report.runs[place].seed),
        colour: place,
        stroke: Stroke::Plain,
        points: binned(run),
    };
    let curves =
        seen.runs.iter().enumerate().take(RUNS_MAX).map(curve).filter(|curve| !curve.points.is_empty()).collect();
    Chart { title: "Loss in training, step by step", across: "epoch", unit: "", from_zero: false, curves }.figure()
}

/// Step losses over epochs, means of neighbouring steps.
fn binned(run: &RunSeen) -> Vec<(f64, f64)> {
    let tickets =
        |epoch: u32| run.steps.iter().filter(|step| step.epoch == epoch).map(|step| step.seq_to).max().unwrap_or(1);
    let mut epochs: Vec<u32> = run.steps.iter().map(|step| step.epoch).collect();
    epochs.dedup();
    let lengths: Vec<(u32, u64)> = epochs.iter().map(|epoch| (*epoch, tickets(*epoch).max(1))).collect();
    let place = |epoch: u32, seq: u64| {
        let length = lengths.iter().find(|(of, _)| *of == epoch).map_or(1, |(_, length)| *length);
        f64::from(epoch) - 1.0 + seq as f64 / length as f64
    };
    let points: Vec<(f64, f64)> =
        run.steps.iter().filter_map(|step| Some((place(step.epoch, step.seq_to), step.loss?))).collect();
    let width = points.len().div_ceil(BINS).max(1);
    let middle = |bin: &[(f64, f64)]| {
        let count = bin.len() as f64;
        (bin.iter().map(|point| point.0).sum::<f64>() / count, bin.iter().map(|point| point.1).sum::<f64>() / count)
    };
    points.chunks(width).map(middle).collect()
}

/// The rates that the recipe asks for, over the epochs that were made.
fn learning_rate(seen: &SeriesSeen) -> Option<Markup> {
    let run = seen.report.runs.first()?;
    let before = run.epochs.first()?.epoch.saturating_sub(1);
    let mut points = Vec::new();
    let mut first = 0;
    for stage in &seen.recipe.stages {
        let of_stage = run.epochs.iter().skip(first).take(stage.epochs as usize);
        let tickets = of_stage.map(|epoch| epoch.examples.issued).max().unwrap_or(0);
        let rows = stage.batch_size.max(1) as u64;
        let steps = if stage.drop_last { tickets / rows } else { tickets.div_ceil(rows) };
        let total = steps * u64::from(stage.epochs);
        let (base, made) =
            (stage.lr.unwrap_or(seen.recipe.optimizer.lr), run.epochs.len().saturating_sub(first) as u64);
        let made = made.min(u64::from(stage.epochs)) * steps;
        for step in (0..made).step_by((steps / RATES_PER_EPOCH).max(1) as usize) {
            let epoch = f64::from(before) + first as f64 + step as f64 / steps as f64;
            points.push((epoch, stage.schedule.rates(base, step, total).lr));
        }
        first += stage.epochs as usize;
    }
    let curve = Curve { name: "base rate, by the recipe".to_owned(), colour: 0, stroke: Stroke::Plain, points };
    Chart { title: "Learning rate", across: "epoch", unit: "", from_zero: true, curves: vec![curve] }.figure()
}

#[cfg(test)]
mod tests {
    use fastgarden_proto::ledger::Step;

    use super::*;

    #[test]
    fn a_mean_is_taken_where_all_runs_are() {
        let all = [vec![(1.0, 2.0), (2.0, 4.0), (3.0, 9.0)], vec![(1.0, 4.0), (2.0, 8.0)]];
        assert_eq!(mean(&all), [(1.0, 3.0), (2.0, 6.0)]);
        assert!(mean(&[]).is_empty());
    }

    #[test]
    fn step_losses_lie_within_their_epochs() {
        let step = |epoch, seq_to, loss| Step { epoch, seq_to, loss, ..Step::default() };
        let steps = vec![step(1, 8, Some(3.0)), step(1, 16, Some(2.0)), step(2, 8, None), step(2, 16, Some(1.0))];
        let run = RunSeen { steps, ..RunSeen::default() };
        assert_eq!(binned(&run), [(0.5, 3.0), (1.0, 2.0), (2.0, 1.0)]);
    }
}
