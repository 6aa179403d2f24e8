//! How much memory of a GPU a run takes, by NVIDIA's management library, which is looked for when it is needed: programs run
//! without it, and without a GPU.
//! Not here: limits on it (see `trainer`) or guesses of it (see `rehearsal`).
//!
//! What counts is everything that the process holds on the device: tensors, what libtorch keeps for later ones, and CUDA's own
//! context. libtorch gives nothing back while a run goes on, so that looking now and then finds the peak.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device as NvmlDevice, Nvml};
use tch::Device;

/// Time from one look to the next.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Which GPUs CUDA shows to a process, and in which order.
const VISIBLE_DEVICES: &str = "CUDA_VISIBLE_DEVICES";

/// Whether a limit is kept by CUDA's allocator itself, rather than by watching.
pub const CAN_CAP: bool = cfg!(feature = "cuda-memory-cap");

/// Limits what this process's tensors may take of a GPU, before it holds any there. Nothing on a CPU, or where
/// [`CAN_CAP`] is false.
///
/// # Errors
/// In words, when the limit can't be set.
pub fn cap(device: Device, bytes: u64) -> Result<(), String> {
    match device {
        Device::Cuda(index) if CAN_CAP => {
            let total = total_bytes(device).ok_or("nobody tells how much memory the device has")?;
            // A share of all there is does not limit anything.
            cap_share(index, (bytes as f64 / total as f64).min(1.0))
        }
        _ => Ok(()),
    }
}

#[cfg(feature = "cuda-memory-cap")]
fn cap_share(index: usize, share: f64) -> Result<(), String> {
    use std::ffi::{CStr, c_char, c_int};
    unsafe extern "C" {
        fn fastgarden_cap_memory(device: c_int, share: f64, what: *mut c_char, length: usize) -> bool;
    }
    let mut what: [c_char; 512] = [0; 512];
    let device = c_int::try_from(index).map_err(|error| error.to_string())?;
    // SAFETY: it writes at most `length` bytes, a final 0 among them, and throws nothing.
    if unsafe { fastgarden_cap_memory(device, share, what.as_mut_ptr(), what.len()) } {
        return Ok(());
    }
    // SAFETY: the array was zeroed, and its last byte is never written but with 0.
    let what = unsafe { CStr::from_ptr(what.as_ptr()) };
    Err(what.to_string_lossy().lines().next().unwrap_or_default().to_owned())
}

#[cfg(not(feature = "cuda-memory-cap"))]
fn cap_share(_: usize, _: f64) -> Result<(), String> {
    Ok(())
}

/// A GPU as the management library calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Index(u32),
    Uuid(String),
}

/// The management library's name for the GPU that CUDA calls `index`. It doesn't know of `CUDA_VISIBLE_DEVICES`.
fn name_of(index: usize, visible: Option<&str>) -> Option<Name> {
    let Some(visible) = visible.filter(|visible| !visible.trim().is_empty()) else {
        return u32::try_from(index).ok().map(Name::Index);
    };
    let name = visible.split(',').nth(index)?.trim();
    Some(name.parse().map_or_else(|_| Name::Uuid(name.to_owned()), Name::Index))
}

fn with_device<T>(index: usize, nvml: &Nvml, work: impl FnOnce(&NvmlDevice<'_>) -> Result<T, NvmlError>) -> Option<T> {
    let device = match name_of(index, std::env::var(VISIBLE_DEVICES).ok().as_deref())? {
        Name::Index(index) => nvml.device_by_index(index),
        Name::Uuid(uuid) => nvml.device_by_uuid(uuid),
    };
    match device.and_then(|device| work(&device)) {
        Ok(found) => Some(found),
        Err(error) => {
            tracing::warn!(%error, "the memory of GPU {index} can't be measured");
            None
        }
    }
}

/// All the memory of a device, bytes; `None` on a CPU, and where nobody can tell.
pub fn total_bytes(device: Device) -> Option<u64> {
    let Device::Cuda(index) = device else { return None };
    let nvml = open()?;
    with_device(index, &nvml, |device| device.memory_info()).map(|memory| memory.total)
}

fn open() -> Option<Nvml> {
    Nvml::init().inspect_err(|error| tracing::warn!(%error, "device memory can't be measured")).ok()
}

/// What this process holds of a device. Where the library doesn't list it (in a container, processes have other numbers), what
/// all processes together hold: never too little.
fn used_bytes(device: &NvmlDevice<'_>) -> Result<u64, NvmlError> {
    let own = device.running_compute_processes().unwrap_or_default().into_iter();
    let own =
        own.filter(|process| process.pid == std::process::id()).find_map(|process| match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        });
    own.map_or_else(|| device.memory_info().map(|memory| memory.used), Ok)
}

/// A thread that looks at the memory of a device until this is dropped.
pub struct MemoryWatch {
    peak_bytes: Arc<AtomicU64>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MemoryWatch {
    /// Watches a GPU; `None` on a CPU, and where the management library is not there or doesn't know the device.
    pub fn start(device: Device) -> Option<Self> {
        let Device::Cuda(index) = device else { return None };
        let nvml = open()?;
        with_device(index, &nvml, used_bytes)?;
        Self::over(move || with_device(index, &nvml, used_bytes))
    }

    /// Looks by this function, at once and then now and then; it ends by itself when there is no answer.
    pub(crate) fn over(mut look: impl FnMut() -> Option<u64> + Send + 'static) -> Option<Self> {
        let peak_bytes = Arc::new(AtomicU64::new(look()?));
        let (stop, stopped) = bounded(0);
        let shared = Arc::clone(&peak_bytes);
        let watch = move || {
            while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                let Some(used) = look() else { return };
                shared.fetch_max(used, Relaxed);
            }
            if let Some(used) = look() {
                shared.fetch_max(used, Relaxed);
            }
        };
        let thread = std::thread::Builder::new().name("device-memory".to_owned()).spawn(watch).ok()?;
        Some(Self { peak_bytes, stop: Some(stop), thread: Some(thread) })
    }

    /// The most that was seen so far, bytes.
    pub fn peak_bytes(&self) -> u64 {
        self.peak_bytes.load(Relaxed)
    }

    /// Looks once more and ends; the most that was seen, bytes.
    pub fn finish(mut self) -> u64 {
        self.end();
        self.peak_bytes()
    }

    fn end(&mut self) {
        drop(self.stop.take());
        // A thread that panicked has nothing more to tell.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cudas_numbers_go_by_what_it_is_shown() {
        let uuid = || Some(Name::Uuid("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6".to_owned()));
        assert_eq!(name_of(1, None), Some(Name::Index(1)));
        assert_eq!(name_of(1, Some("")), Some(Name::Index(1)));
        assert_eq!(name_of(0, Some("3,1")), Some(Name::Index(3)));
        assert_eq!(name_of(1, Some("3, 1")), Some(Name::Index(1)));
        assert_eq!(name_of(2, Some("3,1")), None);
        assert_eq!(name_of(0, Some("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6")), uuid());
    }

    #[test]
    fn the_largest_look_is_kept_and_the_last_one_counts() {
        let mut looks = [3_u64, 9].into_iter();
        let watch = MemoryWatch::over(move || Some(looks.next().unwrap_or(5))).expect("it answers");
        assert!(watch.peak_bytes() >= 3);
        // At the latest when it ends it looks a second time.
        assert_eq!(watch.finish(), 9);
    }

    #[test]
    fn where_nothing_can_be_measured_there_is_no_watch() {
        assert!(MemoryWatch::over(|| None).is_none());
        assert!(MemoryWatch::start(Device::Cpu).is_none());
        assert_eq!(total_bytes(Device::Cpu), None);
    }
}
