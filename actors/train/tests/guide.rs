//! The guide to adding a technique shows code that is there.

use std::path::Path;

#[test]
fn the_guide_shows_the_code_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect(path);
    let sources = ["eca", "attention"].map(|name| read(&format!("src/net/{name}.rs")));
    let guide = read("../../docs/new-technique.md");
    let blocks: Vec<&str> = guide.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 3, "the guide has lost its code");
    for block in blocks {
        assert!(sources.iter().any(|source| source.contains(block)), "not in eca.rs or attention.rs:\n{block}");
    }
}
