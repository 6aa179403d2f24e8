//! The draws of an epoch: from a bound sampler to the records of its tickets.
//! Not here: what a sampler needs (see `bind`), or the tickets (see `plan`).

use super::bind::{BoundSampler, Kind};
use super::classes::Classes;
use crate::random::{Draws, Purpose};

/// What an epoch is drawn for.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// Seed of the run.
    pub seed: u64,
    /// Over the lineage, from 1.
    pub epoch: u32,
    /// Most tickets.
    pub cap: Option<u64>,
    /// Loss of every record of the split in thousandths, 0 where there is none yet; empty where there are none at all.
    pub losses: &'a [u32],
}

impl BoundSampler {
    /// The records of an epoch's tickets, [`BoundSampler::records_per_ticket`] each.
    pub(crate) fn order(&self, occasion: &Occasion<'_>) -> Vec<u32> {
        let Occasion { seed, epoch, cap, losses } = *occasion;
        let tickets = self.tickets(epoch).min(cap.unwrap_or(u64::MAX)) as usize;
        let mut draws = Draws::new(seed, epoch, 0, 0, Purpose::Sample);
        let mut order = match &self.kind {
            Kind::Sequential => self.population(),
            Kind::Shuffled => self.permuted(seed, epoch, tickets),
            Kind::Balanced(classes) => balanced(classes, tickets, &mut draws),
            Kind::Weighted(sums) => (0..tickets).map(|_| self.record_at(weighted(sums, &mut draws))).collect(),
            Kind::Hard { .. } if losses.is_empty() => self.permuted(seed, epoch, tickets),
            Kind::Hard { uniform_share } => self.hard(losses, *uniform_share, tickets, &mut draws),
            Kind::Triplet(classes) => {
                let anchors = anchors(classes, seed, epoch, tickets);
                anchors.flat_map(|anchor| triplet(classes, anchor, &mut draws)).collect()
            }
            Kind::Siamese(classes, same_share) => {
                let anchors = anchors(classes, seed, epoch, tickets);
                anchors.flat_map(|anchor| pair(classes, anchor, *same_share, &mut draws)).collect()
            }
            Kind::File(epochs) => epochs.get(&None).or_else(|| epochs.get(&Some(epoch))).cloned().unwrap_or_default(),
        };
        order.truncate(tickets * self.records_per_ticket);
        order
    }

    fn population(&self) -> Vec<u32> {
        self.kept.as_ref().map_or_else(|| (0..self.len).collect(), |kept| kept.to_vec())
    }

    fn record_at(&self, place: usize) -> u32 {
        self.kept.as_ref().map_or(place as u32, |kept| kept[place])
    }

    /// As many records as asked for: in a permutation, and then in another.
    fn permuted(&self, seed: u64, epoch: u32, tickets: usize) -> Vec<u32> {
        let records = self.population();
        if tickets <= records.len() {
            let mut order = records;
            shuffle(&mut order, &mut Draws::new(seed, epoch, 0, 0, Purpose::Shuffle));
            return order;
        }
        walk(records, seed, epoch, tickets).collect()
    }

    fn hard(&self, losses: &[u32], uniform_share: f64, tickets: usize, draws: &mut Draws) -> Vec<u32> {
        let loss = |place: usize| losses.get(self.record_at(place) as usize).copied().unwrap_or(0);
        let known: Vec<u32> = (0..self.len as usize).map(loss).filter(|&loss| loss > 0).collect();
        // Thousandths are whole numbers, so that their sum does not depend on its order.
        let total: u64 = known.iter().map(|&loss| u64::from(loss)).sum();
        let mean = if known.is_empty() { 1.0 } else { total as f64 / known.len() as f64 };
        let mut sum = 0.0;
        let weigh = |place| {
            let loss = match loss(place) {
                0 => mean,
                loss => f64::from(loss),
            };
            sum += uniform_share * mean + (1.0 - uniform_share) * loss;
            sum
        };
        let sums: Vec<f64> = (0..self.len as usize).map(weigh).collect();
        (0..tickets).map(|_| self.record_at(weighted(&sums, draws))).collect()
    }
}

/// Fisher–Yates, from the end.
fn shuffle(items: &mut [u32], draws: &mut Draws) {
    for last in (1..items.len()).rev() {
        let other = draws.below(last as u64 + 1) as usize;
        items.swap(last, other);
    }
}

/// Items in a permutation, then in another, and so on; the first is that of a shuffled epoch.
fn walk(items: Vec<u32>, seed: u64, epoch: u32, tickets: usize) -> impl Iterator<Item = u32> {
    let passes = tickets.div_ceil(items.len().max(1)) as u64;
    let of_pass = move |pass| {
        let mut order = items.clone();
        shuffle(&mut order, &mut Draws::new(seed, epoch, pass, 0, Purpose::Shuffle));
        order
    };
    (0..passes).flat_map(of_pass).take(tickets)
}

/// Items in a permutation, and when they are used up in another.
struct Turns {
    items: Vec<u32>,
    next: usize,
}

impl Turns {
    fn new(items: Vec<u32>) -> Self {
        Self { next: items.len(), items }
    }

    fn take(&mut self, draws: &mut Draws) -> u32 {
        if self.next == self.items.len() {
            shuffle(&mut self.items, draws);
            self.next = 0;
        }
        self.next += 1;
        self.items[self.next - 1]
    }
}

fn balanced(classes: &Classes, tickets: usize, draws: &mut Draws) -> Vec<u32> {
    let mut turns = Turns::new((0..classes.len() as u32).collect());
    let mut of_class: Vec<Turns> =
        (0..classes.len()).map(|class| Turns::new(classes.of_class(class).to_vec())).collect();
    (0..tickets)
        .map(|_| {
            let class = turns.take(draws);
            of_class[class as usize].take(draws)
        })
        .collect()
}

/// A place, drawn in proportion to its weight; of sums up to each place, the last above 0.
fn weighted(sums: &[f64], draws: &mut Draws) -> usize {
    let total = sums[sums.len() - 1];
    let mark = draws.unit() * total;
    let place = sums.partition_point(|&sum| sum <= mark);
    // A product that is rounded up to the total would lie beyond the last place that weighs anything.
    if place < sums.len() { place } else { sums.partition_point(|&sum| sum < total) }
}

/// Places of [`Classes::all`].
fn anchors(classes: &Classes, seed: u64, epoch: u32, tickets: usize) -> impl Iterator<Item = u32> {
    walk((0..classes.all().len() as u32).collect(), seed, epoch, tickets)
}

fn triplet(classes: &Classes, anchor: u32, draws: &mut Draws) -> [u32; 3] {
    let (same, other) = classes.partners(anchor);
    let positive = classes.same(anchor, draws.below(same));
    let negative = classes.other(anchor, draws.below(other));
    [classes.all()[anchor as usize], positive, negative]
}

fn pair(classes: &Classes, first: u32, same_share: f64, draws: &mut Draws) -> [u32; 2] {
    let (same, other) = classes.partners(first);
    let second = match draws.unit() < same_share {
        true => classes.same(first, draws.below(same)),
        false => classes.other(first, draws.below(other)),
    };
    [classes.all()[first as usize], second]
}
