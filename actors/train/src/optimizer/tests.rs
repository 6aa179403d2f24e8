//! What every optimiser promises, whatever its formula: groups, skipped steps, the flat layout, saved state.
//! Not here: trajectories against the references (the golden tests).

use std::f64::consts::PI;

use tch::Device;

use super::*;

/// A state of two equal parameters, of which only the first decays.
fn pair() -> StateDict {
    let ones = || Tensor::ones([2], (Kind::Double, tch::Device::Cpu));
    let parameters = [("weight".to_owned(), ones(), true), ("bias".to_owned(), ones(), false)];
    StateDict::of_parameters(parameters, tch::Device::Cpu, Kind::Double)
}

fn value(state: &StateDict, index: usize) -> f64 {
    state.entries()[index].tensor.double_value(&[0])
}

type Maker = fn(&StateDict) -> Box<dyn Optimizer>;

#[test]
fn decay_spares_norms_and_biases() {
    let makers: [Maker; 4] = [
        |state| Box::new(Sgd::new(state, SgdOptions { weight_decay: 0.5, ..SgdOptions::default() })),
        |state| Box::new(Adam::new(state, AdamOptions { weight_decay: 0.5, ..AdamOptions::default() })),
        |state| Box::new(RAdam::new(state, RAdamOptions { weight_decay: 0.5, ..RAdamOptions::default() })),
        |state| {
            let options = RAdamOptions { weight_decay: 0.5, ..RAdamOptions::default() };
            Box::new(Ranger::ranger(state, options, LookaheadOptions::default()))
        },
    ];
    for make in makers {
        let state = pair();
        let mut optimizer = make(&state);
        for entry in state.entries() {
            (entry.tensor.sum(Kind::Double) * 0.0).backward();
        }
        optimizer.step(&state, 0.1.into());
        assert!((value(&state, 0) - 0.95).abs() < 1e-12, "{}", value(&state, 0));
        assert_eq!(value(&state, 1), 1.0);
    }
}

#[test]
fn a_group_has_a_rate_of_its_own() {
    let state = pair();
    let mut optimizer = Sgd::new(&state, SgdOptions { weight_decay: 0.5, ..SgdOptions::default() });
    let of = |key: &str| if key == "bias" { 3.0 } else { 0.5 };
    optimizer.set_groups(Groups::by(&state, |entry| Group { lr_factor: of(&entry.key), decay: false }));
    for entry in state.entries() {
        entry.tensor.sum(Kind::Double).backward();
    }
    optimizer.step(&state, 0.1.into());
    assert!((value(&state, 0) - 0.95).abs() < 1e-12 && (value(&state, 1) - 0.7).abs() < 1e-12);
}

#[test]
fn lookahead_refuses_state_of_another_optimiser_and_changes_nothing() {
    let state = pair();
    let mut ranger = Ranger::ranger(&state, RAdamOptions::default(), LookaheadOptions::default());
    let before = ranger.save();
    let mut saved: HashMap<_, _> = before.iter().map(|(name, tensor)| (name.clone(), tensor + 1)).collect();
    saved.remove("lookahead_step");
    assert_eq!(ranger.load(&saved), Err(OptimizerStateError::Missing("lookahead_step".to_owned())));
    let radam = RAdam::new(&state, RAdamOptions::default());
    assert!(ranger.load(&radam.save().into_iter().collect()).is_err());
    for ((name, now), (_, then)) in ranger.save().iter().zip(&before) {
        assert!(now.equal(then), "{name}");
    }
}

#[test]
fn a_parameter_without_a_gradient_stays_and_a_step_leaves_gradients_on() {
    let state = pair();
    let mut optimizer = Sgd::new(&state, SgdOptions::default());
    state.entries()[0].tensor.sum(Kind::Double).backward();
    optimizer.step(&state, 0.1.into());
    assert_eq!((value(&state, 0), value(&state, 1)), (0.9, 1.0));
    assert!((&state.entries()[0].tensor * 2.0).requires_grad());
    optimizer.zero_grad(&state);
    assert_eq!(state.entries()[0].tensor.grad().double_value(&[0]), 0.0);
}

/// What an optimiser is made with.
const MAKERS: [(&str, Maker); 6] = [
    ("sgd", |state| Box::new(Sgd::new(state, SgdOptions { weight_decay: 0.1, ..SgdOptions::default() }))),
    ("nesterov", |state| Box::new(Sgd::new(state, SgdOptions { nesterov: true, ..SgdOptions::default() }))),
    ("adam", |state| Box::new(Adam::new(state, AdamOptions { coupled_decay: true, ..AdamOptions::default() }))),
    ("adamw", |state| Box::new(Adam::new(state, AdamOptions::default()))),
    ("ranger", |state| Box::new(Ranger::ranger(state, RAdamOptions::default(), LookaheadOptions::default()))),
    ("muon", |state| Box::new(Lookahead::new(state, Muon::new(state, MuonOptions::default()), LOOKAHEAD))),
];
const LOOKAHEAD: LookaheadOptions = LookaheadOptions { steps: 3, alpha: 0.5 };

/// Two filter banks, a channels-last one and a grouped one, a matrix and two vectors of odd lengths.
fn mixed() -> StateDict {
    let mut builder = crate::state::StateBuilder::new(Device::Cpu, Kind::Float);
    let wave = |shape: &[i64], phase: f64| {
        let count = shape.iter().product::<i64>();
        (Tensor::arange(count, (Kind::Double, Device::Cpu)) * 0.37 + phase).sin().view(shape)
    };
    let _ = builder.filters("first", &wave(&[2, 3, 3, 3], 0.1), 1);
    let _ = builder.filters("second", &wave(&[6, 2, 3, 3], 0.2), 1);
    let _ = builder.filters("grouped", &wave(&[4, 3, 1, 1], 0.3), 2);
    let _ = builder.parameter("matrix", &wave(&[5, 7], 0.4), true);
    let _ = builder.parameter("bias", &wave(&[5], 0.5), false);
    let _ = builder.parameter("scale", &wave(&[1], 0.6), false);
    let state = builder.finish();
    state.to_channels_last();
    state
}

/// Something to minimise that step `t` changes.
fn loss(state: &StateDict, t: i64) -> Tensor {
    let of = |entry: &crate::state::Entry| (&entry.tensor - (t as f64).sin()).square().sum(Kind::Float);
    state.parameters().map(of).sum::<Tensor>()
}

fn step(optimizer: &mut dyn Optimizer, state: &StateDict, t: i64, applied: Option<bool>) {
    let gradient = optimizer.flat_mut().backward(&loss(state, t), state);
    if applied == Some(false) {
        let _guard = tch::no_grad_guard();
        let _ = gradient.narrow(0, 3, 2).fill_(f64::NAN);
        let _ = gradient.narrow(0, 9, 40).fill_(f64::INFINITY);
    }
    optimizer.step_with(gradient, 1e-2.into(), applied.map(Tensor::from).as_ref());
}

fn everything(optimizer: &dyn Optimizer, state: &StateDict) -> Vec<(String, Tensor)> {
    state.snapshot().into_iter().chain(optimizer.save()).collect()
}

fn assert_same(left: &[(String, Tensor)], right: &[(String, Tensor)], tolerance: f64, what: &str) {
    assert_eq!(left.len(), right.len());
    for ((name, left), (_, right)) in left.iter().zip(right) {
        let (left, right) = (left.to_kind(Kind::Double), right.to_kind(Kind::Double));
        assert!(left.allclose(&right, tolerance, tolerance, false), "{what}: {name}: {left} and {right}");
    }
}

#[test]
fn a_skipped_step_changes_nothing_and_counts_nothing() {
    for (name, make) in MAKERS {
        let state = mixed();
        let mut optimizer = make(&state);
        // Skipped first, where every counter and moment is 0, and in the midst of the others.
        for (t, applied) in [false, false, true, true, false, true, true, true, false, true].into_iter().enumerate() {
            let before = everything(&*optimizer, &state);
            step(&mut *optimizer, &state, t as i64, Some(applied));
            if !applied && t > 0 {
                assert_same(&everything(&*optimizer, &state), &before, 0.0, name);
            }
        }
        let alone = mixed();
        let mut optimizer_alone = make(&alone);
        for t in [2, 3, 5, 6, 7, 9] {
            step(&mut *optimizer_alone, &alone, t, None);
        }
        assert_same(&everything(&*optimizer, &state), &everything(&*optimizer_alone, &alone), 2e-5, name);
    }
}

#[test]
fn steps_counted_on_the_device_are_those_counted_here() {
    for (name, make) in MAKERS {
        let (plain, masked) = (mixed(), mixed());
        let (mut of_plain, mut of_masked) = (make(&plain), make(&masked));
        for t in 0..9 {
            step(&mut *of_plain, &plain, t, None);
            step(&mut *of_masked, &masked, t, Some(true));
            assert_same(&everything(&*of_masked, &masked), &everything(&*of_plain, &plain), 2e-5, name);
        }
    }
}

#[test]
fn parameters_keep_shapes_and_strides_and_start_on_cache_lines() {
    let (state, untouched) = (mixed(), mixed());
    let mut optimizer = Sgd::new(&state, SgdOptions::default());
    step(&mut optimizer, &state, 0, None);
    for (entry, before) in state.parameters().zip(untouched.parameters()) {
        assert_eq!((entry.tensor.size(), entry.tensor.stride()), (before.tensor.size(), before.tensor.stride()));
        assert_eq!(entry.tensor.data_ptr() as usize % 64, 0, "{}", entry.key);
    }
    assert!(!state.entries()[1].tensor.is_contiguous());
}

#[test]
fn replaced_tensors_and_lost_gradients_are_noticed() {
    for (name, make) in MAKERS {
        let (state, expected) = (mixed(), mixed());
        let (mut optimizer, mut of_expected) = (make(&state), make(&expected));
        for t in 0..4 {
            step(&mut *optimizer, &state, t, None);
            step(&mut *of_expected, &expected, t, None);
            // The same values in another place, for instance from a checkpoint.
            let entry = &state.entries()[t as usize];
            entry.tensor.shallow_clone().set_data(&entry.tensor.detach().contiguous().copy());
        }
        assert_same(&everything(&*optimizer, &state), &everything(&*of_expected, &expected), 1e-5, name);

        // A parameter that the loss no longer depends on rests, and goes on later.
        let before = everything(&*optimizer, &state);
        let rest = state.entries()[3].tensor.detach().copy();
        let part = state.parameters().filter(|entry| entry.key != "matrix");
        let loss = part.map(|entry| entry.tensor.square().sum(Kind::Float)).sum::<Tensor>();
        let gradient = optimizer.flat_mut().backward(&loss, &state);
        optimizer.step_with(gradient, 1e-2.into(), None);
        assert_eq!(state.entries()[3].tensor.detach(), rest, "{name}");
        for ((key, now), (_, then)) in everything(&*optimizer, &state).iter().zip(&before) {
            if key.ends_with("/matrix") {
                assert_eq!(now, then, "{name}: {key}");
            }
        }
        step(&mut *optimizer, &state, 9, None);
        assert_ne!(state.entries()[3].tensor.detach(), rest, "{name}");
    }
}

#[test]
fn nesterov_looks_ahead_along_the_velocity() {
    // From the definition (Sutskever et al. 2013, in torch.optim's form), in plain numbers: the velocity is what is kept
    // of all gradients so far.
    let (lr, momentum, decay) = (0.05, 0.8, 0.3);
    let gradient = |t: i32| (PI * 0.3 * f64::from(t)).cos();
    let mut p = 1.0;
    let mut gradients: Vec<f64> = Vec::new();
    let one = Tensor::ones([1], (Kind::Double, Device::Cpu));
    let state = StateDict::of_parameters([("p".to_owned(), one, true)], Device::Cpu, Kind::Double);
    let mut sgd = Sgd::new(&state, SgdOptions { momentum, weight_decay: decay, nesterov: true });
    for t in 0..6 {
        gradients.push(gradient(t) + decay * p);
        let kept = |ages: f64| momentum.powf(ages);
        let velocity: f64 = gradients.iter().rev().enumerate().map(|(age, g)| g * kept(age as f64)).sum();
        p -= lr * (gradients[gradients.len() - 1] + momentum * velocity);
        let flat = sgd.flat_mut().backward(&(&state.entries()[0].tensor * gradient(t)).sum(Kind::Double), &state);
        sgd.step_with(flat, lr.into(), None);
        assert!((value(&state, 0) - p).abs() < 1e-12, "step {t}: {} instead of {p}", value(&state, 0));
    }
}

#[test]
fn means_follow_the_definition_are_exchanged_exactly_and_go_on_where_they_were() {
    let make = || {
        let mut builder = crate::state::StateBuilder::new(Device::Cpu, Kind::Double);
        let _ = builder.parameter("w", &Tensor::from_slice(&[1.0, 2.0, 3.0]), true);
        let _ = builder.parameter("unused", &Tensor::from_slice(&[5.0]), true);
        let _ = builder.buffer("norm.running_mean", &Tensor::from_slice(&[4.0, 4.0]));
        let _ = builder.buffer("norm.running_var", &Tensor::from_slice(&[8.0]));
        let state = builder.finish();
        let sgd = Sgd::new(&state, SgdOptions::default());
        let ema = Ema::new(&state, 0.9);
        (state, sgd, ema)
    };
    let train = |(state, sgd, ema): (&StateDict, &mut Sgd, &mut Ema), applied: Option<bool>| {
        let _ = state.entries()[2].tensor.shallow_clone().g_add_scalar_(1.0);
        let gradient = sgd.flat_mut().backward(&state.entries()[0].tensor.square().sum(Kind::Double), state);
        let applied = applied.map(Tensor::from);
        sgd.step_with(gradient, 0.1.into(), applied.as_ref());
        ema.update(sgd.flat(), state, applied.as_ref());
    };
    let (state, mut sgd, mut ema) = make();
    let (mut weight, mut statistic) = (1.0, 4.0);
    for step in 0..5 {
        train((&state, &mut sgd, &mut ema), None);
        weight = 0.9 * weight + 0.1 * value(&state, 0);
        statistic = 0.9 * statistic + 0.1 * (5.0 + f64::from(step));
    }
    train((&state, &mut sgd, &mut ema), Some(false));
    let own = state.snapshot();
    ema.exchange(&state);
    assert!((value(&state, 0) - weight).abs() < 1e-12 && (value(&state, 2) - statistic).abs() < 1e-12);
    assert_eq!((value(&state, 1), value(&state, 3)), (5.0, 8.0));
    ema.exchange(&state);
    assert_eq!(state.snapshot(), own);

    let (again, mut sgd_again, mut ema_again) = make();
    for (entry, (_, value)) in again.entries().iter().zip(&own) {
        let _guard = tch::no_grad_guard();
        entry.tensor.shallow_clone().copy_(value);
    }
    let of = |saved: Vec<(String, Tensor)>| saved.into_iter().collect::<HashMap<_, _>>();
    sgd_again.load(&of(sgd.save())).expect("the same optimiser");
    let mut saved = of(ema.save(sgd.flat(), &state));
    ema_again.load(sgd_again.flat(), &again, &saved).expect("the same net");
    assert_eq!(ema_again.save(sgd_again.flat(), &again), ema.save(sgd.flat(), &state));
    for (state, sgd, ema) in [(&state, &mut sgd, &mut ema), (&again, &mut sgd_again, &mut ema_again)] {
        train((state, sgd, ema), None);
    }
    assert_eq!(ema_again.save(sgd_again.flat(), &again), ema.save(sgd.flat(), &state));
    saved.remove("statistics/norm.running_var");
    assert!(ema_again.load(sgd_again.flat(), &again, &saved).is_err());
}
