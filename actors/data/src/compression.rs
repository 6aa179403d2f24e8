//! Shards that are GZIP or ZLIB as a whole: told by content, inflated into memory within a ratio and a budget.
//! Not for: seeking in compressed shards; TensorFlow's format has no way to.

use std::io::{self, BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use crate::fault::{BadBytes, FaultKind};
use crate::framing::{HEADER_BYTES, check_header};
use crate::limits::{INFLATE_RATIO_MAX, INFLATED_BYTES_MAX};

/// How a whole shard is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    Plain,
    /// RFC 1952, possibly of several members.
    Gzip,
    /// RFC 1950.
    Zlib,
}

/// Tells from a shard's first bytes how it is stored. A sound TFRecord header wins over everything, because a record
/// of 35,615 bytes starts like GZIP does.
pub fn detect(start: &[u8]) -> Compression {
    let header_is_sound = start.first_chunk::<HEADER_BYTES>().is_some_and(|header| match check_header(header) {
        Ok(_) => true,
        Err(bad) => bad.kind == FaultKind::LengthTooLarge,
    });
    match start {
        _ if header_is_sound => Compression::Plain,
        [0x1f, 0x8b, 8, ..] => Compression::Gzip,
        &[method, flags, ..] if is_zlib_header(method, flags) => Compression::Zlib,
        _ => Compression::Plain,
    }
}

/// DEFLATE, a window of at most 32 KiB, the check bits right, no preset dictionary.
fn is_zlib_header(method: u8, flags: u8) -> bool {
    method & 0x0f == 8
        && method >> 4 <= 7
        && u16::from_be_bytes([method, flags]).is_multiple_of(31)
        && flags & 0x20 == 0
}

/// Memory that the inflated shards of a data set may still take, bytes; shared by the threads and splits that inflate.
pub struct InflateBudget {
    left_bytes: AtomicU64,
}

impl Default for InflateBudget {
    fn default() -> Self {
        Self::new(INFLATED_BYTES_MAX)
    }
}

impl InflateBudget {
    /// A budget of `bytes`.
    pub fn new(bytes: u64) -> Self {
        Self { left_bytes: AtomicU64::new(bytes) }
    }

    fn take(&self, bytes: u64) -> bool {
        self.left_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    /// Returns memory whose content was thrown away.
    pub fn give_back(&self, bytes: u64) {
        self.left_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// What a shard inflates to.
pub struct Inflated {
    /// Everything up to the damage, if there is any.
    pub bytes: Vec<u8>,
    /// Why it stopped short.
    pub damage: Option<BadBytes>,
}

/// Why a shard could not be inflated although its bytes may be sound.
#[derive(Debug)]
pub enum InflateError {
    /// The budget is spent.
    OverBudget,
    /// The file could not be read.
    Io(io::Error),
}

/// Inflates a whole shard of `compressed_bytes` bytes into memory. Damage keeps what came before it.
pub fn inflate(
    shard: impl Read,
    compression: Compression,
    compressed_bytes: u64,
    budget: &InflateBudget,
) -> Result<Inflated, InflateError> {
    let shard = BufReader::with_capacity(256 << 10, shard);
    let mut decoder: Box<dyn Read> = match compression {
        Compression::Plain => Box::new(shard),
        Compression::Gzip => Box::new(MultiGzDecoder::new(shard)),
        Compression::Zlib => Box::new(ZlibDecoder::new(shard)),
    };
    let inflated_bytes_max = compressed_bytes.saturating_mul(INFLATE_RATIO_MAX);
    let mut bytes = Vec::new();
    let mut part = vec![0; 256 << 10];
    let damage = loop {
        match decoder.read(&mut part) {
            Ok(0) => break None,
            Ok(count) => {
                if bytes.len() as u64 + count as u64 > inflated_bytes_max {
                    break Some(format!("more than {INFLATE_RATIO_MAX} times the compressed size"));
                }
                if !budget.take(count as u64) {
                    budget.give_back(bytes.len() as u64);
                    return Err(InflateError::OverBudget);
                }
                bytes.extend_from_slice(&part[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The decoders' own errors carry no code of the operating system: they are about the bytes.
            Err(error) if error.raw_os_error().is_some() => {
                budget.give_back(bytes.len() as u64);
                return Err(InflateError::Io(error));
            }
            Err(error) => break Some(error.to_string()),
        }
    };
    bytes.shrink_to_fit();
    let damage = damage.map(|cause| {
        let detail = format!("it stops inflating after {} bytes: {cause}", bytes.len());
        BadBytes::new(FaultKind::DamagedCompression, detail)
    });
    Ok(Inflated { bytes, damage })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;
    use crate::framing::write_frame;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn content_tells_how_a_shard_is_stored() {
        let zlib = ZlibEncoder::new(Vec::new(), flate2::Compression::best()).finish().unwrap();
        assert_eq!(detect(&gzip(b"x")), Compression::Gzip);
        assert_eq!(detect(&zlib), Compression::Zlib);
        assert_eq!(detect(b"hello, world"), Compression::Plain);
        assert_eq!(detect(b""), Compression::Plain);
    }

    #[test]
    fn a_plain_record_whose_length_looks_like_gzip_is_plain() {
        let mut shard = Vec::new();
        write_frame(&mut shard, &vec![0; 0x08_8b1f]).unwrap();
        assert_eq!(shard[..3], [0x1f, 0x8b, 8]);
        assert_eq!(detect(&shard), Compression::Plain);
    }

    #[test]
    fn several_members_inflate_as_one() {
        let both = [gzip(b"one "), gzip(b"two")].concat();
        let inflated = inflate(&both[..], Compression::Gzip, both.len() as u64, &InflateBudget::default()).unwrap();
        assert_eq!(inflated.bytes, b"one two");
        assert!(inflated.damage.is_none());
    }

    #[test]
    fn the_budget_holds_over_shards_and_is_returned_on_failure() {
        let shard = gzip(&[7; 1_000]);
        let budget = InflateBudget::new(1_500);
        let length = shard.len() as u64;
        assert!(inflate(&shard[..], Compression::Gzip, length, &budget).is_ok());
        let second = inflate(&shard[..], Compression::Gzip, length, &budget);
        assert!(matches!(second, Err(InflateError::OverBudget)));
        assert!(inflate(&gzip(&[7; 500])[..], Compression::Gzip, length, &budget).is_ok());
    }

    #[test]
    fn damage_and_a_false_ratio_keep_what_came_before() {
        let shard = gzip(&(0..100_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
        let cut = inflate(&shard[..shard.len() / 2], Compression::Gzip, 1 << 20, &InflateBudget::default()).unwrap();
        assert_eq!(cut.damage.unwrap().kind, FaultKind::DamagedCompression);
        assert!(!cut.bytes.is_empty());
        let bomb = inflate(&shard[..], Compression::Gzip, 8, &InflateBudget::default()).unwrap();
        assert!(bomb.damage.is_some() && bomb.bytes.len() as u64 <= 8 * INFLATE_RATIO_MAX);
    }
}
