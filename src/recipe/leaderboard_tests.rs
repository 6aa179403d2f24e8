//! The recipes of the leaderboard say what its rows say: sizes of the nets, and every setting in the resolved form.

use fastgarden_train::net::Net as _;
use fastgarden_train::net::xresnet::XResNet;
use fastgarden_train::trainer::OptimizerSpec;

use super::*;
use crate::rules::{Origin, Rules, Verdict, check};

/// Lines that the resolved form must have, and the number of trained values.
struct Row {
    recipe: &'static str,
    parameters: u64,
    lines: &'static [&'static str],
}

const RANDOM_CROP: &str = "crop = { kind = \"random_resized\", min_scale = 0.7, flip = false }";
const WHOLE: &str = "crop = { kind = \"whole\", flip = false }";
const MK_KERNELS: &str = "kernels = [[3, 5], [3, 5, 7, 9], [3, 5, 7, 9], [3, 5]], groups = 32, expansion = 4 }";
const FLAT_COS: &str = "schedule = { kind = \"flat_cos\", flat_share = 0.75 }";

const ROWS: &[Row] = &[
    Row {
        recipe: "mk-resnext50-deconv",
        parameters: 49_969_297,
        lines: &[
            "stem = { kind = \"deconv\", widths = [24, 32, 64], weight_norm = true, iterations = [5, 5, 5], \
             freeze_after = [0, 0, 0] }",
            "pool = \"max\"",
            "block = { kind = \"mk\", variant = \"f\", ",
            MK_KERNELS,
            "squeeze_excite = 16",
            "self_attention = true\nself_attention_stage = 0",
            "activation = \"mish\"\noutputs = 104",
            "label_smoothing = 0.1",
            "lr = 0.008",
            "epochs = 5\nsource_px = 224\ninput_px = 224",
            RANDOM_CROP,
            FLAT_COS,
            "source_px = 224\ncrop = \"whole\"\nresize_px = 256\ninput_px = 224",
            "seeds = [1, 2, 3]",
        ],
    },
    Row {
        recipe: "mk-resnext50",
        parameters: 48_767_545,
        lines: &[
            "stem = { kind = \"conv\", widths = [24, 32, 64] }",
            "pool = \"max\"",
            "block = { kind = \"mk\", variant = \"e\", ",
            MK_KERNELS,
            "squeeze_excite = 16",
            "self_attention = true\nself_attention_stage = 0",
            "activation = \"mish\"\noutputs = 104",
            "label_smoothing = 0.1",
            "lr = 0.008",
            "epochs = 5\nsource_px = 224\ninput_px = 224",
            RANDOM_CROP,
            FLAT_COS,
            "source_px = 224\ncrop = \"whole\"\nresize_px = 256\ninput_px = 224",
            "seeds = [1, 2, 3]",
        ],
    },
    Row {
        recipe: "xse-resnext34-deconv",
        parameters: 46_495_841,
        lines: &[
            "stem = { kind = \"deconv\", widths = [32, 32, 64], weight_norm = false, iterations = [5, 5, 5], \
             freeze_after = [0, 0, 0] }",
            "pool = \"max_blur_2020\"",
            "block = { kind = \"basic\", groups = 64, expansion = 1 }\nlayers = [3, 4, 6, 3]",
            "squeeze_excite = 8",
            "self_attention = true\nself_attention_stage = 0",
            "activation = \"mish\"\noutputs = 104",
            "label_smoothing = 0.05",
            "lr = 0.01",
            "epochs = 5\nsource_px = 224\ninput_px = 224",
            RANDOM_CROP,
            FLAT_COS,
            "source_px = 224\ncrop = \"whole\"\nresize_px = 256\ninput_px = 224",
            "seeds = [1, 2, 3, 4, 5]",
        ],
    },
    Row {
        recipe: "flat-cos-rrc",
        parameters: 25_641_801,
        lines: &[
            "stem = { kind = \"conv\", widths = [32, 32, 64] }\npool = \"max\"",
            "block = { kind = \"bottleneck\", groups = 1, expansion = 4 }\nlayers = [3, 4, 6, 3]",
            "squeeze_excite = 0",
            "self_attention = true\nself_attention_stage = 0",
            "activation = \"mish\"\noutputs = 1000",
            "label_smoothing = 0.0",
            "lr = 0.006",
            "epochs = 5\nsource_px = 224\ninput_px = 224",
            RANDOM_CROP,
            FLAT_COS,
            "source_px = 224\ncrop = \"whole\"\nresize_px = 256\ninput_px = 224",
            "seeds = [1, 2, 3]",
        ],
    },
    Row {
        recipe: "progressive-resize",
        parameters: 25_641_801,
        lines: &[
            "stem = { kind = \"conv\", widths = [32, 32, 64] }\npool = \"max\"",
            "block = { kind = \"bottleneck\", groups = 1, expansion = 4 }\nlayers = [3, 4, 6, 3]",
            "squeeze_excite = 0",
            "self_attention = true\nself_attention_stage = 0",
            "activation = \"mish\"\noutputs = 1000",
            "label_smoothing = 0.1",
            "lr = 0.01",
            "epochs = 2\nsource_px = 224\ninput_px = 128",
            "epochs = 3\nsource_px = 224\ninput_px = 224",
            WHOLE,
            "schedule = { kind = \"constant\" }\noptimizer_state = \"keep\"",
            "schedule = { kind = \"flat_cos\", flat_share = 0.5 }\noptimizer_state = \"keep\"",
            "source_px = 224\ncrop = \"whole\"\nresize_px = 224\ninput_px = 224",
            "precision = \"fp16-on-gpu\"",
            "seeds = [1, 2, 3, 4, 5]",
        ],
    },
];

#[test]
fn the_five_systems_are_those_of_the_leaderboard() {
    for row in ROWS {
        let recipe = Recipe::load(row.recipe, &[]).expect("embedded recipes are valid");
        let text = recipe.to_toml();
        for line in row.lines {
            assert!(text.contains(line), "{} lacks {line:?}:\n{text}", row.recipe);
        }
        let OptimizerSpec::Ranger(radam, lookahead) = recipe.optimizer.spec else {
            panic!("{} is ranger's", row.recipe)
        };
        assert_eq!((radam.betas, radam.eps), ((0.95, 0.99), 1e-6));
        assert_eq!((lookahead.steps, lookahead.alpha), (6, 0.5));
        // The fastai2 of the fourth's day forgot the decay.
        assert_eq!(radam.weight_decay, if row.recipe == "flat-cos-rrc" { 0.0 } else { 0.01 });
        assert!(recipe.stages.iter().all(|stage| stage.batch_size == 64 && stage.drop_last));
        assert_eq!((recipe.epochs(), recipe.data.classes), (5, 104));
        let standard = text.matches("batch_augment = \"standard\"").count();
        assert_eq!(standard, recipe.stages.len(), "{} augments as fastai does by default", row.recipe);
        assert!(text.contains("normalize = \"none\""), "{} takes pictures as they are, 0 to 1", row.recipe);
        // The others were trained in single precision.
        assert_eq!(text.contains("precision = \"fp32\""), row.recipe != "progressive-resize");
    }
}

#[test]
fn their_nets_have_the_published_numbers_of_weights() {
    let others = [("baseline", 11_249_096), ("transfer-192-224", 46_495_841)];
    for (recipe, parameters) in ROWS.iter().map(|row| (row.recipe, row.parameters)).chain(others) {
        let net = Recipe::load(recipe, &[]).expect("embedded recipes are valid").net;
        let built = XResNet::new(&net, tch::Device::Cpu, tch::Kind::Float);
        assert_eq!(built.state().parameter_count(), parameters, "{recipe}");
    }
}

/// Small ones, to try things on the garden with: scored at 64 px, which no submission is.
const SAMPLES: [&str; 4] = ["seedling", "balanced-sampling", "triplet-head", "three-scales"];

#[test]
fn every_embedded_recipe_could_be_a_submission_and_reads_back_alike() {
    for embedded in EMBEDDED {
        let recipe = Recipe::load(embedded.name, &[]).expect("embedded recipes are valid");
        assert_eq!(recipe.name, embedded.name, "the name on the command line is the one in the file");
        assert_eq!(
            Recipe::from_text("again.toml", &recipe.to_toml(), &[]).expect("the resolved form is valid"),
            recipe
        );
        if !SAMPLES.contains(&embedded.name) {
            let findings = check(&Rules::fastgarden(), &recipe, &recipe.seeds, &Origin::Initialised);
            let failed: Vec<_> = findings.iter().filter(|found| found.verdict == Verdict::Fail).collect();
            assert!(failed.is_empty(), "{}: {failed:?}", recipe.name);
        }
    }
}
