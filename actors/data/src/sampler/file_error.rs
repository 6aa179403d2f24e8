//! What is wrong with a file that a sampler goes by, and where.
//! Not here: reading it from a disk.

/// A refusal, for `FILE LINE: SENTENCE`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct FileError {
    /// From 1.
    pub line: usize,
    /// What is wrong, as a lowercase fragment.
    pub what: String,
}

impl FileError {
    /// At a line.
    pub fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

/// A word from a file, short enough to be shown.
pub fn shown(word: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    match word.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{:?}…", &word[..end]),
        None => format!("{word:?}"),
    }
}
