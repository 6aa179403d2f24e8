//! The framing of TFRecord files: a length, its CRC, the payload, its CRC; nothing else.
//! Not here: what a payload means (`example`), which files there are (`catalog`), compression (`compression`).
//!
//! On disk a record is: u64 little-endian length · u32 masked CRC-32C of those 8 bytes · payload · u32 masked CRC-32C
//! of the payload, as TensorFlow writes it. There is no magic number and no sync mark, so a damaged length loses the
//! framing; [`scan`] finds it again at the next 12 bytes whose CRC fits.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::fault::{BadBytes, FaultKind};
use crate::limits::{FRAME_OVERHEAD_BYTES, FRAMING_LOSSES_PER_SHARD_MAX, RECORD_BYTES_MAX};

/// Bytes before a payload: its length and the length's CRC.
pub const HEADER_BYTES: usize = 12;
/// Bytes after a payload: its CRC.
pub const FOOTER_BYTES: usize = 4;
/// Bytes searched at a time when framing is lost.
const SEARCH_WINDOW_BYTES: usize = 64 << 10;
/// The constant that TFRecord's CRC mask adds after rotating.
const CRC_MASK_DELTA: u32 = 0xa282_ead8;

const _: () = assert!((HEADER_BYTES + FOOTER_BYTES) as u64 == FRAME_OVERHEAD_BYTES);

/// CRC-32C (Castagnoli) of `bytes`, masked as in TFRecord files: rotated right by 15 bits, plus a constant.
pub fn masked_crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(CRC_MASK_DELTA)
}

/// The payload's length in bytes, from a record's first 12 bytes. The CRC is checked before the length is looked at,
/// and a length beyond [`RECORD_BYTES_MAX`] is refused: it is never used to allocate or to seek.
pub fn check_header(header: &[u8; HEADER_BYTES]) -> Result<u64, BadBytes> {
    let length = stated_length(header);
    let stated = u32_at(header, 8);
    let computed = masked_crc32c(&header[..8]);
    if stated != computed {
        let detail = format!("length CRC is {stated:08x}, the bytes give {computed:08x}");
        return Err(BadBytes::new(FaultKind::LengthCrcMismatch, detail));
    }
    if length > RECORD_BYTES_MAX {
        let detail = format!("the record states {length} bytes, the limit is {RECORD_BYTES_MAX}");
        return Err(BadBytes::new(FaultKind::LengthTooLarge, detail));
    }
    Ok(length)
}

/// The payload of one whole frame, after both CRCs were checked.
pub fn check_frame(frame: &[u8]) -> Result<&[u8], BadBytes> {
    let Some(header) = frame.first_chunk::<HEADER_BYTES>() else {
        return Err(BadBytes::new(FaultKind::Truncated, format!("{} bytes are no whole header", frame.len())));
    };
    let length = check_header(header)?;
    let available = frame.len() as u64;
    if available != length + FRAME_OVERHEAD_BYTES {
        let detail = format!("the record needs {} bytes, {available} are there", length + FRAME_OVERHEAD_BYTES);
        return Err(BadBytes::new(FaultKind::Truncated, detail));
    }
    let (payload, footer) = frame[HEADER_BYTES..].split_at(length as usize);
    let stated = u32_at(footer, 0);
    let computed = masked_crc32c(payload);
    if stated != computed {
        let detail = format!("data CRC is {stated:08x}, the bytes give {computed:08x}");
        return Err(BadBytes::new(FaultKind::DataCrcMismatch, detail));
    }
    Ok(payload)
}

/// Writes `payload` as one frame; a payload beyond [`RECORD_BYTES_MAX`] is refused, as our reader would refuse it.
pub fn write_frame(out: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    let length = payload.len() as u64;
    if length > RECORD_BYTES_MAX {
        let message = format!("a record of {length} bytes is beyond the limit of {RECORD_BYTES_MAX}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let length_bytes = length.to_le_bytes();
    out.write_all(&length_bytes)?;
    out.write_all(&masked_crc32c(&length_bytes).to_le_bytes())?;
    out.write_all(payload)?;
    out.write_all(&masked_crc32c(payload).to_le_bytes())
}

/// Bytes that can be read at any offset: a file, or an inflated shard in memory.
pub trait Source {
    /// Length in bytes.
    fn length_bytes(&self) -> u64;
    /// Fills `buffer` from `offset`, or fails.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// A file with the length it had when it was opened.
pub struct FileSource<'a> {
    /// The open file.
    pub file: &'a File,
    /// Its length, bytes.
    pub length_bytes: u64,
}

impl Source for FileSource<'_> {
    fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

impl Source for [u8] {
    fn length_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let part = usize::try_from(offset).ok().and_then(|start| self.get(start..start.checked_add(buffer.len())?));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// What a scan meets, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// A frame that lies wholly in the file; its payload has not been read.
    Frame {
        /// Byte offset of the frame.
        offset: u64,
        /// Length of the payload, bytes.
        length: u32,
        /// Masked CRC-32C of the payload, as stored.
        data_crc: u32,
    },
    /// Framing is broken at `offset`; at least one record is lost.
    Lost {
        /// Byte offset where a record should start.
        offset: u64,
        /// What is wrong there.
        bad: BadBytes,
    },
}

/// Walks over the framing of `source` without reading payloads: one 16-byte read a record (a footer and the header
/// after it). Where framing is lost, the search goes on at the next 12 bytes that are a sound header of a record that
/// fits; every byte is searched at most once, and after [`FRAMING_LOSSES_PER_SHARD_MAX`] losses the rest is given up.
pub fn scan<S: Source + ?Sized>(source: &S, mut found: impl FnMut(Scanned)) -> io::Result<()> {
    let end = source.length_bytes();
    let mut offset = 0;
    let mut next_header = read_header(source, offset)?;
    let mut losses = 0;
    while offset < end {
        let Some(header) = next_header else {
            let detail = format!("{} bytes after the last record are no whole header", end - offset);
            found(Scanned::Lost { offset, bad: BadBytes::new(FaultKind::Truncated, detail) });
            return Ok(());
        };
        match check_header(&header) {
            Ok(length) => {
                let frame_end = offset + length + FRAME_OVERHEAD_BYTES;
                if frame_end > end {
                    let detail = format!("the record ends at byte {frame_end}, the file at byte {end}");
                    found(Scanned::Lost { offset, bad: BadBytes::new(FaultKind::Truncated, detail) });
                    return Ok(());
                }
                let data_crc;
                (data_crc, next_header) = read_boundary(source, frame_end)?;
                // check_header bounds the length by RECORD_BYTES_MAX, which fits 32 bits (asserted in `limits`).
                found(Scanned::Frame { offset, length: length as u32, data_crc });
                offset = frame_end;
            }
            Err(bad) => {
                losses += 1;
                let resumed = match frame_end_of_oversized(&header, &bad, offset, end) {
                    Some(frame_end) => Some(frame_end),
                    None if losses < FRAMING_LOSSES_PER_SHARD_MAX => find_header(source, offset + 1)?,
                    None => None,
                };
                let lost_bytes = resumed.unwrap_or(end) - offset;
                let detail = format!("{}; {lost_bytes} bytes are skipped", bad.detail);
                found(Scanned::Lost { offset, bad: BadBytes::new(bad.kind, detail) });
                let Some(resumed) = resumed else { return Ok(()) };
                offset = resumed;
                next_header = read_header(source, offset)?;
            }
        }
    }
    Ok(())
}

/// Where a record of sound but excessive length ends, if the file holds it: it can be stepped over exactly.
fn frame_end_of_oversized(header: &[u8; HEADER_BYTES], bad: &BadBytes, offset: u64, end: u64) -> Option<u64> {
    if bad.kind != FaultKind::LengthTooLarge {
        return None;
    }
    stated_length(header).checked_add(FRAME_OVERHEAD_BYTES)?.checked_add(offset).filter(|&frame_end| frame_end <= end)
}

/// The 12 bytes at `offset`, or `None` where fewer are left.
fn read_header<S: Source + ?Sized>(source: &S, offset: u64) -> io::Result<Option<[u8; HEADER_BYTES]>> {
    let mut header = [0; HEADER_BYTES];
    if source.length_bytes() - offset < HEADER_BYTES as u64 {
        return Ok(None);
    }
    source.read_exact_at(&mut header, offset)?;
    Ok(Some(header))
}

/// The data CRC that ends at `frame_end` and, read with it, the header that follows.
fn read_boundary<S: Source + ?Sized>(source: &S, frame_end: u64) -> io::Result<(u32, Option<[u8; HEADER_BYTES]>)> {
    let mut both = [0; FOOTER_BYTES + HEADER_BYTES];
    let footer_at = frame_end - FOOTER_BYTES as u64;
    let available = (source.length_bytes() - footer_at).min(both.len() as u64) as usize;
    source.read_exact_at(&mut both[..available], footer_at)?;
    let header = (available == both.len()).then(|| both.last_chunk().copied()).flatten();
    Ok((u32_at(&both, 0), header))
}

/// The first offset from `from` on where a sound header of a record that fits into the source starts.
fn find_header<S: Source + ?Sized>(source: &S, from: u64) -> io::Result<Option<u64>> {
    let end = source.length_bytes();
    let mut window = vec![0; SEARCH_WINDOW_BYTES];
    let mut start = from;
    while start + FRAME_OVERHEAD_BYTES <= end {
        let filled = (end - start).min(window.len() as u64) as usize;
        source.read_exact_at(&mut window[..filled], start)?;
        let candidates = window[..filled].windows(HEADER_BYTES);
        for (position, candidate) in candidates.enumerate() {
            let offset = start + position as u64;
            let header: &[u8; HEADER_BYTES] = candidate.try_into().expect("windows() yields slices of that length");
            // The cheap tests come first: hardly any bytes of a payload pass as a length within the limits.
            let length = stated_length(header);
            let fits = length <= RECORD_BYTES_MAX && offset + length + FRAME_OVERHEAD_BYTES <= end;
            // Zeros (a preallocated or sparse tail) state a length of 0 at every byte, and never with its CRC.
            if fits && *header != [0; HEADER_BYTES] && check_header(header).is_ok() {
                return Ok(Some(offset));
            }
        }
        start += (filled - (HEADER_BYTES - 1)) as u64;
    }
    Ok(None)
}

fn stated_length(header: &[u8; HEADER_BYTES]) -> u64 {
    u64::from_le_bytes(*header.first_chunk().expect("a header is longer than its length field"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes were cut out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(payloads: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for payload in payloads {
            write_frame(&mut bytes, payload).unwrap();
        }
        bytes
    }

    /// (offsets of frames, (offset, kind) of losses)
    fn scan_all(bytes: &[u8]) -> (Vec<u64>, Vec<(u64, FaultKind)>) {
        let (mut frames, mut losses) = (Vec::new(), Vec::new());
        scan(bytes, |scanned| match scanned {
            Scanned::Frame { offset, .. } => frames.push(offset),
            Scanned::Lost { offset, bad } => losses.push((offset, bad.kind)),
        })
        .unwrap();
        (frames, losses)
    }

    fn oversized_header(length: u64) -> Vec<u8> {
        let mut header = length.to_le_bytes().to_vec();
        header.extend(masked_crc32c(&header).to_le_bytes());
        header
    }

    #[test]
    fn crc_is_castagnoli_and_masked() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked_crc32c(b""), 0xa282_ead8);
    }

    #[test]
    fn frames_and_zero_length_records_are_found() {
        let bytes = shard(&[b"abc", b"", b"defgh"]);
        assert_eq!(scan_all(&bytes), (vec![0, 19, 35], vec![]));
        assert_eq!(check_frame(&bytes[0..19]).unwrap(), b"abc");
        assert_eq!(check_frame(&bytes[19..35]).unwrap(), b"");
        assert_eq!(scan_all(&[]), (vec![], vec![]));
    }

    #[test]
    fn a_cut_at_any_byte_is_seen_unless_it_is_on_a_boundary() {
        let bytes = shard(&[b"abc", b"de"]);
        for cut in 0..bytes.len() {
            let (frames, losses) = scan_all(&bytes[..cut]);
            let whole = usize::from(cut >= 19);
            assert_eq!(frames.len(), whole, "cut at {cut}");
            let expected = if cut == 0 || cut == 19 { vec![] } else { vec![(whole as u64 * 19, FaultKind::Truncated)] };
            assert_eq!(losses, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_in_the_header_loses_exactly_one_record() {
        let sound = shard(&[b"first", b"second", b"third"]);
        for byte in 21..33 {
            let mut bytes = sound.clone();
            bytes[byte] ^= 0x10;
            assert_eq!(scan_all(&bytes), (vec![0, 43], vec![(21, FaultKind::LengthCrcMismatch)]), "byte {byte}");
        }
    }

    #[test]
    fn a_flipped_bit_in_payload_or_footer_fails_the_data_crc() {
        let sound = shard(&[b"payload"]);
        for byte in HEADER_BYTES..sound.len() {
            let mut bytes = sound.clone();
            bytes[byte] ^= 1;
            assert_eq!(check_frame(&bytes).unwrap_err().kind, FaultKind::DataCrcMismatch, "byte {byte}");
        }
    }

    #[test]
    fn length_bombs_with_right_crcs_are_refused_and_records_after_them_found() {
        for length in [RECORD_BYTES_MAX + 1, u64::MAX - 3, u64::MAX] {
            let mut bytes = oversized_header(length);
            bytes.extend(shard(&[b"after"]));
            assert_eq!(scan_all(&bytes), (vec![12], vec![(0, FaultKind::LengthTooLarge)]), "length {length}");
        }
        let mut within_limits = oversized_header(RECORD_BYTES_MAX);
        within_limits.extend([0; 40]);
        assert_eq!(scan_all(&within_limits), (vec![], vec![(0, FaultKind::Truncated)]));
    }

    #[test]
    fn a_header_across_two_search_windows_is_found() {
        for gap in SEARCH_WINDOW_BYTES - 20..SEARCH_WINDOW_BYTES + 4 {
            let mut bytes = vec![0xee; gap];
            bytes.extend(shard(&[b"found"]));
            assert_eq!(scan_all(&bytes), (vec![gap as u64], vec![(0, FaultKind::LengthCrcMismatch)]), "gap {gap}");
        }
    }

    #[test]
    fn endless_losses_are_given_up() {
        let mut bytes = Vec::new();
        for _ in 0..FRAMING_LOSSES_PER_SHARD_MAX * 2 {
            bytes.push(0xee);
            bytes.extend(shard(&[b""]));
        }
        let (_, losses) = scan_all(&bytes);
        assert_eq!(losses.len(), FRAMING_LOSSES_PER_SHARD_MAX);
    }
}
