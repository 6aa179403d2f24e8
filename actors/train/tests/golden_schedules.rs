//! Schedules against fastai.

use fastgarden_train::schedule::Schedule;
use serde_json::Value;

use crate::golden::{SHARP, close, parse, read};

/// The schedule that an entry names.
fn schedule(case: &Value) -> Schedule {
    match parse::<String>(&case["schedule"]).as_str() {
        "fit" => Schedule::Constant,
        "fit_flat_cos" => {
            Schedule::FlatCos { flat_share: parse(&case["pct_start"]), final_divisor: parse(&case["div_final"]) }
        }
        "fit_one_cycle" => {
            let (first, momentum_low, last): (f64, f64, f64) = parse(&case["moms"]);
            assert_eq!(first, last, "the momentum returns to where it began");
            Schedule::OneCycle {
                rise_share: parse(&case["pct_start"]),
                start_divisor: parse(&case["div"]),
                final_divisor: parse(&case["div_final"]),
                momentum: (first, momentum_low),
            }
        }
        other => panic!("the golden file has a schedule {other:?} that this test doesn't know"),
    }
}

#[test]
fn golden_schedules() {
    let set = read("optim.json");
    let cases: Vec<Value> = parse(&set["schedules"]);
    assert!(!cases.is_empty());
    for case in &cases {
        let schedule = schedule(case);
        let (base, total): (f64, u64) = (parse(&case["lr"]), parse(&case["total"]));
        let (steps, expected): (Vec<u64>, Vec<f64>) = (parse(&case["steps"]), parse(&case["lr_at"]));
        assert_eq!(steps.len(), expected.len());
        assert!(!steps.is_empty());
        for (&step, &lr) in steps.iter().zip(&expected) {
            let found = schedule.rates(base, step, total).lr;
            close(found, lr, lr, SHARP, &format!("{schedule:?} at step {step} of {total}"));
        }
        let momenta: Vec<f64> = case.get("mom_at").map_or(Vec::new(), parse);
        for (&step, &momentum) in steps.iter().zip(&momenta) {
            let found = schedule.rates(base, step, total).momentum.expect("it moves the momentum");
            close(found, momentum, momentum, SHARP, &format!("momentum of {schedule:?} at step {step} of {total}"));
        }
    }
}
