//! Where a run was trained: machine, system, program. Noted beside each run when an attempt begins, never in its ledger.
//! Not here: what follows from it (nothing does; it is for people).

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use tch::Device;

use super::digest;

/// The file in a run's folder: a line for each machine or program that attempts were made with.
pub const FILE: &str = "environment.jsonl";
/// The libtorch that this program is linked against; `xtask` fetches the same.
const LIBTORCH: &str = "2.13.0";
/// Longest text that is taken from the system, characters.
const WORDS_MAX: usize = 200;

/// One machine with one program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// Of this program.
    pub program_version: String,
    /// SHA-256 hex of the program's file; empty where it can't be read.
    pub binary_sha256: String,
    /// libtorch, with its CUDA runtime where it has one.
    pub libtorch: String,
    /// What trained: `cpu` or `cuda:N`.
    pub device: String,
    /// Model of the GPU, where one trained and the system says.
    pub gpu: Option<String>,
    /// Version of the GPU's driver.
    pub driver: Option<String>,
    /// Model of the processor.
    pub cpu: String,
    /// Cores that the program may use.
    pub cores: usize,
    /// Operating system and kernel.
    pub os: String,
    /// Processor architecture.
    pub architecture: String,
}

impl Environment {
    /// This machine, with what trains on it.
    pub fn of_this_machine(device: Device) -> Self {
        let gpu_of = |number: usize| {
            let folders = fs::read_dir("/proc/driver/nvidia/gpus").ok()?;
            let mut folders: Vec<_> = folders.flatten().map(|entry| entry.path()).collect();
            folders.sort();
            value_in(&folders.get(number)?.join("information"), "Model")
        };
        let (device, gpu) = match device {
            Device::Cuda(number) => (format!("cuda:{number}"), gpu_of(number)),
            _ => ("cpu".to_owned(), None),
        };
        let driver = gpu.as_ref().and_then(|_| value_in(Path::new("/proc/driver/nvidia/version"), "NVRM version"));
        Self {
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            binary_sha256: binary_sha256().to_owned(),
            libtorch: libtorch(),
            device,
            gpu,
            driver,
            cpu: value_in(Path::new("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            os: os(),
            architecture: std::env::consts::ARCH.to_owned(),
        }
    }

    /// In a few words: "NVIDIA H100, libtorch 2.13.0 (CUDA 13.0), Debian GNU/Linux 12".
    pub fn summary(&self) -> String {
        let on = match &self.gpu {
            Some(gpu) => gpu.clone(),
            None => format!("{} ({} cores)", self.cpu, self.cores),
        };
        format!("{on}, libtorch {}, {}", self.libtorch, self.os)
    }

    /// Notes it in a run's folder, unless its last line says so already.
    pub fn note(&self, run: &Path) -> std::io::Result<()> {
        let path = run.join(FILE);
        if read(&fs::read_to_string(&path).unwrap_or_default()).last() == Some(self) {
            return Ok(());
        }
        let line = serde_json::to_string(self).expect("an environment is plain data") + "\n";
        fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(line.as_bytes())
    }
}

/// The environments in a file's text. A kill can leave half a line.
pub fn read(text: &str) -> Vec<Environment> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Of the file that runs; read once.
pub fn binary_sha256() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    let of_this = || digest::of_file(&std::env::current_exe().ok()?).ok();
    HASH.get_or_init(|| of_this().map(|(_, sha256)| sha256).unwrap_or_default())
}

fn libtorch() -> String {
    if !tch::utils::has_cuda() {
        return LIBTORCH.to_owned();
    }
    // 13000 stands for 13.0.
    let cuda = tch::utils::version_cudart();
    format!("{LIBTORCH} (CUDA {}.{})", cuda / 1_000, cuda % 1_000 / 10)
}

fn os() -> String {
    let name = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = name.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).map(|name| name.trim_matches('"'));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    short(&format!("{}, kernel {}", name.unwrap_or(std::env::consts::OS), kernel.trim()))
}

/// The value of the first `key : value` line of a file of the system.
fn value_in(path: &Path, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(short(line.split_once(':')?.1))
}

/// On one line, of a length that fits a report.
fn short(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_noted_once_however_often_a_run_is_resumed_in_it() {
        let run = tempfile::tempdir().expect("a temporary folder");
        let here = Environment::of_this_machine(Device::Cpu);
        let there = Environment { cpu: "another".to_owned(), ..here.clone() };
        for environment in [&here, &here, &there, &there, &here] {
            environment.note(run.path()).expect("the folder is writable");
        }
        let text = fs::read_to_string(run.path().join(FILE)).expect("it was written");
        assert_eq!(read(&text), [here.clone(), there, here.clone()]);
        assert_eq!((here.binary_sha256.len(), here.device.as_str()), (64, "cpu"));
        assert_eq!(read(&text[..text.len() - 9]).len(), 2, "half a line is none");
    }
}
