//! What each sampler draws, and what it refuses.
//! Not here: batches made of it (see the pipeline's tests).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::columns::Columns;
use crate::plan::Plan;

/// Records 0.. of these classes, with the ids r0, r1, …
fn columns(labels: &[i64]) -> Columns {
    let ids: Vec<String> = (0..labels.len()).map(|record| format!("r{record}")).collect();
    Columns::of(labels.iter().zip(&ids).map(|(label, id)| (Some(*label), Some(id.as_bytes()))))
}

/// Uneven classes: 1, 4, 10 and 25 records of the classes 0 to 3, mixed.
fn uneven() -> Columns {
    columns(&[vec![3; 15], vec![1; 4], vec![2; 10], vec![0], vec![3; 10]].concat())
}

/// Classes of two and more records.
fn pairable() -> Columns {
    columns(&[vec![2; 9], vec![0; 2], vec![1; 5], vec![2; 4]].concat())
}

fn bound(sampler: &Sampler, columns: &Columns) -> BoundSampler {
    sampler.bind(&Population::all(columns.labels.len() as u32).with_columns(columns, None)).unwrap()
}

fn tickets(sampler: &BoundSampler, seed: u64, epoch: u32, cap: Option<u64>) -> Vec<Vec<u32>> {
    let plan = Plan::new(sampler, seed, epoch, cap);
    (0..plan.tickets()).map(|seq| plan.ticket(seq).records.all().to_vec()).collect()
}

fn singles(sampler: &BoundSampler, seed: u64, epoch: u32, cap: Option<u64>) -> Vec<u32> {
    tickets(sampler, seed, epoch, cap).concat()
}

fn counted<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    items.fold(BTreeMap::new(), |mut counts, item| {
        *counts.entry(item).or_default() += 1;
        counts
    })
}

fn all_kinds() -> Vec<Sampler> {
    let weights = Weights::ByClass([1.0, 0.0, 3.0].into());
    let epochs = r#"{"ids":["r3","r4","r3"]}"#;
    vec![
        Sampler::Sequential,
        Sampler::Shuffled,
        Sampler::Balanced { tickets: Some(33) },
        Sampler::Weighted { weights, tickets: None },
        Sampler::File(Arc::new(EpochsFile::from_jsonl(epochs).unwrap())),
        Sampler::Hard { uniform_share: 0.2, tickets: Some(50) },
        Sampler::Triplet { tickets: Some(50) },
        Sampler::Siamese { same_share: 0.5, tickets: None },
    ]
}

#[test]
fn a_shuffle_is_a_permutation_that_depends_on_seed_and_epoch_alone() {
    let shuffled = BoundSampler::shuffled(1_000);
    let order = singles(&shuffled, 3, 1, None);
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, singles(&BoundSampler::sequential(1_000), 3, 1, None));
    assert_eq!(order, singles(&shuffled, 3, 1, None));
    assert_ne!(order, singles(&shuffled, 4, 1, None));
    assert_ne!(order, singles(&shuffled, 3, 2, None));
}

#[test]
fn plans_of_the_first_samplers_are_those_of_earlier_versions() {
    let hash = |sampler: &BoundSampler| Plan::new(sampler, 3, 2, Some(90)).hash();
    assert_eq!(
        hash(&BoundSampler::sequential(100)),
        "32094360ceea1115797606ea6d14cb02ccef93a4a6719f1136ab851b59a1ae5f"
    );
    assert_eq!(hash(&BoundSampler::shuffled(100)), "ca4f3e8b83e4306dbc77329e8131ae676cf1ea09c16f070ce8a3b7424586e3aa");
}

#[test]
fn no_records_and_one_record_are_plans_too() {
    assert!(singles(&BoundSampler::shuffled(0), 1, 1, None).is_empty());
    assert_eq!(singles(&BoundSampler::shuffled(1), 1, 1, None), [0]);
}

#[test]
fn every_plan_is_a_function_of_its_inputs_and_a_cap_only_shortens_it() {
    let columns = pairable();
    let losses: Vec<u32> = (0..20).map(|record| record * 100).collect();
    for sampler in all_kinds() {
        let bound = bound(&sampler, &columns);
        let plan = |seed, epoch, cap| Plan::of(&bound, &Occasion { seed, epoch, cap, losses: &losses });
        let hash = |seed, epoch, cap| plan(seed, epoch, cap).hash();
        assert_eq!(hash(1, 1, None), hash(1, 1, None), "{sampler:?}");
        assert_ne!(hash(1, 1, None), hash(2, 1, None), "{sampler:?}");
        assert_ne!(hash(1, 1, None), hash(1, 2, None), "{sampler:?}");
        let (whole, capped) = (plan(1, 1, None), plan(1, 1, Some(7)));
        assert_eq!(u64::from(whole.tickets() > 0), u64::from(bound.tickets(1) > 0));
        assert_eq!(whole.tickets(), bound.tickets(1));
        assert_eq!(capped.tickets(), bound.tickets(1).min(7), "{sampler:?}");
        assert!((0..capped.tickets()).all(|seq| capped.ticket(seq) == whole.ticket(seq)), "{sampler:?}");
        assert_eq!(whole.records_per_ticket(), sampler.records_per_ticket());
    }
}

#[test]
fn balanced_takes_turns_of_classes_and_within_each_of_its_records() {
    let columns = uneven();
    let balanced = bound(&Sampler::Balanced { tickets: Some(60) }, &columns);
    let order = singles(&balanced, 5, 1, None);
    let class = |record: &u32| columns.labels[*record as usize];
    for end in 1..=order.len() {
        let classes = counted(order[..end].iter().map(class));
        let most = *classes.values().max().unwrap();
        assert!((0..4).all(|class| classes.get(&Some(class)).copied().unwrap_or(0) + 1 >= most), "after {end}");
    }
    assert_eq!(counted(order.iter().map(class)).into_values().collect::<Vec<_>>(), [15; 4]);
    let uses = counted(order.iter().copied());
    let of_class = |class| (0..40u32).filter(move |record| uneven().labels[*record as usize] == Some(class));
    for wanted in 0..4 {
        let uses: Vec<usize> = of_class(wanted).map(|record| uses.get(&record).copied().unwrap_or(0)).collect();
        assert!(uses.iter().max().unwrap() - uses.iter().min().unwrap() <= 1, "class {wanted}: {uses:?}");
    }
    assert_ne!(order, singles(&balanced, 5, 2, None));
}

#[test]
fn weights_of_classes_and_of_ids_draw_in_proportion() {
    let columns = columns(&[0, 0, 1, 1, 2]);
    let by_class = Weights::ByClass([3.0, 1.0, 0.0].into());
    let by_id = WeightsById::from_csv("id,weight\nr0,3\nr1,3\nr2,1\n\"r3\", 1\nr4,0\n").unwrap();
    for weights in [by_class, Weights::ById(Arc::new(by_id))] {
        let weighted = bound(&Sampler::Weighted { weights, tickets: Some(8_000) }, &columns);
        let uses = counted(singles(&weighted, 1, 1, None).into_iter());
        assert!(uses.keys().all(|record| *record < 4), "a weight of 0 is never drawn");
        for (record, expected) in [(0, 3_000), (1, 3_000), (2, 1_000), (3, 1_000)] {
            assert!(uses[&record].abs_diff(expected) < 150, "record {record}: {}", uses[&record]);
        }
    }
}

#[test]
fn hard_is_shuffled_until_there_are_losses_and_then_draws_by_them() {
    let sampler = Sampler::Hard { uniform_share: 0.5, tickets: None };
    let few = sampler.bind(&Population::all(4)).unwrap();
    assert_eq!(singles(&few, 1, 1, None), singles(&BoundSampler::shuffled(4), 1, 1, None));
    let many = Sampler::Hard { uniform_share: 0.5, tickets: Some(8_000) }.bind(&Population::all(4)).unwrap();
    // Record 3 has no loss yet: it gets the mean, 2. The weights are 1 + ½, 1 + 1, 1 + 1.5 and 1 + 1.
    let plan = Plan::of(&many, &Occasion { seed: 1, epoch: 2, cap: None, losses: &[1_000, 2_000, 3_000, 0] });
    let uses = counted((0..plan.tickets()).map(|seq| plan.ticket(seq).records.first()));
    for (record, expected) in [(0, 1_500), (1, 2_000), (2, 2_500), (3, 2_000)] {
        assert!(uses[&record].abs_diff(expected) < 150, "record {record}: {}", uses[&record]);
    }
    // Losses of records that were all right, or of fewer records than there are, are no reason to fail.
    for losses in [&[0, 0, 0, 0][..], &[7]] {
        assert_eq!(Plan::of(&many, &Occasion { seed: 1, epoch: 2, cap: None, losses }).tickets(), 8_000);
    }
}

#[test]
fn triplets_are_of_an_anchor_another_of_its_class_and_one_of_another() {
    let columns = pairable();
    let class = |record: u32| columns.labels[record as usize];
    let triplets = tickets(&bound(&Sampler::Triplet { tickets: Some(4_000) }, &columns), 1, 1, None);
    let mut partners: BTreeMap<u32, [Vec<u32>; 2]> = BTreeMap::new();
    for triplet in &triplets {
        let [anchor, positive, negative] = triplet[..] else { panic!("three records") };
        assert!(anchor != positive && class(anchor) == class(positive) && class(anchor) != class(negative));
        let [positives, negatives] = partners.entry(anchor).or_default();
        positives.push(positive);
        negatives.push(negative);
    }
    // Every record is an anchor equally often, and every partner that there can be comes up.
    for (anchor, [positives, negatives]) in partners {
        assert_eq!(positives.len(), 200);
        let of_class = (0..20).filter(|&record| class(record) == class(anchor)).count();
        assert_eq!(counted(positives.into_iter()).len(), of_class - 1, "anchor {anchor}");
        assert_eq!(counted(negatives.into_iter()).len(), 20 - of_class, "anchor {anchor}");
    }
}

#[test]
fn siamese_pairs_are_of_one_class_as_often_as_asked() {
    let columns = pairable();
    for (same_share, expected) in [(0.0, 0), (0.3, 1_200), (1.0, 4_000)] {
        let pairs = tickets(&bound(&Sampler::Siamese { same_share, tickets: Some(4_000) }, &columns), 1, 1, None);
        let same = |pair: &&Vec<u32>| columns.labels[pair[0] as usize] == columns.labels[pair[1] as usize];
        assert!(pairs.iter().filter(same).count().abs_diff(expected) < 120);
        assert!(pairs.iter().all(|pair| pair[0] != pair[1]));
    }
}

#[test]
fn records_that_are_held_out_are_never_drawn() {
    let columns = pairable();
    let kept: Arc<[u32]> = (0..20).filter(|record| record % 5 != 3).collect();
    for sampler in all_kinds().into_iter().filter(|sampler| !matches!(sampler, Sampler::File(_))) {
        let population = Population::all(20).with_columns(&columns, None).only(&kept);
        let bound = sampler.bind(&population).unwrap();
        for losses in [&[][..], &[5; 20]] {
            let plan = Plan::of(&bound, &Occasion { seed: 1, epoch: 1, cap: None, losses });
            let mut records = (0..plan.tickets()).flat_map(|seq| plan.ticket(seq).records.all().to_vec());
            assert!(records.all(|record| kept.contains(&record)), "{sampler:?}");
        }
    }
}

#[test]
fn a_file_of_epochs_is_followed_to_the_letter() {
    let columns = columns(&[0, 1, 2, 3]);
    let text = "{\"epoch\":2,\"ids\":[\"r3\",\"r0\"]}\n\n{\"epoch\":1,\"ids\":[\"r1\",\"r1\"]}\n{\"epoch\":2,\"ids\":[\"r2\",\"r3\"]}\n";
    let sampler = Sampler::File(Arc::new(EpochsFile::from_jsonl(text).unwrap()));
    let bound = bound(&sampler, &columns);
    assert_eq!(tickets(&bound, 9, 1, None), [[1, 1]]);
    assert_eq!(tickets(&bound, 9, 2, None), [[3, 0], [2, 3]]);
    assert_eq!((bound.tickets(1), bound.tickets(2)), (1, 2));
    assert_eq!(bound.check_epochs(1..=2), Ok(()));
    assert_eq!(bound.check_epochs(1..=3), Err(SamplerError::MissingEpoch { epoch: 3 }));
    let every = Sampler::File(Arc::new(EpochsFile::from_jsonl("{\"ids\":[\"r2\"]}").unwrap()));
    assert_eq!(self::bound(&every, &columns).check_epochs(1..=1_000), Ok(()));
}

#[test]
fn what_does_not_fit_the_records_is_refused_in_a_sentence() {
    let lonely = uneven();
    let told = |sampler: Sampler, columns: &Columns| {
        let kept: Arc<[u32]> = (1..columns.labels.len() as u32).collect();
        let population = Population::all(columns.labels.len() as u32).with_columns(columns, None).only(&kept);
        sampler.bind(&population).unwrap_err().to_string()
    };
    let file = |text: &str| Sampler::File(Arc::new(EpochsFile::from_jsonl(text).unwrap()));
    let by_id = |text| Sampler::Weighted {
        weights: Weights::ById(Arc::new(WeightsById::from_csv(text).unwrap())),
        tickets: None,
    };
    let zero = Sampler::Weighted { weights: Weights::ByClass([0.0, 0.0, 0.0, 0.0, 1.0].into()), tickets: None };
    let twins = Columns::of((0..4).map(|record| (Some(record % 2), Some(&b"same"[..]))));
    let nameless = Columns::of((0..4).map(|record| (Some(record % 2), None)));
    let classless = Columns::of((0..4).map(|_| (None, None)));
    for (told, expected) in [
        (told(Sampler::Triplet { tickets: None }, &lonely), "class 0 has a single example"),
        (told(Sampler::Siamese { same_share: 0.5, tickets: None }, &lonely), "class 0 has a single example"),
        (told(Sampler::Triplet { tickets: None }, &columns(&[1, 1, 1])), "all records are of class 1"),
        (told(Sampler::Balanced { tickets: None }, &classless), "no record has one"),
        (
            told(file("{\"ids\":[\"r1\"]}\n{\"ids\":[\"r99\"]}"), &lonely),
            "line 2: no training record has the id \"r99\"",
        ),
        (told(file("{\"ids\":[\"r0\"]}"), &lonely), "line 1: the record with the id \"r0\" is held out"),
        (told(file("{\"ids\":[\"same\"]}"), &twins), "line 1: two training records have the id \"same\""),
        (
            told(by_id("id,weight\nr1,1\n"), &lonely),
            "has 1 weights, and a training record has none there: its id is \"r2\"",
        ),
        (told(by_id("id,weight\nr1,1\nr77,1\n"), &lonely), "line 3: no training record has the id \"r77\""),
        (told(by_id("id,weight\nx,1\n"), &nameless), "line 2: no training record has the id \"x\""),
        (told(zero, &lonely), "the weight 0"),
    ] {
        assert!(told.contains(expected), "{told}");
    }
    let unread = Sampler::Balanced { tickets: None }.bind(&Population::all(3)).unwrap_err().to_string();
    assert!(unread.contains("needs class and id"), "{unread}");
}

#[test]
fn files_are_refused_by_line() {
    let by_id = |text: &str| WeightsById::from_csv(text).unwrap_err().to_string();
    let by_class = |text: &str| class_weights_from_csv(text, 3).unwrap_err().to_string();
    let epochs = |text: &str| EpochsFile::from_jsonl(text).unwrap_err().to_string();
    for (told, expected) in [
        (by_id("name,weight\na,1"), "line 1: the header is \"name,weight\": it must be `id,weight`"),
        (by_id(""), "line 1: the header is \"\""),
        (by_id("id,weight\na,1\nb,NaN"), "line 3: the weight of \"b\" is NaN"),
        (by_id("id,weight\na,-1"), "line 2: the weight of \"a\" is -1"),
        (by_id("id,weight\na,inf"), "line 2: the weight of \"a\" is inf"),
        (by_id("id,weight\na,heavy"), "line 2: \"heavy\" is no number"),
        (by_id("id,weight\na"), "line 2: \"a\" is no pair"),
        (by_id("id,weight\n,1"), "line 2: there is no id"),
        (by_id("id,weight\na,1\na,2"), "line 3: the id \"a\" was on line 2 already"),
        (by_id("id,weight\na,0\nb,0"), "line 3: all weights are 0"),
        (by_id("id,weight\na,1e308\nb,1e308"), "too large"),
        (
            by_class("class,weight\n0,1\n1,1"),
            "line 3: the file has weights of 2 classes, not of all 3: class 2 has none",
        ),
        (by_class("class,weight\n0,1\n3,1"), "line 3: \"3\" is no class: they are the numbers from 0 to 2"),
        (by_class("class,weight\n0,1\n0,1"), "line 3: class 0 has a weight already"),
        (by_class("class,weight\n0,0\n1,0\n2,0"), "all weights are 0"),
        (epochs(""), "line 1: there are no tickets"),
        (epochs("{\"ids\":[]}"), "line 1: a ticket has 1 to 3 ids, not 0"),
        (epochs("{\"ids\":[\"a\",\"b\",\"c\",\"d\"]}"), "line 1: a ticket has 1 to 3 ids, not 4"),
        (
            epochs("{\"ids\":[\"a\"]}\n{\"ids\":[\"a\",\"b\"]}"),
            "line 2: this ticket has 2 ids, and the first one has 1",
        ),
        (epochs("{\"ids\":[\"a\"]}\n{\"epoch\":1,\"ids\":[\"a\"]}"), "line 2: either every line names its epoch"),
        (epochs("{\"epoch\":0,\"ids\":[\"a\"]}"), "line 1: epochs count from 1"),
        (epochs("{\"ids\":\"a\"}"), "line 1: \"{\\\"ids\\\":\\\"a\\\"}\" is no ticket"),
        (epochs("{\"ids\":[\"a\"],\"id\":1}"), "unknown field"),
    ] {
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(class_weights(&[1.0, 0.0, 2.5], 3), Ok(()));
    for (weights, expected) in [
        (&[1.0][..], "there are 1 weights, and there are 3 classes"),
        (&[1.0, f64::NAN, 1.0], "class 1 is NaN"),
        (&[0.0; 3], "all weights are 0"),
    ] {
        let told = class_weights(weights, 3).unwrap_err();
        assert!(told.contains(expected), "{told}");
    }
}
