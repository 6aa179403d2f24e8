//! Tests of recipes: defaults, overrides, the resolved form and the hash.

use fastgarden_train::optimizer::AdamOptions;
use fastgarden_train::trainer::OptimizerSpec;

use super::*;

pub(super) const SMALL: &str = r#"name = "small"

[net]
kind = "xresnet"
block = { kind = "basic" }
layers = [2, 2, 2, 2]

[optimizer]
kind = "adamw"
lr = 1e-3

[[stage]]
epochs = 5
"#;

fn small(assignments: &[&str]) -> Result<Recipe, RecipeError> {
    let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
    Recipe::from_text("small.toml", SMALL, &assignments)
}

#[test]
fn what_is_left_out_has_a_default() {
    let recipe = small(&[]).expect("valid");
    let stage = &recipe.stages[0];
    assert_eq!((stage.batch_size, stage.input_px, stage.source_px, stage.drop_last), (64, 224, 224, true));
    assert_eq!(stage.sampler, Sampling::shuffled());
    assert_eq!(stage.crop, Crop::RandomResized { min_scale: 0.35 });
    assert_eq!((recipe.evaluation.resize_px, recipe.evaluation.input_px), (256, 224));
    assert_eq!((recipe.net.outputs, recipe.net.stem.widths), (104, [32, 32, 64]));
    assert_eq!(recipe.seeds, [1, 2, 3]);
    assert_eq!(recipe.data.bad_records, BadRecords::Percent(0.1));
}

#[test]
fn set_changes_any_key_before_anything_is_checked() {
    let recipe = small(&[
        "stage.0.epochs=2",
        "optimizer.lr = 2",
        "optimizer.weight_decay=0.5",
        "loss.label_smoothing=0",
        "data.decode=lenient",
        "runs.seeds=[7, 8]",
        "net.layers.1=9",
        "stage.0.sampler.kind=sequential",
        "stage.0.precision=fp16-on-gpu",
        "stage.0.schedule={ kind = \"constant\" }",
    ])
    .expect("valid");
    assert_eq!((recipe.stages[0].epochs, recipe.loss.label_smoothing, &*recipe.seeds), (2, 0.0, &[7, 8][..]));
    let adamw = AdamOptions { weight_decay: 0.5, ..AdamOptions::default() };
    assert_eq!(
        recipe.optimizer,
        Optimizer { lr: 2.0, clip_norm: None, groups: Vec::new(), spec: OptimizerSpec::Adam(adamw) }
    );
    assert_eq!((recipe.data.decode, recipe.net.layers), (Decode::Lenient, [2, 9, 2, 2]));
    assert_eq!(recipe.stages[0].precision, StagePrecision::Fp16OnGpu);
    assert_eq!((recipe.stages[0].sampler.kind(), recipe.stages[0].schedule), ("sequential", Schedule::Constant));
}

#[test]
fn half_of_the_pictures_are_mirrored_once_wherever_that_is_done() {
    for (assignment, by_the_crop) in [
        ("stage.0.epochs=5", true),
        ("stage.0.cpu_augment=jitter", true),
        ("stage.0.cpu_augment=standard", false),
        ("stage.0.batch_augment=flip", false),
        ("stage.0.batch_augment=standard", false),
    ] {
        assert_eq!(small(&[assignment]).expect(assignment).stages[0].flip, by_the_crop, "{assignment}");
    }
}

#[test]
fn set_errors_name_the_assignment() {
    let cases = [
        ("stage.0.epoch=2", "--set stage.0.epoch=2: unknown key `epoch` in `stage.0`: did you mean `epochs`?"),
        ("stge.0.epochs=2", "--set stge.0.epochs=2: unknown key `stge`: did you mean `stage`?"),
        ("stage.1.epochs=2", "--set stage.1.epochs=2: `stage` has 1 entries, counted from 0: there is no `1`"),
        ("stage.x.epochs=2", "--set stage.x.epochs=2: `stage` has 1 entries, counted from 0: there is no `x`"),
        ("name.first=x", "--set name.first=x: `name` is the text \"small\": it has no key `first`"),
        ("stage.0.epochs", "--set stage.0.epochs: an assignment reads key=value"),
        ("stage..epochs=2", "--set stage..epochs=2: `stage..epochs` is not a key"),
        ("=2", "--set =2: `` is not a key"),
        ("stage.0.epochs=0", "--set stage.0.epochs=0: `stage.0.epochs` is 0: it must be a whole number"),
        ("optimizer.lr=fast", "--set optimizer.lr=fast: `optimizer.lr` must be a number, not the text \"fast\""),
        ("runs.seeds=[1, 1]", "--set runs.seeds=[1, 1]: `runs.seeds` has 1 twice"),
        ("optimizer.lr=1\nname = \"x\"", "--set optimizer.lr=1\nname = \"x\": `optimizer.lr` must be a number"),
    ];
    for (assignment, expected) in cases {
        let error = small(&[assignment]).expect_err(assignment).to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn the_resolved_form_is_complete_and_reads_back_as_the_same_recipe() {
    let variants: &[&[&str]] = &[
        &[],
        &["optimizer={ kind = \"sgd\", lr = 1e-7, momentum = 0.95, nesterov = true }", "data.bad_records=\"25\""],
        &[
            "stage.0.crop={ kind = \"whole\", flip = false }",
            "stage.0.schedule.kind=constant",
            "stage.0.cpu_augment=jitter",
        ],
        &["net.block.kind=bottleneck", "net.outputs=1000", "data.bad_records=0.3%", "stage.0.optimizer_state=reset"],
        &["stage.0.precision=bf16"],
        &["stage.0.precision=fp16"],
        &["optimizer={ kind = \"adam\", lr = 1e-3, weight_decay = 0.1 }", "stage.0.schedule.kind=rex"],
        &[
            "optimizer.group=[{ match = \"0.*\", lr_factor = 0.1, decay = false }, { match = \"*.bias\", lr_factor = 64 }]",
        ],
        &["optimizer={ kind = \"muon\", lr = 0.02, momentum = 0.9, aux_lr_factor = 0.1 }"],
        &["ema={ decay = 0.99 }"],
        &["ema={ decay = 0.999, evaluate = false }", "optimizer.clip_norm=2"],
        &["optimizer={ kind = \"radam\", lr = 1e-3, beta1 = 0.8 }", "stage.0.schedule.kind=linear"],
        &[
            "optimizer={ kind = \"ranger\", lr = 8e-3, lookahead_steps = 4, clip_norm = 1 }",
            "stage.0.schedule={ kind = \"one_cycle\", rise_share = 0.4, momentum_low = 0.8 }",
        ],
        &["execution.cache=encoded", "execution.cache_bytes=512MiB", "execution.cpu_budget=40%"],
        &["data.resample=planar", "data.decode=lenient", "data.normalize=imagenet", "evaluation.crop=largest"],
        &["stage.0.batch_augment=standard", "stage.0.mix.kind=mixup", "stage.0.erase={}"],
        &["stage.0.batch_augment=flip", "stage.0.mix={ kind = \"cutmix\", alpha = 0.3 }"],
        &["stage.0.cpu_augment=standard", "stage.0.crop.kind=largest", "stage.0.erase.probability=0"],
        &["summary=\"quotes \\\" back\\\\slash\\nline\\ttab \\u0007 é\"", "based_on=[\"a, b\", \"c\"]"],
    ];
    for assignments in variants {
        let recipe = small(assignments).expect("valid");
        let text = recipe.to_toml();
        let again = Recipe::from_text("resolved", &text, &[]).expect("the resolved form is valid");
        assert_eq!(again, recipe);
        assert_eq!(again.to_toml(), text);
    }
}

#[test]
fn the_hash_covers_everything_but_execution() {
    let plain = small(&[]).expect("valid").hash();
    assert_eq!(plain.len(), 64);
    for same in [
        "execution.prefetch_batches=9",
        "execution.cpu_threads=3",
        "execution.cache=decoded",
        "execution.cache_bytes=4GiB",
        "execution.cpu_budget=40%",
        "stage.0.batch_size=64",
    ] {
        assert_eq!(small(&[same]).expect(same).hash(), plain, "{same}");
    }
    for other in [
        "optimizer.lr=2e-3",
        "stage.0.cpu_augment=jitter",
        "stage.0.mix.kind=mixup",
        "data.normalize=imagenet",
        "why=because",
        "checkpoint.keep=3",
        "runs.seeds=[1]",
    ] {
        assert_ne!(small(&[other]).expect(other).hash(), plain, "{other}");
    }
}

#[test]
fn every_embedded_recipe_is_valid_and_bears_its_name() {
    for embedded in EMBEDDED {
        assert_eq!(Recipe::load(embedded.name, &[]).expect(embedded.name).name, embedded.name);
    }
}

#[test]
fn seedling_is_what_the_readme_promises() {
    let recipe = Recipe::load("seedling", &[]).expect("valid");
    let stage = &recipe.stages[0];
    assert_eq!((recipe.stages.len(), stage.epochs, stage.batch_size, stage.drop_last), (1, 5, 64, true));
    assert_eq!((stage.input_px, stage.cpu_augment), (64, CpuAugment::Jitter));
    assert_eq!(&recipe.net, &Net::xresnet18(104));
    let crop = EvaluationCrop::Whole;
    let evaluation =
        Evaluation { source_px: 192, crop, resize_px: 80, input_px: 64, on: JudgedOn::Validation, limit: 0 };
    assert_eq!((recipe.evaluation, &*recipe.seeds), (evaluation, &[1][..]));
}

#[test]
fn every_key_is_in_the_reference() {
    let reference = include_str!("../../docs/recipes.md");
    for line in include_str!("schema.rs").lines() {
        let Some((key, _)) = line.trim().strip_prefix("pub ").and_then(|rest| rest.split_once(": Option<")) else {
            continue;
        };
        let key = key.trim_start_matches("r#");
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        assert!(
            reference.split(|character| !is_word(character)).any(|word| word == key),
            "docs/recipes.md lacks {key}"
        );
    }
}

#[test]
fn unknown_names_and_files_are_told() {
    let cases = [
        ("seedlin", "there is no recipe named `seedlin`: did you mean `seedling`?"),
        ("xyz", "there is no recipe named `xyz`: there are `seedling`, `mk-resnext50-deconv`, "),
        ("no/such.toml", "no/such.toml: cannot read this file: "),
    ];
    for (name, expected) in cases {
        let error = Recipe::load(name, &[]).expect_err(name).to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn files_that_are_no_recipes_are_told_and_never_read_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("recipe.toml");
    let cases: [(&[u8], &str); 3] = [
        (&[0xff, 0xd8, 0xff, 0xe0], "this file is not UTF-8 text"),
        (&vec![b'#'; (1 << 20) + 1], "this file is larger than 1 MiB"),
        (b"", "`name` is missing"),
    ];
    for (bytes, expected) in cases {
        std::fs::write(&path, bytes).expect("written");
        let error = Recipe::load(&path.display().to_string(), &[]).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_deeply_nested_file_is_refused_without_overflowing_the_stack() {
    let text = format!("name = {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Recipe::from_text("deep.toml", &text, &[]).is_err());
}

#[test]
fn a_bad_record_budget_is_a_share_with_a_floor_or_a_count() {
    let cases = [
        (BadRecords::Percent(0.1), 12_753, 12),
        (BadRecords::Percent(0.1), 100, 10),
        (BadRecords::Count(0), 12_753, 0),
        (BadRecords::Count(25), 100, 25),
    ];
    for (budget, records, allowed) in cases {
        assert_eq!(budget.allowed(records), allowed, "{budget:?}");
    }
}
