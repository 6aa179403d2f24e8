//! The recipes that travel inside the binary, and reading others from disk.
//! Not here: what a recipe means.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::error::{RecipeError, listed, nearest};

/// A recipe in the binary.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// Its name, on the command line too.
    pub name: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        &[$(Embedded { name: $name, text: include_str!(concat!("../../recipes/", $name, ".toml")) }),+]
    };
}

/// All of them; the first is what `train` takes without arguments, then those of the leaderboard in its order, then samples of
/// what tickets can be.
pub const EMBEDDED: &[Embedded] = embedded![
    "seedling",
    "mk-resnext50-deconv",
    "mk-resnext50",
    "xse-resnext34-deconv",
    "flat-cos-rrc",
    "progressive-resize",
    "transfer-192-224",
    "baseline",
    "balanced-sampling",
    "triplet-head",
    "three-scales",
];

/// Largest recipe, rule file or leaderboard, bytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;

pub fn unknown(name: &str) -> RecipeError {
    let names = || EMBEDDED.iter().map(|embedded| embedded.name);
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}, or give the path of a .toml file", listed(names())),
    };
    RecipeError::new(format!("there is no recipe named `{name}`: {hint}"))
}

/// Reads a recipe, rule file or leaderboard, never more than its limit.
pub fn read_small_text(path: &Path) -> Result<String, RecipeError> {
    let file = path.display().to_string();
    let wrong = |sentence: String| RecipeError::in_file(&file, sentence);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|opened| opened.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| wrong(format!("cannot read this file: {error}")))?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(wrong("this file is larger than 1 MiB: it is no recipe, rule file or leaderboard".to_owned()));
    }
    String::from_utf8(bytes).map_err(|_| wrong("this file is not UTF-8 text: it is not TOML".to_owned()))
}
