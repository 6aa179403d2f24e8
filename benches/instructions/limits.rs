//! The limits, in a file of their own beside this one.
//! Not here: counting.

use std::path::{Path, PathBuf};

use crate::Refusal;
use crate::subjects::Subject;

/// How far above today's count a new limit is set, percent: libc's copies differ a little from machine to machine, and
/// so does the compiler's mood between its versions.
const MARGIN_PERCENT: u64 = 5;

/// A count this far below its limit deserves a lower one, percent.
const SLACK_PERCENT: u64 = 15;

/// How limits are changed.
const SET: &str = "`cargo xtask counts --set-limits`";

const HEADER: &str = "\
# Most instructions that a function may take: name = limit. Written by `cargo xtask counts --set-limits`, which puts each
# 5 % above the count of that day; change them on purpose, in the commit that has the reason. x86-64, bench profile.
";

/// The limits as they are committed.
pub struct Limits(Vec<(String, u64)>);

impl Limits {
    /// Reads the committed ones.
    pub fn read() -> Result<Self, Refusal> {
        let text = std::fs::read_to_string(path()).map_err(|error| format!("{}: {error}", path().display()))?;
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let limit = |line: &str| {
            let (name, limit) = line.split_once('=')?;
            Some((name.trim().to_owned(), limit.trim().parse().ok()?))
        };
        lines
            .map(|line| limit(line).ok_or_else(|| format!("{}: no limit in `{line}`", path().display())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The limit of a function.
    pub fn of(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(limited, _)| limited == name).map(|(_, limit)| *limit)
    }

    /// What is wrong with these counts, a sentence each that says what to do.
    pub fn complaints(&self, counts: &[(&'static str, u64)], subjects: &[Subject]) -> Vec<String> {
        let complain = |&(name, count): &(&str, u64)| match self.of(name) {
            None => Some(format!("{name} has no limit; give it one with {SET}, and commit it")),
            Some(limit) if count > limit => Some(format!(
                "{name} takes {count} instructions, {:.1} % more than its limit of {limit}; make it cheaper, or, if it is \
                 worth that, raise the limit with {SET} and say why in the commit",
                (count as f64 / limit as f64 - 1.0) * 100.0
            )),
            Some(_) => None,
        };
        let is_counted = |name: &str| subjects.iter().any(|subject| subject.name == name);
        let stale = self.0.iter().filter(|(name, _)| !is_counted(name));
        let stale = stale.map(|(name, _)| format!("{name} has a limit and is not counted; remove it with {SET}"));
        counts.iter().filter_map(complain).chain(stale).collect()
    }

    /// Functions that have become so much cheaper that their limits no longer say anything.
    pub fn praise(&self, counts: &[(&'static str, u64)]) -> Vec<String> {
        let cheaper = |&(name, count): &(&str, u64)| {
            let limit = self.of(name).filter(|limit| count < limit - limit * SLACK_PERCENT / 100)?;
            let percent = (1.0 - count as f64 / limit as f64) * 100.0;
            Some(format!("{name} is {percent:.1} % below its limit of {limit}: keep it there with {SET}"))
        };
        counts.iter().filter_map(cheaper).collect()
    }

    /// Writes new limits for these counts; a function that couldn't be counted here keeps its own.
    pub fn set(&mut self, counts: &[(&'static str, u64)]) -> Result<(), Refusal> {
        let limits = crate::subjects::all().into_iter().filter_map(|Subject { name, .. }| {
            let counted = counts.iter().find(|(counted, _)| *counted == name);
            let limit = counted.map(|(_, count)| count + count * MARGIN_PERCENT / 100).or_else(|| self.of(name))?;
            Some((name.to_owned(), limit))
        });
        let limits: Vec<_> = limits.collect();
        let lines: String = limits.iter().map(|(name, limit)| format!("{name} = {limit}\n")).collect();
        self.0 = limits;
        std::fs::write(path(), format!("{HEADER}{lines}")).map_err(|error| format!("{}: {error}", path().display()))
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/instructions/limits.txt")
}
