//! Which files a submission has, by name, and how large each may be.
//! Not here: what they say.

use fastgarden_data::limits::SAMPLER_FILE_BYTES_MAX;

use crate::recipe::SamplerFile;
use crate::rules::grouped;
use crate::series::{self, seed_of};

/// The first member.
pub const ABOUT: &str = "submission.json";
/// The recipe, resolved.
pub const RECIPE: &str = series::RECIPE_FILE;
/// The rules, resolved.
pub const RULES: &str = series::RULES_FILE;
/// The series' report.
pub const REPORT: &str = series::REPORT_FILE;
/// What was not committed in the source.
pub const PATCH: &str = "source.patch";
/// Of a run, or of a parent.
pub const LEDGER: &str = series::LEDGER_FILE;
/// Of a run.
pub const ATTEMPTS: &str = series::ATTEMPTS_FILE;
/// Of a run.
pub const ENVIRONMENT: &str = super::environment::FILE;
/// Of a run.
pub const WEIGHTS: &str = "weights.safetensors";
/// Folder of a run's parents.
pub const PARENTS: &str = series::PARENTS_FOLDER;

/// Most members.
pub const MEMBERS_MAX: usize = 20_000;
/// Most parents of a run; each opens an epoch at least, or is of no use.
pub const PARENTS_MAX: usize = 100;
/// Longest `submission.json`.
pub const ABOUT_BYTES_MAX: u64 = 8 << 20;
/// Longest text besides ledgers.
const TEXT_BYTES_MAX: u64 = 16 << 20;
/// Longest ledger: an epoch of the competition takes some 50 kB.
const LEDGER_BYTES_MAX: u64 = 256 << 20;
/// Largest weights of a run.
pub const WEIGHTS_BYTES_MAX: u64 = 2 << 30;
/// Most bytes of everything but weights, which are kept in memory at once.
pub const KEPT_BYTES_MAX: u64 = 1 << 30;
const _: () = assert!(ABOUT_BYTES_MAX < TEXT_BYTES_MAX && TEXT_BYTES_MAX < LEDGER_BYTES_MAX);
const _: () = assert!(LEDGER_BYTES_MAX < KEPT_BYTES_MAX);

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A file of the series.
    Series,
    /// A file of the run with this seed.
    Run(u64),
    /// A file of a run's parent, from 1, the run by its seed.
    Parent(u64, usize),
}

/// What a name stands for, and its last part; `None` for a name that no member has.
pub fn kind_of(name: &str) -> Option<(Kind, &str)> {
    let parts: Vec<&str> = name.split('/').collect();
    match *parts.as_slice() {
        [file @ (RECIPE | RULES | REPORT | PATCH)] => Some((Kind::Series, file)),
        [file] if SamplerFile::is_name(file) => Some((Kind::Series, file)),
        [run, file @ (LEDGER | ATTEMPTS | ENVIRONMENT | WEIGHTS)] => Some((Kind::Run(seed_of(run)?), file)),
        [run, PARENTS, number, file] if matches!(file, LEDGER | RECIPE | RULES) || SamplerFile::is_name(file) => {
            let number = plain_number(number)?;
            let number = usize::try_from(number).ok().filter(|number| (1..=PARENTS_MAX).contains(number))?;
            Some((Kind::Parent(seed_of(run)?, number), file))
        }
        _ => None,
    }
}

/// Digits without a sign or leading zeros, so that one number has one name.
fn plain_number(digits: &str) -> Option<u64> {
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// Most bytes of a member with this last part.
pub fn bytes_max(file: &str) -> u64 {
    match file {
        LEDGER => LEDGER_BYTES_MAX,
        WEIGHTS => WEIGHTS_BYTES_MAX,
        _ if SamplerFile::is_name(file) => SAMPLER_FILE_BYTES_MAX,
        _ => TEXT_BYTES_MAX,
    }
}

/// Refuses a list of (name, length) that no submission has: unknown names, twice the same, too much of anything.
pub fn check<'a>(members: impl IntoIterator<Item = (&'a str, u64)>) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    let mut kept = 0u64;
    for (name, bytes) in members {
        let (_, file) = kind_of(name).ok_or_else(|| format!("{name:?} is no file of a submission"))?;
        if !seen.insert(name) {
            return Err(format!("{name} is there twice"));
        }
        if seen.len() > MEMBERS_MAX {
            return Err(format!("it has more than {} files", grouped(MEMBERS_MAX as u64)));
        }
        if bytes > bytes_max(file) {
            return Err(format!("{name} has {} bytes, more than {}", grouped(bytes), grouped(bytes_max(file))));
        }
        if file != WEIGHTS {
            kept += bytes;
        }
        if kept > KEPT_BYTES_MAX {
            return Err(format!("its files have more than {} bytes without weights", grouped(KEPT_BYTES_MAX)));
        }
    }
    for needed in [RECIPE, RULES, REPORT] {
        if !seen.contains(needed) {
            return Err(format!("{needed} is missing"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_meaning_and_one_spelling() {
        assert_eq!(kind_of("recipe.toml"), Some((Kind::Series, RECIPE)));
        assert_eq!(kind_of("seed-0/ledger.jsonl"), Some((Kind::Run(0), LEDGER)));
        assert_eq!(kind_of("seed-12/parents/2/rules.toml"), Some((Kind::Parent(12, 2), RULES)));
        assert_eq!(kind_of("0123456789abcdef.csv"), Some((Kind::Series, "0123456789abcdef.csv")));
        assert_eq!(kind_of("seed-1/parents/1/00000000000000ff.jsonl").map(|(kind, _)| kind), Some(Kind::Parent(1, 1)));
        let others = [
            "0123456789abcdef.toml",
            "0123456789ABCDEF.csv",
            "0123456789abcde.csv",
            "seed-1/0123456789abcdef.csv",
            "",
            "/recipe.toml",
            "../recipe.toml",
            "seed-1/../recipe.toml",
            "seed-01/ledger.jsonl",
            "seed-+1/ledger.jsonl",
            "seed-1/report.json",
            "seed-1/ledger.jsonl/",
            "seed-1/parents/0/ledger.jsonl",
            "seed-1/parents/101/ledger.jsonl",
            "seed-99999999999999999999/ledger.jsonl",
            "submission.json",
        ];
        for name in others {
            assert_eq!(kind_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_list_is_refused_before_anything_of_it_is_read() {
        let with = |more: &[(&'static str, u64)]| {
            check([&[(RECIPE, 9), (RULES, 9), (REPORT, 9)], more].concat()).err().unwrap_or_default()
        };
        assert_eq!(with(&[("seed-1/ledger.jsonl", 100), ("seed-1/weights.safetensors", 1 << 30)]), "");
        assert_eq!(
            with(&[("seed-1/ledger.jsonl", 1 << 40)]),
            "seed-1/ledger.jsonl has 1,099,511,627,776 bytes, more than 268,435,456"
        );
        assert_eq!(with(&[(RECIPE, 9)]), "recipe.toml is there twice");
        assert_eq!(with(&[("etc/passwd", 9)]), "\"etc/passwd\" is no file of a submission");
        let ledgers: Vec<String> = (1..=5).map(|seed| format!("seed-{seed}/ledger.jsonl")).collect();
        let many = ledgers.iter().map(|name| (name.as_str(), 250 << 20));
        assert!(check([(RECIPE, 9)].into_iter().chain(many)).is_err_and(|what| what.contains("without weights")));
        assert_eq!(check([(RECIPE, 9), (RULES, 9)]), Err("report.json is missing".to_owned()));
    }
}
