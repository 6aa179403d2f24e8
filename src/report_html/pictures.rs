//! Pictures within a page: small JPEGs as data URIs.
//! Not here: which pictures.

use fastgarden_data::geometry::Size;
use fastgarden_data::picture::Picture;
use fastgarden_data::resample::Resampler;
use fastgarden_data::simd::Simd;
use jpeg_encoder::{ColorType, Encoder};

use crate::page::base64;

/// Longer side of an embedded picture, pixels: what bounds the page.
const SIDE_PX_MAX: u32 = 192;
const QUALITY: u8 = 82;

/// RGB pixels, row by row, as `data:image/jpeg;base64,…`, shrunk where they are larger than a page needs.
pub(super) fn data_uri(size: Size, pixels: &[u8]) -> anyhow::Result<String> {
    let shown = shrunk(size);
    let mut small = vec![0; shown.px() as usize * 3];
    let picture = Picture { size, pixels };
    Resampler::new(Simd::detect()).resample(&picture, size.whole(), shown, shown.whole(), false, &mut small);
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, QUALITY).encode(&small, shown.width as u16, shown.height as u16, ColorType::Rgb)?;
    Ok(format!("data:image/jpeg;base64,{}", base64(&jpeg)))
}

/// The size at which neither side is longer than a page needs; the aspect stays.
fn shrunk(size: Size) -> Size {
    let longer = size.width.max(size.height);
    if longer <= SIDE_PX_MAX {
        return size;
    }
    let side = |px: u32| ((u64::from(px) * u64::from(SIDE_PX_MAX) / u64::from(longer)) as u32).max(1);
    Size { width: side(size.width), height: side(size.height) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_become_small_jpegs() {
        for (width, height, expected) in [(8, 8, (8, 8)), (500, 250, (192, 96)), (1, 4_000, (1, 192))] {
            let size = Size { width, height };
            assert_eq!((shrunk(size).width, shrunk(size).height), expected);
            let uri = data_uri(size, &vec![120; size.px() as usize * 3]).unwrap();
            // 0xff 0xd8 0xff: how a JPEG begins.
            assert!(uri.starts_with("data:image/jpeg;base64,/9j/"), "{uri}");
            assert!(uri.len() < 20_000);
        }
    }
}
