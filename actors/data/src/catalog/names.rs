//! What names of files and folders say.

use std::path::Path;

use super::Split;

/// Whether a file's name is one that TFRecord shards have: `.tfrec`, `.tfrecord`, `.tfrecords` (also with `.gz`, `.z`
/// or `.zlib` after it), or `…-00003-of-00016`.
pub fn is_shard_name(name: &str) -> bool {
    let plain = without_compression_suffix(name);
    let extension = Path::new(plain).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let is_extension = ["tfrec", "tfrecord", "tfrecords"].iter().any(|known| extension.eq_ignore_ascii_case(known));
    is_extension || is_numbered_of(plain)
}

/// `…-00003-of-00016`, the names that TensorFlow's tools write.
fn is_numbered_of(name: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    name.rsplit_once("-of-").is_some_and(|(before, total)| {
        digits(total) && before.rsplit_once('-').is_some_and(|(_, number)| digits(number))
    })
}

/// The name less a suffix that says it is compressed.
pub(crate) fn without_compression_suffix(name: &str) -> &str {
    [".gz", ".zlib", ".z"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

/// Whether a file's name is one that JPEG or PNG images have.
pub fn is_image_name(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Hidden files and what editors, downloads and our own writers leave while they work.
pub(super) fn is_temporary(name: &str) -> bool {
    let suffixes = [".tmp", ".temp", ".part", ".partial", ".crdownload", ".swp", "~"];
    name.starts_with('.') || suffixes.iter().any(|suffix| name.ends_with(suffix))
}

/// The split that a folder's name says, exactly.
pub(super) fn split_of_folder_name(name: &str) -> Option<Split> {
    split_of_word(&name.to_ascii_lowercase())
}

/// The split that a word in a file's name says: `ld_train00-2071.tfrec` is train.
pub(super) fn split_of_file_name(name: &str) -> Option<Split> {
    let name = name.to_ascii_lowercase();
    name.split(|character: char| !character.is_ascii_alphabetic()).find_map(split_of_word)
}

fn split_of_word(word: &str) -> Option<Split> {
    match word {
        "train" | "training" => Some(Split::Train),
        "val" | "valid" | "validation" => Some(Split::Validation),
        "test" | "testing" => Some(Split::Test),
        _ => None,
    }
}

/// The side that a folder's name ends in (`tfrecords-jpeg-224x224`): the larger of width and height, pixels.
pub(super) fn pixel_size(name: &str) -> Option<u32> {
    let (before, height) = name.rsplit_once('x')?;
    let digits = before.len() - before.trim_end_matches(|character: char| character.is_ascii_digit()).len();
    let width = &before[before.len() - digits..];
    Some(width.parse::<u32>().ok()?.max(height.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_told_by_name() {
        for name in ["00-224x224-798.tfrec", "a.tfrecord", "a.TFRecords", "a.tfrec.gz", "train-00000-of-00128"] {
            assert!(is_shard_name(name), "{name}");
        }
        for name in ["a.jpg", "tfrec", "notes-of-2020", "a.tfrec.txt", "classes.txt", "list.gz"] {
            assert!(!is_shard_name(name), "{name}");
        }
    }

    #[test]
    fn splits_are_words_in_file_names_and_whole_folder_names() {
        assert_eq!(split_of_file_name("ld_train00-2071.tfrec"), Some(Split::Train));
        assert_eq!(split_of_file_name("valid-3.tfrec"), Some(Split::Validation));
        assert_eq!(split_of_file_name("contest-interval.tfrec"), None);
        assert_eq!(split_of_folder_name("Validation"), Some(Split::Validation));
        assert_eq!(split_of_folder_name("train-old"), None);
    }

    #[test]
    fn sizes_are_read_from_folder_names() {
        assert_eq!(pixel_size("tfrecords-jpeg-224x224"), Some(224));
        assert_eq!(pixel_size("jpeg-640x480"), Some(640));
        assert_eq!(pixel_size("matrix"), None);
        assert_eq!(pixel_size("box5"), None);
    }
}
