//! The CSV of predictions: `id,label`, one line a record, in the order of the shards (RFC 4180 quoting, `\n` line ends).
//! Not here: writing it to disk.

use std::collections::{BTreeMap, HashSet};

use super::judged::Judged;
use crate::markup::is_deceptive;

/// The file, and what is to be told of it.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// With the heading.
    pub text: String,
    /// Lines below the heading.
    pub records: u64,
    /// Of them, records that could not be read; they are in the file with the fallback class.
    pub unreadable: u64,
    /// The class of those: the one predicted most often, the lowest of several, 0 if nothing could be read.
    pub fallback: i64,
    /// Records named by their place.
    pub without_id: u64,
    /// Ids that were there before.
    pub repeated_ids: u64,
}

/// A line for every record. `id` gives its name, and whether that is an id of its own.
pub(super) fn lines(judged: &Judged, id: impl Fn(u32) -> (String, bool)) -> Lines {
    let guesses = judged.flipped.as_ref().unwrap_or(&judged.plain);
    let mut lines = Lines {
        text: "id,label\n".to_owned(),
        fallback: most_frequent(guesses.iter().map(|guess| guess.class)),
        ..Lines::default()
    };
    let mut seen = HashSet::new();
    let mut guesses = guesses.iter().peekable();
    for record in 0..judged.records {
        let guess = guesses.next_if(|guess| guess.record == record);
        let (name, is_id) = id(record);
        lines.records += 1;
        lines.unreadable += u64::from(guess.is_none());
        lines.without_id += u64::from(!is_id);
        lines.text += &format!("{},{}\n", field(&name), guess.map_or(lines.fallback, |guess| guess.class));
        lines.repeated_ids += u64::from(!seen.insert(name));
    }
    lines
}

fn most_frequent(classes: impl Iterator<Item = i64>) -> i64 {
    let mut counts = BTreeMap::<i64, u64>::new();
    for class in classes {
        *counts.entry(class).or_default() += 1;
    }
    counts.into_iter().max_by_key(|&(class, count)| (count, std::cmp::Reverse(class))).map_or(0, |(class, _)| class)
}

/// A field, in quotes where it needs them. Control characters would tear the line apart for simpler readers.
fn field(text: &str) -> String {
    let plain: String = text.chars().map(|c| if is_deceptive(c) { '\u{fffd}' } else { c }).collect();
    if plain.contains([',', '"']) { format!("\"{}\"", plain.replace('"', "\"\"")) } else { plain }
}

#[cfg(test)]
mod tests {
    use fastgarden_train::trainer::Guess;

    use super::*;

    fn guess(record: u32, class: i64) -> Guess {
        Guess { record, label: -1, class, probability: 0.5, is_right: false, loss: f64::NAN }
    }

    #[test]
    fn every_record_has_its_line_also_the_unreadable_ones() {
        let plain = vec![guess(0, 7), guess(2, 3), guess(3, 3)];
        let judged = Judged { records: 5, plain, ..Judged::default() };
        let lines = lines(&judged, |record| (format!("a{}", record % 4), record != 1));
        assert_eq!(lines.text, "id,label\na0,7\na1,3\na2,3\na3,3\na0,3\n");
        let counts = (lines.records, lines.unreadable, lines.fallback, lines.without_id, lines.repeated_ids);
        assert_eq!(counts, (5, 2, 3, 1, 1));
    }

    #[test]
    fn with_nothing_readable_the_fallback_is_class_0_and_ties_go_to_the_lowest() {
        let judged = Judged { records: 1, ..Judged::default() };
        assert_eq!(lines(&judged, |_| ("x".to_owned(), true)).text, "id,label\nx,0\n");
        assert_eq!(most_frequent([5, 2, 5, 2, 9].into_iter()), 2);
    }

    #[test]
    fn ids_cannot_break_a_line() {
        assert_eq!([field("a,b"), field("say \"x\""), field("a\nb")], ["\"a,b\"", "\"say \"\"x\"\"\"", "a\u{fffd}b"]);
    }
}
