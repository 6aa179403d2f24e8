//! Whole-image tests of the decoders: what Pillow makes of the same bytes, limits, damage, and hostile bytes.

use super::*;
use crate::fingerprint::JPEGS;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn jpeg(name: &str) -> Vec<u8> {
    let (_, bytes) = JPEGS.iter().find(|(found, _)| *found == name).expect("the fixture's name");
    bytes.to_vec()
}

/// Offset of the first marker `FF kind`.
fn marker(bytes: &[u8], kind: u8) -> usize {
    bytes.windows(2).position(|pair| pair == [0xFF, kind]).expect("the marker is there")
}

/// A JPEG with the sides in its frame header replaced.
fn with_sides(name: &str, frame: u8, width: u16, height: u16) -> Vec<u8> {
    let mut bytes = jpeg(name);
    let at = marker(&bytes, frame) + 5;
    bytes[at..at + 2].copy_from_slice(&height.to_be_bytes());
    bytes[at + 2..at + 4].copy_from_slice(&width.to_be_bytes());
    bytes
}

fn kind_of(bytes: &[u8]) -> FaultKind {
    let decoder_kind = ImageDecoder::new(DecodeMode::Strict).decode(bytes).expect_err("bytes that are refused").kind;
    if decoder_kind != FaultKind::DamagedImage {
        let probe_kind = ImageDecoder::new(DecodeMode::Strict).probe(bytes).expect_err("headers that are refused").kind;
        assert_eq!(decoder_kind, probe_kind, "decoding and probing differ");
    }
    decoder_kind
}

fn png(width: u32, height: u32, colour: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if colour == png::ColorType::Indexed {
        encoder.set_palette(vec![1, 2, 3, 40, 50, 60, 200, 210, 220]);
        encoder.set_trns(vec![0, 128]);
    }
    encoder.write_header().and_then(|mut writer| writer.write_image_data(data)).expect("a PNG in memory");
    bytes
}

#[test]
fn every_kind_of_jpeg_looks_as_pillow_shows_it() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/fingerprint");
    let mut decoder = ImageDecoder::new(DecodeMode::Strict);
    for (name, bytes) in JPEGS {
        if name == "16-quarter-turn" {
            continue; // Pillow's file holds it as stored; its own test turns it.
        }
        let expected = std::fs::read(format!("{folder}/{name}.rgb")).expect("the fixture beside the JPEG");
        let probed = decoder.probe(bytes).expect("a whole JPEG");
        let picture = decoder.decode(bytes).expect("a whole JPEG");
        assert_eq!(probed.size, picture.size);
        assert_eq!(probed.progressive, name.contains("progressive"), "{name}");
        assert_eq!(picture.pixels.len(), expected.len(), "{name}");
        let differences = || picture.pixels.iter().zip(&expected).map(|(a, b)| f64::from(a.abs_diff(*b)));
        let mean = differences().sum::<f64>() / expected.len() as f64;
        let most = differences().fold(0.0, f64::max);
        eprintln!("{name}: mean {mean:.3}, most {most}");
        // zune-jpeg reads these; of all others, no byte differs.
        let by_zune = ["progressive", "cmyk", "ycck", "rgb"].iter().any(|kind| name.contains(kind));
        assert!(if by_zune { mean <= 1.0 } else { most == 0.0 }, "{name}: mean {mean}, most {most}");
    }
}

#[test]
fn exif_orientation_turns_pixels_upright() {
    let mut decoder = ImageDecoder::new(DecodeMode::Strict);
    let bytes = jpeg("16-quarter-turn");
    let upright = decoder.decode(&bytes).expect("a whole JPEG");
    assert_eq!(upright.size, Size { width: 11, height: 24 });
    let upright = upright.pixels.to_vec();
    assert_eq!(decoder.probe(&bytes).expect("a whole JPEG").size, Size { width: 11, height: 24 });

    // The same with the orientation spoilt is as stored.
    let mut plain = bytes.clone();
    let exif = marker(&plain, 0xE1);
    plain[exif + 4] = b'e';
    let stored = decoder.decode(&plain).expect("a whole JPEG");
    assert_eq!(stored.size, Size { width: 24, height: 11 });
    for y in 0..24 {
        for x in 0..11 {
            let (from, to) = ((10 - x) * 24 + y, y * 11 + x);
            assert_eq!(upright[to * 3..][..3], stored.pixels[from * 3..][..3], "({x}, {y})");
        }
    }
}

#[test]
fn strict_refuses_every_cut_and_lenient_shows_what_is_left() {
    let mut strict = ImageDecoder::new(DecodeMode::Strict);
    let mut lenient = ImageDecoder::new(DecodeMode::Lenient);
    for name in ["01-444", "03-420", "07-progressive-420", "08-grey", "10-cmyk", "12-restarts"] {
        let whole = jpeg(name);
        for len in (3..whole.len()).step_by(7).chain([whole.len() - 1]) {
            let refused = strict.decode(&whole[..len]).expect_err("a JPEG that is cut short");
            assert_eq!(refused.kind, FaultKind::DamagedImage, "{name} cut to {len}");
        }
        // Of a progressive image the decoder needs at least the first scan, so only baseline ones are sure to show.
        let part = whole.len() - (whole.len() - marker(&whole, 0xDA)) / 3;
        assert!(name.contains("progressive") || lenient.decode(&whole[..part]).is_ok(), "{name}");
    }
}

#[test]
fn what_a_damaged_image_leaves_unwritten_never_shows_the_image_before() {
    let whole = jpeg("01-444");
    let cut = &whole[..whole.len() - 300];
    let fresh = ImageDecoder::new(DecodeMode::Lenient).decode(cut).map(|picture| picture.pixels.to_vec());
    let mut used = ImageDecoder::new(DecodeMode::Lenient);
    used.decode(&whole).expect("a whole JPEG");
    assert_eq!(used.decode(cut).map(|picture| picture.pixels.to_vec()), fresh);
}

#[test]
fn other_bytes_are_not_an_image() {
    for bytes in [b"".as_slice(), b"GIF89a....", b"\xFF\xD8", b"hello", b"RIFF....WEBP", b"PK\x03\x04"] {
        assert_eq!(kind_of(bytes), FaultKind::NotAnImage, "{bytes:?}");
    }
}

#[test]
fn forms_that_are_not_known_are_named() {
    let patched = |offset: usize, value: u8| {
        let mut bytes = jpeg("01-444");
        let frame = marker(&bytes, 0xC0);
        bytes[frame + offset] = value;
        bytes
    };
    let detail = |bytes: &[u8]| {
        let bad = ImageDecoder::new(DecodeMode::Lenient).decode(bytes).expect_err("an unknown form");
        assert_eq!(bad.kind, FaultKind::UnsupportedImage);
        bad.detail
    };
    assert!(detail(&patched(4, 12)).contains("12 bits"));
    assert!(detail(&patched(1, 0xC9)).contains("arithmetic"));
    assert!(detail(&patched(1, 0xC3)).contains("lossless"));
    assert!(detail(&patched(1, 0xC5)).contains("hierarchical"));
    assert!(detail(&patched(9, 2)).contains("2 colour components"));
    assert!(detail(&patched(11, 0x31)).contains("subsampling"));
}

#[test]
fn limits_hold_before_anything_is_decoded() {
    assert_eq!(kind_of(&with_sides("01-444", 0xC0, 20_000, 10)), FaultKind::ImageTooLarge);
    assert_eq!(kind_of(&with_sides("01-444", 0xC0, 10_000, 10_000)), FaultKind::ImageTooLarge);
    assert_eq!(kind_of(&with_sides("01-444", 0xC0, 0, 10)), FaultKind::DamagedImage);
    // 32 Mpx fit as a baseline image; coefficients of a progressive one don't.
    assert_eq!(kind_of(&with_sides("06-progressive-444", 0xC2, 8_192, 8_000)), FaultKind::ImageTooLarge);
    let baseline = with_sides("01-444", 0xC0, 8_192, 8_000);
    let header = ImageDecoder::new(DecodeMode::Strict).probe(&baseline).expect("headers within the limits");
    assert!(header.scratch_bytes > 8_192 * 8_000 * 3 && header.scratch_bytes < 8_192 * 8_000 * 4);

    let mut wide = png(1, 1, png::ColorType::Rgb, png::BitDepth::Eight, &[1, 2, 3]);
    wide[16..20].copy_from_slice(&20_000u32.to_be_bytes());
    assert_eq!(kind_of(&wide), FaultKind::ImageTooLarge);
}

#[test]
fn too_many_scans_are_too_large() {
    let mut bytes = jpeg("06-progressive-444");
    let scan = marker(&bytes, 0xDA);
    let segment: Vec<u8> = bytes[scan..scan + 2 + usize::from(bytes[scan + 3])].to_vec();
    let end = bytes.len() - 2;
    bytes.splice(end..end, segment.repeat(limits::JPEG_SCANS_MAX));
    assert_eq!(kind_of(&bytes), FaultKind::ImageTooLarge);
}

#[test]
fn segments_without_end_are_refused_quickly() {
    let whole = jpeg("01-444");
    let comment = [0xFF, 0xFE, 0, 2];
    let bytes = [&whole[..2], &comment.repeat(limits::JPEG_SEGMENTS_MAX), &whole[2..]].concat();
    assert_eq!(kind_of(&bytes), FaultKind::DamagedImage);
}

#[test]
fn every_kind_of_png_becomes_rgb() {
    use png::{BitDepth, ColorType};
    let mut decoder = ImageDecoder::new(DecodeMode::Strict);
    let cases: [(ColorType, BitDepth, &[u8], [u8; 6]); 8] = [
        (ColorType::Rgb, BitDepth::Eight, &[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]),
        (ColorType::Rgba, BitDepth::Eight, &[1, 2, 3, 0, 4, 5, 6, 9], [1, 2, 3, 4, 5, 6]),
        (ColorType::Grayscale, BitDepth::Eight, &[7, 200], [7, 7, 7, 200, 200, 200]),
        (ColorType::Grayscale, BitDepth::Two, &[0b0110_0000], [85, 85, 85, 170, 170, 170]),
        (ColorType::GrayscaleAlpha, BitDepth::Eight, &[7, 0, 200, 255], [7, 7, 7, 200, 200, 200]),
        (ColorType::Grayscale, BitDepth::Sixteen, &[7, 200, 99, 255], [7, 7, 7, 99, 99, 99]),
        (ColorType::Rgb, BitDepth::Sixteen, &[1, 0, 2, 9, 3, 0, 4, 8, 5, 0, 6, 255], [1, 2, 3, 4, 5, 6]),
        (ColorType::Indexed, BitDepth::One, &[0b0100_0000], [1, 2, 3, 40, 50, 60]),
    ];
    for (colour, depth, data, expected) in cases {
        let bytes = png(2, 1, colour, depth, data);
        let header = decoder.probe(&bytes).expect("a PNG");
        assert_eq!((header.format, header.size), (ImageFormat::Png, Size { width: 2, height: 1 }));
        let picture = decoder.decode(&bytes).expect("a PNG");
        assert_eq!(picture.pixels, expected, "{colour:?} {depth:?}");
    }
}

#[test]
fn a_png_with_a_flipped_or_missing_byte_is_refused() {
    let data: Vec<u8> = (0..300u32).map(|i| (i * i % 251) as u8).collect();
    let whole = png(10, 10, png::ColorType::Rgb, png::BitDepth::Eight, &data);
    for len in 8..whole.len() {
        assert_eq!(kind_of(&whole[..len]), FaultKind::DamagedImage, "cut to {len}");
    }
    let mut flipped = whole.clone();
    let middle = whole.len() / 2;
    flipped[middle] ^= 4;
    assert_eq!(kind_of(&flipped), FaultKind::DamagedImage);
}

/// Decodes as the decoder pool does: a panic of the decoder's library is caught, and the decoder goes on.
fn decode_caught(decoder: &mut ImageDecoder, bytes: &[u8]) -> Option<Result<(Size, usize), BadBytes>> {
    catch_unwind(AssertUnwindSafe(|| decoder.decode(bytes).map(|picture| (picture.size, picture.pixels.len())))).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]
    #[test]
    fn mutated_images_stay_within_the_limits_and_leave_the_decoder_usable(
        which in 0usize..17,
        lenient in any::<bool>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let good = JPEGS[0].1;
        let mut bytes = JPEGS.get(which).map_or_else(
            || png(9, 7, png::ColorType::Rgb, png::BitDepth::Eight, &[77; 9 * 7 * 3]),
            |(_, bytes)| bytes.to_vec(),
        );
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let mut decoder = ImageDecoder::new(if lenient { DecodeMode::Lenient } else { DecodeMode::Strict });
        let expected = decode_caught(&mut decoder, good);
        if let Some(Ok((size, len))) = decode_caught(&mut decoder, &bytes) {
            prop_assert_eq!(size.px() as usize * 3, len);
            prop_assert!(size.px() <= limits::IMAGE_PX_MAX);
        }
        prop_assert_eq!(decode_caught(&mut decoder, good), expected);
    }
}
