//! `verify --ledger` as a user meets it: what was done to a ledger is named, what it says of other data or rules is refused.
//! A tiny net on a tiny garden; the ledgers' own properties are tested with the audit in `fastgarden-data`.

use std::fs;
use std::path::{Path, PathBuf};

use fastgarden_data::ledger::{Link, genesis, written};
use fastgarden_proto::ledger::line::Line;
use serde_json::Value;

use crate::common::{Output, Place, cut, flip, garden};

const RECIPE: &str = r#"
name = "tiny"
summary = "for tests"
[net]
kind = "xresnet"
stem = { kind = "conv", widths = [8, 8, 64] }
block = { kind = "basic" }
layers = [1, 1, 1, 1]
outputs = 104
[optimizer]
kind = "sgd"
lr = 0.01
[[stage]]
epochs = 2
source_px = 48
input_px = 32
batch_size = 8
drop_last = true
[evaluation]
source_px = 48
resize_px = 40
input_px = 32
[execution]
cpu_threads = 1
"#;

/// A finished run of 2 epochs × 5 steps over 44 pictures: 13 lines.
struct Trained {
    place: Place,
    run: PathBuf,
}

impl Trained {
    fn new() -> Self {
        let place = Place::new();
        garden(&place.path("garden"), 44, 10, 48);
        fs::write(place.path("tiny.toml"), RECIPE).unwrap();
        place.run("train tiny.toml --data garden --seed 1 --device cpu --rules none").expect_code(0);
        let series = fs::read_dir(place.path("runs")).unwrap().next().unwrap().unwrap().path();
        Self { place, run: series.join("seed-1") }
    }

    fn ledger(&self) -> PathBuf {
        self.run.join("ledger.jsonl")
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.ledger()).unwrap().lines().map(str::to_owned).collect()
    }

    fn write(&self, lines: &[String]) {
        fs::write(self.ledger(), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }

    /// Changes what a line says, and chains it and all after it anew.
    fn rechain(&self, number: usize, change: impl Fn(&mut Line)) {
        let (mut head, mut text) = (genesis(), String::new());
        for (line, at) in self.lines().iter().zip(1..) {
            let mut line = Link::of(line.as_bytes()).unwrap().parse().unwrap();
            if at == number {
                change(&mut line);
            }
            let (line, chain) = written(&head, &line);
            text += &line;
            head = chain;
        }
        fs::write(self.ledger(), text).unwrap();
    }

    /// Nobody remembers the ledger's end any more.
    fn forget(&self) {
        fs::remove_file(self.run.with_file_name("report.json")).unwrap();
        fs::remove_dir_all(self.run.join("checkpoints")).unwrap();
    }

    fn verify(&self, more: &str) -> Output {
        self.place.run(&format!("verify --ledger {} {more}", self.run.display()))
    }

    /// The faults of a ledger that does not hold.
    fn faults(&self, more: &str) -> Vec<String> {
        let output = self.verify(&format!("{more} --format json")).expect_code(4);
        let document = output.json();
        assert_eq!(document["sound"], false);
        let faults = document["ledgers"][0]["faults"].as_array().unwrap().iter();
        faults.map(|fault| fault["what"].as_str().unwrap().to_owned()).collect()
    }
}

fn first_ledger(output: &Output) -> Value {
    output.json()["ledgers"][0].clone()
}

#[test]
fn a_sound_run_is_whole_by_every_look_at_it() {
    let trained = Trained::new();
    let told = trained.verify("").expect_code(0).stdout;
    assert!(
        told.contains("whole: nothing missing") && told.contains("not proved by a ledger: losses, accuracies"),
        "{told}"
    );
    let checkpoint =
        fs::read_dir(trained.run.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let more = format!("--data garden --pixels --checkpoint {} --device cpu --format json", checkpoint.display());
    let ledger = first_ledger(&trained.verify(&more).expect_code(0));
    let report: Value =
        serde_json::from_str(&fs::read_to_string(trained.run.with_file_name("report.json")).unwrap()).unwrap();
    assert_eq!((&ledger["standing"], &ledger["steps"], &ledger["epochs"]), (&"whole".into(), &10.into(), &2.into()));
    assert_eq!((&ledger["pixels"]["batches"], &ledger["pixels"]["images"]), (&10.into(), &80.into()));
    let run = &report["runs"][0];
    assert_eq!(ledger["checkpoint"]["accuracy"], run["accuracy"]);
    assert_eq!(ledger["ledger_head"], run["ledger_head"]);
    // A series stands for its runs.
    let series = trained.run.parent().unwrap();
    let told = trained.place.run(&format!("verify --ledger {}", series.display())).expect_code(0).stdout;
    assert!(told.contains("seed 1: 2 epochs, 10 steps"), "{told}");
}

#[test]
fn whatever_was_done_to_the_file_is_named_with_its_line() {
    let trained = Trained::new();
    let lines = trained.lines();
    assert_eq!(lines.len(), 13);
    let faults = |damage: &dyn Fn(&mut Vec<String>)| {
        let mut damaged = lines.clone();
        damage(&mut damaged);
        trained.write(&damaged);
        trained.faults("")
    };
    assert_eq!(faults(&|lines| drop(lines.remove(3))), ["line 4 is step 4: step 3 is missing before it"]);
    assert_eq!(faults(&|lines| lines.swap(3, 4)), ["line 4 has changed places with line 5"]);
    assert_eq!(faults(&|lines| lines.insert(5, lines[2].clone())), ["line 6 is line 3 once more"]);
    assert_eq!(
        faults(&|lines| drop(lines.remove(6))),
        ["line 7 is of epoch 2, but the line of epoch 1 is missing before it"]
    );
    assert_eq!(faults(&|lines| drop(lines.remove(0))), ["line 1 does not open a ledger: the first line is missing"]);
    let cut_whole = faults(&|lines| lines.truncate(11));
    assert!(
        cut_whole[0].starts_with("lines are missing at the end") && cut_whole[0].contains("report.json"),
        "{cut_whole:?}"
    );
    trained.write(&lines);
    let before: usize = lines[..4].iter().map(|line| line.len() + 1).sum();
    flip(&trained.ledger(), before + 20);
    assert_eq!(trained.faults(""), ["line 5 was changed after it was written"]);
    trained.write(&lines);
    cut(&trained.ledger(), before + 20);
    assert_eq!(trained.faults("")[0], "line 5 is cut short: the file ends in the middle of it");
    fs::write(trained.ledger(), "").unwrap();
    assert_eq!(trained.faults("").len(), 1);
    fs::write(trained.ledger(), [0xff, 0xfe, b'\n', 0, b'\n']).unwrap();
    assert!(trained.faults("").iter().all(|fault| fault.contains("chain member")));
}

#[test]
fn an_unfinished_run_is_consistent_so_far_where_nobody_remembers_its_end() {
    let trained = Trained::new();
    let lines = trained.lines();
    trained.forget();
    trained.write(&lines[..9]);
    let output = trained.verify("--format json").expect_code(0);
    let ledger = first_ledger(&output);
    assert_eq!((&ledger["standing"], &ledger["steps"]), (&"consistent_so_far".into(), &7.into()));
    let told = trained.verify("").expect_code(0).stdout;
    assert!(told.contains("consistent so far") && told.contains("would not be noticed"), "{told}");
}

#[test]
fn a_chain_made_anew_is_found_where_plan_outcomes_or_data_say_otherwise() {
    let trained = Trained::new();
    let lines = trained.lines();
    trained.forget();
    let found = |number, more: &str, change: &dyn Fn(&mut Line)| {
        trained.write(&lines);
        trained.rechain(number, change);
        trained.faults(more).join("\n")
    };
    let step = |line: &mut Line, change: &dyn Fn(&mut fastgarden_proto::ledger::Step)| match line {
        Line::Step(step) => change(step),
        _ => panic!("not a step"),
    };
    let told = found(4, "", &|line| step(line, &|step| step.loss = Some(0.25)));
    assert!(told.starts_with("line 7 has the train_loss"), "{told}");
    let told = found(4, "", &|line| step(line, &|step| step.seq_to += 8));
    assert!(told.starts_with("line 4 ends at ticket 32, but its batch ends at 24"), "{told}");
    let opening = |line: &mut Line, change: &dyn Fn(&mut fastgarden_proto::ledger::Opening)| match line {
        Line::Opening(opening) => change(opening),
        _ => panic!("not an opening"),
    };
    let told = found(1, "", &|line| opening(line, &|opening| opening.seed = 2));
    assert!(told.contains("line 1 has another plan_hash"), "{told}");
    let told = found(1, "", &|line| opening(line, &|opening| opening.cap = Some(12)));
    assert!(told.contains("line 1 has the cap 12, but the rules' is none"), "{told}");
    let told = found(1, "", &|line| opening(line, &|opening| opening.recipe_hash = "0".repeat(64)));
    assert!(told.contains("line 1 follows another recipe"), "{told}");
    let moved = |line: &mut Line| match line {
        Line::Epoch(epoch) => {
            let from = epoch.class_histogram.iter().position(|count| *count > 0).unwrap();
            epoch.class_histogram[from] -= 1;
            epoch.class_histogram[(from + 1) % 104] += 1;
        }
        _ => panic!("not an epoch"),
    };
    let told = found(7, "--data garden", &moved);
    assert!(told.contains("line 7 counts") && told.contains("but the plan and the data make it"), "{told}");
    let hash = |line: &mut Line| step(line, &|step| step.batch_hash = "1".repeat(64));
    let told = found(5, "--data garden --pixels", &hash);
    assert!(told.contains("line 5 has another batch_hash than the batch of step 4 made again"), "{told}");
    let accuracy = |line: &mut Line| match line {
        Line::Epoch(epoch) => epoch.accuracy = Some(0.9),
        _ => panic!("not an epoch"),
    };
    // What a ledger alone can't show.
    trained.write(&lines);
    trained.rechain(13, accuracy);
    let told = trained.verify("").expect_code(0).stdout;
    assert!(told.contains("not proved by a ledger"), "{told}");
}

#[test]
fn a_forged_accuracy_is_found_by_the_weights_and_by_the_report() {
    let trained = Trained::new();
    let checkpoint =
        fs::read_dir(trained.run.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let kept = trained.place.path("weights");
    copy_folder(&checkpoint, &kept);
    trained.rechain(13, |line| {
        if let Line::Epoch(epoch) = line {
            epoch.accuracy = Some(1.0);
        }
    });
    let told = trained.faults("").join("\n");
    assert!(told.contains("report.json"), "{told}");
    trained.forget();
    let more = format!("--data garden --checkpoint {} --device cpu", kept.display());
    let told = trained.faults(&more).join("\n");
    assert!(told.contains("and epoch 2 says 100.00 %"), "{told}");
}

#[test]
fn a_run_that_is_gone_and_a_report_that_cannot_be_read_are_told() {
    let trained = Trained::new();
    let series = trained.run.parent().unwrap().to_owned();
    let verify = || trained.place.run(&format!("verify --ledger {}", series.display()));
    fs::rename(&trained.run, series.join("seed-2")).unwrap();
    let told = verify().expect_code(4).stderr;
    assert!(told.contains("seed-1/ledger.jsonl is gone, and report.json tells of a finished run there"), "{told}");
    fs::rename(series.join("seed-2"), &trained.run).unwrap();
    verify().expect_code(0);
    cut(&series.join("report.json"), 100);
    let told = verify().expect_code(2).stderr;
    assert!(told.contains("report.json") && told.contains("move it away"), "{told}");
}

#[test]
fn losses_go_from_one_size_to_another_where_one_folder_of_shards_serves_both() {
    let place = Place::new();
    garden(&place.path("garden"), 44, 10, 48);
    let one = RECIPE.replace("epochs = 2", "epochs = 1").replace("drop_last = true\n", "");
    let (head, rest) = one.split_once("[[stage]]").unwrap();
    let (stage, tail) = rest.split_once("[evaluation]").unwrap();
    let hard = stage.replace("source_px = 48", "source_px = 64") + "sampler = { kind = \"hard\" }\n";
    fs::write(place.path("two.toml"), format!("{head}[[stage]]{stage}[[stage]]{hard}[evaluation]{tail}")).unwrap();
    let folder = "garden/tfrecords-jpeg-48x48";
    place.run(&format!("train two.toml --data {folder} --seed 1 --device cpu --rules none")).expect_code(0);
    let series = fs::read_dir(place.path("runs")).unwrap().next().unwrap().unwrap().path();
    let verify = format!("verify --ledger {}", series.display());
    place.run(&verify).expect_code(0);
    place.run(&format!("{verify} --data {folder} --pixels")).expect_code(0);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn other_data_and_other_rules_are_refused() {
    let trained = Trained::new();
    garden(&trained.place.path("other"), 45, 10, 48);
    let told = trained.faults("--data other").join("\n");
    assert!(told.contains("line 1 was trained on other data"), "{told}");
    let told = trained.faults("--rules fastgarden").join("\n");
    assert!(told.contains("line 1 was held to other rules"), "{told}");
}

#[test]
fn what_is_no_ledger_is_bad_usage() {
    let place = Place::new();
    for (words, expected) in [
        ("verify --ledger nowhere", "there is no ledger at nowhere"),
        ("verify", "SUBMISSION"),
        ("verify --pixels x", "--ledger"),
    ] {
        let output = place.run(words);
        assert_eq!(output.code, 2, "{}", output.stderr);
        assert!(output.stderr.contains(expected), "{}", output.stderr);
    }
    let trained = Trained::new();
    for (more, expected) in [("--pixels", "none is given"), ("--data nowhere", "nowhere")] {
        let told = trained.verify(more).expect_code(2).stderr;
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn limits_stop_a_run_before_they_are_passed() {
    let place = Place::new();
    garden(&place.path("garden"), 44, 10, 48);
    fs::write(place.path("tiny.toml"), RECIPE).unwrap();
    let train = |rules: &str, more: &str| {
        fs::write(place.path("rules.toml"), rules).unwrap();
        place.run(&format!("train tiny.toml --data garden --seed 1 --device cpu --rules rules.toml --out runs {more}"))
    };
    let told = train("epochs = 1", "").expect_code(4).stderr;
    assert!(told.contains("this run would have 2 epochs in its lineage, and the rules rules.toml allow 1"), "{told}");
    assert!(!place.path("runs").exists(), "a refused run leaves nothing");
    let told = train("max_seconds = 1", "--set stage.0.epochs=5000").expect_code(4).stderr;
    assert!(told.contains("and may take 1: it is stopped at step"), "{told}");
    let series = fs::read_dir(place.path("runs")).unwrap().next().unwrap().unwrap().path();
    let output = place.run(&format!("verify --ledger {} --format json", series.display())).expect_code(0);
    assert_eq!(first_ledger(&output)["standing"], "consistent_so_far");
    let told = train("max_seconds = 1", "--set stage.0.epochs=5000 --resume").expect_code(4).stderr;
    assert!(told.contains("and may take 1"), "{told}");
}
