//! Access of the tests to the golden numbers, wherever they lie.
//! Not for: the shipped library (compiled for tests only).

use serde_json::Value;

/// The folder of golden files: `FASTGARDEN_GOLDEN`, else `tests/golden` of the workspace.
fn folder() -> std::path::PathBuf {
    std::env::var_os("FASTGARDEN_GOLDEN").map_or_else(
        || std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden")),
        Into::into,
    )
}

/// A golden file, parsed.
pub(crate) fn file(name: &str) -> Value {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The entries of one list of a golden file; never empty.
pub(crate) fn entries(name: &str, list: &str) -> Vec<Value> {
    let entries = file(name)[list].as_array().cloned().unwrap_or_default();
    assert!(!entries.is_empty(), "{name} has no {list}");
    entries
}
