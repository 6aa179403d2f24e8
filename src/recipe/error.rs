//! What can be wrong with a recipe or rule file: one sentence with its place, and the nearest right word.
//! Not here: finding it.

use super::located::Origin;

/// A recipe or rule file that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{sentence}")]
pub struct RecipeError {
    /// `file:line: `, `--set key=value: `, or nothing.
    place: String,
    sentence: String,
}

impl RecipeError {
    /// An error of the whole, without a line.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { place: String::new(), sentence: sentence.into() }
    }

    /// An error at a line.
    pub fn at_line(file: &str, line: usize, sentence: impl Into<String>) -> Self {
        Self { place: format!("{file}:{line}: "), sentence: sentence.into() }
    }

    /// An error of a whole file.
    pub fn in_file(file: &str, sentence: impl Into<String>) -> Self {
        Self { place: format!("{file}: "), sentence: sentence.into() }
    }

    /// An error where a value was written.
    pub fn at(file: &str, origin: &Origin, sentence: impl Into<String>) -> Self {
        match origin {
            Origin::Line(line) => Self::at_line(file, *line, sentence),
            Origin::CommandLine(text) => Self { place: format!("--set {text}: "), sentence: sentence.into() },
        }
    }
}

/// The word most like `word`, if any is like it at all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|candidate| (strsim::jaro_winkler(word, candidate), candidate));
    let best = scored.max_by(|(left, _), (right, _)| left.total_cmp(right))?;
    (best.0 > 0.75).then_some(best.1)
}

/// "`a`, `b`, `c`".
pub fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
