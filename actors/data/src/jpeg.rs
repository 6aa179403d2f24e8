//! One JPEG → RGB8 as stored, by zune-jpeg, with every limit checked from the headers before a pixel is decoded.
//! Not here: turning pixels upright (see `orientation`), choosing the format (see `picture`), the fast way to planes (see
//! `planes`).
//!
//! The header walk is our own: it knows the memory that decoding takes before any is taken, and it costs less than
//! building decoder tables for images that are refused.

pub mod planes;
pub(crate) mod rgb;
mod huffman;
mod inverse_dct;

use crate::fault::{BadBytes, FaultKind};
use crate::geometry::Size;
use crate::limits;
use crate::orientation::Orientation;
use crate::picture::{DecodeMode, check_scratch, check_size};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

/// What the segments before the first scan say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JpegHeader {
    /// As stored, before the orientation.
    pub size: Size,
    /// How the stored pixels are to be turned.
    pub orientation: Orientation,
    /// Whether coefficients come in several scans of growing precision.
    pub progressive: bool,
    /// Whether it may be read to planes: baseline, and memory enough for them.
    pub has_planes: bool,
    /// Memory that decoding takes, bytes: pixels, a second copy when they are to be turned, and coefficients or planes.
    pub scratch_bytes: u64,
    /// Offset of the first scan's entropy-coded data.
    scan_start: usize,
}

/// What a start-of-frame segment says.
struct Frame {
    size: Size,
    progressive: bool,
    components: usize,
    /// Bytes of all coefficients, 16 bits each.
    coefficient_bytes: u64,
    /// Bytes of the decoder's buffers for one row of blocks.
    row_bytes: u64,
}

// Second bytes of the markers that matter here.
const SOF_BASELINE: u8 = 0xC0;
const SOF_EXTENDED: u8 = 0xC1;
const SOF_PROGRESSIVE: u8 = 0xC2;
const DHT: u8 = 0xC4;
const DAC: u8 = 0xCC;
const SOF_LAST: u8 = 0xCF;
const RST_FIRST: u8 = 0xD0;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DQT: u8 = 0xDB;
const DNL: u8 = 0xDC;
const DRI: u8 = 0xDD;
const APP0: u8 = 0xE0;
const APP1: u8 = 0xE1;
const APP14: u8 = 0xEE;

/// Reads the headers of a JPEG and checks them against the limits.
pub(crate) fn read_header(bytes: &[u8]) -> Result<JpegHeader, BadBytes> {
    let mut frame = None;
    let mut orientation = None;
    let mut at = 2;
    for _ in 0..limits::JPEG_SEGMENTS_MAX {
        let (marker, segment, next) = next_segment(bytes, at).ok_or_else(cut_short)?;
        match marker {
            SOF_BASELINE..=SOF_LAST if ![DHT, DAC].contains(&marker) => {
                if frame.is_some() {
                    return Err(damaged("two start-of-frame segments"));
                }
                frame = Some(read_frame(marker, segment)?);
            }
            DAC => return Err(unsupported("arithmetic coding")),
            DNL => return Err(unsupported("a height that is given after the first scan")),
            APP1 if orientation.is_none() => {
                orientation = segment.strip_prefix(b"Exif\0\0").map(Orientation::from_tiff);
            }
            EOI => return Err(damaged("it ends before any image data")),
            SOS => {
                let frame = frame.ok_or_else(|| damaged("image data without a start-of-frame segment"))?;
                let scan_components = usize::from(*segment.first().ok_or_else(cut_short)?);
                return finish_header(bytes, &frame, orientation.unwrap_or_default(), scan_components, next);
            }
            _ => {}
        }
        at = next;
    }
    Err(damaged("too many segments before the image data"))
}

/// Puts the header together once the first scan is reached.
fn finish_header(
    bytes: &[u8],
    frame: &Frame,
    orientation: Orientation,
    scan_components: usize,
    scan_start: usize,
) -> Result<JpegHeader, BadBytes> {
    let in_scans = frame.progressive || scan_components < frame.components;
    if in_scans && count_scans(bytes, scan_start) > limits::JPEG_SCANS_MAX {
        let detail = format!("more than {} scans", limits::JPEG_SCANS_MAX);
        return Err(BadBytes::new(FaultKind::ImageTooLarge, detail));
    }
    let copies = if orientation == Orientation::Upright { 1 } else { 2 };
    let coefficient_bytes = if in_scans { frame.coefficient_bytes } else { 0 };
    let scratch_bytes = frame.size.px() * 3 * copies + coefficient_bytes + frame.row_bytes;
    check_scratch(scratch_bytes)?;
    // A byte a sample, where coefficients take two, and the scan once more without stuffing.
    let with_planes = scratch_bytes + frame.coefficient_bytes / 2 + bytes.len() as u64;
    let has_planes = !frame.progressive && with_planes <= limits::DECODE_SCRATCH_BYTES_MAX;
    let scratch_bytes = if has_planes { with_planes } else { scratch_bytes };
    let (size, progressive) = (frame.size, frame.progressive);
    Ok(JpegHeader { size, orientation, progressive, has_planes, scratch_bytes, scan_start })
}

/// The next marker at or after `at`, its segment's payload, and where the segment ends; `None` at the end of the bytes.
fn next_segment(bytes: &[u8], mut at: usize) -> Option<(u8, &[u8], usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xFF)? + 1;
        match *bytes.get(at)? {
            0xFF | 0x00 => continue,
            marker @ RST_FIRST..=EOI => return Some((marker, &[], at + 1)),
            marker => {
                let length = usize::from(u16::from_be_bytes(bytes.get(at + 1..at + 3)?.try_into().ok()?));
                let end = at + 1 + length.max(2);
                return Some((marker, bytes.get(at + 3..end)?, end));
            }
        }
    }
}

/// Scans from the first on; stops counting beyond the limit.
fn count_scans(bytes: &[u8], scan_start: usize) -> usize {
    let mut scans = 1;
    let mut at = scan_start;
    while let Some((marker, _, next)) = next_segment(bytes, at) {
        match marker {
            SOS => scans += 1,
            EOI => break,
            _ => {}
        }
        if scans > limits::JPEG_SCANS_MAX {
            break;
        }
        at = next;
    }
    scans
}

/// Reads a start-of-frame segment.
fn read_frame(marker: u8, segment: &[u8]) -> Result<Frame, BadBytes> {
    if marker > SOF_PROGRESSIVE {
        return Err(unsupported(match marker {
            0xC3 => "lossless coding",
            0xC9..=0xCB | 0xCD..=0xCF => "arithmetic coding",
            _ => "hierarchical coding",
        }));
    }
    let &[precision, height_high, height_low, width_high, width_low, components, ref table @ ..] = segment else {
        return Err(cut_short());
    };
    if precision != 8 {
        return Err(unsupported(&format!("{precision} bits a sample")));
    }
    let size = Size {
        width: u32::from(u16::from_be_bytes([width_high, width_low])),
        height: u32::from(u16::from_be_bytes([height_high, height_low])),
    };
    check_size(size)?;
    if ![1, 3, 4].contains(&components) {
        return Err(unsupported(&format!("{components} colour components")));
    }
    let components = usize::from(components);
    let table = table.as_chunks::<3>().0.get(..components).ok_or_else(cut_short)?;
    let factors = || table.iter().map(|&[_, factors, _]| (u32::from(factors >> 4), u32::from(factors & 15)));
    if factors().any(|(across, down)| !matches!(across, 1 | 2 | 4) || !(1..=4).contains(&down)) {
        return Err(unsupported("unusual chroma subsampling"));
    }
    // Neither decoder has a reference for others: zune-jpeg makes noise of some of them.
    if let &[[_, luma, _], [_, blue, _], [_, red, _]] = table
        && (blue != red || (luma >> 4) % (blue >> 4) != 0 || (luma & 15) % (blue & 15) != 0)
    {
        return Err(unsupported("chroma that is finer than its brightness, or unlike"));
    }
    let across_max = factors().map(|(across, _)| across).max().unwrap_or(1);
    let down_max = factors().map(|(_, down)| down).max().unwrap_or(1);
    let units_across = u64::from(size.width.div_ceil(8 * across_max));
    let units_down = u64::from(size.height.div_ceil(8 * down_max));
    let blocks_a_unit: u64 = factors().map(|(across, down)| u64::from(across * down)).sum();
    let row_bytes = units_across * blocks_a_unit * 64 * 2;
    Ok(Frame {
        size,
        progressive: marker == SOF_PROGRESSIVE,
        components,
        coefficient_bytes: row_bytes * units_down,
        // The row of blocks itself, and as much again for each chroma component that is brought to full size.
        row_bytes: row_bytes * 4,
    })
}

/// Decodes a JPEG whose header was read into `pixels`, as stored.
pub(crate) fn decode(
    bytes: &[u8],
    header: &JpegHeader,
    mode: DecodeMode,
    pixels: &mut Vec<u8>,
) -> Result<(), BadBytes> {
    let scans = &bytes[header.scan_start..];
    if mode == DecodeMode::Strict && !scans.windows(2).rev().any(|pair| pair == [0xFF, EOI]) {
        return Err(cut_short());
    }
    let side_max = limits::IMAGE_SIDE_PX_MAX as usize;
    let options = DecoderOptions::default()
        .set_strict_mode(mode == DecodeMode::Strict)
        .set_max_width(side_max)
        .set_max_height(side_max)
        .jpeg_set_max_scans(limits::JPEG_SCANS_MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(refused)?;
    // The decoder forgives other things between segments than our walk does; what was checked must be what is decoded.
    let expected = (header.size.width as usize, header.size.height as usize);
    if decoder.dimensions() != Some(expected) {
        return Err(damaged("its segments are inconsistent"));
    }
    // Zeroed, since a forgiven fault may leave rows unwritten, and they must not show the image before.
    pixels.clear();
    pixels.resize(header.size.px() as usize * 3, 0);
    decoder.decode_into(pixels).map_err(refused)
}

/// What the decoder refuses, in our terms.
fn refused(error: DecodeErrors) -> BadBytes {
    let kind = match error {
        DecodeErrors::Unsupported(_) => FaultKind::UnsupportedImage,
        DecodeErrors::LargeDimensions(_) => FaultKind::ImageTooLarge,
        _ => FaultKind::DamagedImage,
    };
    BadBytes::new(kind, format!("JPEG: {}", error.to_string().trim().trim_matches('"')))
}

/// A JPEG that is damaged in this way.
pub(crate) fn damaged(what: &str) -> BadBytes {
    BadBytes::new(FaultKind::DamagedImage, format!("JPEG: {what}"))
}

fn cut_short() -> BadBytes {
    damaged("it is cut short")
}

fn unsupported(what: &str) -> BadBytes {
    BadBytes::new(FaultKind::UnsupportedImage, format!("JPEG with {what}"))
}
