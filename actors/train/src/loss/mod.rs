//! Losses: what an optimiser minimises, made of a net's heads and a batch's targets.
//! Not for what tables say of a net (see the crate's `metric`), which needs no gradient.

mod metric;

use tch::{Reduction, Tensor};

pub use metric::{MetricLoss, Together};

use crate::net::precision::widened;

/// PyTorch's marker for a label to skip; no label of ours has it.
const IGNORE_INDEX: i64 = -100;

/// What the examples of a batch are, on the net's device.
#[derive(Debug)]
pub enum Targets {
    /// `[N]` int64: one class each.
    Classes(Tensor),
    /// Two classes each, as mixup and cutmix make them.
    Mixed {
        /// `[N]` int64.
        first: Tensor,
        /// `[N]` int64; may be the first once more.
        second: Tensor,
        /// `[N]`, 0–1: how much of an example is of the first class; the rest is of the second.
        share: Tensor,
    },
    /// `[N, C]`: a probability for every class.
    Soft(Tensor),
    /// `[N]` int64 for each view: the class of what it shows, where the views of a ticket are different records.
    OfViews(Vec<Tensor>),
}

impl Targets {
    /// From the classes of the views, or the single one that all views have.
    pub fn of_views(mut labels: Vec<Tensor>) -> Self {
        match labels.len() {
            1 => Self::Classes(labels.remove(0)),
            _ => Self::OfViews(labels),
        }
    }
}

/// A loss: every net and every task trains through the same step with one of these.
pub trait Objective: Send + Sync {
    /// The loss of a batch, a 0-dimensional tensor, from the heads that the net gave for it.
    fn loss(&self, heads: &[Tensor], targets: &Targets) -> Tensor;

    /// The loss of each example, `[N]`, of which [`Self::loss`] is the mean.
    fn losses(&self, heads: &[Tensor], targets: &Targets) -> Tensor;

    /// The head whose largest value `[N, C]` is the net's answer: what accuracy is counted on. The first by default.
    fn logits<'a>(&self, heads: &'a [Tensor]) -> &'a Tensor {
        &heads[0]
    }
}

/// The mean over all heads of their [`cross_entropy`], each head being the logits of a view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossEntropy {
    /// Share of each target that is spread over all classes, 0 ≤ e < 1.
    pub label_smoothing: f64,
}

impl CrossEntropy {
    fn over_views(&self, logits: &[Tensor], targets: &Targets, reduction: Reduction) -> Tensor {
        let of = |(view, logits): (usize, &Tensor)| of_view(logits, targets, view, self.label_smoothing, reduction);
        match logits {
            [only] => of((0, only)),
            _ => logits.iter().enumerate().map(of).sum::<Tensor>() / logits.len() as f64,
        }
    }
}

impl Objective for CrossEntropy {
    fn loss(&self, heads: &[Tensor], targets: &Targets) -> Tensor {
        self.over_views(heads, targets, Reduction::Mean)
    }

    fn losses(&self, heads: &[Tensor], targets: &Targets) -> Tensor {
        self.over_views(heads, targets, Reduction::None)
    }
}

/// Mean cross-entropy over the batch, a 0-dimensional tensor, of the `logits` `[N, C]` of the first view (float32 where they
/// are in half precision).
///
/// With smoothing e the target of each example is (1 − e) of what it is plus e/C of every class, C being the head's
/// number of classes (Szegedy et al. 2015; PyTorch's `cross_entropy`). Of mixed targets the loss is the mix of the two
/// losses, as in Zhang et al. 2017 (mixup).
pub fn cross_entropy(logits: &Tensor, targets: &Targets, label_smoothing: f64) -> Tensor {
    of_view(logits, targets, 0, label_smoothing, Reduction::Mean)
}

/// Cross-entropy of the logits of one view.
fn of_view(logits: &Tensor, targets: &Targets, view: usize, label_smoothing: f64, reduction: Reduction) -> Tensor {
    let logits = widened(logits);
    let loss =
        |target: &Tensor| logits.cross_entropy_loss(target, None::<&Tensor>, reduction, IGNORE_INDEX, label_smoothing);
    match targets {
        Targets::Classes(labels) => loss(labels),
        Targets::OfViews(labels) => loss(&labels[view]),
        Targets::Mixed { first, second, share } => {
            // Cross-entropy is linear in the target, so that mixing targets mixes losses.
            let share = share.to_kind(logits.kind()).unsqueeze(1);
            let mixed = logits.detach().zeros_like().scatter(1, &first.unsqueeze(1), &share);
            loss(&mixed.scatter_add(1, &second.unsqueeze(1), &(1.0 - share)))
        }
        Targets::Soft(probabilities) => loss(&probabilities.to_kind(logits.kind())),
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    const CLASSES: i64 = 5;

    fn logits() -> Tensor {
        let values: Vec<f64> = (0..4 * CLASSES).map(|i| 3.0 * (f64::from(i as i32) * 1.7).sin()).collect();
        Tensor::from_slice(&values).view([4, CLASSES])
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.flatten(0, -1)).expect("doubles")
    }

    /// −Σ target · log softmax of a row, in plain numbers.
    fn by_hand_of_row(row: usize, target: &[f64], smoothing: f64) -> f64 {
        let logits = &values(&logits())[row * CLASSES as usize..][..CLASSES as usize];
        let log_sum = logits.iter().map(|x| x.exp()).sum::<f64>().ln();
        let smoothed = |p: f64| p * (1.0 - smoothing) + smoothing / CLASSES as f64;
        -logits.iter().zip(target).map(|(x, &p)| smoothed(p) * (x - log_sum)).sum::<f64>()
    }

    fn by_hand(rows: &[Vec<f64>], smoothing: f64) -> f64 {
        let each = rows.iter().enumerate().map(|(row, target)| by_hand_of_row(row, target, smoothing));
        each.sum::<f64>() / rows.len() as f64
    }

    fn check(targets: &Targets, rows: &[Vec<f64>]) {
        for smoothing in [0.0, 0.1] {
            let found = cross_entropy(&logits(), targets, smoothing).double_value(&[]);
            assert!((found - by_hand(rows, smoothing)).abs() < 1e-12, "{targets:?}, smoothing {smoothing}: {found}");
            let each = values(&CrossEntropy { label_smoothing: smoothing }.losses(&[logits()], targets));
            for (row, found) in each.iter().enumerate() {
                let expected = by_hand_of_row(row, &rows[row], smoothing);
                assert!((found - expected).abs() < 1e-12, "{targets:?}, row {row}: {found}");
            }
        }
    }

    fn one_hot(class: i64) -> Vec<f64> {
        (0..CLASSES).map(|of| f64::from(u8::from(of == class))).collect()
    }

    #[test]
    fn every_kind_of_target_gives_minus_the_sum_of_target_times_log_probability() {
        let (first, second, share) = ([4, 0, 2, 2], [1, 1, 2, 0], [0.75f32, 0.5, 0.25, 1.0]);
        check(&Targets::Classes(Tensor::from_slice(&first)), &first.map(one_hot));
        let mixed = |row: usize| {
            let of = |weight: f64, class| one_hot(class).into_iter().map(move |p| p * weight);
            let weight = f64::from(share[row]);
            of(weight, first[row]).zip(of(1.0 - weight, second[row])).map(|(a, b)| a + b).collect::<Vec<_>>()
        };
        let rows: Vec<_> = (0..4).map(mixed).collect();
        let [first, second] = [first, second].map(|classes| Tensor::from_slice(&classes));
        check(&Targets::Mixed { first, second, share: Tensor::from_slice(&share) }, &rows);
        let soft: Vec<Vec<f64>> = (0..4).map(|row| vec![0.5, 0.25, 0.125, 0.125 * f64::from(row), 0.0]).collect();
        check(&Targets::Soft(Tensor::from_slice(&soft.concat()).view([4, CLASSES])), &soft);
    }

    #[test]
    fn logits_in_half_precision_make_a_loss_in_full() {
        let targets = Targets::Classes(Tensor::from_slice(&[0i64, 1, 2, 3]));
        let half = logits().to_kind(Kind::Half);
        let loss = cross_entropy(&half, &targets, 0.1);
        assert_eq!(loss.kind(), Kind::Float);
        assert_eq!(loss, cross_entropy(&half.to_kind(Kind::Float), &targets, 0.1));
    }

    #[test]
    fn several_heads_share_the_loss_and_the_first_answers() {
        let targets = Targets::Classes(Tensor::zeros([4], (Kind::Int64, Device::Cpu)));
        let objective = CrossEntropy { label_smoothing: 0.0 };
        let heads = [logits(), logits() * 2.0];
        let loss = |heads: &[Tensor]| objective.loss(heads, &targets).double_value(&[]);
        let expected = (loss(&heads[..1]) + loss(&heads[1..])) / 2.0;
        assert!((loss(&heads) - expected).abs() < 1e-12);
        assert_eq!(objective.logits(&heads), &heads[0]);
    }

    #[test]
    fn views_of_different_records_have_a_class_each() {
        let objective = CrossEntropy { label_smoothing: 0.1 };
        let labels = [[0i64, 1, 2, 3], [4, 4, 0, 1]].map(|classes| Tensor::from_slice(&classes));
        let heads = [logits(), logits() * 2.0];
        let of = |view: usize| {
            let targets = Targets::Classes(labels[view].shallow_clone());
            objective.loss(&heads[view..=view], &targets).double_value(&[])
        };
        let expected = (of(0) + of(1)) / 2.0;
        let targets = Targets::of_views(labels.iter().map(Tensor::shallow_clone).collect());
        assert!((objective.loss(&heads, &targets).double_value(&[]) - expected).abs() < 1e-12);
        let each = objective.losses(&heads, &targets);
        assert_eq!(each.size(), [4]);
        assert!((each.mean(Kind::Double).double_value(&[]) - expected).abs() < 1e-12);
    }
}
