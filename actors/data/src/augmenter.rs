//! Photometric augmentation on the CPU: brightness and contrast, in the row, in 8 bits.
//! Not here: geometry (the decoder crops) or anything on the device.

use twox_hash::XxHash3_64;

use crate::chunk::{Chunk, RowState};
use crate::failure::PipelineError;
use crate::shared::StageName;
use crate::worker::StageWork;

/// The augmenter's work.
pub struct Augmenter;

impl StageWork for Augmenter {
    fn name(&self) -> StageName {
        StageName::Augment
    }

    fn run(&mut self, chunk: &mut Chunk) -> Result<u64, PipelineError> {
        let mut bytes = 0;
        for row in 0..chunk.rows.len() {
            chunk.work_on(row, 0);
            if chunk.rows[row].state != RowState::Decoded {
                continue;
            }
            let phase = std::sync::Arc::clone(&chunk.phase);
            for (view, transform) in phase.spec.views.iter().enumerate() {
                chunk.work_on(row, chunk.rows[row].records.place_of(view));
                let pixels = chunk.slab_rows.view_mut(row, view);
                if let Some(jitter) = transform.jitter(phase.key(chunk.rows[row].seq, view)) {
                    jitter.apply(pixels);
                }
                bytes += pixels.len() as u64;
            }
            seal(chunk, row);
        }
        Ok(bytes)
    }
}

/// Hashes a row that will not change any more, while it is still in the cache, and declares it ready.
pub fn seal(chunk: &mut Chunk, row: usize) {
    if chunk.phase.spec.hash_rows {
        for view in 0..chunk.phase.spec.views.len() {
            chunk.rows[row].hashes[view] = XxHash3_64::oneshot(chunk.slab_rows.view_mut(row, view));
        }
    }
    chunk.rows[row].state = RowState::Ready;
}
