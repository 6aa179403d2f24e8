//! The parser on hand-made messages: what protobuf accepts, merges, ignores and refuses.

use super::wire::{bytes_field, varint};
use super::*;

const NONE: ExampleView<'static> = ExampleView { image: None, label: None, id: None };

fn example(entries: &[Vec<u8>]) -> Vec<u8> {
    bytes_field(1, &entries.iter().flat_map(|entry| bytes_field(1, entry)).collect::<Vec<_>>())
}

fn entry(key: &str, feature: &[u8]) -> Vec<u8> {
    [bytes_field(1, key.as_bytes()), bytes_field(2, feature)].concat()
}

fn bytes_feature(values: &[&[u8]]) -> Vec<u8> {
    bytes_field(1, &values.iter().flat_map(|value| bytes_field(1, value)).collect::<Vec<_>>())
}

fn packed_feature(values: &[i64]) -> Vec<u8> {
    bytes_field(3, &bytes_field(1, &values.iter().flat_map(|&value| varint(value as u64)).collect::<Vec<_>>()))
}

fn unpacked_feature(values: &[i64]) -> Vec<u8> {
    bytes_field(3, &values.iter().flat_map(|&value| [vec![0x08], varint(value as u64)].concat()).collect::<Vec<_>>())
}

fn parse(payload: &[u8]) -> Result<ExampleView<'_>, BadBytes> {
    parse_example(payload, &FeatureNames::default())
}

fn kind_of(payload: &[u8]) -> FaultKind {
    parse(payload).unwrap_err().kind
}

#[test]
fn encoding_and_parsing_agree() {
    let features = [
        ("class", FeatureValue::Int64(-3)),
        ("id", FeatureValue::Bytes(b"x7")),
        ("image", FeatureValue::Bytes(b"\xff\xd8")),
        ("weight", FeatureValue::Float(0.5)),
    ];
    let payload = encode_example(&features);
    assert_eq!(parse(&payload).unwrap(), ExampleView { image: Some(b"\xff\xd8"), label: Some(-3), id: Some(b"x7") });
    assert_eq!(feature_keys(&payload).unwrap(), ["class", "id", "image", "weight"]);
}

#[test]
fn an_empty_payload_is_an_example_with_nothing_in_it() {
    assert_eq!(parse(b"").unwrap(), NONE);
    let fault = NONE.image_or_fault(b"").unwrap_err();
    assert_eq!(fault.kind, FaultKind::MissingImage);
}

#[test]
fn packed_unpacked_mixed_and_several_values_give_the_first() {
    for feature in [packed_feature(&[7, 8]), unpacked_feature(&[7, 8])] {
        assert_eq!(parse(&example(&[entry("class", &feature)])).unwrap().label, Some(7));
    }
    let lists = [packed_feature(&[]), unpacked_feature(&[7]), packed_feature(&[9])].concat();
    assert_eq!(parse(&example(&[entry("label", &lists)])).unwrap().label, Some(7));
}

#[test]
fn the_value_may_precede_its_key() {
    let reversed = [bytes_field(2, &packed_feature(&[4])), bytes_field(1, b"class")].concat();
    assert_eq!(parse(&example(&[reversed])).unwrap().label, Some(4));
}

#[test]
fn of_duplicate_keys_and_features_fields_the_last_wins() {
    let twice = example(&[entry("class", &packed_feature(&[1])), entry("class", &packed_feature(&[2]))]);
    assert_eq!(parse(&twice).unwrap().label, Some(2));
    let fields = [twice, example(&[entry("class", &packed_feature(&[3]))])].concat();
    assert_eq!(parse(&fields).unwrap().label, Some(3));
    let emptied = example(&[entry("class", &packed_feature(&[1])), entry("class", b"")]);
    assert_eq!(parse(&emptied).unwrap().label, None);
}

#[test]
fn parts_of_one_message_merge_and_the_last_oneof_member_wins() {
    let value_twice = [
        bytes_field(1, b"image"),
        bytes_field(2, &bytes_feature(&[b"first"])),
        bytes_field(2, &bytes_feature(&[b"second"])),
    ]
    .concat();
    assert_eq!(parse(&example(&[value_twice])).unwrap().image, Some(&b"first"[..]));
    let switched = [bytes_feature(&[b"old"]), packed_feature(&[1]), bytes_feature(&[b"new"])].concat();
    assert_eq!(parse(&example(&[entry("image", &switched)])).unwrap().image, Some(&b"new"[..]));
}

#[test]
fn unknown_fields_of_every_wire_type_and_groups_are_skipped() {
    let unknown = [
        vec![0x50, 0x96, 0x01],                   // field 10, varint
        [vec![0x59], vec![0; 8]].concat(),        // field 11, 64 bits
        bytes_field(12, b"ignored"),              // field 12, bytes
        vec![0x6b, 0x08, 0x01, 0x73, 0x74, 0x6c], // field 13, a group with a group (14) inside
        [vec![0x7d], vec![0; 4]].concat(),        // field 15, 32 bits
    ]
    .concat();
    let feature = [unknown.clone(), packed_feature(&[5]), unknown.clone()].concat();
    let entry = [unknown.clone(), entry("class", &feature), unknown.clone()].concat();
    let payload = [unknown.clone(), example(&[entry]), unknown].concat();
    assert_eq!(parse(&payload).unwrap().label, Some(5));
}

#[test]
fn a_known_number_with_another_wire_type_is_an_unknown_field() {
    let payload = [vec![0x08, 0x05], example(&[entry("class", &packed_feature(&[5]))])].concat();
    assert_eq!(parse(&payload).unwrap().label, Some(5));
}

#[test]
fn wrong_types_are_named() {
    let float = bytes_field(2, &bytes_field(1, &1f32.to_le_bytes()));
    assert_eq!(kind_of(&example(&[entry("class", &float)])), FaultKind::WrongFeatureType);
    assert_eq!(kind_of(&example(&[entry("image", &packed_feature(&[1]))])), FaultKind::WrongFeatureType);
    let number_as_id = example(&[entry("id", &packed_feature(&[1]))]);
    assert_eq!(parse(&number_as_id).unwrap().id, None);
    let named = FeatureNames { id: Some("id".into()), ..FeatureNames::default() };
    assert_eq!(parse_example(&number_as_id, &named).unwrap_err().kind, FaultKind::WrongFeatureType);
}

#[test]
fn common_names_have_an_order_and_given_names_are_exact() {
    let payload = example(&[
        entry("image/class/label", &packed_feature(&[1])),
        entry("class", &packed_feature(&[2])),
        entry("label", &packed_feature(&[3])),
    ]);
    assert_eq!(parse(&payload).unwrap().label, Some(2));
    let names = FeatureNames { label: Some("label".into()), ..FeatureNames::default() };
    assert_eq!(parse_example(&payload, &names).unwrap().label, Some(3));
    let names = FeatureNames { label: Some("species".into()), ..FeatureNames::default() };
    let view = parse_example(&payload, &names).unwrap();
    let fault = view.label_or_fault(&payload, 5).unwrap_err();
    assert_eq!(fault.kind, FaultKind::MissingLabel);
    assert!(fault.detail.contains("image/class/label"), "{}", fault.detail);
}

#[test]
fn labels_outside_the_classes_are_faults() {
    for label in [-1, 5, i64::MIN, i64::MAX] {
        let view = ExampleView { label: Some(label), ..NONE };
        assert_eq!(view.label_or_fault(b"", 5).unwrap_err().kind, FaultKind::LabelOutOfRange);
    }
    assert_eq!(ExampleView { label: Some(4), ..NONE }.label_or_fault(b"", 5), Ok(4));
}

#[test]
fn broken_messages_are_refused() {
    let endless = [vec![0x08], vec![0xff; 10]].concat();
    let deep: Vec<u8> = vec![0x0b; crate::limits::PROTO_NESTING_MAX + 1];
    let cases: [&[u8]; 9] = [
        b"\x0a\x05ab",                               // longer than the message
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", // far longer
        b"\x00",                                     // field number 0
        b"\x0e",                                     // wire type 6
        b"\x0c",                                     // a group's end alone
        b"\x0b\x14",                                 // a group ended by another
        b"\x0b",                                     // a group without an end
        &endless,
        &deep,
    ];
    for case in cases {
        assert_eq!(kind_of(case), FaultKind::NotAnExample, "{case:x?}");
    }
    assert_eq!(kind_of(b"hello, this is no example"), FaultKind::NotAnExample);
}
