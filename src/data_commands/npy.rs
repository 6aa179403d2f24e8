//! NumPy's file format, version 1.0: a text header, then the numbers, row by row, little-endian.
//! Not for: reading, other versions, other types than are written here.

/// What the array holds, as the header names it.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// 8 bits, unsigned.
    U8,
    /// 64 bits, signed.
    I64,
}

/// The header of an array of this shape. It's padded so that the numbers begin at a multiple of 64 bytes.
pub(super) fn header(kind: Kind, shape: &[usize]) -> Vec<u8> {
    let descr = match kind {
        Kind::U8 => "|u1",
        Kind::I64 => "<i8",
    };
    let sides: String = shape.iter().map(|side| format!("{side},")).collect();
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sides}), }}");
    let prefix = b"\x93NUMPY\x01\x00";
    let unpadded = prefix.len() + 2 + text.len() + 1;
    let padding = unpadded.next_multiple_of(64) - unpadded;
    let length = (text.len() + padding + 1) as u16;
    let mut bytes = prefix.to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend(text.bytes());
    bytes.resize(bytes.len() + padding, b' ');
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_aligned_and_says_type_and_shape() {
        for shape in [&[64, 224, 224, 3][..], &[7], &[0, 1, 1, 3]] {
            let header = header(Kind::U8, shape);
            assert_eq!(header.len() % 64, 0);
            assert_eq!(header[8..10], ((header.len() - 10) as u16).to_le_bytes());
            assert_eq!(header.last(), Some(&b'\n'));
        }
        let text = String::from_utf8_lossy(&header(Kind::I64, &[7])[10..]).into_owned();
        assert_eq!(text.trim_end(), "{'descr': '<i8', 'fortran_order': False, 'shape': (7,), }");
    }
}
