//! JPEG (or PNG) → crop → resize → flip, straight into the row.
//! Not here: the decoding and resampling themselves (see `picture`, `resample`).

use std::sync::Arc;
use std::time::Instant;

use crate::augmenter::seal;
use crate::cache::Kept;
use crate::chunk::{Chunk, RowState};
use crate::failure::PipelineError;
use crate::fault::BadBytes;
use crate::picture::{DecodeMode, ImageDecoder};
use crate::resample::Resampler;
use crate::shared::{StageName, nanoseconds};
use crate::worker::StageWork;

/// A decoder's buffers.
pub struct Decoder {
    decoder: ImageDecoder,
    mode: DecodeMode,
    resampler: Resampler,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { decoder: ImageDecoder::new(DecodeMode::Strict), mode: DecodeMode::Strict, resampler: Resampler::new() }
    }
}

impl StageWork for Decoder {
    fn name(&self) -> StageName {
        StageName::Decode
    }

    fn run(&mut self, chunk: &mut Chunk) -> Result<u64, PipelineError> {
        let phase = Arc::clone(&chunk.phase);
        if self.mode != phase.spec.decode {
            self.mode = phase.spec.decode;
            self.decoder = ImageDecoder::new(self.mode);
        }
        let mut bytes = 0;
        for row in 0..chunk.rows.len() {
            chunk.at = row;
            if chunk.rows[row].state != RowState::Read {
                continue;
            }
            bytes += chunk.rows[row].image.len() as u64;
            match self.decode_row(chunk, row) {
                Ok(()) if phase.augments() => chunk.rows[row].state = RowState::Decoded,
                Ok(()) => seal(chunk, row),
                Err(bad) => chunk.quarantine(row, bad),
            }
        }
        Ok(bytes)
    }
}

impl Decoder {
    fn decode_row(&mut self, chunk: &mut Chunk, row: usize) -> Result<(), BadBytes> {
        let phase = Arc::clone(&chunk.phase);
        let (record, label) = (chunk.rows[row].record, chunk.rows[row].label);
        let begun = Instant::now();
        let picture = match phase.cache.as_ref().and_then(|cache| cache.get(record)) {
            Some(Kept::Decoded(stored)) => stored.picture(),
            Some(Kept::Encoded(encoded)) => self.decoder.decode(encoded)?,
            None => {
                let encoded = &chunk.encoded[chunk.rows[row].image.clone()];
                let picture = self.decoder.decode(encoded)?;
                if let Some(cache) = &phase.cache {
                    cache.keep(record, label, encoded, &picture);
                }
                picture
            }
        };
        chunk.picture_ns += nanoseconds(begun.elapsed());
        for (view, transform) in phase.spec.views.iter().enumerate() {
            let place = transform.place(phase.key(chunk.rows[row].seq, view), picture.size);
            let out = chunk.slab_rows.view_mut(row, view);
            self.resampler.resample(&picture, place.source, place.full, place.window, place.flip, out);
        }
        Ok(())
    }
}
