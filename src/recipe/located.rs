//! A TOML document in which every value knows where it came from: a line of the file or a `--set`.
//! Not here: what the keys mean.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::error::RecipeError;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Line of the recipe, from 1.
    Line(usize),
    /// The text after `--set`.
    CommandLine(String),
}

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// For a key's value the key's line; for an element of a list its own.
    pub origin: Origin,
    /// The value.
    pub value: Value,
}

impl Node {
    /// Where the value at a dotted path was written, or the last one on the way to it.
    pub fn origin_of(&self, path: &str) -> Origin {
        let mut node = self;
        for segment in path.split('.') {
            let next = match &node.value {
                Value::Table(entries) => entries.get(segment),
                Value::Array(items) => segment.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            let Some(next) = next else { break };
            node = next;
        }
        node.origin.clone()
    }
}

/// The TOML types.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// true or false.
    Boolean(bool),
    /// A date or time; no key takes one.
    Datetime(String),
    /// A list.
    Array(Vec<Node>),
    /// Keys with values.
    Table(BTreeMap<String, Node>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => write!(f, "the text {text:?}"),
            Self::Integer(number) => write!(f, "the number {number}"),
            Self::Float(number) => write!(f, "the number {number:?}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Datetime(text) => write!(f, "the date {text}"),
            Self::Array(_) => write!(f, "a list"),
            Self::Table(_) => write!(f, "a table"),
        }
    }
}

/// Parses a whole document. `file` is only a name for messages.
pub fn parse(file: &str, text: &str) -> Result<Node, RecipeError> {
    let lines = Lines::new(text);
    let document = DeTable::parse(text).map_err(|error| {
        let line = lines.of(error.span().map_or(0, |span| span.start));
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        RecipeError::at_line(file, line, format!("this is not TOML: {message}"))
    })?;
    let table = table(file, document.into_inner(), &lines)?;
    Ok(Node { origin: Origin::Line(1), value: table })
}

/// Parses one value as it stands right of an equals sign; `None` when it is not TOML.
pub fn parse_value(text: &str, origin: &Origin) -> Option<Node> {
    let line = format!("value = {text}");
    let document = DeTable::parse(&line).ok()?.into_inner();
    if document.len() != 1 {
        return None;
    }
    let (_, value) = document.into_iter().next()?;
    let Ok(mut node) = node("", value.into_inner(), Origin::Line(1), &Lines::new(&line)) else { return None };
    relocate(&mut node, origin);
    Some(node)
}

fn relocate(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    match &mut node.value {
        Value::Array(items) => items.iter_mut().for_each(|item| relocate(item, origin)),
        Value::Table(entries) => entries.values_mut().for_each(|entry| relocate(entry, origin)),
        _ => {}
    }
}

fn table(file: &str, entries: DeTable<'_>, lines: &Lines) -> Result<Value, RecipeError> {
    let mut map = BTreeMap::new();
    for (key, value) in entries {
        let origin = Origin::Line(lines.of(key.span().start));
        map.insert(key.into_inner().into_owned(), node(file, value.into_inner(), origin, lines)?);
    }
    Ok(Value::Table(map))
}

/// Recursion is bounded: the parser refuses documents nested deeper than its own limit.
fn node(file: &str, value: DeValue<'_>, origin: Origin, lines: &Lines) -> Result<Node, RecipeError> {
    let out_of_range = |text: &str| {
        let Origin::Line(line) = origin else { return RecipeError::new(format!("{text} is too large a number")) };
        RecipeError::at_line(file, line, format!("{text} is too large a number"))
    };
    let value = match value {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => Value::Integer(
            i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| out_of_range(number.as_str()))?,
        ),
        DeValue::Float(number) => Value::Float(number.as_str().parse().map_err(|_| out_of_range(number.as_str()))?),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(date) => Value::Datetime(date.to_string()),
        DeValue::Array(items) => {
            let mut nodes = Vec::with_capacity(items.len());
            for item in items {
                let origin = Origin::Line(lines.of(item.span().start));
                nodes.push(node(file, item.into_inner(), origin, lines)?);
            }
            Value::Array(nodes)
        }
        DeValue::Table(entries) => table(file, entries, lines)?,
    };
    Ok(Node { origin, value })
}

/// Byte offset → line.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn new(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { starts: std::iter::once(0).chain(ends).collect() }
    }

    fn of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }
}
