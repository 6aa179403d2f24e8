//! TensorBoard's event files, one an attempt, in each run's folder: scalars a step and an epoch, pictures, class counts,
//! hyper-parameters. They are TFRecords, written with the same framing that shards are read with.
//! Not here: a reader. A file that can't be written is told once, and the run goes on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fastgarden_data::framing::write_frame;
use fastgarden_data::tap::Glimpse;
use fastgarden_proto::tensorboard::hyper_parameter::Kind;
use fastgarden_proto::tensorboard::{
    Event, Histogram, HparamsData, HyperParameter, Image, Metadata, PluginData, SessionLog, SessionStart, Summary,
    Value, event, value,
};
use fastgarden_train::trainer::EpochRecord;
use prost::Message as _;

use super::dashboard;

/// What TensorBoard looks for in the first record.
const FILE_VERSION: &str = "brain.Event:2";
/// TensorBoard's tag of a session's hyper-parameters.
const SESSION_TAG: &str = "_hparams_/session_start_info";
/// `SessionLog::status` of a start.
const START: i32 = 1;
/// Colours of an RGB picture.
const RGB: i32 = 3;
/// How much a crash may cost.
const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// Settings by their names.
pub type Settings = BTreeMap<String, HyperParameter>;

/// An open event file.
pub struct EventFile {
    path: PathBuf,
    /// `None` after a failure.
    out: Option<BufWriter<File>>,
    flushed: Instant,
}

impl EventFile {
    /// A new file in a run's folder.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let name = format!("events.out.tfevents.{}.fastgarden.{}", now_s() as u64, std::process::id());
        let path = folder.join(name);
        let mut file = Self { out: Some(BufWriter::new(File::create(&path)?)), path, flushed: Instant::now() };
        file.write(0, event::What::FileVersion(FILE_VERSION.to_owned()));
        Ok(file)
    }

    /// The settings of the run, by their dotted names in the resolved recipe. TensorBoard shows one row a group, with the
    /// settings of any of its runs: a group is a series, whose runs differ in nothing but the seed.
    pub fn settings(&mut self, series: &str, settings: &Settings) {
        let start = SessionStart { hparams: settings.clone(), group_name: series.to_owned(), start_time_secs: now_s() };
        let content = HparamsData { version: 0, session_start_info: Some(start) }.encode_to_vec();
        let plugin_data = PluginData { plugin_name: "hparams".to_owned(), content };
        let metadata = Some(Metadata { plugin_data: Some(plugin_data) });
        self.summary(0, vec![Value { tag: SESSION_TAG.to_owned(), metadata, value: None }]);
    }

    /// The run goes on after a step: what was written of later ones is void.
    pub fn resumed(&mut self, step: u64) {
        self.write(step + 1, event::What::SessionLog(SessionLog { status: START }));
    }

    /// One training step.
    pub fn step(&mut self, step: u64, loss: Option<f64>, lr: f64) {
        let loss = loss.map(|loss| scalar("train/loss", loss));
        self.summary(step, loss.into_iter().chain([scalar("train/learning_rate", lr)]).collect());
    }

    /// The end of an epoch.
    pub fn epoch(&mut self, step: u64, record: &EpochRecord, pictures: Option<&Glimpse>) {
        let always = [
            scalar("epoch/number", f64::from(record.epoch)),
            scalar("epoch/train_loss", record.train_loss),
            scalar("epoch/images_per_s", record.images_per_s),
            scalar("epoch/input_wait_share", record.input_wait_share),
            scalar("epoch/seconds", record.seconds),
            scalar("epoch/quarantined", record.quarantined as f64),
        ];
        let judged = [("epoch/valid_loss", record.valid_loss), ("epoch/accuracy", record.accuracy)];
        let judged = judged.into_iter().filter_map(|(tag, number)| Some(scalar(tag, number?)));
        let counts = class_counts(&record.class_histogram);
        let pictures = pictures.and_then(image);
        self.summary(step, always.into_iter().chain(judged).chain(counts).chain(pictures).collect());
        self.flush();
    }

    fn summary(&mut self, step: u64, value: Vec<Value>) {
        self.write(step, event::What::Summary(Summary { value }));
    }

    fn write(&mut self, step: u64, what: event::What) {
        let event = Event { wall_time: now_s(), step: step as i64, what: Some(what) };
        let Some(out) = &mut self.out else { return };
        let written = write_frame(out, &event.encode_to_vec());
        self.give_up_on(written);
        if self.flushed.elapsed() >= FLUSH_EVERY {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.flushed = Instant::now();
        let Some(out) = &mut self.out else { return };
        let flushed = out.flush();
        self.give_up_on(flushed);
    }

    fn give_up_on(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            tracing::warn!(%error, "{} ends here: it could not be written", self.path.display());
            // Not tried once more by the buffer's drop.
            if let Some(out) = self.out.take() {
                drop(out.into_parts());
            }
        }
    }
}

impl Drop for EventFile {
    fn drop(&mut self) {
        self.flush();
    }
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn scalar(tag: &str, number: f64) -> Value {
    Value { tag: tag.to_owned(), metadata: None, value: Some(value::Value::SimpleValue(number as f32)) }
}

/// How often each class was trained on: bucket c of the histogram is class c. TensorBoard takes `min` for where the first
/// bucket begins and `max` for where the last one ends, so these are edges of buckets too, not the classes seen.
fn class_counts(counts: &[u64]) -> Option<Value> {
    let of_class = || counts.iter().enumerate().map(|(class, &count)| (class as f64, count as f64));
    if counts.iter().all(|&count| count == 0) {
        return None;
    }
    let histogram = Histogram {
        min: -0.5,
        max: counts.len() as f64 - 0.5,
        num: of_class().map(|(_, count)| count).sum(),
        sum: of_class().map(|(class, count)| class * count).sum(),
        sum_squares: of_class().map(|(class, count)| class * class * count).sum(),
        bucket_limit: of_class().map(|(class, _)| class + 0.5).collect(),
        bucket: of_class().map(|(_, count)| count).collect(),
    };
    let value = Some(value::Value::Histo(histogram));
    Some(Value { tag: "epoch/classes".to_owned(), metadata: None, value })
}

fn image(seen: &Glimpse) -> Option<Value> {
    let png = dashboard::strip_of(seen).ok()?;
    let image =
        Image { height: png.height as i32, width: png.width as i32, colorspace: RGB, encoded_image_string: png.bytes };
    Some(Value { tag: "train/pictures".to_owned(), metadata: None, value: Some(value::Value::Image(image)) })
}

/// The settings of a resolved recipe, by their dotted names: numbers and switches as such, all else as text.
pub fn settings_of(recipe: &str) -> Settings {
    let mut found = Settings::new();
    for (key, value) in recipe.parse::<toml::Table>().into_iter().flatten() {
        collect(&key, &value, &mut found);
    }
    found
}

fn collect(key: &str, value: &toml::Value, found: &mut Settings) {
    let kind = match value {
        toml::Value::Integer(number) => Kind::NumberValue(*number as f64),
        toml::Value::Float(number) => Kind::NumberValue(*number),
        toml::Value::Boolean(switch) => Kind::BoolValue(*switch),
        toml::Value::String(text) => Kind::StringValue(text.clone()),
        toml::Value::Datetime(moment) => Kind::StringValue(moment.to_string()),
        toml::Value::Array(values) if values.iter().any(|value| value.is_table() || value.is_array()) => {
            for (number, value) in values.iter().enumerate() {
                collect(&format!("{key}.{number}"), value, found);
            }
            return;
        }
        toml::Value::Array(values) => Kind::StringValue(toml::Value::Array(values.clone()).to_string()),
        toml::Value::Table(table) => {
            for (inner, value) in table {
                collect(&format!("{key}.{inner}"), value, found);
            }
            return;
        }
    };
    found.insert(key.to_owned(), HyperParameter { kind: Some(kind) });
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use fastgarden_data::framing::check_frame;
    use fastgarden_data::shared::lock;

    use super::*;

    /// The events of the one file in a folder.
    fn events_in(folder: &Path) -> Vec<Event> {
        let path = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        let bytes = std::fs::read(path).unwrap();
        let (mut at, mut events) = (0, Vec::new());
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            let payload = check_frame(&bytes[at..at + 16 + length]).unwrap();
            events.push(Event::decode(payload).unwrap());
            at += 16 + length;
        }
        events
    }

    #[test]
    fn an_event_file_is_a_tfrecord_file_that_begins_with_its_version() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(folder.path()).unwrap();
        file.step(1, Some(4.5), 1e-3);
        file.step(2, None, 2e-3);
        drop(file);
        let events = events_in(folder.path());
        assert_eq!(events[0].what, Some(event::What::FileVersion(FILE_VERSION.to_owned())));
        assert_eq!(events[1].step, 1);
        let expected = Summary { value: vec![scalar("train/loss", 4.5), scalar("train/learning_rate", 1e-3)] };
        assert_eq!(events[1].what, Some(event::What::Summary(expected)));
        let expected = Summary { value: vec![scalar("train/learning_rate", 2e-3)] };
        assert_eq!(events[2].what, Some(event::What::Summary(expected)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_ends_the_events_with_one_warning_and_nothing_else() {
        let heard = Heard::default();
        let subscriber = tracing_subscriber::fmt().with_writer(heard.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            let out = BufWriter::new(File::options().write(true).open("/dev/full").unwrap());
            let mut file = EventFile { path: "events.out.tfevents.1".into(), out: Some(out), flushed: Instant::now() };
            // More than its buffer holds, and a look whether it is tried again afterwards.
            (1..1_000).for_each(|step| file.step(step, Some(4.5), 1e-3));
            assert!(file.out.is_none());
        });
        let told = String::from_utf8(lock(&heard.0).clone()).unwrap();
        assert_eq!(told.matches("events.out.tfevents.1 ends here").count(), 1, "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }

    /// Log lines.
    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Heard {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn settings_keep_their_kinds_and_dotted_names() {
        let found = settings_of("name = \"a\"\n[net]\nlayers = [3, 4]\nse = true\n[[stage]]\nlr = 0.5\n");
        let kind = |key: &str| found[key].kind.clone().unwrap();
        assert_eq!(kind("name"), Kind::StringValue("a".to_owned()));
        assert_eq!(kind("net.layers"), Kind::StringValue("[3, 4]".to_owned()));
        assert_eq!(kind("net.se"), Kind::BoolValue(true));
        assert_eq!(kind("stage.0.lr"), Kind::NumberValue(0.5));
    }

    #[test]
    fn class_counts_are_a_histogram_over_class_numbers() {
        assert_eq!(class_counts(&[0, 0]), None);
        let Some(Value { value: Some(value::Value::Histo(histogram)), .. }) = class_counts(&[0, 3, 1]) else {
            panic!("a histogram");
        };
        assert_eq!((histogram.min, histogram.max, histogram.num, histogram.sum), (-0.5, 2.5, 4.0, 5.0));
        assert_eq!(histogram.bucket_limit, [0.5, 1.5, 2.5]);
        assert_eq!(histogram.bucket, [0.0, 3.0, 1.0]);
    }
}
