//! Tests of recipes that are refused: every error by its message.

use super::tests::SMALL;
use super::*;

/// The message for a recipe made by replacing one piece of text, which must be there.
fn message(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "the recipe has no {from:?}");
    match Recipe::from_text("small.toml", &SMALL.replacen(from, to, 1), &[]) {
        Ok(_) => panic!("{to:?} was accepted"),
        Err(error) => error.to_string(),
    }
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
            "epochs = 5\nbatch_size = 1",
            "small.toml:14: `stage.0.batch_size` is 1: it must be a whole number from 2 to 4096",
        ),
        (
            "epochs = 5",
            "epochs = 5\nbatch_size = 4097",
            "small.toml:14: `stage.0.batch_size` is 4097: it must be a whole number from 2 to 4096",
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
            "small.toml:14: `stage.0.sampler.kind` is \"suffled\", but it must be one of `sequential`, `shuffled`, \
             `balanced`, `weighted`, `file`, `hard`, `triplet`, `siamese`, `multi_resolution`: did you mean `shuffled`?",
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
