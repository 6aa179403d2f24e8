//! What a value on the board may be. Every refusal names file, line and key.
//! Not here: which keys there are.

use crate::leaderboard::entry::Entry;
use crate::markup::{is_deceptive, web_link};
use crate::recipe::{Node, RecipeError};

/// Values that a list may have: runs of a series, epochs of a curve.
const LIST_MAX: usize = 1_000;
/// Longest link, bytes.
const LINK_BYTES_MAX: usize = 500;

/// A document that is being checked.
pub(super) struct Checker<'a> {
    /// Its name.
    pub file: &'a str,
    /// What stands where.
    pub root: &'a Node,
}

impl Checker<'_> {
    /// A refusal at the line of a dotted key.
    pub(super) fn wrong(&self, path: &str, sentence: impl Into<String>) -> RecipeError {
        RecipeError::at(self.file, &self.root.origin_of(path), format!("`{path}`: {}", sentence.into()))
    }

    /// Words on one line, neither empty nor longer than `chars_max`.
    pub(super) fn text(&self, path: &str, text: &str, chars_max: usize) -> Result<(), RecipeError> {
        let length = text.chars().count();
        if text.trim().is_empty() {
            return Err(self.wrong(path, "it is empty"));
        }
        if length > chars_max {
            return Err(self.wrong(path, format!("it has {length} characters, more than {chars_max}")));
        }
        if text.chars().any(is_deceptive) {
            return Err(self.wrong(path, "it has a line break or another character that can't be seen"));
        }
        Ok(())
    }

    pub(super) fn link(&self, path: &str, link: &str) -> Result<(), RecipeError> {
        if link.is_empty() || (link.len() <= LINK_BYTES_MAX && web_link(link).is_some()) {
            return Ok(());
        }
        Err(self.wrong(
            path,
            format!("it must be empty, or a web address (http:// or https://) of up to {LINK_BYTES_MAX} bytes"),
        ))
    }

    /// `YYYY-MM-DD`.
    pub(super) fn date(&self, path: &str, date: &str) -> Result<(), RecipeError> {
        let number = |part: &str, digits: usize| {
            (part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| part.parse::<u32>().ok())
                .flatten()
        };
        let mut parts = date.split('-');
        let year = parts.next().and_then(|part| number(part, 4));
        let month = parts.next().and_then(|part| number(part, 2)).filter(|month| (1..=12).contains(month));
        let day = parts.next().and_then(|part| number(part, 2));
        let day = day.filter(|day| (1..=days_of(year.unwrap_or(0), month.unwrap_or(0))).contains(day));
        if year.is_some() && month.is_some() && day.is_some() && parts.next().is_none() {
            return Ok(());
        }
        Err(self.wrong(path, format!("{date:?} is no day: write it in quotes, as in \"2026-11-23\"")))
    }

    /// Shares, 0–1.
    pub(super) fn shares(&self, path: &str, values: &[f64]) -> Result<(), RecipeError> {
        self.short(path, values)?;
        match values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            Some(value) => {
                Err(self.wrong(path, format!("{value} is no share: give numbers from 0 to 1, as in 0.8240")))
            }
            None => Ok(()),
        }
    }

    pub(super) fn losses(&self, path: &str, values: &[f64]) -> Result<(), RecipeError> {
        self.short(path, values)?;
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(self.wrong(path, format!("{value} is no loss: leave the list out if it is not known"))),
            None => Ok(()),
        }
    }

    fn short(&self, path: &str, values: &[f64]) -> Result<(), RecipeError> {
        if values.len() > LIST_MAX {
            return Err(self.wrong(path, format!("it has {} values, more than {LIST_MAX}", values.len())));
        }
        Ok(())
    }

    pub(super) fn positive(&self, path: &str, value: Option<f64>) -> Result<Option<f64>, RecipeError> {
        match value {
            Some(value) if !(value.is_finite() && value > 0.0) => {
                Err(self.wrong(path, format!("{value} must be a number above 0, or be left out")))
            }
            value => Ok(value),
        }
    }

    pub(super) fn count(&self, path: &str, value: Option<i64>) -> Result<Option<u64>, RecipeError> {
        value.map(|value| u64::try_from(value).map_err(|_| self.wrong(path, format!("{value} is below 0")))).transpose()
    }

    /// A SHA-256 in hex.
    pub(super) fn hash(&self, path: &str, text: &str) -> Result<(), RecipeError> {
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex && text.len() == 64 {
            return Ok(());
        }
        Err(self.wrong(path, "it must be a SHA-256: 64 digits of 0-9a-f"))
    }

    /// Refuses an entry that is there already.
    pub(super) fn is_new(&self, path: &str, entry: &Entry, before: &[Entry]) -> Result<(), RecipeError> {
        match before.iter().position(|other| is_same(other, entry)) {
            Some(number) => {
                let what = if entry.is_published() { "is" } else { "has the file or a run of" };
                Err(self.wrong(path, format!("it {what} `entry.{number}` once more: remove one of them")))
            }
            None => Ok(()),
        }
    }
}

fn days_of(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether two entries are of one file, have a run in common, or are published and the same in everything.
pub(super) fn is_same(one: &Entry, other: &Entry) -> bool {
    let (Some(one), Some(other)) = (&one.submitted, &other.submitted) else { return one == other };
    one.sha256 == other.sha256 || one.ledger_heads.iter().any(|head| other.ledger_heads.contains(head))
}
