//! What a checkpoint promises: exact return, no damage unseen, no other net, no half-written folder.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

use super::*;
use crate::loss::{Targets, cross_entropy};
use crate::net::Net;
use crate::net::stem::StemSpec;
use crate::net::xresnet::{XResNet, XResNetSpec};
use crate::optimizer::{
    Adam, AdamOptions, LookaheadOptions, Muon, MuonOptions, Optimizer, RAdamOptions, Ranger, Sgd, SgdOptions,
};
use crate::state::StateDict;
use crate::testing::generator;

/// A net small enough to train in milliseconds, its initial weights drawn from `seed`, with every kind of buffer that a
/// net can have: running statistics of norms and deconvolutions, a counter, spectral norm's vectors.
fn drawn_net(seed: i64, outputs: i64) -> XResNet {
    let _guard = generator();
    tch::manual_seed(seed);
    // A net this small is slower on several threads, most of all beside other tests.
    tch::set_num_threads(1);
    let plain = XResNetSpec::xresnet18(outputs);
    let stem = StemSpec { freeze_after: [1, 0, 0], ..StemSpec::new("deconv", [4, 4, 8]) };
    let spec = XResNetSpec { stem, layers: [1; 4], self_attention: Some(0), ..plain };
    XResNet::new(&spec, Device::Cpu, Kind::Float)
}

/// Initial values of the nets so far, by seed and outputs.
type Drawn = BTreeMap<(i64, i64), Vec<(String, Tensor)>>;
static DRAWN: Mutex<Drawn> = Mutex::new(BTreeMap::new());

/// The net drawn first for this seed: always the same, even if another test draws numbers while it is made.
fn seeded_net(seed: i64, outputs: i64) -> XResNet {
    let net = drawn_net(seed, outputs);
    let mut drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    let first = drawn.entry((seed, outputs)).or_insert_with(|| net.state().snapshot());
    let _guard = tch::no_grad_guard();
    for (entry, (_, value)) in net.state().entries().iter().zip(first) {
        entry.tensor.shallow_clone().copy_(value);
    }
    net
}

fn net(outputs: i64) -> XResNet {
    seeded_net(0, outputs)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn everything(net: &XResNet, optimizer: &dyn Optimizer) -> Vec<(String, Tensor)> {
    net.state().snapshot().into_iter().chain(with_prefix(OPTIMIZER, optimizer.save())).collect()
}

/// Steps `from..to`, each on its own random batch.
fn train(net: &XResNet, optimizer: &mut dyn Optimizer, steps: std::ops::Range<i64>) {
    for step in steps {
        let values: Vec<f32> = (0..2 * 32 * 32 * 3).map(|i| ((i + 977 * step) as f32).sin().abs()).collect();
        let images = Tensor::from_slice(&values).view([2, 32, 32, 3]).permute([0, 3, 1, 2]);
        let targets = Targets::Classes(Tensor::from_slice(&[step % 3, 2]));
        optimizer.zero_grad(net.state());
        cross_entropy(&net.logits(&images, true), &targets, 0.1).backward();
        optimizer.step(net.state(), 1e-2.into());
    }
}

fn one_tensor(value: f64) -> Vec<(String, Tensor)> {
    vec![("w".to_owned(), Tensor::from_slice(&[value, 1.0]))]
}

fn names(parent: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(parent.path()).expect("the folder is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("ASCII")).collect();
    names.sort();
    names
}

/// An interrupted training that starts again from its checkpoint ends with the weights of an uninterrupted one.
fn continues_bit_for_bit(make: &dyn Fn(&StateDict) -> Box<dyn Optimizer>) {
    let begin = || {
        let net = seeded_net(5, 3);
        net.state().to_channels_last();
        let optimizer = make(net.state());
        (net, optimizer)
    };
    let (whole, mut optimizer) = begin();
    train(&whole, optimizer.as_mut(), 0..6);

    let parent = folder();
    let (first, mut optimizer) = begin();
    train(&first, optimizer.as_mut(), 0..3);
    let meta = json!({"cursor": {"epoch": 1, "step": 3}});
    write(parent.path(), "1-3", &everything(&first, optimizer.as_ref()), &meta, 2).expect("it can be written");

    let second = seeded_net(99, 3);
    let loaded = newest_valid(parent.path()).expect("it can be read").found.expect("it is there");
    assert_eq!(loaded.meta, meta);
    load_into(second.state(), &loaded).expect("it is the same net");
    assert_eq!(sha256_of_weights(second.state()), sha256_of_weights(first.state()));
    for (restored, original) in second.state().entries().iter().zip(first.state().entries()) {
        assert_eq!(restored.tensor.stride(), original.tensor.stride(), "{}", original.key);
    }
    let mut optimizer = make(second.state());
    optimizer.load(&section(&loaded, OPTIMIZER)).expect("it is the same optimiser");
    train(&second, optimizer.as_mut(), 3..6);
    assert_eq!(sha256_of_weights(second.state()), sha256_of_weights(whole.state()));
    assert_ne!(sha256_of_weights(second.state()), sha256_of_weights(first.state()));
}

#[test]
fn a_seed_gives_one_net() {
    let hash = |seed| sha256_of_weights(drawn_net(seed, 3).state());
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}

#[test]
fn the_hash_of_weights_is_of_their_values_not_of_their_layout() {
    let net = net(3);
    let before = sha256_of_weights(net.state());
    net.state().to_channels_last();
    assert!(!net.state().entries()[0].tensor.is_contiguous());
    assert_eq!(sha256_of_weights(net.state()), before);
}

#[test]
fn sgd_goes_on_bit_for_bit() {
    let options = SgdOptions { weight_decay: 1e-2, ..SgdOptions::default() };
    continues_bit_for_bit(&|state| Box::new(Sgd::new(state, options)));
}

#[test]
fn adamw_goes_on_bit_for_bit() {
    continues_bit_for_bit(&|state| Box::new(Adam::new(state, AdamOptions::default())));
}

#[test]
fn ranger_goes_on_bit_for_bit_through_a_synchronisation() {
    let (radam, lookahead) = (RAdamOptions::default(), LookaheadOptions { steps: 4, ..LookaheadOptions::default() });
    continues_bit_for_bit(&|state| Box::new(Ranger::ranger(state, radam, lookahead)));
}

#[test]
fn muon_goes_on_bit_for_bit() {
    continues_bit_for_bit(&|state| Box::new(Muon::new(state, MuonOptions::default())));
}

#[test]
fn two_checkpoints_of_one_state_have_the_same_bytes() {
    let (one, other) = (folder(), folder());
    let net = net(3);
    let tensors = net.state().snapshot();
    let meta = json!({"b": 1, "a": [true, null]});
    for parent in [&one, &other] {
        write(parent.path(), "1-1", &tensors, &meta, 1).expect("it can be written");
    }
    for file in ["state.safetensors", "manifest.json"] {
        let bytes = |parent: &TempDir| fs::read(parent.path().join("1-1").join(file)).expect("it is there");
        assert!(bytes(&one) == bytes(&other), "{file}");
    }
}

#[test]
fn every_damaged_byte_is_seen_and_the_older_checkpoint_taken() {
    let parent = folder();
    write(parent.path(), "1-1", &one_tensor(1.0), &json!({"n": 1}), 9).expect("it can be written");
    let newer = write(parent.path(), "1-2", &one_tensor(2.0), &json!({"n": 2}), 9).expect("it can be written");
    for file in ["state.safetensors", "manifest.json"] {
        let path = newer.join(file);
        let whole = fs::read(&path).expect("it is there");
        let damage = (0..whole.len()).map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            bytes
        });
        for bytes in damage.chain([Vec::new(), whole[..whole.len() - 1].to_vec(), [&whole[..], b"x"].concat()]) {
            fs::write(&path, bytes).expect("the file can be written");
            let newest = newest_valid(parent.path()).expect("an older one is whole");
            assert_eq!(newest.found.expect("the older one").meta, json!({"n": 1}));
            assert_eq!(newest.skipped.iter().map(|skipped| &skipped.path).collect::<Vec<_>>(), [&newer]);
        }
        fs::remove_file(&path).expect("it is there");
        assert!(matches!(read(&newer), Err(CheckpointError::Damaged { .. })));
        fs::write(&path, &whole).expect("the file can be written");
    }
    assert_eq!(newest_valid(parent.path()).expect("all is whole").found.expect("it").meta, json!({"n": 2}));
}

#[test]
fn well_sealed_nonsense_is_refused_without_a_panic() {
    let parent = folder();
    let path = write(parent.path(), "1-1", &one_tensor(1.0), &json!(null), 1).expect("it can be written");
    let file = path.join("manifest.json");
    let text = fs::read_to_string(&file).expect("it is there");
    let resealed = |from: &str, to: &str| {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        let body = changed[..changed.rfind(",\"crc32\":").expect("a seal")].to_owned() + "}";
        let crc32 = crc32fast::hash(body.as_bytes());
        fs::write(&file, format!("{},\"crc32\":\"{crc32:08x}\"}}\n", &body[..body.len() - 1])).expect("writable");
        read(&path).expect_err("nonsense")
    };
    for strides in ["[0]", "[-1]", "[9223372036854775807]", "[1,1]", "[2]"] {
        let error = resealed("\"strides\":{", &format!("\"strides\":{{\"w\":{strides}"));
        assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
    }
    assert!(matches!(resealed("state.safetensors", "../../etc"), CheckpointError::Damaged { .. }));
    let error = resealed("\"version\":1", "\"version\":2");
    assert!(matches!(error, CheckpointError::Newer { found: 2, .. }), "{error}");
    assert!(matches!(newest_valid(parent.path()), Err(CheckpointError::Newer { .. })));
}

#[test]
fn a_checkpoint_of_another_net_is_refused_and_changes_nothing() {
    let parent = folder();
    let (small, other) = (net(3), net(4));
    let path = write(parent.path(), "1-1", &small.state().snapshot(), &json!(null), 1).expect("it can be written");
    let mut loaded = read(&path).expect("it is whole");
    let before = sha256_of_weights(other.state());
    let error = load_into(other.state(), &loaded).expect_err("another number of outputs").to_string();
    assert!(error.contains("another net") && error.contains("11.weight is [3, 512]"), "{error}");
    loaded.tensors.remove("0.0.weight");
    loaded.tensors.insert("12.weight".to_owned(), Tensor::from(1.0));
    let error = load_into(small.state(), &loaded).expect_err("missing and unexpected keys").to_string();
    assert!(error.contains("0.0.weight is missing") && error.contains("12.weight is not in the net"), "{error}");
    assert_eq!(sha256_of_weights(other.state()), before);
}

#[test]
fn the_state_of_another_optimiser_is_refused() {
    let net = net(3);
    let mut sgd = Sgd::new(net.state(), SgdOptions::default());
    let adamw = Adam::new(net.state(), AdamOptions::default());
    assert!(sgd.load(&adamw.save().into_iter().collect()).is_err());
    let mut extra: std::collections::HashMap<_, _> = sgd.save().into_iter().collect();
    extra.insert("odd".to_owned(), Tensor::from(1.0));
    assert!(sgd.load(&extra).expect_err("one too many").to_string().contains("odd"));
}

#[test]
fn the_oldest_go_and_a_taken_name_is_never_written_again() {
    let parent = folder();
    let write_one = |name: &str, keep| write(parent.path(), name, &one_tensor(1.0), &json!(name), keep);
    for name in ["1-9", "1-10", "2-1"] {
        write_one(name, 2).expect("it can be written");
    }
    assert_eq!(names(&parent), ["1-10", "2-1"]);
    write_one("2-1", 2).expect("it can be written");
    assert_eq!(names(&parent), ["2-1", "2-1-2"]);
    // Training resumed from before 3-5, which is damaged: it goes, not the good ones.
    fs::create_dir(parent.path().join("3-5")).expect("a new folder");
    write_one("2-7", 3).expect("it can be written");
    assert_eq!(names(&parent), ["2-1", "2-1-2", "2-7"]);
    write_one("2-8", 0).expect("the newest always stays");
    assert_eq!(names(&parent), ["2-8"]);
}

#[test]
fn half_written_folders_are_not_read_and_are_cleared_away() {
    let parent = folder();
    fs::create_dir(parent.path().join("1-5.tmp")).expect("a new folder");
    fs::create_dir(parent.path().join("notes.tmp")).expect("a new folder");
    assert!(newest_valid(parent.path()).expect("nothing to read").found.is_none());
    assert!(newest_valid(&parent.path().join("nowhere")).expect("nothing to read").found.is_none());
    write(parent.path(), "1-6", &one_tensor(1.0), &json!(null), 1).expect("it can be written");
    assert_eq!(names(&parent), ["1-6", "notes.tmp"]);
}

#[test]
fn what_cannot_be_written_is_a_typed_error_and_leaves_nothing() {
    let parent = folder();
    for name in ["", "a", "../1", "1-", "1/2", "1-+2", "1.tmp"] {
        let error = write(parent.path(), name, &one_tensor(1.0), &json!(null), 1).expect_err("not a name");
        assert!(matches!(error, CheckpointError::Unstorable { .. }), "{name}: {error}");
    }
    let complex = [("w".to_owned(), Tensor::zeros([1], (Kind::ComplexFloat, Device::Cpu)))];
    assert!(matches!(write(parent.path(), "1", &complex, &json!(null), 1), Err(CheckpointError::Unstorable { .. })));
    assert!(names(&parent).is_empty());
    let file = parent.path().join("file");
    fs::write(&file, "").expect("a new file");
    let error = write(&file, "1-1", &one_tensor(1.0), &json!(null), 1).expect_err("its parent is a file");
    assert!(matches!(&error, CheckpointError::Io { path, .. } if *path == file), "{error}");
}
