//! Losses of embeddings, which draw pictures of one class together and push others apart, beside cross-entropy.
//! Not here: making embeddings (the net's second head) or choosing who is compared with whom (the sampler).

use tch::{Reduction, Tensor};

use super::{CrossEntropy, Objective, Targets};

/// What PyTorch's `pairwise_distance` adds to every difference, so that the gradient of a distance of 0 is a number.
const DISTANCE_EPS: f64 = 1e-6;

/// What is minimised of the embeddings of a ticket's views. Distances are Euclidean, 0–2 between vectors of length 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricLoss {
    /// max(0, d(anchor, positive) − d(anchor, negative) + margin): Schroff et al. 2015 without their squares, as PyTorch's
    /// `triplet_margin_loss` with p = 2. Views are anchor, positive, negative.
    Triplet {
        /// By how much the negative must be further away, above 0.
        margin: f64,
    },
    /// ½ d² for a pair of one class, ½ max(0, margin − d)² for one of two (Hadsell et al. 2006). The first two views are the
    /// pair.
    Contrastive {
        /// How far apart pairs of two classes must be, above 0.
        margin: f64,
    },
}

impl MetricLoss {
    /// The word in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Triplet { .. } => "triplet",
            Self::Contrastive { .. } => "contrastive",
        }
    }

    /// As in recipes.
    pub fn margin(self) -> f64 {
        match self {
            Self::Triplet { margin } | Self::Contrastive { margin } => margin,
        }
    }

    /// Records that a ticket must have for it.
    pub fn records(self) -> usize {
        match self {
            Self::Triplet { .. } => 3,
            Self::Contrastive { .. } => 2,
        }
    }

    /// The loss of each ticket, `[N]`, from the embeddings `[N, E]` of its views.
    fn of(self, embeddings: &[Tensor], targets: &Targets) -> Tensor {
        match self {
            Self::Triplet { margin } => {
                let [anchor, positive, negative] = [0, 1, 2].map(|view| &embeddings[view]);
                let each = Reduction::None;
                Tensor::triplet_margin_loss(anchor, positive, negative, margin, 2.0, DISTANCE_EPS, false, each)
            }
            Self::Contrastive { margin } => {
                let distances = Tensor::pairwise_distance(&embeddings[0], &embeddings[1], 2.0, DISTANCE_EPS, false);
                let apart = (margin - &distances).clamp_min(0.0).square();
                let together = distances.square();
                let is_same = match targets {
                    Targets::OfViews(labels) => labels[0].eq_tensor(&labels[1]),
                    // One record a ticket: its views are of one class.
                    _ => distances.detach().ones_like().to_kind(tch::Kind::Bool),
                };
                together.where_self(&is_same, &apart) * 0.5
            }
        }
    }
}

/// Cross-entropy of all views' logits, plus `weight` times a loss of their embeddings.
///
/// Of a single view, as in evaluation, there is nothing to compare: then it is the cross-entropy alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Together {
    /// Of the logits.
    pub cross_entropy: CrossEntropy,
    /// Of the embeddings.
    pub metric: MetricLoss,
    /// How much the latter counts, above 0.
    pub weight: f64,
}

impl Together {
    /// `reduced` is what is done to the losses of tickets.
    fn sum(&self, classified: Tensor, heads: &[Tensor], targets: &Targets, reduced: fn(Tensor) -> Tensor) -> Tensor {
        let (_, embeddings) = parts(heads);
        match embeddings {
            [_] => classified,
            _ => classified + reduced(self.metric.of(embeddings, targets)) * self.weight,
        }
    }
}

impl Objective for Together {
    fn loss(&self, heads: &[Tensor], targets: &Targets) -> Tensor {
        let classified = self.cross_entropy.loss(parts(heads).0, targets);
        self.sum(classified, heads, targets, |each| each.mean(None))
    }

    fn losses(&self, heads: &[Tensor], targets: &Targets) -> Tensor {
        let classified = self.cross_entropy.losses(parts(heads).0, targets);
        self.sum(classified, heads, targets, |each| each)
    }
}

/// Logits and embeddings: a net with both heads gives as many of the one as of the other.
fn parts(heads: &[Tensor]) -> (&[Tensor], &[Tensor]) {
    heads.split_at(heads.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    fn vectors(rows: &[[f64; 2]]) -> Tensor {
        Tensor::from_slice(&rows.concat()).view([-1, 2])
    }

    fn classes(labels: &[i64]) -> Tensor {
        Tensor::from_slice(labels)
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.flatten(0, -1)).expect("doubles")
    }

    fn close(found: &[f64], expected: &[f64]) {
        let is_close = |(found, expected): (&f64, &f64)| (found - expected).abs() < 5e-6;
        assert!(
            found.len() == expected.len() && found.iter().zip(expected).all(is_close),
            "{found:?}, not {expected:?}"
        );
    }

    /// Anchors at (1, 0); at a right angle the distance is √2, opposite it is 2, at 60° it is 1.
    const RIGHT: [f64; 2] = [0.0, 1.0];
    const OPPOSITE: [f64; 2] = [-1.0, 0.0];
    const SIXTY: [f64; 2] = [0.5, 0.866_025_403_784_438_6];
    const ANCHOR: [f64; 2] = [1.0, 0.0];

    #[test]
    fn a_triplet_costs_what_its_negative_is_too_near() {
        let anchors = vectors(&[ANCHOR; 4]);
        let positives = vectors(&[ANCHOR, RIGHT, SIXTY, OPPOSITE]);
        let negatives = vectors(&[OPPOSITE, SIXTY, RIGHT, ANCHOR]);
        let loss = MetricLoss::Triplet { margin: 0.5 };
        let each = loss.of(&[anchors, positives, negatives], &Targets::Soft(Tensor::new()));
        let root = 2f64.sqrt();
        close(&values(&each), &[0.0, root - 1.0 + 0.5, 1.0 - root + 0.5, 2.0 + 0.5]);
    }

    #[test]
    fn a_pair_costs_its_distance_or_what_lacks_to_the_margin() {
        let first = vectors(&[ANCHOR; 5]);
        let second = vectors(&[SIXTY, SIXTY, RIGHT, ANCHOR, ANCHOR]);
        let labels = vec![classes(&[3, 3, 3, 3, 3]), classes(&[3, 1, 1, 1, 3])];
        let each = MetricLoss::Contrastive { margin: 1.25 }.of(&[first, second], &Targets::OfViews(labels));
        close(&values(&each), &[0.5, 0.5 * 0.25 * 0.25, 0.0, 0.5 * 1.25 * 1.25, 0.0]);
    }

    #[test]
    fn vectors_in_one_place_have_a_gradient() {
        for (loss, views) in [(MetricLoss::Triplet { margin: 0.5 }, 3), (MetricLoss::Contrastive { margin: 1.0 }, 2)] {
            let first = vectors(&[ANCHOR]).set_requires_grad(true);
            let embeddings: Vec<_> = (0..views).map(|_| &first * 1.0).collect();
            let labels = vec![classes(&[0]), classes(&[1])];
            loss.of(&embeddings, &Targets::OfViews(labels)).mean(None).backward();
            assert!(values(&first.grad()).iter().all(|slope| slope.is_finite()));
        }
    }

    #[test]
    fn both_losses_add_up_and_a_single_view_is_only_classified() {
        let cross_entropy = CrossEntropy { label_smoothing: 0.1 };
        let metric = MetricLoss::Triplet { margin: 0.5 };
        let together = Together { cross_entropy, metric, weight: 0.25 };
        let logits: Vec<_> = (0..3).map(|view| vectors(&[[0.1 * f64::from(view), 0.5], [1.0, -0.5]])).collect();
        let embeddings = [vectors(&[ANCHOR; 2]), vectors(&[RIGHT, SIXTY]), vectors(&[SIXTY, RIGHT])];
        let targets = Targets::OfViews(vec![classes(&[0, 1]), classes(&[0, 1]), classes(&[1, 0])]);
        let heads: Vec<Tensor> = logits.iter().chain(&embeddings).map(Tensor::shallow_clone).collect();
        let classified = cross_entropy.loss(&logits, &targets).double_value(&[]);
        let root = 2f64.sqrt();
        let expected = classified + 0.25 * ((root - 0.5) + (1.5 - root)) / 2.0;
        close(&[together.loss(&heads, &targets).double_value(&[])], &[expected]);
        let each = together.losses(&heads, &targets);
        close(&[each.mean(Kind::Double).double_value(&[])], &[expected]);
        let alone = [logits[0].shallow_clone(), embeddings[0].shallow_clone()];
        let targets = Targets::Classes(classes(&[0, 1]));
        assert_eq!(together.loss(&alone, &targets), cross_entropy.loss(&logits[..1], &targets));
        assert_eq!(together.logits(&heads), &logits[0]);
    }
}
