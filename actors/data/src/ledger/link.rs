//! One line as a link of the chain: its text, and what it is tied to.
//! Not here: files, or what a line says.

use fastgarden_proto::ledger::line::Line;
use sha2::{Digest, Sha256};

use crate::plan::hex;

/// What stands in front of the chain's own text, in a line.
const MEMBER: &[u8] = b",\"chain\":\"";
/// What closes a line after it.
const CLOSING: &[u8] = b"\"}";
/// Hex digits of a chain.
const CHAIN_DIGITS: usize = 64;

/// The chain before the first line.
pub fn genesis() -> String {
    "0".repeat(CHAIN_DIGITS)
}

/// A line's text with its newline, and its chain, if it is written after a line of the chain `previous`.
pub fn written(previous: &str, line: &Line) -> (String, String) {
    let body = serde_json::to_string(line).expect("ledger lines hold nothing that JSON can't");
    let open = &body[..body.len() - 1];
    let chain = chain(previous, open.as_bytes());
    (format!("{open},\"chain\":\"{chain}\"}}\n"), chain)
}

/// A line taken apart. Its newline is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    /// Everything before the chain member; the closing brace is missing.
    open: &'a [u8],
    /// The chain it states.
    pub chain: &'a str,
}

impl<'a> Link<'a> {
    /// Takes a line apart; `None` if it does not end in a chain member.
    pub fn of(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_suffix(CLOSING)?;
        let (rest, chain) = rest.split_at_checked(rest.len().checked_sub(CHAIN_DIGITS)?)?;
        let open = rest.strip_suffix(MEMBER)?;
        Some(Self { open, chain: std::str::from_utf8(chain).ok()? })
    }

    /// Whether it was written, as it is, right after a line of the chain `previous`.
    pub fn follows(&self, previous: &str) -> bool {
        self.chain_after(previous) == self.chain
    }

    /// The chain its text has after a line of the chain `previous`.
    pub fn chain_after(&self, previous: &str) -> String {
        chain(previous, self.open)
    }

    /// What it says; the error is a lowercase fragment.
    pub fn parse(&self) -> Result<Line, String> {
        serde_json::from_slice(&self.body()).map_err(|error| format!("is not a ledger line: {error}"))
    }

    /// Whether it is, byte for byte, how `line` is written.
    pub fn is_text_of(&self, line: &Line) -> bool {
        serde_json::to_vec(line).is_ok_and(|text| text == self.body())
    }

    fn body(&self) -> Vec<u8> {
        [self.open, b"}"].concat()
    }
}

fn chain(previous: &str, open: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(previous.as_bytes());
    hasher.update(open);
    hasher.update(b"}");
    hex(&hasher.finalize())
}
