//! From `--data` to opened splits: finds shards (or draws the garden), indexes them, checks that splits don't overlap.
//! Not here: the data formats themselves (`fastgarden-data`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastgarden_data::catalog::{self, Catalog, Split};
use fastgarden_data::columns::{Columns, find_mismatch, find_overlap};
use fastgarden_data::compression::InflateBudget;
use fastgarden_data::example::FeatureNames;
use fastgarden_data::garden::{self, GardenSpec};
use fastgarden_data::index::{ErrorClass, Index, IndexError};

use crate::exit::{Complaint, Failure, OrFail as _};
use crate::progress::{Figures, Progress, ProgressKind};
use crate::recipe::{BadRecords, Data, Recipe};
use crate::run_spec::DataSource;
use crate::told::{harmless, say};

/// Pictures of the garden that `train` draws for itself: enough to learn from, few enough for two cores.
const OWN_GARDEN: (u32, u32) = (3_328, 832);

/// Feature names as the recipe gives them. The usual names mean "look for any of the usual names".
pub fn features(data: &Data) -> FeatureNames {
    let given = |name: &String, usual: &str| (name != usual).then(|| name.clone());
    FeatureNames {
        image: given(&data.image_feature, "image"),
        label: given(&data.label_feature, "class"),
        id: given(&data.id_feature, "id"),
    }
}

/// The patterns to look for shards in; draws the garden where none were given and it isn't there yet.
pub fn patterns(source: &DataSource, sizes_px: &[u32]) -> Result<Vec<String>, Failure> {
    match source {
        DataSource::Patterns(patterns) => Ok(patterns.clone()),
        DataSource::Garden => Ok(vec![own_garden(sizes_px)?.to_string_lossy().into_owned()]),
    }
}

/// The sizes of pictures a recipe reads.
pub fn sizes_px(recipe: &Recipe) -> Vec<u32> {
    let stages = recipe.stages.iter().map(|stage| stage.source_px);
    let mut sizes: Vec<u32> = stages.chain([recipe.evaluation.source_px]).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// Finds a data set; class names given by file win over those found.
pub fn find(patterns: &[String], source_px: Option<u32>, class_names: Option<&Path>) -> Result<Catalog, Failure> {
    let mut found = catalog::find(patterns, source_px).or_usage()?;
    if let Some(path) = class_names {
        found.class_names = Some(catalog::read_class_names(path).or_usage()?);
    }
    Ok(found)
}

/// Indexes one split; a split that isn't there is a usage error.
pub fn open(found: &Catalog, split: Split) -> Result<Arc<Index>, Failure> {
    let files = found.split(split).ok_or_else(|| {
        let sentence = format!("there are no {} shards in {}", split.name(), found.description);
        Failure::usage(sentence, format!("give --data a folder with {}/ in it, or a second pattern", split.name()))
    })?;
    Index::open(files, &InflateBudget::default()).map(Arc::new).map_err(of_index)
}

/// The exit code that an index error means.
pub fn of_index(error: IndexError) -> Failure {
    let class = error.class();
    let complaint = Complaint::new(error);
    match class {
        ErrorClass::Usage => Failure::Usage(complaint),
        ErrorClass::BadData => Failure::BadData(complaint),
        ErrorClass::Io => Failure::Run(complaint),
    }
}

/// The bad-record budget of a run over these splits; refuses at once when the framing alone has lost more.
pub fn bad_records_max(budget: BadRecords, indexes: &[&Index]) -> Result<u64, Failure> {
    let mut least = u64::MAX;
    for index in indexes {
        let allowed = budget.allowed(u64::from(index.len()));
        let missing = index.missing_records();
        if missing > allowed {
            let first = index.faults().first().map(|fault| format!("; first, {fault}")).unwrap_or_default();
            let cause = anyhow::anyhow!("{missing} records are missing, {allowed} may be{first}");
            let way_out = "list everything with `data verify`, mend the shards, or raise data.bad_records";
            return Err(Failure::BadData(Complaint::new(cause).way_out(way_out)));
        }
        least = least.min(allowed);
    }
    Ok(least)
}

/// Says what is wrong with the framing of a split that is used all the same.
pub fn warn_of_faults(index: &Index) {
    for fault in index.faults() {
        say(&harmless(&format!("warning {fault}")));
    }
}

/// A split with the id of every record.
pub struct Identified {
    /// The split.
    pub index: Arc<Index>,
    /// Class and id of its records.
    pub columns: Columns,
}

impl Identified {
    /// Reads the ids of a split, once.
    pub fn read(index: Arc<Index>, features: &FeatureNames) -> Result<Self, Failure> {
        let columns = Columns::read(&index, features).or_run()?;
        Ok(Self { index, columns })
    }

    /// Where a record is, in words.
    fn place(&self, record: u32) -> String {
        format!("{} at byte {}", self.index.shard_of(record).name, self.index.address(record).offset)
    }
}

/// A validation record that is also a training record, in words.
pub fn overlap(train: &Identified, validation: &Identified) -> Option<String> {
    let overlap = find_overlap((&train.index, &train.columns), (&validation.index, &validation.columns))?;
    let (one, other) = (train.place(overlap.train_record), validation.place(overlap.validation_record));
    Some(format!("a validation record is also a training record, by {}: {one} and {other}", overlap.by))
}

/// I-disjoint: refuses when a validation record is also a training record.
pub fn refuse_overlap(train: &Identified, validation: &Identified) -> Result<(), Failure> {
    let Some(cause) = overlap(train, validation).map(anyhow::Error::msg) else { return Ok(()) };
    Err(Failure::BadData(Complaint::new(cause).way_out("split the data again so that no record is in both splits")))
}

/// R3: why training splits of two sizes are not of the same pictures, in words. The sizes are for the message.
pub fn other_pictures(first: (u32, &Identified), second: (u32, &Identified)) -> Option<String> {
    let mismatch = find_mismatch(&first.1.columns, &second.1.columns)?;
    let ((of, there), (other, _)) = if mismatch.in_second { (second, first) } else { (first, second) };
    let place = there.place(mismatch.record);
    Some(match there.columns.id(mismatch.record).filter(|_| mismatch.has_id) {
        Some(id) => {
            let id = String::from_utf8_lossy(id);
            format!("the training split at {other} px has no picture of the id {id:?}: at {of} px it is {place}")
        }
        None => format!("a training record has no id to find it by at {other} px: {place} of those at {of} px"),
    })
}

/// R3: refuses training splits of two sizes that are not of the same pictures.
pub fn refuse_other_pictures(first: (u32, &Identified), second: (u32, &Identified)) -> Result<(), Failure> {
    let Some(cause) = other_pictures(first, second).map(anyhow::Error::msg) else { return Ok(()) };
    let way_out = "give --data the folders of one data set, with the same pictures in train/ at every size";
    Err(Failure::BadData(Complaint::new(cause).way_out(way_out)))
}

/// The user's cache folder of this program.
fn cache_folder() -> Result<PathBuf, Failure> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("FASTGARDEN_CACHE") {
        return Ok(folder);
    }
    let base = set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    base.or_else(|| set("HOME").map(|home| home.join(".cache"))).map(|base| base.join("fastgarden")).ok_or_else(|| {
        Failure::usage("there is no cache folder: neither FASTGARDEN_CACHE nor HOME is set", "set one, or give --data")
    })
}

/// The garden in the cache folder, drawn on first use.
fn own_garden(sizes_px: &[u32]) -> Result<PathBuf, Failure> {
    let (train_records, validation_records) = OWN_GARDEN;
    let sizes = sizes_px.iter().map(u32::to_string).collect::<Vec<_>>().join("-");
    let folder = cache_folder()?.join(format!("garden-{sizes}"));
    let spec = GardenSpec { sizes_px: sizes_px.to_vec(), train_records, validation_records, ..GardenSpec::default() };
    draw_garden(&spec, &folder)?;
    Ok(folder)
}

/// Draws a garden, telling about it. Does nothing where it is finished already.
pub fn draw_garden(spec: &GardenSpec, folder: &Path) -> Result<garden::GardenSummary, Failure> {
    let progress = Progress::new(ProgressKind::Auto);
    let progress = std::sync::Mutex::new((progress, std::time::Instant::now(), false));
    let told = |done: u64, total: u64| {
        let mut held = progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (progress, since, begun) = &mut *held;
        if !std::mem::replace(begun, true) {
            progress.note(&format!("drawing the garden, {total} pictures, once: {}", folder.display()));
            progress.start_phase(1, 1, 0, 0, "draw", total);
        }
        progress.update(&Figures::of_rate(done, done as f64 / since.elapsed().as_secs_f64().max(1e-9)));
    };
    let summary = garden::write(spec, folder, &told).map_err(of_garden)?;
    progress.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).0.finish();
    Ok(summary)
}

fn of_garden(error: garden::GardenError) -> Failure {
    Failure::Usage(Complaint::new(error))
}
