//! `--trace FILE.json`: spans of every stage, arrows from chunks to the steps they went into, and counters, in Chrome's
//! trace format, for Perfetto.
//! Not here: the spans themselves (they are where the work is), or log lines.
//!
//! The file is an array of events, one a line; Perfetto also reads one whose end is missing. It stays below
//! [`BYTES_MAX`]: whenever half of what is left has been written, only every fourth of the batches that were still
//! recorded is from then on, so that a trace covers its run however long that is.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use fastgarden_data::shared::lock;
use fastgarden_proto::observe::Moment;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Most bytes of a trace.
pub const BYTES_MAX: u64 = 64 << 20;
/// Batches whose arrows may be open; more are only those whose phase was broken off.
const OPEN_ARROWS_MAX: usize = 4_096;
/// Target of counters.
const COUNTER: &str = "fastgarden::counter";

/// What a trace wants to hear of.
pub fn targets() -> Targets {
    Targets::new()
        .with_target("fastgarden::chunk", LevelFilter::TRACE)
        .with_target("fastgarden::batch", LevelFilter::TRACE)
        .with_target(COUNTER, LevelFilter::TRACE)
}

/// Counter tracks of a moment, which has this number.
pub fn counters(number: u64, moment: &Moment) {
    if let Some(count) = &moment.count {
        let (free, in_slabs) = (count.credits_free, count.credits_in_slabs);
        tracing::trace!(target: COUNTER, moment = number, track = "credits", free, in_slabs);
    }
    let readiness =
        |name: &str| 100.0 * moment.stages.iter().find(|stage| stage.name == name).map_or(0.0, |stage| stage.readiness);
    tracing::trace!(
        target: COUNTER, moment = number, track = "queue readiness, %", read = readiness("read"), decode = readiness("decode"),
        augment = readiness("augment"), sequence = readiness("sequence"), batches = 100.0 * moment.batch_readiness,
    );
    if let Some(held) = &moment.held {
        let (encoded, slabs) = (held.encoded_bytes, held.slab_bytes);
        tracing::trace!(target: COUNTER, moment = number, track = "bytes", encoded, slabs);
    }
    if let Some(trainer) = &moment.trainer {
        tracing::trace!(target: COUNTER, moment = number, track = "images per second", trained = trainer.images_per_s);
    }
}

/// The file; closes the array when the last clone of it goes.
#[derive(Clone)]
pub struct ChromeTrace(Arc<Mutex<Trace>>);

struct Trace {
    path: PathBuf,
    /// `None` after a failure.
    file: Option<BufWriter<File>>,
    begun: Instant,
    bytes: u64,
    bytes_max: u64,
    /// How often the recording was thinned out, by four each time.
    thinned: u32,
    /// Spans that belong to no batch.
    others: u64,
    /// The newest moment, and whether its counters are recorded.
    moment: Option<(u64, bool)>,
    /// Arrows that have begun in chunks, by (phase, batch).
    arrows: HashMap<(u64, u64), Vec<u64>>,
    arrows_begun: u64,
    threads: HashMap<std::thread::ThreadId, u64>,
}

/// The fields of a span or an event that are of use here.
#[derive(Clone, Default)]
struct Fields {
    stage: Option<String>,
    track: Option<String>,
    moment: u64,
    numbers: Vec<(&'static str, f64)>,
}

struct Entered {
    fields: Fields,
    at: Instant,
}

impl ChromeTrace {
    /// Begins a trace; a file of that name is replaced.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::create_with(path, BYTES_MAX)
    }

    fn create_with(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(b"[\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"tid\":0,\"args\":{\"name\":\"fastgarden-actors\"}}")?;
        Ok(Self(Arc::new(Mutex::new(Trace {
            path: path.to_owned(),
            file: Some(file),
            begun: Instant::now(),
            bytes: 0,
            bytes_max,
            thinned: 0,
            others: 0,
            moment: None,
            arrows: HashMap::new(),
            arrows_begun: 0,
            threads: HashMap::new(),
        }))))
    }

    /// Ends the file.
    pub fn finish(&self) {
        let mut trace = lock(&self.0);
        if let Some(mut file) = trace.file.take()
            && let Err(error) = file.write_all(b"\n]\n").and_then(|()| file.flush())
        {
            let path = trace.path.display().to_string();
            drop(trace);
            tracing::warn!(%error, "the end of the trace {path} could not be written");
        }
    }

    /// Lets `write` add to the file; a failure ends the trace, not the run.
    fn with(&self, write: impl FnOnce(&mut Trace) -> String) {
        let mut trace = lock(&self.0);
        if trace.file.is_none() {
            return;
        }
        let text = write(&mut trace);
        if trace.bytes + text.len() as u64 > trace.bytes_max {
            return;
        }
        trace.bytes += text.len() as u64;
        if trace.bytes_max - trace.bytes < trace.bytes_max >> (trace.thinned + 1) {
            trace.thinned += 1;
        }
        let file = trace.file.as_mut().expect("just seen");
        if let Err(error) = file.write_all(text.as_bytes()) {
            trace.file = None;
            let path = trace.path.display().to_string();
            drop(trace);
            tracing::warn!(%error, "the trace {path} ends here: it could not be written");
        }
    }
}

impl Trace {
    fn microseconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.begun).as_secs_f64() * 1e6
    }

    /// The number of this thread; one that is new is introduced first.
    fn thread(&mut self, text: &mut String) -> u64 {
        let thread = std::thread::current();
        // The process is 1, and Perfetto takes a thread of the same number for its main one.
        let next = self.threads.len() as u64 + 2;
        *self.threads.entry(thread.id()).or_insert_with(|| {
            let name = json(thread.name().unwrap_or("unnamed"));
            let _ = write!(
                text,
                ",\n{{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":{next},\"args\":{{\"name\":{name}}}}}"
            );
            next
        })
    }

    /// One batch in so many is recorded.
    fn stride(&self) -> u64 {
        1 << (2 * self.thinned)
    }

    /// Whether a span is recorded: all spans of a batch are, or none.
    fn records(&mut self, fields: &Fields) -> bool {
        match fields.number("batch") {
            Some(batch) => {
                (batch as u64).is_multiple_of(self.stride()) || self.arrows.contains_key(&fields.batch_key())
            }
            None => {
                self.others += 1;
                self.others.is_multiple_of(self.stride())
            }
        }
    }

    fn span(&mut self, name: &str, entered: &Entered) -> String {
        let mut text = String::new();
        let fields = &entered.fields;
        if !self.records(fields) {
            return text;
        }
        let tid = self.thread(&mut text);
        let begun_us = self.microseconds(entered.at);
        let took_us = entered.at.elapsed().as_secs_f64() * 1e6;
        let title = json(fields.stage.as_deref().unwrap_or(name));
        let numbers = fields.json_members();
        let _ = write!(
            text,
            ",\n{{\"name\":{title},\"cat\":\"{name}\",\"ph\":\"X\",\"ts\":{begun_us:.3},\"dur\":{took_us:.3},\"pid\":1,\
             \"tid\":{tid},\"args\":{{{numbers}}}}}"
        );
        // Perfetto knows an arrow by a number; one that goes by a text is dropped.
        let mut arrow = |end: &str, id: u64| {
            let _ = write!(
                text,
                ",\n{{\"name\":\"rows\",\"cat\":\"rows\",{end},\"id\":{id},\"ts\":{begun_us:.3},\"pid\":1,\"tid\":{tid}}}"
            );
        };
        match (name, fields.stage.as_deref()) {
            ("chunk", Some("decode")) if self.arrows.len() < OPEN_ARROWS_MAX => {
                self.arrows_begun += 1;
                arrow("\"ph\":\"s\"", self.arrows_begun);
                self.arrows.entry(fields.batch_key()).or_default().push(self.arrows_begun);
            }
            ("step" | "judge", _) => {
                for id in self.arrows.remove(&fields.batch_key()).unwrap_or_default() {
                    arrow("\"ph\":\"f\",\"bp\":\"e\"", id);
                }
            }
            _ => {}
        }
        text
    }

    fn counter(&mut self, fields: &Fields) -> String {
        // All tracks of a moment are recorded, or none, also of one at which the recording was thinned out.
        let known = self.moment.filter(|&(number, _)| number == fields.moment);
        let (_, is_recorded) =
            *self.moment.insert(known.unwrap_or((fields.moment, fields.moment.is_multiple_of(self.stride()))));
        let Some(track) = fields.track.as_ref().filter(|_| is_recorded) else { return String::new() };
        let (now_us, track, numbers) = (self.microseconds(Instant::now()), json(track), fields.json_members());
        format!(",\n{{\"name\":{track},\"ph\":\"C\",\"ts\":{now_us:.3},\"pid\":1,\"tid\":0,\"args\":{{{numbers}}}}}")
    }
}

impl Fields {
    fn number(&self, name: &str) -> Option<f64> {
        self.numbers.iter().find(|(field, _)| *field == name).map(|&(_, number)| number)
    }

    fn batch_key(&self) -> (u64, u64) {
        (self.number("phase").unwrap_or(0.0) as u64, self.number("batch").unwrap_or(0.0) as u64)
    }

    fn json_members(&self) -> String {
        let members: Vec<String> =
            self.numbers.iter().map(|(name, number)| format!("{}:{number}", json(&name.replace('_', " ")))).collect();
        members.join(",")
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "stage" => self.stage = Some(value.to_owned()),
            "track" => self.track = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "moment" => self.moment = value,
            name => self.numbers.push((name, value as f64)),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.numbers.push((field.name(), value as f64));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no other numbers.
        if value.is_finite() {
            self.numbers.push((field.name(), value));
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ChromeTrace {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(Entered { fields, at: Instant::now() });
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        // On the thread that did the work, while closing may happen anywhere.
        if let Some(entered) = span.extensions_mut().remove::<Entered>() {
            self.with(|trace| trace.span(span.name(), &entered));
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.with(|trace| trace.counter(&fields));
    }
}

/// A JSON string.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
