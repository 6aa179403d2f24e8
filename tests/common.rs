//! Running the real binary in a folder of its own, and damaging files.
//! Not here: what commands should do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fastgarden_data::garden::{self, GardenSpec};
use serde_json::Value;
use tempfile::TempDir;

/// How a command ended.
pub struct Output {
    /// The exit code; −1 after a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A folder of its own to work in, with a home and a cache there.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// An empty one.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("the temporary folder is writable") }
    }

    /// A file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these words, separated by spaces.
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastgarden-actors"));
        command.args(words.split_whitespace()).current_dir(self.folder.path());
        command.env("HOME", self.folder.path()).env("FASTGARDEN_CACHE", self.path("cache"));
        command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, words: &str) -> Output {
        Self::ended(self.command(words))
    }

    /// Runs the program to its end, with so much memory to address.
    pub fn run_within(&self, gib: u32, words: &str) -> Output {
        let shell = ["sh", "-c", &format!("ulimit -v {} && exec \"$0\" \"$@\"", gib << 20)];
        Self::ended(self.command_by(&shell, words))
    }

    /// A call of the program by another one, which gets it as its last arguments.
    pub fn command_by(&self, other: &[&str], words: &str) -> Command {
        let program = self.command(words);
        let mut command = Command::new(other[0]);
        command.args(&other[1..]).arg(program.get_program()).args(program.get_args()).current_dir(self.folder.path());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    fn ended(mut command: Command) -> Output {
        let output = command.output().expect("the program was built for this test");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("messages are UTF-8");
        Output { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Draws a garden of one size, each split in one shard.
pub fn garden(folder: &Path, train: u32, validation: u32, size_px: u32) {
    let spec = GardenSpec {
        sizes_px: vec![size_px],
        train_records: train,
        validation_records: validation,
        ..GardenSpec::default()
    };
    garden::write(&spec, folder, &|_, _| {}).expect("the folder is writable");
}

impl Output {
    /// Asserts the exit code, that there was no panic, and that failures say so in an error line.
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        assert_eq!(self.stderr.contains("error: "), code != 0, "{}", self.stderr);
        self
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Flips the lowest bit of a byte.
pub fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).expect("the file is there");
    bytes[offset] ^= 1;
    fs::write(path, bytes).expect("the file is writable");
}

/// Where the frames of a shard begin, and its length last.
pub fn frame_offsets(path: &Path) -> Vec<usize> {
    let bytes = fs::read(path).expect("the file is there");
    let mut offsets = vec![0];
    while let Some(at) = offsets.last().copied().filter(|at| *at < bytes.len()) {
        let length = bytes[at..].first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
        offsets.push(at + 16 + length as usize);
    }
    offsets
}

/// Cuts a file.
pub fn cut(path: &Path, bytes: usize) {
    let file = fs::OpenOptions::new().write(true).open(path).expect("the file is there");
    file.set_len(bytes as u64).expect("the file is writable");
}
