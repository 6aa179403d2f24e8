//! `tf.train.Example` payloads: finding image, label and id without copying or allocating, and encoding.
//! Not here: framing (`framing`), pixels (`jpeg`, `png_image`), other record types.
//!
//! The parser answers what protobuf's would: of features with one name the last wins; parts of one message merge, so
//! a list given in two pieces is one list; of a `oneof`'s members the last wins; unknown fields of every wire type,
//! groups included, are skipped. It is laxer than protobuf in two ways: names need not be UTF-8 (others just never
//! match), and the values of features nobody asks for are stepped over unchecked.

mod wire;

use std::collections::BTreeSet;

use self::wire::{Field, Value, each_field, each_varint};
use crate::fault::{BadBytes, FaultKind};

/// Feature names that hold the image, the most specific habit last.
const IMAGE_NAMES: [&str; 4] = ["image", "image/encoded", "image_raw", "image_bytes"];
/// Feature names that hold the label.
const LABEL_NAMES: [&str; 3] = ["class", "label", "image/class/label"];
/// Feature names that hold the id.
const ID_NAMES: [&str; 5] = ["id", "image_id", "image/id", "image_name", "image/filename"];
/// Feature names that an error lists.
const KEYS_LISTED_MAX: usize = 64;
/// Bytes of a feature name that an error shows.
const KEY_BYTES_SHOWN_MAX: usize = 128;

/// Which features hold what. `None` looks for the common names: `image`, `image/encoded`, …; `class`, `label`, …;
/// `id`, `image_id`, …; the first of them that is there counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureNames {
    /// The encoded image, a bytes feature.
    pub image: Option<String>,
    /// The class number, an int64 feature.
    pub label: Option<String>,
    /// The identity of the image over resolutions and splits, a bytes feature.
    pub id: Option<String>,
}

/// What an example record holds, borrowed from its payload. Of a list with several values the first counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExampleView<'a> {
    /// Encoded image.
    pub image: Option<&'a [u8]>,
    /// Class number; absent in test shards.
    pub label: Option<i64>,
    /// Identity.
    pub id: Option<&'a [u8]>,
}

impl<'a> ExampleView<'a> {
    /// The image, or a fault that lists the features of `payload`, where this view comes from.
    pub fn image_or_fault(&self, payload: &[u8]) -> Result<&'a [u8], BadBytes> {
        self.image.ok_or_else(|| missing(FaultKind::MissingImage, "image", payload))
    }

    /// The label, if it is one of `classes` classes, or a fault.
    pub fn label_or_fault(&self, payload: &[u8], classes: i64) -> Result<i64, BadBytes> {
        let label = self.label.ok_or_else(|| missing(FaultKind::MissingLabel, "label", payload))?;
        if (0..classes).contains(&label) {
            return Ok(label);
        }
        Err(BadBytes::new(FaultKind::LabelOutOfRange, format!("label {label} is not one of 0 to {}", classes - 1)))
    }
}

fn missing(kind: FaultKind, what: &str, payload: &[u8]) -> BadBytes {
    let detail = match feature_keys(payload) {
        Ok(keys) if keys.is_empty() => format!("no {what} feature; the record has no features at all"),
        Ok(keys) => format!("no {what} feature; the record has {}", keys.join(", ")),
        Err(bad) => return bad,
    };
    BadBytes::new(kind, detail)
}

/// Finds image, label and id in a payload.
pub fn parse_example<'a>(payload: &'a [u8], names: &FeatureNames) -> Result<ExampleView<'a>, BadBytes> {
    let mut image = Wanted::new(names.image.as_deref(), &IMAGE_NAMES);
    let mut label = Wanted::new(names.label.as_deref(), &LABEL_NAMES);
    let mut id = Wanted::new(names.id.as_deref(), &ID_NAMES);
    each_entry(payload, |key, entry| {
        image.offer(key, entry);
        label.offer(key, entry);
        id.offer(key, entry);
        Ok(())
    })?;
    let id_is_named = names.id.is_some();
    Ok(ExampleView {
        image: match image.first_value()? {
            First::Absent => None,
            First::Bytes(bytes) => Some(bytes),
            other => return Err(wrong_type(image.key(), "bytes", &other)),
        },
        label: match label.first_value()? {
            First::Absent => None,
            First::Int64(number) => Some(number),
            other => return Err(wrong_type(label.key(), "int64", &other)),
        },
        id: match id.first_value()? {
            First::Bytes(bytes) => Some(bytes),
            First::Absent => None,
            other if id_is_named => return Err(wrong_type(id.key(), "bytes", &other)),
            // An id nobody asked for by name may be of any type; it is then no id of ours.
            _ => None,
        },
    })
}

/// The names of all features in a payload, sorted, each once; at most 64, for messages.
pub fn feature_keys(payload: &[u8]) -> Result<Vec<String>, BadBytes> {
    let mut keys = BTreeSet::new();
    each_entry(payload, |key, _| {
        if keys.len() < KEYS_LISTED_MAX {
            keys.insert(String::from_utf8_lossy(&key[..key.len().min(KEY_BYTES_SHOWN_MAX)]).into_owned());
        }
        Ok(())
    })?;
    Ok(keys.into_iter().collect())
}

fn wrong_type(key: &str, wanted: &str, found: &First<'_>) -> BadBytes {
    let found = match found {
        First::Absent => "nothing",
        First::Bytes(_) => "bytes",
        First::Float => "float",
        First::Int64(_) => "int64",
    };
    BadBytes::new(FaultKind::WrongFeatureType, format!("feature {key} holds {found}, {wanted} is needed"))
}

/// The feature looked for, and the best entry seen so far.
struct Wanted<'n, 'a> {
    named: Option<&'n str>,
    common: &'static [&'static str],
    best: Option<(usize, &'a [u8])>,
}

impl<'n, 'a> Wanted<'n, 'a> {
    fn new(named: Option<&'n str>, common: &'static [&'static str]) -> Self {
        Self { named, common, best: None }
    }

    /// Takes the entry if its key is preferred to, or the same as, the best so far: of equal keys the last wins.
    fn offer(&mut self, key: &[u8], entry: &'a [u8]) {
        let rank = match self.named {
            Some(name) => (name.as_bytes() == key).then_some(0),
            None => self.common.iter().position(|name| name.as_bytes() == key),
        };
        if let Some(rank) = rank
            && self.best.is_none_or(|(best, _)| rank <= best)
        {
            self.best = Some((rank, entry));
        }
    }

    fn key(&self) -> &str {
        self.named.unwrap_or_else(|| self.best.map_or("", |(rank, _)| self.common[rank]))
    }

    fn first_value(&self) -> Result<First<'a>, BadBytes> {
        self.best.map_or(Ok(First::Absent), |(_, entry)| first_value_of_entry(entry))
    }
}

/// The first value of a feature's list.
enum First<'a> {
    /// No list, or an empty one.
    Absent,
    Bytes(&'a [u8]),
    Float,
    Int64(i64),
}

/// Which member of the feature's `oneof` is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bytes = 1,
    Float = 2,
    Int64 = 3,
}

/// Calls `visit(key, entry)` for every map entry of every `features` field of an example, in order.
fn each_entry<'a>(
    payload: &'a [u8],
    mut visit: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), BadBytes>,
) -> Result<(), BadBytes> {
    each_field(payload, |field| match field {
        Field { number: 1, value: Value::Bytes(features) } => each_field(features, |field| match field {
            Field { number: 1, value: Value::Bytes(entry) } => {
                // Protobuf gives an entry without a key the empty one, and takes the last of several.
                let mut key: &[u8] = b"";
                each_field(entry, |field| {
                    if let Field { number: 1, value: Value::Bytes(bytes) } = field {
                        key = bytes;
                    }
                    Ok(())
                })?;
                visit(key, entry)
            }
            _ => Ok(()),
        }),
        _ => Ok(()),
    })
}

/// The first value of the list in a map entry, after merging all its parts.
fn first_value_of_entry(entry: &[u8]) -> Result<First<'_>, BadBytes> {
    let mut kind = None;
    let mut first = First::Absent;
    each_field(entry, |field| match field {
        Field { number: 2, value: Value::Bytes(feature) } => each_field(feature, |field| {
            let (list, list_kind) = match field {
                Field { number: 1, value: Value::Bytes(list) } => (list, Kind::Bytes),
                Field { number: 2, value: Value::Bytes(list) } => (list, Kind::Float),
                Field { number: 3, value: Value::Bytes(list) } => (list, Kind::Int64),
                _ => return Ok(()),
            };
            if kind != Some(list_kind) {
                // Another member of the `oneof` clears what was there.
                kind = Some(list_kind);
                first = First::Absent;
            }
            merge_list(list, list_kind, &mut first)
        }),
        _ => Ok(()),
    })?;
    Ok(first)
}

/// Checks a list to its end and keeps its first value in `first` unless an earlier part had one.
fn merge_list<'a>(list: &'a [u8], kind: Kind, first: &mut First<'a>) -> Result<(), BadBytes> {
    let mut keep = |value: First<'a>| {
        if matches!(first, First::Absent) {
            *first = value;
        }
    };
    each_field(list, |field| {
        let Field { number: 1, value } = field else { return Ok(()) };
        match (kind, value) {
            (Kind::Bytes, Value::Bytes(bytes)) => keep(First::Bytes(bytes)),
            (Kind::Float, Value::Fixed32) => keep(First::Float),
            (Kind::Float, Value::Bytes([])) => {}
            (Kind::Float, Value::Bytes(packed)) if packed.len().is_multiple_of(4) => keep(First::Float),
            (Kind::Float, Value::Bytes(_)) => {
                return Err(BadBytes::new(FaultKind::NotAnExample, "a packed float list ends inside a number"));
            }
            (Kind::Int64, Value::Varint(number)) => keep(First::Int64(number as i64)),
            (Kind::Int64, Value::Bytes(packed)) => each_varint(packed, |number| keep(First::Int64(number as i64)))?,
            // The right field number with another wire type is an unknown field to protobuf.
            _ => {}
        }
        Ok(())
    })
}

/// The list of one feature, with one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FeatureValue<'a> {
    /// A `BytesList`.
    Bytes(&'a [u8]),
    /// An `Int64List`.
    Int64(i64),
    /// A `FloatList`.
    Float(f32),
}

/// Encodes an example with `features` in the given order; numbers are packed, as TensorFlow does it.
pub fn encode_example(features: &[(&str, FeatureValue<'_>)]) -> Vec<u8> {
    let mut entries = Vec::new();
    for (key, value) in features {
        let (member, list) = match value {
            FeatureValue::Bytes(bytes) => (Kind::Bytes, wire::bytes_field(1, bytes)),
            FeatureValue::Int64(number) => (Kind::Int64, wire::bytes_field(1, &wire::varint(*number as u64))),
            FeatureValue::Float(number) => (Kind::Float, wire::bytes_field(1, &number.to_le_bytes())),
        };
        let feature = wire::bytes_field(member as u32, &list);
        let entry = [wire::bytes_field(1, key.as_bytes()), wire::bytes_field(2, &feature)].concat();
        entries.extend(wire::bytes_field(1, &entry));
    }
    wire::bytes_field(1, &entries)
}

#[cfg(test)]
mod tests;
