//! What may follow a proof's name: `--option VALUE`, each at most once.
//! Not here: what options mean.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::problem::{Problem, Result};

/// The options that were given.
#[derive(Debug, Default)]
pub struct Options(BTreeMap<&'static str, OsString>);

impl Options {
    /// Of a proof that knows these.
    pub fn of(proof: &str, known: &[&'static str], words: &[OsString]) -> Result<Self> {
        let mut options = BTreeMap::new();
        for pair in words.chunks(2) {
            let refused = || {
                let given: Vec<_> = pair.iter().map(|word| word.to_string_lossy()).collect();
                Problem::Usage { given: format!("prove {proof} {}", given.join(" ")) }
            };
            let [name, value] = pair else { return Err(refused()) };
            let name = known.iter().find(|known| name == **known).ok_or_else(refused)?;
            if options.insert(*name, value.clone()).is_some() {
                return Err(refused());
            }
        }
        Ok(Self(options))
    }

    /// A folder; against the folder that the command was typed in.
    pub fn folder(&self, name: &str) -> Result<Option<PathBuf>> {
        let given = self.0.get(name);
        given.map(|path| std::path::absolute(path).map_err(Problem::io("finding", path))).transpose()
    }

    /// A number from 1.
    pub fn count(&self, name: &str, default: usize) -> Result<usize> {
        let Some(given) = self.0.get(name).map(OsString::as_os_str).map(OsStr::to_string_lossy) else {
            return Ok(default);
        };
        let count = given.parse().ok().filter(|&count| count >= 1);
        count.ok_or_else(|| Problem::Usage { given: format!("prove … {name} {given}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &str) -> Result<Options> {
        let words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
        Options::of("overhead", &["--rounds", "--data"], &words)
    }

    #[test]
    fn options_are_read_by_their_names() {
        let given = options("--rounds 2 --data /shards").expect("both are known");
        assert_eq!(given.count("--rounds", 12).expect("a number"), 2);
        assert_eq!(given.folder("--data").expect("a path"), Some(PathBuf::from("/shards")));
        let none = options("").expect("nothing is needed");
        assert_eq!(
            (none.count("--rounds", 12).expect("the default"), none.folder("--data").expect("none")),
            (12, None)
        );
    }

    #[test]
    fn what_is_not_known_or_no_number_is_refused() {
        for words in ["--pounds 2", "--rounds", "--rounds 1 --rounds 2", "2"] {
            assert!(matches!(options(words), Err(Problem::Usage { .. })), "{words}");
        }
        for words in ["--rounds 0", "--rounds two"] {
            let given = options(words).expect("the name is known");
            assert!(matches!(given.count("--rounds", 12), Err(Problem::Usage { .. })), "{words}");
        }
    }
}
