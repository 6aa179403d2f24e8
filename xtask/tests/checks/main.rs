//! What must hold of the checkout as a whole, checked by tests so that it holds on every machine: dependencies, files,
//! links in documents. Not for behaviour: that is tested where it lives.

mod dependencies;
mod files;
mod links;

use std::fs;
use std::path::{Path, PathBuf};

/// The checkout's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the checkout's root")
}

/// Every file of ours, as paths from the root: no build outputs, nothing that git, set-up or a comparison put there.
fn our_files() -> Vec<PathBuf> {
    const NOT_OURS: [&str; 6] = [".git", ".libtorch", "target", "runs", ".venvs", ".work"];
    let mut files = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the checkout") {
            let entry = entry.expect("an entry of the checkout");
            let path = entry.path();
            if NOT_OURS.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            match entry.file_type().expect("its kind") {
                kind if kind.is_dir() => folders.push(path),
                kind if kind.is_file() => files.push(path.strip_prefix(root()).expect("in the root").to_path_buf()),
                _ => {}
            }
        }
    }
    assert!(files.contains(&PathBuf::from("Cargo.toml")), "the walk starts in the wrong folder");
    files.sort();
    files
}

/// Fails with every complaint at once, so that one run shows all there is to do.
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
