//! Which device to train on, and the refusal to fall back to the CPU quietly where a GPU is there; and how tensors of the
//! host get to it.
//!
//! Not for settings of the device: threads, cuDNN and precision are the trainer's.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use tch::{Cuda, Device, Tensor};
use thiserror::Error;

/// Oldest Linux driver that CUDA 13.0 runs on, the CUDA of libtorch 2.13.0 (NVIDIA, CUDA 13.0 release notes).
pub const NEEDED_DRIVER: DriverVersion = DriverVersion([580, 65, 6]);

/// The device that the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceRequest {
    /// The first NVIDIA GPU if the machine has one, else the CPU.
    #[default]
    Auto,
    /// The CPU, whatever else is there.
    Cpu,
    /// This GPU.
    Cuda(usize),
}

impl FromStr for DeviceRequest {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| DeviceError::NotADevice(text.to_owned())),
        }
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// Version of an NVIDIA driver; compares part by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriverVersion([u32; 3]);

impl DriverVersion {
    /// The version in the text of `/proc/driver/nvidia/version`: the first word of digits and dots on its NVRM line.
    fn find(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| line.starts_with("NVRM version"))?;
        line.split_whitespace().find_map(|word| {
            let mut parts = [0; 3];
            let words: Vec<&str> = word.split('.').collect();
            if !(2..=3).contains(&words.len()) {
                return None;
            }
            for (part, word) in parts.iter_mut().zip(words) {
                *part = word.parse().ok()?;
            }
            Some(Self(parts))
        })
    }
}

impl fmt::Display for DriverVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        match patch {
            0 => write!(f, "{major}.{minor:02}"),
            _ => write!(f, "{major}.{minor:02}.{patch:02}"),
        }
    }
}

/// Why there is no device to train on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// Not a name of a device.
    #[error("no device is called {0:?}: use auto, cpu or cuda:N")]
    NotADevice(String),
    /// The driver is older than CUDA 13.0 can use.
    #[error(
        "this machine's NVIDIA driver is {found}, but libtorch 2.13.0 (CUDA 13.0) needs {NEEDED_DRIVER} or newer: \
         update the driver, or train on the CPU with --device cpu"
    )]
    DriverTooOld {
        /// The driver that is there.
        found: DriverVersion,
    },
    /// An NVIDIA device, but a libtorch without CUDA.
    #[error(
        "this machine has an NVIDIA GPU ({driver}; {NEEDED_DRIVER} or newer is needed), but the libtorch in use has \
         no CUDA in it: fetch the right one with cargo xtask setup and build again, or train on the CPU with \
         --device cpu"
    )]
    WithoutCuda {
        /// The driver, in words.
        driver: String,
    },
    /// An NVIDIA device that libtorch doesn't see though all looks right.
    #[error(
        "this machine has an NVIDIA GPU ({driver}; {NEEDED_DRIVER} or newer is needed), but libtorch can't use it: \
         check nvidia-smi, CUDA_VISIBLE_DEVICES and, in a container, that the GPU is passed in; or train on the CPU \
         with --device cpu"
    )]
    Unusable {
        /// The driver, in words.
        driver: String,
    },
    /// A GPU was asked for and there is none.
    #[error("cuda:{0} was asked for, but this machine has no NVIDIA GPU: leave --device out, or use --device cpu")]
    NoGpu(usize),
    /// A GPU was asked for that is beyond those there.
    #[error("cuda:{index} was asked for, but libtorch sees {count} GPU(s), counted from cuda:0")]
    NoSuchGpu {
        /// What was asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
}

/// What is known of this machine's GPUs.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Where the NVIDIA kernel module says its version.
    pub driver_version_file: PathBuf,
    /// The first GPU's device node: there in containers too, where the version file may not be.
    pub device_node: PathBuf,
    /// Whether this libtorch was built with CUDA.
    pub libtorch_has_cuda: bool,
    /// How many GPUs libtorch can use.
    pub usable_gpus: usize,
}

impl Probe {
    /// The machine as it is.
    pub fn of_this_machine() -> Self {
        Self {
            driver_version_file: PathBuf::from("/proc/driver/nvidia/version"),
            device_node: PathBuf::from("/dev/nvidia0"),
            libtorch_has_cuda: tch::utils::has_cuda(),
            usable_gpus: if Cuda::is_available() { usize::try_from(Cuda::device_count()).unwrap_or(0) } else { 0 },
        }
    }

    /// The driver's version file, if there is one to read.
    fn driver_text(&self) -> Option<String> {
        std::fs::read_to_string(&self.driver_version_file).ok()
    }

    /// Why libtorch can't use a GPU; `None` on a machine without one.
    fn obstacle(&self) -> Option<DeviceError> {
        let text = self.driver_text();
        if text.is_none() && !self.device_node.exists() {
            return None;
        }
        let version = text.as_deref().and_then(DriverVersion::find);
        if let Some(found) = version
            && found < NEEDED_DRIVER
        {
            return Some(DeviceError::DriverTooOld { found });
        }
        let driver = version.map_or("driver version unknown".to_owned(), |version| format!("driver {version}"));
        Some(match self.libtorch_has_cuda {
            false => DeviceError::WithoutCuda { driver },
            true => DeviceError::Unusable { driver },
        })
    }
}

/// The device for `request` on this machine.
///
/// # Errors
/// With `Auto`, a GPU that is there but can't be used is an error, never a reason to train on the CPU unasked.
pub fn choose(request: &DeviceRequest) -> Result<Device, DeviceError> {
    match request {
        // The CPU needs no look at the GPUs, which would start CUDA.
        DeviceRequest::Cpu => Ok(Device::Cpu),
        _ => choose_on(request, &Probe::of_this_machine()),
    }
}

/// The device for `request` on the machine that `probe` describes.
pub fn choose_on(request: &DeviceRequest, probe: &Probe) -> Result<Device, DeviceError> {
    let wanted = match *request {
        DeviceRequest::Cpu => return Ok(Device::Cpu),
        DeviceRequest::Auto => None,
        DeviceRequest::Cuda(index) => Some(index),
    };
    match (wanted, probe.usable_gpus) {
        (None, 0) => probe.obstacle().map_or(Ok(Device::Cpu), Err),
        (Some(index), 0) => Err(probe.obstacle().unwrap_or(DeviceError::NoGpu(index))),
        (Some(index), count) if index >= count => Err(DeviceError::NoSuchGpu { index, count }),
        (wanted, _) => Ok(Device::Cuda(wanted.unwrap_or(0))),
    }
}

/// A tensor of the host on the device, without waiting for the device.
///
/// The copy to a GPU is made from pinned memory of libtorch's own pool. That pool notes with each such copy when the
/// device is through with it, and gives the memory to nobody before then; so the tensor may be dropped here at once, and
/// the slab that the values came from is free as well, while the copy may not even have begun. (Slabs that are pinned
/// themselves would have to be kept until then, of which tch tells nothing.)
pub(crate) fn sent(host: Tensor, device: Device) -> Tensor {
    match device {
        Device::Cpu => host,
        _ => host.pin_memory(device).to_device_(device, host.kind(), true, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine in a folder of its own; `driver` is the text of its version file.
    fn machine(folder: &tempfile::TempDir, driver: Option<&str>, has_cuda: bool, usable_gpus: usize) -> Probe {
        let probe = Probe {
            driver_version_file: folder.path().join("version"),
            device_node: folder.path().join("nvidia0"),
            libtorch_has_cuda: has_cuda,
            usable_gpus,
        };
        if let Some(text) = driver {
            std::fs::write(&probe.driver_version_file, text).expect("a new folder takes a file");
        }
        probe
    }

    const OLD: &str = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\n\
                       GCC version:  gcc version 12.2.0\n";
    const NEW: &str = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs)\n";

    #[test]
    fn the_cpu_is_taken_where_there_is_no_gpu_or_where_it_is_asked_for() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bare = machine(&folder, None, false, 0);
        assert_eq!(choose_on(&DeviceRequest::Auto, &bare), Ok(Device::Cpu));
        assert_eq!(choose_on(&DeviceRequest::Cuda(1), &bare), Err(DeviceError::NoGpu(1)));
        let old = machine(&folder, Some(OLD), true, 0);
        assert_eq!(choose_on(&DeviceRequest::Cpu, &old), Ok(Device::Cpu));
    }

    #[test]
    fn an_old_driver_stops_with_its_version_the_needed_one_and_the_way_out() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (has_cuda, request) in [(true, DeviceRequest::Auto), (false, DeviceRequest::Cuda(0))] {
            let error = choose_on(&request, &machine(&folder, Some(OLD), has_cuda, 0)).expect_err("no usable GPU");
            let text = error.to_string();
            for part in ["550.54.14", "580.65.06", "update the driver", "--device cpu"] {
                assert!(text.contains(part), "{part} is not in {text:?}");
            }
        }
    }

    #[test]
    fn a_gpu_that_libtorch_cannot_use_is_never_passed_over() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = |probe: &Probe| choose_on(&DeviceRequest::Auto, probe).expect_err("no usable GPU").to_string();
        let without_cuda = text(&machine(&folder, Some(NEW), false, 0));
        assert!(without_cuda.contains("cargo xtask setup") && without_cuda.contains("driver 580.65.06"));
        assert!(text(&machine(&folder, Some(NEW), true, 0)).contains("nvidia-smi"));
        assert!(text(&machine(&folder, Some("garbage"), true, 0)).contains("driver version unknown"));
        let node_only = tempfile::tempdir().expect("a temporary folder");
        let probe = machine(&node_only, None, true, 0);
        std::fs::write(&probe.device_node, "").expect("a new folder takes a file");
        assert!(text(&probe).contains("--device cpu"));
    }

    #[test]
    fn a_usable_gpu_is_taken_and_one_beyond_them_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let probe = machine(&folder, Some(NEW), true, 2);
        assert_eq!(choose_on(&DeviceRequest::Auto, &probe), Ok(Device::Cuda(0)));
        assert_eq!(choose_on(&DeviceRequest::Cuda(1), &probe), Ok(Device::Cuda(1)));
        let refused = Err(DeviceError::NoSuchGpu { index: 2, count: 2 });
        assert_eq!(choose_on(&DeviceRequest::Cuda(2), &probe), refused);
    }

    #[test]
    fn device_names_are_read_and_written_alike() {
        for request in [DeviceRequest::Auto, DeviceRequest::Cpu, DeviceRequest::Cuda(3)] {
            assert_eq!(request.to_string().parse(), Ok(request));
        }
        for name in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            assert_eq!(name.parse::<DeviceRequest>(), Err(DeviceError::NotADevice(name.to_owned())));
        }
    }
}
