//! The guide to adding a technique shows code that is there, and a part of each table can be made in a file of its own.

use std::path::Path;

use fastgarden_train::net::Layer;
use fastgarden_train::net::attention::AttentionMaker;
use fastgarden_train::net::block::{BlockMaker, Branch};
use fastgarden_train::net::conv_layer::{Conv2d, ConvSpec};
use fastgarden_train::net::part::Part;
use fastgarden_train::net::pool::PoolMaker;
use fastgarden_train::net::stem::StemMaker;
use fastgarden_train::state::StateBuilder;
use tch::{Device, Kind, Tensor};

#[test]
fn the_guide_shows_the_code_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect(path);
    let sources = ["eca", "attention"].map(|name| read(&format!("src/net/{name}.rs")));
    let guide = read("../../docs/new-technique.md");
    let blocks: Vec<&str> = guide.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 3, "the guide has lost its code");
    for block in blocks {
        assert!(sources.iter().any(|source| source.contains(block)), "not in eca.rs or attention.rs:\n{block}");
    }
}

/// A 1×1 convolution that keeps the channels.
fn pointwise(state: &mut StateBuilder, channels: i64) -> Box<dyn Layer> {
    let spec = ConvSpec { channels_in: channels, channels_out: channels, kernels: &[1], stride: 1, groups: 1 };
    Box::new(Conv2d::new(state, &spec, true))
}

static ATTENTION: Part<AttentionMaker> = Part { name: "a", settings: &[], make: pointwise };
static STEM: Part<StemMaker> =
    Part { name: "s", settings: &[], make: |state, layer| pointwise(state, layer.channels_in) };
static POOL: Part<PoolMaker> = Part { name: "p", settings: &[], make: PoolMaker { side_min: 1, build: pointwise } };
static BLOCK: Part<BlockMaker> = Part {
    name: "b",
    settings: &[],
    make: BlockMaker {
        expansions: 1..=1,
        expansion: 1,
        groups: 1,
        check: |_, _| Ok(()),
        squeezed: |_, _| None,
        branch: |branch: &mut Branch<'_>, _, place| branch.push(|state| pointwise(state, place.channels_in)),
    },
};

#[test]
fn a_part_of_each_table_can_be_made_in_a_file_of_its_own() {
    assert_eq!((ATTENTION.name, STEM.name, BLOCK.name), ("a", "s", "b"));
    let mut state = StateBuilder::new(Device::Cpu, Kind::Float);
    let pool = (POOL.make.build)(&mut state, 3);
    assert_eq!(pool.forward(&Tensor::zeros([1, 3, 2, 2], (Kind::Float, Device::Cpu)), false).size(), [1, 3, 2, 2]);
}
