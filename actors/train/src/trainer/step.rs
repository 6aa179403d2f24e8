//! One training step and one look at a validation batch: from a slab's bytes to a number.
//! Not here: which batch comes when, or what is written down about it.

use fastgarden_data::batch::Batch;
use tch::{Device, Kind, Tensor};

use crate::loss::cross_entropy;
use crate::metric::count_correct;
use crate::net::Net;
use crate::optimizer::{Optimizer, Rates, clip_gradient};

/// The first view of a batch on the device: float `[N, 3, H, W]` in 0–1 (channels-last strides), with its labels.
///
/// Bytes go over the bus as u8 and are converted there.
pub fn to_device(batch: &Batch, device: Device, channels_last: bool) -> (Tensor, Tensor) {
    let size = batch.view_size(0);
    let shape = [batch.len() as i64, i64::from(size.height), i64::from(size.width), 3];
    let pixels = Tensor::from_data_size(batch.view(0), &shape, Kind::Uint8).to_device(device);
    let images = pixels.permute([0, 3, 1, 2]).to_kind(Kind::Float) / 255.0;
    let images = if channels_last { images } else { images.contiguous() };
    (images, Tensor::from_slice(batch.labels()).to_device(device))
}

/// Forward, backward, clipping where wanted, optimiser. Returns the mean loss.
///
/// libtorch's generators are seeded from (seed, step) first, so that a resumed run draws what an uninterrupted one does.
pub fn train(
    net: &dyn Net,
    optimizer: &mut dyn Optimizer,
    (images, labels): (&Tensor, &Tensor),
    label_smoothing: f64,
    (clip_norm, rates): (Option<f64>, Rates),
    seed_of_step: i64,
) -> f64 {
    tch::manual_seed(seed_of_step);
    let loss = cross_entropy(&net.forward(images, true), labels, label_smoothing);
    let mut gradient = optimizer.flat_mut().backward(&loss, net.state());
    let value = loss.double_value(&[]);
    if value.is_finite() {
        if let Some(norm_max) = clip_norm {
            clip_gradient(&mut gradient, norm_max);
        }
        optimizer.step_with(gradient, rates, None);
    }
    value
}

/// Mean loss and right answers of a validation batch.
pub fn judge(net: &dyn Net, (images, labels): (&Tensor, &Tensor), label_smoothing: f64) -> (f64, u64) {
    let _guard = tch::no_grad_guard();
    let logits = net.forward(images, false);
    let loss = cross_entropy(&logits, labels, label_smoothing).double_value(&[]);
    (loss, count_correct(&logits, labels))
}

/// One number for (seed, step): SplitMix64's finaliser over both.
pub fn seed_of_step(seed: u64, step: u64) -> i64 {
    let mut mixed = seed ^ step.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 1) as i64
}
