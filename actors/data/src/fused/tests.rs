//! One resampling against two: a resize as Pillow makes it, then the distortion of the result, in plain arithmetic.

use super::*;
use crate::resample::Resampler;
use crate::ticket::ViewKey;

/// A smooth picture of waves, a few a side.
fn waves(size: Size) -> Vec<u8> {
    let wave = |place: u32, length: u32, waves: f64| {
        (2.0 * std::f64::consts::PI * waves * f64::from(place) / f64::from(length)).sin()
    };
    (0..size.height)
        .flat_map(|y| (0..size.width).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            [(1.0, 0.5), (0.7, 1.3), (1.6, 0.2)].map(|(across, down)| {
                let value = wave(x, size.width, across) + wave(y, size.height, down);
                (127.5 + 60.0 * value) as u8
            })
        })
        .collect()
}

/// The distortion of a picture that has the size of the view, in float64: what a device's `grid_sample` computes.
fn distorted(pixels: &[u8], size: Size, distortion: &Distortion) -> Vec<f64> {
    let matrix = distortion.homography(f64::from(size.width) / f64::from(size.height));
    let reflected = |coordinate: f64, length: u32| {
        let span = f64::from(length - 1);
        let place = ((coordinate + 1.0) / 2.0 * span).abs() % (2.0 * span);
        if place > span { 2.0 * span - place } else { place }
    };
    let value = |x: usize, y: usize, c: usize| f64::from(pixels[(y * size.width as usize + x) * CHANNELS + c]);
    let mut out = Vec::new();
    for y in 0..size.height {
        for x in 0..size.width {
            let at = [coordinate(x.into(), size.width), coordinate(y.into(), size.height), 1.0];
            let [across, down, weight] = matrix.map(|row| row[0] * at[0] + row[1] * at[1] + row[2]);
            let (x, y) = (reflected(across / weight, size.width), reflected(down / weight, size.height));
            let (left, top) = ((x as usize).min(size.width as usize - 2), (y as usize).min(size.height as usize - 2));
            let (right, low) = (x - left as f64, y - top as f64);
            for c in 0..CHANNELS {
                let mix = |row: usize| value(left, row, c) * (1.0 - right) + value(left + 1, row, c) * right;
                out.push(mix(top) * (1.0 - low) + mix(top + 1) * low);
            }
        }
    }
    out
}

fn drawn(seq: u64) -> Distortion {
    Distortion::draw(ViewKey { seed: 1, epoch: 1, seq, view: 0 })
}

/// Peak signal-to-noise ratio, dB.
fn psnr(found: &[u8], expected: &[f64]) -> f64 {
    let squares: f64 = found.iter().zip(expected).map(|(&a, &b)| (f64::from(a) - b).powi(2)).sum();
    10.0 * (255.0f64.powi(2) * found.len() as f64 / squares).log10()
}

fn fused(
    picture: &Picture<'_>,
    source: CropBox,
    out: Size,
    flip: bool,
    distortion: &Distortion,
    simd: Simd,
) -> Vec<u8> {
    let mut pixels = vec![0; out.px() as usize * CHANNELS];
    FusedResampler::new(simd).resample(picture, source, out, out.whole(), flip, distortion, &mut pixels);
    pixels
}

#[test]
fn one_resampling_lies_close_to_two_on_smooth_pictures() {
    let size = Size { width: 240, height: 200 };
    let pixels = waves(size);
    let picture = Picture { size, pixels: &pixels };
    // Larger, as large, and smaller than the view by up to three and a half; all with the same draws.
    for (side, source, at_least) in [
        (224, CropBox { x: 20, y: 30, width: 180, height: 150 }, 50.0),
        (150, CropBox { x: 31, y: 7, width: 150, height: 150 }, 50.0),
        (64, CropBox { x: 0, y: 0, width: 224, height: 200 }, 45.0),
    ] {
        let out = Size { width: side, height: side };
        let mut resized = vec![0; out.px() as usize * CHANNELS];
        Resampler::new(Simd::Portable).resample(&picture, source, out, out.whole(), false, &mut resized);
        for seq in 0..20 {
            let distortion = drawn(seq);
            let found = fused(&picture, source, out, false, &distortion, Simd::Portable);
            let likeness = psnr(&found, &distorted(&resized, out, &distortion));
            assert!(likeness > at_least, "{side} px, {distortion:?}: {likeness} dB");
        }
    }
}

#[test]
fn without_distortion_a_crop_of_the_size_of_the_view_is_copied_and_mirrored() {
    let size = Size { width: 30, height: 20 };
    let pixels: Vec<u8> = (0..size.px() * 3).map(|i| (i * 37 % 251) as u8).collect();
    let picture = Picture { size, pixels: &pixels };
    let (source, out) = (CropBox { x: 3, y: 2, width: 25, height: 17 }, Size { width: 25, height: 17 });
    for flip in [false, true] {
        let mut expected = vec![0; out.px() as usize * CHANNELS];
        Resampler::new(Simd::Portable).resample(&picture, source, out, out.whole(), flip, &mut expected);
        assert_eq!(fused(&picture, source, out, flip, &Distortion::NONE, Simd::Portable), expected);
    }
    let mirrored = Distortion { flip: true, ..Distortion::NONE };
    let plain = fused(&picture, source, out, false, &mirrored, Simd::Portable);
    assert_eq!(plain, fused(&picture, source, out, true, &Distortion::NONE, Simd::Portable));
}

#[test]
fn instructions_and_scratch_memory_never_change_a_pixel() {
    let size = Size { width: 97, height: 61 };
    let pixels: Vec<u8> = (0..size.px() * 3).map(|i| (i * i % 253) as u8).collect();
    let picture = Picture { size, pixels: &pixels };
    let mut used = FusedResampler::new(Simd::detect());
    for (seq, source, side) in [
        (1, size.whole(), 40),
        (2, CropBox { x: 90, y: 1, width: 1, height: 60 }, 33),
        (3, CropBox { x: 5, y: 60, width: 80, height: 1 }, 7),
        (4, CropBox { x: 50, y: 30, width: 2, height: 2 }, 1),
        (5, size.whole(), 96),
    ] {
        let out = Size { width: side, height: side };
        let mut found = vec![0; out.px() as usize * CHANNELS];
        used.resample(&picture, source, out, out.whole(), false, &drawn(seq), &mut found);
        assert_eq!(found, fused(&picture, source, out, false, &drawn(seq), Simd::Portable));
    }
}

#[test]
fn nothing_outside_the_crop_is_seen() {
    let size = Size { width: 60, height: 60 };
    let source = CropBox { x: 10, y: 20, width: 30, height: 25 };
    let inside = |x: u32, y: u32| (10..40).contains(&x) && (20..45).contains(&y);
    let at = (0..60).flat_map(|y| (0..60).map(move |x| (x, y)));
    let pixels: Vec<u8> = at.flat_map(|(x, y)| [if inside(x, y) { 200 } else { 10 }; 3]).collect();
    let picture = Picture { size, pixels: &pixels };
    let far = Distortion { rotation_degrees: 120.0, warp_x: 0.5, warp_y: -0.5, zoom: 0.2, ..Distortion::NONE };
    for (distortion, side) in [(drawn(7), 64), (drawn(8), 9), (far, 40)] {
        let out = Size { width: side, height: side };
        let found = fused(&picture, source, out, false, &distortion, Simd::Portable);
        assert!(found.iter().all(|&value| value == 200), "{distortion:?}");
    }
}
