//! JPEG (or PNG) → crop → resize → flip, straight into the row.
//! Not here: the decoding and resampling themselves (see `picture`, `resample`).

use std::sync::Arc;
use std::time::Instant;

use crate::augmenter::seal;
use crate::cache::{CacheMode, Kept};
use crate::chunk::{Chunk, RowState};
use crate::failure::PipelineError;
use crate::fault::BadBytes;
use crate::geometry::{CropBox, Size};
use crate::picture::{DecodeMode, ImageDecoder};
use crate::shared::{StageName, nanoseconds};
use crate::simd::Simd;
use crate::view::ViewMaker;
use crate::worker::StageWork;

/// A decoder's buffers.
pub struct Decoder {
    simd: Simd,
    decoder: ImageDecoder,
    mode: DecodeMode,
    views: ViewMaker,
}

impl Decoder {
    /// A decoder without buffers yet. Its rows don't depend on the instructions that it uses.
    pub fn new(simd: Simd) -> Self {
        Self {
            simd,
            decoder: ImageDecoder::with_simd(DecodeMode::Strict, simd),
            mode: DecodeMode::Strict,
            views: ViewMaker::new(simd),
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
            if chunk.rows[row].state != RowState::Read {
                continue;
            }
            match self.decode_row(chunk, row) {
                Ok(decoded) => {
                    bytes += decoded;
                    if phase.augments() {
                        chunk.rows[row].state = RowState::Decoded;
                    } else {
                        seal(chunk, row);
                    }
                }
                Err(bad) => chunk.quarantine(row, chunk.at_record, bad),
            }
        }
        Ok(bytes)
    }
}

impl Decoder {
    /// Makes all views of a row; each of its records is decoded once, for all views that show it. Gives the encoded bytes.
    fn decode_row(&mut self, chunk: &mut Chunk, row: usize) -> Result<u64, BadBytes> {
        let mut bytes = 0;
        for (place, record) in chunk.rows[row].records.distinct() {
            chunk.work_on(row, place);
            bytes += chunk.rows[row].images[place].len() as u64;
            self.decode(chunk, row, place, record)?;
        }
        Ok(bytes)
    }

    fn decode(&mut self, chunk: &mut Chunk, row: usize, place: usize, record: u32) -> Result<(), BadBytes> {
        let phase = &Arc::clone(&chunk.phase);
        let (records, label, seq) = (chunk.rows[row].records, chunk.rows[row].labels[place], chunk.rows[row].seq);
        let places = |size: Size| {
            let views = phase.spec.views.iter().enumerate().filter(move |(view, _)| records.of_view(*view) == record);
            views.map(move |(view, transform)| (view, transform.place(phase.key(seq, view), size)))
        };
        let crops =
            |size: Size| places(size).map(|(_, place)| place.source).reduce(CropBox::union).unwrap_or(size.whole());
        let path = phase.spec.resample;
        let begun = Instant::now();
        let image = match phase.cache.as_ref().and_then(|cache| cache.get(record)) {
            Some(Kept::Decoded(stored)) => {
                let image = stored.image();
                image.fetch(crops(image.size()));
                image
            }
            Some(Kept::Encoded(encoded)) => self.decoder.decode_for(path, encoded, crops)?,
            None => {
                let encoded = &chunk.encoded[chunk.rows[row].images[place].clone()];
                let cache = phase.cache.as_ref().and_then(|cache| Some((cache, cache.keeps()?)));
                let image = match cache {
                    // Later epochs will want other parts of it.
                    Some((_, CacheMode::Decoded)) => self.decoder.decode_for(path, encoded, Size::whole)?,
                    _ => self.decoder.decode_for(path, encoded, crops)?,
                };
                if let Some((cache, _)) = cache {
                    cache.keep(record, label, encoded, &image);
                }
                image
            }
        };
        chunk.picture_ns += nanoseconds(begun.elapsed());
        for (view, place) in places(image.size()) {
            self.views.make(&image, &place, chunk.slab_rows.view_mut(row, view));
        }
        Ok(())
    }
}
