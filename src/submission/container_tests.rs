//! Tests of the container: what is written is read back, and nothing else is.

use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::container::{Content, read, write};
use crate::submission::{About, Explanation, Fingerprints, SubmissionError};

fn about() -> About {
    About {
        version: 1,
        recipe: "tiny".to_owned(),
        rules: "none".to_owned(),
        author: None,
        link: None,
        explanation: Explanation::default(),
        fingerprints: Fingerprints::default(),
        source: None,
        tuning: Vec::new(),
        members: Vec::new(),
    }
}

fn files() -> Vec<(String, Content)> {
    let names = ["recipe.toml", "rules.toml", "report.json", "seed-1/ledger.jsonl"];
    names.map(|name| (name.to_owned(), Content::Bytes(name.as_bytes().to_vec()))).into()
}

fn written() -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, about(), &files()).expect("memory takes it");
    bytes
}

/// A file, in a folder that goes with it.
fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("entry.tar.gz");
    std::fs::write(&path, bytes).expect("writable");
    (folder, path)
}

/// What is said of a file, and the names of its members that were given out before.
fn refusal(bytes: &[u8]) -> (String, Vec<String>) {
    let (_folder, path) = file(bytes);
    let mut taken = Vec::new();
    let error = read(&path, |member, _| {
        taken.push(member.name.clone());
        Ok(())
    });
    let error = error.expect_err("it must be refused");
    assert!(matches!(error, SubmissionError::Unsound { .. } | SubmissionError::Newer { .. }), "{error}");
    (error.to_string(), taken)
}

/// A tar of these members, each with a type and a stated size.
fn tar(members: &[(&str, EntryType, u64, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, size, content) in members {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(*size);
        header.set_mode(0o644);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1_024, 0);
    bytes
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// `submission.json` that lists these members, each with its length; hashes are those of nothing.
fn about_listing(members: &[(&str, u64)]) -> Vec<u8> {
    let mut value = serde_json::to_value(about()).expect("plain data");
    let listed = members.iter().map(|(name, bytes)| serde_json::json!({"name": name, "bytes": bytes, "sha256": ""}));
    value["members"] = listed.collect();
    value.to_string().into_bytes()
}

const PLAIN: EntryType = EntryType::Regular;
const NEEDED: [(&str, u64); 3] = [("recipe.toml", 0), ("rules.toml", 0), ("report.json", 0)];

#[test]
fn what_was_written_is_read_back_and_the_same_content_makes_the_same_bytes() {
    assert_eq!(written(), written());
    let (_folder, path) = file(&written());
    let mut taken = Vec::new();
    let (told, sha256) = read(&path, |member, content| {
        taken.push((member.name.clone(), content));
        Ok(())
    })
    .expect("sound");
    assert_eq!(taken.len(), 4);
    assert!(taken.iter().all(|(name, content)| name.as_bytes() == content));
    assert_eq!((told.members.len(), sha256.len()), (4, 64));
}

#[test]
fn no_byte_can_be_changed_and_none_cut_off_or_added() {
    let whole = written();
    let (_folder, path) = file(&whole);
    let (sound, _) = read(&path, |_, _| Ok(())).expect("sound");
    // The header's time, flags and system say nothing of the content.
    for place in (10..whole.len()).step_by(7) {
        let mut changed = whole.clone();
        changed[place] ^= 0x10;
        let (_folder, path) = file(&changed);
        // A few bits behind the end of the compressed stream mean nothing.
        let is_noticed = read(&path, |_, _| Ok(())).map_or(true, |(about, _)| about == sound);
        assert!(is_noticed, "byte {place} was changed");
    }
    for length in [0, 5, whole.len() / 2, whole.len() - 1] {
        refusal(&whole[..length]);
    }
    assert!(refusal(&[&whole[..], b"more"].concat()).0.contains("follows its last file"));
    assert!(refusal(&[&whole[..], &whole[..]].concat()).0.contains("follows its last file"));
    assert!(refusal(b"PK\x03\x04 a zip").0.contains("no gzipped tar"));
}

#[test]
fn nothing_is_unpacked_that_a_submission_does_not_have() {
    let about_of = |members: &[(&str, u64)]| about_listing(&[&NEEDED[..], members].concat());
    let first = |content: &[u8]| gzipped(&tar(&[("submission.json", PLAIN, content.len() as u64, content)]));
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (first(&about_of(&[("../../etc/passwd", 1)])), "no file of a submission"),
        (first(&about_of(&[("/etc/passwd", 1)])), "no file of a submission"),
        (first(&about_of(&[("recipe.toml", 0)])), "there twice"),
        (first(&about_of(&[("seed-1/ledger.jsonl", 1 << 60)])), "more than 268,435,456"),
        (first(&about_listing(&[("recipe.toml", 0)])), "is missing"),
        (first(&about_of(&[])), "ends before recipe.toml"),
        (first(b"{\"version\": 1}"), "submission.json"),
        (first(b"[]"), "has no version"),
        (first(b"{\"version\": 2}"), "use a newer one"),
        (gzipped(&tar(&[("recipe.toml", PLAIN, 0, b"")])), "where the plain file submission.json is expected"),
        (gzipped(&tar(&[("submission.json", EntryType::Symlink, 0, b"")])), "plain file submission.json"),
        (gzipped(&tar(&[("submission.json", PLAIN, 1 << 40, b"")])), "bytes, not"),
        (gzipped(&[0; 1_024]), "ends before submission.json"),
        (gzipped(b""), "ends before submission.json"),
    ];
    for (bytes, expected) in cases {
        let (told, taken) = refusal(&bytes);
        assert!(told.contains(expected), "{expected}: {told}");
        assert!(taken.is_empty(), "{expected}");
    }
}

#[test]
fn a_bomb_is_refused_by_what_it_says_and_by_what_it_is() {
    // A gigabyte of zeros behind a list that says nothing of it: some of it is inflated, none of it kept.
    let listed = about_listing(&NEEDED);
    let empty: [(&str, EntryType, u64, &[u8]); 3] = NEEDED.map(|(name, _)| (name, PLAIN, 0, &b""[..]));
    let mut members = vec![("submission.json", PLAIN, listed.len() as u64, &listed[..])];
    members.extend(empty);
    let head = tar(&members);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&head).expect("memory takes it");
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        encoder.write_all(&zeros).expect("memory takes it");
    }
    let bomb = encoder.finish().expect("memory takes it");
    let (told, _) = refusal(&bomb);
    assert!(told.contains("its SHA-256 is another") || told.contains("follows its last file"), "{told}");
    // A member that is longer than the list says.
    let listed = about_listing(&[("recipe.toml", 3), ("rules.toml", 0), ("report.json", 0)]);
    let members = [("submission.json", PLAIN, listed.len() as u64, &listed[..]), ("recipe.toml", PLAIN, 4, b"more")];
    assert!(refusal(&gzipped(&tar(&members))).0.contains("recipe.toml has 4 bytes, not 3"));
    // A link under a member's name.
    let members =
        [("submission.json", PLAIN, listed.len() as u64, &listed[..]), ("recipe.toml", EntryType::Link, 3, b"abc")];
    assert!(refusal(&gzipped(&tar(&members))).0.contains("where the plain file recipe.toml is expected"));
}

#[test]
fn only_zeros_fill_an_archive_up() {
    let mut inflated = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&written()[..]), &mut inflated).expect("sound");
    inflated.extend_from_slice(b"more");
    assert!(refusal(&gzipped(&inflated)).0.contains("follows its last file"));
}

#[test]
fn other_programs_can_unpack_it() {
    let (folder, path) = file(&written());
    let opened = std::fs::File::open(path).expect("there");
    tar::Archive::new(flate2::read::GzDecoder::new(opened)).unpack(folder.path().join("out")).expect("a plain tar");
    assert_eq!(std::fs::read(folder.path().join("out/seed-1/ledger.jsonl")).expect("there"), b"seed-1/ledger.jsonl");
    // And what they pack, with their own padding, is read.
    let mut builder = Builder::new(Vec::new());
    let mut inflated = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&written()[..]), &mut inflated).expect("sound");
    for entry in tar::Archive::new(&inflated[..]).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let header = entry.header().clone();
        builder.append(&header, &mut entry).expect("memory takes it");
    }
    let mut bytes = builder.into_inner().expect("memory takes it");
    bytes.resize(bytes.len().next_multiple_of(10_240), 0);
    let (_folder, path) = file(&gzipped(&bytes));
    assert!(read(&path, |_, _| Ok(())).is_ok());
}
