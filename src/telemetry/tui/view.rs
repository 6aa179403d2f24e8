//! A moment on a screen of any size: what limits, the pipeline's stages, the trainer, charts, epochs, notes.
//! Not here: taking the screen, or what a moment is.

use std::iter::{once, repeat};
use std::ops::RangeInclusive;
use std::sync::Arc;

use fastgarden_proto::observe::{Moment, StageMoment};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Gauge, Paragraph, Row, Sparkline, Table};

use crate::data_commands::text::bytes;
use crate::epoch_table::{clock, percent, rate, run_prefix};
use crate::rules::grouped;

/// Cells of a stage's bar.
const BAR_CELLS: usize = 20;
/// Cells of the stages' columns. With the spaces between them and the frame they fill a terminal of 80 exactly: there a
/// wider table would lose the end of some column.
const STAGE_CELLS: [u16; 7] = [8, 7, BAR_CELLS as u16 + 7, 8, 9, 8, 5];
/// Lines of the pipeline's stages: a title, four stages, a frame.
const STAGES_ROWS: u16 = 7;
/// Fewest and most lines of the verdict within its frame. On a wide terminal two hold most sentences, so that what is
/// below seldom moves.
const VERDICT_LINES: RangeInclusive<usize> = 2..=4;
/// Cells in front of facts, for their name.
const NAME_CELLS: usize = 10;
/// Lines that are kept for the epoch table and notes where facts want all: the header, an epoch, a note.
const NEWEST_ROWS: u16 = HEADER_ROWS as u16 + 2;
/// Lines of the epoch table's header.
pub(super) const HEADER_ROWS: usize = 2;
/// Fewest and most lines that charts are of use in.
const CHART_ROWS: RangeInclusive<u16> = 6..=12;

const BUSY: Color = Color::Green;
const INPUT: Color = Color::Yellow;
const OUTPUT: Color = Color::Blue;

/// Everything that is drawn.
pub(super) struct View<'a> {
    pub(super) now: &'a Moment,
    pub(super) past: &'a [Arc<Moment>],
    pub(super) epochs: &'a [String],
    pub(super) notes: &'a [String],
}

impl View<'_> {
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let (sentence, facts) = (self.sentence(area.width), self.facts(area.width));
        let verdict = 2 + sentence.len().clamp(*VERDICT_LINES.start(), *VERDICT_LINES.end()) as u16;
        let above = 1 + 1 + verdict + STAGES_ROWS;
        let numbers = (facts.len() as u16).min(area.height.saturating_sub(above + NEWEST_ROWS).max(2));
        let left = area.height.saturating_sub(above + numbers);
        let charts = if left / 2 >= *CHART_ROWS.start() { (left / 2).min(*CHART_ROWS.end()) } else { 0 };
        let [title, phase, verdict, stages, numbers, charts, lines] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(verdict),
            Constraint::Length(STAGES_ROWS),
            Constraint::Length(numbers),
            Constraint::Length(charts),
            Constraint::Fill(1),
        ])
        .areas(area);
        frame.render_widget(self.title(), title);
        self.draw_phase(frame, phase);
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let limits = Paragraph::new(sentence.join("\n")).style(bold).block(Block::bordered().title("what limits"));
        frame.render_widget(limits, verdict);
        frame.render_widget(self.stages(), stages);
        frame.render_widget(Paragraph::new(facts.join("\n")), numbers);
        if charts.height > 0 {
            self.draw_charts(frame, charts);
        }
        self.draw_lines(frame, lines);
    }

    fn title(&self) -> Line<'_> {
        let place = self.now.place.clone().unwrap_or_default();
        let run = run_prefix(place.run as usize, place.runs as usize);
        let name = Span::styled(place.recipe, Style::new().add_modifier(Modifier::BOLD));
        let rest = format!("  {run}seed {}  {}  Ctrl-C saves and ends", place.seed, clock(self.now.seconds));
        Line::from(vec![name, Span::raw(rest)])
    }

    fn draw_phase(&self, frame: &mut Frame<'_>, area: Rect) {
        let place = self.now.place.clone().unwrap_or_default();
        let share = if place.total > 0 { place.done as f64 / place.total as f64 } else { 0.0 };
        let (done, total) = (grouped(place.done), grouped(place.total));
        let label = format!("epoch {}/{} {}  {done}/{total}", place.epoch, place.epochs, place.phase);
        let gauge = Gauge::default().ratio(share.clamp(0.0, 1.0)).label(label).gauge_style(Style::new().fg(BUSY));
        frame.render_widget(gauge.use_unicode(true), area);
    }

    /// The verdict, in lines that fit between the borders of its frame.
    fn sentence(&self, columns: u16) -> Vec<String> {
        let sentence = match &*self.now.verdict {
            "" => "nothing can be said yet",
            sentence => sentence,
        };
        wrapped(sentence.split(' '), " ", usize::from(columns.saturating_sub(2)))
    }

    fn stages(&self) -> Table<'_> {
        let time = Line::from(vec![
            Span::styled("works ", Style::new().fg(BUSY)),
            Span::styled("waits for input, ", Style::new().fg(INPUT)),
            Span::styled("room", Style::new().fg(OUTPUT)),
        ]);
        let titles: [Line<'_>; 7] = [
            "stage".into(),
            "workers".into(),
            time,
            "images/s".into(),
            "chunk p50".into(),
            "p99".into(),
            "queue".into(),
        ];
        let rows = self.now.stages.iter().map(|stage| self.stage(stage));
        Table::new(rows, STAGE_CELLS.map(Constraint::Length)).header(Row::new(titles)).block(
            Block::bordered()
                .title("pipeline")
                .title_bottom(format!("batches ready {}", percent(self.now.batch_readiness))),
        )
    }

    fn stage(&self, stage: &StageMoment) -> Row<'static> {
        let workers = match stage.workers {
            0 => "–".to_owned(),
            workers if workers == stage.workers_alive => workers.to_string(),
            workers => format!("{}/{workers}", stage.workers_alive),
        };
        let time = |ms: Option<f64>| match ms {
            None => "–".to_owned(),
            Some(ms) if ms < 999.95 => format!("{ms:.1} ms"),
            Some(ms) => format!("{ms:.0} ms"),
        };
        let style =
            if stage.name == self.now.bottleneck { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
        let cells: [Line<'static>; 7] = [
            stage.name.clone().into(),
            workers.into(),
            shares(stage),
            rate(stage.images_per_s).into(),
            time(stage.service_p50_ms).into(),
            time(stage.service_p99_ms).into(),
            percent(stage.readiness).into(),
        ];
        Row::new(cells).style(style)
    }

    /// What the trainer does, what memory is taken, and what was quarantined, in lines that fit.
    fn facts(&self, columns: u16) -> Vec<String> {
        let trainer = self.now.trainer.unwrap_or_default();
        let held = self.now.held.unwrap_or_default();
        let mut training = vec![
            format!("step {}", grouped(trainer.step)),
            format!("{} images/s", rate(trainer.images_per_s)),
            format!("input wait {}", percent(trainer.input_wait_share)),
        ];
        training.extend(trainer.step_ms.map(|ms| format!("{ms:.0} ms a step")));
        training.extend(trainer.loss.map(|loss| format!("loss {loss:.4}")));
        training.extend(trainer.lr.map(|lr| format!("lr {lr:.2e}")));
        training.extend(trainer.accuracy.map(|accuracy| format!("accuracy {:.2} %", 100.0 * accuracy)));
        let mut memory = vec![
            format!("slabs {}", bytes(held.slab_bytes)),
            format!("encoded {} of {}", bytes(held.encoded_bytes), bytes(held.encoded_bytes_max)),
        ];
        memory.extend(held.cache_bytes.map(|cache| format!("cache {}", bytes(cache))));
        memory.extend(held.resident_bytes.map(|resident| format!("process {}", bytes(resident))));
        memory.extend(trainer.peak_device_bytes.map(|device| format!("device up to {}", bytes(device))));
        let bad = self.now.quarantined.iter().map(|reason| format!("{} {}", reason.tickets, reason.name));
        let facts = [("trainer", training), ("memory", memory), ("bad data", bad.collect())];
        facts.into_iter().flat_map(|(name, facts)| under_name(name, &facts, columns)).collect()
    }

    fn draw_charts(&self, frame: &mut Frame<'_>, area: Rect) {
        let [speed, loss] = Layout::horizontal([Constraint::Fill(1); 2]).areas(area);
        let rates = self.past.iter().map(|moment| moment.trainer.map_or(0.0, |trainer| trainer.images_per_s));
        draw_line(frame, speed, "images per second", rates.collect(), BUSY);
        let losses = self.past.iter().filter_map(|moment| moment.trainer?.loss);
        draw_line(frame, loss, "training loss", losses.collect(), OUTPUT);
    }

    /// The table's header and the newest of everything else, as much as there is room for: notes get a third at least.
    fn draw_lines(&self, frame: &mut Frame<'_>, area: Rect) {
        let room = usize::from(area.height);
        let (header, epochs) = self.epochs.split_at(self.epochs.len().min(HEADER_ROWS));
        let for_epochs = room.saturating_sub(header.len() + self.notes.len().min(room / 3));
        let epochs = newest(epochs, for_epochs);
        let notes = newest(self.notes, room.saturating_sub(header.len() + epochs.len()));
        let lines = header.iter().chain(epochs).chain(notes).map(|line| Line::from(line.as_str()));
        frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
    }
}

/// The last of them, at most so many.
pub(super) fn newest(lines: &[String], count: usize) -> &[String] {
    &lines[lines.len().saturating_sub(count)..]
}

/// Facts behind their name, on as many lines as they need: none where there are none.
fn under_name(name: &str, facts: &[String], columns: u16) -> Vec<String> {
    let columns = usize::from(columns).saturating_sub(NAME_CELLS);
    let lines = wrapped(facts.iter().map(String::as_str), "  ", columns);
    let names = once(name).chain(repeat(""));
    names.zip(lines).map(|(name, line)| format!("{name:<NAME_CELLS$}{line}")).collect()
}

/// Pieces side by side, as many on a line as there are columns for. One that is too long for any line has its own.
///
/// By hand, for ratatui tells only with an unstable feature how many lines it would make.
fn wrapped<'p>(pieces: impl Iterator<Item = &'p str>, gap: &str, columns: usize) -> Vec<String> {
    let cells = |text: &str| Span::raw(text).width();
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if cells(line) + cells(gap) + cells(piece) <= columns => {
                line.push_str(gap);
                line.push_str(piece);
            }
            _ => lines.push(piece.to_owned()),
        }
    }
    lines
}

/// The bar of a stage's time.
fn shares(stage: &StageMoment) -> Line<'static> {
    let cells = |share: f64| (share * BAR_CELLS as f64).round() as usize;
    let (busy, input) = (cells(stage.busy_share), cells(stage.wait_input_share));
    let output = BAR_CELLS.saturating_sub(busy + input);
    let has_time = stage.busy_share + stage.wait_input_share + stage.wait_output_share > 0.0;
    let part =
        |cells: usize, colour| Span::styled("█".repeat(if has_time { cells } else { 0 }), Style::new().fg(colour));
    Line::from(vec![
        part(busy, BUSY),
        part(input, INPUT),
        part(output, OUTPUT),
        Span::raw(if has_time { format!(" {}", percent(stage.busy_share)) } else { String::new() }),
    ])
}

/// The last values of a series, as many as there are columns, from the lowest to the highest of them.
fn draw_line(frame: &mut Frame<'_>, area: Rect, name: &str, values: Vec<f64>, colour: Color) {
    let columns = usize::from(area.width.saturating_sub(2));
    let values = &values[values.len().saturating_sub(columns)..];
    let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), &value| (low.min(value), high.max(value)));
    let title = match values.last() {
        Some(last) if *last >= 10.0 => format!("{name} {}", grouped(last.round() as u64)),
        Some(last) => format!("{name} {last:.3}"),
        None => name.to_owned(),
    };
    let heights: Vec<u64> =
        values.iter().map(|value| (1e3 * (value - low) / (high - low).max(1e-9)) as u64 + 100).collect();
    let line = Sparkline::default().data(&heights).max(1_100).style(Style::new().fg(colour));
    frame.render_widget(line.block(Block::bordered().title(title)), area);
}

#[cfg(test)]
mod tests;
