//! A sampler together with the records that it draws from: checked once, so that every plan is drawn without fail.
//! Not here: drawing (see `draw`).

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::classes::Classes;
use super::epochs::EpochsFile;
use super::weights::WeightsById;
use super::{Sampler, Weights};
use crate::columns::Columns;

/// Why a sampler can't draw from some records. Messages name records by number; see [`SamplerError::record`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamplerError {
    /// Classes or ids were not read.
    #[error("a {sampler} sampler needs class and id of every record, and they are not at hand")]
    NoColumns {
        /// The sampler's name.
        sampler: &'static str,
    },
    /// No record says what it is.
    #[error("a {sampler} sampler goes by classes, and no record has one")]
    NoClasses {
        /// The sampler's name.
        sampler: &'static str,
    },
    /// All records are of one class.
    #[error("a {sampler} sampler needs two classes, and all records are of class {class}")]
    OneClass {
        /// The sampler's name.
        sampler: &'static str,
        /// That class.
        class: i64,
    },
    /// A class that no pair can be made of.
    #[error(
        "a {sampler} sampler makes pairs within each class, and class {class} has a single example; add one, or write the \
         epochs to a file and use the sampler `file`"
    )]
    SingleExample {
        /// The sampler's name.
        sampler: &'static str,
        /// The class.
        class: i64,
        /// Its only record.
        record: u32,
    },
    /// Only records without weight are there.
    #[error("all records that there are have the weight 0: nothing could be drawn")]
    NoWeight,
    /// A record that the file of weights leaves out.
    #[error("the file has {lines} weights, and a training record has none there: {}", in_words(.id.as_deref()))]
    MissingWeight {
        /// Weights in the file.
        lines: usize,
        /// The record's id, where it has one.
        id: Option<String>,
        /// The record.
        record: u32,
    },
    /// An id that the data doesn't have.
    #[error("line {line}: no training record has the id {id:?}")]
    UnknownId {
        /// From 1.
        line: usize,
        /// The id.
        id: String,
    },
    /// An id of several records.
    #[error("line {line}: two training records have the id {id:?}")]
    AmbiguousId {
        /// From 1.
        line: usize,
        /// The id.
        id: String,
    },
    /// An id of a record that is held out.
    #[error("line {line}: the record with the id {id:?} is held out for evaluation")]
    HeldOut {
        /// From 1.
        line: usize,
        /// The id.
        id: String,
    },
    /// The user's epochs end too early.
    #[error("the file has no tickets for epoch {epoch}, which is trained")]
    MissingEpoch {
        /// Over the lineage, from 1.
        epoch: u32,
    },
}

impl SamplerError {
    /// The record at fault, to name its place.
    pub fn record(&self) -> Option<u32> {
        match self {
            Self::SingleExample { record, .. } | Self::MissingWeight { record, .. } => Some(*record),
            _ => None,
        }
    }
}

fn in_words(id: Option<&str>) -> String {
    id.map_or_else(|| "it has no id".to_owned(), |id| format!("its id is {id:?}"))
}

/// The records that may be drawn, and what is known of them.
#[derive(Clone, Copy, Debug)]
pub struct Population<'a> {
    /// Records of the split.
    split: u32,
    kept: Option<&'a Arc<[u32]>>,
    columns: Option<&'a Columns>,
    classes: Option<i64>,
}

impl<'a> Population<'a> {
    /// All records of a split of so many, of which nothing is known.
    pub fn all(records: u32) -> Self {
        Self { split: records, kept: None, columns: None, classes: None }
    }

    /// With class and id of every record of the split; classes outside 0..`classes` are none.
    pub fn with_columns(self, columns: &'a Columns, classes: Option<i64>) -> Self {
        Self { columns: Some(columns), classes, ..self }
    }

    /// Only these records of the split, ascending; the others are held out.
    pub fn only(self, records: &'a Arc<[u32]>) -> Self {
        debug_assert!(records.is_sorted() && records.last().is_none_or(|&last| last < self.split));
        Self { kept: Some(records), ..self }
    }

    /// How many may be drawn.
    pub fn len(&self) -> usize {
        self.kept.map_or(self.split as usize, |kept| kept.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records that may be drawn, ascending.
    pub fn records(&self) -> impl Iterator<Item = u32> {
        (0..self.len()).map(|place| self.kept.map_or(place as u32, |kept| kept[place]))
    }

    fn has(&self, record: u32) -> bool {
        self.kept.is_none_or(|kept| kept.binary_search(&record).is_ok())
    }

    fn columns(&self, sampler: &'static str) -> Result<&'a Columns, SamplerError> {
        self.columns.ok_or(SamplerError::NoColumns { sampler })
    }

    /// The class of a record, if it has a proper one.
    pub(super) fn label(&self, record: u32, sampler: &'static str) -> Result<Option<i64>, SamplerError> {
        let label = self.columns(sampler)?.labels[record as usize];
        Ok(label.filter(|label| self.classes.is_none_or(|classes| (0..classes).contains(label))))
    }
}

/// A sampler and the records that it draws from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BoundSampler {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Records that may be drawn; `None` = 0 to below `len`.
    pub(super) kept: Option<Arc<[u32]>>,
    /// How many those are.
    pub(super) len: u32,
    /// Tickets of an epoch, where every epoch has as many.
    pub(super) tickets: u32,
    pub(super) records_per_ticket: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Sequential,
    Shuffled,
    Balanced(Arc<Classes>),
    /// Sums of the weights up to each place of the population.
    Weighted(Arc<[f64]>),
    Hard {
        uniform_share: f64,
    },
    Triplet(Arc<Classes>),
    Siamese(Arc<Classes>, f64),
    /// Records of the tickets, by epoch.
    File(Arc<BTreeMap<Option<u32>, Vec<u32>>>),
}

impl BoundSampler {
    /// All records in the order of the shards.
    pub fn sequential(records: u32) -> Self {
        Self::plain(&Sampler::Sequential, Kind::Sequential, &Population::all(records))
    }

    /// All records in a fresh permutation each epoch.
    pub fn shuffled(records: u32) -> Self {
        Self::plain(&Sampler::Shuffled, Kind::Shuffled, &Population::all(records))
    }

    /// Some records of a split, ascending.
    pub fn sequential_of(split: u32, records: &Arc<[u32]>) -> Self {
        Self::plain(&Sampler::Sequential, Kind::Sequential, &Population::all(split).only(records))
    }

    fn plain(sampler: &Sampler, kind: Kind, population: &Population<'_>) -> Self {
        let len = population.len() as u32;
        Self {
            name: sampler.name(),
            kind,
            kept: population.kept.cloned(),
            len,
            tickets: len,
            records_per_ticket: sampler.records_per_ticket(),
        }
    }

    /// The sampler's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Records of each ticket, 1 to 3.
    pub fn records_per_ticket(&self) -> usize {
        self.records_per_ticket
    }

    /// Whether plans go by the losses of earlier epochs.
    pub fn needs_losses(&self) -> bool {
        matches!(self.kind, Kind::Hard { .. })
    }

    /// Tickets of an epoch, counted over the lineage from 1, before any cap.
    pub fn tickets(&self, epoch: u32) -> u64 {
        match &self.kind {
            Kind::File(epochs) => {
                let records = epochs.get(&None).or_else(|| epochs.get(&Some(epoch))).map_or(0, Vec::len);
                (records / self.records_per_ticket) as u64
            }
            _ => u64::from(self.tickets),
        }
    }

    /// Checks that there is something to draw for these epochs of the lineage.
    ///
    /// # Errors
    /// When a file of epochs lacks one of them.
    pub fn check_epochs(&self, mut epochs: RangeInclusive<u32>) -> Result<(), SamplerError> {
        let Kind::File(there) = &self.kind else { return Ok(()) };
        match epochs.find(|epoch| !there.contains_key(&None) && !there.contains_key(&Some(*epoch))) {
            Some(epoch) => Err(SamplerError::MissingEpoch { epoch }),
            None => Ok(()),
        }
    }
}

/// See [`Sampler::bind`].
pub(super) fn bind(sampler: &Sampler, population: &Population<'_>) -> Result<BoundSampler, SamplerError> {
    let name = sampler.name();
    let (kind, tickets) = match sampler {
        Sampler::Sequential => (Kind::Sequential, &None),
        Sampler::Shuffled => (Kind::Shuffled, &None),
        Sampler::Balanced { tickets } => (Kind::Balanced(Arc::new(Classes::of(population, name)?)), tickets),
        Sampler::Weighted { weights, tickets } => (Kind::Weighted(sums(weights, population)?), tickets),
        Sampler::Hard { uniform_share, tickets } => (Kind::Hard { uniform_share: *uniform_share }, tickets),
        Sampler::Triplet { tickets } => (Kind::Triplet(paired(population, name)?), tickets),
        Sampler::Siamese { same_share, tickets } => (Kind::Siamese(paired(population, name)?, *same_share), tickets),
        Sampler::File(epochs) => (Kind::File(Arc::new(resolve(epochs, population)?)), &None),
    };
    let bound = BoundSampler::plain(sampler, kind, population);
    // A population without records has empty plans, whatever was asked for.
    let tickets = tickets.filter(|_| bound.len > 0).unwrap_or(bound.len);
    Ok(BoundSampler { tickets, ..bound })
}

fn paired(population: &Population<'_>, sampler: &'static str) -> Result<Arc<Classes>, SamplerError> {
    let classes = Classes::of(population, sampler)?;
    classes.check_pairs(sampler)?;
    Ok(Arc::new(classes))
}

fn sums(weights: &Weights, population: &Population<'_>) -> Result<Arc<[f64]>, SamplerError> {
    let weigh: Box<dyn Fn(u32) -> Result<f64, SamplerError>> = match weights {
        // A record of no class, or of one beyond the weights, would only be quarantined.
        Weights::ByClass(weights) => Box::new(|record| {
            let label = population.label(record, "weighted")?.and_then(|label| usize::try_from(label).ok());
            Ok(label.and_then(|label| weights.get(label)).copied().unwrap_or(0.0))
        }),
        Weights::ById(weights) => {
            refuse_unknown_ids(weights, population)?;
            Box::new(|record| {
                let id = id_of(population, record)?;
                let weight = id.as_deref().and_then(|id| weights.get(id));
                weight.ok_or(SamplerError::MissingWeight { lines: weights.len(), id, record })
            })
        }
    };
    let mut sum = 0.0;
    let sums: Result<Arc<[f64]>, _> = population
        .records()
        .map(|record| {
            sum += weigh(record)?;
            Ok(sum)
        })
        .collect();
    let sums = sums?;
    // Where many records share a class, the sum may grow beyond what a list of class weights showed.
    if !sums.last().is_some_and(|&total| total > 0.0 && total.is_finite()) {
        return Err(SamplerError::NoWeight);
    }
    Ok(sums)
}

fn id_of(population: &Population<'_>, record: u32) -> Result<Option<String>, SamplerError> {
    let id = population.columns("weighted")?.id(record).filter(|id| !id.is_empty());
    Ok(id.map(|id| String::from_utf8_lossy(id).into_owned()))
}

/// An id that no record of the split has is a slip; one of a record that is held out is not.
fn refuse_unknown_ids(weights: &WeightsById, population: &Population<'_>) -> Result<(), SamplerError> {
    let known = records_by_id(population.columns("weighted")?);
    let unknown = weights.ids().filter(|(id, _)| !known.contains_key(id.as_bytes())).min_by_key(|(_, line)| *line);
    unknown.map_or(Ok(()), |(id, line)| Err(SamplerError::UnknownId { line, id: id.to_owned() }))
}

/// The record of each id; `None` where several have it.
fn records_by_id(columns: &Columns) -> HashMap<&[u8], Option<u32>> {
    let mut records = HashMap::with_capacity(columns.labels.len());
    for record in 0..columns.labels.len() as u32 {
        if let Some(id) = columns.id(record).filter(|id| !id.is_empty()) {
            records.entry(id).and_modify(|known| *known = None).or_insert(Some(record));
        }
    }
    records
}

fn resolve(file: &EpochsFile, population: &Population<'_>) -> Result<BTreeMap<Option<u32>, Vec<u32>>, SamplerError> {
    let known = records_by_id(population.columns("file")?);
    let of_ticket = |line: usize, id: &String| match known.get(id.as_bytes()) {
        None => Err(SamplerError::UnknownId { line, id: id.clone() }),
        Some(None) => Err(SamplerError::AmbiguousId { line, id: id.clone() }),
        Some(Some(record)) if !population.has(*record) => Err(SamplerError::HeldOut { line, id: id.clone() }),
        Some(Some(record)) => Ok(*record),
    };
    let of_epoch = |(epoch, entries): (Option<u32>, &[super::epochs::Entry])| {
        let ids = entries.iter().flat_map(|entry| entry.ids.iter().map(|id| of_ticket(entry.line, id)));
        ids.collect::<Result<Vec<u32>, _>>().map(|records| (epoch, records))
    };
    file.epochs().map(of_epoch).collect()
}
