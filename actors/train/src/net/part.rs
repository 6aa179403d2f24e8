//! Parts by name: one entry of the table of stems, of poolings, of blocks or of attention modules, and what is said when
//! parts don't fit together. Not for what a part computes.

use thiserror::Error;

/// One way to fill a slot of the net.
pub struct Part<M: 'static> {
    /// Its name in recipes.
    pub name: &'static str,
    /// The keys of its table in a recipe that it reads, besides those that every part of the table reads.
    pub settings: &'static [&'static str],
    /// How it is checked and built.
    pub make: M,
}

/// Why a net can't be built from its description.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{key}` {rule}")]
pub struct SpecError {
    /// Which value, as the path of its key in a recipe's `[net]`, such as `block.kernels.1`.
    pub key: String,
    /// What it is and what it must be, to be read after the key.
    pub rule: String,
}

impl SpecError {
    /// An error at a key.
    pub fn new(key: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { key: key.into(), rule: rule.into() }
    }
}

/// The part of this name.
///
/// # Errors
/// At `key`, if the table has none.
pub fn find<M>(table: &[&'static Part<M>], key: &str, name: &str) -> Result<&'static Part<M>, SpecError> {
    table.iter().find(|part| part.name == name).copied().ok_or_else(|| {
        let known: Vec<String> = table.iter().map(|part| format!("`{}`", part.name)).collect();
        SpecError::new(key, format!("is {name:?}, but it must be one of {}", known.join(", ")))
    })
}

/// The part of this name in a description that has been checked.
pub(crate) fn checked<M>(table: &[&'static Part<M>], name: &str) -> &'static Part<M> {
    find(table, "", name).expect("a description is checked before it is built")
}

/// Checks a whole number against its limits.
pub(crate) fn within(key: impl Into<String>, value: i64, min: i64, max: i64) -> Result<(), SpecError> {
    match (min..=max).contains(&value) {
        true => Ok(()),
        false => Err(SpecError::new(key, format!("is {value}: it must be a whole number from {min} to {max}"))),
    }
}
