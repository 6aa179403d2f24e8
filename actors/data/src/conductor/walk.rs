//! The walk through one phase's plan: which rows the next chunk has, and what it weighs.
//! Not here: whether it may be issued (see `conductor`).

use std::sync::Arc;

use crossbeam_channel::Sender;

use crate::chunk::{Chunk, ChunkRow};
use crate::failure::PipelineError;
use crate::limits::{CHUNK_ENCODED_BYTES_TARGET, CHUNK_ROWS_MAX, ENCODED_BUFFER_BYTES_KEPT_MAX};
use crate::outcome::Tally;
use crate::phase::Phase;
use crate::slab::OpenSlab;

/// A phase in progress.
pub struct Walk {
    /// The phase.
    pub phase: Arc<Phase>,
    /// The next ticket to issue.
    pub next_seq: u64,
    /// The slab whose rows are being lent.
    pub open_slab: Option<OpenSlab>,
    /// Tickets and outcomes so far.
    pub tally: Tally,
    /// Waits for everything to be back.
    pub closing: Option<Sender<Result<Tally, PipelineError>>>,
}

impl Walk {
    /// Rows and encoded bytes of the next chunk: up to 16 rows of the open slab, fewer where records are large.
    pub fn next_chunk(&self) -> (usize, u64) {
        let spec = &self.phase.spec;
        let slab_rows = self.open_slab.as_ref().map_or(0, OpenSlab::rows_left);
        let left = usize::try_from(spec.end_seq() - self.next_seq).unwrap_or(usize::MAX);
        let rows_max = CHUNK_ROWS_MAX.min(slab_rows).min(left);
        let (mut rows, mut bytes) = (0, 0);
        while rows < rows_max {
            let more = self.phase.encoded_bytes(&spec.plan.ticket(self.next_seq + rows as u64).records);
            if rows > 0 && bytes + more > CHUNK_ENCODED_BYTES_TARGET {
                break;
            }
            rows += 1;
            bytes += more;
        }
        (rows, bytes)
    }

    /// Takes the next rows from plan and slab.
    pub fn take_chunk(&mut self, rows: usize, bytes: u64, mut encoded: Vec<u8>) -> Chunk {
        let spec = &self.phase.spec;
        let open = self.open_slab.as_mut().expect("a slab was opened for these rows");
        let slab_rows = open.lend(rows);
        let batch = (self.next_seq - spec.first_seq) / spec.batch_rows as u64;
        let tickets = (self.next_seq..self.next_seq + rows as u64).map(|seq| spec.plan.ticket(seq));
        let rows: Vec<ChunkRow> = tickets.map(ChunkRow::new).collect();
        encoded.clear();
        if encoded.capacity() < bytes as usize {
            encoded.reserve_exact(buffer_bytes(bytes));
        }
        self.next_seq += rows.len() as u64;
        self.tally.issued += rows.len() as u64;
        self.tally.in_flight += rows.len() as u64;
        if open.rows_left() == 0 || self.next_seq == spec.end_seq() {
            // Before the chunk leaves: the sequencer must find no handle but the rows' own when it closes the slab.
            self.open_slab = None;
        }
        Chunk {
            phase: Arc::clone(&self.phase),
            batch,
            slab_rows,
            rows,
            encoded,
            encoded_bytes: bytes,
            picture_ns: 0,
            at: 0,
            at_record: 0,
        }
    }
}

/// The size of a new buffer for encoded records. Of those that will be used again a generous one: chunks differ by a little,
/// and buffers that were made to measure would be made anew over and over.
fn buffer_bytes(bytes: u64) -> usize {
    let generous = bytes.next_power_of_two();
    (if generous <= ENCODED_BUFFER_BYTES_KEPT_MAX { generous } else { bytes }) as usize
}
