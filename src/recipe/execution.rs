//! `[execution]`: what changes speed but never a result: caches, budgets, how far ahead batches are made.
//! Not here: what the pipeline does with it (`fastgarden-data`).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use fastgarden_data::cache::{Cache, CacheMode};
use fastgarden_data::limits::{CACHE_BYTES_WHERE_MEMORY_IS_UNKNOWN, POOL_WORKERS_MAX};
use fastgarden_data::machine;

use super::check::Check;
use super::schema::ExecutionToml;
use super::validate::Checked;

/// Batches ahead of the trainer; each is a slab.
pub(crate) const PREFETCH_MAX: usize = 256;

/// `[execution]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// What stays in memory between epochs.
    pub cache: Option<CacheMode>,
    /// The most that it may take.
    pub cache_bytes: CacheBytes,
    /// Batches ready or under way ahead of the trainer, 1 or more.
    pub prefetch_batches: usize,
    /// libtorch's threads; 0 = chosen by the program.
    pub cpu_threads: usize,
    /// Share of the machine's cores that the pipeline may use.
    pub cpu_budget: CpuBudget,
}

impl Default for Execution {
    /// What a recipe has that says nothing of it.
    fn default() -> Self {
        Self {
            cache: None,
            cache_bytes: CacheBytes::Percent(50),
            prefetch_batches: 2,
            cpu_threads: 0,
            cpu_budget: CpuBudget::ALL,
        }
    }
}

impl Execution {
    /// The cache that is asked for, empty.
    pub fn new_cache(&self) -> Option<Arc<Cache>> {
        self.cache.map(|mode| Arc::new(Cache::new(mode, self.cache_bytes.resolve())))
    }

    /// The word for `cache`.
    pub fn cache_name(&self) -> &'static str {
        self.cache.map_or("none", CacheMode::name)
    }
}

/// A budget of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheBytes {
    /// This many in a hundred of what is free when the program starts, 1 to 100.
    Percent(u8),
    /// This many.
    Bytes(u64),
}

impl CacheBytes {
    /// In bytes, on this machine, now.
    pub fn resolve(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => machine::available_bytes()
                .map_or(CACHE_BYTES_WHERE_MEMORY_IS_UNKNOWN, |bytes| bytes / 100 * u64::from(percent)),
        }
    }
}

/// Units of a number of bytes.
const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

impl FromStr for CacheBytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = match text.strip_suffix('%') {
            Some(percent) => whole_percent(percent).map(Self::Percent),
            None => {
                let unit = UNITS.iter().find_map(|(name, bytes)| Some((text.strip_suffix(name)?, *bytes)));
                let (number, unit) = unit.unwrap_or((text, 1));
                number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).map(Self::Bytes)
            }
        };
        parsed.ok_or_else(|| {
            "it must be a number of bytes such as \"4GiB\" or \"512MiB\", or a share of the free memory from \"1%\" to \
             \"100%\""
                .to_owned()
        })
    }
}

impl fmt::Display for CacheBytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Percent(percent) => write!(out, "{percent}%"),
            Self::Bytes(bytes) => {
                let unit = UNITS.iter().rev().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
                let (name, unit) = unit.unwrap_or(&("", 1));
                write!(out, "{}{name}", bytes / unit)
            }
        }
    }
}

/// A share of the machine's cores, 1 to 100 in a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuBudget(u8);

impl CpuBudget {
    /// No budget at all.
    pub const ALL: Self = Self(100);

    /// As a share above 0 and below 1; `None` where there is no budget.
    pub fn share(self) -> Option<f64> {
        (self != Self::ALL).then(|| f64::from(self.0) / 100.0)
    }
}

impl FromStr for CpuBudget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_suffix('%').and_then(whole_percent).map(Self).ok_or_else(|| {
            "it must be a share of the machine's cores, a whole percentage from \"1%\" to \"100%\" (no budget), such as \
             \"40%\""
                .to_owned()
        })
    }
}

impl fmt::Display for CpuBudget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}%", self.0)
    }
}

fn whole_percent(text: &str) -> Option<u8> {
    text.trim().parse().ok().filter(|percent| (1..=100).contains(percent))
}

impl Check<'_> {
    /// `[execution]`.
    pub(super) fn execution(&self, raw: ExecutionToml) -> Checked<Execution> {
        let default = Execution::default();
        let caches = [
            ("none", None),
            (CacheMode::Encoded.name(), Some(CacheMode::Encoded)),
            (CacheMode::Decoded.name(), Some(CacheMode::Decoded)),
        ];
        let workers_max = POOL_WORKERS_MAX as i64;
        let prefetch = (raw.prefetch_batches, Some(default.prefetch_batches as i64), 1..=PREFETCH_MAX as i64);
        Ok(Execution {
            cache: self.choice("execution.cache", raw.cache, Some("none"), &caches)?,
            cache_bytes: self.parsed("execution.cache_bytes", raw.cache_bytes, default.cache_bytes)?,
            prefetch_batches: self.integer("execution.prefetch_batches", prefetch.0, prefetch.1, prefetch.2)? as usize,
            cpu_threads: self.integer("execution.cpu_threads", raw.cpu_threads, Some(0), 0..=workers_max)? as usize,
            cpu_budget: self.parsed("execution.cpu_budget", raw.cpu_budget, default.cpu_budget)?,
        })
    }

    fn parsed<T: FromStr<Err = String>>(&self, path: &str, text: Option<String>, default: T) -> Checked<T> {
        let Some(text) = text else { return Ok(default) };
        text.parse().map_err(|rule| self.wrong(path, format!("`{path}` is {text:?}: {rule}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_read_back_as_they_are_written() {
        for text in ["1%", "50%", "100%", "0", "7", "4GiB", "512MiB", "3KiB", "2TiB", "1537"] {
            let budget: CacheBytes = text.parse().expect(text);
            assert_eq!(budget.to_string(), text);
        }
        assert_eq!("2048MiB".parse(), Ok(CacheBytes::Bytes(2 << 30)));
        assert_eq!("40%".parse::<CpuBudget>().map(CpuBudget::share), Ok(Some(0.4)));
        assert_eq!("100%".parse::<CpuBudget>().map(CpuBudget::share), Ok(None));
    }

    #[test]
    fn what_is_no_budget_is_refused() {
        for text in ["", "%", "0%", "101%", "-1%", "4 gigabytes", "1.5GiB", "99999999999TiB", "half"] {
            assert!(text.parse::<CacheBytes>().is_err(), "{text}");
            assert!(text.parse::<CpuBudget>().is_err(), "{text}");
        }
        assert!("40".parse::<CpuBudget>().is_err_and(|rule| rule.contains("such as \"40%\"")));
    }
}
