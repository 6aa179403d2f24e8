//! JPEG (or PNG) → crop → resize → flip, straight into the row.
//! Not here: the decoding and resampling themselves (see `picture`, `resample`).

use std::sync::Arc;

use crate::augmenter::seal;
use crate::chunk::{Chunk, RowState};
use crate::failure::PipelineError;
use crate::fault::BadBytes;
use crate::geometry::{CropBox, Size};
use crate::picture::{DecodeMode, ImageDecoder};
use crate::planar::PlanarResampler;
use crate::resample::{ResamplePath, Resampler};
use crate::shared::StageName;
use crate::simd::Simd;
use crate::worker::StageWork;

/// A decoder's buffers.
pub struct Decoder {
    simd: Simd,
    decoder: ImageDecoder,
    mode: DecodeMode,
    resampler: Resampler,
    planar: PlanarResampler,
}

impl Decoder {
    /// A decoder without buffers yet. Its rows don't depend on the instructions that it uses.
    pub fn new(simd: Simd) -> Self {
        Self {
            simd,
            decoder: ImageDecoder::with_simd(DecodeMode::Strict, simd),
            mode: DecodeMode::Strict,
            resampler: Resampler::new(simd),
            planar: PlanarResampler::new(simd),
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
            self.decoder = ImageDecoder::with_simd(self.mode, self.simd);
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
        let phase = &Arc::clone(&chunk.phase);
        let (encoded, seq) = (&chunk.encoded[chunk.rows[row].image.clone()], chunk.rows[row].seq);
        let places = |size: Size| {
            let views = phase.spec.views.iter().enumerate();
            views.map(move |(view, transform)| transform.place(phase.key(seq, view), size)).enumerate()
        };
        if phase.spec.resample == ResamplePath::Planar {
            let needed = |size: Size| -> CropBox {
                places(size).map(|(_, place)| place.source).reduce(CropBox::union).unwrap_or(size.whole())
            };
            if let Some(picture) = self.decoder.decode_planes(encoded, needed)? {
                for (view, place) in places(picture.size) {
                    let out = chunk.slab_rows.view_mut(row, view);
                    self.planar.resample(&picture, place.source, place.full, place.window, place.flip, out);
                }
                return Ok(());
            }
        }
        let picture = self.decoder.decode(encoded)?;
        for (view, place) in places(picture.size) {
            let out = chunk.slab_rows.view_mut(row, view);
            self.resampler.resample(&picture, place.source, place.full, place.window, place.flip, out);
        }
        Ok(())
    }
}
