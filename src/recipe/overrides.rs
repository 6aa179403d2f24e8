//! `--set key=value`: changes of a recipe from the command line, applied before anything is checked.
//! Not here: whether the key exists (decode.rs says so, with the nearest one).

use std::collections::BTreeMap;

use super::error::RecipeError;
use super::located::{Node, Origin, Value, parse_value};

/// Deepest path; the deepest key of a recipe is far above it.
const SEGMENTS_MAX: usize = 16;

/// Applies one `stage.0.epochs=2`. A value that is not TOML is taken as text, so `--set data.decode=strict` works.
pub fn apply(root: &mut Node, assignment: &str) -> Result<(), RecipeError> {
    let origin = Origin::CommandLine(assignment.to_owned());
    let wrong = |sentence: String| RecipeError::at("", &origin, sentence);
    let Some((path, text)) = assignment.split_once('=') else {
        return Err(wrong("an assignment reads key=value, as in stage.0.epochs=2".to_owned()));
    };
    let segments: Vec<&str> = path.trim().split('.').map(str::trim).collect();
    if segments.iter().any(|segment| segment.is_empty()) || segments.len() > SEGMENTS_MAX {
        return Err(wrong(format!("`{path}` is not a key: it reads like stage.0.epochs")));
    }
    let text = text.trim();
    let value = parse_value(text, &origin)
        .unwrap_or_else(|| Node { origin: origin.clone(), value: Value::String(text.to_owned()) });
    *place(root, &segments, &origin)? = value;
    Ok(())
}

/// The node at a path; tables on the way are made, elements of lists are not.
fn place<'a>(root: &'a mut Node, segments: &[&str], origin: &Origin) -> Result<&'a mut Node, RecipeError> {
    let mut node = root;
    for (depth, segment) in segments.iter().enumerate() {
        let parent = segments[..depth].join(".");
        let wrong = |sentence: String| Err(RecipeError::at("", origin, sentence));
        node = match &mut node.value {
            Value::Table(entries) => entries
                .entry((*segment).to_owned())
                .or_insert_with(|| Node { origin: origin.clone(), value: Value::Table(BTreeMap::new()) }),
            Value::Array(items) => {
                let count = items.len();
                match segment.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                    Some(item) => item,
                    None => {
                        return wrong(format!(
                            "`{parent}` has {count} entries, counted from 0: there is no `{segment}`"
                        ));
                    }
                }
            }
            other => return wrong(format!("`{parent}` is {other}: it has no key `{segment}`")),
        };
    }
    Ok(node)
}
