//! Weights of classes or records: from a list, or from CSV text.
//! Not here: drawing by them (see `draw`).

use std::collections::BTreeMap;

use super::file_error::{FileError, shown};

/// The weight of each record, by its id.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightsById(BTreeMap<String, Weight>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Weight {
    value: f64,
    line: usize,
}

impl WeightsById {
    /// From CSV with the header `id,weight`, an id a line, each once.
    ///
    /// # Errors
    /// With the line, for what is no such file, and for weights that are negative, not finite, or all 0.
    pub fn from_csv(text: &str) -> Result<Self, FileError> {
        let mut weights = BTreeMap::new();
        let mut total = 0.0;
        for row in rows(text, "id")? {
            let (line, id, value) = row?;
            total += value;
            if let Some(before) = weights.insert(id.to_owned(), Weight { value, line }) {
                let what = format!("the id {} was on line {} already", shown(id), before.line);
                return Err(FileError::new(line, what));
            }
        }
        check_total(total, text)?;
        Ok(Self(weights))
    }

    /// The weight of an id.
    pub fn get(&self, id: &str) -> Option<f64> {
        self.0.get(id).map(|weight| weight.value)
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none, which no file has.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ids with their lines, in order of the ids.
    pub fn ids(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.iter().map(|(id, weight)| (id.as_str(), weight.line))
    }
}

/// The weight of each class from CSV with the header `class,weight`: every class from 0 to below `classes` once.
///
/// # Errors
/// With the line, for what is no such file, and for weights that are negative, not finite, or all 0.
pub fn class_weights_from_csv(text: &str, classes: usize) -> Result<Vec<f64>, FileError> {
    let mut weights: Vec<Option<f64>> = vec![None; classes];
    for row in rows(text, "class")? {
        let (line, class, value) = row?;
        let Some(slot) = class.parse::<usize>().ok().and_then(|class| weights.get_mut(class)) else {
            let what = format!("{} is no class: they are the numbers from 0 to {}", shown(class), classes.max(1) - 1);
            return Err(FileError::new(line, what));
        };
        if slot.replace(value).is_some() {
            return Err(FileError::new(line, format!("class {class} has a weight already")));
        }
    }
    let end = text.lines().count();
    if let Some(class) = weights.iter().position(Option::is_none) {
        let given = weights.iter().flatten().count();
        let what = format!("the file has weights of {given} classes, not of all {classes}: class {class} has none");
        return Err(FileError::new(end, what));
    }
    let weights: Vec<f64> = weights.into_iter().flatten().collect();
    check_total(weights.iter().sum(), text)?;
    Ok(weights)
}

/// Checks a list of weights, one a class.
///
/// # Errors
/// In words, for another number of them than of classes, and for weights that are negative, not finite, or all 0.
pub fn class_weights(weights: &[f64], classes: usize) -> Result<(), String> {
    if weights.len() != classes {
        return Err(format!("there are {} weights, and there are {classes} classes", weights.len()));
    }
    if let Some((class, weight)) = weights.iter().enumerate().find(|(_, weight)| !is_weight(**weight)) {
        return Err(format!("the weight of class {class} is {weight}: it must be 0 or above, and finite"));
    }
    total_or_words(weights.iter().sum())
}

fn is_weight(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

fn total_or_words(total: f64) -> Result<(), String> {
    match total {
        0.0 => Err("all weights are 0: nothing could be drawn".to_owned()),
        total if !total.is_finite() => Err("the weights are too large to be added up".to_owned()),
        _ => Ok(()),
    }
}

fn check_total(total: f64, text: &str) -> Result<(), FileError> {
    total_or_words(total).map_err(|what| FileError::new(text.lines().count().max(1), what))
}

/// A line of a CSV of weights: its number, what weighs, and how much.
type Row<'a> = Result<(usize, &'a str, f64), FileError>;

/// The rows after the header `KEY,weight`; empty lines are passed over.
fn rows<'a>(text: &'a str, key: &'static str) -> Result<impl Iterator<Item = Row<'a>>, FileError> {
    let mut lines = text.trim_start_matches('\u{feff}').lines().zip(1..);
    let header = lines.next().map_or("", |(header, _)| header.trim());
    let names: Vec<&str> = header.split(',').map(unquoted).collect();
    if names != [key, "weight"] {
        let what = format!("the header is {}: it must be `{key},weight`", shown(header));
        return Err(FileError::new(1, what));
    }
    Ok(lines.filter(|(line, _)| !line.trim().is_empty()).map(move |(line, number)| {
        // From the right, so that an id may hold commas.
        let (name, weight) = line.rsplit_once(',').ok_or_else(|| {
            FileError::new(number, format!("{} is no pair of {key} and weight with a comma between", shown(line)))
        })?;
        let (name, weight) = (unquoted(name), unquoted(weight));
        if name.is_empty() {
            return Err(FileError::new(number, format!("there is no {key}")));
        }
        match weight.parse::<f64>() {
            Ok(value) if is_weight(value) => Ok((number, name, value)),
            Ok(_) => {
                let what = format!("the weight of {} is {weight}: it must be 0 or above, and finite", shown(name));
                Err(FileError::new(number, what))
            }
            Err(_) => Err(FileError::new(number, format!("{} is no number", shown(weight)))),
        }
    }))
}

fn unquoted(word: &str) -> &str {
    let word = word.trim();
    word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word)
}
