//! Which parameters decay and which learn faster or slower than the rest.
//! Not here: which parameters a layer declares as not decaying (the net's own registry says so).

use crate::state::{Entry, StateDict};

/// How the parameters of one group are stepped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// Their learning rate, as a multiple of the schedule's.
    pub lr_factor: f64,
    /// Whether weight decay applies.
    pub decay: bool,
}

/// The group of each parameter by its key, in the order of the state.
#[derive(Debug, Clone, PartialEq)]
pub struct Groups(Vec<(String, Group)>);

/// A recipe's wish for some parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRule {
    /// Which: their keys, `*` standing for any characters and `?` for one.
    pub pattern: String,
    /// Their learning rate, as a multiple of the schedule's.
    pub lr_factor: f64,
    /// Whether they decay; `None` = as without the rule.
    pub decay: Option<bool>,
}

impl Groups {
    /// The usual ones: one rate for all, no decay of norms and biases.
    pub fn of(state: &StateDict) -> Self {
        Self::by(state, |entry| Group { lr_factor: 1.0, decay: entry.decay })
    }

    /// Groups as `group` says for each parameter.
    pub fn by(state: &StateDict, group: impl Fn(&Entry) -> Group) -> Self {
        Self(state.parameters().map(|entry| (entry.key.clone(), group(entry))).collect())
    }

    /// The usual ones, changed by the first rule that fits a parameter's key.
    ///
    /// # Errors
    /// The position of a rule that no parameter goes by.
    pub fn by_rules(state: &StateDict, rules: &[GroupRule]) -> Result<Self, usize> {
        let rule_of = |entry: &Entry| rules.iter().position(|rule| fits(&rule.pattern, &entry.key));
        let idle = (0..rules.len()).find(|&rule| state.parameters().all(|entry| rule_of(entry) != Some(rule)));
        match idle {
            Some(rule) => Err(rule),
            None => Ok(Self::by(state, |entry| {
                let rule = rule_of(entry).map(|rule| &rules[rule]);
                Group {
                    lr_factor: rule.map_or(1.0, |rule| rule.lr_factor),
                    decay: rule.and_then(|rule| rule.decay).unwrap_or(entry.decay),
                }
            })),
        }
    }

    /// The group of the parameter at this position.
    pub(super) fn at(&self, index: usize) -> Group {
        self.0[index].1
    }
}

/// Whether `*` (any characters) and `?` (one) in `pattern` can stand for what `key` has there.
fn fits(pattern: &str, key: &str) -> bool {
    let (pattern, key) = (pattern.as_bytes(), key.as_bytes());
    let (mut at, mut of_key) = (0, 0);
    // The last star, and where in the key it ends.
    let mut star: Option<(usize, usize)> = None;
    while of_key < key.len() {
        match (pattern.get(at), star) {
            (Some(b'*'), _) => {
                star = Some((at, of_key));
                at += 1;
            }
            (Some(&byte), _) if byte == b'?' || byte == key[of_key] => (at, of_key) = (at + 1, of_key + 1),
            (_, Some((of_star, end))) => {
                star = Some((of_star, end + 1));
                (at, of_key) = (of_star + 1, end + 1);
            }
            (_, None) => return false,
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn stars_stand_for_anything_and_question_marks_for_one_character() {
        let fitting = [("*", ""), ("*", "a.b"), ("0.*", "0.0.weight"), ("*.bias", "1.bias"), ("?.b*s", "1.bias")];
        assert!(fitting.iter().all(|(pattern, key)| fits(pattern, key)));
        assert!(fits("*a*b", "aabcb") && fits("weight", "weight") && fits("**", "x"));
        let others = [("", "a"), ("0.*", "10.0"), ("*.bias", "bias"), ("?", ""), ("*a", "ab"), ("a", "aa")];
        assert!(others.iter().all(|(pattern, key)| !fits(pattern, key)));
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_idle_ones_are_told() {
        let parameter = |key: &str, decay| (key.to_owned(), Tensor::ones([1], (Kind::Float, Device::Cpu)), decay);
        let named = [parameter("0.weight", true), parameter("0.bias", false), parameter("1.weight", true)];
        let state = StateDict::of_parameters(named, Device::Cpu, Kind::Float);
        let rule = |pattern: &str, lr_factor, decay| GroupRule { pattern: pattern.to_owned(), lr_factor, decay };
        let rules = [rule("0.weight", 0.5, Some(false)), rule("0.*", 0.25, Some(true))];
        let groups = Groups::by_rules(&state, &rules).expect("each fits one");
        let expected = [(0.5, false), (0.25, true), (1.0, true)];
        assert_eq!([0, 1, 2].map(|index| (groups.at(index).lr_factor, groups.at(index).decay)), expected);
        assert_eq!(Groups::by_rules(&state, &[]), Ok(Groups::of(&state)));
        let taken = [rule("0.*", 0.5, None), rule("0.bias", 1.0, None)];
        assert_eq!(Groups::by_rules(&state, &taken), Err(1));
    }
}
