//! JPEG (or PNG) → crop → resize → flip, straight into the row.
//! Not here: the decoding and resampling themselves (see `picture`, `resample`).

use std::sync::Arc;

use crate::augmenter::seal;
use crate::chunk::{Chunk, RowState};
use crate::failure::PipelineError;
use crate::fault::BadBytes;
use crate::picture::{DecodeMode, ImageDecoder};
use crate::resample::Resampler;
use crate::shared::StageName;
use crate::simd::Simd;
use crate::worker::StageWork;

/// A decoder's buffers.
pub struct Decoder {
    decoder: ImageDecoder,
    mode: DecodeMode,
    resampler: Resampler,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            decoder: ImageDecoder::new(DecodeMode::Strict),
            mode: DecodeMode::Strict,
            resampler: Resampler::new(Simd::detect()),
        }
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
        let picture = self.decoder.decode(&chunk.encoded[chunk.rows[row].image.clone()])?;
        for (view, transform) in phase.spec.views.iter().enumerate() {
            let place = transform.place(phase.key(chunk.rows[row].seq, view), picture.size);
            let out = chunk.slab_rows.view_mut(row, view);
            self.resampler.resample(&picture, place.source, place.full, place.window, place.flip, out);
        }
        Ok(())
    }
}
