//! All parameters of a net in one tensor, so that a step makes a fixed number of library calls however many there are.
//! Not here: what is kept beside the parameters (see `slots`) and what a step does with them.
//!
//! The net's tensors become views of the flat one, in their own shapes and strides. Gradients are handed over by the
//! backward pass rather than accumulated: joined by one call after it, they take no memory during the forward pass and
//! need no zeroing.

use std::sync::Arc;

use tch::Tensor;

use super::groups::Groups;
use crate::state::{Entry, StateDict};

/// Every parameter starts at a multiple of so many values: 64 bytes of float32, as a tensor of its own would, for matrix
/// libraries are fast and repeat themselves bit for bit only on such addresses.
const ALIGNMENT: i64 = 16;

/// The parameters that an optimiser steps, and their gradients, in one tensor each.
pub struct Flat {
    /// Key and shape of every parameter, in the order of the state.
    shapes: Vec<(String, Vec<i64>)>,
    /// Of each the part of the flat tensor that it falls into, below `parts`.
    part_of: Vec<usize>,
    parts: usize,
    groups: Groups,
    /// Where they lie, once they lie together.
    layout: Option<Layout>,
}

/// The flat tensor and its parts.
pub(super) struct Layout {
    /// The parameters that have gradients; 0 between them.
    pub values: Tensor,
    /// What different rules step, one after the other.
    pub parts: Vec<Part>,
    /// Where each parameter lies, in ascending order; other tensors may be laid out alike.
    pub places: Arc<[Place]>,
    /// What follows each place, up to the next.
    padding: Vec<Option<Tensor>>,
    /// Which parameters have gradients.
    has_gradient: Vec<bool>,
}

/// Where a parameter lies.
pub(super) struct Place {
    pub key: String,
    pub part: usize,
    /// Within the flat tensor.
    pub start: i64,
    pub len: i64,
    pub size: Vec<i64>,
    stride: Vec<i64>,
    /// The dimensions as they follow each other in memory, outermost first, unless that is their own order.
    order: Option<Vec<i64>>,
    /// Values up to the next place.
    padding: i64,
    /// Among the parameters of the state.
    index: usize,
    /// Of its first value.
    address: usize,
}

/// A stretch of the flat tensor that one rule steps.
pub(super) struct Part {
    /// Within the flat tensor.
    pub start: i64,
    pub len: i64,
    is_whole: bool,
    /// Of the parameters.
    pub values: Tensor,
    /// By learning rate; they make up the part.
    pub by_rate: Vec<Run>,
    /// Those that decay.
    pub decaying: Vec<Run>,
}

/// A stretch of a part that is stepped alike.
pub(super) struct Run {
    start: i64,
    len: i64,
    is_whole: bool,
    pub lr_factor: f64,
    /// Of the parameters.
    pub values: Tensor,
}

impl Flat {
    /// For the parameters of `state`, each in the part that `part_of` says, in the usual groups.
    pub(super) fn new(state: &StateDict, parts: usize, part_of: impl Fn(&Entry) -> usize) -> Self {
        Self {
            shapes: state.parameters().map(|entry| (entry.key.clone(), entry.tensor.size())).collect(),
            part_of: state.parameters().map(part_of).collect(),
            parts,
            groups: Groups::of(state),
            layout: None,
        }
    }

    /// Steps in other groups from now on.
    pub(super) fn set_groups(&mut self, groups: Groups) {
        self.groups = groups;
        self.layout = None;
    }

    /// Key and shape of every parameter of a part, in the order of the state; of all parts without one.
    pub(super) fn shapes(&self, part: Option<usize>) -> impl Iterator<Item = &(String, Vec<i64>)> {
        let of_part = self.shapes.iter().zip(&self.part_of);
        of_part.filter(move |(_, of)| part.is_none_or(|part| part == **of)).map(|(shape, _)| shape)
    }

    /// Makes all parameters views of one tensor now, before a forward pass fills the memory around them; otherwise the
    /// first gradients do it, which also tell whether all of them are stepped at all.
    pub fn lay_out(&mut self, state: &StateDict) {
        let _guard = tch::no_grad_guard();
        let parameters: Vec<&Entry> = state.parameters().collect();
        let all = vec![true; parameters.len()];
        self.layout = Some(Layout::new(&parameters, all, &self.part_of, self.parts, &self.groups));
    }

    /// The layout of the gradients that were gathered last.
    pub(super) fn layout(&self) -> &Layout {
        self.layout.as_ref().expect("gradients are gathered before they are used")
    }

    /// The gradients of `loss` with respect to all parameters, from a backward pass of its own.
    pub fn backward(&mut self, loss: &Tensor, state: &StateDict) -> Tensor {
        let parameters: Vec<&Tensor> = state.parameters().map(|entry| &entry.tensor).collect();
        self.gather(Tensor::run_backward(&[loss], &parameters, false, false), state)
    }

    /// The gradients that earlier backward passes left with the parameters.
    pub fn collect(&mut self, state: &StateDict) -> Tensor {
        self.gather(state.parameters().map(|entry| entry.tensor.grad()).collect(), state)
    }

    /// One tensor of all gradients, given by parameter (undefined where there is none).
    ///
    /// # Panics
    /// If `state` is not the one that the optimiser was made for, or if no parameter has a gradient.
    fn gather(&mut self, gradients: Vec<Tensor>, state: &StateDict) -> Tensor {
        let _guard = tch::no_grad_guard();
        let parameters: Vec<&Entry> = state.parameters().collect();
        assert_eq!(parameters.len(), self.shapes.len(), "an optimiser steps the net that it was made for");
        let layout = match self.layout.take() {
            Some(layout) if layout.holds(&parameters, &gradients) => layout,
            _ => {
                let has_gradient = gradients.iter().map(Tensor::defined).collect();
                Layout::new(&parameters, has_gradient, &self.part_of, self.parts, &self.groups)
            }
        };
        self.layout.insert(layout).join(|place| gradients[place.index].shallow_clone())
    }
}

impl Layout {
    /// Makes the parameters with a gradient views of one new tensor.
    fn new(parameters: &[&Entry], has_gradient: Vec<bool>, part_of: &[usize], parts: usize, groups: &Groups) -> Self {
        let mut indices: Vec<usize> = (0..parameters.len()).filter(|&index| has_gradient[index]).collect();
        assert!(!indices.is_empty(), "a loss depends on some parameter");
        // Those that are stepped alike next to each other, otherwise as in the state.
        indices.sort_by(|&a, &b| {
            let rank = |index: usize| (part_of[index], groups.at(index));
            let ((part_a, a), (part_b, b)) = (rank(a), rank(b));
            part_a.cmp(&part_b).then(a.lr_factor.total_cmp(&b.lr_factor)).then(b.decay.cmp(&a.decay))
        });
        let mut places: Vec<Place> = Vec::with_capacity(indices.len());
        for &index in &indices {
            let start = places.last().map_or(0, Place::end);
            places.push(Place::new(parameters[index], start, index, part_of[index]));
        }
        let first = &parameters[indices[0]].tensor;
        let zeros = Tensor::zeros([ALIGNMENT], (first.kind(), first.device()));
        let padding = |place: &Place| (place.padding > 0).then(|| zeros.narrow(0, 0, place.padding));
        let padding: Vec<_> = places.iter().map(padding).collect();
        let values = join(&places, &padding, |place| parameters[place.index].tensor.detach());
        for place in &mut places {
            let view = place.view(&values, 0);
            parameters[place.index].tensor.shallow_clone().set_data(&view);
            place.address = view.data_ptr() as usize;
        }
        let parts = (0..parts).map(|part| Part::new(&values, &places, part, groups)).collect();
        Self { values, parts, places: places.into(), padding, has_gradient }
    }

    /// Whether the parameters still lie here, and those with a gradient are the same.
    fn holds(&self, parameters: &[&Entry], gradients: &[Tensor]) -> bool {
        self.has_gradient.iter().zip(gradients).all(|(has, gradient)| *has == gradient.defined())
            && self.places.iter().all(|place| parameters[place.index].tensor.data_ptr() as usize == place.address)
    }

    /// One tensor for each place, in one new tensor laid out like the parameters.
    fn join(&self, tensor_of: impl Fn(&Place) -> Tensor) -> Tensor {
        join(&self.places, &self.padding, tensor_of)
    }
}

fn join(places: &[Place], padding: &[Option<Tensor>], tensor_of: impl Fn(&Place) -> Tensor) -> Tensor {
    let mut pieces = Vec::with_capacity(2 * places.len());
    for (place, padding) in places.iter().zip(padding) {
        let tensor = tensor_of(place);
        pieces.push(place.order.as_ref().map_or_else(|| tensor.shallow_clone(), |order| tensor.permute(order)));
        pieces.extend(padding.as_ref().map(Tensor::shallow_clone));
    }
    Tensor::flatten_dense_tensors(&pieces)
}

impl Part {
    fn new(values: &Tensor, places: &[Place], part: usize, groups: &Groups) -> Self {
        let of_part: Vec<&Place> = places.iter().filter(|place| place.part == part).collect();
        let start = of_part.first().map_or(0, |place| place.start);
        let len = of_part.last().map_or(0, |place| place.end()) - start;
        let run = |places: &[&Place]| {
            let (from, to) = (places[0].start, places[places.len() - 1].end());
            let values = values.narrow(0, from, to - from);
            let lr_factor = groups.at(places[0].index).lr_factor;
            Run { start: from - start, len: to - from, is_whole: to - from == len, lr_factor, values }
        };
        let group = |place: &Place| groups.at(place.index);
        let by_rate = of_part.chunk_by(|a, b| group(a).lr_factor == group(b).lr_factor).map(run).collect();
        let by_group = of_part.chunk_by(|a, b| group(a) == group(b));
        let decaying = by_group.filter(|places| group(places[0]).decay).map(run).collect();
        let is_whole = len == values.size()[0];
        Self { start, len, is_whole, values: values.narrow(0, start, len), by_rate, decaying }
    }

    /// Its stretch of a tensor that is laid out like the flat one.
    pub fn of(&self, flat: &Tensor) -> Tensor {
        if self.is_whole { flat.shallow_clone() } else { flat.narrow(0, self.start, self.len) }
    }
}

impl Place {
    fn new(entry: &Entry, start: i64, index: usize, part: usize) -> Self {
        let (size, len) = (entry.tensor.size(), entry.tensor.numel() as i64);
        let (stride, order) = dense(&size, entry.tensor.stride());
        let padding = (ALIGNMENT - len % ALIGNMENT) % ALIGNMENT;
        Self { key: entry.key.clone(), part, start, len, size, stride, order, padding, index, address: 0 }
    }

    fn end(&self) -> i64 {
        self.start + self.len + self.padding
    }

    /// The parameter's place in a tensor that is laid out like the flat one from `from` on.
    pub fn view(&self, flat: &Tensor, from: i64) -> Tensor {
        // Of a tensor that is itself a view, `as_strided` counts from the start of the memory.
        flat.narrow(0, self.start - from, self.len).as_strided(&self.size, &self.stride, None)
    }
}

impl Run {
    /// Its stretch of a tensor that is laid out like its part.
    pub fn of(&self, part: &Tensor) -> Tensor {
        if self.is_whole { part.shallow_clone() } else { part.narrow(0, self.start, self.len) }
    }
}

/// The strides of a tensor without gaps, and the order of its dimensions in memory unless it is their own. A tensor with
/// gaps becomes a contiguous one.
fn dense(size: &[i64], stride: Vec<i64>) -> (Vec<i64>, Option<Vec<i64>>) {
    let mut order: Vec<usize> = (0..size.len()).collect();
    order.sort_by_key(|&dim| std::cmp::Reverse(stride[dim]));
    let wide: Vec<usize> = order.iter().copied().filter(|&dim| size[dim] > 1).collect();
    let is_dense =
        wide.iter().rev().try_fold(1, |step, &dim| (stride[dim] == step).then(|| step * size[dim])).is_some();
    match is_dense {
        true if wide.is_sorted() => (stride, None),
        true => (stride, Some(order.into_iter().map(|dim| dim as i64).collect())),
        false => {
            let contiguous = (0..size.len()).map(|dim| size[dim + 1..].iter().product());
            (contiguous.collect(), None)
        }
    }
}
