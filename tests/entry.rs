//! A tiny series of three runs, trained once for all tests of submissions, and the means to alter a submission of it.
//! Not here: what is to come of that.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::common::{Output, Place, garden};

/// Explains itself as the rules ask.
pub const RECIPE: &str = r#"
name = "entry"
summary = "for tests"
method = "A small xresnet on random crops"
based_on = ["Bag of Tricks: the stem"]
why = "Small nets learn fast on two cores"
data_note = "TFRecords are read directly"
[net]
kind = "xresnet"
stem = { kind = "conv", widths = [8, 8, 64] }
block = { kind = "basic" }
layers = [1, 1, 1, 1]
outputs = 104
[optimizer]
kind = "sgd"
lr = 0.01
[[stage]]
epochs = 2
source_px = 48
input_px = 32
batch_size = 8
drop_last = true
crop = { kind = "random_resized", min_scale = 0.35 }
schedule = { kind = "constant" }
[evaluation]
source_px = 48
resize_px = 32
input_px = 32
[checkpoint]
every_steps = 2
every_seconds = 0
keep = 1
[execution]
cpu_threads = 1
"#;

/// Rules that the recipe keeps on the garden of these tests.
pub const RULES: &str = "\
examples_per_epoch = 64\nepochs = 4\nruns = 3\nviews = 3\nvalidation_records = 20\ninput_px = 32\ndevice_memory = 14.0\n";

/// What all tests of this file share; nobody changes it.
pub struct Entry {
    folder: PathBuf,
}

impl Entry {
    /// Trained at the first call, into a folder that Cargo keeps for tests.
    pub fn get() -> &'static Self {
        static ENTRY: OnceLock<Entry> = OnceLock::new();
        ENTRY.get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("entry");
            if folder.exists() {
                fs::remove_dir_all(&folder).unwrap();
            }
            fs::create_dir_all(&folder).unwrap();
            garden(&folder.join("garden"), 70, 20, 48);
            fs::write(folder.join("entry.toml"), RECIPE).unwrap();
            fs::write(folder.join("rules.toml"), RULES).unwrap();
            let entry = Self { folder };
            let place = Place::new();
            entry
                .run(&place, "train ENTRY/entry.toml --runs 3 --out ENTRY/runs --rules ENTRY/rules.toml")
                .expect_code(0);
            let submit = "submit SERIES --author @ada --link https://example.org/ --no-source --out ENTRY/entry.tar.gz";
            entry.run(&place, submit).expect_code(0);
            entry
        })
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder of the series.
    pub fn series(&self) -> PathBuf {
        fs::read_dir(self.path("runs")).unwrap().next().unwrap().unwrap().path()
    }

    /// Runs the program on the CPU with this garden; ENTRY stands for the shared folder, SERIES for its series.
    pub fn run(&self, place: &Place, words: &str) -> Output {
        let mut words = words.to_owned();
        if words.contains("SERIES") {
            words = words.replace("SERIES", &self.series().display().to_string());
        }
        if words.starts_with("train ") || words.starts_with("sweep ") {
            words += " --data ENTRY/garden --device cpu";
        }
        place.run(&words.replace("ENTRY", &self.folder.display().to_string()))
    }

    /// A copy of the series that may be changed, as `series` in the place. Checkpoints only where they are needed.
    pub fn copy_to(&self, place: &Place, with_checkpoints: bool) {
        copy(&self.series(), &place.path("series"), with_checkpoints);
    }
}

fn copy(from: &Path, to: &Path, with_checkpoints: bool) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true if !with_checkpoints && entry.file_name() == "checkpoints" => {}
            true => copy(&path, &target, with_checkpoints),
            false => drop(fs::copy(path, target).unwrap()),
        }
    }
}

/// A submission taken apart.
pub struct Parts {
    /// `submission.json`, without its list of members.
    pub about: Value,
    /// Everything else, in order.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Parts {
    /// Of a file.
    pub fn read(path: &Path) -> Self {
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        let mut archive = tar::Archive::new(GzDecoder::new(fs::File::open(path).unwrap()));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.push((entry.path().unwrap().display().to_string(), content));
        }
        let (_, about) = files.remove(0);
        Self { about: serde_json::from_slice(&about).unwrap(), files }
    }

    /// Puts it together again, with the right lengths and hashes: whoever cheats can do that too.
    pub fn write(&self, path: &Path) {
        let mut about = self.about.clone();
        let hash =
            |content: &[u8]| Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let seal = |(name, content): &(String, Vec<u8>)| json!({"name": name, "bytes": content.len(), "sha256": hash(content)});
        about["members"] = self.files.iter().map(seal).collect();
        let mut tar = tar::Builder::new(GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast()));
        let about = ("submission.json".to_owned(), about.to_string().into_bytes());
        for (name, content) in [&about].into_iter().chain(&self.files) {
            let mut header = tar::Header::new_ustar();
            header.set_path(name).unwrap();
            header.set_size(content.len() as u64);
            header.set_cksum();
            tar.append(&header, &content[..]).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();
    }

    /// A file's bytes.
    pub fn file(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.files.iter_mut().find(|(of, _)| of == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    /// Changes a file as text.
    pub fn change(&mut self, name: &str, change: impl Fn(&str) -> String) {
        let file = self.file(name);
        let changed = change(std::str::from_utf8(file).unwrap());
        assert_ne!(changed.as_bytes(), &file[..], "{name} was not changed");
        *file = changed.into_bytes();
    }

    /// Changes the report.
    pub fn report(&mut self, change: impl Fn(&mut Value)) {
        self.change("report.json", |text| {
            let mut report: Value = serde_json::from_str(text).unwrap();
            change(&mut report);
            format!("{report:#}\n")
        });
    }

    /// Gives a run another ledger, and its report the new end of it.
    pub fn ledger(&mut self, seed: u64, change: impl Fn(&str) -> String) {
        let name = format!("seed-{seed}/ledger.jsonl");
        self.change(&name, |text| rechained(&change(text)));
        let text = String::from_utf8(self.file(&name).clone()).unwrap();
        let head = text.lines().last().unwrap().rsplit_once("\"chain\":\"").unwrap().1[..64].to_owned();
        self.report(|report| {
            let runs = report["runs"].as_array_mut().unwrap();
            let run = runs.iter_mut().find(|run| run["seed"] == seed).unwrap();
            run["ledger_head"] = head.clone().into();
        });
    }
}

/// Lines with their chain made anew.
pub fn rechained(text: &str) -> String {
    let mut chain = "0".repeat(64);
    let mut out = String::new();
    for line in text.lines() {
        let body = format!("{}}}", line.rsplit_once(",\"chain\":\"").unwrap().0);
        let hash = Sha256::new().chain_update(&chain).chain_update(&body).finalize();
        chain = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        out += &format!("{},\"chain\":\"{chain}\"}}\n", &body[..body.len() - 1]);
    }
    out
}
