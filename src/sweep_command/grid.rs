//! The points of a sweep: every combination of the values of its keys, each a checked recipe.
//! Not here: training them.

use crate::exit::{Failure, OrFail as _};
use crate::recipe::Recipe;
use crate::rules::grouped;

/// Most points of a sweep.
pub const POINTS_MAX: usize = 1_000;
/// Most keys of a grid.
const KEYS_MAX: usize = 16;

/// One point.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its values, in the order of the grid's keys.
    pub values: Vec<String>,
    /// The recipe there.
    pub recipe: Recipe,
}

/// Keys and points of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// The keys, as they were typed.
    pub keys: Vec<String>,
    /// Every combination; the last key changes fastest.
    pub points: Vec<Point>,
}

impl Grid {
    /// Checks every point before any is trained. `set` is the same at all of them.
    pub fn of(recipe: &str, set: &[String], axes: &[String]) -> Result<Self, Failure> {
        let axes: Vec<(String, Vec<String>)> = axes.iter().map(|axis| parsed(axis)).collect::<Result<_, _>>()?;
        let keys: Vec<String> = axes.iter().map(|(key, _)| key.clone()).collect();
        if let Some(key) = keys.iter().enumerate().find_map(|(place, key)| keys[..place].contains(key).then_some(key)) {
            let sentence = format!("the grid has `{key}` twice");
            return Err(Failure::usage(sentence, format!("name all its values at once: --grid {key}=A,B")));
        }
        let count = axes.iter().try_fold(1usize, |count, (_, values)| count.checked_mul(values.len()));
        let count = count.filter(|&count| count <= POINTS_MAX && keys.len() <= KEYS_MAX).ok_or_else(|| {
            let sentence = format!("the grid has more than {} points or {KEYS_MAX} keys", grouped(POINTS_MAX as u64));
            Failure::usage(sentence, "take fewer values")
        })?;
        let mut points: Vec<Point> = Vec::with_capacity(count);
        for number in 0..count {
            let values = values_at(&axes, number);
            let assigned = keys.iter().zip(&values).map(|(key, value)| format!("{key}={value}"));
            let assignments: Vec<String> = set.iter().cloned().chain(assigned).collect();
            let recipe = Recipe::load(recipe, &assignments).or_usage()?;
            if let Some(other) = points.iter().find(|point| point.recipe.hash() == recipe.hash()) {
                let (one, other) = (told(&keys, &other.values), told(&keys, &values));
                let sentence = format!("two points of the grid are the same training: {one} and {other}");
                return Err(Failure::usage(sentence, "leave one of the values out"));
            }
            points.push(Point { values, recipe });
        }
        Ok(Self { keys, points })
    }
}

/// "optimizer.lr=1e-3 loss.label_smoothing=0.1".
pub fn told(keys: &[String], values: &[String]) -> String {
    keys.iter().zip(values).map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

fn values_at(axes: &[(String, Vec<String>)], number: usize) -> Vec<String> {
    let mut rest = number;
    let mut values: Vec<String> = Vec::with_capacity(axes.len());
    for (_, of_key) in axes.iter().rev() {
        values.push(of_key[rest % of_key.len()].clone());
        rest /= of_key.len();
    }
    values.reverse();
    values
}

/// `key=a,b,c`; commas within brackets or quotes belong to a value.
fn parsed(axis: &str) -> Result<(String, Vec<String>), Failure> {
    let wrong = |what: &str| {
        let sentence = format!("--grid {axis}: {what}");
        Failure::usage(sentence, "write it like --grid optimizer.lr=1e-3,3e-3")
    };
    let (key, text) = axis.split_once('=').ok_or_else(|| wrong("there is no `=`"))?;
    let mut values = vec![String::new()];
    let (mut depth, mut quote) = (0usize, None);
    for character in text.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                values.push(String::new());
                continue;
            }
            _ => {}
        }
        values.last_mut().expect("there is always one").push(character);
    }
    let values: Vec<String> = values.iter().map(|value| value.trim().to_owned()).collect();
    if key.trim().is_empty() || values.iter().any(String::is_empty) {
        return Err(wrong("a key or a value is empty"));
    }
    Ok((key.trim().to_owned(), values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(axes: &[&str]) -> Result<Grid, String> {
        let axes: Vec<String> = axes.iter().map(|axis| (*axis).to_owned()).collect();
        Grid::of("seedling", &["stage.0.epochs=1".to_owned()], &axes)
            .map_err(|failure| failure.message().unwrap_or_default())
    }

    #[test]
    fn points_are_all_combinations_and_lists_are_one_value() {
        let grid = grid(&["optimizer.lr=1e-3, 3e-3", "net.layers=[1,1,1,1],[2,2,2,2]"]).expect("valid");
        let told: Vec<String> = grid.points.iter().map(|point| told(&grid.keys, &point.values)).collect();
        let expected = [
            "optimizer.lr=1e-3 net.layers=[1,1,1,1]",
            "optimizer.lr=1e-3 net.layers=[2,2,2,2]",
            "optimizer.lr=3e-3 net.layers=[1,1,1,1]",
            "optimizer.lr=3e-3 net.layers=[2,2,2,2]",
        ];
        assert_eq!(told, expected);
        assert!(grid.points.iter().all(|point| point.recipe.epochs() == 1));
    }

    #[test]
    fn a_grid_that_can_not_be_trained_is_refused_whole() {
        let many = format!("stage.0.epochs={}", (1..=1_001).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
        let cases: &[(&[&str], &str)] = &[
            (&["optimizer.lr"], "there is no `=`"),
            (&["optimizer.lr=1,,2"], "is empty"),
            (&["optimizer.lr=1e-3", "optimizer.lr=1e-2"], "twice"),
            (&["optimizer.lr=1e-3,0.001"], "the same training"),
            (&["optimizer.lr=1e-3,fast"], "optimizer.lr"),
            (&["optimizer.rate=1e-3"], "rate"),
            (&[&many], "more than 1,000 points"),
        ];
        for (axes, expected) in cases {
            let told = grid(axes).expect_err("refused");
            assert!(told.contains(expected), "{axes:?}: {told}");
        }
    }
}
