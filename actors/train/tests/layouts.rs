//! The names that fastai and timm give to our tensors: whole key lists, round trips, refusals.
//! The same against the libraries themselves: `docs/check_layouts.py`.

use std::collections::{BTreeMap, HashMap};

use fastgarden_train::layout::{Layout, export, import, timm_constructor};
use fastgarden_train::net::Net;
use fastgarden_train::net::activation::Activation;
use fastgarden_train::net::stem::StemSpec;
use fastgarden_train::net::xresnet::{XResNet, XResNetSpec};
use fastgarden_train::transfer::{Fate, Transfer};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::fill::{fill, input};
use crate::golden::{parse, read};
use crate::golden_nets::spec;

/// (key, shape) of every entry.
type Keys = BTreeMap<String, Vec<i64>>;

fn net(spec: &XResNetSpec) -> XResNet {
    XResNet::new(spec, Device::Cpu, Kind::Float)
}

fn exported(net: &XResNet, spec: &XResNetSpec, layout: Layout) -> Vec<(String, Tensor)> {
    export(spec, net.state().snapshot(), layout).expect("the layout has such a net")
}

fn keys(tensors: &[(String, Tensor)]) -> Keys {
    tensors.iter().map(|(key, tensor)| (key.clone(), tensor.size())).collect()
}

#[test]
fn golden_fastai_keys() {
    let set: Value = read("models.json");
    for (name, model) in set["models"].as_object().expect("models by name") {
        let state: Vec<(String, String, Vec<i64>)> = parse(&model["state"]);
        let outputs = state.last().expect("a net has tensors").2[0];
        let spec = spec(name, outputs);
        let mut expected: Keys = state.into_iter().map(|(key, _, shape)| (key, shape)).collect();
        // PyTorch's BatchNorm has a counter beside its variance; the golden lists may leave it out.
        let norms: Vec<_> =
            expected.keys().filter_map(|key| key.strip_suffix("running_var")).map(str::to_owned).collect();
        expected.extend(norms.into_iter().map(|norm| (format!("{norm}num_batches_tracked"), Vec::new())));
        assert_eq!(keys(&exported(&net(&spec), &spec, Layout::Fastai)), expected, "{name}");
    }
}

/// The nets of the fixture, whose keys real timm printed.
fn timm_nets() -> [(&'static str, XResNetSpec); 4] {
    let tiered =
        XResNetSpec { stem: StemSpec::new("conv", [24, 32, 64]), squeeze_excite: 16, ..XResNetSpec::xresnet34(104) };
    [
        ("resnet18d", XResNetSpec::xresnet18(104)),
        ("resnet50d", XResNetSpec::xresnet50(104)),
        ("se_resnext50", XResNetSpec::xse_resnext50(104)),
        ("tiered_se_resnet34", tiered),
    ]
}

#[test]
fn timm_has_these_keys_and_no_others() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/timm_keys.json")).expect("valid JSON");
    for (name, spec) in timm_nets() {
        let expected: Keys = parse::<Vec<(String, Vec<i64>)>>(&fixture[name]).into_iter().collect();
        assert_eq!(keys(&exported(&net(&spec), &spec, Layout::Timm)), expected, "{name}");
    }
}

#[test]
fn what_goes_out_comes_back_as_the_same_net() {
    tch::set_num_threads(1);
    let images = input(&[2, 3, 64, 64], 0.3, Kind::Float);
    let cases = [
        (XResNetSpec::xse_resnext50(104), Layout::Timm),
        (spec("system3", 104), Layout::Fastai),
        (spec("system2", 104), Layout::Native),
    ];
    let _guard = tch::no_grad_guard();
    for (spec, layout) in cases {
        let (one, other) = (net(&spec), net(&spec));
        fill(one.state(), 1e-4);
        let own: Vec<String> = other.state().entries().iter().map(|entry| entry.key.clone()).collect();
        let out: HashMap<_, _> = exported(&one, &spec, layout).into_iter().collect();
        let (back, found) = import(&spec, &own, out);
        assert_eq!(found, layout);
        let transfer = Transfer::plan(other.state(), &back);
        assert!(transfer.layers.iter().all(|layer| layer.fate == Fate::Copied), "{layout:?}: {:?}", transfer.layers);
        transfer.apply(other.state(), &back);
        assert!(
            one.forward(std::slice::from_ref(&images), false)[0]
                .equal(&other.forward(std::slice::from_ref(&images), false)[0]),
            "{layout:?}"
        );
    }
}

#[test]
fn a_freezing_deconvolution_keeps_its_counter_to_itself_and_halves_are_widened() {
    let mut spec = spec("system3", 104);
    spec.stem.freeze_after = [2, 0, 0];
    let source = net(&spec);
    assert!(source.state().get("0.0.counter").is_some());
    let out = exported(&source, &spec, Layout::Fastai);
    assert!(out.iter().all(|(key, _)| key != "0.0.counter"));
    let halves = out.into_iter().map(|(key, tensor)| (key, tensor.to_kind(Kind::Half))).collect();
    let (back, _) = import(&spec, &[], halves);
    assert!(back.values().all(|tensor| tensor.kind() == Kind::Float));
}

#[test]
fn what_timm_can_not_build_is_refused_by_name() {
    let plain = XResNetSpec::xresnet50(104);
    let cases = [
        (spec("system1", 104), "`net.stem.kind` \"deconv\""),
        (spec("system2", 104), "`net.block.kind` \"mk\""),
        (spec("xresnet50_sa_1000", 1000), "`net.self_attention` true"),
        (XResNetSpec::xse_resnext34(104), "`net.block.groups` 32 in basic blocks"),
        (XResNetSpec { pool: "max_blur", ..plain.clone() }, "`net.pool` \"max_blur\""),
        (XResNetSpec { attention: Some("eca"), ..plain.clone() }, "`net.attention` \"eca\""),
        (XResNetSpec { squeeze_excite: 12, ..plain.clone() }, "`net.squeeze_excite` 12"),
        (XResNetSpec { stem: StemSpec::new("conv", [16, 32, 64]), ..plain }, "`net.stem.widths` [16, 32, 64]"),
    ];
    for (spec, expected) in cases {
        let error = export(&spec, Vec::new(), Layout::Timm).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}\n{expected}");
        assert!(timm_constructor(&spec).is_err());
        assert!(export(&spec, Vec::new(), Layout::Fastai).is_ok());
    }
}

#[test]
fn the_line_of_python_names_every_part() {
    let line = |spec: &XResNetSpec| timm_constructor(spec).expect("timm has such a net");
    assert_eq!(
        line(&XResNetSpec::xresnet18(104)),
        "timm.models.resnet.ResNet(timm.models.resnet.BasicBlock, [2, 2, 2, 2], num_classes=104, stem_type='deep', \
         stem_width=32, avg_down=True)"
    );
    let smooth = XResNetSpec { activation: Activation::Mish, ..XResNetSpec::xse_resnext50(104) };
    assert!(line(&smooth).ends_with(
        "cardinality=32, base_width=4, act_layer=torch.nn.Mish, block_args={'attn_layer': \
         functools.partial(timm.layers.SEModule, rd_ratio=1/16, act_layer=torch.nn.Mish)})"
    ));
}

#[test]
fn an_embedding_head_stays_at_home() {
    let plain = XResNetSpec::xresnet18(104);
    let two = XResNetSpec { embedding: Some(8), ..plain.clone() };
    let (one, other) = (net(&plain), net(&two));
    let own: Vec<String> = other.state().entries().iter().map(|entry| entry.key.clone()).collect();
    for layout in [Layout::Fastai, Layout::Timm] {
        assert_eq!(keys(&exported(&other, &two, layout)), keys(&exported(&one, &plain, layout)));
        let out: HashMap<_, _> = exported(&other, &two, layout).into_iter().collect();
        let transfer = Transfer::plan(other.state(), &import(&two, &own, out).0);
        let missing: Vec<_> = transfer.layers.iter().filter(|layer| layer.fate != Fate::Copied).collect();
        assert_eq!(missing.iter().map(|layer| layer.layer.as_str()).collect::<Vec<_>>(), ["embedding"]);
        assert_eq!(missing[0].fate, Fate::Initialised);
    }
    let out: HashMap<_, _> = exported(&other, &two, Layout::Native).into_iter().collect();
    let transfer = Transfer::plan(other.state(), &import(&two, &own, out).0);
    assert!(transfer.layers.iter().all(|layer| layer.fate == Fate::Copied));
    let backwards = Transfer::plan(one.state(), &other.state().snapshot().into_iter().collect());
    assert_eq!(backwards.count(&Fate::Unused), (1, 8 * 513));
}
