//! Countable proxies for a GPU's time: library calls of an optimiser's step, and that no step waits for the device.
//! Not here: the numbers that a step comes to.
//!
//! PyTorch's counts are of version 2.15.0, `torch.optim` with `foreach=True`, on parameters in two groups of which one decays
//! (their number doesn't matter), taken with `torch.profiler` from the eighth step: operators `aten::_foreach_*` that the
//! optimiser itself calls. Its AdamW and RAdam besides read 2 and 5 step counters per parameter to the host, which isn't
//! counted here. There is no Ranger; its count is RAdam's plus one `_foreach_lerp_` and one `_foreach_copy_` per group for
//! Lookahead.

use fastgarden_call_counter::{Counted, count};
use fastgarden_train::loss::{Targets, cross_entropy};
use fastgarden_train::net::Net;
use fastgarden_train::net::xresnet::{XResNet, XResNetSpec};
use fastgarden_train::optimizer::{
    Adam, AdamOptions, LookaheadOptions, Optimizer, RAdamOptions, Ranger, Sgd, SgdOptions, clip_gradient,
};
use fastgarden_train::state::StateDict;
use tch::{Device, Kind, Tensor};

const PYTORCH_SGD: u64 = 7;
const PYTORCH_NESTEROV: u64 = 9;
const PYTORCH_ADAMW: u64 = 17;
const PYTORCH_RANGER: u64 = 21 + 4;

type Maker = Box<dyn Fn(&StateDict) -> Box<dyn Optimizer>>;

/// Operators that make another tensor of the same memory: no work for a device.
const VIEWS: [&str; 6] =
    ["aten::narrow", "aten::permute", "aten::view", "aten::as_strided", "aten::detach", "aten::alias"];

/// Operators by which the host waits for the device, on a GPU.
const WAITS: [&str; 4] = ["aten::item", "aten::_local_scalar_dense", "aten::is_nonzero", "aten::equal"];

fn net(layers: [i64; 4], channels_last: bool) -> XResNet {
    tch::set_num_threads(1);
    let spec = XResNetSpec { layers, ..XResNetSpec::xresnet50(104) };
    let net = XResNet::new(&spec, Device::Cpu, Kind::Float);
    if channels_last {
        net.state().to_channels_last();
    }
    net
}

/// Calls of one step in full swing: joining the gradients, then stepping.
fn calls_of_step(optimizer: &mut dyn Optimizer, state: &StateDict) -> Counted {
    for entry in state.parameters() {
        // A gradient for each, without a pass through the net.
        entry.tensor.sum(Kind::Float).backward();
    }
    // Past RAdam's plain steps.
    for _ in 0..6 {
        optimizer.step(state, 1e-3.into());
    }
    count(|| optimizer.step(state, 1e-3.into())).1
}

fn outermost(counted: &Counted, of: impl Fn(&str) -> bool) -> u64 {
    counted.iter().filter(|(name, _)| of(name)).map(|(_, calls)| calls.outermost).sum()
}

#[test]
fn a_step_makes_no_more_calls_than_pytorchs_foreach() {
    let sgd = |nesterov| SgdOptions { weight_decay: 1e-4, nesterov, ..SgdOptions::default() };
    let cases: [(&str, Maker, u64); 4] = [
        ("sgd", Box::new(move |state| Box::new(Sgd::new(state, sgd(false)))), PYTORCH_SGD),
        ("nesterov", Box::new(move |state| Box::new(Sgd::new(state, sgd(true)))), PYTORCH_NESTEROV),
        ("adamw", Box::new(|state| Box::new(Adam::new(state, AdamOptions::default()))), PYTORCH_ADAMW),
        (
            "ranger",
            Box::new(|state| {
                // A synchronisation in every step, the most that there can be.
                let every = LookaheadOptions { steps: 1, ..LookaheadOptions::default() };
                Box::new(Ranger::ranger(state, RAdamOptions::default(), every))
            }),
            PYTORCH_RANGER,
        ),
    ];
    let whole = XResNetSpec::xresnet50(104).layers;
    for (net, channels_last) in [(net(whole, false), false), (net([1; 4], true), true)] {
        for (name, make, most) in &cases {
            let state = net.state();
            let counted = calls_of_step(&mut *make(state), state);
            // Channels-last filters are joined in their order in memory, for which each takes a view.
            let is_free = |name: &str| channels_last && VIEWS.contains(&name);
            let calls = outermost(&counted, |name| !is_free(name));
            assert!(calls > 3 && calls <= *most, "{name}: {calls} calls, PyTorch makes {most}: {counted:?}");
            assert_eq!(outermost(&counted, |name| WAITS.contains(&name)), 0, "{name}: {counted:?}");
        }
    }
}

#[test]
fn a_training_step_never_waits_for_the_device() {
    let net = net([1; 4], true);
    let state = net.state();
    let mut optimizer = Ranger::ranger(state, RAdamOptions::default(), LookaheadOptions::default());
    let images = Tensor::zeros([2, 3, 32, 32], (Kind::Float, Device::Cpu));
    let targets = Targets::Classes(Tensor::from_slice(&[1i64, 2]));
    let applied = Tensor::from(true);
    for step in 0..8 {
        let (loss, counted) = count(|| {
            let loss = cross_entropy(&net.forward(&[images.shallow_clone()], true)[0], &targets, 0.1);
            let mut gradient = optimizer.flat_mut().backward(&loss, state);
            clip_gradient(&mut gradient, 1.0);
            optimizer.step_with(gradient, 1e-3.into(), (step > 3).then_some(&applied));
            loss
        });
        let waits: Vec<_> = counted.keys().filter(|name| WAITS.contains(&name.as_str())).collect();
        assert!(waits.is_empty() && counted.len() > 20, "{waits:?}");
        // The counter sees what a look at the loss does.
        let (_, counted) = count(|| loss.double_value(&[]));
        assert!(counted.contains_key("aten::_local_scalar_dense"), "{counted:?}");
    }
}
