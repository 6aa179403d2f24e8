//! The file of a submission: a gzipped tar of plain files, `submission.json` first, the same bytes for the same content.
//! Not here: what the files say. Reading believes nothing: names, lengths and order are those that the first member
//! gives, and that is checked before anything else is inflated.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use tar::{Archive, Builder, EntryType, Header};

use super::about::{About, Member, VERSION};
use super::members::{self, ABOUT, ABOUT_BYTES_MAX};
use super::{SubmissionError, digest, members::MEMBERS_MAX};
use crate::recipe::hex;
use crate::told::harmless;

/// Bytes of a tar's block.
const BLOCK: u64 = 512;
/// Bytes after the last member: two empty blocks, and filling up to ten thousand as other programs do.
const TAIL_BYTES_MAX: u64 = 20 * BLOCK;

/// Where a member's bytes come from.
pub enum Content {
    /// Memory.
    Bytes(Vec<u8>),
    /// A file, which must not change meanwhile.
    File(std::path::PathBuf),
}

/// Writes a submission: `about` first, then `files` in their order. `about.members` is made from them.
pub fn write(out: impl Write, mut about: About, files: &[(String, Content)]) -> io::Result<()> {
    about.members.clear();
    for (name, content) in files {
        let (bytes, sha256) = content.seal()?;
        about.members.push(Member { name: name.clone(), bytes, sha256 });
    }
    let mut text = serde_json::to_string_pretty(&about).expect("it has only text keys");
    text.push('\n');
    let mut tar = Builder::new(GzEncoder::new(out, Compression::fast()));
    append(&mut tar, ABOUT, text.len() as u64, text.as_bytes())?;
    for ((name, content), member) in files.iter().zip(&about.members) {
        match content {
            Content::Bytes(bytes) => append(&mut tar, name, member.bytes, bytes.as_slice())?,
            Content::File(path) => append(&mut tar, name, member.bytes, File::open(path)?)?,
        }
    }
    tar.into_inner()?.finish()?.flush()
}

/// A plain file without time, owner or anything else of this machine.
fn append(tar: &mut Builder<impl Write>, name: &str, bytes: u64, content: impl Read) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    tar.append(&header, content)
}

impl Content {
    /// Length and hash.
    fn seal(&self) -> io::Result<(u64, String)> {
        match self {
            Self::Bytes(bytes) => digest::of_reader(bytes.as_slice()),
            Self::File(path) => digest::of_file(path),
        }
    }
}

/// Reads a submission, giving each member to `take` in order. Returns what it says of itself.
pub fn read(
    path: &Path,
    mut take: impl FnMut(&Member, Vec<u8>) -> Result<(), String>,
) -> Result<(About, String), SubmissionError> {
    let unsound = |what: String| SubmissionError::Unsound { path: path.to_owned(), what: harmless(&what) };
    let failed = |cause| SubmissionError::Io { path: path.to_owned(), action: "read", cause };
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(unsound("it is not a file".to_owned()));
    }
    let (_, sha256) = digest::of_file(path).map_err(failed)?;
    let inflated = GzDecoder::new(BufReader::new(File::open(path).map_err(failed)?));
    let mut archive = Archive::new(inflated);
    let not_one = |error: io::Error| unsound(format!("it is no gzipped tar, or was cut: {error}"));
    let mut entries = archive.entries().map_err(not_one)?.raw(true);
    let mut next = |wanted: Option<&Member>| -> Result<Vec<u8>, SubmissionError> {
        let name = wanted.map_or(ABOUT, |member| &member.name);
        let entry = entries.next().ok_or_else(|| unsound(format!("it ends before {name}")))?.map_err(not_one)?;
        let is_plain = entry.header().entry_type() == EntryType::Regular;
        if !is_plain || *entry.path_bytes() != *name.as_bytes() {
            let found = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            return Err(unsound(format!("it has {found:?} where the plain file {name} is expected")));
        }
        let (size, bytes_max) = (entry.size(), wanted.map_or(ABOUT_BYTES_MAX, |member| member.bytes));
        if size > bytes_max || wanted.is_some_and(|member| member.bytes != size) {
            return Err(unsound(format!("{name} has {size} bytes, not {bytes_max}")));
        }
        let mut content = Vec::new();
        entry.take(size).read_to_end(&mut content).map_err(not_one)?;
        match content.len() as u64 == size {
            true => Ok(content),
            false => Err(unsound(format!("it was cut in {name}"))),
        }
    };
    let about = about_of(path, &next(None)?)?;
    for member in &about.members {
        let content = next(Some(member))?;
        if hex(&Sha256::digest(&content)) != member.sha256 {
            return Err(unsound(format!("{} was changed: its SHA-256 is another", member.name)));
        }
        take(member, content).map_err(unsound)?;
    }
    if let Some(more) = entries.next() {
        let name = more.map_err(not_one)?.path_bytes().into_owned();
        return Err(unsound(format!("it has more files than it says: {:?}", String::from_utf8_lossy(&name))));
    }
    end_of(archive.into_inner()).map_err(unsound)?;
    Ok((about, sha256))
}

/// Nothing may follow: neither in the archive nor behind it.
fn end_of(mut inflated: GzDecoder<BufReader<File>>) -> Result<(), String> {
    let mut tail = Vec::new();
    let read = inflated.by_ref().take(TAIL_BYTES_MAX + 1).read_to_end(&mut tail);
    read.map_err(|error| format!("its end is damaged: {error}"))?;
    let is_filling = tail.len() as u64 <= TAIL_BYTES_MAX && tail.iter().all(|&byte| byte == 0);
    let mut behind = [0];
    let is_followed = inflated.into_inner().read(&mut behind).map_err(|error| error.to_string())? > 0;
    match !is_filling || is_followed {
        true => Err("something follows its last file".to_owned()),
        false => Ok(()),
    }
}

fn about_of(path: &Path, content: &[u8]) -> Result<About, SubmissionError> {
    let unsound = |what: String| SubmissionError::Unsound { path: path.to_owned(), what: harmless(&what) };
    let not_one = |error: serde_json::Error| unsound(format!("{ABOUT}: {error}"));
    let value: serde_json::Value = serde_json::from_slice(content).map_err(not_one)?;
    match value["version"].as_u64() {
        Some(found) if found > u64::from(VERSION) => {
            return Err(SubmissionError::Newer { path: path.to_owned(), found });
        }
        Some(_) => {}
        None => return Err(unsound(format!("{ABOUT} has no version"))),
    }
    let about: About = serde_json::from_value(value).map_err(not_one)?;
    if about.members.len() > MEMBERS_MAX {
        return Err(unsound(format!("it has more than {MEMBERS_MAX} files")));
    }
    members::check(about.members.iter().map(|member| (member.name.as_str(), member.bytes))).map_err(unsound)?;
    Ok(about)
}
