//! Up to 16 neighbouring rows of one batch on their way through the pools: the unit of every message.
//! Not here: the work done on it (see `reader`, `decoder`, `augmenter`).

use std::ops::Range;
use std::sync::Arc;

use crate::fault::{BadBytes, FaultKind};
use crate::limits::VIEWS_MAX;
use crate::phase::Phase;
use crate::slab::Rows;
use crate::ticket::{Records, Ticket};

/// How far one row has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowState {
    /// Nothing done yet.
    Issued,
    /// Its encoded image is in the chunk's buffer.
    Read,
    /// Its pixels are in the slab.
    Decoded,
    /// Every transform is done; the row may be consumed.
    Ready,
    /// The bytes of one of its records can't be used, and so the whole ticket can't.
    Bad {
        /// That record.
        record: u32,
        /// What is wrong.
        bad: BadBytes,
    },
}

/// One ticket of a chunk.
#[derive(Clone, Debug)]
pub struct ChunkRow {
    /// Place in the plan.
    pub seq: u64,
    /// Records of the split.
    pub records: Records,
    /// How far it has come.
    pub state: RowState,
    /// Where the encoded image of each record lies in the chunk's buffer; of a record that is there twice, the first.
    pub images: [Range<usize>; VIEWS_MAX],
    /// The label of each record; −1 where the split has none.
    pub labels: [i64; VIEWS_MAX],
    /// XXH3-64 of each view's pixels, when the phase hashes rows.
    pub hashes: [u64; VIEWS_MAX],
    /// How often a worker panicked on it.
    pub panics: u8,
}

impl ChunkRow {
    /// The row of a ticket with which nothing was done yet.
    pub fn new(ticket: Ticket) -> Self {
        Self {
            seq: ticket.seq,
            records: ticket.records,
            state: RowState::Issued,
            images: [const { 0..0 }; VIEWS_MAX],
            labels: [-1; VIEWS_MAX],
            hashes: [0; VIEWS_MAX],
            panics: 0,
        }
    }
}

/// A chunk. Whoever holds it is the only one who can write its rows.
pub struct Chunk {
    /// The phase it belongs to.
    pub phase: Arc<Phase>,
    /// Batch of the phase, from 0.
    pub batch: u64,
    /// Right to write its rows.
    pub slab_rows: Rows,
    /// Its tickets, one a row.
    pub rows: Vec<ChunkRow>,
    /// Encoded records, between reading and decoding.
    pub encoded: Vec<u8>,
    /// What it holds of the encoded-bytes budget.
    pub encoded_bytes: u64,
    /// Time spent turning encoded images into pictures, nanoseconds, not yet booked.
    pub picture_ns: u64,
    /// The row being worked on, so that a panic can be blamed on it.
    pub at: usize,
    /// The place of the record being worked on, among those of that row.
    pub at_record: usize,
}

impl Chunk {
    /// Says what is being worked on.
    pub fn work_on(&mut self, row: usize, record: usize) {
        (self.at, self.at_record) = (row, record);
    }

    /// Marks a row as unusable, for what is wrong with one of its records.
    pub fn quarantine(&mut self, row: usize, record: usize, bad: BadBytes) {
        let row = &mut self.rows[row];
        row.state = RowState::Bad { record: row.records.all()[record], bad };
    }

    /// Whether every row is ready or known to be unusable.
    pub fn is_finished(&self) -> bool {
        self.rows.iter().all(|row| matches!(row.state, RowState::Ready | RowState::Bad { .. }))
    }

    /// Blames a panic on the row at work. The first is forgiven (the row will be tried once more by a fresh worker);
    /// one that repeats is a property of the bytes.
    pub fn blame_panic(&mut self) {
        let row = &mut self.rows[self.at];
        row.panics += 1;
        if row.panics >= 2 {
            let detail = "a worker panicked on this record, and again on a fresh try".to_owned();
            self.quarantine(self.at, self.at_record, BadBytes { kind: FaultKind::DecoderPanicked, detail });
        }
    }
}
