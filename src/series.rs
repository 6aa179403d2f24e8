//! The folder of a series: its name, its lock, and which one `--resume` goes on with.
//! Not here: what a run writes inside `seed-<n>/`.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::exit::{Complaint, Failure};
use crate::recipe::{Recipe, SamplerFile};
use crate::report::{Report, write_atomically};
use crate::rules::Rules;

/// The recipe of a series, resolved.
pub const RECIPE_FILE: &str = "recipe.toml";
/// Its rules, resolved.
pub const RULES_FILE: &str = "rules.toml";
/// Its report.
pub const REPORT_FILE: &str = "report.json";
/// The ledger of a run.
pub const LEDGER_FILE: &str = "ledger.jsonl";
/// Starts, resumes and ends of a run.
pub const ATTEMPTS_FILE: &str = "attempts.jsonl";
/// Folder of the ledgers of a run's parents.
pub const PARENTS_FOLDER: &str = "parents";
const LOCK_FILE: &str = "lock";

/// An open series. The lock goes when this is dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub struct Series {
    folder: PathBuf,
    is_resumed: bool,
    _lock: File,
}

impl Series {
    /// Makes a new series under `out`, or with `resume` opens the newest of the recipe's name, if there is one.
    pub fn open(out: &Path, recipe: &Recipe, rules: &Rules, resume: bool) -> Result<Self, Failure> {
        if resume && let Some(folder) = newest(out, &recipe.name)? {
            return Self::reopen(folder, recipe, rules);
        }
        Self::create(out, recipe, rules, SystemTime::now())
    }

    fn create(out: &Path, recipe: &Recipe, rules: &Rules, now: SystemTime) -> Result<Self, Failure> {
        fs::create_dir_all(out).map_err(|error| unwritable(out, error))?;
        let base = format!("{}-{}", recipe.name, timestamp(now));
        let folder = make_fresh_folder(out, &base)?;
        let lock = lock(&folder)?;
        // The recipe comes last: a folder without one is not a series yet.
        write_atomically(&folder.join(RULES_FILE), rules.to_toml().as_bytes())
            .map_err(|error| unwritable(&folder, error))?;
        write_recipe(&folder, recipe).map_err(|error| unwritable(&folder, error))?;
        Ok(Self { folder, is_resumed: false, _lock: lock })
    }

    fn reopen(folder: PathBuf, recipe: &Recipe, rules: &Rules) -> Result<Self, Failure> {
        let lock = lock(&folder)?;
        let recipe_path = folder.join(RECIPE_FILE);
        let way_out = format!("leave --resume out, or go on with: train {} --resume", recipe_path.display());
        let before = read_recipe(&folder)?;
        if before.hash() != recipe.hash() {
            let diff = differences(&before.to_toml(), &recipe.to_toml()).join("\n    ");
            let folder = folder.display();
            return Err(Failure::usage(format!("{folder} was made by another recipe:\n    {diff}"), way_out));
        }
        let before = Rules::load(&folder.join(RULES_FILE).display().to_string())
            .map_err(|error| Failure::Usage(Complaint::new(error)))?;
        if before.hash() != rules.hash() {
            let diff = differences(&before.to_toml(), &rules.to_toml()).join("\n    ");
            let folder = folder.display();
            let way_out = "leave --resume out, or name the same rules with --rules";
            return Err(Failure::usage(format!("{folder} was made under other rules:\n    {diff}"), way_out));
        }
        Ok(Self { folder, is_resumed: true, _lock: lock })
    }

    /// The series' folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it was there before.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// The folder of one run; not made yet.
    pub fn run_folder(&self, seed: u64) -> PathBuf {
        self.folder.join(run_name(seed))
    }

    /// Where the report goes.
    pub fn report_path(&self) -> PathBuf {
        self.folder.join(REPORT_FILE)
    }
}

/// A series that nobody trains in any more: locked as long as this is kept.
pub fn hold(folder: &Path) -> Result<File, Failure> {
    if !folder.join(RECIPE_FILE).is_file() {
        let sentence = format!("{} is not the folder of a series", folder.display());
        return Err(Failure::usage(sentence, "name one such as runs/seedling-20261123-191203"));
    }
    lock(folder)
}

/// The name of a run's folder.
pub fn run_name(seed: u64) -> String {
    format!("seed-{seed}")
}

/// The seed that a run's folder is named by. Digits without a sign or leading zeros, so that one seed has one name.
pub fn seed_of(folder_name: &str) -> Option<u64> {
    let seed: u64 = folder_name.strip_prefix("seed-")?.parse().ok()?;
    (run_name(seed) == folder_name).then_some(seed)
}

/// Every run of a series that was ever started, by seed: its folder is made before anything else.
pub fn started_runs(series: &Path) -> io::Result<BTreeMap<u64, PathBuf>> {
    let mut runs = BTreeMap::new();
    for entry in fs::read_dir(series)? {
        let path = entry?.path();
        if let Some(seed) = path.file_name().and_then(|name| name.to_str()).and_then(seed_of) {
            runs.insert(seed, path);
        }
    }
    Ok(runs)
}

/// Writes a recipe in its resolved form, after the files that it names.
pub fn write_recipe(folder: &Path, recipe: &Recipe) -> io::Result<()> {
    for (name, text) in recipe.files() {
        write_atomically(&folder.join(name), text.as_bytes())?;
    }
    write_atomically(&folder.join(RECIPE_FILE), recipe.to_toml().as_bytes())
}

/// Names of the files that lie beside a recipe because it names them.
pub fn sampler_files(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| SamplerFile::is_name(name)));
    }
    names.sort();
    Ok(names)
}

/// What the report of a series says, if it has one.
pub fn read_report(folder: &Path) -> anyhow::Result<Option<Report>> {
    match fs::read_to_string(folder.join(REPORT_FILE)) {
        Ok(text) => Ok(Some(serde_json::from_str(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The recipe that a series was made by.
pub fn read_recipe(folder: &Path) -> Result<Recipe, Failure> {
    let path = folder.join(RECIPE_FILE).display().to_string();
    Recipe::load(&path, &[]).map_err(|error| Failure::Usage(Complaint::new(error)))
}

/// The newest series of a recipe's name. Names sort by time; `-2`, `-3` … follow within one second.
pub fn newest(out: &Path, recipe_name: &str) -> Result<Option<PathBuf>, Failure> {
    let entries = match fs::read_dir(out) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unwritable(out, error)),
    };
    let mut best: Option<((String, u32), PathBuf)> = None;
    for entry in entries {
        let path = entry.map_err(|error| unwritable(out, error))?.path();
        let Some(age) = path.file_name().and_then(|name| name.to_str()).and_then(|name| age_of(name, recipe_name))
        else {
            continue;
        };
        let is_newer = best.as_ref().is_none_or(|(newest, _)| age > *newest);
        if is_newer && path.join(RECIPE_FILE).is_file() {
            best = Some((age, path));
        }
    }
    Ok(best.map(|(_, path)| path))
}

/// `seedling-20261123-191203` and `seedling-20261123-191203-2` → time and number; `None` for any other name.
fn age_of(folder_name: &str, recipe_name: &str) -> Option<(String, u32)> {
    let rest = folder_name.strip_prefix(recipe_name)?.strip_prefix('-')?;
    let mut parts = rest.split('-');
    let (date, time) = (parts.next()?, parts.next()?);
    let is_number = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = parts.next().map_or(Some(1), |number| number.parse().ok())?;
    let fits = is_number(date, 8) && is_number(time, 6) && parts.next().is_none();
    fits.then(|| (format!("{date}-{time}"), number))
}

/// Two series of one second get `-2`, `-3` … after their names.
fn make_fresh_folder(out: &Path, base: &str) -> Result<PathBuf, Failure> {
    const SAME_SECOND_MAX: u32 = 1_000;
    for number in 1..=SAME_SECOND_MAX {
        let name = if number == 1 { base.to_owned() } else { format!("{base}-{number}") };
        let folder = out.join(name);
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unwritable(out, error)),
        }
    }
    Err(Failure::usage(
        format!("{} holds too many series of this second", out.display()),
        "name another folder with --out",
    ))
}

fn lock(folder: &Path) -> Result<File, Failure> {
    let path = folder.join(LOCK_FILE);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| unwritable(folder, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let sentence = format!("another process is training in {}", folder.display());
            Err(Failure::usage(sentence, "wait for it, stop it, or take another series"))
        }
        Err(TryLockError::Error(error)) => Err(unwritable(folder, error)),
    }
}

fn unwritable(folder: &Path, error: io::Error) -> Failure {
    let cause = anyhow::Error::new(error).context(format!("cannot use the output folder {}", folder.display()));
    Failure::Usage(Complaint::new(cause).way_out("name a folder you can write to with --out"))
}

/// UTC, `20261123-191203`: sorts as it ages.
fn timestamp(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = civil_date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

/// UTC, `2026-11-23`.
pub(crate) fn date(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = civil_date(seconds / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Days since 1970-01-01 → year, month, day. Years are counted from March, so that a leap day ends one.
fn civil_date(days: u64) -> (u64, u64, u64) {
    const DAYS_FROM_0000_03_01_TO_1970: u64 = 719_468;
    const DAYS_PER_ERA: u64 = 146_097;
    let days = days + DAYS_FROM_0000_03_01_TO_1970;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The keys of two resolved TOML forms that differ, a line each: `stage.0.epochs: 5 there, 2 now`.
pub fn differences(there: &str, now: &str) -> Vec<String> {
    let (there, now) = (keys_of(there), keys_of(now));
    let mut lines = Vec::new();
    for (key, value) in &there {
        match now.iter().find(|(other, _)| other == key) {
            Some((_, other)) if other == value => {}
            Some((_, other)) => lines.push(format!("{key}: {value} there, {other} now")),
            None => lines.push(format!("{key}: {value} there, absent now")),
        }
    }
    for (key, value) in &now {
        if !there.iter().any(|(other, _)| other == key) {
            lines.push(format!("{key}: absent there, {value} now"));
        }
    }
    lines.retain(|line| !line.starts_with("execution."));
    lines
}

/// Dotted keys and values of a resolved form, which has a key a line.
fn keys_of(text: &str) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    let (mut table, mut stages) = (String::new(), 0);
    for line in text.lines() {
        if line == "[[stage]]" {
            table = format!("stage.{stages}.");
            stages += 1;
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = format!("{name}.");
        } else if let Some((key, value)) = line.split_once(" = ") {
            keys.push((format!("{table}{key}"), value.to_owned()));
        }
    }
    keys
}

#[cfg(test)]
mod tests;
