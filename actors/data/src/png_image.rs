//! One PNG → RGB8: any depth, palette, grey and interlacing; alpha is dropped as Pillow's `convert("RGB")` does.
//! Not here: PNG writing, animation (the first frame counts), colour profiles.
//!
//! 16-bit samples keep their high byte. (Pillow clips 16-bit *grey* at 255 instead, which whitens nearly all of it.)

use crate::fault::{BadBytes, FaultKind};
use crate::geometry::Size;
use crate::limits;
use crate::picture::{DecodeMode, check_scratch, check_size};
use png::{ColorType, DecodeOptions, DecodingError, Transformations};
use std::io::Cursor;

/// What every PNG begins with.
pub(crate) const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
/// Memory that the PNG decoder may take besides the pixels, bytes.
const DECODER_BYTES_MAX: usize = 16 << 20;

/// What the header chunk says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PngHeader {
    /// Width and height.
    pub size: Size,
    /// Memory that decoding takes, bytes.
    pub scratch_bytes: u64,
}

/// Reads the header chunk of a PNG and checks it against the limits.
pub(crate) fn read_header(bytes: &[u8]) -> Result<PngHeader, BadBytes> {
    let side = |at: usize| -> Option<u32> { Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?)) };
    let size = match (side(16), side(20), bytes.get(12..16)) {
        (Some(width), Some(height), Some(b"IHDR")) => Size { width, height },
        (.., Some(kind)) if kind != b"IHDR" => return Err(damaged("it does not begin with its header")),
        _ => return Err(damaged("it is cut short")),
    };
    check_size(size)?;
    // Expanded to at most four bytes a pixel and packed to three in place; the window of DEFLATE and rows are small.
    let scratch_bytes = size.px() * 4;
    check_scratch(scratch_bytes)?;
    Ok(PngHeader { size, scratch_bytes })
}

/// Decodes a PNG whose header was read into `pixels`.
pub(crate) fn decode(bytes: &[u8], header: &PngHeader, mode: DecodeMode, pixels: &mut Vec<u8>) -> Result<(), BadBytes> {
    let strict = mode == DecodeMode::Strict;
    let mut options = DecodeOptions::default();
    options.set_ignore_checksums(!strict);
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = png::Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(png::Limits { bytes: DECODER_BYTES_MAX });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(refused)?;
    let px = header.size.px() as usize;
    // Zeroed, so that nothing of the image before can show.
    pixels.clear();
    pixels.resize(px * 4, 0);
    let frame = reader.next_frame(pixels).map_err(refused)?;
    if (frame.width, frame.height) != (header.size.width, header.size.height) {
        return Err(damaged("its first frame is not of the image's size"));
    }
    if strict {
        reader.finish().map_err(refused)?;
    }
    match frame.color_type {
        ColorType::Rgb => pixels.truncate(px * 3),
        ColorType::Rgba => {
            for i in 0..px {
                pixels.copy_within(4 * i..4 * i + 3, 3 * i);
            }
            pixels.truncate(px * 3);
        }
        ColorType::Grayscale => spread_grey(pixels, px, 1),
        ColorType::GrayscaleAlpha => spread_grey(pixels, px, 2),
        ColorType::Indexed => return Err(damaged("its palette is missing")),
    }
    Ok(())
}

/// Turns `px` grey pixels, `step` bytes apart, into RGB in place, from the last to the first.
fn spread_grey(pixels: &mut Vec<u8>, px: usize, step: usize) {
    for i in (0..px).rev() {
        let grey = pixels[i * step];
        pixels[i * 3..i * 3 + 3].fill(grey);
    }
    pixels.truncate(px * 3);
}

/// What the decoder refuses, in our terms.
fn refused(error: DecodingError) -> BadBytes {
    match error {
        DecodingError::LimitsExceeded => {
            let detail = format!("PNG: decoding takes more than {} MiB besides the pixels", DECODER_BYTES_MAX >> 20);
            BadBytes::new(FaultKind::ImageTooLarge, detail)
        }
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            damaged("it is cut short")
        }
        other => damaged(&other.to_string()),
    }
}

fn damaged(what: &str) -> BadBytes {
    BadBytes::new(FaultKind::DamagedImage, format!("PNG: {what}"))
}

const _: () = assert!(limits::IMAGE_PX_MAX * 4 <= limits::DECODE_SCRATCH_BYTES_MAX, "the largest PNG fits the scratch");
