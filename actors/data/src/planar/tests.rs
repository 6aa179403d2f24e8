//! The planar path against the exact one, and against itself.

use super::*;
use crate::fingerprint::JPEGS;
use crate::jpeg::planes::Plane;
use crate::picture::{DecodeMode, Decoded, ImageDecoder};
use crate::resample::{ResamplePath, Resampler};
use proptest::prelude::*;

const WHITE: u8 = 255;

/// Samples that a picture of some subsampling is made of.
struct Samples {
    size: Size,
    subsampling: (u32, u32),
    planes: [Vec<u8>; 3],
}

impl Samples {
    fn new(size: Size, subsampling: (u32, u32), sample: impl Fn(usize, u32, u32) -> u8) -> Self {
        let plane = |number: usize| {
            let size = plane_size(size, if number == 0 { (1, 1) } else { subsampling });
            (0..size.height)
                .flat_map(|y| (0..size.width).map(move |x| (x, y)))
                .map(|(x, y)| sample(number, x, y))
                .collect()
        };
        Self { size, subsampling, planes: std::array::from_fn(plane) }
    }

    fn picture(&self) -> PlanarPicture<'_> {
        let plane = |number: usize, per| {
            let size = plane_size(self.size, per);
            Plane { size, stride: size.width as usize, samples: &self.planes[number] }
        };
        let chroma = Some([plane(1, self.subsampling), plane(2, self.subsampling)]);
        PlanarPicture { size: self.size, luma: plane(0, (1, 1)), chroma, subsampling: self.subsampling }
    }
}

fn plane_size(size: Size, (across, down): (u32, u32)) -> Size {
    Size { width: size.width.div_ceil(across), height: size.height.div_ceil(down) }
}

fn resample(
    simd: Simd,
    picture: &PlanarPicture<'_>,
    source: CropBox,
    full: Size,
    window: CropBox,
    flip: bool,
) -> Vec<u8> {
    let mut out = vec![0; window.size().px() as usize * CHANNELS];
    PlanarResampler::new(simd).resample(picture, source, full, window, flip, &mut out);
    out
}

fn noise(seed: u32) -> impl Fn(usize, u32, u32) -> u8 {
    move |number, x, y| {
        let i = u64::from(x) + 977 * u64::from(y) + 15_485_863 * number as u64 + u64::from(seed) * 32_452_843;
        (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 37) as u8
    }
}

#[test]
fn flat_colours_stay_flat_and_are_those_of_jfif() {
    // Rounded from the definition: white, black, JPEG's primaries.
    for (samples, colour) in [
        ([255, 128, 128], [255, 255, 255]),
        ([0, 128, 128], [0, 0, 0]),
        ([76, 85, 255], [254, 0, 0]),
        ([150, 44, 21], [0, 255, 1]),
        ([29, 255, 107], [0, 0, 254]),
        ([100, 90, 200], [201, 62, 33]),
    ] {
        let picture = Samples::new(Size { width: 40, height: 30 }, (2, 2), |number, _, _| samples[number]);
        for full in [Size { width: 64, height: 50 }, Size { width: 7, height: 5 }] {
            let source = CropBox { x: 3, y: 5, width: 31, height: 20 };
            let out = resample(Simd::detect(), &picture.picture(), source, full, full.whole(), false);
            assert!(out.as_chunks::<3>().0.iter().all(|pixel| pixel == &colour), "{samples:?}: {:?}", &out[..3]);
        }
    }
}

#[test]
fn white_stays_white_when_16384_rows_become_one() {
    let size = Size { width: 2, height: crate::limits::IMAGE_SIDE_PX_MAX };
    let picture = Samples::new(size, (1, 2), |number, _, _| if number == 0 { WHITE } else { 128 });
    for size_out in [Size { width: 1, height: 1 }, Size { width: 20, height: 3 }] {
        let out = resample(Simd::detect(), &picture.picture(), size.whole(), size_out, size_out.whole(), false);
        assert!(out.iter().all(|&byte| byte == WHITE), "{out:?}");
    }
}

#[test]
fn pictures_look_as_on_the_exact_path() {
    let mut decoder = ImageDecoder::new(DecodeMode::Strict);
    let mut compared = 0;
    for (name, bytes) in JPEGS {
        let full = Size { width: 40, height: 40 };
        let decoded = decoder.decode_for(ResamplePath::Planar, bytes, Size::whole).expect("a whole JPEG");
        let Decoded::Planar(picture) = decoded else { continue };
        let size = picture.size;
        let planar = resample(Simd::detect(), &picture, size.whole(), full, full.whole(), true);
        let mut exact = vec![0; planar.len()];
        let picture = decoder.decode(bytes).expect("a whole JPEG");
        Resampler::new(Simd::detect()).resample(&picture, size.whole(), full, full.whole(), true, &mut exact);
        let differences = planar.iter().zip(&exact).map(|(a, b)| f64::from(a.abs_diff(*b)));
        let mean = differences.sum::<f64>() / exact.len() as f64;
        eprintln!("{name} {size:?}: mean difference {mean:.3}");
        // These are noise and edges of a few pixels, where upsampling twice differs most from upsampling once.
        assert!(mean <= if name.contains("411") { 6.0 } else { 2.0 }, "{name}: {mean}");
        compared += 1;
    }
    assert!(compared >= 8, "only {compared} were compared");
}

proptest! {
    #[test]
    fn vector_instructions_change_no_bit(
        (w, h) in (1u32..70, 1u32..70), (full_w, full_h) in (1u32..90, 1u32..90), (x, y) in (0u32..5, 0u32..5),
        per in prop::sample::select(vec![(1, 1), (2, 1), (1, 2), (2, 2), (4, 1)]), flip in any::<bool>(), seed in any::<u32>(),
    ) {
        let size = Size { width: w + 4, height: h + 4 };
        let picture = Samples::new(size, per, noise(seed));
        let source = CropBox { x: x.min(4), y: y.min(4), width: w, height: h };
        let full = Size { width: full_w, height: full_h };
        let [portable, detected] = [Simd::Portable, Simd::detect()]
            .map(|simd| resample(simd, &picture.picture(), source, full, full.whole(), flip));
        prop_assert_eq!(portable, detected);
    }

    #[test]
    fn a_window_is_a_part_of_the_whole_and_a_flip_its_mirror_image(
        (w, h) in (1u32..50, 1u32..50), (full_w, full_h) in (2u32..60, 2u32..60), seed in any::<u32>(),
    ) {
        let size = Size { width: w, height: h };
        let picture = Samples::new(size, (2, 2), noise(seed));
        let full = Size { width: full_w, height: full_h };
        let window = CropBox { x: full_w / 3, y: full_h / 4, width: full_w / 2, height: full_h / 2 };
        let [whole, part, mirrored] = [(full.whole(), false), (window, false), (window, true)]
            .map(|(window, flip)| resample(Simd::detect(), &picture.picture(), size.whole(), full, window, flip));
        let pixel = |image: &[u8], stride: u32, y: u32, x: u32| {
            let start = (y * stride + x) as usize * CHANNELS;
            [image[start], image[start + 1], image[start + 2]]
        };
        for y in 0..window.height {
            for x in 0..window.width {
                let expected = pixel(&whole, full_w, window.y + y, window.x + x);
                prop_assert_eq!(pixel(&part, window.width, y, x), expected);
                prop_assert_eq!(pixel(&mirrored, window.width, y, window.width - 1 - x), expected);
            }
        }
    }

    #[test]
    fn samples_outside_the_box_are_never_looked_at(seed in any::<u32>(), (x, y) in (0u32..9, 0u32..9)) {
        let size = Size { width: 33, height: 27 };
        let source = CropBox { x, y, width: 15, height: 13 };
        let full = Size { width: 20, height: 11 };
        let same = noise(seed);
        let inside = |number: usize, at_x: u32, at_y: u32| {
            let per = if number == 0 { 1 } else { 2 };
            let within = |at: u32, start: u32, length: u32| at >= start / per && at < (start + length).div_ceil(per);
            within(at_x, x, 15) && within(at_y, y, 13)
        };
        let outs = [0, WHITE].map(|outside| {
            let sample = |number, at_x, at_y| if inside(number, at_x, at_y) { same(number, at_x, at_y) } else { outside };
            let picture = Samples::new(size, (2, 2), sample);
            resample(Simd::detect(), &picture.picture(), source, full, full.whole(), false)
        });
        prop_assert_eq!(&outs[0], &outs[1]);
    }
}
