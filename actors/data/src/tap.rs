//! A look at the rows that a net is trained on, for people: a few of them, copied only when somebody asks.
//! Not here: showing them. Changes nothing about a batch.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};

use crate::batch::Batch;
use crate::geometry::Size;
use crate::shared::lock;

/// Most rows of a look.
pub const ROWS_MAX: usize = 8;

/// What was seen of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glimpse {
    /// Size of each picture.
    pub size: Size,
    /// Pictures one after another: `[rows, H, W, 3]`, 8-bit RGB, first view.
    pub pixels: Vec<u8>,
    /// A label a picture; −1 where the split has none.
    pub labels: Vec<i64>,
    /// Place of the first in its plan.
    pub first_seq: u64,
}

/// Shared between the pipeline and whoever looks.
#[derive(Default)]
pub struct Tap {
    is_wanted: AtomicBool,
    seen: Mutex<Option<Glimpse>>,
}

impl Tap {
    /// What was seen last; the next batch of a training phase will be looked at again.
    pub fn look(&self) -> Option<Glimpse> {
        self.is_wanted.store(true, std::sync::atomic::Ordering::Release);
        lock(&self.seen).clone()
    }

    /// Called with every batch of a training phase that is handed over.
    pub(crate) fn pass(&self, batch: &Batch) {
        if batch.is_empty() || !self.is_wanted.swap(false, AcqRel) {
            return;
        }
        let (size, rows) = (batch.view_size(0), batch.len().min(ROWS_MAX));
        let row_bytes = size.width as usize * size.height as usize * 3;
        let glimpse = Glimpse {
            size,
            pixels: batch.view(0)[..rows * row_bytes].to_vec(),
            labels: batch.labels()[..rows].to_vec(),
            first_seq: batch.seqs().start,
        };
        *lock(&self.seen) = Some(glimpse);
    }
}
