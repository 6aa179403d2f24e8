//! EXIF orientation: how a camera was held, and turning its pixels upright.
//! Not for: any other metadata. Whatever is wrong with an EXIF block, the image counts as upright.

use crate::geometry::Size;

/// One of the eight EXIF orientations: where the stored first row and column belong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orientation {
    /// 1: stored as it should be seen.
    #[default]
    Upright,
    /// 2: mirrored left to right.
    Mirrored,
    /// 3: upside down.
    HalfTurn,
    /// 4: mirrored top to bottom.
    UpsideDownMirrored,
    /// 5: rows and columns exchanged.
    Transposed,
    /// 6: to be turned a quarter clockwise.
    QuarterTurn,
    /// 7: rows and columns exchanged about the other diagonal.
    Transversed,
    /// 8: to be turned a quarter anticlockwise.
    ThreeQuarterTurn,
}

/// TIFF tag of the orientation.
const TAG_ORIENTATION: u16 = 0x0112;
/// TIFF type of a 16-bit number.
const TYPE_SHORT: u16 = 3;
/// Bytes of an entry of a TIFF directory.
const ENTRY_BYTES: usize = 12;
/// Side of the squares that are turned one after the other, so that both images stay in the cache, pixels.
const TILE_PX: usize = 32;

impl Orientation {
    /// From the TIFF block of an EXIF segment (what follows `Exif\0\0`).
    pub fn from_tiff(tiff: &[u8]) -> Self {
        Self::read(tiff).unwrap_or_default()
    }

    fn read(tiff: &[u8]) -> Option<Self> {
        let little_endian = match tiff.get(..4)? {
            [b'I', b'I', 42, 0] => true,
            [b'M', b'M', 0, 42] => false,
            _ => return None,
        };
        let short = |at: usize| -> Option<u16> {
            let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
            Some(if little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
        };
        let directory = {
            let bytes = tiff.get(4..8)?.try_into().ok()?;
            if little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
        } as usize;
        let entries = usize::from(short(directory)?);
        let entry = (0..entries)
            .map_while(|i| directory.checked_add(2 + i * ENTRY_BYTES))
            .take_while(|&at| at < tiff.len())
            .find(|&at| short(at) == Some(TAG_ORIENTATION))?;
        if short(entry + 2)? != TYPE_SHORT {
            return None;
        }
        Self::from_number(short(entry + 8)?)
    }

    fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Upright,
            2 => Self::Mirrored,
            3 => Self::HalfTurn,
            4 => Self::UpsideDownMirrored,
            5 => Self::Transposed,
            6 => Self::QuarterTurn,
            7 => Self::Transversed,
            8 => Self::ThreeQuarterTurn,
            _ => return None,
        })
    }

    /// Whether rows become columns.
    fn exchanges_axes(self) -> bool {
        matches!(self, Self::Transposed | Self::QuarterTurn | Self::Transversed | Self::ThreeQuarterTurn)
    }

    /// The size of the upright image.
    pub fn upright_size(self, stored: Size) -> Size {
        if self.exchanges_axes() { Size { width: stored.height, height: stored.width } } else { stored }
    }

    /// Writes the upright image of `stored` (RGB8 of the size `size`) into `upright` (as many bytes).
    pub(crate) fn turn(self, stored: &[u8], size: Size, upright: &mut [u8]) {
        let (stored_width, stored_height) = (size.width as usize, size.height as usize);
        let size = self.upright_size(size);
        let (width, height) = (size.width as usize, size.height as usize);
        let from = |x: usize, y: usize| {
            let (right, down) = if self.exchanges_axes() { (y, x) } else { (x, y) };
            match self {
                Self::Upright | Self::Transposed => (right, down),
                Self::Mirrored | Self::ThreeQuarterTurn => (stored_width - 1 - right, down),
                Self::UpsideDownMirrored | Self::QuarterTurn => (right, stored_height - 1 - down),
                Self::HalfTurn | Self::Transversed => (stored_width - 1 - right, stored_height - 1 - down),
            }
        };
        let (stored, upright) = (stored.as_chunks::<3>().0, upright.as_chunks_mut::<3>().0);
        for top in (0..height).step_by(TILE_PX) {
            for left in (0..width).step_by(TILE_PX) {
                for y in top..height.min(top + TILE_PX) {
                    for x in left..width.min(left + TILE_PX) {
                        let (stored_x, stored_y) = from(x, y);
                        upright[y * width + x] = stored[stored_y * stored_width + stored_x];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A TIFF block with a width entry and the orientation.
    fn tiff(big_endian: bool, kind: u16, number: u16) -> Vec<u8> {
        let short = |n: u16| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
        let long = |n: u32| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
        let mut bytes = if big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        bytes.extend(long(8));
        bytes.extend(short(2));
        for (tag, kind, value) in [(0x0100, TYPE_SHORT, 77), (TAG_ORIENTATION, kind, number)] {
            bytes.extend([short(tag), short(kind)].concat());
            bytes.extend(long(1));
            bytes.extend([short(value), [0, 0]].concat());
        }
        bytes.extend(long(0));
        bytes
    }

    #[test]
    fn both_byte_orders_are_read_and_anything_odd_is_upright() {
        for number in 1..=8 {
            for big_endian in [false, true] {
                let found = Orientation::from_tiff(&tiff(big_endian, TYPE_SHORT, number));
                assert_eq!(found as u16 + 1, number);
            }
        }
        for odd in [tiff(false, TYPE_SHORT, 0), tiff(false, TYPE_SHORT, 9), tiff(true, 7, 6), b"II*\0".to_vec(), vec![]]
        {
            assert_eq!(Orientation::from_tiff(&odd), Orientation::Upright);
        }
    }

    /// The letter F in 2 by 3 pixels, as EXIF stores it for each orientation (the figure of the EXIF standard).
    #[test]
    fn every_orientation_of_a_letter_is_turned_upright() {
        let upright = ["ab", "cd", "ef"];
        let stored: [&[&str]; 8] = [
            &["ab", "cd", "ef"],
            &["ba", "dc", "fe"],
            &["fe", "dc", "ba"],
            &["ef", "cd", "ab"],
            &["ace", "bdf"],
            &["bdf", "ace"],
            &["fdb", "eca"],
            &["eca", "fdb"],
        ];
        let pixels =
            |rows: &[&str]| -> Vec<u8> { rows.iter().flat_map(|row| row.bytes()).flat_map(|b| [b; 3]).collect() };
        for (number, rows) in (1..).zip(stored) {
            let orientation = Orientation::from_number(number).expect("1 to 8");
            let size = Size { width: rows[0].len() as u32, height: rows.len() as u32 };
            let mut turned = vec![0; 18];
            orientation.turn(&pixels(rows), size, &mut turned);
            assert_eq!(turned, pixels(&upright), "orientation {number}");
            assert_eq!(orientation.upright_size(size), Size { width: 2, height: 3 });
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), order in 0..3) {
            let mut bytes = bytes;
            let magic: &[u8] = [b"II*\0".as_slice(), b"MM\0*", b""][order as usize];
            bytes.splice(0..0, magic.iter().copied());
            Orientation::from_tiff(&bytes);
        }
    }
}
