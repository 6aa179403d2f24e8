//! The house rules for files. A file that broke one before the rule came is in a table that may only shrink.

use std::fs;
use std::path::Path;

use crate::{assert_none, our_files, root};

/// A file that no longer fits a few screens has two purposes.
const LINES_MAX: usize = 400;

/// Rust files longer than that, with the length that they may not exceed.
const LONG: &[(&str, usize)] = &[("actors/data/src/garden/plant.rs", 411)];

/// Files that are not text.
const BINARY: [&str; 15] = [
    "bin",
    "gif",
    "gz",
    "jpeg",
    "jpg",
    "npy",
    "pdf",
    "png",
    "rgb",
    "pt",
    "safetensors",
    "tfrec",
    "tfrecord",
    "webp",
    "zlib",
];

/// Parts of paths that exist on one machine only. They are put together here, so as not to be found here.
const MACHINES: [&str; 6] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/t", "mp/"),
    concat!("/Us", "ers/"),
    concat!("C:", "\\"),
];

/// What may not stand in Rust files, and why.
const BANNED: [(&str, &str); 4] = [
    (concat!("#[ig", "nore"), "a test that is not run proves nothing: make it fast, or make it a proof of xtask"),
    (concat!("TO", "DO"), "do it, or open an issue"),
    (concat!("FIX", "ME"), "fix it, or open an issue"),
    (concat!("XX", "X"), "say it in words"),
];

#[test]
fn rust_files_say_what_they_are_for() {
    let complaints = texts("rs")
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| format!("{path}: the first line is not a `//!` that says what the file is for"));
    assert_none(&complaints.collect::<Vec<_>>());
}

#[test]
fn rust_files_are_short() {
    let mut complaints = Vec::new();
    let mut known = 0;
    for (path, text) in texts("rs") {
        let lines = text.lines().count();
        match LONG.iter().find(|(long, _)| *long == path) {
            Some((_, accepted)) => {
                known += 1;
                if lines > *accepted {
                    complaints.push(format!("{path}: {lines} lines, more than the {accepted} that LONG accepts"));
                } else if lines <= LINES_MAX {
                    complaints.push(format!("{path}: {lines} lines, well done: remove it from LONG"));
                }
            }
            None if lines > LINES_MAX => {
                complaints.push(format!("{path}: {lines} lines, more than {LINES_MAX}: split it"))
            }
            None => {}
        }
    }
    if known < LONG.len() {
        complaints.push("LONG names a file that is gone: remove it".to_owned());
    }
    assert_none(&complaints);
}

#[test]
fn rust_files_hold_nothing_that_was_left_for_later() {
    let mut complaints = Vec::new();
    for (path, text) in texts("rs") {
        for (number, line) in text.lines().enumerate() {
            let found = BANNED.iter().filter(|(words, _)| line.contains(words));
            complaints.extend(found.map(|(words, reason)| format!("{path}:{}: `{words}`: {reason}", number + 1)));
        }
    }
    assert_none(&complaints);
}

#[test]
fn text_is_utf8_without_trailing_space_or_one_machines_paths() {
    let mut complaints = Vec::new();
    for path in our_files() {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if BINARY.contains(&extension.as_str()) {
            continue;
        }
        let shown = path.display();
        let Ok(text) = String::from_utf8(fs::read(root().join(&path)).expect("a file of the checkout")) else {
            complaints.push(format!("{shown}: not UTF-8; if it is not text, add its extension to BINARY"));
            continue;
        };
        complaints.extend(complaints_on_lines(&path, &text));
    }
    assert_none(&complaints);
}

fn complaints_on_lines(path: &Path, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let place = format!("{}:{}", path.display(), number + 1);
        if line.ends_with([' ', '\t']) {
            complaints.push(format!("{place}: space at the end of the line"));
        }
        if let Some(found) = MACHINES.iter().find(|machine| names_a_path(line, machine)) {
            complaints.push(format!("{place}: `{found}…` exists on one machine only"));
        }
    }
    complaints
}

/// Whether a line holds an absolute path beginning so: the same letters amid a longer path or an address are none.
fn names_a_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || "._-~}$".contains(letter))
    })
}

#[test]
fn only_absolute_paths_count() {
    let start = MACHINES[3];
    for line in [format!("cd {start}x"), format!("\"{start}\""), format!("{start}a")] {
        assert!(names_a_path(&line, start), "{line}");
    }
    for line in [format!("var{start}x"), format!("$HOME{start}"), format!("..{start}")] {
        assert!(!names_a_path(&line, start), "{line}");
    }
    let complaints = complaints_on_lines(Path::new("a.md"), "fine\nspace \n");
    assert_eq!(complaints, ["a.md:2: space at the end of the line"]);
}

/// The text files with an extension, with their paths from the root.
fn texts(extension: &'static str) -> impl Iterator<Item = (String, String)> {
    our_files().into_iter().filter(move |path| path.extension().is_some_and(|found| found == extension)).map(|path| {
        let text = fs::read_to_string(root().join(&path)).expect("a text file of the checkout");
        (path.to_string_lossy().into_owned(), text)
    })
}
