//! Training records that are judged instead of trained on, so that the validation split stays untouched while tuning.
//! Not here: drawing epochs of what is left (see `sampler`).

use std::sync::Arc;

use twox_hash::XxHash3_64;

use crate::columns::Columns;
use crate::index::Index;

/// A training split in two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdout {
    /// Records to train on, ascending.
    pub kept: Arc<[u32]>,
    /// Records to judge, ascending.
    pub held: Arc<[u32]>,
}

impl Holdout {
    /// Holds `count` records out; `None` if nothing would be left.
    ///
    /// A record is chosen by the XXH3-64 of its id, the lowest first, so that every seed of a recipe is judged on the same
    /// pictures, and so is every size of them, in whatever order it lies. A record without an id is chosen by its length and
    /// CRC. Records that share an id stay together: then a few more than `count` are held out.
    pub fn choose(index: &Index, columns: &Columns, count: u32) -> Option<Self> {
        let lot = |record: u32| match columns.id(record).filter(|id| !id.is_empty()) {
            Some(id) => XxHash3_64::oneshot(id),
            None => {
                let address = index.address(record);
                let (length, crc) = (address.length.to_le_bytes(), address.data_crc.to_le_bytes());
                XxHash3_64::oneshot(&[length, crc].concat())
            }
        };
        let lots: Vec<u64> = (0..index.len()).map(lot).collect();
        let mut sorted = lots.clone();
        sorted.sort_unstable();
        let last = *sorted.get((count as usize).checked_sub(1)?)?;
        let choose = |is_held: bool| -> Arc<[u32]> {
            (0..index.len()).filter(|&record| (lots[record as usize] <= last) == is_held).collect()
        };
        let (kept, held) = (choose(false), choose(true));
        (!kept.is_empty()).then_some(Self { kept, held })
    }
}
