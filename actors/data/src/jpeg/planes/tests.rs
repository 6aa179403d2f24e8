//! Planes against zune-jpeg's samples: which images are taken, crops, damage, and hostile bytes.

use super::*;
use crate::fingerprint::JPEGS;
use crate::jpeg::read_header;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

fn fixture(name: &str) -> Vec<u8> {
    let (_, bytes) = JPEGS.iter().find(|(found, _)| *found == name).expect("the fixture's name");
    bytes.to_vec()
}

/// A picture with smooth parts, edges and noise.
fn encoded(size: Size, sampling: SamplingFactor, quality: u8, restart: u16) -> Vec<u8> {
    encoded_in_scans(size, sampling, quality, restart, false)
}

/// The same; the encoder gives each component a scan of its own when it makes tables for the picture.
fn encoded_in_scans(size: Size, sampling: SamplingFactor, quality: u8, restart: u16, in_scans: bool) -> Vec<u8> {
    let (width, height) = (size.width as usize, size.height as usize);
    let noise = |i: usize| (i.wrapping_mul(0x9E37_79B9) >> 13) as u8 % 32;
    let pixel = |x: usize, y: usize, c: usize| ((x * (3 + c) + y * (5 - c)) % 200) as u8 + noise(x * 31 + y * 17 + c);
    let pixels: Vec<u8> = (0..width * height * 3).map(|i| pixel(i / 3 % width, i / 3 / width, i % 3)).collect();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(sampling);
    encoder.set_optimized_huffman_tables(in_scans);
    if restart > 0 {
        encoder.set_restart_interval(restart);
    }
    encoder.encode(&pixels, size.width as u16, size.height as u16, ColorType::Rgb).expect("a JPEG in memory");
    bytes
}

/// The samples of a part of a plane, row by row.
fn part(plane: &Plane<'_>, part: CropBox) -> Vec<u8> {
    let row = |y: u32| &plane.samples[y as usize * plane.stride + part.x as usize..][..part.width as usize];
    (part.y..part.y + part.height).flat_map(|y| row(y).to_vec()).collect()
}

fn parts(picture: &PlanarPicture<'_>, pixels: CropBox) -> Vec<Vec<u8>> {
    let boxes = [pixels, picture.chroma_box(pixels), picture.chroma_box(pixels)];
    picture.planes().zip(boxes).map(|(plane, pixels)| part(plane, pixels)).collect()
}

fn read(reader: &mut PlanesReader, bytes: &[u8], needed: impl Fn(Size) -> CropBox) -> Option<Vec<Vec<u8>>> {
    let header = read_header(bytes).ok()?;
    let needed = needed(header.size);
    reader.read(bytes, &header, needed).ok().map(|()| parts(&reader.picture(), needed))
}

fn refusal(bytes: &[u8]) -> Option<Refusal> {
    let header = read_header(bytes).ok()?;
    PlanesReader::new(Simd::detect()).read(bytes, &header, header.size.whole()).err()
}

fn read_whole(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    read(&mut PlanesReader::new(Simd::detect()), bytes, Size::whole)
}

/// All three samples of each pixel as zune-jpeg makes them, chroma brought to full size.
fn by_zune(bytes: &[u8]) -> Vec<u8> {
    let options = DecoderOptions::default().set_strict_mode(true).jpeg_set_out_colorspace(ColorSpace::YCbCr);
    zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options).decode().expect("a whole JPEG")
}

#[test]
fn baseline_images_are_taken_and_the_others_left() {
    for (name, bytes) in JPEGS {
        let left = ["progressive", "cmyk", "ycck", "rgb"].iter().any(|kind| name.contains(kind));
        assert_eq!(read_whole(bytes).is_none(), left, "{name}");
    }
}

#[test]
fn luma_is_what_zune_makes_of_it() {
    for (name, bytes) in JPEGS {
        let Some(planes) = read_whole(bytes).filter(|planes| planes.len() == 3) else { continue };
        let expected = by_zune(bytes).as_chunks::<3>().0.iter().map(|pixel| pixel[0]).collect::<Vec<u8>>();
        let most = planes[0].iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(planes[0].len() == expected.len() && most <= Some(1), "{name}: {most:?}");
    }
}

#[test]
fn chroma_without_subsampling_is_what_zune_makes_of_it() {
    for quality in [30, 75, 97] {
        let bytes = encoded(Size { width: 37, height: 29 }, SamplingFactor::F_1_1, quality, 0);
        let planes = read_whole(&bytes).expect("a baseline JPEG");
        let expected = by_zune(&bytes);
        for (c, plane) in planes.iter().enumerate() {
            let most = plane.iter().zip(expected.iter().skip(c).step_by(3)).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(most <= Some(1), "component {c} at quality {quality}: {most:?}");
        }
    }
}

#[test]
fn a_crop_is_a_part_of_the_whole_with_any_instructions_and_restarts() {
    let size = Size { width: 83, height: 61 };
    let samplings = [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_1_2, SamplingFactor::F_2_2];
    for (sampling, restart) in samplings.into_iter().flat_map(|sampling| [(sampling, 0), (sampling, 3)]) {
        let bytes = encoded(size, sampling, 90, restart);
        let header = read_header(&bytes).expect("headers within the limits");
        let mut whole_reader = PlanesReader::new(Simd::detect());
        let taken = whole_reader.read(&bytes, &header, size.whole());
        assert_eq!(taken, Ok(()), "{sampling:?} with restarts {restart}");
        let whole = whole_reader.picture();
        for simd in [Simd::Portable, Simd::detect()] {
            let mut reader = PlanesReader::new(simd);
            for (x, y, width, height) in
                [(0, 0, 83, 61), (17, 9, 40, 31), (82, 60, 1, 1), (0, 30, 9, 31), (33, 0, 50, 8)]
            {
                let needed = CropBox { x, y, width, height };
                let found = read(&mut reader, &bytes, |_| needed).expect("a baseline JPEG");
                assert_eq!(found, parts(&whole, needed), "{sampling:?} {restart} {needed:?} {simd:?}");
            }
        }
    }
}

#[test]
fn a_scan_for_each_component_makes_the_same_planes() {
    use SamplingFactor::{F_1_1, F_1_2, F_2_1, F_2_2, F_4_1, F_4_2, R_4_4_0, R_4_4_1};
    let scans = |bytes: &[u8]| bytes.windows(2).filter(|pair| *pair == [0xFF, SOS]).count();
    for (width, height) in [(83, 61), (16, 16), (1, 1), (17, 40)] {
        let size = Size { width, height };
        for sampling in [F_1_1, F_1_2, F_2_1, F_2_2, R_4_4_0] {
            let (one, three) = (encoded(size, sampling, 90, 0), encoded_in_scans(size, sampling, 90, 0, true));
            assert_eq!((scans(&one), scans(&three)), (1, 3), "{sampling:?}");
            assert!(read_whole(&one).is_some());
            assert_eq!(read_whole(&one), read_whole(&three), "{sampling:?} {size:?}");
        }
        // These the encoder writes in several scans always; with restarts in each of them.
        for sampling in [F_4_1, F_4_2, R_4_4_1] {
            let plain = read_whole(&encoded(size, sampling, 90, 0));
            assert!(plain.is_some(), "{sampling:?} {size:?}");
            assert_eq!(plain, read_whole(&encoded(size, sampling, 90, 2)), "{sampling:?} {size:?}");
        }
    }
}

#[test]
fn a_cut_that_keeps_the_end_marker_is_damage() {
    let size = Size { width: 83, height: 61 };
    for in_scans in [false, true] {
        let whole = encoded_in_scans(size, SamplingFactor::F_2_2, 90, 0, in_scans);
        let first = read_header(&whole).expect("headers within the limits").scan_start;
        for length in first..whole.len() - 3 {
            let cut = [&whole[..length], &[0xFF, EOI]].concat();
            assert!(refusal(&cut).is_some(), "cut to {length} of {}", whole.len());
        }
        let half = [&whole[..whole.len() / 2], &[0xFF, EOI]].concat();
        assert_eq!(refusal(&half), Some(Refusal::Damaged));
    }
    let mut taller = encoded(size, SamplingFactor::F_2_2, 90, 0);
    let frame = taller.windows(2).position(|pair| pair == [0xFF, 0xC0]).expect("a frame");
    taller[frame + 5] = 1;
    assert_eq!(refusal(&taller), Some(Refusal::Damaged), "a header that claims more rows than there are");
}

#[test]
fn a_component_is_read_once() {
    let whole = encoded_in_scans(Size { width: 40, height: 40 }, SamplingFactor::F_2_2, 90, 0, true);
    let scan = read_header(&whole).expect("headers within the limits").scan_start - 10;
    let twice = [&whole[..whole.len() - 2], &whole[scan..]].concat();
    assert!(refusal(&twice).is_some());
}

#[test]
fn every_cut_and_everything_after_the_last_block_is_left_to_others() {
    for name in ["01-444", "03-420", "08-grey", "12-restarts"] {
        let whole = fixture(name);
        for length in 3..whole.len() {
            assert!(read_whole(&whole[..length]).is_none(), "{name} cut to {length}");
        }
        let mut longer = whole.clone();
        longer.splice(whole.len() - 2..whole.len() - 2, [0x12; 9]);
        assert!(read_whole(&longer).is_none(), "{name} with bytes that no block needs");
    }
}

proptest! {
    #[test]
    fn no_change_of_bytes_panics_or_depends_on_the_instructions(
        which in 0usize..16, at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..4),
    ) {
        let mut damaged = JPEGS[which].1.to_vec();
        let at = at.index(damaged.len() - bytes.len());
        damaged[at..at + bytes.len()].copy_from_slice(&bytes);
        if !read_header(&damaged).is_ok_and(|header| header.size.px() < 1 << 20) {
            return Ok(());
        }
        let found = [Simd::Portable, Simd::detect()]
            .map(|simd| read(&mut PlanesReader::new(simd), &damaged, Size::whole));
        prop_assert_eq!(&found[0], &found[1]);
    }
}
