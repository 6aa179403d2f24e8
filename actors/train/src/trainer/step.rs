//! One training step and one look at a validation batch: from a slab's bytes to a number.
//! Not here: which batch comes when, or what is written down about it.

use fastgarden_data::batch::Batch;
use tch::{Device, Kind, Tensor};

use crate::device::sent;
use crate::loss::{Objective, Targets};
use crate::metric::count_correct;
use crate::net::Net;
use crate::optimizer::{Optimizer, Rates, clip_gradient};
use crate::precision::{Precision, Scaler};

/// Fewest rows that a step is made of.
pub const ROWS_MIN: usize = 2;

/// All views of a batch on the device: float `[N, 3, H, W]` in 0–1 each (channels-last strides where asked for), with
/// the labels `[N]` of each view, or of all together where they show the same records.
///
/// Bytes go over the bus as u8 and are converted there.
pub fn to_device(batch: &Batch, device: Device, channels_last: bool) -> (Vec<Tensor>, Vec<Tensor>) {
    let view = |view: usize| {
        let size = batch.view_size(view);
        let shape = [batch.len() as i64, i64::from(size.height), i64::from(size.width), 3];
        images(sent(Tensor::from_data_size(batch.view(view), &shape, Kind::Uint8), device), channels_last)
    };
    let views = (0..batch.views()).map(view).collect();
    let labels = |view| sent(Tensor::from_slice(batch.view_labels(view)), device);
    (views, (0..batch.records_per_ticket()).map(labels).collect())
}

/// Pixels `[N, H, W, 3]`, u8, as the net sees them.
pub fn images(pixels: Tensor, channels_last: bool) -> Tensor {
    let images = pixels.permute([0, 3, 1, 2]).to_kind(Kind::Float) / 255.0;
    if channels_last { images } else { images.contiguous() }
}

/// How every step of a stage is made.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Rates of this step.
    pub rates: Rates,
    /// What libtorch's generators are seeded with first, so that a resumed run draws what an uninterrupted one does.
    pub seed: i64,
    /// What the net computes in. A scaled one needs the scaler.
    pub precision: Precision,
    /// Gradients whose norm over all parameters is above this are shrunk to it.
    pub clip_norm: Option<f64>,
    /// Whether the loss of each example is kept besides.
    pub keeps_losses: bool,
}

/// What a step came to, still on the device.
#[derive(Debug)]
pub struct Launched {
    /// The loss, 0-dimensional.
    pub loss: Tensor,
    /// Whether the step was made, a 0-dimensional bool; `None` where it always is.
    pub applied: Option<Tensor>,
    /// The loss of each example, `[N]`, where they are kept.
    pub losses: Option<Tensor>,
}

/// Forward, backward, clipping where wanted, optimiser. Nothing here waits for the device.
pub fn train(
    net: &dyn Net,
    objective: &dyn Objective,
    optimizer: &mut dyn Optimizer,
    scaler: Option<&mut Scaler>,
    (views, targets): (Vec<Tensor>, &Targets),
    how: How,
) -> Launched {
    tch::manual_seed(how.seed);
    let views: Vec<_> = views.into_iter().map(|view| how.precision.of_view(view)).collect();
    let heads = net.forward(&views, true);
    let loss = objective.loss(&heads, targets);
    let losses = how.keeps_losses.then(|| tch::no_grad(|| objective.losses(&heads, targets)));
    drop(heads);
    let (mut gradient, applied) = match scaler {
        Some(scaler) if how.precision.is_scaled => {
            let mut gradient = optimizer.flat_mut().backward(&scaler.scaled(&loss), net.state());
            let applied = scaler.unscale(&mut gradient);
            (gradient, Some(applied))
        }
        _ => (optimizer.flat_mut().backward(&loss, net.state()), None),
    };
    if let Some(norm_max) = how.clip_norm {
        clip_gradient(&mut gradient, norm_max);
    }
    optimizer.step_with(gradient, how.rates, applied.as_ref());
    Launched { loss: loss.detach(), applied, losses }
}

/// Mean loss and right answers of a validation batch.
pub fn judge(net: &dyn Net, objective: &dyn Objective, views: &[Tensor], labels: Tensor) -> (f64, u64) {
    let _guard = tch::no_grad_guard();
    let heads = net.forward(views, false);
    let correct = count_correct(objective.logits(&heads), &labels);
    (objective.loss(&heads, &Targets::Classes(labels)).double_value(&[]), correct)
}

/// One number for (seed, step): SplitMix64's finaliser over both.
pub fn seed_of_step(seed: u64, step: u64) -> i64 {
    let mut mixed = seed ^ step.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 1) as i64
}

#[cfg(test)]
mod tests {
    use tch::Reduction;

    use super::*;
    use crate::loss::{CrossEntropy, cross_entropy};
    use crate::optimizer::{Sgd, SgdOptions};
    use crate::state::{StateBuilder, StateDict};

    const CLASSES: i64 = 3;

    /// A net of two heads: the class of the first view, and an embedding of every view.
    struct TwoHeaded {
        classifier: Tensor,
        embedder: Tensor,
        state: StateDict,
    }

    impl TwoHeaded {
        fn new() -> Self {
            tch::manual_seed(3);
            let mut state = StateBuilder::new(Device::Cpu, Kind::Float);
            let mut weight = |name, outputs| {
                state.parameter(name, &(Tensor::randn([3, outputs], (Kind::Float, Device::Cpu)) * 0.1), true)
            };
            let (classifier, embedder) = (weight("classifier", CLASSES), weight("embedder", 4));
            Self { classifier, embedder, state: state.finish() }
        }
    }

    impl Net for TwoHeaded {
        fn forward(&self, views: &[Tensor], _train: bool) -> Vec<Tensor> {
            let colours: Vec<_> =
                views.iter().map(|view| view.mean_dim([2_i64, 3].as_slice(), false, None) - 0.5).collect();
            let embeddings: Vec<_> = colours.iter().map(|colour| colour.matmul(&self.embedder)).collect();
            vec![colours[0].matmul(&self.classifier), Tensor::stack(&embeddings, 1)]
        }

        fn state(&self) -> &StateDict {
            &self.state
        }
    }

    /// Classification and a triplet margin over (anchor, same, other), half and half.
    struct ClassifyAndEmbed;

    impl Objective for ClassifyAndEmbed {
        fn loss(&self, heads: &[Tensor], targets: &Targets) -> Tensor {
            let [anchor, same, other] = [0, 1, 2].map(|view| heads[1].select(1, view));
            let triplet = Tensor::triplet_margin_loss(&anchor, &same, &other, 1.0, 2.0, 1e-6, false, Reduction::Mean);
            cross_entropy(&heads[0], targets, 0.0) + triplet
        }

        fn losses(&self, heads: &[Tensor], targets: &Targets) -> Tensor {
            CrossEntropy { label_smoothing: 0.0 }.losses(&heads[..1], targets)
        }
    }

    /// Anchor and same are of the example's colour, the third view of the next; sizes differ from view to view.
    fn triplets() -> (Vec<Tensor>, Tensor) {
        let labels = Tensor::from_slice(&[0i64, 1, 2, 0, 1, 2]);
        let view = |shift: i64, side: i64| {
            let colour = (&labels + shift).remainder(CLASSES).one_hot(CLASSES).to_kind(Kind::Float);
            colour.view([-1, 3, 1, 1]).repeat([1, 1, side, side])
        };
        (vec![view(0, 8), view(0, 4), view(1, 6)], labels)
    }

    #[test]
    fn a_net_of_two_heads_trains_on_three_views_through_the_same_step() {
        let _generator = crate::testing::generator();
        let net = TwoHeaded::new();
        let mut optimizer = Sgd::new(net.state(), SgdOptions::default());
        let (views, labels) = triplets();
        let before = net.state().snapshot();
        let judge = |net: &TwoHeaded| judge(net, &ClassifyAndEmbed, &views, labels.shallow_clone());
        let untrained = judge(&net).0;
        let targets = Targets::Classes(labels.shallow_clone());
        for step in 0..60 {
            let how = How {
                rates: 0.2.into(),
                seed: seed_of_step(1, step),
                precision: Precision::FULL,
                clip_norm: None,
                keeps_losses: step % 2 == 1,
            };
            let views = views.iter().map(Tensor::shallow_clone).collect();
            let launched = train(&net, &ClassifyAndEmbed, &mut optimizer, None, (views, &targets), how);
            assert!(launched.loss.double_value(&[]).is_finite() && launched.applied.is_none());
            let kept = launched.losses.map(|losses| (losses.size(), losses.requires_grad()));
            assert_eq!(kept, how.keeps_losses.then(|| (vec![6], false)));
        }
        let (loss, correct) = judge(&net);
        assert!(loss < 0.3 * untrained, "{untrained} became {loss}");
        assert_eq!(correct, 6);
        for ((key, now), (_, then)) in net.state().snapshot().iter().zip(&before) {
            assert_ne!(now, then, "{key} is not trained");
        }
    }
}
