//! A serde deserializer over located values, so that a wrong key or type is told with its line and full path.
//! Not here: ranges and combinations of values (validate.rs).

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer as _, Unexpected, Visitor,
};

use super::error::{RecipeError, listed, nearest};
use super::located::{Node, Origin, Value};

/// Reads a document into schema structs, which all deny unknown fields.
pub fn decode<T: DeserializeOwned>(file: &str, root: &Node) -> Result<T, RecipeError> {
    T::deserialize(Located(root)).map_err(|error| error.told(file))
}

struct Located<'a>(&'a Node);

/// A serde error with the path to it, innermost segment first.
#[derive(Debug)]
struct DecodeError {
    kind: Kind,
    path: Vec<String>,
    origin: Option<Origin>,
}

#[derive(Debug)]
enum Kind {
    UnknownKey { key: String, known: &'static [&'static str] },
    WrongType { found: Option<String>, expected: String },
    Other(String),
}

impl DecodeError {
    fn new(kind: Kind) -> Self {
        Self { kind, path: Vec::new(), origin: None }
    }

    /// Notes the value the error is in, unless a deeper one is noted already.
    fn inside(mut self, segment: String, node: &Node) -> Self {
        self.path.push(segment);
        if self.origin.is_none() {
            self.origin = Some(node.origin.clone());
            if let Kind::WrongType { found, .. } = &mut self.kind {
                *found = Some(node.value.to_string());
            }
        }
        self
    }

    fn told(mut self, file: &str) -> RecipeError {
        self.path.reverse();
        let path = self.path.join(".");
        let sentence = match self.kind {
            Kind::UnknownKey { key, known } => {
                let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
                let place = if parent.is_empty() { String::new() } else { format!(" in `{parent}`") };
                match nearest(&key, known.iter().copied()) {
                    Some(near) => format!("unknown key `{key}`{place}: did you mean `{near}`?"),
                    None => format!("unknown key `{key}`{place}: the keys there are {}", listed(known.iter().copied())),
                }
            }
            Kind::WrongType { found, expected } => {
                format!("`{path}` must be {expected}, not {}", found.as_deref().unwrap_or("this"))
            }
            Kind::Other(message) => format!("`{path}`: {message}"),
        };
        match &self.origin {
            Some(origin) => RecipeError::at(file, origin, sentence),
            None => RecipeError::in_file(file, sentence),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Kind::Other(message.to_string()))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownKey { key: field.to_owned(), known: expected })
    }

    fn invalid_type(_unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        // serde names Rust types; a recipe's author writes TOML.
        let expected = match expected.to_string().as_str() {
            "i64" => "a whole number".to_owned(),
            "f64" => "a number".to_owned(),
            "a boolean" => "true or false".to_owned(),
            "a string" => "text in quotes".to_owned(),
            "a sequence" => "a list".to_owned(),
            other => other.to_owned(),
        };
        Self::new(Kind::WrongType { found: None, expected })
    }
}

impl<'de> Deserializer<'de> for Located<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.0.value {
            Value::String(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(value) => visitor.visit_bool(*value),
            // No key takes a date; as a unit it fits nothing and is told as a wrong type.
            Value::Datetime(_) => visitor.visit_unit(),
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter().enumerate() }),
            Value::Table(entries) => visitor.visit_map(Entries { entries: entries.iter(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_some(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        seed.deserialize(Located(node)).map(Some).map_err(|error| error.inside(index.to_string(), node))
    }
}

struct Entries<'a> {
    entries: std::collections::btree_map::Iter<'a, String, Node>,
    value: Option<(&'a String, &'a Node)>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        self.value = Some((key, node));
        let key_deserializer: StrDeserializer<'_, DecodeError> = key.as_str().into_deserializer();
        seed.deserialize(key_deserializer).map(Some).map_err(|error| error.inside(key.clone(), node))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let (key, node) = self.value.take().expect("serde asks for a value only after its key");
        seed.deserialize(Located(node)).map_err(|error| error.inside(key.clone(), node))
    }
}
