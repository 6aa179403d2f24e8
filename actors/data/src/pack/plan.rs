//! Which image goes into which split and shard; by seed, before anything is written.

use std::path::PathBuf;

use super::PackOptions;
use crate::catalog::{Catalog, Split, SplitFiles};
use crate::random::{Draws, Purpose};

/// One image to pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Relative to the tree's root; it becomes the id.
    pub file: PathBuf,
    pub label: i64,
}

/// Everything to pack.
pub(super) struct Planned {
    pub root: PathBuf,
    pub splits: Vec<(Split, Vec<Item>)>,
}

/// The splits of a tree in their final order; `None` if the catalog holds shards. Where the tree has no validation
/// images, a share of each class is held out, rounded to the nearest image, so that no class is left out by chance.
pub(super) fn plan(found: &Catalog, options: &PackOptions) -> Option<Planned> {
    let mut root = PathBuf::new();
    let mut splits: Vec<(Split, Vec<Item>)> = Vec::new();
    let holds_out = found.validation.is_none() && options.validation_share > 0.0;
    for split in Split::ALL {
        let Some(files) = found.split(split) else { continue };
        let SplitFiles::Images(tree) = files else { return None };
        root.clone_from(&tree.root);
        let (mut kept, mut held_out) = (Vec::new(), Vec::new());
        for class in &tree.classes {
            let mut items: Vec<_> =
                class.files.iter().map(|file| Item { file: file.clone(), label: class.label }).collect();
            if holds_out && split == Split::Train {
                shuffle(&mut items, options.seed, class.label as u64, Purpose::Holdout);
                let share = (items.len() as f64 * options.validation_share).round() as usize;
                held_out.extend(items.drain(..share));
            }
            kept.extend(items);
        }
        splits.push((split, kept));
        if !held_out.is_empty() {
            splits.push((Split::Validation, held_out));
        }
    }
    // A class of one image at a high share may leave nothing on one side.
    splits.retain(|(_, items)| !items.is_empty());
    for (split, items) in &mut splits {
        items.sort_by(|a, b| a.file.cmp(&b.file));
        shuffle(items, options.seed, *split as u64, Purpose::Shuffle);
    }
    Some(Planned { root, splits })
}

/// As few shards as the limit allows, of sizes that differ by one at most.
pub(super) fn shards(items: &[Item], records_per_shard: usize) -> impl Iterator<Item = &[Item]> {
    let count = items.len().div_ceil(records_per_shard);
    (0..count).map(move |number| &items[items.len() * number / count..items.len() * (number + 1) / count])
}

/// Fisher–Yates with the draws of (seed, stream, purpose).
fn shuffle(items: &mut [Item], seed: u64, stream: u64, purpose: Purpose) {
    let mut draws = Draws::new(seed, 0, stream, 0, purpose);
    for last in (1..items.len()).rev() {
        items.swap(last, draws.below(last as u64 + 1) as usize);
    }
}
