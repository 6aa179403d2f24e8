//! Positional reads of records, both CRCs verified, examples parsed without copying the image.
//! Not here: what a frame or an example is (see `framing`, `example`).

use std::sync::Arc;
use std::time::Duration;

use crate::chunk::{Chunk, RowState};
use crate::failure::PipelineError;
use crate::fault::{BadBytes, FaultKind};
use crate::phase::Phase;
use crate::shared::StageName;
use crate::worker::StageWork;

/// Tries before a read that fails is given up. Retried at once: a pipeline never sleeps, and the system's own time-outs
/// (of a network mount, say) have already waited.
const READ_TRIES: usize = 3;

/// The reader's work. It keeps nothing between chunks.
#[derive(Default)]
pub struct Reader {
    /// How much longer every read takes: a stand-in for slow storage, in benches.
    pub stand_in_read: Duration,
}

impl StageWork for Reader {
    fn name(&self) -> StageName {
        StageName::Read
    }

    fn run(&mut self, chunk: &mut Chunk) -> Result<u64, PipelineError> {
        let phase = Arc::clone(&chunk.phase);
        take_kept(chunk, &phase);
        let mut bytes = 0;
        let mut row = 0;
        while row < chunk.rows.len() {
            if chunk.rows[row].state != RowState::Issued {
                row += 1;
                continue;
            }
            chunk.at = row;
            let run = run_length(chunk, &phase, row);
            let start = chunk.encoded.len();
            if !self.stand_in_read.is_zero() {
                std::thread::sleep(self.stand_in_read);
            }
            read(chunk, &phase, row, run)?;
            bytes += (chunk.encoded.len() - start) as u64;
            let mut frame = start;
            for neighbour in row..row + run {
                chunk.at = neighbour;
                let end = frame + phase.spec.index.frame_bytes(chunk.rows[neighbour].record) as usize;
                accept(chunk, &phase, neighbour, frame..end);
                frame = end;
            }
            row += run;
        }
        Ok(bytes)
    }
}

/// Rows of records that are kept in memory need no reading: the decoder finds them there.
fn take_kept(chunk: &mut Chunk, phase: &Phase) {
    let Some(cache) = &phase.cache else { return };
    for row in chunk.rows.iter_mut().filter(|row| row.state == RowState::Issued) {
        if let Some(label) = cache.label(row.record) {
            row.label = label;
            row.state = RowState::Read;
        }
    }
}

/// How many rows from this one on lie one behind the other on disk, so that one read gets them all.
fn run_length(chunk: &Chunk, phase: &Phase, first: usize) -> usize {
    let mut last = first;
    while last + 1 < chunk.rows.len()
        && chunk.rows[last + 1].state == RowState::Issued
        && phase.spec.index.are_contiguous(chunk.rows[last].record, chunk.rows[last + 1].record)
    {
        last += 1;
    }
    last - first + 1
}

fn read(chunk: &mut Chunk, phase: &Phase, row: usize, run: usize) -> Result<(), PipelineError> {
    let (index, record) = (&phase.spec.index, chunk.rows[row].record);
    let start = chunk.encoded.len();
    let mut tries = 0;
    loop {
        tries += 1;
        match index.read_frames(record, run as u32, &mut chunk.encoded) {
            Ok(()) => return Ok(()),
            Err(error) if tries == READ_TRIES => {
                let (shard, offset) = (index.shard_of(record).name.clone(), index.address(record).offset);
                return Err(PipelineError::Io { shard, offset, cause: error.to_string() });
            }
            Err(error) => {
                tracing::warn!(%error, tries, "a read failed; trying again");
                chunk.encoded.truncate(start);
            }
        }
    }
}

/// Checks and parses one frame; a frame whose CRC fails is read once more past the page cache before it is believed bad.
fn accept(chunk: &mut Chunk, phase: &Phase, row: usize, frame: std::ops::Range<usize>) {
    let record = chunk.rows[row].record;
    let index = &phase.spec.index;
    let mut parsed = locate(phase, record, &chunk.encoded, frame.clone());
    if parsed.as_ref().is_err_and(|bad| bad.kind == FaultKind::DataCrcMismatch) {
        let mut again = Vec::new();
        if index.reread_uncached(record, &mut again).is_ok() && again.len() == frame.len() {
            chunk.encoded[frame.clone()].copy_from_slice(&again);
            parsed = locate(phase, record, &chunk.encoded, frame);
            if parsed.is_ok() {
                tracing::warn!(
                    record,
                    "a record's CRC failed in the page cache but not on disk: suspect this machine's memory"
                );
            }
        }
    }
    match parsed {
        Ok((image, label)) => {
            let row = &mut chunk.rows[row];
            row.image = image;
            row.label = label;
            row.state = RowState::Read;
        }
        Err(bad) => chunk.quarantine(row, bad),
    }
}

/// Where the image lies in the buffer, and the label.
fn locate(
    phase: &Phase,
    record: u32,
    buffer: &[u8],
    frame: std::ops::Range<usize>,
) -> Result<(std::ops::Range<usize>, i64), BadBytes> {
    let spec = &phase.spec;
    let frame = &buffer[frame];
    let example = spec.index.parse_frame(record, frame, &spec.features)?;
    // For the names of the features that are there, should one be missing. (Images of a tree never lack any.)
    let payload = frame.get(12..frame.len().saturating_sub(4)).unwrap_or_default();
    let image = example.image_or_fault(payload)?;
    let label = match spec.classes {
        Some(classes) => example.label_or_fault(payload, classes)?,
        None => example.label.unwrap_or(-1),
    };
    // `image` borrows from `buffer`: its place is a difference of addresses within one slice.
    let start = image.as_ptr() as usize - buffer.as_ptr() as usize;
    Ok((start..start + image.len(), label))
}
