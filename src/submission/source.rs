//! The source of the program as a git checkout tells it: repository, commit, and a patch of what is not committed.
//! Asks `git` and changes nothing in the checkout. Not here: building it (verify_command/build).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::about::Source;
use crate::rules::grouped;

/// Largest patch, and largest sum of files that git does not know yet.
const PATCH_BYTES_MAX: u64 = 16 << 20;

/// A source that goes into a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// For `submission.json`.
    pub source: Source,
    /// What is not committed; empty where everything is.
    pub patch: Vec<u8>,
}

/// Looks at the checkout that `folder` lies in.
///
/// # Errors
/// In one sentence, when it is none, or holds more than a patch should.
pub fn find(folder: &Path) -> Result<Found, String> {
    let top = PathBuf::from(git(folder, &["rev-parse", "--show-toplevel"])?);
    let manifest = std::fs::read_to_string(top.join("Cargo.toml")).unwrap_or_default();
    if !manifest.contains(&format!("name = \"{}\"", env!("CARGO_PKG_NAME"))) {
        return Err(format!("{} is no checkout of this program's source", top.display()));
    }
    let commit = git(&top, &["rev-parse", "--verify", "HEAD^{commit}"])?;
    let repository = git(&top, &["remote", "get-url", "origin"]).ok().map(|address| without_password(&address));
    let patch = patch(&top)?;
    Ok(Found { source: Source { repository, commit, has_patch: !patch.is_empty() }, patch })
}

/// Everything between HEAD and the working tree, new files included, as `git apply` takes it.
fn patch(top: &Path) -> Result<Vec<u8>, String> {
    let new = git(top, &["ls-files", "--others", "--exclude-standard", "-z"])?;
    let bytes: u64 = new.split('\0').filter_map(|name| top.join(name).symlink_metadata().ok()).map(|it| it.len()).sum();
    if bytes > PATCH_BYTES_MAX {
        return Err(format!(
            "{} holds {} bytes that git neither knows nor ignores: name them in .gitignore, or leave the source out \
             with --no-source",
            top.display(),
            grouped(bytes)
        ));
    }
    // An index and an object store of its own, so that new files can be added without a trace in the checkout.
    let aside = tempfile::tempdir().map_err(|error| format!("there is no temporary folder: {error}"))?;
    let objects = git(top, &["rev-parse", "--path-format=absolute", "--git-path", "objects"])?;
    std::fs::create_dir(aside.path().join("objects")).map_err(|error| format!("the temporary folder: {error}"))?;
    let apart = [
        ("GIT_INDEX_FILE", aside.path().join("index").into_os_string()),
        ("GIT_OBJECT_DIRECTORY", aside.path().join("objects").into_os_string()),
        ("GIT_ALTERNATE_OBJECT_DIRECTORIES", objects.into()),
    ];
    let ask = |words: &[&str]| run(top, words, &apart);
    ask(&["read-tree", "HEAD"])?;
    ask(&["add", "--all"])?;
    let plain = ["-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "-c", "diff.algorithm=myers"];
    let words = ["diff", "--cached", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv"];
    let patch = ask(&[&plain[..], &words, &["--no-renames", "HEAD"]].concat())?;
    match patch.len() as u64 > PATCH_BYTES_MAX {
        true => Err(format!("what is not committed makes a patch of {} bytes: commit it", grouped(patch.len() as u64))),
        false => Ok(patch),
    }
}

/// The output of git without its last newline.
fn git(folder: &Path, words: &[&str]) -> Result<String, String> {
    let output = run(folder, words, &[])?;
    let text = String::from_utf8(output).map_err(|_| "git answers in something other than UTF-8".to_owned())?;
    Ok(text.strip_suffix('\n').map_or(text.clone(), str::to_owned))
}

fn run(folder: &Path, words: &[&str], variables: &[(&str, OsString)]) -> Result<Vec<u8>, String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(words).envs(variables.iter().map(|(name, value)| (name, value)));
    let output = command.output().map_err(|error| format!("git can't be run: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let told = told.lines().next().unwrap_or("it says nothing").trim_start_matches("fatal: ");
    Err(format!("git {} in {}: {told}", words.first().unwrap_or(&""), folder.display()))
}

/// An address as anybody may read it: `https://name:secret@host/x` → `https://host/x`.
fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match (scheme, host.rsplit_once('@')) {
        ("http" | "https", Some((_, host))) => format!("{scheme}://{host}{path}"),
        (_, Some((user, host))) => format!("{scheme}://{}@{host}{path}", user.split(':').next().unwrap_or_default()),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn passwords_stay_at_home() {
        for (address, shown) in [
            ("https://ada:secret@example.org/x.git", "https://example.org/x.git"),
            ("https://token@example.org/x@y", "https://example.org/x@y"),
            ("ssh://git:secret@example.org/x", "ssh://git@example.org/x"),
            ("git@example.org:x.git", "git@example.org:x.git"),
            ("https://example.org", "https://example.org"),
        ] {
            assert_eq!(without_password(address), shown);
        }
    }

    #[test]
    fn a_patch_holds_changed_and_new_files_and_leaves_the_checkout_alone() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let ask = |words: &[&str]| git(place.path(), words).expect("git does it");
        ask(&["init", "--quiet"]);
        fs::write(place.path().join("Cargo.toml"), "name = \"fastgarden-actors\"\n").expect("writable");
        fs::write(place.path().join(".gitignore"), "target\n").expect("writable");
        ask(&["add", "--all"]);
        ask(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "first"]);
        let clean = find(place.path()).expect("a checkout");
        assert_eq!((clean.source.has_patch, clean.source.repository), (false, None));
        assert_eq!(clean.source.commit.len(), 40);

        fs::write(place.path().join("Cargo.toml"), "name = \"fastgarden-actors\"\n# changed\n").expect("writable");
        fs::write(place.path().join("new.rs"), b"bytes \x00\xff").expect("writable");
        fs::create_dir(place.path().join("target")).expect("writable");
        fs::write(place.path().join("target/big"), "ignored").expect("writable");
        let before = ask(&["status", "--porcelain"]);
        let found = find(place.path()).expect("a checkout");
        assert!(found.source.has_patch);
        assert_eq!(ask(&["status", "--porcelain"]), before);
        let text = String::from_utf8_lossy(&found.patch).into_owned();
        assert!(text.contains("+# changed") && text.contains("new.rs") && !text.contains("ignored"), "{text}");
        // It applies to the commit.
        fs::write(place.path().join("target/patch"), &found.patch).expect("writable");
        ask(&["stash", "--quiet", "--include-untracked"]);
        ask(&["apply", "target/patch"]);
        assert_eq!(fs::read(place.path().join("new.rs")).expect("made"), b"bytes \x00\xff");
    }

    #[test]
    fn what_is_no_source_is_said_in_a_sentence() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let told = find(place.path()).expect_err("no checkout");
        assert!(told.starts_with("git rev-parse in "), "{told}");
        git(place.path(), &["init", "--quiet"]).expect("git does it");
        let told = find(place.path()).expect_err("another program's");
        assert!(told.ends_with("is no checkout of this program's source"), "{told}");
    }
}
