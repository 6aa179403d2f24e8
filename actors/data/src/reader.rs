//! Positional reads of records, both CRCs verified, examples parsed without copying the image.
//! Not here: what a frame or an example is (see `framing`, `example`).

use std::sync::Arc;
use std::time::Duration;

use crate::chunk::{Chunk, RowState};
use crate::failure::PipelineError;
use crate::fault::{BadBytes, FaultKind};
use crate::limits::ENCODED_BYTES_IN_FLIGHT_MAX;
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
        let before = chunk.encoded.len();
        if phase.spec.plan.records_per_ticket() == 1 {
            self.read_rows(chunk, &phase)?;
        } else {
            for row in 0..chunk.rows.len() {
                if chunk.rows[row].state == RowState::Issued {
                    self.read_ticket(chunk, &phase, row)?;
                }
            }
        }
        Ok((chunk.encoded.len() - before) as u64)
    }
}

impl Reader {
    /// Rows of one record each: neighbours on disk by one read.
    fn read_rows(&self, chunk: &mut Chunk, phase: &Phase) -> Result<(), PipelineError> {
        take_kept(chunk, phase);
        let mut row = 0;
        while row < chunk.rows.len() {
            if chunk.rows[row].state != RowState::Issued {
                row += 1;
                continue;
            }
            chunk.work_on(row, 0);
            let run = run_length(chunk, phase, row);
            let mut frame = chunk.encoded.len();
            self.read(chunk, phase, chunk.rows[row].records.first(), run)?;
            for neighbour in row..row + run {
                chunk.work_on(neighbour, 0);
                let end = frame + phase.spec.index.frame_bytes(chunk.rows[neighbour].records.first()) as usize;
                match accept(chunk, phase, (neighbour, 0), frame..end) {
                    Ok(()) => chunk.rows[neighbour].state = RowState::Read,
                    Err(bad) => chunk.quarantine(neighbour, 0, bad),
                }
                frame = end;
            }
            row += run;
        }
        Ok(())
    }

    /// A row of several records, each read once. The first bad one ends it.
    fn read_ticket(&self, chunk: &mut Chunk, phase: &Phase, row: usize) -> Result<(), PipelineError> {
        let records = chunk.rows[row].records;
        if phase.is_too_large(&records) {
            let detail = format!(
                "the {} records of the ticket take more than the {} MiB that may be in flight",
                records.all().len(),
                ENCODED_BYTES_IN_FLIGHT_MAX >> 20
            );
            chunk.quarantine(row, 0, BadBytes::new(FaultKind::LengthTooLarge, detail));
            return Ok(());
        }
        for (place, record) in records.distinct() {
            chunk.work_on(row, place);
            if let Some(label) = phase.cache.as_ref().and_then(|cache| cache.label(record)) {
                chunk.rows[row].labels[place] = label;
                continue;
            }
            let start = chunk.encoded.len();
            self.read(chunk, phase, record, 1)?;
            if let Err(bad) = accept(chunk, phase, (row, place), start..chunk.encoded.len()) {
                chunk.quarantine(row, place, bad);
                return Ok(());
            }
        }
        let row = &mut chunk.rows[row];
        for place in 1..records.all().len() {
            // The same record again is the same example.
            let first = records.all().iter().position(|record| *record == records.all()[place]);
            row.labels[place] = row.labels[first.unwrap_or(place)];
        }
        row.state = RowState::Read;
        Ok(())
    }

    /// Reads this record and those after it, `run` in all, into the chunk's buffer.
    fn read(&self, chunk: &mut Chunk, phase: &Phase, record: u32, run: usize) -> Result<(), PipelineError> {
        if !self.stand_in_read.is_zero() {
            std::thread::sleep(self.stand_in_read);
        }
        let (index, start) = (&phase.spec.index, chunk.encoded.len());
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
}

/// Rows of records that are kept in memory need no reading: the decoder finds them there.
fn take_kept(chunk: &mut Chunk, phase: &Phase) {
    let Some(cache) = &phase.cache else { return };
    for row in chunk.rows.iter_mut().filter(|row| row.state == RowState::Issued) {
        if let Some(label) = cache.label(row.records.first()) {
            row.labels[0] = label;
            row.state = RowState::Read;
        }
    }
}

/// How many rows from this one on lie one behind the other on disk, so that one read gets them all.
fn run_length(chunk: &Chunk, phase: &Phase, first: usize) -> usize {
    let mut last = first;
    while last + 1 < chunk.rows.len()
        && chunk.rows[last + 1].state == RowState::Issued
        && phase.spec.index.are_contiguous(chunk.rows[last].records.first(), chunk.rows[last + 1].records.first())
    {
        last += 1;
    }
    last - first + 1
}

/// Checks and parses the frame of a row's record; a frame whose CRC fails is read once more past the page cache before it is
/// believed bad.
fn accept(
    chunk: &mut Chunk,
    phase: &Phase,
    (row, place): (usize, usize),
    frame: std::ops::Range<usize>,
) -> Result<(), BadBytes> {
    let record = chunk.rows[row].records.all()[place];
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
    let (image, label) = parsed?;
    let row = &mut chunk.rows[row];
    row.images[place] = image;
    row.labels[place] = label;
    Ok(())
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
