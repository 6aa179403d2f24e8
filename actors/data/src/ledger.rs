//! The ledger file: hash-chained JSON lines of what a run consumed, appended and truncated, never rewritten.
//! Not here: what the lines say (their layout is in the proto crate) or judging them (the referee's business).
//!
//! Each line is compact JSON whose last member is `"chain":"<hex>"`: the SHA-256 of the previous line's chain (as hex
//! text, 64 zeros at first) followed by the line's bytes with that member cut out.

mod link;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fastgarden_proto::ledger::Opening;
use fastgarden_proto::ledger::line::Line;

pub use self::link::{Link, genesis, written};

/// Version of the format, in the opening line. 2 tells the numbers of records, so that plans can be drawn again.
pub const LEDGER_VERSION: u32 = 2;

/// What can go wrong with a ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file system refused.
    #[error("the ledger {path} could not be {action}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// read, written, …
        action: &'static str,
        /// The system's words.
        cause: std::io::Error,
    },
    /// The chain does not hold.
    #[error("the ledger {path} is not what was written: line {line} {what}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What doesn't fit.
        what: String,
    },
}

/// Where a ledger stands: enough to go on from there, and to notice if somebody else did.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LedgerPosition {
    /// Chain of the last line.
    pub head: String,
    /// Bytes of the file up to there.
    pub bytes: u64,
}

impl Default for LedgerPosition {
    fn default() -> Self {
        Self { head: genesis(), bytes: 0 }
    }
}

/// An open ledger, at its end.
pub struct Ledger {
    path: PathBuf,
    file: File,
    position: LedgerPosition,
}

impl Ledger {
    /// A new ledger; an old file of that name is emptied (its run has no checkpoint, so nothing of it survives).
    pub fn create(path: &Path) -> Result<Self, LedgerError> {
        let file = File::create(path).map_err(|cause| io(path, "created", cause))?;
        Ok(Self { path: path.to_owned(), file, position: LedgerPosition::default() })
    }

    /// Goes on at a position that a checkpoint recorded: checks the chain up to there and cuts off what came after.
    pub fn resume(path: &Path, position: LedgerPosition) -> Result<Self, LedgerError> {
        let mut file =
            OpenOptions::new().read(true).write(true).open(path).map_err(|cause| io(path, "opened", cause))?;
        read_lines_up_to(path, &file, &position)?;
        file.set_len(position.bytes).map_err(|cause| io(path, "truncated", cause))?;
        file.seek(SeekFrom::End(0)).map_err(|cause| io(path, "read", cause))?;
        Ok(Self { path: path.to_owned(), file, position })
    }

    /// Appends one line.
    pub fn append(&mut self, line: &Line) -> Result<(), LedgerError> {
        let (text, chain) = written(&self.position.head, line);
        self.file.write_all(text.as_bytes()).map_err(|cause| io(&self.path, "written", cause))?;
        self.position.head = chain;
        self.position.bytes += text.len() as u64;
        Ok(())
    }

    /// Makes everything appended so far survive a power cut.
    pub fn sync(&self) -> Result<(), LedgerError> {
        self.file.sync_data().map_err(|cause| io(&self.path, "written to disk", cause))
    }

    /// Where it stands.
    pub fn position(&self) -> &LedgerPosition {
        &self.position
    }
}

/// The first line of a ledger whose chain leads to a position that a checkpoint recorded.
pub fn opening_of(path: &Path, position: &LedgerPosition) -> Result<Opening, LedgerError> {
    let file = File::open(path).map_err(|cause| io(path, "opened", cause))?;
    let lines = read_lines_up_to(path, &file, position)?;
    match lines.first().and_then(|line| Link::of(line)).map(|link| link.parse()) {
        Some(Ok(Line::Opening(opening))) => Ok(opening),
        _ => Err(LedgerError::Broken { path: path.to_owned(), line: 1, what: "does not open a ledger".to_owned() }),
    }
}

/// The lines up to a position, which their chain must lead to.
fn read_lines_up_to(path: &Path, file: &File, position: &LedgerPosition) -> Result<Vec<Vec<u8>>, LedgerError> {
    let mut found = LedgerPosition::default();
    let mut within = Vec::new();
    for line in lines(path, BufReader::new(file))? {
        if found.bytes >= position.bytes {
            break;
        }
        found = advance(path, within.len() + 1, &found, &line)?;
        within.push(line);
    }
    if found != *position {
        let what = "does not lead to what the checkpoint recorded".to_owned();
        return Err(LedgerError::Broken { path: path.to_owned(), line: within.len(), what });
    }
    Ok(within)
}

/// Reads a whole ledger, checking every link of its chain.
pub fn read(path: &Path) -> Result<Vec<Line>, LedgerError> {
    let file = File::open(path).map_err(|cause| io(path, "opened", cause))?;
    let mut position = LedgerPosition::default();
    let mut parsed = Vec::new();
    for (number, line) in lines(path, BufReader::new(file))?.iter().enumerate() {
        position = advance(path, number + 1, &position, line)?;
        let link = Link::of(line).expect("advance has taken it apart");
        let broken = |what| LedgerError::Broken { path: path.to_owned(), line: number + 1, what };
        parsed.push(link.parse().map_err(broken)?);
    }
    Ok(parsed)
}

/// A kill can leave half a line at the end: such a tail is a line without a chain.
fn lines(path: &Path, reader: impl BufRead) -> Result<Vec<Vec<u8>>, LedgerError> {
    reader.split(b'\n').collect::<Result<_, _>>().map_err(|cause| io(path, "read", cause))
}

/// The position after one more line.
fn advance(path: &Path, number: usize, from: &LedgerPosition, line: &[u8]) -> Result<LedgerPosition, LedgerError> {
    let broken = |what: &str| LedgerError::Broken { path: path.to_owned(), line: number, what: what.to_owned() };
    let link = Link::of(line).ok_or_else(|| broken("does not end in a chain member"))?;
    if !link.follows(&from.head) {
        return Err(broken("was changed, or a line before it was"));
    }
    Ok(LedgerPosition { head: link.chain.to_owned(), bytes: from.bytes + line.len() as u64 + 1 })
}

fn io(path: &Path, action: &'static str, cause: std::io::Error) -> LedgerError {
    LedgerError::Io { path: path.to_owned(), action, cause }
}

#[cfg(test)]
mod tests {
    use fastgarden_proto::ledger::Step;

    use super::*;

    fn step(step: u64) -> Line {
        Line::Step(Step {
            epoch: 1,
            step,
            seq_from: step * 2,
            seq_to: step * 2 + 2,
            loss: Some(1.5),
            ..Step::default()
        })
    }

    #[test]
    fn what_was_appended_is_read_back_and_chained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let mut ledger = Ledger::create(&path).unwrap();
        ledger.append(&step(1)).unwrap();
        ledger.append(&step(2)).unwrap();
        assert_eq!(read(&path).unwrap(), [step(1), step(2)]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("{\"step\":{\"epoch\":1,"), "{text}");
        assert_eq!(text.len() as u64, ledger.position().bytes);
        assert!(text.ends_with(&format!(",\"chain\":\"{}\"}}\n", ledger.position().head)));
    }

    #[test]
    fn resuming_cuts_what_the_checkpoint_does_not_know_and_ends_up_equal() {
        let folder = tempfile::tempdir().unwrap();
        let (path, whole) = (folder.path().join("a"), folder.path().join("b"));
        let mut ledger = Ledger::create(&path).unwrap();
        ledger.append(&step(1)).unwrap();
        let position = ledger.position().clone();
        ledger.append(&step(9)).unwrap();
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"step\":{\"ep\xc3").unwrap();
        let mut resumed = Ledger::resume(&path, position).unwrap();
        resumed.append(&step(2)).unwrap();
        let mut straight = Ledger::create(&whole).unwrap();
        straight.append(&step(1)).unwrap();
        straight.append(&step(2)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&whole).unwrap());
    }

    #[test]
    fn any_changed_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let mut ledger = Ledger::create(&path).unwrap();
        for number in 1..=3 {
            ledger.append(&step(number)).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("\"step\":2", "\"step\":5", 1)).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        let error = Ledger::resume(&path, ledger.position().clone()).err().unwrap().to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn an_opening_is_told_only_if_the_chain_leads_to_the_position() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let opening = Opening { seed: 7, ..Opening::default() };
        let mut ledger = Ledger::create(&path).unwrap();
        ledger.append(&Line::Opening(opening.clone())).unwrap();
        ledger.append(&step(1)).unwrap();
        let position = ledger.position().clone();
        ledger.append(&step(2)).unwrap();
        assert_eq!(opening_of(&path, &position).unwrap(), opening);
        let elsewhere = LedgerPosition { head: "1".repeat(64), ..position };
        let error = opening_of(&path, &elsewhere).unwrap_err().to_string();
        assert!(error.contains("does not lead to what the checkpoint recorded"), "{error}");
        let mut other = Ledger::create(&path).unwrap();
        other.append(&step(1)).unwrap();
        let error = opening_of(&path, other.position()).unwrap_err().to_string();
        assert!(error.contains("line 1 does not open a ledger"), "{error}");
    }
}
