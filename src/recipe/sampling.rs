//! `stage.sampler` and `stage.view_px`: which examples an epoch uses, and in how many views and sizes.
//! Read, checked and written back. Not here: what the samplers draw (`fastgarden_data::sampler`).
//!
//! A sampler may go by a file. Its content is part of the recipe: the recipe's hash covers the file's SHA-256, and a series
//! keeps a copy beside its `recipe.toml`, under a name made of that hash.

use std::sync::Arc;

use fastgarden_data::limits::{SAMPLER_FILE_BYTES_MAX, TICKETS_MAX, VIEW_SIDE_PX_MAX, VIEWS_MAX};
use fastgarden_data::sampler::{EpochsFile, Sampler, Weights, WeightsById, class_weights, class_weights_from_csv};
use sha2::{Digest as _, Sha256};

use super::check::{Bound, Check};
use super::error::RecipeError;
use super::schema::SamplerToml;
use super::validate::Checked;
use super::{Stage, hex};

/// From 0 to 1, both included.
const SHARE: Bound = Bound { words: "from 0 to 1", holds: |value| (0.0..=1.0).contains(&value) };
/// Hexadecimal digits of a file's hash that its copy is named by.
const NAME_DIGITS: usize = 16;
/// How their names end: tickets, weights.
const EXTENSIONS: [&str; 2] = ["jsonl", "csv"];

/// `stage.sampler`
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// What draws the records.
    pub sampler: Sampler,
    /// The file that it goes by, if any.
    pub file: Option<SamplerFile>,
    /// Whether it is called `multi_resolution`: shuffled, in views of several sizes.
    pub is_multi_resolution: bool,
}

impl Sampling {
    /// The usual one.
    pub fn shuffled() -> Self {
        Self { sampler: Sampler::Shuffled, file: None, is_multi_resolution: false }
    }

    /// Its kind, as recipes name it.
    pub fn kind(&self) -> &'static str {
        if self.is_multi_resolution { "multi_resolution" } else { self.sampler.name() }
    }
}

/// A file that a sampler goes by.
#[derive(Clone, Debug)]
pub struct SamplerFile {
    /// What it was called in the recipe, for messages.
    pub called: String,
    /// Its content.
    pub text: Arc<str>,
    /// SHA-256 of it, hex.
    pub sha256: String,
    extension: &'static str,
}

impl SamplerFile {
    /// The name of its copy in a series.
    pub fn name(&self) -> String {
        format!("{}.{}", &self.sha256[..NAME_DIGITS], self.extension)
    }

    /// Whether copies have names such as this.
    pub fn is_name(name: &str) -> bool {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let stem = EXTENSIONS.iter().find_map(|extension| name.strip_suffix(extension)?.strip_suffix('.'));
        stem.is_some_and(|stem| stem.len() == NAME_DIGITS && stem.bytes().all(is_digit))
    }
}

/// What it was called doesn't matter.
impl PartialEq for SamplerFile {
    fn eq(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Sequential,
    Shuffled,
    Balanced,
    Weighted,
    File,
    Hard,
    Triplet,
    Siamese,
    MultiResolution,
}

const KINDS: [(&str, Kind); 9] = [
    ("sequential", Kind::Sequential),
    ("shuffled", Kind::Shuffled),
    ("balanced", Kind::Balanced),
    ("weighted", Kind::Weighted),
    ("file", Kind::File),
    ("hard", Kind::Hard),
    ("triplet", Kind::Triplet),
    ("siamese", Kind::Siamese),
    ("multi_resolution", Kind::MultiResolution),
];

impl Check<'_> {
    /// `at` is the sampler's table.
    pub fn sampling(&self, at: &str, raw: SamplerToml, classes: u32) -> Checked<Sampling> {
        let key = |name: &str| format!("{at}.{name}");
        let words = KINDS.map(|(word, kind)| (word, (word, kind)));
        let (word, kind) = self.choice(&key("kind"), raw.kind.clone(), Some("shuffled"), &words)?;
        let has_tickets = matches!(kind, Kind::Balanced | Kind::Weighted | Kind::Hard | Kind::Triplet | Kind::Siamese);
        let has_file = matches!(kind, Kind::Weighted | Kind::File);
        self.foreign(
            at,
            word,
            &[
                ("tickets", raw.tickets.is_some() && !has_tickets),
                ("file", raw.file.is_some() && !has_file),
                ("sha256", raw.sha256.is_some() && raw.file.is_none()),
                ("class_weights", raw.class_weights.is_some() && kind != Kind::Weighted),
                ("uniform_share", raw.uniform_share.is_some() && kind != Kind::Hard),
                ("same_share", raw.same_share.is_some() && kind != Kind::Siamese),
            ],
        )?;
        let tickets = raw.tickets.map(|tickets| {
            self.integer(&key("tickets"), Some(tickets), None, 1..=i64::from(TICKETS_MAX)).map(|tickets| tickets as u32)
        });
        let tickets = tickets.transpose()?;
        let file = match (&raw.file, kind) {
            (Some(name), _) => Some(self.sampler_file(at, name, raw.sha256.as_deref(), kind)?),
            (None, Kind::File) => return Err(self.required::<String>(&key("file"), None).unwrap_err()),
            (None, _) => None,
        };
        let sampler = match kind {
            Kind::Sequential => Sampler::Sequential,
            Kind::Shuffled | Kind::MultiResolution => Sampler::Shuffled,
            Kind::Balanced => Sampler::Balanced { tickets },
            Kind::Weighted => Sampler::Weighted { weights: self.weights(at, &raw, file.as_ref(), classes)?, tickets },
            Kind::Hard => {
                let uniform_share = self.number(&key("uniform_share"), raw.uniform_share, Some(0.25), &SHARE)?;
                Sampler::Hard { uniform_share, tickets }
            }
            Kind::Triplet => Sampler::Triplet { tickets },
            Kind::Siamese => {
                let same_share = self.number(&key("same_share"), raw.same_share, Some(0.5), &SHARE)?;
                Sampler::Siamese { same_share, tickets }
            }
            Kind::File => {
                let text = file.as_ref().map_or("", |file| &file.text);
                let epochs = EpochsFile::from_jsonl(text);
                Sampler::File(Arc::new(epochs.map_err(|error| self.in_sampler_file(at, file.as_ref(), &error))?))
            }
        };
        Ok(Sampling { sampler, file, is_multi_resolution: kind == Kind::MultiResolution })
    }

    fn weights(&self, at: &str, raw: &SamplerToml, file: Option<&SamplerFile>, classes: u32) -> Checked<Weights> {
        let path = format!("{at}.class_weights");
        match (&raw.class_weights, file) {
            (Some(_), Some(_)) => {
                Err(self.wrong(&path, format!("`{path}` and `{at}.file` both give weights: leave one out")))
            }
            (None, None) => {
                let sentence = format!("`{at}` needs weights: a list of one a class, `class_weights`, or a CSV `file`");
                Err(self.wrong(at, sentence))
            }
            (Some(weights), None) => {
                let checked = class_weights(weights, classes as usize);
                checked.map_err(|what| self.wrong(&path, format!("`{path}`: {what}")))?;
                Ok(Weights::ByClass(weights.as_slice().into()))
            }
            (None, Some(file)) => {
                // The header says whose weights they are.
                let header = file.text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default();
                let is_by_class = header.split(',').next().is_some_and(|name| name.trim().trim_matches('"') == "class");
                let weights = match is_by_class {
                    true => class_weights_from_csv(&file.text, classes as usize).map(|by| Weights::ByClass(by.into())),
                    false => WeightsById::from_csv(&file.text).map(|by| Weights::ById(Arc::new(by))),
                };
                weights.map_err(|error| self.in_sampler_file(at, Some(file), &error))
            }
        }
    }

    fn sampler_file(&self, at: &str, name: &str, sha256: Option<&str>, kind: Kind) -> Checked<SamplerFile> {
        let path = format!("{at}.file");
        let wrong = |what: String| self.wrong(&path, format!("`{path}`: {what}"));
        let bytes = self.files.read(name, &self.root.origin_of(&path)).map_err(wrong)?;
        let found = hex(&Sha256::digest(&bytes));
        if let Some(wanted) = sha256.filter(|wanted| *wanted != found) {
            let what = format!("{name} is not what it was: its SHA-256 is {found}, not {wanted}");
            return Err(wrong(what));
        }
        let text = String::from_utf8(bytes).map_err(|_| wrong(format!("{name} is no UTF-8 text")))?;
        let [tickets, weights] = EXTENSIONS;
        let extension = if kind == Kind::File { tickets } else { weights };
        Ok(SamplerFile { called: name.to_owned(), text: text.into(), sha256: found, extension })
    }

    fn in_sampler_file(&self, at: &str, file: Option<&SamplerFile>, error: &dyn std::fmt::Display) -> RecipeError {
        let (path, name) = (format!("{at}.file"), file.map_or("", |file| &file.called));
        self.wrong(&path, format!("`{path}`: {name}, {error}"))
    }

    /// The sides of a ticket's views.
    pub fn view_px(
        &self,
        path: &str,
        raw: Option<Vec<i64>>,
        input_px: u32,
        (sampler_path, sampling): (&str, &Sampling),
    ) -> Checked<Vec<u32>> {
        let (kind, records) = (sampling.kind(), sampling.sampler.records_per_ticket());
        let Some(sides) = raw else {
            if sampling.is_multi_resolution {
                let sentence = format!("`{sampler_path}` {kind:?} needs the sizes of its views: `{path} = [160, 224]`");
                return Err(self.wrong(sampler_path, sentence));
            }
            return Ok(vec![input_px; records]);
        };
        for (index, &side) in sides.iter().enumerate() {
            self.integer(&format!("{path}.{index}"), Some(side), None, 1..=i64::from(VIEW_SIDE_PX_MAX))?;
        }
        let count = sides.len();
        let wanted = match records {
            _ if count > VIEWS_MAX => Some(format!("a ticket has at most {VIEWS_MAX} views")),
            1 if count < 2 => {
                Some("several views have two or three; the size of a single one is `input_px`".to_owned())
            }
            2.. if count != records => {
                Some(format!("the sampler {kind:?} makes tickets of {records} records, a view each"))
            }
            _ => None,
        };
        match wanted {
            Some(rule) => Err(self.wrong(path, format!("`{path}` has {count} sizes: {rule}"))),
            None => Ok(sides.into_iter().map(|side| side as u32).collect()),
        }
    }
}

/// The keys in their resolved form. A single view's size is `input_px`.
pub fn lines(stage: &Stage) -> Vec<String> {
    let Sampling { sampler, file, .. } = &stage.sampler;
    let mut keys = vec![format!("kind = \"{}\"", stage.sampler.kind())];
    if let Some(file) = file {
        keys.push(format!("file = \"{}\", sha256 = \"{}\"", file.name(), file.sha256));
    }
    match sampler {
        Sampler::Weighted { weights: Weights::ByClass(weights), .. } if file.is_none() => {
            let weights: Vec<String> = weights.iter().map(|weight| format!("{weight:?}")).collect();
            keys.push(format!("class_weights = [{}]", weights.join(", ")));
        }
        Sampler::Hard { uniform_share, .. } => keys.push(format!("uniform_share = {uniform_share:?}")),
        Sampler::Siamese { same_share, .. } => keys.push(format!("same_share = {same_share:?}")),
        _ => {}
    }
    if let Sampler::Balanced { tickets: Some(tickets) }
    | Sampler::Weighted { tickets: Some(tickets), .. }
    | Sampler::Hard { tickets: Some(tickets), .. }
    | Sampler::Triplet { tickets: Some(tickets) }
    | Sampler::Siamese { tickets: Some(tickets), .. } = sampler
    {
        keys.push(format!("tickets = {tickets}"));
    }
    let mut lines = vec![format!("sampler = {{ {} }}", keys.join(", "))];
    if stage.view_px.len() > 1 {
        let sides: Vec<String> = stage.view_px.iter().map(u32::to_string).collect();
        lines.push(format!("view_px = [{}]", sides.join(", ")));
    }
    lines
}

/// Where the files that a recipe names are read from.
pub trait Files {
    /// The whole of a file that was named at a place of the recipe, or why it can't be had.
    fn read(&self, name: &str, origin: &super::located::Origin) -> Result<Vec<u8>, String>;
}

/// Files beside a recipe; those named by `--set`, from where the program runs.
pub struct Beside<'a>(pub &'a std::path::Path);

impl Files for Beside<'_> {
    fn read(&self, name: &str, origin: &super::located::Origin) -> Result<Vec<u8>, String> {
        use std::io::Read as _;
        let path = match origin {
            super::located::Origin::Line(_) => self.0.join(name),
            super::located::Origin::CommandLine(_) => name.into(),
        };
        let mut bytes = Vec::new();
        std::fs::File::open(&path)
            .and_then(|file| file.take(SAMPLER_FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        if bytes.len() as u64 > SAMPLER_FILE_BYTES_MAX {
            return Err(format!("{} is larger than {} MiB", path.display(), SAMPLER_FILE_BYTES_MAX >> 20));
        }
        Ok(bytes)
    }
}

/// Files that are at hand, by the names that a resolved recipe calls them.
pub struct AtHand<F>(pub F);

impl<F: Fn(&str) -> Option<Vec<u8>>> Files for AtHand<F> {
    fn read(&self, name: &str, _: &super::located::Origin) -> Result<Vec<u8>, String> {
        (self.0)(name).ok_or_else(|| format!("{name} is missing"))
    }
}
