//! The chain of a whole ledger: every line in its place, unchanged, or what was done to it.
//! Not here: what the lines say.

use std::collections::HashMap;

use fastgarden_proto::ledger::line::Line;

use super::fault::{Fault, FaultKind};
use crate::ledger::{Link, genesis};

/// Lines around a broken link that are tried as the one before it.
const TRIED_MAX: usize = 4_096;
/// Broken links that are explained; of the others it is only said that they are.
const EXPLAINED_MAX: usize = 32;

/// The lines of a ledger, with what is wrong with their chain.
#[derive(Debug, Default)]
pub(super) struct Chained {
    /// Lines that can be read, with their numbers from 1.
    pub lines: Vec<(usize, Line)>,
    /// What is wrong, in the order of the lines.
    pub faults: Vec<Fault>,
    /// The chains that whole lines state, in their order.
    pub chains: Vec<String>,
    /// Number of a last line without an end.
    pub cut_short: Option<usize>,
}

/// Reads a ledger, whatever was done to it.
pub(super) fn read(ledger: &[u8]) -> Chained {
    let mut raw: Vec<&[u8]> = ledger.split(|&byte| byte == b'\n').collect();
    let tail = raw.pop().unwrap_or_default();
    let links: Vec<Option<Link>> = raw.iter().map(|line| Link::of(line)).collect();
    let mut reader =
        Reader { raw: &raw, links: &links, swapped: HashMap::new(), explained: 0, found: Chained::default() };
    reader.follow();
    let mut found = reader.found;
    found.cut_short = (!tail.is_empty()).then_some(raw.len() + 1);
    found.chains = links.iter().flatten().map(|link| link.chain.to_owned()).collect();
    for (position, link) in links.iter().enumerate() {
        let Some(link) = link else { continue };
        let number = position + 1;
        match link.parse() {
            Ok(line) if !link.is_text_of(&line) => {
                let what = "is not written as this program writes it";
                found.faults.push(Fault::at(number, FaultKind::NotALine, what));
                found.lines.push((number, line));
            }
            Ok(line) => found.lines.push((number, line)),
            Err(what) => found.faults.push(Fault::at(number, FaultKind::NotALine, what)),
        }
    }
    // Of several words on one line the chain's comes first, and says enough.
    found.faults.sort_by_key(|fault| fault.line);
    found.faults.dedup_by_key(|fault| fault.line);
    found
}

struct Reader<'a> {
    raw: &'a [&'a [u8]],
    links: &'a [Option<Link<'a>>],
    /// Where the line that belongs here stands, by position.
    swapped: HashMap<usize, usize>,
    explained: usize,
    found: Chained,
}

impl Reader<'_> {
    fn blame(&mut self, position: usize, kind: FaultKind, what: impl Into<String>) {
        self.found.faults.push(Fault::at(position + 1, kind, what));
    }

    fn follow(&mut self) {
        let mut head = Some(genesis());
        for position in 0..self.links.len() {
            let Some(link) = self.links[position] else {
                self.blame(position, FaultKind::Changed, "does not end in a chain member: it was changed");
                // What follows it can't be checked against it.
                head = None;
                continue;
            };
            head = match head {
                Some(previous) if !link.follows(&previous) => self.explain(position, link, previous),
                _ => Some(link.chain.to_owned()),
            };
        }
    }

    /// Says why a line does not follow the one before it; returns the chain that the next line should follow.
    fn explain(&mut self, position: usize, link: Link<'_>, previous: String) -> Option<String> {
        if let Some(other) = self.swapped.remove(&position) {
            return self.links[other].map(|link| link.chain.to_owned());
        }
        self.explained += 1;
        if self.explained > EXPLAINED_MAX {
            self.blame(position, FaultKind::Changed, "does not follow the line before it");
            return Some(link.chain.to_owned());
        }
        if let Some(first) = (0..position).rev().find(|&other| self.raw[other] == self.raw[position]) {
            self.blame(position, FaultKind::Repeated, format!("is line {} once more", first + 1));
            return Some(previous);
        }
        let Some(before) = self.line_before(position, link) else {
            return Some(self.explain_changed(position, link, &previous));
        };
        if let Some(other) = self.exchanged_with(position, before, &previous) {
            self.blame(position, FaultKind::Swapped, format!("has changed places with line {}", other + 1));
            self.swapped.insert(other, position);
            // Where they are neighbours, the line that belonged here comes next, and is asked why it follows nothing.
            return match other == position + 1 {
                true => Some(String::new()),
                false => self.links[other].map(|link| link.chain.to_owned()),
            };
        }
        let place = before.map_or("at the beginning".to_owned(), |before| format!("after line {}", before + 1));
        self.blame(position, FaultKind::OutOfPlace, format!("is out of its place: it was written right {place}"));
        Some(link.chain.to_owned())
    }

    /// The line that this one was written after: `Some(None)` = none, it was the first.
    fn line_before(&self, position: usize, link: Link<'_>) -> Option<Option<usize>> {
        if link.follows(&genesis()) {
            return Some(None);
        }
        let from = position.saturating_sub(TRIED_MAX / 2);
        let until = (position + TRIED_MAX / 2).min(self.links.len());
        let follows = |&other: &usize| self.links[other].is_some_and(|other| link.follows(other.chain));
        (from..until).find(follows).map(Some)
    }

    /// The line that stands where this one belongs, if that one belongs here.
    fn exchanged_with(&self, position: usize, before: Option<usize>, previous: &str) -> Option<usize> {
        let belongs_here = |other: usize| self.links.get(other)?.filter(|link| link.follows(previous)).map(|_| other);
        let before = before?;
        let neighbour = (before == position + 1).then_some(before);
        let beyond = Some(before + 1).filter(|&other| other > position + 1);
        neighbour.and_then(belongs_here).or_else(|| beyond.and_then(belongs_here))
    }

    /// No line of this ledger comes before this one as it is: it was changed, or a line before it is gone.
    fn explain_changed(&mut self, position: usize, link: Link<'_>, previous: &str) -> String {
        let recomputed = link.chain_after(previous);
        let next = self.links.get(position + 1).copied().flatten();
        if next.is_some_and(|next| next.follows(&recomputed)) {
            self.blame(position, FaultKind::Changed, "was changed: its chain is not the one that was written");
            return recomputed;
        }
        self.blame(position, FaultKind::Changed, "was changed after it was written");
        link.chain.to_owned()
    }
}
