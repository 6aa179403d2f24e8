//! The record count in a shard's name: `00-224x224-798.tfrec` says 798.

use std::path::Path;

use crate::catalog::is_shard_name;
use crate::catalog::without_compression_suffix;

/// What each shard's name says of its records. Names `….tfrec` that end in `-<number>` state a count, as on Kaggle;
/// two habits that look alike are told apart: a number with leading zeros, and numbers that just count the shards
/// (`train-0`, `train-1`, …: 0 or 1 to n in a row over all shards of the split) are the shard's own.
pub(super) fn stated_counts(names: &[&str]) -> Vec<Option<u64>> {
    let numbers: Vec<_> = names.iter().map(|name| number_at_end(name)).collect();
    let mut sorted: Vec<_> = numbers.iter().flatten().copied().collect();
    sorted.sort_unstable();
    let in_a_row = |first: u64| sorted.iter().zip(first..).all(|(&number, expected)| number == expected);
    let number_the_shards = sorted.len() == names.len() && (in_a_row(0) || in_a_row(1));
    let is_count = |name: &str| !number_the_shards || has_size_before_count(name);
    names.iter().zip(numbers).map(|(name, number)| number.filter(|_| is_count(name))).collect()
}

/// The number after the last dash of a `.tfrec` name.
fn number_at_end(name: &str) -> Option<u64> {
    let plain = Path::new(without_compression_suffix(name));
    let is_kaggle_style = plain.extension().is_some_and(|extension| extension == "tfrec") && is_shard_name(name);
    let (_, digits) = plain.file_stem()?.to_str()?.rsplit_once('-')?;
    let is_count = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| is_kaggle_style && is_count)
}

/// `…-<W>x<H>-<count>`: here the last number is surely a count.
fn has_size_before_count(name: &str) -> bool {
    let parts: Vec<_> = name.split('-').collect();
    let [.., size, _] = parts[..] else { return false };
    size.split_once('x').is_some_and(|(width, height)| width.parse::<u32>().is_ok() && height.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kaggle_names_state_counts() {
        assert_eq!(stated_counts(&["00-224x224-798.tfrec", "train00-2071.tfrec"]), [Some(798), Some(2_071)]);
        assert_eq!(stated_counts(&["00-64x64-1.tfrec"]), [Some(1)]);
        assert_eq!(stated_counts(&["00-64x64-10.tfrec.gz"]), [Some(10)]);
        assert_eq!(stated_counts(&["flowers-12.tfrec"]), [Some(12)]);
    }

    #[test]
    fn numbers_of_shards_are_no_counts() {
        assert_eq!(stated_counts(&["train-0.tfrec", "train-1.tfrec", "train-2.tfrec"]), [None, None, None]);
        assert_eq!(stated_counts(&["part-00003.tfrec", "photos-7.tfrecord", "a.tfrec"]), [None, None, None]);
        assert_eq!(stated_counts(&["train-00000-of-00016"]), [None]);
        assert_eq!(stated_counts(&["x--.tfrec", "x-99999999999999999999999.tfrec"]), [None, None]);
    }
}
