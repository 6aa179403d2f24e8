//! Planes → RGB, to the bit as libjpeg-turbo makes it (and so Pillow and OpenCV): triangle upsampling, JFIF colours.
//! Not here: planes (see `planes`). Not for: the planar path, which never makes RGB at the image's own size.
//!
//! The triangle gives a pixel three parts of the chroma sample that it lies in and one part of the nearest other one, each
//! way. libjpeg has it for two pixels a sample; other ratios, and planes of one or two columns, repeat samples.

use super::planes::{PlanarPicture, Plane};
use crate::geometry::CropBox;
use crate::pixels::{CHANNELS, GROUP, Pixels, one_by_one, write_row};
use crate::simd::Simd;

/// Columns of chroma below which libjpeg repeats samples.
const TRIANGLE_COLUMNS_MIN: u32 = 3;

/// 16 fractional bits of the conversion's constants, less one or two where they exceed 16 bits.
const RED_OF_CR: i16 = 26_345;
const GREEN_OF_CB: i16 = -22_554;
const GREEN_OF_CR: i16 = 18_734;
const BLUE_OF_CB: i16 = -14_942;

/// Makes RGB; keeps its rows between images.
#[derive(Default)]
pub struct RgbMaker {
    simd: Simd,
    /// Vertical sums of the chroma samples under a row, with a neighbour at each end.
    sums: Vec<u16>,
    /// Blue and red difference of a row's pixels, from the left edge of the first sample on.
    chroma: [Vec<u8>; 2],
}

impl RgbMaker {
    /// One without buffers yet. Its pixels don't depend on the instructions that it uses.
    pub fn new(simd: Simd) -> Self {
        Self { simd, ..Self::default() }
    }

    /// Writes the pixels of a part into `pixels`, which is as large as the whole picture; what the others are does not
    /// matter.
    pub fn write(&mut self, picture: &PlanarPicture<'_>, part: CropBox, pixels: &mut [u8]) {
        // Whole groups as far as there are any: the rest of a row takes longer than they do.
        let group = GROUP as u32;
        let (x, right) = (part.x / group * group, (part.x + part.width).next_multiple_of(group));
        let part = CropBox { x, width: right.min(picture.size.width) - x, ..part };
        match self.simd {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::Avx2` is only made where the processor has these instructions.
            Simd::Avx2(_) => unsafe { avx2::write(self, picture, part, pixels) },
            Simd::Portable => {
                self.write_rows(picture, part, pixels, |luma, blue, red| one_by_one(luma, blue, red, colour))
            }
        }
    }

    /// Always inlined, so that it is compiled with the instructions of its caller.
    #[inline(always)]
    fn write_rows(
        &mut self,
        picture: &PlanarPicture<'_>,
        part: CropBox,
        pixels: &mut [u8],
        group: impl Fn(&[u8; GROUP], &[u8; GROUP], &[u8; GROUP]) -> Pixels,
    ) {
        let (x, width) = (part.x as usize, part.width as usize);
        let stride = picture.size.width as usize * CHANNELS;
        let Self { sums, chroma, .. } = self;
        for y in part.y..part.y + part.height {
            let out = &mut pixels[y as usize * stride + x * CHANNELS..][..width * CHANNELS];
            let luma = &picture.luma.row(y)[x..x + width];
            let Some(planes) = &picture.chroma else {
                out.as_chunks_mut().0.iter_mut().zip(luma).for_each(|(pixel, &luma)| *pixel = [luma; CHANNELS]);
                continue;
            };
            let columns = picture.chroma_box(part);
            for (plane, row) in planes.iter().zip(&mut *chroma) {
                upsample(plane, picture.subsampling, y, columns.x as usize, columns.width as usize, sums, row);
            }
            let skipped = x - columns.x as usize * picture.subsampling.0 as usize;
            let [blue, red] = chroma.each_ref().map(|row| &row[skipped..skipped + width]);
            write_row([luma, blue, red], out, &group, colour);
        }
    }
}

/// Chroma of all pixels on the samples `first..first + count` in row `y` of the picture.
#[inline(always)]
fn upsample(
    plane: &Plane<'_>,
    (across, down): (u32, u32),
    y: u32,
    first: usize,
    count: usize,
    sums: &mut Vec<u16>,
    row: &mut Vec<u8>,
) {
    row.resize(count * across as usize, 0);
    let near = y / down;
    let triangle = across <= 2 && down <= 2 && (across == 1 || plane.size.width >= TRIANGLE_COLUMNS_MIN);
    if !triangle || (across, down) == (1, 1) {
        let samples = &plane.row(near)[first..first + count];
        row.chunks_exact_mut(across as usize).zip(samples).for_each(|(pixels, &sample)| pixels.fill(sample));
        return;
    }
    let last_row = plane.size.height - 1;
    let far = if down == 1 {
        near
    } else if y.is_multiple_of(2) {
        near.saturating_sub(1)
    } else {
        (near + 1).min(last_row)
    };
    sum_rows(plane.row(near), plane.row(far), plane.size.width as usize, first, count, sums);
    // Of four parts each way that are used; libjpeg rounds halves up and down in turn, so that nothing drifts.
    match (across, down) {
        (1, _) => {
            let rounding = if y.is_multiple_of(2) { 1 } else { 2 };
            for (pixel, &sum) in row.iter_mut().zip(&sums[1..]) {
                *pixel = (sum.wrapping_add(rounding) >> 2) as u8;
            }
        }
        // Four times the sample, as both rows are the same one.
        (_, 1) => widen(sums, row, [4, 8]),
        (_, _) => widen(sums, row, [8, 7]),
    }
}

/// Three parts of the near row and one of the far one, with a neighbour at each end; what lies outside the plane is like its
/// edge.
#[inline(always)]
fn sum_rows(near: &[u8], far: &[u8], columns: usize, first: usize, count: usize, sums: &mut Vec<u16>) {
    let sum = |near: u8, far: u8| u16::from(near).wrapping_mul(3).wrapping_add(far.into());
    sums.resize(count + 2, 0);
    let (left, right) = (first.saturating_sub(1), (first + count).min(columns - 1));
    sums[0] = sum(near[left], far[left]);
    sums[count + 1] = sum(near[right], far[right]);
    let rows = near[first..first + count].iter().zip(&far[first..first + count]);
    for (out, (&near, &far)) in sums[1..=count].iter_mut().zip(rows) {
        *out = sum(near, far);
    }
}

/// Two pixels a sample, from sums of four parts; the roundings of left and right pixels.
#[inline(always)]
fn widen(sums: &[u16], row: &mut [u8], [left_rounding, right_rounding]: [u16; 2]) {
    let triples = sums.iter().zip(&sums[1..]).zip(&sums[2..]);
    for (pixels, ((&before, &here), &after)) in row.as_chunks_mut::<2>().0.iter_mut().zip(triples) {
        let here = here.wrapping_mul(3);
        let (left, right) = (here.wrapping_add(before), here.wrapping_add(after));
        *pixels = [(left.wrapping_add(left_rounding) >> 4) as u8, (right.wrapping_add(right_rounding) >> 4) as u8];
    }
}

/// One pixel: R = Y + 1.402 Cr, G = Y − 0.34414 Cb − 0.71414 Cr, B = Y + 1.772 Cb.
#[inline(always)]
fn colour(luma: u8, blue: u8, red: u8) -> [u8; CHANNELS] {
    let (luma, blue, red) = (i32::from(luma), i32::from(blue) - 128, i32::from(red) - 128);
    let rounded = |product: i32| (product + (1 << 15)) >> 16;
    let green = rounded(blue * i32::from(GREEN_OF_CB) + red * i32::from(GREEN_OF_CR)) - red;
    [
        luma + red + rounded(red * i32::from(RED_OF_CR)),
        luma + green,
        luma + 2 * blue + rounded(blue * i32::from(BLUE_OF_CB)),
    ]
    .map(|value| value.clamp(0, 255) as u8)
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{BLUE_OF_CB, GREEN_OF_CB, GREEN_OF_CR, GROUP, Pixels, PlanarPicture, RED_OF_CR, RgbMaker};
    use crate::geometry::CropBox;
    use crate::pixels::avx2::interleaved;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    pub fn write(maker: &mut RgbMaker, picture: &PlanarPicture<'_>, part: CropBox, pixels: &mut [u8]) {
        maker.write_rows(picture, part, pixels, |luma, blue, red| group(luma, blue, red));
    }

    /// [`super::colour`] of sixteen pixels.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn group(luma: &[u8; GROUP], blue: &[u8; GROUP], red: &[u8; GROUP]) -> Pixels {
        let zero = _mm256_set1_epi16(128);
        let luma = words(luma);
        let (blue, red) = (_mm256_sub_epi16(words(blue), zero), _mm256_sub_epi16(words(red), zero));
        let (blue2, red2) = (_mm256_add_epi16(blue, blue), _mm256_add_epi16(red, red));
        let red_out = _mm256_add_epi16(_mm256_add_epi16(luma, red), rounded(red2, RED_OF_CR));
        let blue_out = _mm256_add_epi16(_mm256_add_epi16(luma, blue2), rounded(blue2, BLUE_OF_CB));
        let weights = _mm256_set1_epi32(i32::from(GREEN_OF_CR) << 16 | i32::from(GREEN_OF_CB) & 0xFFFF);
        let half = |pairs| {
            let sum = _mm256_add_epi32(_mm256_madd_epi16(pairs, weights), _mm256_set1_epi32(1 << 15));
            _mm256_srai_epi32::<16>(sum)
        };
        let green = _mm256_packs_epi32(half(_mm256_unpacklo_epi16(blue, red)), half(_mm256_unpackhi_epi16(blue, red)));
        let green_out = _mm256_add_epi16(_mm256_sub_epi16(luma, red), green);
        interleaved(bytes(red_out), bytes(green_out), bytes(blue_out))
    }

    /// A product of half of `doubled` with a constant of 16 fractional bits, rounded: the upper half of the product keeps
    /// one bit more, which rounds.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn rounded(doubled: __m256i, constant: i16) -> __m256i {
        let product = _mm256_mulhi_epi16(doubled, _mm256_set1_epi16(constant));
        _mm256_srai_epi16::<1>(_mm256_add_epi16(product, _mm256_set1_epi16(1)))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn words(bytes: &[u8; GROUP]) -> __m256i {
        let bytes = i128::from_le_bytes(*bytes);
        _mm256_cvtepu8_epi16(_mm_set_epi64x((bytes >> 64) as i64, bytes as i64))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn bytes(values: __m256i) -> __m128i {
        _mm_packus_epi16(_mm256_castsi256_si128(values), _mm256_extracti128_si256::<1>(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_instructions_change_no_colour() {
        for blue in 0..=255 {
            for red in 0..=255u8 {
                let luma: [u8; GROUP] = std::array::from_fn(|i| (i as u8).wrapping_mul(17).wrapping_add(blue ^ red));
                let size = crate::geometry::Size { width: GROUP as u32, height: 1 };
                let (blues, reds) = ([blue; GROUP], [red; GROUP]);
                let plane = |samples| Plane { size, stride: GROUP, samples };
                let chroma = Some([plane(&blues[..]), plane(&reds[..])]);
                let picture = PlanarPicture { size, luma: plane(&luma), chroma, subsampling: (1, 1) };
                let [portable, detected] = [Simd::Portable, Simd::detect()].map(|simd| {
                    let mut pixels = [0; GROUP * CHANNELS];
                    RgbMaker::new(simd).write(&picture, size.whole(), &mut pixels);
                    pixels
                });
                assert_eq!(portable, detected, "Cb {blue}, Cr {red}");
            }
        }
    }
}
