//! Mixup (Zhang et al. 2017) and cutmix (Yun et al. 2019) as fastai does them: every picture with another of its batch.
//! Not here: the loss of mixed targets (see `loss`).

use fastgarden_data::random::{Draws, Purpose};
use fastgarden_data::ticket::ViewKey;
use tch::Tensor;

use super::upload;
use crate::loss::Targets;

/// `stage.mix`
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MixSpec {
    /// Pictures are blended, each by a share of its own: the larger of λ and 1 − λ, λ from Beta(alpha, alpha).
    MixUp {
        /// Above 0; fastai's default is 0.4.
        alpha: f64,
    },
    /// One box, the same for the whole batch, is taken from the other picture: of the area 1 − λ before it is cut at the
    /// edges, λ being drawn as for mixup.
    CutMix {
        /// Above 0; fastai's default is 1.
        alpha: f64,
    },
}

/// A box of a batch's pictures, in shares of their sides.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cut {
    /// Side of the box.
    side: f64,
    /// Its middle across and down, in [0, 1).
    middle: (f64, f64),
}

/// What is drawn for one batch.
#[derive(Debug, PartialEq)]
struct Mixing {
    /// The row that each row is mixed with.
    partners: Vec<i64>,
    how: How,
}

#[derive(Debug, PartialEq)]
enum How {
    /// How much of itself each picture keeps.
    Blend(Vec<f32>),
    Cut(Cut),
}

impl MixSpec {
    /// Mixes the views of a batch, `[N, C, H, W]` each, and its labels `[N]`. Every view is mixed with the same view of the
    /// same other row. `keys` are those of the first view.
    pub fn apply(self, views: Vec<Tensor>, labels: Tensor, keys: &[ViewKey]) -> (Vec<Tensor>, Targets) {
        if keys.len() < 2 {
            return (views, Targets::Classes(labels));
        }
        let Mixing { partners, how } = self.draw(keys);
        let partners = upload(&partners, labels.device());
        let (views, shares): (Vec<_>, Vec<f32>) = match how {
            How::Blend(shares) => {
                let weights = upload(&shares, labels.device()).view([-1, 1, 1, 1]);
                let blend =
                    |view: Tensor| view.index_select(0, &partners).lerp_tensor(&view, &weights.to_kind(view.kind()));
                (views.into_iter().map(blend).collect(), shares)
            }
            How::Cut(cut) => {
                let share = cut.share_kept(&views[0]) as f32;
                (views.into_iter().map(|view| cut.paste(view, &partners)).collect(), vec![share; keys.len()])
            }
        };
        let second = labels.index_select(0, &partners);
        let share = upload(&shares, labels.device());
        (views, Targets::Mixed { first: labels, second, share })
    }

    fn draw(self, keys: &[ViewKey]) -> Mixing {
        // What is drawn once for the whole batch goes by its first ticket.
        let mut draws = keys[0].draws(Purpose::MixBatch);
        let how = match self {
            Self::MixUp { alpha } => {
                let share = |key: &ViewKey| larger_share(&mut key.draws(Purpose::MixShare), alpha) as f32;
                How::Blend(keys.iter().map(share).collect())
            }
            Self::CutMix { alpha } => {
                let side = libm::sqrt(1.0 - larger_share(&mut draws, alpha));
                How::Cut(Cut { side, middle: (draws.unit(), draws.unit()) })
            }
        };
        Mixing { partners: partners(keys.len(), &mut draws), how }
    }
}

/// λ from Beta(alpha, alpha), or 1 − λ where that is more: a picture stays mostly itself.
fn larger_share(draws: &mut Draws, alpha: f64) -> f64 {
    let share = draws.beta(alpha);
    share.max(1.0 - share)
}

/// For each of `rows` rows the next one of a random circle through all of them: nobody is his own partner.
fn partners(rows: usize, draws: &mut Draws) -> Vec<i64> {
    let mut circle: Vec<usize> = (0..rows).collect();
    for last in (1..rows).rev() {
        circle.swap(last, draws.below(last as u64 + 1) as usize);
    }
    let mut partners = vec![0; rows];
    for (place, &row) in circle.iter().enumerate() {
        partners[row] = circle[(place + 1) % rows] as i64;
    }
    partners
}

impl Cut {
    /// First pixel and number of pixels along a side of so many pixels.
    fn span(self, middle: f64, length: i64) -> (i64, i64) {
        let middle = (middle * length as f64) as i64;
        let half = libm::rint(self.side * length as f64) as i64 / 2;
        let (start, end) = ((middle - half).max(0), (middle + half).min(length));
        (start, end - start)
    }

    /// Share of a picture's area outside the box.
    fn share_kept(self, view: &Tensor) -> f64 {
        let size = view.size();
        let (across, down) = (self.span(self.middle.0, size[3]).1, self.span(self.middle.1, size[2]).1);
        1.0 - (across * down) as f64 / (size[2] * size[3]) as f64
    }

    /// Puts the partners' pixels into the box.
    fn paste(self, view: Tensor, partners: &Tensor) -> Tensor {
        let size = view.size();
        let (left, width) = self.span(self.middle.0, size[3]);
        let (top, height) = self.span(self.middle.1, size[2]);
        let mut part = view.narrow(2, top, height).narrow(3, left, width);
        part.copy_(&part.index_select(0, partners));
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn keys(count: u64) -> Vec<ViewKey> {
        (0..count).map(|seq| ViewKey { seed: 4, epoch: 1, seq: 64 + seq, view: 0 }).collect()
    }

    /// Row n is n everywhere.
    fn views(rows: i64, side: i64) -> Vec<Tensor> {
        let row = Tensor::arange(rows, (Kind::Float, Device::Cpu)).view([-1, 1, 1, 1]);
        vec![row.repeat([1, 3, side, side])]
    }

    fn labels(rows: i64) -> Tensor {
        Tensor::arange(rows, (Kind::Int64, Device::Cpu)) + 10
    }

    fn floats(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.to_kind(Kind::Double).contiguous().view([-1])).expect("numbers")
    }

    #[test]
    fn nobody_is_his_own_partner_and_everybody_is_somebodys() {
        for rows in 2..20 {
            let partners = partners(rows, &mut keys(1)[0].draws(Purpose::MixBatch));
            let mut sorted = partners.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..rows as i64).collect::<Vec<_>>());
            assert!(partners.iter().enumerate().all(|(row, &partner)| row as i64 != partner), "{partners:?}");
        }
    }

    #[test]
    fn mixup_blends_pictures_and_targets_by_the_same_share() {
        let (views, targets) = MixSpec::MixUp { alpha: 0.4 }.apply(views(6, 4), labels(6), &keys(6));
        let Targets::Mixed { first, second, share } = targets else { panic!("targets are mixed") };
        let (own, other, share) = (floats(&first), floats(&second), floats(&share));
        assert_eq!(own, [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]);
        for (row, pixels) in floats(&views[0]).chunks(48).enumerate() {
            assert!((0.5..=1.0).contains(&share[row]));
            let expected = share[row] * (own[row] - 10.0) + (1.0 - share[row]) * (other[row] - 10.0);
            assert!(pixels.iter().all(|pixel| (pixel - expected).abs() < 1e-6), "{row}: {pixels:?}, not {expected}");
        }
    }

    #[test]
    fn shares_go_by_the_ticket_not_by_the_batch() {
        let shares = |keys: &[ViewKey]| match (MixSpec::MixUp { alpha: 0.4 }).draw(keys).how {
            How::Blend(shares) => shares,
            How::Cut(_) => panic!("mixup blends"),
        };
        let keys = keys(8);
        assert_eq!(shares(&keys)[3..6], shares(&keys[3..6]));
    }

    #[test]
    fn shares_of_mixup_are_the_larger_half_of_a_beta_distribution() {
        let How::Blend(shares) = (MixSpec::MixUp { alpha: 0.4 }).draw(&keys(20_000)).how else { panic!("it blends") };
        let above = |share: f32| shares.iter().filter(|&&s| s > share).count() as f64 / shares.len() as f64;
        assert!(shares.iter().all(|share| (0.5..=1.0).contains(share)));
        // Its density integrated by a midpoint sum gives 2·P(λ > 0.9) = 0.4795 and 2·P(λ > 0.7) = 0.7750.
        assert!((above(0.9) - 0.4795).abs() < 0.015, "{}", above(0.9));
        assert!((above(0.7) - 0.7750).abs() < 0.015, "{}", above(0.7));
    }

    #[test]
    fn cutmix_takes_one_box_from_the_partner_and_counts_its_pixels() {
        for batch in 0..40 {
            let keys: Vec<_> = keys(5).iter().map(|key| ViewKey { seq: key.seq + 64 * batch, ..*key }).collect();
            let (views, targets) = MixSpec::CutMix { alpha: 1.0 }.apply(views(5, 20), labels(5), &keys);
            let Targets::Mixed { first, second, share } = targets else { panic!("targets are mixed") };
            let (own, other, share) = (floats(&first), floats(&second), floats(&share));
            for (row, pixels) in floats(&views[0]).chunks(3 * 400).enumerate() {
                let kept = pixels.iter().filter(|&&pixel| pixel == own[row] - 10.0).count();
                let taken = pixels.iter().filter(|&&pixel| pixel == other[row] - 10.0).count();
                assert_eq!(kept + taken, 1_200, "every pixel is of one of the two");
                assert!((share[row] - kept as f64 / 1_200.0).abs() < 1e-6, "{} but {kept}", share[row]);
                assert_eq!(share[row], share[0]);
            }
        }
    }

    #[test]
    fn a_box_has_the_side_and_the_middle_that_were_drawn_and_ends_at_the_edges() {
        let cut = Cut { side: 0.5, middle: (0.5, 0.95) };
        assert_eq!(cut.span(cut.middle.0, 20), (5, 10));
        assert_eq!(cut.span(cut.middle.1, 20), (14, 6));
        let nothing = Cut { side: 0.0, ..cut };
        let views = views(2, 20);
        assert_eq!(nothing.share_kept(&views[0]), 1.0);
        let partners = Tensor::from_slice(&[1i64, 0]);
        assert_eq!(nothing.paste(views[0].copy(), &partners), views[0]);
    }
}
