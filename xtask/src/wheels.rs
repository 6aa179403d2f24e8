//! Which wheels make a libtorch on which machine: names, versions, tags and sizes. Not for fetching them.

use std::fmt;

use crate::problem::{Problem, Result};

/// The version that tch 0.26 is written for.
pub const VERSION: &str = "2.13.0";

/// What cuda-toolkit 13.0.3, which torch 2.13.0 asks for, stands for: the PyPI build's libtorch_cpu.so is linked
/// against these two even where there is no GPU.
const CUDA_RUNTIME: &str = "nvidia-cuda-runtime==13.0.96";
const CUDA_PROFILER: &str = "nvidia-cuda-cupti==13.0.85";

/// The interpreter whose wheels are taken. Any would do: only libtorch_python depends on it, and that is left out.
pub const INTERPRETER: &str = "3.12";

/// With or without the CUDA half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    Cpu,
    Cuda,
}

impl fmt::Display for Variant {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Variant::Cpu => "cpu",
            Variant::Cuda => "cuda",
        })
    }
}

/// A machine for which PyPI has wheels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    LinuxX86,
    LinuxArm,
    MacArm,
}

impl Platform {
    /// The platform named as in `std::env::consts`; musl has no wheels.
    pub fn from_names(os: &str, architecture: &str, is_musl: bool) -> Result<Self> {
        match (os, architecture, is_musl) {
            ("linux", "x86_64", false) => Ok(Platform::LinuxX86),
            ("linux", "aarch64", false) => Ok(Platform::LinuxArm),
            ("macos", "aarch64", _) => Ok(Platform::MacArm),
            _ => {
                let libc = if is_musl { " with musl" } else { "" };
                Err(Problem::UnsupportedPlatform { platform: format!("{os} on {architecture}{libc}") })
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Platform::LinuxX86 => "linux-x86_64",
            Platform::LinuxArm => "linux-aarch64",
            Platform::MacArm => "macos-arm64",
        }
    }

    /// Every tag a wheel for this machine may carry: pip compares tags exactly, and `--platform` turns off the
    /// knowledge that a newer glibc runs what was built for an older one.
    fn tags(self) -> Vec<String> {
        let architecture = match self {
            Platform::LinuxX86 => "x86_64",
            Platform::LinuxArm => "aarch64",
            Platform::MacArm => return vec!["macosx_14_0_arm64".to_owned()],
        };
        let mut tags: Vec<String> =
            (17..=28).rev().map(|minor| format!("manylinux_2_{minor}_{architecture}")).collect();
        // pip takes this one for the older manylinux2010 and manylinux1 as well.
        tags.push(format!("manylinux2014_{architecture}"));
        tags
    }
}

/// One libtorch: what to ask pip for and how much room it takes.
#[derive(Clone, Copy, Debug)]
pub struct Wheels {
    platform: Platform,
    variant: Variant,
}

impl Wheels {
    pub fn new(platform: Platform, variant: Variant) -> Result<Self> {
        if platform == Platform::MacArm && variant == Variant::Cuda {
            return Err(Problem::NoCuda { platform: platform.name().to_owned() });
        }
        Ok(Self { platform, variant })
    }

    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// The folder in the cache, so that variants and versions lie side by side.
    pub fn folder_name(&self) -> String {
        format!("libtorch-{VERSION}-{}-{}", self.variant, self.platform.name())
    }

    /// What `pip download` is told, but for the folder. Without a GPU the dependencies (2.2 GB of CUDA) are left out and
    /// the two that are needed are named.
    pub fn pip_arguments(&self) -> Vec<String> {
        let mut arguments =
            vec!["--only-binary=:all:".to_owned(), "--python-version".to_owned(), INTERPRETER.to_owned()];
        for tag in self.platform.tags() {
            arguments.extend(["--platform".to_owned(), tag]);
        }
        if self.variant == Variant::Cpu {
            arguments.push("--no-deps".to_owned());
        }
        arguments.push(format!("torch=={VERSION}"));
        if self.variant == Variant::Cpu && self.platform != Platform::MacArm {
            arguments.extend([CUDA_RUNTIME.to_owned(), CUDA_PROFILER.to_owned()]);
        }
        arguments
    }

    /// Whether libtorch.so must be replaced by an empty library, because the real one asks for the CUDA half.
    pub fn needs_stub(&self) -> bool {
        self.variant == Variant::Cpu && self.platform != Platform::MacArm
    }

    /// Size of the wheels, in 10^6 bytes.
    pub fn download_mb(&self) -> u64 {
        match (self.platform, self.variant) {
            (Platform::MacArm, _) => 111,
            (Platform::LinuxX86, Variant::Cpu) => 540,
            (Platform::LinuxArm, Variant::Cpu) => 440,
            (_, Variant::Cuda) => 2_740,
        }
    }

    /// Size of what is kept, in 10^6 bytes.
    pub fn kept_mb(&self) -> u64 {
        match (self.platform, self.variant) {
            (Platform::MacArm, _) => 450,
            (_, Variant::Cpu) => 500,
            (_, Variant::Cuda) => 3_900,
        }
    }

    /// What must be free, and a tenth for safety: pip copies the wheels at the end, before the first copy goes; later
    /// wheels and unpacked files lie side by side.
    pub fn needed_mb(&self) -> u64 {
        (self.download_mb() + self.download_mb().max(self.kept_mb())) * 11 / 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_machine_asks_for_three_pinned_wheels_and_no_dependencies() {
        let arguments = Wheels::new(Platform::LinuxX86, Variant::Cpu).expect("a known platform").pip_arguments();
        assert!(arguments.contains(&"--no-deps".to_owned()));
        let pinned: Vec<_> = arguments.iter().filter(|argument| argument.contains("==")).collect();
        assert_eq!(pinned, ["torch==2.13.0", CUDA_RUNTIME, CUDA_PROFILER]);
    }

    #[test]
    fn every_tag_that_the_wheels_carry_is_asked_for() {
        let arguments = Wheels::new(Platform::LinuxX86, Variant::Cuda).expect("a known platform").pip_arguments();
        assert!(!arguments.contains(&"--no-deps".to_owned()));
        // torch; cuDNN; CUPTI; NCCL; cuFFT; cuSPARSELt.
        for tag in ["2_28", "2_27", "2_25", "2_18", "2_17"] {
            assert!(arguments.contains(&format!("manylinux_{tag}_x86_64")), "{tag}");
        }
        assert!(arguments.contains(&"manylinux2014_x86_64".to_owned()));
    }

    #[test]
    fn macs_have_no_cuda_and_need_no_stub() {
        assert!(matches!(Wheels::new(Platform::MacArm, Variant::Cuda), Err(Problem::NoCuda { .. })));
        let wheels = Wheels::new(Platform::MacArm, Variant::Cpu).expect("a known platform");
        assert!(!wheels.needs_stub());
        assert_eq!(wheels.pip_arguments().iter().filter(|argument| argument.contains("==")).count(), 1);
    }

    #[test]
    fn machines_without_wheels_are_named() {
        for (os, architecture, is_musl) in
            [("linux", "x86_64", true), ("macos", "x86_64", false), ("linux", "riscv64", false)]
        {
            let problem = Platform::from_names(os, architecture, is_musl).expect_err("no wheel");
            assert!(problem.to_string().contains(architecture), "{problem}");
        }
        assert_eq!(Platform::from_names("linux", "x86_64", false).ok(), Some(Platform::LinuxX86));
    }
}
