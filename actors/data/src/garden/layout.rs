//! The garden on disk: TFRecord shards in the layout and naming of the Kaggle set, written in parallel.
//! Not here: what the pictures show.
//!
//! `garden.partial` is written before the first shard and `garden.json` after the last, each naming the garden: a
//! folder with the first alone was interrupted and is begun anew; a folder with neither, but not empty, isn't ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use serde::{Deserialize, Serialize};

use super::{Drawing, FIRST_VALIDATION_IMAGE, class_names, draw};
use crate::example::{FeatureValue, encode_example};
use crate::limits::VIEW_SIDE_PX_MAX;
use crate::random::{Draws, Purpose};
use crate::shard_writer::ShardWriter;

/// Changes whenever the same (seed, image number) would give another picture, class or id.
const PAINTER_VERSION: u32 = 1;
/// Present in finished gardens.
const FINISHED: &str = "garden.json";
/// Present in gardens that are being written or were interrupted.
const PARTIAL: &str = "garden.partial";
/// Smallest pictures that still show something, pixels a side.
const SIDE_PX_MIN: u32 = 16;

/// Which garden to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GardenSpec {
    /// Another seed, other pictures of the same flowers.
    pub seed: u64,
    /// Sides of the pictures, pixels; each size gets a folder with the same ids and splits.
    pub sizes_px: Vec<u32>,
    /// Pictures in the training split.
    pub train_records: u32,
    /// Pictures in the validation split.
    pub validation_records: u32,
    /// Records a training shard; the validation split has as many shards.
    pub records_per_shard: u32,
}

impl Default for GardenSpec {
    /// The counts of the Kaggle set: 12,753 and 3,712 pictures in 16 shards each, at 224 px.
    fn default() -> Self {
        Self { seed: 1, sizes_px: vec![224], train_records: 12_753, validation_records: 3_712, records_per_shard: 798 }
    }
}

/// What [`write()`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GardenSummary {
    /// Whether the garden was there already, and nothing was written.
    pub already_there: bool,
    /// Pictures, all sizes together.
    pub images: u64,
    /// Shards, all sizes together.
    pub shards: u64,
    /// One folder a size, in the order of the specification.
    pub folders: Vec<PathBuf>,
}

/// Why a garden was not written.
#[derive(Debug, thiserror::Error)]
pub enum GardenError {
    /// The specification makes no sense.
    #[error("no garden of {0}")]
    Spec(String),
    /// The folder holds something else.
    #[error("{} holds files that are no garden; name an empty or a new folder", .0.display())]
    FolderInUse(PathBuf),
    /// The folder holds another garden.
    #[error("{} holds another garden ({found}); name another folder, or delete that one", path.display())]
    OtherGarden {
        /// The folder.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// The disk said no.
    #[error("{}: {source}; free space or choose another folder", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What stands in `garden.json` and `garden.partial`.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Label {
    painter_version: u32,
    spec: GardenSpec,
}

/// One shard to write.
struct Job {
    path: PathBuf,
    size_px: u32,
    first_image: u32,
    records: u32,
}

/// Writes a garden below `out`: `tfrecords-jpeg-<S>x<S>/{train,val}/NN-<S>x<S>-<count>.tfrec` for each size, and
/// `classes.txt`. `progress(done, total)` counts pictures and is called from several threads.
///
/// A finished garden of the same kind (with these sizes or more) is left alone; an interrupted one is begun anew.
pub fn write(
    spec: &GardenSpec,
    out: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<GardenSummary, GardenError> {
    check(spec)?;
    let jobs = plan(spec, out);
    let total: u64 = jobs.iter().map(|job| u64::from(job.records)).sum();
    let mut summary = GardenSummary {
        already_there: true,
        images: total,
        shards: jobs.len() as u64,
        folders: spec.sizes_px.iter().map(|&size_px| folder(out, size_px)).collect(),
    };
    if is_there(spec, out)? {
        return Ok(summary);
    }
    let label = Label { painter_version: PAINTER_VERSION, spec: spec.clone() };
    let label = serde_json::to_vec_pretty(&label).expect("numbers and lists of numbers serialise");
    fs::create_dir_all(out).map_err(io_error(out))?;
    replace(&out.join(PARTIAL), &label)?;
    for size_folder in &summary.folders {
        for split in ["train", "val"] {
            let split_folder = size_folder.join(split);
            fs::create_dir_all(&split_folder).map_err(io_error(&split_folder))?;
        }
        replace(&size_folder.join("classes.txt"), &class_list())?;
    }
    replace(&out.join("classes.txt"), &class_list())?;
    write_all(spec.seed, &jobs, total, progress)?;
    replace(&out.join(FINISHED), &label)?;
    let partial = out.join(PARTIAL);
    fs::remove_file(&partial).map_err(io_error(&partial))?;
    summary.already_there = false;
    Ok(summary)
}

fn check(spec: &GardenSpec) -> Result<(), GardenError> {
    let no = |what: String| Err(GardenError::Spec(what));
    if spec.sizes_px.is_empty() {
        return no("no size; name one, as in --sizes 224".into());
    }
    for (place, &size_px) in spec.sizes_px.iter().enumerate() {
        if !(SIDE_PX_MIN..=VIEW_SIDE_PX_MAX).contains(&size_px) {
            return no(format!("{size_px} px; sizes lie between {SIDE_PX_MIN} and {VIEW_SIDE_PX_MAX} px"));
        }
        if spec.sizes_px[..place].contains(&size_px) {
            return no(format!("the size {size_px} px twice; name it once"));
        }
    }
    if spec.train_records == 0 || spec.validation_records == 0 || spec.records_per_shard == 0 {
        return no("no pictures; each split and each shard needs at least one".into());
    }
    if spec.train_records > FIRST_VALIDATION_IMAGE || spec.validation_records > FIRST_VALIDATION_IMAGE {
        return no(format!("more than {FIRST_VALIDATION_IMAGE} pictures in a split"));
    }
    Ok(())
}

/// Whether `out` holds the garden already. Removes what an interrupted run left; refuses what isn't ours.
fn is_there(spec: &GardenSpec, out: &Path) -> Result<bool, GardenError> {
    let finished = out.join(FINISHED);
    let partial = out.join(PARTIAL);
    if finished.exists() {
        let found = read_label(out, &finished)?;
        let same = found.painter_version == PAINTER_VERSION
            && spec.sizes_px.iter().all(|size_px| found.spec.sizes_px.contains(size_px))
            && GardenSpec { sizes_px: Vec::new(), ..found.spec.clone() }
                == GardenSpec { sizes_px: Vec::new(), ..spec.clone() };
        return if same { Ok(true) } else { Err(other_garden(out, &found)) };
    }
    if partial.exists() {
        for &size_px in &read_label(out, &partial)?.spec.sizes_px {
            let leftover = folder(out, size_px);
            if leftover.exists() {
                fs::remove_dir_all(&leftover).map_err(io_error(&leftover))?;
            }
        }
        return Ok(false);
    }
    match fs::read_dir(out) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(GardenError::FolderInUse(out.into())),
            None => Ok(false),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error(out)(error)),
    }
}

fn read_label(out: &Path, path: &Path) -> Result<Label, GardenError> {
    let bytes = fs::read(path).map_err(io_error(path))?;
    serde_json::from_slice(&bytes).map_err(|_| GardenError::FolderInUse(out.into()))
}

fn other_garden(out: &Path, found: &Label) -> GardenError {
    let spec = &found.spec;
    let sizes: Vec<String> = spec.sizes_px.iter().map(u32::to_string).collect();
    let found = format!(
        "seed {}, {} px, {} + {} pictures, {} a shard, painter {}",
        spec.seed,
        sizes.join(", "),
        spec.train_records,
        spec.validation_records,
        spec.records_per_shard,
        found.painter_version
    );
    GardenError::OtherGarden { path: out.into(), found }
}

fn folder(out: &Path, size_px: u32) -> PathBuf {
    out.join(format!("tfrecords-jpeg-{size_px}x{size_px}"))
}

fn class_list() -> Vec<u8> {
    let mut list = class_names().join("\n");
    list.push('\n');
    list.into_bytes()
}

/// Every shard, larger ones first so that all threads end at about the same time.
fn plan(spec: &GardenSpec, out: &Path) -> Vec<Job> {
    let shards = spec.train_records.div_ceil(spec.records_per_shard);
    let splits = [
        ("train", 0, spec.train_records, spec.records_per_shard),
        ("val", FIRST_VALIDATION_IMAGE, spec.validation_records, spec.validation_records.div_ceil(shards)),
    ];
    let mut jobs = Vec::new();
    for &size_px in &spec.sizes_px {
        for (split, first_image, records, a_shard) in splits {
            for shard in 0..records.div_ceil(a_shard) {
                let begin = shard * a_shard;
                let count = a_shard.min(records - begin);
                let name = format!("{shard:02}-{size_px}x{size_px}-{count}.tfrec");
                let path = folder(out, size_px).join(split).join(name);
                jobs.push(Job { path, size_px, first_image: first_image + begin, records: count });
            }
        }
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(u64::from(job.records) * u64::from(job.size_px).pow(2)));
    jobs
}

/// Writes the shards on all cores; the first error stops all threads.
fn write_all(seed: u64, jobs: &[Job], total: u64, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<(), GardenError> {
    let (next, done, stop) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let written = write_shard(seed, job, &stop, &|| progress(done.fetch_add(1, Ordering::Relaxed) + 1, total));
            if let Err(source) = written {
                stop.store(true, Ordering::Relaxed);
                return Err(io_error(&job.path)(source));
            }
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut outcome = Ok(());
        for worker in workers {
            let result = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome = outcome.and(result);
        }
        outcome
    })
}

fn write_shard(seed: u64, job: &Job, stop: &AtomicBool, tick: &dyn Fn()) -> io::Result<()> {
    let mut shard = ShardWriter::create(&job.path)?;
    for image_number in job.first_image..job.first_image + job.records {
        if stop.load(Ordering::Relaxed) {
            // Dropping the writer leaves nothing behind; the error is reported by the thread that met it.
            return Ok(());
        }
        let drawing = draw(seed, image_number, job.size_px);
        let jpeg = encode(seed, image_number, job.size_px, &drawing)?;
        shard.write(&encode_example(&[
            ("class", FeatureValue::Int64(i64::from(drawing.class))),
            ("id", FeatureValue::Bytes(drawing.id.as_bytes())),
            ("image", FeatureValue::Bytes(&jpeg)),
        ]))?;
        tick();
    }
    shard.finish().map(|_| ())
}

/// A baseline JPEG, 4:2:0, of a quality between 86 and 93.
pub(super) fn encode(seed: u64, image_number: u32, size_px: u32, drawing: &Drawing) -> io::Result<Vec<u8>> {
    let quality = 86 + Draws::new(seed, 0, u64::from(image_number), 8, Purpose::Garden).below(8) as u8;
    let side = u16::try_from(size_px).map_err(io::Error::other)?;
    let mut jpeg = Vec::with_capacity(drawing.pixels.len() / 8);
    let mut encoder = Encoder::new(&mut jpeg, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(&drawing.pixels, side, side, ColorType::Rgb).map_err(io::Error::other)?;
    Ok(jpeg)
}

/// Writes a small file so that it is there whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), GardenError> {
    let temporary = path.with_extension("new");
    let written = fs::File::create(&temporary).and_then(|mut file| {
        io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&temporary, path)).map_err(io_error(path))
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> GardenError {
    let path = path.to_path_buf();
    move |source| GardenError::Io { path: path.clone(), source }
}
