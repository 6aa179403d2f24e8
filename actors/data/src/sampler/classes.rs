//! The records of each class, for samplers that go by them.
//! Not here: reading classes from records (see `columns`).

use super::bind::{Population, SamplerError};

/// Records by class.
#[derive(Debug, PartialEq)]
pub(super) struct Classes {
    /// Records class by class, ascending within each.
    records: Vec<u32>,
    /// Where each class ends in `records`; classes without records are left out.
    ends: Vec<u32>,
    /// Which class each is.
    labels: Vec<i64>,
}

impl Classes {
    /// Of the records of a population that have a class; others would only be quarantined.
    pub fn of(population: &Population<'_>, sampler: &'static str) -> Result<Self, SamplerError> {
        let mut pairs: Vec<(i64, u32)> = Vec::with_capacity(population.len());
        for record in population.records() {
            pairs.extend(population.label(record, sampler)?.map(|label| (label, record)));
        }
        pairs.sort_unstable();
        let mut classes = Self { records: Vec::with_capacity(pairs.len()), ends: Vec::new(), labels: Vec::new() };
        for (label, record) in pairs {
            if classes.labels.last() != Some(&label) {
                classes.labels.push(label);
                classes.ends.push(0);
            }
            classes.records.push(record);
            if let Some(end) = classes.ends.last_mut() {
                *end = classes.records.len() as u32;
            }
        }
        if classes.labels.is_empty() {
            return Err(SamplerError::NoClasses { sampler });
        }
        Ok(classes)
    }

    /// Refuses what no pairs can be made of.
    pub fn check_pairs(&self, sampler: &'static str) -> Result<(), SamplerError> {
        if self.len() < 2 {
            return Err(SamplerError::OneClass { sampler, class: self.labels[0] });
        }
        match (0..self.len()).find(|&class| self.of_class(class).len() < 2) {
            Some(class) => {
                let (record, class) = (self.of_class(class)[0], self.labels[class]);
                Err(SamplerError::SingleExample { sampler, class, record })
            }
            None => Ok(()),
        }
    }

    /// Classes that have records.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Records of a class, by its place among those that have any.
    pub fn of_class(&self, class: usize) -> &[u32] {
        &self.records[self.start(class)..self.ends[class] as usize]
    }

    fn start(&self, class: usize) -> usize {
        class.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }

    /// All records that have a class, class by class. Their places in this list are what draws of partners go by.
    pub fn all(&self) -> &[u32] {
        &self.records
    }

    /// The record at a place of [`Classes::all`] that is `draw`-th of the same class as the one at `place`, that one left
    /// out; `draw` is below [`Classes::partners`]'s first number.
    pub fn same(&self, place: u32, draw: u64) -> u32 {
        let class = self.class_at(place);
        let start = self.start(class) as u64;
        let partner = start + draw;
        self.records[(if partner >= u64::from(place) { partner + 1 } else { partner }) as usize]
    }

    /// The `draw`-th record of another class than that at `place`; below [`Classes::partners`]'s second number.
    pub fn other(&self, place: u32, draw: u64) -> u32 {
        let class = self.class_at(place);
        let (start, end) = (self.start(class) as u64, u64::from(self.ends[class]));
        self.records[(if draw >= start { draw + end - start } else { draw }) as usize]
    }

    /// How many records are of the same class, the one at `place` left out, and how many of others.
    pub fn partners(&self, place: u32) -> (u64, u64) {
        let of_class = self.of_class(self.class_at(place)).len() as u64;
        (of_class - 1, self.records.len() as u64 - of_class)
    }

    fn class_at(&self, place: u32) -> usize {
        self.ends.partition_point(|&end| end <= place)
    }
}
