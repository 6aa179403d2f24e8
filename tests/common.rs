//! Running the real binary in a folder of its own, and damaging files.
//! Not here: what commands should do.

use std::fs;
use std::path::Path;
use std::process::Command;

use fastgarden_data::garden::{self, GardenSpec};
use serde_json::Value;

/// How a command ended.
pub struct Output {
    /// The exit code; −1 after a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The program, working in `home`, with its home and cache there.
pub fn binary(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastgarden-actors"));
    command.current_dir(home).env("HOME", home).env("FASTGARDEN_CACHE", home.join("cache")).env_remove("RUST_LOG");
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the program was built for this test");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("messages are UTF-8");
    Output { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
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
