//! What can be wrong with a ledger, by kind and line.
//! Not here: finding it.

use std::fmt;

/// What contradicts a ledger. The snake-case name ([`FaultKind::name`]) is stable: it stands in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The text of a line, or its chain, is not what was written.
    Changed,
    /// Lines that must be there are not.
    Missing,
    /// A line that stands in the ledger already.
    Repeated,
    /// Two lines have changed places.
    Swapped,
    /// A line was written elsewhere in this ledger.
    OutOfPlace,
    /// The last line has no end.
    CutShort,
    /// A line that this program doesn't write.
    NotALine,
    /// The opening says otherwise than recipe, rules or data.
    Opening,
    /// More examples or epochs than there may be.
    Cap,
    /// Steps that don't follow each other as the plan asks.
    Order,
    /// Outcomes that don't add up, or contradict each other.
    Outcome,
    /// Another plan than recipe and seed make.
    Plan,
    /// Otherwise than the data says.
    Data,
    /// A loss or an accuracy that can't have come from what was consumed.
    Number,
    /// Somebody remembers another end.
    Head,
    /// Other pixels than the data makes.
    Pixels,
    /// Other weights, or another accuracy of them.
    Weights,
}

impl FaultKind {
    /// The stable snake-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Repeated => "repeated",
            Self::Swapped => "swapped",
            Self::OutOfPlace => "out_of_place",
            Self::CutShort => "cut_short",
            Self::NotALine => "not_a_line",
            Self::Opening => "opening",
            Self::Cap => "cap",
            Self::Order => "order",
            Self::Outcome => "outcome",
            Self::Plan => "plan",
            Self::Data => "data",
            Self::Number => "number",
            Self::Head => "head",
            Self::Pixels => "pixels",
            Self::Weights => "weights",
        }
    }
}

/// Something that contradicts a ledger, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1; `None` where the ledger as a whole is meant.
    pub line: Option<usize>,
    /// What sort of thing.
    pub kind: FaultKind,
    /// What was found and what it means: a lowercase fragment that goes on after "line 5 ".
    pub what: String,
}

impl Fault {
    /// Of one line.
    pub fn at(line: usize, kind: FaultKind, what: impl Into<String>) -> Self {
        Self { line: Some(line), kind, what: what.into() }
    }

    /// Of the ledger as a whole.
    pub fn overall(kind: FaultKind, what: impl Into<String>) -> Self {
        Self { line: None, kind, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line} {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}
