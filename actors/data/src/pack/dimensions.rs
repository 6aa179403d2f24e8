//! Width and height of a JPEG or PNG file, from its header.
//! Not here: decoding.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

/// JPEG segments that are stepped over before giving up; thumbnails and colour profiles take a few dozen.
const SEGMENTS_MAX: usize = 10_000;

/// Size of an image as stored, before any orientation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Dimensions {
    width_px: u32,
    height_px: u32,
}

impl fmt::Display for Dimensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width_px, self.height_px)
    }
}

/// The size of the image in a file; `None` if it is neither JPEG nor PNG, or ends too early.
pub(super) fn of_file(path: &Path) -> io::Result<Option<Dimensions>> {
    match of_stream(BufReader::new(File::open(path)?)) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        other => other,
    }
}

fn of_stream(mut stream: impl Read + Seek) -> io::Result<Option<Dimensions>> {
    let mut start = [0; 2];
    stream.read_exact(&mut start)?;
    match &start {
        b"\xff\xd8" => of_jpeg(stream),
        b"\x89P" => of_png(stream),
        _ => Ok(None),
    }
}

/// Steps from segment to segment to the frame header (SOF), after the start of image.
fn of_jpeg(mut stream: impl Read + Seek) -> io::Result<Option<Dimensions>> {
    for _ in 0..SEGMENTS_MAX {
        let mut segment = [0; 4];
        stream.read_exact(&mut segment[..2])?;
        if segment[..2] == [0xff, 0xff] {
            // A fill byte: the marker starts at the second one.
            stream.seek_relative(-1)?;
            continue;
        }
        let [0xff, marker, ..] = segment else { return Ok(None) };
        stream.read_exact(&mut segment[2..])?;
        let length = u16::from_be_bytes([segment[2], segment[3]]);
        match marker {
            0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(&marker) => {
                let mut frame = [0; 5];
                stream.read_exact(&mut frame)?;
                let height_px = u16::from_be_bytes([frame[1], frame[2]]).into();
                let width_px = u16::from_be_bytes([frame[3], frame[4]]).into();
                return Ok((width_px > 0 && height_px > 0).then_some(Dimensions { width_px, height_px }));
            }
            // The scan or the end before any frame header, or a length that doesn't count itself.
            0xd9 | 0xda => return Ok(None),
            _ if length < 2 => return Ok(None),
            _ => stream.seek_relative(i64::from(length) - 2)?,
        }
    }
    Ok(None)
}

fn of_png(mut stream: impl Read) -> io::Result<Option<Dimensions>> {
    let mut header = [0; 22];
    stream.read_exact(&mut header)?;
    if !header.starts_with(b"NG\r\n\x1a\n") || header[10..14] != *b"IHDR" {
        return Ok(None);
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (width_px, height_px) = (number(14), number(18));
    Ok((width_px > 0 && height_px > 0).then_some(Dimensions { width_px, height_px }))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn of(bytes: &[u8]) -> Option<String> {
        of_stream(Cursor::new(bytes)).ok().flatten().map(|size| size.to_string())
    }

    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        let pixels = vec![99; usize::from(width) * usize::from(height) * 3];
        let encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
        encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
        bytes
    }

    #[test]
    fn sizes_of_jpeg_and_png_are_read() {
        assert_eq!(of(&jpeg(33, 21)).unwrap(), "33x21");
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 17, 9);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(&[0; 17 * 9 * 3]).unwrap();
        assert_eq!(of(&bytes).unwrap(), "17x9");
    }

    #[test]
    fn anything_else_has_no_size() {
        let sound = jpeg(33, 21);
        for cut in 0..20 {
            assert_eq!(of(&sound[..cut]), None);
        }
        assert_eq!(of(b"\xff\xd8\xff\xe0\0\0"), None);
        assert_eq!(of(b"\xff\xd8\xff\xd9\xff\xd9"), None);
        assert_eq!(of(&[0xff; 100_000]), None);
        assert_eq!(of(b"plain text, no image"), None);
    }
}
