//! `submission.json`: what a submission says of itself, and the seal over everything else in it.
//! Not here: whether it is true (see `judge`).

use serde::{Deserialize, Serialize};

/// Version of the format; a newer one is refused by name.
pub const VERSION: u32 = 1;

/// The first member of a submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Of the format.
    pub version: u32,
    /// Name of the recipe.
    pub recipe: String,
    /// Name of the rules.
    pub rules: String,
    /// Whose it is, as `@name`.
    pub author: Option<String>,
    /// Where to read more.
    pub link: Option<String>,
    /// The technique, in words.
    pub explanation: Explanation,
    /// What data and program it was made from.
    pub fingerprints: Fingerprints,
    /// Where the code is; none if it was left out.
    pub source: Option<Source>,
    /// Other series of this recipe that lay beside this one: what was looked at while tuning.
    pub tuning: Vec<Tuning>,
    /// Every other member, in its order.
    pub members: Vec<Member>,
}

/// What rules R8 and R9 ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Explanation {
    /// What it does.
    pub method: String,
    /// Where its parts come from.
    pub based_on: Vec<String>,
    /// Why it should work.
    pub why: String,
    /// How its examples are produced.
    pub data_note: String,
}

/// Hashes of what a series was made from, hex. Data and decoder are also in every ledger; here they are for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprints {
    /// Of the training split; of several sizes joined by `+`.
    pub data: String,
    /// Of the validation split.
    pub validation: String,
    /// Of everything that turns bytes into pixels.
    pub decoder: String,
}

/// Where the code of the binary is, as its owner says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Address of the repository, without any password; none where there is no remote.
    pub repository: Option<String>,
    /// Full hash.
    pub commit: String,
    /// Whether the submission has a patch of what was not committed.
    pub has_patch: bool,
}

/// Series of the same recipe name, counted by what they were scored on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// `val` or `holdout:N`.
    pub on: String,
    /// How many.
    pub series: u64,
}

/// One file of the submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its path in the submission.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Of its content, hex.
    pub sha256: String,
}
