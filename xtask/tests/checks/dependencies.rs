//! Which crates may be built into FastGarden: licences, bans, second versions, and what the data crate must not see.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::OnceLock;

use cargo_metadata::semver::VersionReq;
use cargo_metadata::{Metadata, MetadataCommand, Package, PackageId};

use crate::{assert_none, root};

/// The licence expressions of all dependencies, exactly: one that goes is removed here, one that comes is read first.
const LICENCES: [&str; 24] = [
    "(Apache-2.0 OR MIT) AND BSD-3-Clause",
    "(MIT OR Apache-2.0) AND IJG",
    "(MIT OR Apache-2.0) AND Unicode-3.0",
    "0BSD OR MIT OR Apache-2.0",
    "Apache-2.0",
    "Apache-2.0 / MIT",
    "Apache-2.0/MIT",
    "Apache-2.0 OR BSL-1.0",
    "Apache-2.0 OR MIT",
    "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
    "BSD-2-Clause OR Apache-2.0 OR MIT",
    "BSD-3-Clause",
    "BSD-3-Clause AND BSD-2-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT OR Apache-2.0",
    "MIT OR Apache-2.0 OR Zlib",
    "MIT OR Zlib OR Apache-2.0",
    "MIT/Apache-2.0",
    "Unicode-3.0",
    "Unlicense OR MIT",
    "Unlicense/MIT",
    "Zlib",
];

/// Crates that may not be there, at these versions, and why.
const BANNED: [(&str, &str, &str); 10] = [
    ("crossbeam-channel", "<0.5.17", "a double free until 0.5.14, undefined behaviour in `select` until 0.5.16"),
    ("openssl", "*", "needs a system library and its headers; a fresh machine has neither"),
    ("openssl-sys", "*", "needs a system library and its headers; a fresh machine has neither"),
    ("native-tls", "*", "stands on openssl; use rustls"),
    ("protobuf-src", "*", "builds protoc from C++ for minutes; protox does it in Rust"),
    ("protoc-bin-vendored", "*", "carries protoc as a binary; protox does it in Rust"),
    ("protoc-prebuilt", "*", "downloads protoc in a build script; protox does it in Rust"),
    ("tfrecord", "*", "unmaintained since 2023, with an old tch; fastgarden-data reads TFRecord itself"),
    ("async-std", "*", "discontinued; actix already brings tokio"),
    ("serde_yaml", "*", "archived by its author; recipes are TOML"),
];

/// Crates that are there in more than one version, and who asks for the older one.
const DOUBLED: [(&str, &str); 24] = [
    ("block-buffer", "zip 0.6 of torch-sys"),
    ("cpufeatures", "zip 0.6 of torch-sys"),
    ("crypto-common", "zip 0.6 of torch-sys"),
    ("darling", "wrapcenum-derive of nvml-wrapper"),
    ("darling_core", "wrapcenum-derive of nvml-wrapper"),
    ("darling_macro", "wrapcenum-derive of nvml-wrapper"),
    ("digest", "zip 0.6 of torch-sys"),
    ("foldhash", "hashbrown 0.15"),
    ("getrandom", "rand 0.8 of tch"),
    ("hashbrown", "petgraph of prost-build, and safetensors 0.8"),
    ("http", "actix-web"),
    ("itertools", "criterion"),
    ("miniz_oxide", "png"),
    ("rand", "tch"),
    ("rand_chacha", "rand 0.8 of tch"),
    ("rand_core", "rand 0.8 of tch"),
    ("safetensors", "tch"),
    ("sha1", "zip 0.6 of torch-sys"),
    ("sha2", "zip 0.6 of torch-sys"),
    ("signal-hook", "crossterm"),
    ("syn", "derive macros that wait for syn 3"),
    ("thiserror", "tch"),
    ("thiserror-impl", "tch"),
    ("unicode-width", "miette of protox"),
];

#[test]
fn licences_are_those_that_were_read() {
    let mut unread = Vec::new();
    let mut found = BTreeSet::new();
    for package in foreign_packages() {
        let licence = package.license.as_deref().unwrap_or("none");
        found.insert(licence);
        if !LICENCES.contains(&licence) {
            unread.push(format!("{} {}: licence \"{licence}\" is not in LICENCES", package.name, package.version));
        }
    }
    if cfg!(target_os = "linux") {
        let stale = LICENCES.iter().filter(|licence| !found.contains(**licence));
        unread.extend(stale.map(|licence| format!("no crate has the licence \"{licence}\" any more: remove it")));
    }
    assert_none(&unread);
}

#[test]
fn banned_crates_are_absent() {
    let mut complaints = Vec::new();
    for (name, versions, reason) in BANNED {
        let versions = VersionReq::parse(versions).expect("a version requirement");
        let found = foreign_packages().filter(|package| package.name == name && versions.matches(&package.version));
        complaints.extend(found.map(|package| format!("{name} {} is banned: {reason}", package.version)));
    }
    assert_none(&complaints);
}

#[test]
fn crates_are_there_once_but_for_the_known() {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in foreign_packages() {
        versions.entry(package.name.as_str()).or_default().insert(package.version.to_string());
    }
    versions.retain(|_, versions| versions.len() > 1);
    let mut complaints: Vec<_> = versions
        .iter()
        .filter(|(name, _)| DOUBLED.iter().all(|(known, _)| known != *name))
        .map(|(name, versions)| format!("{name} is there as {versions:?}: agree on one, or say why in DOUBLED"))
        .collect();
    if cfg!(target_os = "linux") {
        let stale = DOUBLED.iter().filter(|(name, _)| !versions.contains_key(name));
        complaints.extend(stale.map(|(name, _)| format!("{name} is there only once by now: remove it from DOUBLED")));
    }
    assert_none(&complaints);
}

#[test]
fn the_data_crate_does_without_libtorch() {
    let reached = dependencies_of("fastgarden-data");
    assert!(reached.contains("crossbeam-channel"), "the walk finds nothing: {reached:?}");
    for absent in ["tch", "torch-sys", "fastgarden-train"] {
        assert!(!reached.contains(absent), "fastgarden-data depends on {absent}, by whatever way");
    }
    // The same walk does see libtorch where it belongs.
    assert!(dependencies_of("fastgarden-train").contains("torch-sys"));
}

/// Everything that building and testing a member needs, by name.
fn dependencies_of(member: &str) -> BTreeSet<String> {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let edges: BTreeMap<&PackageId, &Vec<PackageId>> =
        resolve.nodes.iter().map(|node| (&node.id, &node.dependencies)).collect();
    let start = metadata.packages.iter().find(|package| package.name == member).expect("a member");
    let mut reached = BTreeSet::new();
    let mut waiting = vec![&start.id];
    while let Some(id) = waiting.pop() {
        for next in edges[id] {
            if reached.insert(next) {
                waiting.push(next);
            }
        }
    }
    reached.into_iter().map(|id| metadata[id].name.to_string()).collect()
}

fn foreign_packages() -> impl Iterator<Item = &'static Package> {
    let metadata = metadata();
    let used: BTreeSet<_> =
        metadata.resolve.as_ref().expect("a resolved graph").nodes.iter().map(|node| &node.id).collect();
    metadata.packages.iter().filter(move |package| package.source.is_some() && used.contains(&package.id))
}

/// The graph as Cargo.lock has it, for this machine's platform: others' crates need not have been downloaded.
fn metadata() -> &'static Metadata {
    static METADATA: OnceLock<Metadata> = OnceLock::new();
    METADATA.get_or_init(|| {
        let rustc = Command::new("rustc").arg("-vV").output().expect("rustc");
        let words = String::from_utf8(rustc.stdout).expect("UTF-8");
        let host = words.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host line").to_owned();
        MetadataCommand::new()
            .manifest_path(root().join("Cargo.toml"))
            .other_options(["--locked".to_owned(), "--filter-platform".to_owned(), host])
            .exec()
            .expect("cargo metadata")
    })
}
