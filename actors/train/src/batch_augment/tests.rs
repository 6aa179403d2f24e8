//! Draws by ticket: what a picture becomes depends on nothing beside it.

use fastgarden_data::geometry::Size;
use fastgarden_data::picture::{Decoded, Picture};
use fastgarden_data::simd::Simd;
use fastgarden_data::ticket::{Crop, Transform};
use fastgarden_data::view::ViewMaker;

use tch::Kind;

use super::*;

fn key(seq: u64) -> ViewKey {
    ViewKey { seed: 9, epoch: 2, seq, view: 0 }
}

/// Pictures that differ, by sequence number.
fn pictures(seqs: &[u64]) -> (Tensor, Vec<ViewKey>) {
    let one = |seq: &u64| {
        let ramp = Tensor::arange(3 * 16 * 16, (Kind::Float, Device::Cpu)).view([1, 3, 16, 16]);
        (ramp * (0.01 + 0.003 * *seq as f64)).sin() * 0.5 + 0.5
    };
    (Tensor::cat(&seqs.iter().map(one).collect::<Vec<_>>(), 0), seqs.iter().map(|&seq| key(seq)).collect())
}

fn all() -> BatchSpec {
    BatchSpec {
        augment: BatchAugment::Standard,
        normalize: Normalize::ImageNet,
        erase: Some(EraseSpec { probability: 0.5 }),
        mix: None,
    }
}

#[test]
fn what_a_picture_becomes_does_not_depend_on_the_batch() {
    for spec in [all(), BatchSpec { augment: BatchAugment::Flip, ..BatchSpec::default() }] {
        let transforms = BatchTransforms::new(&spec, 256, Device::Cpu);
        let apply = |seqs: &[u64]| {
            let (images, keys) = pictures(seqs);
            transforms.view(images, &keys)
        };
        let batch = apply(&[0, 1, 2, 3, 4, 5, 6]);
        let others = apply(&[6, 2, 40]);
        assert_eq!(batch.get(2), others.get(1));
        assert_eq!(batch.get(6), others.get(0));
        assert_ne!(batch, pictures(&[0, 1, 2, 3, 4, 5, 6]).0);
    }
}

#[test]
fn flips_are_exact_and_half() {
    let seqs: Vec<u64> = (0..400).collect();
    let (images, keys) = pictures(&seqs);
    let flipped = BatchAugment::Flip.apply(images.copy(), &keys);
    let mirrored = images.flip([3]);
    let flips = (0..400).filter(|&row| flipped.get(row) == mirrored.get(row)).count();
    let kept = (0..400).filter(|&row| flipped.get(row) == images.get(row)).count();
    assert_eq!(flips + kept, 400);
    assert!((160..240).contains(&flips), "{flips}");
}

#[test]
fn no_transform_is_no_transform() {
    let (images, keys) = pictures(&[1, 2]);
    let same = BatchTransforms::new(&BatchSpec::default(), 256, Device::Cpu).view(images.copy(), &keys);
    assert_eq!(same, images);
}

#[test]
fn targets_are_mixed_where_pictures_are_and_only_there() {
    let spec = BatchSpec { mix: Some(MixSpec::MixUp { alpha: 0.4 }), ..all() };
    let apply = |spec: &BatchSpec, seqs: &[u64]| {
        let (images, keys) = pictures(seqs);
        let labels = Tensor::zeros([seqs.len() as i64], (Kind::Int64, Device::Cpu));
        BatchTransforms::new(spec, 256, Device::Cpu).apply(vec![images], vec![labels], &[keys])
    };
    let (mixed, targets) = apply(&spec, &[0, 1, 2]);
    assert!(matches!(targets, Targets::Mixed { .. }));
    let (plain, targets) = apply(&all(), &[0, 1, 2]);
    assert!(matches!(targets, Targets::Classes(_)));
    assert_ne!(mixed, plain);
    // A single picture has nobody to be mixed with.
    assert!(matches!(apply(&spec, &[0]).1, Targets::Classes(_)));
}

#[test]
fn the_cpu_and_the_device_make_nearly_the_same_picture_of_a_ticket() {
    let size = Size { width: 90, height: 70 };
    let wave = |place: u32, length: u32| (f64::from(place) / f64::from(length) * 7.0).sin();
    let at = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y)));
    let pixels: Vec<u8> = at
        .flat_map(|(x, y)| [0, 1, 2].map(|c| (128.0 + 50.0 * (wave(x + 9 * c, 90) + wave(y + 5 * c, 70))) as u8))
        .collect();
    let picture = Decoded::Rgb(Picture { size, pixels: &pixels });
    let cut = Transform {
        size: Size { width: 64, height: 64 },
        crop: Crop::RandomResized { min_scale: 0.5 },
        flip: false,
        distort: false,
        jitter: false,
    };
    let mut views = ViewMaker::new(Simd::detect());
    let mut make = |transform: &Transform, key: ViewKey| {
        let mut row = vec![0; 64 * 64 * 3];
        views.make(&picture, &transform.place(key, size), &mut row);
        transform.jitter(key).into_iter().for_each(|jitter| jitter.apply(&mut row));
        (Tensor::from_slice(&row).view([1, 64, 64, 3]).permute([0, 3, 1, 2]).to_kind(Kind::Float) / 255.0).contiguous()
    };
    for seq in 0..12 {
        let on_the_cpu = make(&Transform { distort: true, jitter: true, ..cut }, key(seq));
        let on_the_device = BatchAugment::Standard.apply(make(&cut, key(seq)), &[key(seq)]);
        let squares = (&on_the_cpu - &on_the_device).square().mean(Kind::Double).double_value(&[]);
        let likeness = -10.0 * squares.log10();
        assert!(likeness > 38.0, "ticket {seq}: {likeness} dB");
    }
}
