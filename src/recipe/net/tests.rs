//! Tests of `[net]`: what is refused and how it is told, and that everything is written back.

use crate::recipe::{Net, Recipe, RecipeError};

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

/// The first row of the leaderboard.
const SYSTEM_1: &[&str] = &[
    "net.stem={ kind = \"deconv\", widths = [24, 32, 64], weight_norm = true }",
    "net.block={ kind = \"mk\", variant = \"f\", kernels = [[3, 5], [3, 5, 7, 9], [3, 5, 7, 9], [3, 5]] }",
    "net.layers=[3, 4, 6, 3]",
    "net.squeeze_excite=16",
    "net.self_attention=true",
    "net.activation=mish",
];

fn read(assignments: &[&str]) -> Result<Recipe, RecipeError> {
    let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
    Recipe::from_text("small.toml", SMALL, &assignments)
}

#[test]
fn what_is_left_out_has_the_default_of_its_kind() {
    let net = |assignments: &[&str]| read(assignments).expect("valid").net;
    assert_eq!(net(&[]), Net::xresnet18(104));
    let larger = ["net.block.kind=bottleneck", "net.layers=[3, 4, 6, 3]", "net.outputs=1000"];
    assert_eq!(net(&larger), Net::xresnet50(1000));
    assert_eq!(
        net(&[&larger[..], &["net.block.groups=32", "net.squeeze_excite=16"]].concat()),
        Net::xse_resnext50(1000)
    );
    let first = net(SYSTEM_1);
    assert_eq!((first.block.groups, first.block.expansion, first.self_attention), (32, 4, Some(0)));
    assert_eq!((first.stem.iterations, first.stem.freeze_after), ([5; 3], [0; 3]));
}

#[test]
fn parts_that_do_not_fit_are_refused_with_the_key() {
    let mk = |kernels: &str| format!("net.block={{ kind = \"mk\", variant = \"e\", kernels = {kernels} }}");
    let deconv = |setting: &str| format!("net.stem={{ kind = \"deconv\", {setting} }}");
    let cases = [
        ("net.kind=resnet", "`net.kind` is \"resnet\", but it must be `xresnet`: did you mean `xresnet`?"),
        ("net.stem.kind=patch", "`net.stem.kind` is \"patch\", but it must be one of `conv`, `deconv`"),
        ("net.stem={ widths = [1, 2] }", "`net.stem.widths` has 2 numbers: it must have 3"),
        ("net.stem={ widths = [1, 2, 5000] }", "`net.stem.widths.2` is 5000: it must be a whole number from 1 to 4096"),
        ("net.stem={ weight_norm = true }", "`net.stem.weight_norm` does not belong to kind \"conv\": leave it out"),
        ("net.stem={ iterations = [5, 5, 5] }", "`net.stem.iterations` does not belong to kind \"conv\""),
        (&deconv("iterations = [15, 5]"), "`net.stem.iterations` has 2 numbers: it must have 3"),
        (&deconv("iterations = [15, 5, 0]"), "`net.stem.iterations.2` is 0: it must be a whole number from 1 to 100"),
        (&deconv("freeze_after = [-1, 0, 0]"), "`net.stem.freeze_after.0` is -1: it must be a whole number from 0"),
        ("net.pool=mean", "`net.pool` is \"mean\", but it must be one of `max`, `max_blur_2020`, `max_blur`"),
        ("net.activation=gelu", "`net.activation` is \"gelu\", but it must be one of `relu`, `mish`"),
        ("net.attention=ecca", "`net.attention` is \"ecca\", but it must be one of `none`, `eca`: did you mean `eca`?"),
        ("net.block.kind=wide", "`net.block.kind` is \"wide\", but it must be one of `basic`, `bottleneck`, `mk`"),
        ("net.block.variant=f", "`net.block.variant` does not belong to kind \"basic\": leave it out"),
        ("net.block.kernels=[[3]]", "`net.block.kernels` does not belong to kind \"basic\": leave it out"),
        ("net.block.expansion=4", "`net.block.expansion` is 4: blocks of kind \"basic\" have an expansion of 1"),
        ("net.block.groups=0", "`net.block.groups` is 0: it must be a whole number from 1 to 256"),
        (
            "net.block.groups=48",
            "`net.block.groups` is 48: the 64 channels that come into body stage 0 don't divide into it",
        ),
        ("net.block={ kind = \"mk\", kernels = [] }", "`net.block.variant` is missing: a recipe must state it"),
        ("net.block={ kind = \"mk\", variant = \"f\" }", "`net.block.kernels` is missing: a recipe must state it"),
        ("net.block={ kind = \"mk\", variant = \"h\" }", "`net.block.variant` is \"h\", but it must be one of `d`"),
        (&mk("[[3], [3], [3]]"), "`net.block.kernels` has 3 lists: it must have 4, one for each body stage"),
        (&mk("[[3], [3], [], [3]]"), "`net.block.kernels.2` has 0 kernels: it must have from 1 to 16"),
        (&mk("[[3], [3, 6], [3], [3]]"), "`net.block.kernels.1.1` is 6: a kernel's side must be odd"),
        (
            &mk("[[3, 5, 7], [3], [3], [3]]"),
            "`net.block.kernels.0` has 3 kernels: 128 channels in 3 parts make one of 44, which doesn't divide into \
             `net.block.groups`, 32",
        ),
        ("net.layers=[1, 2, 3]", "`net.layers` has 3 numbers: it must have 4"),
        (
            "net.squeeze_excite=100",
            "`net.squeeze_excite` is 100: of the 64 channels that it works on in body stage 0 that leaves none; it must \
             be at most 64, or 0 for no squeeze-and-excite",
        ),
        ("net.squeeze_excite=-1", "`net.squeeze_excite` is -1: it must be a whole number from 0 to"),
        (
            "net.self_attention_stage=1",
            "`net.self_attention_stage` says where, but there is no `net.self_attention = true`: leave it out",
        ),
    ];
    for (assignment, expected) in cases {
        let error = read(&[assignment]).expect_err(assignment).to_string();
        let expected = format!("--set {assignment}: {expected}");
        assert!(error.starts_with(&expected), "{error}\n{expected}");
    }
    let error =
        read(&["net.self_attention=true", "net.self_attention_stage=4"]).expect_err("no such stage").to_string();
    assert!(error.ends_with("`net.self_attention_stage` is 4: it must be a whole number from 0 to 3"), "{error}");
}

#[test]
fn pictures_too_small_for_a_blurred_pooling_are_refused() {
    for (assignments, expected) in [
        (
            ["stage.0.input_px=4", "evaluation.input_px=64"],
            "`stage.0.input_px` is 4: `net.pool`, \"max_blur_2020\", needs",
        ),
        (["stage.0.input_px=64", "evaluation.input_px=4"], "`evaluation.input_px` is 4: `net.pool`"),
    ] {
        let error = read(&[&assignments[..], &["net.pool=max_blur_2020"]].concat()).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
        assert!(read(&assignments).is_ok(), "the plain pooling takes any size");
    }
}

#[test]
fn every_net_is_written_back_whole() {
    let variants: &[&[&str]] = &[
        &[],
        SYSTEM_1,
        &["net.block.groups=64", "net.squeeze_excite=8", "net.pool=max_blur_2020", "net.stem={ kind = \"deconv\" }"],
        &["net.stem={ kind = \"deconv\", iterations = [15, 5, 5], freeze_after = [100, 0, 0] }"],
        &["net.attention=eca", "net.self_attention=true", "net.self_attention_stage=2", "net.block.kind=bottleneck"],
        &["net.block={ kind = \"bottleneck\", expansion = 2 }", "net.pool=max_blur", "net.activation=mish"],
    ];
    let mut hashes = std::collections::BTreeSet::new();
    for assignments in variants {
        let recipe = read(assignments).expect("valid");
        let text = recipe.to_toml();
        let again = Recipe::from_text("resolved", &text, &[]).expect("the resolved form is valid");
        assert_eq!((&again, again.to_toml()), (&recipe, text));
        hashes.insert(recipe.hash());
    }
    assert_eq!(hashes.len(), variants.len(), "every net has a hash of its own");
}
