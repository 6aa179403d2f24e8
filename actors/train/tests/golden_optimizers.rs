//! Optimiser trajectories against torch.optim and fastai. Not here: that saved state goes on (the checkpoint's tests).

use fastgarden_train::optimizer::{
    Adam, AdamOptions, Lookahead, LookaheadOptions, Muon, MuonOptions, Optimizer, RAdam, RAdamOptions, Ranger, Sgd,
    SgdOptions,
};
use fastgarden_train::state::StateDict;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::golden::{PRECISIONS, close, parse, read, values};

/// Settings with a default, as torch's constructors have them.
fn setting<T: for<'a> serde::Deserialize<'a>>(hyper: &Value, name: &str, default: T) -> T {
    hyper.get(name).map_or(default, parse)
}

/// The optimiser that an entry names.
fn optimizer(case: &Value, state: &StateDict) -> Box<dyn Optimizer> {
    let hyper = &case["hyper"];
    match parse::<String>(&case["optimizer"]).as_str() {
        "torch.SGD" => {
            let options = SgdOptions {
                momentum: setting(hyper, "momentum", 0.0),
                weight_decay: setting(hyper, "weight_decay", 0.0),
                nesterov: setting(hyper, "nesterov", false),
            };
            Box::new(Sgd::new(state, options))
        }
        "torch.AdamW" | "torch.Adam" => {
            let coupled_decay = case["optimizer"] == "torch.Adam";
            let options = AdamOptions {
                coupled_decay,
                betas: setting(hyper, "betas", (0.9, 0.999)),
                eps: setting(hyper, "eps", 1e-8),
                weight_decay: setting(hyper, "weight_decay", if coupled_decay { 0.0 } else { 0.01 }),
            };
            Box::new(Adam::new(state, options))
        }
        "RAdam" => Box::new(RAdam::new(state, radam(hyper))),
        "ranger" => Box::new(Ranger::ranger(state, radam(hyper), lookahead(hyper))),
        name if name.contains("Muon") => {
            let weight_decay = setting(hyper, "wd", setting(hyper, "weight_decay", 0.1));
            let options = MuonOptions { weight_decay, ..MuonOptions::default() };
            Box::new(Muon::over(state, options, |_| Some(1)))
        }
        "Lookahead(SGD)" => {
            // fastai's SGD couples no decay; the golden cases have none.
            assert_eq!(setting(hyper, "wd", 0.0), 0.0, "only without decay");
            let options = SgdOptions { momentum: setting(hyper, "mom", 0.9), ..SgdOptions::default() };
            Box::new(Lookahead::new(state, Sgd::new(state, options), lookahead(hyper)))
        }
        other => panic!("the golden file has an optimiser {other:?} that this test doesn't know"),
    }
}

/// fastai's names of RAdam's settings.
fn radam(hyper: &Value) -> RAdamOptions {
    let usual = RAdamOptions::default();
    RAdamOptions {
        betas: (setting(hyper, "mom", usual.betas.0), setting(hyper, "sqr_mom", usual.betas.1)),
        eps: setting(hyper, "eps", usual.eps),
        weight_decay: setting(hyper, "wd", usual.weight_decay),
    }
}

fn lookahead(hyper: &Value) -> LookaheadOptions {
    let usual = LookaheadOptions::default();
    LookaheadOptions { steps: setting(hyper, "k", usual.steps), alpha: setting(hyper, "alpha", usual.alpha) }
}

/// A state of one parameter with the trajectory's starting values.
fn start(shape: &[i64], phase: f64, decay: bool, kind: Kind) -> StateDict {
    let count: i64 = shape.iter().product();
    let p0: Vec<f64> = (0..count).map(|i| 2.0 * (1.3 * i as f64 + phase).sin()).collect();
    StateDict::of_parameters([("p".to_owned(), crate::fill::rounded(&p0, shape, kind), decay)], Device::Cpu, kind)
}

/// Sets the gradient of step `t` (from 1) at the parameter's present value.
fn set_gradient(parameter: &Tensor, t: u64) {
    let (shape, kind) = (parameter.size(), parameter.kind());
    let of = |formula: &dyn Fn(f64) -> f64| {
        let values: Vec<f64> = (0..parameter.numel()).map(|i| formula(i as f64)).collect();
        Tensor::from_slice(&values).to_kind(kind).view(&shape[..])
    };
    let a = of(&|i| 1.0 + 0.5 * i.cos());
    let c = of(&|i| 0.4 * (2.1 * i).sin());
    let n = of(&|i| 0.3 * (0.5 * t as f64 + i).sin());
    // The gradient of sum(g * p) with respect to p is g.
    let g = a * (parameter.detach() - c) + n;
    (g * parameter).sum(kind).backward();
}

#[test]
fn golden_optimizers() {
    let set = read("optim.json");
    let cases: Vec<Value> = parse(&set["trajectories"]);
    assert!(!cases.is_empty());
    for case in &cases {
        let shape: Vec<i64> = parse(&case["shape"]);
        for (column, kind) in PRECISIONS {
            let state = start(&shape, parse(&case["p0_phase"]), setting(&case["hyper"], "do_wd", true), kind);
            let mut optimizer = optimizer(case, &state);
            let rows: Vec<Vec<f64>> = parse(&case[column]);
            assert!(!rows.is_empty());
            // torch's Muon iterates in bfloat16, which ours doesn't.
            let is_rough = case["optimizer"].as_str().is_some_and(|name| name.starts_with("torch.Muon"));
            let tolerance = match column {
                _ if is_rough => 2e-3,
                "float64" => 1e-8,
                _ => 1e-5,
            };
            for (index, row) in rows.iter().enumerate() {
                optimizer.zero_grad(&state);
                set_gradient(&state.entries()[0].tensor, index as u64 + 1);
                optimizer.step(&state, parse::<f64>(&case["hyper"]["lr"]).into());
                let found = values(&state.entries()[0].tensor);
                assert_eq!(found.len(), row.len());
                for (value, &expected) in found.iter().zip(row) {
                    let what = format!("{} {} {column} step {}", case["optimizer"], case["hyper"], index + 1);
                    close(*value, expected, 1.0, tolerance, &what);
                }
            }
        }
    }
}
