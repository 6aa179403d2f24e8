//! What an optimiser keeps for each parameter (moments, slow weights), laid out like the parameters in one tensor.
//! Saved and loaded parameter by parameter, so that a checkpoint doesn't depend on the layout.

use std::collections::HashMap;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::Expected;
use super::flat::{Flat, Layout, Place};
use crate::state::{StateDict, cpu_copy};

/// What is kept before a parameter's first step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fresh {
    /// Zeros.
    Zeros,
    /// What the parameter is.
    Parameters,
}

/// One value for each value of the parameters of a part.
pub(super) struct Slots {
    name: &'static str,
    /// Of all parts without one.
    part: Option<usize>,
    fresh: Fresh,
    kind: Kind,
    laid: Option<Laid>,
    /// By key: what was loaded, or is of parameters that have no gradient now.
    aside: HashMap<String, Tensor>,
}

/// Values, and where each parameter's lie.
struct Laid {
    places: Arc<[Place]>,
    /// Where the first value lies in the flat tensor.
    start: i64,
    values: Tensor,
}

impl Slots {
    /// Saved as `<name>/<key>`.
    pub fn new(name: &'static str, part: Option<usize>, fresh: Fresh, kind: Kind) -> Self {
        Self { name, part, fresh, kind, laid: None, aside: HashMap::new() }
    }

    /// The values, laid out like the part.
    pub fn values(&mut self, layout: &Layout) -> Tensor {
        if !self.laid.as_ref().is_some_and(|laid| Arc::ptr_eq(&laid.places, &layout.places)) {
            self.lay_out(layout);
        }
        self.laid.as_ref().expect("laid out just now").values.shallow_clone()
    }

    fn lay_out(&mut self, layout: &Layout) {
        let _guard = tch::no_grad_guard();
        if let Some(laid) = self.laid.take() {
            self.aside.extend(laid.views(self.part).map(|(key, view)| (key.to_owned(), view)));
        }
        let parameters = self.part.map_or(&layout.values, |part| &layout.parts[part].values);
        let values = match self.fresh {
            Fresh::Zeros => parameters.zeros_like(),
            Fresh::Parameters => parameters.copy(),
        };
        let start = self.part.map_or(0, |part| layout.parts[part].start);
        let laid = Laid { places: Arc::clone(&layout.places), start, values };
        for (key, mut view) in laid.views(self.part) {
            if let Some(known) = self.aside.remove(key) {
                view.copy_(&known);
            }
        }
        self.laid = Some(laid);
    }

    /// Begins with what the parameters are now, those without gradients included.
    pub fn begin_with(&mut self, state: &StateDict) {
        let _guard = tch::no_grad_guard();
        self.reset();
        self.aside = state.parameters().map(|entry| (entry.key.clone(), entry.tensor.detach().copy())).collect();
    }

    /// Makes the parameters what is kept here, and the other way round.
    pub fn exchange(&mut self, state: &StateDict) {
        let _guard = tch::no_grad_guard();
        let laid = self.laid.iter().flat_map(|laid| laid.views(self.part));
        let aside = self.aside.iter().map(|(key, tensor)| (key.as_str(), tensor.shallow_clone()));
        for (key, mut kept) in laid.chain(aside) {
            let Some(entry) = state.get(key) else { continue };
            let was = entry.tensor.detach().copy();
            entry.tensor.shallow_clone().copy_(&kept);
            kept.copy_(&was);
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        (self.laid, self.aside) = (None, HashMap::new());
    }

    /// Copies on the CPU; zeros of parameters that were never stepped.
    pub fn save(&self, flat: &Flat) -> Vec<(String, Tensor)> {
        let mut known: HashMap<String, Tensor> = HashMap::new();
        if let Some(Laid { places, start, values }) = &self.laid {
            // One copy, whatever the number of parameters.
            let copy = Laid { places: Arc::clone(places), start: *start, values: cpu_copy(values) };
            known.extend(copy.views(self.part).map(|(key, view)| (key.to_owned(), view)));
        }
        let tensor = |(key, shape): &(String, Vec<i64>)| {
            let aside = || self.aside.get(key).map(cpu_copy);
            let known = known.remove(key).or_else(aside);
            let tensor = known.unwrap_or_else(|| Tensor::zeros(shape, (self.kind, Device::Cpu)));
            (format!("{}/{key}", self.name), tensor)
        };
        flat.shapes(self.part).map(tensor).collect()
    }

    /// What a saved state must have.
    pub fn expected(&self, flat: &Flat) -> Vec<Expected> {
        let of = |(key, shape): &(String, Vec<i64>)| Expected {
            name: format!("{}/{key}", self.name),
            shape: shape.clone(),
            kind: self.kind,
        };
        flat.shapes(self.part).map(of).collect()
    }

    /// Takes what is expected out of a saved state that has it.
    pub fn restore(&mut self, flat: &Flat, saved: &HashMap<String, Tensor>) {
        self.reset();
        let of = |(key, _): &(String, Vec<i64>)| (key.clone(), saved[&format!("{}/{key}", self.name)].shallow_clone());
        self.aside = flat.shapes(self.part).map(of).collect();
    }
}

impl Laid {
    /// Key and value of every parameter of a part; of all parts without one.
    fn views(&self, part: Option<usize>) -> impl Iterator<Item = (&str, Tensor)> {
        let places = self.places.iter().filter(move |place| part.is_none_or(|part| part == place.part));
        places.map(|place| (place.key.as_str(), place.view(&self.values, self.start)))
    }
}
