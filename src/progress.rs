//! What a person sees while a series runs: a bar on a terminal, a plain line every few seconds anywhere else.
//! Not here: measuring anything. The moving parts go to standard error, the epoch table to standard output.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::epoch_table::{EpochRow, clock, header, percent, rate, row, run_prefix, sentence};
use crate::rules::grouped;
use crate::telemetry::tui::Tui;
use crate::told::{harmless, say};

/// Between two plain lines.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(5);
/// Redraws a second of the bar.
const BAR_HZ: u8 = 8;

/// Where progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressKind {
    /// A bar if standard error is a terminal, else plain lines.
    Auto,
    /// A bar.
    Bar,
    /// Plain lines.
    Plain,
    /// Nothing at all.
    Silent,
}

/// The phase that runs.
#[derive(Clone, Debug, Default)]
struct Phase {
    run: usize,
    runs: usize,
    epoch: u32,
    epochs: u32,
    name: String,
    total_examples: u64,
}

/// The figures of the moment.
#[derive(Clone, Copy, Debug)]
pub struct Figures<'a> {
    /// Of the phase.
    pub done_examples: u64,
    /// Of the last step.
    pub loss: Option<f64>,
    /// Over the phase.
    pub images_per_s: f64,
    /// Of the trainer's time, lately; 0 to 1; `None` where nobody trains.
    pub input_wait_share: Option<f64>,
    /// A stage, `trainer` or `balanced`; empty while nothing can be said.
    pub bottleneck: &'a str,
}

impl Figures<'_> {
    /// Of something that is no training.
    pub fn of_rate(done_examples: u64, images_per_s: f64) -> Self {
        Self { done_examples, loss: None, images_per_s, input_wait_share: None, bottleneck: "" }
    }
}

/// Shows one series.
pub struct Progress {
    output: Output,
    phase: Phase,
    is_header_printed: bool,
    /// Rows of the table that is printed at the end where rows can't be printed as they come.
    rows: Vec<String>,
}

enum Output {
    Bar(ProgressBar),
    Screen(Tui),
    Plain { last_line: Option<Instant> },
    Silent,
}

impl Progress {
    /// Nothing is printed before the first phase.
    pub fn new(kind: ProgressKind) -> Self {
        let is_bar = match kind {
            ProgressKind::Silent => None,
            ProgressKind::Bar => Some(true),
            ProgressKind::Plain => Some(false),
            ProgressKind::Auto => Some(io::stderr().is_terminal()),
        };
        let output = match is_bar {
            None => Output::Silent,
            Some(false) => Output::Plain { last_line: None },
            Some(true) => {
                let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(BAR_HZ));
                Output::Bar(bar.with_style(style()))
            }
        };
        Self { output, phase: Phase::default(), is_header_printed: false, rows: Vec::new() }
    }

    /// From now on the whole terminal shows it.
    pub fn go_full_screen(&mut self, tui: Tui) {
        self.output = Output::Screen(tui);
    }

    /// A phase begins: `run` of `runs` and `epoch` of `epochs` count from 1 (0 of 0 where there are no epochs); `phase` is
    /// "train", "validate" or another verb.
    pub fn start_phase(&mut self, run: usize, runs: usize, epoch: u32, epochs: u32, phase: &str, total_examples: u64) {
        self.phase = Phase { run, runs, epoch, epochs, name: phase.to_owned(), total_examples };
        match &mut self.output {
            Output::Bar(bar) => {
                bar.set_length(total_examples);
                bar.set_position(0);
                bar.set_prefix(self.phase.short_title());
                bar.set_message("");
            }
            // The first line comes after its interval, when it has something to say.
            Output::Plain { last_line } => *last_line = last_line.or_else(|| Some(Instant::now())),
            // The screen looks for itself.
            Output::Screen(_) | Output::Silent => {}
        }
    }

    /// Figures of the running phase; cheap, to be called as often as there is news.
    pub fn update(&mut self, figures: &Figures<'_>) {
        match &mut self.output {
            Output::Bar(bar) => {
                bar.set_position(figures.done_examples.min(self.phase.total_examples));
                bar.set_message(self.phase.bar_message(figures));
            }
            Output::Plain { last_line } => {
                let now = Instant::now();
                if last_line.is_none_or(|last| now.duration_since(last) >= PLAIN_LINE_EVERY) {
                    *last_line = Some(now);
                    say(&self.phase.plain_line(figures));
                }
            }
            Output::Screen(_) | Output::Silent => {}
        }
    }

    /// An epoch with its validation is over.
    pub fn epoch_done(&mut self, epoch: &EpochRow) {
        let Phase { run, runs, epochs, .. } = self.phase;
        let line = row(run, runs, epoch);
        match &self.output {
            Output::Bar(bar) => {
                let header = (!self.is_header_printed).then(|| header(runs));
                bar.suspend(|| {
                    for line in header.iter().flatten() {
                        print(line);
                    }
                    print(&line);
                });
                self.is_header_printed = true;
            }
            Output::Screen(tui) => {
                for line in self.rows.is_empty().then(|| header(runs)).iter().flatten() {
                    tui.epoch(line);
                }
                tui.epoch(&line);
                self.rows.push(line);
            }
            Output::Plain { .. } => {
                say(&sentence(run, runs, epochs, epoch));
                self.rows.push(line);
            }
            Output::Silent => {}
        }
    }

    /// A line of another kind (a resumed run, a damaged shard) between the moving parts. Names in it may come from data.
    pub fn note(&self, line: &str) {
        let line = &harmless(line);
        match &self.output {
            Output::Bar(bar) => bar.suspend(|| say(line)),
            Output::Screen(tui) => tui.note(line),
            Output::Plain { .. } => say(line),
            Output::Silent => {}
        }
    }

    /// The series is over: takes the bar or the screen away, and prints the table where its rows were not printed yet.
    pub fn finish(&mut self) {
        match &self.output {
            Output::Bar(bar) => bar.finish_and_clear(),
            Output::Screen(_) => self.output = Output::Silent,
            Output::Plain { .. } | Output::Silent => {}
        }
        if !self.rows.is_empty() {
            for line in header(self.phase.runs).iter().chain(&self.rows) {
                print(line);
            }
            self.rows.clear();
        }
    }
}

/// A bar never stays on the screen, whatever ended the series.
impl Drop for Progress {
    fn drop(&mut self) {
        if let Output::Bar(bar) = &self.output {
            bar.finish_and_clear();
        }
    }
}

impl Phase {
    /// What stands before the bar.
    fn short_title(&self) -> String {
        let name = if self.name == "train" { "epoch" } else { &*self.name };
        let epoch = if self.epoch == 0 { String::new() } else { format!(" {}/{}", self.epoch, self.epochs) };
        format!("{}{name}{epoch}", run_prefix(self.run, self.runs))
    }

    fn bar_message(&self, figures: &Figures<'_>) -> String {
        let total = grouped(self.total_examples);
        // Counted up within a fixed width, so that the bar doesn't jump.
        let mut parts = vec![format!("{:>width$}/{total}", grouped(figures.done_examples), width = total.len())];
        parts.extend(figures.loss.map(|loss| format!("loss {loss:.3}")));
        parts.push(format!("{} img/s", rate(figures.images_per_s)));
        parts.extend(figures.input_wait_share.map(|wait| format!("wait {}", percent(wait))));
        parts.extend(self.seconds_left(figures).map(|seconds| format!("ETA {:>5}", clock(seconds))));
        parts.join("  ") + "\n" + &limits(figures.bottleneck)
    }

    fn plain_line(&self, figures: &Figures<'_>) -> String {
        let (run, name) = (run_prefix(self.run, self.runs), &self.name);
        let (done, total) = (grouped(figures.done_examples), grouped(self.total_examples));
        let loss = figures.loss.map(|loss| format!("  loss {loss:.4}")).unwrap_or_default();
        let left = self.seconds_left(figures).map(|seconds| format!("  {} left", clock(seconds))).unwrap_or_default();
        let rate = rate(figures.images_per_s);
        let wait = figures.input_wait_share.map(|wait| format!("  input wait {}", percent(wait))).unwrap_or_default();
        let epoch = match self.epoch {
            0 => String::new(),
            epoch => format!("epoch {epoch}/{} ", self.epochs),
        };
        let limits =
            if figures.bottleneck.is_empty() { String::new() } else { format!("  {}", limits(figures.bottleneck)) };
        format!("{run}{epoch}{name}  {done}/{total}{loss}  {rate} images/s{wait}{limits}{left}")
    }

    /// Until this phase is over, at the present rate.
    fn seconds_left(&self, figures: &Figures<'_>) -> Option<f64> {
        let left = self.total_examples.saturating_sub(figures.done_examples) as f64;
        let seconds = left / figures.images_per_s;
        seconds.is_finite().then_some(seconds)
    }
}

/// "decode limits", "balanced", or nothing.
fn limits(bottleneck: &str) -> String {
    match bottleneck {
        "" | "balanced" => bottleneck.to_owned(),
        stage => format!("{stage} limits"),
    }
}

fn style() -> ProgressStyle {
    let template = "{prefix} {wide_bar:.green/dim} {msg}";
    ProgressStyle::with_template(template).expect("the template is a constant").progress_chars("━╸─")
}

fn print(line: &str) {
    let _nobody_reads = writeln!(io::stdout().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(name: &str, runs: usize) -> Phase {
        Phase { run: 1, runs, epoch: 2, epochs: 5, name: name.to_owned(), total_examples: 12_736 }
    }

    const FIGURES: Figures<'_> = Figures {
        done_examples: 8_192,
        loss: Some(3.2104),
        images_per_s: 812.3,
        input_wait_share: Some(0.021),
        bottleneck: "trainer",
    };

    #[test]
    fn a_plain_line_says_everything() {
        assert_eq!(
            phase("train", 3).plain_line(&FIGURES),
            "run 1/3, epoch 2/5 train  8,192/12,736  loss 3.2104  812 images/s  input wait 2.1 %  \
             trainer limits  5.6 s left"
        );
    }

    #[test]
    fn a_bar_leaves_room_for_itself_in_80_columns() {
        for name in ["train", "validate"] {
            let phase = phase(name, 1);
            let text = phase.short_title() + &phase.bar_message(&FIGURES);
            let (bar, verdict) = text.split_once('\n').unwrap();
            assert!(bar.chars().count() <= 72, "{text}");
            assert_eq!(verdict, "trainer limits");
        }
    }

    #[test]
    fn nothing_is_promised_before_the_first_batch() {
        let waiting =
            Figures { done_examples: 0, loss: None, images_per_s: 0.0, input_wait_share: Some(1.0), bottleneck: "" };
        assert_eq!(
            phase("validate", 1).plain_line(&waiting),
            "epoch 2/5 validate  0/12,736  0.0 images/s  input wait 100 %"
        );
    }

    #[test]
    fn where_nobody_trains_nobody_waits_for_input() {
        let phase = Phase { run: 1, runs: 1, name: "draw".to_owned(), total_examples: 4_000, ..Phase::default() };
        let line = phase.plain_line(&Figures::of_rate(728, 145.0));
        assert_eq!(line, "draw  728/4,000  145 images/s  0:23 left");
        assert_eq!(phase.short_title(), "draw");
    }

    #[test]
    fn plain_rows_are_kept_for_the_table_at_the_end() {
        let mut progress = Progress::new(ProgressKind::Plain);
        progress.start_phase(1, 1, 1, 1, "train", 64);
        progress.epoch_done(&EpochRow { epoch: 1, seconds: 1.0, ..EpochRow::default() });
        assert_eq!(progress.rows.len(), 1);
        progress.finish();
        assert!(progress.rows.is_empty());
    }
}
