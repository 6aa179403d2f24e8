//! The checks that every section of a recipe uses, each with its one sentence.
//! Not here: which key needs which (validate.rs).

use std::ops::RangeInclusive;

use fastgarden_data::limits::VIEW_SIDE_PX_MAX;

use super::error::{RecipeError, listed, nearest};
use super::located::Node;
use super::sampling::Files;
use super::validate::Checked;

/// What a number must be, in words and as a test.
pub struct Bound {
    pub words: &'static str,
    pub holds: fn(f64) -> bool,
}

pub const POSITIVE: Bound = Bound { words: "a number above 0", holds: |value| value > 0.0 };
pub const NOT_NEGATIVE: Bound = Bound { words: "0 or above", holds: |value| value >= 0.0 };
pub const SHARE_BELOW_ONE: Bound = Bound { words: "from 0 to below 1", holds: |value| (0.0..1.0).contains(&value) };
pub const SHARE_ABOVE_ZERO: Bound =
    Bound { words: "above 0 and at most 1", holds: |value| value > 0.0 && value <= 1.0 };

/// The recipe under scrutiny, for places in messages.
pub struct Check<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// The document.
    pub root: &'a Node,
    /// Where the files that it names are.
    pub files: &'a dyn Files,
}

/// The checks that every section uses.
impl Check<'_> {
    /// An error at the place of a key.
    pub fn wrong(&self, path: &str, sentence: String) -> RecipeError {
        RecipeError::at(self.file, &self.root.origin_of(path), sentence)
    }

    /// A value that has no default.
    pub fn required<T>(&self, path: &str, value: Option<T>) -> Checked<T> {
        value.ok_or_else(|| self.wrong(path, format!("`{path}` is missing: a recipe must state it")))
    }

    /// One of a few words.
    pub fn choice<T: Copy>(
        &self,
        path: &str,
        value: Option<String>,
        default: Option<&str>,
        here: &[(&str, T)],
    ) -> Checked<T> {
        let value = self.required(path, value.or(default.map(str::to_owned)))?;
        if let Some((_, found)) = here.iter().find(|(word, _)| *word == value) {
            return Ok(*found);
        }
        let words: Vec<&str> = here.iter().map(|(word, _)| *word).collect();
        let near =
            nearest(&value, words.iter().copied()).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
        let one_of = if words.len() == 1 { "must be" } else { "must be one of" };
        let sentence = format!("`{path}` is {value:?}, but it {one_of} {}{near}", listed(words));
        Err(self.wrong(path, sentence))
    }

    /// A whole number within a range.
    pub fn integer(
        &self,
        path: &str,
        value: Option<i64>,
        default: Option<i64>,
        range: RangeInclusive<i64>,
    ) -> Checked<i64> {
        let value = self.required(path, value.or(default))?;
        if range.contains(&value) {
            return Ok(value);
        }
        let (low, high) = range.into_inner();
        Err(self.wrong(path, format!("`{path}` is {value}: it must be a whole number from {low} to {high}")))
    }

    /// A list of exactly N whole numbers.
    pub fn exactly<const N: usize>(&self, path: &str, values: Option<Vec<i64>>) -> Checked<[i64; N]> {
        let values = self.required(path, values)?;
        let count = values.len();
        let wrong = |_| self.wrong(path, format!("`{path}` has {count} numbers: it must have {N}"));
        values.try_into().map_err(wrong)
    }

    /// A side of pictures, pixels.
    pub fn side(&self, path: &str, value: Option<i64>, default: u32) -> Checked<u32> {
        Ok(self.integer(path, value, Some(i64::from(default)), 1..=i64::from(VIEW_SIDE_PX_MAX))? as u32)
    }

    /// A finite number within a bound.
    pub fn number(&self, path: &str, value: Option<f64>, default: Option<f64>, bound: &Bound) -> Checked<f64> {
        let value = self.required(path, value.or(default))?;
        if value.is_finite() && (bound.holds)(value) {
            return Ok(value);
        }
        Err(self.wrong(path, format!("`{path}` is {value}: it must be {}", bound.words)))
    }

    /// Keys that another kind of the same table has.
    pub fn foreign(&self, at: &str, kind: &str, given: &[(&str, bool)]) -> Checked<()> {
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((key, _)) => {
                let path = format!("{at}.{key}");
                Err(self.wrong(&path, format!("`{path}` does not belong to kind {kind:?}: leave it out")))
            }
            None => Ok(()),
        }
    }
}
