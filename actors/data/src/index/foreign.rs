//! What a file that is no TFRecord looks like, for a message that helps.

/// First bytes that tell a format.
const MAGICS: [(&[u8], &str); 14] = [
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a RIFF file (WebP, WAV)"),
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
    (b"Rar!", "a RAR archive: unpack it"),
    (b"BZh", "bzip2-compressed: unpack it"),
    (b"\xfd7zXZ\0", "xz-compressed: unpack it"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed: unpack it"),
    (b"PAR1", "a Parquet file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
];
/// Where a tar archive says that it is one.
const TAR_MAGIC: std::ops::Range<usize> = 257..262;
/// First bytes that are looked at.
pub(super) const SNIFFED_BYTES: usize = 512;

/// What known format the first bytes (up to [`SNIFFED_BYTES`]) are of, if any.
pub(super) fn known_format(start: &[u8]) -> Option<&'static str> {
    if let Some((_, name)) = MAGICS.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Some(name);
    }
    if start.get(TAR_MAGIC) == Some(b"ustar") {
        return Some("a tar archive: unpack it");
    }
    if !is_text(start) {
        return None;
    }
    let text = start.trim_ascii_start();
    let starts_with = |word: &[u8]| text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    if starts_with(b"version https://git-lfs") {
        return Some("a Git LFS pointer: fetch the real file with git lfs pull");
    }
    if starts_with(b"<!doctype html") || starts_with(b"<html") {
        return Some("an HTML page: the download answered with a web page");
    }
    Some("a text file")
}

fn is_text(start: &[u8]) -> bool {
    // The window may cut a character in two, which is no reason to doubt the text before it.
    let valid = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty() && valid.chars().all(|character| !character.is_control() || character.is_ascii_whitespace())
}

/// What to say of bytes that are no TFRecord.
pub(super) fn describe(start: &[u8]) -> String {
    match known_format(start) {
        Some(format) => format!("it looks like {format}"),
        None if start.iter().all(|&byte| byte == 0) => {
            "it starts with zeros: the copy or download never finished".to_owned()
        }
        None => "its first record's length has a wrong CRC, and no record is found after it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        assert_eq!(known_format(b"\xff\xd8\xff\xe0"), Some("a JPEG image"));
        assert_eq!(known_format("h\u{e9}llo,\nworld\t".as_bytes()), Some("a text file"));
        assert_eq!(known_format(&"\u{e9}".as_bytes()[..1].repeat(2)), None);
        assert!(known_format(b"\n<!DOCTYPE html><p>").is_some_and(|format| format.contains("HTML")));
        assert_eq!(known_format(&[0; 64]), None);
        assert!(describe(&[0; 64]).contains("zeros"));
    }
}
