//! Tests of the whole net: initial values, sizes, what is refused. Numbers against fastai are in the golden tests.

use super::*;
use crate::net::mk_block::Variant;
use crate::state::Role;
use crate::testing::generator;

fn small() -> XResNetSpec {
    let plain = XResNetSpec::xresnet50(5);
    XResNetSpec { stem: StemSpec::new("conv", [4, 4, 8]), layers: [1; 4], ..plain }
}

/// Every technique at once, small.
fn rich() -> XResNetSpec {
    let kernels = vec![vec![3, 5], vec![3, 5, 7, 9], vec![3], vec![3, 5]];
    let block = BlockSpec { variant: Variant::F, kernels, groups: 4, ..BlockSpec::new("mk").expect("a kind") };
    let stem = StemSpec { weight_norm: true, freeze_after: [1, 0, 0], ..StemSpec::new("deconv", [4, 4, 8]) };
    XResNetSpec {
        stem,
        pool: "max_blur_2020",
        block,
        squeeze_excite: 16,
        attention: Some("eca"),
        self_attention: Some(0),
        activation: Activation::Mish,
        ..small()
    }
}

fn build(spec: &XResNetSpec) -> XResNet {
    // Nets this small are slower on several threads, most of all beside other tests.
    tch::set_num_threads(1);
    let _guard = generator();
    XResNet::new(spec, Device::Cpu, Kind::Float)
}

fn images(height: i64, width: i64) -> Tensor {
    let _guard = generator();
    Tensor::rand([2, 3, height, width], (Kind::Float, Device::Cpu))
}

/// Standard deviation that the weight of this key starts with, by the rule for its kind of layer.
fn initial_spread(key: &str, fan_in: f64) -> f64 {
    let uniform = ["0.0.weight_v", "1.0.weight_v", "2.0.weight_v"].contains(&key) || key.ends_with("conv.weight");
    if uniform { (1.0 / (3.0 * fan_in)).sqrt() } else { (2.0 / fan_in).sqrt() }
}

#[test]
fn a_new_net_starts_with_the_values_of_the_references_and_its_branches_as_nothing() {
    for net in [small(), rich()].map(|spec| build(&spec)) {
        for entry in net.state().entries() {
            let (key, shape, count) = (entry.key.as_str(), entry.tensor.size(), entry.tensor.numel() as f64);
            let last = key.rsplit('.').next().expect("a key has a last part");
            let spread = entry.tensor.to_kind(Kind::Double).std(false).double_value(&[]);
            let mean = entry.tensor.mean(Kind::Double).double_value(&[]);
            match last {
                "running_deconv" => assert_eq!(entry.tensor, Tensor::eye(shape[0], (Kind::Float, Device::Cpu))),
                "weight_u" | "weight_v" if shape.len() == 1 => {
                    let norm = entry.tensor.norm().double_value(&[]);
                    assert!((norm - 1.0).abs() < 1e-5, "{key}: {norm}");
                }
                "weight_g" => {
                    let direction = &net.state().get(&key.replace("weight_g", "weight_v")).expect("a pair").tensor;
                    let lengths = direction.norm_scalaropt_dim(2, [1, 2, 3], true);
                    assert!(entry.tensor.allclose(&lengths, 1e-6, 0.0, false), "{key}");
                }
                _ if shape.len() > 1 => {
                    let share = spread / initial_spread(key, count / shape[0] as f64);
                    // 6 standard errors of a normal sample's standard deviation; few weights need a little more.
                    let allowed = 6.0 / (2.0 * count).sqrt() + 1.0 / count;
                    assert!((share - 1.0).abs() < allowed, "{key}: {share} of the right spread");
                }
                _ => {
                    let last_norm = key.contains("convpath.2.1.weight");
                    let one = last == "running_var" || (key.ends_with(".1.weight") && !last_norm);
                    assert_eq!((spread, mean), (0.0, f64::from(u8::from(one))), "{key}");
                }
            }
            let decays = entry.role == Role::Parameter && (shape.len() > 1 || last == "gamma");
            assert_eq!(entry.decay, decays, "{key}");
        }
    }
}

#[test]
fn counts_are_the_published_ones_where_no_golden_net_has_them() {
    for (outputs, count) in [(104, 23_212_232), (1000, 25_048_136)] {
        let net = build(&XResNetSpec::xresnext50(outputs));
        assert_eq!(net.state().parameter_count(), count);
    }
}

#[test]
fn any_input_size_goes_through_and_evaluation_changes_no_buffer() {
    let net = build(&small());
    let _guard = tch::no_grad_guard();
    for (height, width) in [(1, 1), (33, 7), (64, 64)] {
        assert_eq!(net.logits(&images(height, width), false).size(), [2, 5]);
    }
    let mean = || net.state().get("0.1.running_mean").expect("a stem has a norm").tensor.abs().sum(Kind::Double);
    assert_eq!(mean().double_value(&[]), 0.0);
    let _ = net.logits(&images(32, 32), true);
    assert!(mean().double_value(&[]) > 0.0);
}

#[test]
fn every_pooling_takes_the_smallest_input_that_it_promises() {
    let _guard = tch::no_grad_guard();
    for part in POOLS {
        let spec = XResNetSpec { pool: part.name, ..small() };
        let net = build(&spec);
        for side in [spec.input_px_min(), spec.input_px_min() + 1, 37] {
            assert_eq!(net.logits(&images(side, side), false).size(), [2, 5], "{} at {side} px", part.name);
        }
    }
}

#[test]
fn every_variant_of_the_multi_kernel_block_is_built_as_its_notebook_has_it() {
    let shapes = |variant| {
        let spec = XResNetSpec { attention: None, self_attention: None, ..rich() };
        let spec = XResNetSpec { block: BlockSpec { variant, ..spec.block }, ..spec };
        let net = build(&spec);
        move |key: &str| net.state().get(key).map(|entry| entry.tensor.size())
    };
    for (variant, stage_0, stage_1_first) in [
        // Which layer of stage 0 is squeeze-and-excite, and on how many channels.
        (Variant::D, ("4.0.convpath.2.layers.2.0.weight", 16), ("5.0.convpath.0.0.weight", vec![32, 256, 1, 1])),
        (
            Variant::E,
            ("4.0.convpath.2.layers.2.0.weight", 16),
            ("5.0.convpath.0.0.convs.1.weight", vec![16, 128, 5, 5]),
        ),
        (
            Variant::F,
            ("4.0.convpath.3.layers.2.0.weight", 256),
            ("5.0.convpath.0.0.convs.1.weight", vec![16, 128, 5, 5]),
        ),
        (Variant::G, ("4.0.convpath.3.layers.2.0.weight", 256), ("5.0.convpath.0.0.running_deconv", vec![64, 64])),
    ] {
        let shape = shapes(variant);
        assert_eq!(shape(stage_0.0).map(|size| size[0]), Some(stage_0.1), "{variant:?}");
        assert_eq!(shape(stage_1_first.0), Some(stage_1_first.1), "{variant:?}");
        // No squeeze-and-excite among four kernels; last in a stage of one kernel.
        assert_eq!(shape("5.0.convpath.3.layers.2.0.weight"), None, "{variant:?}");
        assert_eq!(shape("5.0.convpath.2.layers.2.0.weight"), None, "{variant:?}");
        assert_eq!(shape("6.0.convpath.3.layers.2.0.weight"), Some(vec![1024, 64, 1, 1]), "{variant:?}");
        assert_eq!(shape("6.0.convpath.1.0.weight"), Some(vec![64, 16, 3, 3]), "{variant:?}");
    }
}

#[test]
fn the_same_state_gives_the_same_step_whatever_was_done_before() {
    // What a resumed run rests on: a forward pass depends on the registered state alone.
    let (first, second) = (build(&rich()), build(&rich()));
    let batches: Vec<Tensor> = (0..4).map(|_| images(32, 32)).collect();
    for batch in &batches[..3] {
        let _ = first.logits(batch, true);
    }
    for (from, to) in first.state().entries().iter().zip(second.state().entries()) {
        let _guard = tch::no_grad_guard();
        to.tensor.shallow_clone().copy_(&from.tensor);
    }
    let step = |net: &XResNet| {
        net.logits(&batches[3], true).square().sum(Kind::Float).backward();
        let gradients = net.state().parameters().map(|entry| entry.tensor.grad());
        (gradients.collect::<Vec<_>>(), net.state().snapshot())
    };
    assert_eq!(step(&first), step(&second));
}

#[test]
fn a_frozen_deconvolution_keeps_its_statistics_until_its_cycle_is_over() {
    let net = build(&rich());
    let sum = |key: &str| net.state().get(key).expect(key).tensor.sum(Kind::Double).double_value(&[]);
    let _guard = tch::no_grad_guard();
    let moved: Vec<bool> = (0..12)
        .map(|_| {
            let before = (sum("0.0.running_mean"), sum("1.0.running_mean"));
            let _ = net.logits(&images(32, 32), true);
            assert_ne!(sum("1.0.running_mean"), before.1, "only the first layer freezes");
            sum("0.0.running_mean") != before.0
        })
        .collect();
    let expected: Vec<bool> = (0..12).map(|step| step % 10 < 2).collect();
    assert_eq!(moved, expected);
    let _ = net.logits(&images(32, 32), false);
    assert_eq!(sum("0.0.counter"), 2.0, "evaluation is no step");
}

#[test]
fn images_in_half_precision_go_through_with_weights_and_statistics_in_full() {
    let net = build(&rich());
    let x = images(32, 32);
    let halved = x.to_kind(Kind::BFloat16);
    let logits = net.logits(&halved, true);
    assert_eq!(logits.kind(), Kind::BFloat16);
    // Compared in evaluation: a norm over a handful of values makes much of small differences.
    let (exact, found) = (net.logits(&x, false), net.logits(&halved, false).to_kind(Kind::Float));
    let error = (&found - &exact).norm().double_value(&[]) / exact.norm().double_value(&[]);
    assert!(error < 0.1, "{error}");
    logits.sum(Kind::Float).backward();
    for entry in net.state().parameters() {
        let gradient = entry.tensor.grad();
        assert_eq!(gradient.kind(), Kind::Float, "{}", entry.key);
        assert!(bool::try_from(gradient.isfinite().all()).expect("a truth value"), "{}", entry.key);
    }
}

#[test]
fn channels_last_gives_the_same_numbers() {
    let net = build(&rich());
    let x = images(32, 32);
    let (trained, evaluated) = (net.logits(&x, true).detach(), net.logits(&x, false).detach());
    let again = build(&rich());
    {
        let _guard = tch::no_grad_guard();
        for (from, to) in net.state().entries().iter().zip(again.state().entries()) {
            if from.role == Role::Parameter {
                to.tensor.shallow_clone().copy_(&from.tensor);
            }
        }
        // The power iteration has no part in the comparison.
        for key in ["4.0.convpath.5.conv.weight_u", "4.0.convpath.5.conv.weight_v"] {
            let (from, to) = (net.state().get(key), again.state().get(key));
            to.expect(key).tensor.shallow_clone().copy_(&from.expect(key).tensor);
        }
    }
    again.state().to_channels_last();
    let x = x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
    let close = |a: &Tensor, b: &Tensor| (a - b).norm().double_value(&[]) < 1e-3 * b.norm().double_value(&[]);
    assert!(close(&again.logits(&x, true), &trained));
    assert!(close(&again.logits(&x, false), &evaluated));
}

#[test]
fn impossible_descriptions_are_refused_by_key() {
    assert_eq!((small().check(), rich().check()), (Ok(()), Ok(())));
    let stem = |stem: StemSpec| XResNetSpec { stem, ..small() };
    let block = |block: BlockSpec| XResNetSpec { block, ..small() };
    let mk = |kernels: Vec<Vec<i64>>| XResNetSpec { block: BlockSpec { kernels, ..rich().block }, ..small() };
    let basic = BlockSpec::new("basic").expect("a kind");
    let three = vec![3];
    for (spec, message) in [
        (XResNetSpec { outputs: 0, ..small() }, "`outputs` is 0: it must be a whole number from 1 to 1000000"),
        (XResNetSpec { layers: [1, 1, i64::MAX, 1], ..small() }, "`layers.2` is 9223372036854775807: it must"),
        (
            XResNetSpec { squeeze_excite: 257, ..small() },
            "`squeeze_excite` is 257: of the 256 channels that it works on in body stage 0 that leaves none; it must be at \
             most 256, or 0",
        ),
        (XResNetSpec { squeeze_excite: -1, ..small() }, "`squeeze_excite` is -1"),
        (XResNetSpec { self_attention: Some(4), ..small() }, "`self_attention_stage` is 4: it must be a whole number"),
        (XResNetSpec { pool: "mean", ..small() }, "`pool` is \"mean\", but it must be one of `max`, `max_blur_2020`"),
        (XResNetSpec { attention: Some("x"), ..small() }, "`attention` is \"x\", but it must be one of `eca`"),
        (stem(StemSpec::new("conv", [0, 1, 1])), "`stem.widths.0` is 0"),
        (stem(StemSpec::new("patch", [1, 1, 1])), "`stem.kind` is \"patch\", but it must be one of `conv`, `deconv`"),
        (stem(StemSpec { iterations: [5, 0, 5], ..small().stem }), "`stem.iterations.1` is 0"),
        (stem(StemSpec { freeze_after: [0, 0, -1], ..small().stem }), "`stem.freeze_after.2` is -1"),
        (block(BlockSpec { kind: "x", ..basic.clone() }), "`block.kind` is \"x\""),
        (block(BlockSpec { groups: 0, ..basic.clone() }), "`block.groups` is 0"),
        (block(BlockSpec { expansion: 4, ..basic.clone() }), "`block.expansion` is 4: blocks of kind \"basic\" have"),
        (block(BlockSpec { expansion: -1, ..small().block }), "`block.expansion` is -1"),
        (
            block(BlockSpec { groups: 3, ..basic }),
            "`block.groups` is 3: the 8 channels that come into body stage 0 don't divide into it",
        ),
        (mk(vec![three.clone(); 3]), "`block.kernels` has 3 lists: it must have 4, one for each body stage"),
        (mk(vec![three.clone(), vec![], three.clone(), three.clone()]), "`block.kernels.1` has 0 kernels"),
        (
            mk(vec![vec![3, 4], three.clone(), three.clone(), three.clone()]),
            "`block.kernels.0.1` is 4: a kernel's side",
        ),
        (mk(vec![vec![33], three.clone(), three.clone(), three.clone()]), "`block.kernels.0.0` is 33"),
        (
            mk(vec![vec![3, 5, 7], three.clone(), three.clone(), three]),
            "`block.kernels.0` has 3 kernels: 16 channels in 3 parts make one of 6, which doesn't divide into",
        ),
    ] {
        let error = spec.check().expect_err(message).to_string();
        assert!(error.starts_with(message), "{error}\n  should be {message}");
    }
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).contiguous().view([-1])).expect("numbers")
}

#[test]
fn a_second_head_gives_vectors_of_length_one_and_leaves_the_rest_of_the_net_as_it_was() {
    let seeded = |spec: &XResNetSpec| {
        let _guard = generator();
        tch::manual_seed(5);
        XResNet::new(spec, Device::Cpu, Kind::Float)
    };
    let (plain, two) = (seeded(&small()), seeded(&XResNetSpec { embedding: Some(6), ..small() }));
    let keys = |net: &XResNet| net.state().entries().iter().map(|entry| entry.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&two)[..keys(&plain).len()], keys(&plain));
    assert_eq!(keys(&two)[keys(&plain).len()..], ["embedding.weight", "embedding.bias"]);
    let x = images(20, 16);
    let heads = two.forward(std::slice::from_ref(&x), true);
    assert_eq!(heads.iter().map(Tensor::size).collect::<Vec<_>>(), [[2, 5], [2, 6]]);
    assert_eq!(heads[0], plain.logits(&x, true));
    // The mean over the map, the linear layer, and the length taken out, in plain numbers.
    let (map, layer) = (two.features(&x, false), |name: &str| values(&two.state().get(name).expect(name).tensor));
    let (weight, bias) = (layer("embedding.weight"), layer("embedding.bias"));
    let found = values(&two.forward(std::slice::from_ref(&x), false)[1]);
    for row in 0..2 {
        let means: Vec<f64> = values(&map.get(row).mean_dim([1i64, 2].as_slice(), false, None));
        let linear = |n: usize| bias[n] + (0..means.len()).map(|c| weight[n * means.len() + c] * means[c]).sum::<f64>();
        let vector: Vec<f64> = (0..6).map(linear).collect();
        let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        for n in 0..6 {
            assert!((found[row as usize * 6 + n] - vector[n] / length).abs() < 1e-5, "{row} {n}");
        }
    }
}

#[test]
fn views_of_one_size_are_one_batch_and_others_go_on_their_own() {
    let net = build(&XResNetSpec { embedding: Some(3), ..small() });
    let again = build(&XResNetSpec { embedding: Some(3), ..small() });
    for (key, tensor) in net.state().snapshot() {
        again.state().get(&key).expect("the same net").tensor.shallow_clone().set_requires_grad(false).copy_(&tensor);
    }
    let (a, b, c) = (images(16, 16), images(24, 24), images(16, 16) * 0.3);
    let heads = net.forward(&[a.shallow_clone(), b.shallow_clone(), c.shallow_clone()], true);
    assert_eq!(heads.iter().map(Tensor::size).collect::<Vec<_>>(), [[2, 5], [2, 5], [2, 5], [2, 3], [2, 3], [2, 3]]);
    let joined = again.forward(&[Tensor::cat(&[&a, &c], 0)], true);
    let alone = again.forward(std::slice::from_ref(&b), true);
    for (head, expected) in [
        (&heads[0], joined[0].narrow(0, 0, 2)),
        (&heads[2], joined[0].narrow(0, 2, 2)),
        (&heads[1], alone[0].shallow_clone()),
        (&heads[3], joined[1].narrow(0, 0, 2)),
        (&heads[5], joined[1].narrow(0, 2, 2)),
        (&heads[4], alone[1].shallow_clone()),
    ] {
        assert_eq!(head, &expected);
    }
    // The running statistics saw a joined batch and a single one, in that order.
    for (key, tensor) in net.state().snapshot() {
        assert_eq!(tensor, again.state().get(&key).expect("the same net").tensor, "{key}");
    }
}
