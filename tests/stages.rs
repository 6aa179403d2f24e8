//! Recipe stages, starts from other runs, weights to and from files: what carries over and what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fastgarden_data::garden::{self, GardenSpec};
use fastgarden_data::ledger;
use fastgarden_proto::ledger::line::Line;
use fastgarden_train::checkpoint;
use serde_json::Value;

use crate::common::{Output, Place};

/// Two stages: 32 px shards, then 48 px ones.
const RECIPE: &str = r#"
name = "grow"
summary = "for tests"
[net]
kind = "xresnet"
stem = { kind = "conv", widths = [8, 8, 64] }
block = { kind = "basic" }
layers = [1, 1, 1, 1]
self_attention = true
outputs = 104
[optimizer]
kind = "ranger"
lr = 0.01
[[stage]]
epochs = 1
source_px = 32
input_px = 32
batch_size = 8
schedule = { kind = "constant" }
[[stage]]
epochs = 2
source_px = 48
input_px = 48
batch_size = 8
schedule = { kind = "flat_cos", flat_share = 0.5 }
[evaluation]
source_px = 48
resize_px = 48
input_px = 48
[checkpoint]
every_steps = 3
every_seconds = 0
[execution]
cpu_threads = 1
"#;

/// A place with one garden of 70 + 20 pictures in two sizes, and the recipe.
struct Nursery {
    place: Place,
}

impl Nursery {
    fn new() -> Self {
        let place = Place::new();
        grow(&place.path("garden"), 70);
        fs::write(place.path("grow.toml"), RECIPE).unwrap();
        Self { place }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    fn train(&self, out: &str, more: &str) -> Output {
        self.place.run(&format!("train grow.toml --data garden --out {out} --seed 1 --rules none --device cpu {more}"))
    }

    /// Trains, and returns the folder of the series.
    fn trained(&self, out: &str, more: &str) -> PathBuf {
        self.train(out, more).expect_code(0);
        self.series(out).unwrap()
    }

    fn series(&self, out: &str) -> Option<PathBuf> {
        fs::read_dir(self.path(out)).ok()?.map(|entry| entry.unwrap().path()).max()
    }

    fn report(&self, out: &str) -> Value {
        let text = fs::read_to_string(self.series(out).unwrap().join("report.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

fn grow(folder: &Path, train_records: u32) {
    let spec = GardenSpec { sizes_px: vec![32, 48], train_records, validation_records: 20, ..GardenSpec::default() };
    garden::write(&spec, folder, &|_, _| {}).expect("the folder is writable");
}

/// Steps that the optimiser of a run's last checkpoint has counted, and those of Lookahead.
fn counted(series: &Path) -> Vec<f64> {
    let loaded = checkpoint::newest_valid(&series.join("seed-1/checkpoints")).unwrap().found.unwrap();
    let mut counters: Vec<_> =
        loaded.tensors.iter().filter(|(name, _)| name.starts_with("optimizer/") && name.ends_with("step")).collect();
    counters.sort_by_key(|(name, _)| name.as_str());
    counters.into_iter().map(|(_, tensor)| tensor.double_value(&[])).collect()
}

fn lines(series: &Path) -> Vec<Line> {
    ledger::read(&series.join("seed-1/ledger.jsonl")).unwrap()
}

#[test]
fn the_optimiser_goes_on_from_stage_to_stage_unless_it_is_reset() {
    let nursery = Nursery::new();
    let kept = nursery.trained("kept", "");
    let reset = nursery.trained("reset", "--set stage.1.optimizer_state=reset");
    assert_eq!((counted(&kept), counted(&reset)), (vec![24.0; 2], vec![16.0; 2]));
    let weights = |series: &Path| -> Vec<String> {
        lines(series)
            .into_iter()
            .filter_map(|line| if let Line::Epoch(epoch) = line { Some(epoch.weights_sha256) } else { None })
            .collect()
    };
    let (kept, reset) = (weights(&kept), weights(&reset));
    assert_eq!(kept[0], reset[0], "the first stage is the same");
    assert_ne!(kept[1], reset[1]);
    // A rate of the stage's own is another training; the optimiser's own rate said again is not.
    let same = weights(&nursery.trained("same", "--set stage.1.lr=0.01"));
    let slower = weights(&nursery.trained("slower", "--set stage.1.lr=0.001"));
    assert_eq!(same, kept);
    assert!(slower[0] == kept[0] && slower[1] != kept[1]);
}

#[test]
fn a_kill_in_the_second_stage_changes_nothing() {
    killed_in_the_second_stage("");
}

#[test]
fn nor_does_one_with_muon_a_mean_of_the_weights_clipping_and_mixed_pictures() {
    killed_in_the_second_stage(
        "--set optimizer={kind=\"muon\",lr=0.01,clip_norm=1,group=[{match=\"0.*\",lr_factor=0.5}]} --set ema.decay=0.8 \
         --set stage.1.mix={kind=\"cutmix\"} --set stage.1.erase={probability=0.5} --set stage.1.batch_augment=standard \
         --set stage.1.schedule={kind=\"one_cycle\"} --set stage.1.optimizer_state=reset",
    );
}

/// Training with these changes of the recipe ends with the same ledger and weights whether it was killed or not.
fn killed_in_the_second_stage(changes: &str) {
    let nursery = Nursery::new();
    let whole = nursery.trained("whole", changes);
    let words = format!("train grow.toml --data garden --out killed --seed 1 --rules none --device cpu {changes}");
    let mut child = nursery.place.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !nursery.series("killed").is_some_and(|series| series.join("seed-1/checkpoints/2-12").is_dir()) {
        assert!(child.try_wait().unwrap().is_none(), "the training ended before its second stage");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = nursery.trained("killed", &format!("{changes} --resume"));
    let ledger = |series: &Path| fs::read_to_string(series.join("seed-1/ledger.jsonl")).unwrap();
    assert_eq!(ledger(&killed), ledger(&whole));
    let weights = |out| nursery.report(out)["runs"][0]["weights_sha256"].clone();
    assert_eq!(weights("killed"), weights("whole"));
    assert_eq!(nursery.report("killed")["runs"][0]["attempts"].as_array().unwrap().len(), 2);
}

#[test]
fn other_pictures_at_another_size_are_refused_with_the_record() {
    let nursery = Nursery::new();
    let told = nursery.train("runs", "--max-steps 1").expect_code(0).stderr;
    assert!(told.contains("the same pictures train at 32 px and 48 px"), "{told}");
    grow(&nursery.path("larger"), 80);
    let size = "tfrecords-jpeg-48x48";
    fs::remove_dir_all(nursery.path("garden").join(size)).unwrap();
    fs::rename(nursery.path("larger").join(size), nursery.path("garden").join(size)).unwrap();
    let told = nursery.train("others", "").expect_code(3).stderr;
    assert!(told.contains("at 32 px has no picture of the id") && told.contains("at byte"), "{told}");
    assert!(nursery.series("others").is_none(), "nothing was begun");
}

#[test]
fn a_run_starts_from_another_recipe_and_is_counted_on() {
    let nursery = Nursery::new();
    let parent = nursery.trained("a", "--set stage.1.epochs=1");
    // A deeper net with another head, two epochs more.
    let changes = "--set net.layers=[2,1,1,1] --set net.outputs=110 --set stage.0.epochs=1 --set stage.1.epochs=1";
    let from = format!("{changes} --from {}", parent.display());
    let told = nursery.train("b", &from).expect_code(0);
    assert!(told.stderr.contains("after 2 epochs: "), "{}", told.stderr);
    assert!(told.stderr.contains("layers copied"), "{}", told.stderr);
    let child = nursery.series("b").unwrap();
    let account: Value =
        serde_json::from_str(&fs::read_to_string(child.join("seed-1/transfer.json")).unwrap()).unwrap();
    let fate = |layer: &str| {
        let layers = account["layers"].as_array().unwrap();
        layers.iter().find(|told| told["layer"] == layer).map(|told| told["fate"].clone()).unwrap()
    };
    assert_eq!(
        (fate("4.0.convpath.0.0"), fate("4.1.convpath.0.0"), fate("11")),
        ("copied".into(), "initialised".into(), "initialised".into())
    );
    // Self-attention stands in the last block of the stage, which is another now.
    assert_eq!(fate("4.0.convpath.2.conv"), "unused");
    let Line::Opening(opening) = &lines(&child)[0] else { panic!("a ledger opens") };
    let lineage = opening.parent.clone().unwrap();
    let run = nursery.report("a")["runs"][0].clone();
    assert_eq!(
        (Value::from(lineage.ledger_head.clone()), lineage.epochs, lineage.foreign),
        (run["ledger_head"].clone(), 2, false)
    );
    let epochs: Vec<_> = nursery.report("b")["runs"][0]["epochs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|epoch| epoch["epoch"].clone())
        .collect();
    assert_eq!(epochs, [3, 4]);
    // The whole lineage is what the rules count.
    let rules = format!("recipes check grow.toml --from {} --runs 1", parent.display());
    let told = nursery.place.run(&rules).expect_code(0).stdout;
    assert!(told.contains("5 epochs, 2 of them the parent's"), "{told}");
}

#[test]
fn a_run_resumes_with_the_parent_that_it_began_with() {
    let nursery = Nursery::new();
    let (one, other) = (nursery.trained("a", "--max-steps 4"), nursery.trained("a2", "--max-steps 5"));
    let from = |series: &Path| format!("--set stage.0.epochs=2 --from {}", series.display());
    let whole = nursery.trained("whole", &from(&one));
    nursery.train("cut", &format!("{} --max-steps 9", from(&one))).expect_code(0);
    let told = nursery.train("cut", &format!("{} --max-steps 9 --resume", from(&other))).expect_code(2).stderr;
    assert!(told.contains("other weights to start from (--from)"), "{told}");
    nursery.train("cut", &format!("{} --max-steps 9 --resume", from(&one))).expect_code(0);
    let steps = |series: &Path, count| lines(series).into_iter().skip(1).take(count).collect::<Vec<_>>();
    assert_eq!(steps(&nursery.series("cut").unwrap(), 8), steps(&whole, 8));
}

#[test]
fn what_can_not_be_started_from_is_refused_before_any_work() {
    let nursery = Nursery::new();
    let parent = nursery.trained("a", "--max-steps 1");
    fs::write(nursery.path("no.safetensors"), b"\xff\xff\xff\xff\xff\xff\xff\x7f{}").unwrap();
    fs::create_dir(nursery.path("empty")).unwrap();
    let series = parent.display();
    let cases = [
        ("--from nowhere", "there is nothing at nowhere"),
        ("--from empty", "neither a checkpoint nor a run"),
        ("--from no.safetensors", "no safetensors file of a net"),
    ];
    for (more, expected) in cases {
        let told = nursery.train("b", more).expect_code(2).stderr;
        assert!(told.contains(expected), "{more}: {told}");
    }
    let with_seeds = |seeds: &str, from: &str| {
        let words = format!("train grow.toml --data garden --out b --rules none --device cpu {seeds} --from {from}");
        nursery.place.run(&words).expect_code(2).stderr
    };
    let told = with_seeds("--runs 2", &series.to_string());
    assert!(told.contains("has no run of seed 2") && told.contains("--seed 2 --resume"), "{told}");
    let told = with_seeds("--runs 2", &format!("{series}/seed-1"));
    assert!(told.contains("2 runs would start from it"), "{told}");
    // A net of other widths throughout: not one layer fits.
    let words = format!(
        "--from {series} --set net.block={{kind=\"bottleneck\",groups=4}} --set net.stem.widths=[16,16,32] --set net.self_attention=false --set net.outputs=105"
    );
    let told = nursery.train("b", &words).expect_code(2).stderr;
    assert!(told.contains("no layer in common with `[net]`"), "{told}");
    assert!(nursery.series("b").is_none(), "nothing was begun");
}

#[test]
fn weights_go_out_and_are_evaluated_alike_when_they_come_back() {
    let nursery = Nursery::new();
    let plain = "--set net.self_attention=false --set net.stem.widths=[32,32,64] --max-steps 3";
    let parent = nursery.trained("a", plain);
    let evaluate = |what: &str| {
        let words = format!("evaluate {what} --data garden --device cpu --format json");
        let found = nursery.place.run(&words).expect_code(0).json();
        (found["accuracy"].clone(), found["valid_loss"].clone())
    };
    let recipe = parent.join("recipe.toml");
    let original = evaluate(&parent.join("seed-1").display().to_string());
    for layout in ["fastai", "timm", "native"] {
        let words = format!("export {}/seed-1 --layout {layout} --out {layout}.safetensors", parent.display());
        let told = nursery.place.run(&words).expect_code(0).stdout;
        assert_eq!(told.contains("timm.models.resnet.ResNet("), layout == "timm", "{told}");
        let file = format!("{layout}.safetensors --recipe {}", recipe.display());
        assert_eq!(evaluate(&file), original, "{layout}");
    }
    let told = nursery.place.run("evaluate timm.safetensors --data garden").expect_code(2).stderr;
    assert!(told.contains("name the recipe of its net with --recipe"), "{told}");
    // A start from such a file trains, and is no submission.
    let rules = "train grow.toml --data garden --out b --seed 1 --device cpu --max-steps 1 --from timm.safetensors";
    let told = nursery.place.run(&format!("{rules} --set net.stem.widths=[32,32,64]")).expect_code(0).stdout;
    assert!(told.contains("not a submission: R1: ") && told.contains("was trained elsewhere"), "{told}");
    // What timm has no net for is refused by the key.
    let other = nursery.trained("c", "--max-steps 1");
    let words = format!("export {}/seed-1 --layout timm --out no.safetensors", other.display());
    let told = nursery.place.run(&words).expect_code(2).stderr;
    assert!(told.contains("`net.stem.widths`") || told.contains("`net.self_attention`"), "{told}");
    assert!(!nursery.path("no.safetensors").exists());
}

#[test]
fn a_parent_of_another_size_is_held_to_the_same_pictures() {
    let nursery = Nursery::new();
    let of_size = |name: &str, from: &str, to: &str| {
        let text = RECIPE.replace(&format!("source_px = {from}"), &format!("source_px = {to}"));
        fs::write(nursery.path(name), text).unwrap();
    };
    of_size("small.toml", "48", "32");
    of_size("large.toml", "32", "48");
    let train = |recipe: &str, data: &str, more: &str| {
        let usual = "--seed 1 --device cpu --max-steps 1 --rules fastgarden";
        nursery.place.run(&format!("train {recipe} --data {data} --out {recipe}-runs {usual} {more}")).expect_code(0)
    };
    train("small.toml", "garden", "");
    let from = format!("--from {}", nursery.series("small.toml-runs").unwrap().display());
    let told = train("large.toml", "garden", &from);
    assert!(told.stderr.contains("the same pictures train at 48 px and 32 px"), "{}", told.stderr);
    assert!(!told.stdout.contains("not a submission: R1"), "{}", told.stdout);
    // Without the small ones nobody can say what the parent saw.
    let told = train("large.toml", "garden/tfrecords-jpeg-48x48", &from);
    assert!(told.stdout.contains("not a submission: R1: "), "{}", told.stdout);
    assert!(told.stdout.contains("was trained on shards that --data does not have"), "{}", told.stdout);
}
