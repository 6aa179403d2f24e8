//! Tests of recipes: every error by its message, overrides, the resolved form and the hash.

use fastgarden_train::optimizer::AdamOptions;
use fastgarden_train::trainer::OptimizerSpec;

use super::*;

const SMALL: &str = r#"name = "small"

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

/// The message for a recipe made by replacing one piece of text, which must be there.
fn message(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "the recipe has no {from:?}");
    match Recipe::from_text("small.toml", &SMALL.replacen(from, to, 1), &[]) {
        Ok(_) => panic!("{to:?} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_left_out_has_a_default() {
    let recipe = small(&[]).expect("valid");
    let stage = &recipe.stages[0];
    assert_eq!((stage.batch_size, stage.input_px, stage.source_px, stage.drop_last), (64, 224, 224, true));
    assert_eq!((stage.sampler, stage.crop), (Sampler::Shuffled, Crop::RandomResized { min_scale: 0.35 }));
    assert_eq!((recipe.evaluation.resize_px, recipe.evaluation.input_px), (256, 224));
    assert_eq!((recipe.net.outputs, recipe.net.stem.widths), (104, [32, 32, 64]));
    assert_eq!(recipe.seeds, [1, 2, 3]);
    assert_eq!(recipe.data.bad_records, BadRecords::Percent(0.1));
}

#[test]
fn every_wrong_recipe_is_told_in_one_sentence_with_its_line() {
    let cases = [
        // Unknown keys.
        ("epochs = 5", "epoch = 5", "small.toml:13: unknown key `epoch` in `stage.0`: did you mean `epochs`?"),
        (
            "lr = 1e-3",
            "lr = 1e-3\nmomentun = 0.9",
            "small.toml:11: unknown key `momentun` in `optimizer`: did you mean `momentum`?",
        ),
        ("name =", "nmae =", "small.toml:1: unknown key `nmae`: did you mean `name`?"),
        (
            "{ kind = \"basic\" }",
            "{ kid = \"basic\" }",
            "small.toml:5: unknown key `kid` in `net.block`: did you mean `kind`?",
        ),
        (
            "epochs = 5",
            "epochs = 5\nsampler = { qqq = 1 }",
            "small.toml:14: unknown key `qqq` in `stage.0.sampler`: the keys there are `kind`",
        ),
        // Wrong types.
        (
            "epochs = 5",
            "epochs = \"five\"",
            "small.toml:13: `stage.0.epochs` must be a whole number, not the text \"five\"",
        ),
        ("epochs = 5", "epochs = 2.5", "small.toml:13: `stage.0.epochs` must be a whole number, not the number 2.5"),
        ("lr = 1e-3", "lr = true", "small.toml:10: `optimizer.lr` must be a number, not true"),
        ("layers = [2, 2, 2, 2]", "layers = 2", "small.toml:6: `net.layers` must be a list, not the number 2"),
        (
            "layers = [2, 2, 2, 2]",
            "layers = [2,\n2, \"x\", 2]",
            "small.toml:7: `net.layers.2` must be a whole number, not the text \"x\"",
        ),
        ("{ kind = \"basic\" }", "\"basic\"", "small.toml:5: `net.block` must be a table, not the text \"basic\""),
        ("[[stage]]", "[stage]", "small.toml:12: `stage` must be a list, not a table"),
        ("lr = 1e-3", "lr = 2020-01-01", "small.toml:10: `optimizer.lr` must be a number, not the date 2020-01-01"),
        (
            "epochs = 5",
            "epochs = 5\ndrop_last = \"yes\"",
            "small.toml:14: `stage.0.drop_last` must be true or false, not the text \"yes\"",
        ),
        // Impossible values.
        (
            "epochs = 5",
            "epochs = -1",
            "small.toml:13: `stage.0.epochs` is -1: it must be a whole number from 1 to 100000",
        ),
        (
            "epochs = 5",
            "epochs = 5\nbatch_size = 0",
            "small.toml:14: `stage.0.batch_size` is 0: it must be a whole number from 1 to 4096",
        ),
        (
            "epochs = 5",
            "epochs = 5\nbatch_size = 4097",
            "small.toml:14: `stage.0.batch_size` is 4097: it must be a whole number from 1 to 4096",
        ),
        (
            "epochs = 5",
            "epochs = 5\nbatch_size = 4096\ninput_px = 2048",
            "small.toml:14: `stage.0`: a batch of 4096 pictures of 2048 px is 49152 MiB: it must be at most 1024 MiB",
        ),
        (
            "epochs = 5",
            "epochs = 5\ninput_px = 0",
            "small.toml:14: `stage.0.input_px` is 0: it must be a whole number from 1 to 2048",
        ),
        (
            "epochs = 5",
            "epochs = 5\ninput_px = 2049",
            "small.toml:14: `stage.0.input_px` is 2049: it must be a whole number from 1 to 2048",
        ),
        (
            "epochs = 5",
            "epochs = 5\ncrop = { min_scale = 0.0 }",
            "small.toml:14: `stage.0.crop.min_scale` is 0: it must be above 0 and at most 1",
        ),
        (
            "epochs = 5",
            "epochs = 5\ncrop = { min_scale = 1.01 }",
            "small.toml:14: `stage.0.crop.min_scale` is 1.01: it must be above 0 and at most 1",
        ),
        ("lr = 1e-3", "lr = nan", "small.toml:10: `optimizer.lr` is NaN: it must be a number above 0"),
        ("lr = 1e-3", "lr = inf", "small.toml:10: `optimizer.lr` is inf: it must be a number above 0"),
        ("lr = 1e-3", "lr = 0", "small.toml:10: `optimizer.lr` is 0: it must be a number above 0"),
        ("lr = 1e-3", "lr = -1e-3", "small.toml:10: `optimizer.lr` is -0.001: it must be a number above 0"),
        ("lr = 1e-3", "lr = 1e-3\nbeta2 = 1.0", "small.toml:11: `optimizer.beta2` is 1: it must be from 0 to below 1"),
        (
            "[net]",
            "[data]\nbad_records = \"many\"\n[net]",
            "small.toml:4: `data.bad_records` is \"many\": it must be a share of the records such as \"0.1%\", below 100%, or a count such as \"25\"",
        ),
        ("[net]", "[data]\nbad_records = \"100%\"\n[net]", "small.toml:4: `data.bad_records` is \"100%\""),
        (
            "[net]",
            "[data]\nclasses = 200\n[net]\noutputs = 104",
            "small.toml:6: `net.outputs` is 104: it must be at least `data.classes`, 200",
        ),
        ("[net]", "[runs]\nseeds = []\n[net]", "small.toml:4: `runs.seeds` has 0 seeds: there must be from 1 to 1000"),
        (
            "[net]",
            "[runs]\nseeds = [1, 2, 1]\n[net]",
            "small.toml:4: `runs.seeds` has 1 twice: every run needs a seed of its own",
        ),
        (
            "[net]",
            "[runs]\nseeds = [-1]\n[net]",
            "small.toml:4: `runs.seeds.0` is -1: it must be a whole number from 0 to",
        ),
        (
            "[net]",
            "[evaluation]\nresize_px = 100\n[net]",
            "small.toml:4: `evaluation.resize_px` is 100: it must be at least `evaluation.input_px`, 224",
        ),
        ("[2, 2, 2, 2]", "[2, 2, 2]", "small.toml:6: `net.layers` has 3 numbers: it must have 4"),
        ("[2, 2, 2, 2]", "[2, 0, 2, 2]", "small.toml:6: `net.layers.1` is 0: it must be a whole number from 1 to 256"),
        ("\"small\"", "\"../up\"", "small.toml:1: `name` is \"../up\": it names a folder"),
        ("lr = 1e-3", "lr = 99999999999999999999", "small.toml:10: 99999999999999999999 is too large a number"),
        // Unknown and missing words.
        (
            "\"adamw\"",
            "\"adamv\"",
            "small.toml:9: `optimizer.kind` is \"adamv\", but it must be one of `sgd`, `adam`, `adamw`, `radam`, `ranger`, `muon`: did you mean `adam`?",
        ),
        (
            "epochs = 5",
            "epochs = 5\nsampler = { kind = \"suffled\" }",
            "small.toml:14: `stage.0.sampler.kind` is \"suffled\", but it must be one of `sequential`, `shuffled`: did you mean `shuffled`?",
        ),
        ("lr = 1e-3", "", "small.toml:8: `optimizer.lr` is missing: a recipe must state it"),
        ("name = \"small\"", "", "small.toml:1: `name` is missing: a recipe must state it"),
        ("[[stage]]\nepochs = 5", "", "small.toml: there must be from 1 to 100 `[[stage]]` entries, not 0"),
        // Keys of another kind.
        (
            "lr = 1e-3",
            "lr = 1e-3\nmomentum = 0.9",
            "small.toml:11: `optimizer.momentum` does not belong to kind \"adamw\": leave it out",
        ),
        (
            "lr = 1e-3",
            "lr = 1e-3\nlookahead_steps = 5",
            "small.toml:11: `optimizer.lookahead_steps` does not belong to kind \"adamw\": leave it out",
        ),
        (
            "lr = 1e-3",
            "lr = 1e-3\ngroup = [{ match = \"0.*\" }, { match = \"0.0.*\" }]",
            "small.toml:11: `optimizer.group.1.match` is \"0.0.*\", which no parameter fits that isn't in an earlier group: they are called `0.0.weight` to `11.bias`",
        ),
        (
            "lr = 1e-3",
            "lr = 1e-3\ngroup = [{ lr_factor = 0.1 }]",
            "small.toml:11: `optimizer.group.0.match` is missing: a recipe must state it",
        ),
        (
            "lr = 1e-3",
            "lr = 1e-3\ngroup = [{ match = \"*\", lr_factor = -1 }]",
            "small.toml:11: `optimizer.group.0.lr_factor` is -1: it must be 0 or above",
        ),
        ("[net]", "[ema]\ndecay = 1\n[net]", "small.toml:4: `ema.decay` is 1: it must be from 0 to below 1"),
        ("[net]", "[ema]\nevaluate = true\n[net]", "small.toml:3: `ema.decay` is missing: a recipe must state it"),
        (
            "lr = 1e-3",
            "lr = 1e-3\nclip_norm = 0",
            "small.toml:11: `optimizer.clip_norm` is 0: it must be a number above 0",
        ),
        (
            "kind = \"adamw\"",
            "kind = \"ranger\"\nlookahead_alpha = 0",
            "small.toml:10: `optimizer.lookahead_alpha` is 0: it must be above 0 and at most 1",
        ),
        (
            "epochs = 5",
            "epochs = 5\nschedule = { kind = \"one_cycle\", flat_share = 0.5 }",
            "small.toml:14: `stage.0.schedule.flat_share` does not belong to kind \"one_cycle\": leave it out",
        ),
        (
            "epochs = 5",
            "epochs = 5\nschedule = { kind = \"rex\", rise_share = 0.5 }",
            "small.toml:14: `stage.0.schedule.rise_share` does not belong to kind \"rex\": leave it out",
        ),
        // Nothing is done to a picture twice.
        (
            "epochs = 5",
            "epochs = 5\nbatch_augment = \"standard\"\ncrop = { flip = true }",
            "small.toml:15: `stage.0.crop.flip` mirrors half of the pictures, and `batch_augment` \"standard\" does so too: leave one of them out",
        ),
        (
            "epochs = 5",
            "epochs = 5\ncpu_augment = \"standard\"\ncrop = { flip = true }",
            "small.toml:15: `stage.0.crop.flip` mirrors half of the pictures, and `cpu_augment` \"standard\" does so too: leave one of them out",
        ),
        (
            "epochs = 5",
            "epochs = 5\ncpu_augment = \"standard\"\nbatch_augment = \"flip\"",
            "small.toml:15: `stage.0.batch_augment` \"flip\" and `stage.0.cpu_augment` \"standard\" both mirror pictures: leave one of them out",
        ),
        (
            "epochs = 5",
            "epochs = 5\ncpu_augment = \"jitter\"\nbatch_augment = \"standard\"",
            "small.toml:15: `stage.0.batch_augment` \"standard\" and `stage.0.cpu_augment` \"jitter\" both change brightness and contrast: leave one of them out",
        ),
        // Erasing, mixing, normalising.
        (
            "epochs = 5",
            "epochs = 5\nerase = { probability = 1.5 }",
            "small.toml:14: `stage.0.erase.probability` is 1.5: it must be from 0 to 1",
        ),
        (
            "epochs = 5",
            "epochs = 5\nmix = { kind = \"mixup\", alpha = 0 }",
            "small.toml:14: `stage.0.mix.alpha` is 0: it must be from 0.001 to 1000",
        ),
        (
            "epochs = 5",
            "epochs = 5\nmix = { alpha = 0.4 }",
            "small.toml:14: `stage.0.mix.alpha` does not belong to kind \"none\": leave it out",
        ),
        (
            "epochs = 5",
            "epochs = 5\nmix = { kind = \"cutmux\" }",
            "small.toml:14: `stage.0.mix.kind` is \"cutmux\", but it must be one of `none`, `mixup`, `cutmix`: did you mean `cutmix`?",
        ),
        (
            "[net]",
            "[data]\nnormalize = \"cifar\"\n[net]",
            "small.toml:4: `data.normalize` is \"cifar\", but it must be one of `none`, `imagenet`",
        ),
        (
            "epochs = 5",
            "epochs = 5\ncrop = { kind = \"largest\", min_scale = 0.5 }",
            "small.toml:14: `stage.0.crop.min_scale` does not belong to kind \"largest\": leave it out",
        ),
        // Known, but not built.
        (
            "epochs = 5",
            "epochs = 5\nsampler = { kind = \"balanced\" }",
            "small.toml:14: `stage.0.sampler.kind`: \"balanced\" is not available in this version: there are `sequential`, `shuffled`",
        ),
        // Not TOML.
        ("[net]", "[net", "small.toml:3: this is not TOML: "),
        ("name = \"small\"", "name = \"small\"\nname = \"twice\"", "small.toml:2: this is not TOML: "),
    ];
    for (from, to, expected) in cases {
        let message = message(from, to);
        assert!(message.starts_with(expected), "{to}\n  said      {message}\n  should be {expected}");
        assert!(!message.contains('\n'), "{message}");
    }
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
    assert_eq!((recipe.stages[0].epochs, recipe.label_smoothing, &*recipe.seeds), (2, 0.0, &[7, 8][..]));
    let adamw = AdamOptions { weight_decay: 0.5, ..AdamOptions::default() };
    assert_eq!(
        recipe.optimizer,
        Optimizer { lr: 2.0, clip_norm: None, groups: Vec::new(), spec: OptimizerSpec::Adam(adamw) }
    );
    assert_eq!((recipe.data.decode, recipe.net.layers), (Decode::Lenient, [2, 9, 2, 2]));
    assert_eq!(recipe.stages[0].precision, StagePrecision::Fp16OnGpu);
    assert_eq!((recipe.stages[0].sampler, recipe.stages[0].schedule), (Sampler::Sequential, Schedule::Constant));
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
    let evaluation = Evaluation { source_px: 192, crop, resize_px: 80, input_px: 64, limit: 0 };
    assert_eq!((recipe.evaluation, &*recipe.seeds), (evaluation, &[1][..]));
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
