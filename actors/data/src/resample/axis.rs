//! One axis of a resize: which inputs each output position is made of, and with what weights.
//! Not here: pixels (see `passes`).

/// Fractional bits of a weight.
pub const WEIGHT_BITS: u32 = 22;
/// One, as a weight.
pub const WEIGHT_ONE: u32 = 1 << WEIGHT_BITS;

/// The part of an axis that is resized, in inputs; its edges may lie between two inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Inputs there are; taps are never taken from beyond them.
    pub inputs: u32,
    /// Where the part begins.
    pub start: f64,
    /// How long it is.
    pub length: f64,
}

impl Span {
    /// All of `inputs`.
    pub fn whole(inputs: u32) -> Self {
        Self { inputs, start: 0.0, length: f64::from(inputs) }
    }
}

/// The output positions that are wanted of a resized axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Positions of the whole resized axis.
    pub full: u32,
    /// First one wanted.
    pub from: u32,
    /// How many.
    pub count: u32,
    /// Whether they come last one first.
    pub mirrored: bool,
}

/// What each output position of one axis is made of: the same number of neighbouring inputs (taps) for all positions,
/// those that Pillow's filter does not reach with weight zero.
#[derive(Default)]
pub struct Axis {
    /// False when the axis keeps its length, so that every position is a copy.
    pub resizes: bool,
    /// Taps a position.
    pub taps: usize,
    /// First input of each output position, in output order (back to front when mirrored).
    pub starts: Vec<u32>,
    /// `taps` weights for each output position; they add up to one, give or take half a unit a tap.
    pub weights: Vec<u32>,
    /// First input that any position needs.
    pub first: usize,
    /// One past the last input that any position needs.
    pub end: usize,
}

impl Axis {
    /// Describes the wanted positions of the resize of a span.
    pub fn set(&mut self, span: Span, wanted: Wanted) {
        let Wanted { full, from, count, mirrored } = wanted;
        self.resizes = span != Span::whole(full);
        self.starts.clear();
        self.weights.clear();
        let position = |i: u32| if mirrored { from + count - 1 - i } else { from + i };
        if self.resizes {
            self.set_weights(span, full, count, position);
        } else {
            self.taps = 1;
            self.starts.extend((0..count).map(position));
        }
        self.first = self.starts.iter().min().map_or(0, |&start| start as usize);
        self.end = self.starts.iter().max().map_or(0, |&start| start as usize + self.taps);
    }

    /// Pillow's triangle filter, in its order of floating-point operations.
    fn set_weights(&mut self, span: Span, full: u32, count: u32, position: impl Fn(u32) -> u32) {
        let step = span.length / f64::from(full);
        let support = step.max(1.0);
        // Inputs within reach of one position; when growing that is 2 whatever the position.
        let widest = if support > 1.0 { (2.0 * support) as u32 + 1 } else { 2 };
        let taps = widest.min(span.inputs);
        self.taps = taps as usize;
        self.weights.resize(count as usize * self.taps, 0);
        let centre = |i: u32| span.start + (f64::from(position(i)) + 0.5) * step;
        if support == 1.0 && taps == 2 {
            let pairs = self.weights.as_chunks_mut().0;
            self.starts.extend((0..count).zip(pairs).map(|(i, pair)| pair_weights(centre(i), span.inputs, pair)));
            return;
        }
        let reciprocal = 1.0 / support;
        for (i, weights) in (0..count).zip(self.weights.chunks_exact_mut(self.taps)) {
            let centre = centre(i);
            // Casts from negative floats saturate at 0.
            let low = (centre - support + 0.5) as u32;
            let high = ((centre + support + 0.5) as u32).min(span.inputs);
            let start = low.min(span.inputs - taps);
            let weight = |x: u32| (1.0 - ((f64::from(x) - centre + 0.5) * reciprocal).abs()).max(0.0);
            let total: f64 = (low..high).map(weight).sum();
            // Float rounding may put one more input at the very edge of the reach, where its weight is zero.
            for x in low..high.min(start + taps) {
                weights[(x - start) as usize] = fixed(weight(x) / total);
            }
            self.starts.push(start);
        }
    }

    /// Counts the inputs from the first that is needed.
    pub fn rebase(&mut self) {
        let first = self.first as u32;
        self.starts.iter_mut().for_each(|start| *start -= first);
        self.end -= self.first;
        self.first = 0;
    }
}

/// The weights of the two inputs within reach of a position of an axis that grows, and the first of them: what the general
/// way computes, without its loops.
fn pair_weights(centre: f64, inputs: u32, weights: &mut [u32; 2]) -> u32 {
    let low = (centre - 0.5) as u32;
    let high = ((centre + 1.5) as u32).min(inputs);
    let start = low.min(inputs - 2);
    let weight = |x: u32| match low <= x && x < high {
        true => (1.0 - (f64::from(x) - centre + 0.5).abs()).max(0.0),
        false => 0.0,
    };
    let (first, second) = (weight(start), weight(start + 1));
    let total = first + second;
    // Nearly always; and dividing by one changes nothing but the time it takes.
    *weights = match total == 1.0 {
        true => [fixed(first), fixed(second)],
        false => [fixed(first / total), fixed(second / total)],
    };
    start
}

/// A share of one as a weight.
fn fixed(share: f64) -> u32 {
    (share * f64::from(WEIGHT_ONE) + 0.5) as u32
}
