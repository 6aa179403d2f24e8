//! The functions whose instructions are counted, each with its input: one ordinary picture of 224 px unless it says otherwise.
//! Not here: counting.

use std::hint::black_box;

use fastgarden_data::batch::RowDigest;
use fastgarden_data::batch_hash::BatchHash;
use fastgarden_data::distortion::Distortion;
use fastgarden_data::example::{FeatureNames, FeatureValue, encode_example, parse_example};
use fastgarden_data::framing::{check_frame, write_frame};
use fastgarden_data::garden;
use fastgarden_data::geometry::{CropBox, Size};
use fastgarden_data::jitter::Jitter;
use fastgarden_data::limits::VIEWS_MAX;
use fastgarden_data::picture::{DecodeMode, Decoded, ImageDecoder};
use fastgarden_data::plan::Plan;
use fastgarden_data::random::{Draws, Purpose};
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::sampler::BoundSampler;
use fastgarden_data::simd::Simd;
use fastgarden_data::ticket::{Crop, Placement, Transform, ViewKey};
use fastgarden_data::view::ViewMaker;
use twox_hash::XxHash3_64;

/// Side of pictures and views, pixels.
const SIDE: u32 = 224;
const SIZE: Size = Size { width: SIDE, height: SIDE };
/// Quality at which a picture of the garden is as long as a photo: some 10 kB.
const JPEG_QUALITY: u8 = 85;
/// Bytes of a view's pixels.
const ROW_BYTES: usize = (SIDE * SIDE * 3) as usize;

/// A function with its input, ready to be called.
pub type Work = Box<dyn FnMut()>;

/// One function to count.
pub struct Subject {
    /// Its name in the limits.
    pub name: &'static str,
    simd: Instructions,
    make: fn(Simd) -> Work,
}

/// Which vector instructions a function is to use.
#[derive(Clone, Copy)]
enum Instructions {
    /// It doesn't choose.
    Any,
    Portable,
    Avx2,
}

impl Subject {
    /// Its input made; `None` where the processor hasn't the instructions.
    pub fn prepare(self) -> Option<Work> {
        let simd = match self.simd {
            Instructions::Any | Instructions::Portable => Simd::Portable,
            Instructions::Avx2 => Some(Simd::detect()).filter(|simd| *simd != Simd::Portable)?,
        };
        Some((self.make)(simd))
    }
}

/// All of them, in dataflow order.
pub fn all() -> Vec<Subject> {
    use Instructions::{Any, Avx2, Portable};
    let subject = |name, simd, make| Subject { name, simd, make };
    vec![
        subject("frame and CRC", Any, frame),
        subject("example", Any, example),
        subject("plan of 12,753 tickets", Any, plan),
        subject("1,000 tickets and their crops", Any, tickets),
        subject("JPEG to RGB", Any, jpeg_to_rgb),
        subject("JPEG to planes, portable", Portable, jpeg_to_planes),
        subject("JPEG to planes, AVX2", Avx2, jpeg_to_planes),
        subject("exact view, portable", Portable, exact_view),
        subject("exact view, AVX2", Avx2, exact_view),
        subject("planar view, portable", Portable, planar_view),
        subject("planar view, AVX2", Avx2, planar_view),
        subject("distorted view, portable", Portable, distorted_view),
        subject("distorted view, AVX2", Avx2, distorted_view),
        subject("jitter of a view", Any, jitter),
        subject("hash of a view", Any, row_hash),
        subject("batch hash of 64 rows", Any, batch_hash),
    ]
}

fn jpeg() -> Vec<u8> {
    let drawing = garden::draw(1, 7, SIDE);
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, JPEG_QUALITY);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder.encode(&drawing.pixels, SIDE as u16, SIDE as u16, jpeg_encoder::ColorType::Rgb).expect("a small picture");
    bytes
}

fn payload() -> Vec<u8> {
    let image = jpeg();
    encode_example(&[
        ("class", FeatureValue::Int64(7)),
        ("id", FeatureValue::Bytes(b"0123456789")),
        ("image", FeatureValue::Bytes(&image)),
    ])
}

fn frame(_: Simd) -> Work {
    let mut frame = Vec::new();
    write_frame(&mut frame, &payload()).expect("a Vec takes any frame");
    Box::new(move || assert!(check_frame(black_box(&frame)).is_ok()))
}

fn example(_: Simd) -> Work {
    let (payload, names) = (payload(), FeatureNames::default());
    Box::new(move || assert!(parse_example(black_box(&payload), &names).is_ok_and(|found| found.image.is_some())))
}

fn plan(_: Simd) -> Work {
    Box::new(|| {
        black_box(Plan::new(&BoundSampler::shuffled(12_753), black_box(1), 1, None));
    })
}

fn transform() -> Transform {
    Transform { size: SIZE, crop: Crop::RandomResized { min_scale: 0.35 }, flip: true, distort: false, jitter: true }
}

fn tickets(_: Simd) -> Work {
    let plan = Plan::new(&BoundSampler::shuffled(12_753), 1, 1, None);
    Box::new(move || {
        for seq in 0..1_000 {
            let ticket = black_box(plan.ticket(seq));
            let key = ViewKey { seed: plan.seed(), epoch: plan.epoch(), seq: ticket.seq, view: 0 };
            black_box(transform().place(key, SIZE));
        }
    })
}

fn jpeg_to_rgb(simd: Simd) -> Work {
    let (jpeg, mut decoder) = (jpeg(), ImageDecoder::with_simd(DecodeMode::Strict, simd));
    Box::new(move || assert!(decoder.decode(black_box(&jpeg)).is_ok()))
}

fn jpeg_to_planes(simd: Simd) -> Work {
    let (jpeg, mut decoder) = (jpeg(), ImageDecoder::with_simd(DecodeMode::Strict, simd));
    Box::new(move || {
        let planes = decoder.decode_for(ResamplePath::Planar, black_box(&jpeg), |_| crop());
        assert!(matches!(planes, Ok(Decoded::Planar(_))));
    })
}

/// Half of the area, where random crops lie on average; odd, as they are.
fn crop() -> CropBox {
    CropBox { x: 31, y: 23, width: 165, height: 173 }
}

fn exact_view(simd: Simd) -> Work {
    view(ResamplePath::Pil, simd, None)
}

fn planar_view(simd: Simd) -> Work {
    view(ResamplePath::Planar, simd, None)
}

fn distorted_view(simd: Simd) -> Work {
    view(ResamplePath::Pil, simd, Some(Distortion::draw(ViewKey { seed: 1, epoch: 1, seq: 1, view: 0 })))
}

/// Crop, resize and flip of a picture that is decoded already, with or without a distortion.
fn view(path: ResamplePath, simd: Simd, distortion: Option<Distortion>) -> Work {
    let place = Placement { source: crop(), full: SIZE, window: SIZE.whole(), flip: true, distortion };
    let jpeg = jpeg();
    // Kept for as long as the process lives, as the picture borrows from it.
    let decoder = Box::leak(Box::new(ImageDecoder::with_simd(DecodeMode::Strict, simd)));
    let picture = decoder.decode_for(path, &jpeg, Size::whole).expect("a sound picture");
    let (mut maker, mut row) = (ViewMaker::new(simd), vec![0; ROW_BYTES]);
    Box::new(move || maker.make(black_box(&picture), &place, &mut row))
}

fn jitter(_: Simd) -> Work {
    let mut row = garden::draw(1, 7, SIDE).pixels;
    let jitter = Jitter::draw(&mut Draws::new(1, 1, 1, 0, Purpose::Jitter));
    Box::new(move || jitter.apply(black_box(&mut row)))
}

fn row_hash(_: Simd) -> Work {
    let row = garden::draw(1, 7, SIDE).pixels;
    Box::new(move || {
        black_box(XxHash3_64::oneshot(black_box(&row)));
    })
}

fn batch_hash(_: Simd) -> Work {
    let rows: Vec<_> = (0..64).map(|seq| RowDigest { seq, label: 7, hashes: [seq; VIEWS_MAX] }).collect();
    let mut chain = BatchHash::default();
    Box::new(move || chain.update(black_box(&rows), 1))
}
