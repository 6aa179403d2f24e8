//! The resampler against Pillow's numbers, and its windows and flips against itself.

use super::*;
use crate::geometry::{centre_window, validation_resize_px};
use crate::golden;
use proptest::prelude::*;
use serde_json::Value;

/// The images of the golden numbers.
fn formula_image(size: Size) -> Vec<u8> {
    let (width, height) = (size.width as usize, size.height as usize);
    let value = |y: usize, x: usize, c: usize| ((3 * y + 5 * x + 40 * c + (x * y) % 17) % 256) as u8;
    (0..width * height * CHANNELS).map(|i| value(i / CHANNELS / width, i / CHANNELS % width, i % CHANNELS)).collect()
}

fn size_of(entry: &Value) -> Size {
    let side = |key: &str| entry[key].as_u64().expect("a side") as u32;
    Size { width: side("width"), height: side("height") }
}

fn order_of(entry: &Value) -> PassOrder {
    match entry["pass_order"].as_str() {
        Some("horizontal first") => PassOrder::HorizontalFirst,
        Some("vertical first") => PassOrder::VerticalFirst,
        other => panic!("unknown pass order {other:?}"),
    }
}

fn check_digest(entry: &Value, window: CropBox, pixels: &[u8]) {
    let digest = &entry["digest"];
    assert_eq!(size_of(digest), window.size(), "{entry}");
    let mut sums = [0u64; CHANNELS];
    for pixel in pixels.as_chunks::<CHANNELS>().0 {
        (0..CHANNELS).for_each(|c| sums[c] += u64::from(pixel[c]));
    }
    assert_eq!(serde_json::json!(sums), digest["channel_sums"], "{entry}");
    let samples: Vec<[usize; 4]> =
        serde_json::from_value(digest["pixels_y_x_c_value"].clone()).expect("samples of four numbers");
    assert!(!samples.is_empty(), "{entry}");
    for [y, x, c, value] in samples {
        let found = pixels[(y * window.width as usize + x) * CHANNELS + c];
        assert_eq!(usize::from(found), value, "pixel ({y}, {x}, {c}) of {entry}");
    }
}

/// Checks an entry in its stated order, and that our rule picks an order with the same result.
fn check_entry(entry: &Value, source: CropBox, full: Size, window: CropBox) {
    let size = size_of(entry);
    let pixels = formula_image(size);
    let picture = Picture { size, pixels: &pixels };
    let mut out = vec![0; window.size().px() as usize * CHANNELS];
    let mut resampler = Resampler::new(Simd::detect());
    resampler.resample_in_order(&picture, source, full, window, false, order_of(entry), &mut out);
    check_digest(entry, window, &out);
    if entry["pass_order"].is_string() {
        resampler.resample(&picture, source, full, window, false, &mut out);
        check_digest(entry, window, &out);
    }
}

#[test]
fn golden_pil_bilinear_crop_resize() {
    for entry in golden::entries("augment.json", "pil_bilinear_crop_resize") {
        let [x, y, width, height]: [u32; 4] =
            serde_json::from_value(entry["crop_x_y_w_h"].clone()).expect("a box of four numbers");
        let out = entry["out"].as_u64().expect("a side") as u32;
        let full = Size { width: out, height: out };
        check_entry(&entry, CropBox { x, y, width, height }, full, full.whole());
    }
}

#[test]
fn golden_validation_resize_then_centre_crop() {
    for entry in golden::entries("augment.json", "validation_resize_then_centre_crop") {
        let out = entry["out"].as_u64().expect("a side") as u32;
        let [width, height]: [u32; 2] =
            serde_json::from_value(entry["resize_to"].clone()).expect("a width and a height");
        assert_eq!([width, height], [validation_resize_px(out); 2], "{entry}");
        let full = Size { width, height };
        let window = centre_window(full, Size { width: out, height: out });
        check_entry(&entry, size_of(&entry).whole(), full, window);
    }
}

#[test]
fn equal_sizes_are_a_copy_and_a_flip_mirrors_it() {
    let size = Size { width: 5, height: 3 };
    let pixels = formula_image(size);
    let picture = Picture { size, pixels: &pixels };
    let mut out = vec![0; pixels.len()];
    Resampler::new(Simd::detect()).resample(&picture, size.whole(), size, size.whole(), false, &mut out);
    assert_eq!(out, pixels);
    Resampler::new(Simd::detect()).resample(&picture, size.whole(), size, size.whole(), true, &mut out);
    assert_eq!(out[..3], pixels[12..15]);
    assert_eq!(out[12..15], pixels[..3]);
}

#[test]
fn one_pixel_fills_any_view() {
    let picture = Picture { size: Size { width: 1, height: 1 }, pixels: &[9, 80, 255] };
    let full = Size { width: 7, height: 4 };
    let mut out = vec![0; 7 * 4 * 3];
    Resampler::new(Simd::detect()).resample(&picture, picture.size.whole(), full, full.whole(), true, &mut out);
    assert!(out.as_chunks::<3>().0.iter().all(|pixel| pixel == &[9, 80, 255]), "{out:?}");
}

#[test]
fn white_stays_white_when_16384_rows_become_one() {
    let size = Size { width: 2, height: crate::limits::IMAGE_SIDE_PX_MAX };
    let pixels = vec![255; size.px() as usize * 3];
    let mut out = [0; 3];
    let full = Size { width: 1, height: 1 };
    Resampler::new(Simd::detect()).resample(
        &Picture { size, pixels: &pixels },
        size.whole(),
        full,
        full.whole(),
        false,
        &mut out,
    );
    assert_eq!(out, [255; 3]);
}

#[test]
fn columns_go_first_only_when_the_height_loses_more_than_twice_as_much() {
    let order = |w, h, full_w, full_h| {
        PassOrder::of_pillow(Size { width: w, height: h }, Size { width: full_w, height: full_h })
    };
    assert_eq!(order(331, 500, 224, 224), PassOrder::VerticalFirst);
    assert_eq!(order(100, 101, 100, 100), PassOrder::VerticalFirst);
    assert_eq!(order(101, 102, 100, 100), PassOrder::HorizontalFirst);
    assert_eq!(order(50, 100, 100, 101), PassOrder::HorizontalFirst);
}

proptest! {
    #[test]
    fn a_window_is_a_part_of_the_whole_and_a_flip_its_mirror_image(
        (w, h, full_w, full_h) in (1u32..60, 1u32..60, 1u32..60, 1u32..60),
        (a, b, c, d) in (0.0f64..1.0, 0.0f64..1.0, 0.0f64..1.0, 0.0f64..1.0),
    ) {
        let size = Size { width: w + 3, height: h + 2 };
        let pixels = formula_image(size);
        let picture = Picture { size, pixels: &pixels };
        let source = CropBox { x: 2, y: 1, width: w, height: h };
        let full = Size { width: full_w, height: full_h };
        let inside = |from: f64, len: f64, side: u32| {
            let start = (from * f64::from(side)) as u32;
            (start, 1 + (len * f64::from(side - start - 1)) as u32)
        };
        let ((x, width), (y, height)) = (inside(a, b, full_w), inside(c, d, full_h));
        let window = CropBox { x, y, width, height };
        let mut whole = vec![0; full.px() as usize * CHANNELS];
        let mut part = vec![0; window.size().px() as usize * CHANNELS];
        let mut mirrored = part.clone();
        let mut resampler = Resampler::new(Simd::detect());
        resampler.resample(&picture, source, full, full.whole(), false, &mut whole);
        resampler.resample(&picture, source, full, window, false, &mut part);
        resampler.resample(&picture, source, full, window, true, &mut mirrored);
        let at = |image: &[u8], stride: u32, y: u32, x: u32| -> [u8; 3] {
            let start = (y * stride + x) as usize * CHANNELS;
            [image[start], image[start + 1], image[start + 2]]
        };
        for row in 0..height {
            for column in 0..width {
                let expected = at(&whole, full_w, y + row, x + column);
                prop_assert_eq!(at(&part, width, row, column), expected);
                prop_assert_eq!(at(&mirrored, width, row, width - 1 - column), expected);
            }
        }
    }

    #[test]
    fn vector_instructions_change_no_bit(
        (w, h) in (1u32..70, 1u32..70),
        (full_w, full_h) in (1u32..90, 1u32..90),
        (x, y) in (0u32..5, 0u32..5),
        flip in any::<bool>(),
        seed in any::<u32>(),
    ) {
        let size = Size { width: w + 4, height: h + 4 };
        let noise = |i: u64| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(u64::from(seed)) >> 29) as u8;
        let pixels: Vec<u8> = (0..size.px() * 3).map(noise).collect();
        let picture = Picture { size, pixels: &pixels };
        let source = CropBox { x: x.min(4), y: y.min(4), width: w, height: h };
        let full = Size { width: full_w, height: full_h };
        let mut outs = [Simd::Portable, Simd::detect()].map(|simd| {
            let mut out = vec![0; full.px() as usize * CHANNELS];
            Resampler::new(simd).resample(&picture, source, full, full.whole(), flip, &mut out);
            out
        });
        let [portable, detected] = &mut outs;
        prop_assert_eq!(portable, detected);
    }
}
