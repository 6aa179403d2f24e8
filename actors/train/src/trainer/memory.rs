//! The device memory of a run over all its attempts, and whether it may take more.
//! Not here: how it is measured (see `device_memory`).

use tch::Device;

use super::progress::TrainError;
use crate::device_memory::{self, MemoryWatch};

/// What one attempt is seen to take of its device.
pub(super) struct Memory {
    /// `None` on a CPU, and where nobody can tell.
    watch: Option<MemoryWatch>,
    /// The most in attempts before this one.
    before_bytes: Option<u64>,
    most_bytes: Option<u64>,
}

impl Memory {
    /// Of an attempt that begins now; nothing of it is on the device yet.
    pub fn start(device: Device, most_bytes: Option<u64>) -> Result<Self, TrainError> {
        if let Some(most) = most_bytes {
            device_memory::cap(device, most).map_err(TrainError::Uncapped)?;
        }
        Ok(Self { watch: MemoryWatch::start(device), before_bytes: None, most_bytes })
    }

    /// Notes what the attempts before took.
    pub fn go_on_from(&mut self, before_bytes: Option<u64>) {
        self.before_bytes = before_bytes;
    }

    /// The most that any attempt was seen to take; `None` where it was never measured.
    pub fn peak_bytes(&self) -> Option<u64> {
        self.watch.as_ref().map(MemoryWatch::peak_bytes).max(self.before_bytes)
    }

    /// An error if the run has taken more than it may; `step` is what is done by now.
    pub fn refuse_excess(&self, step: u64) -> Result<(), TrainError> {
        match (self.watch.as_ref().map(MemoryWatch::peak_bytes), self.most_bytes) {
            (Some(bytes), Some(most)) if bytes > most => Err(TrainError::OutOfDeviceMemory { step, bytes, most }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(seen: Option<u64>, before_bytes: Option<u64>, most_bytes: Option<u64>) -> Memory {
        let watch = seen.map(|bytes| MemoryWatch::over(move || Some(bytes)).expect("it answers"));
        Memory { watch, before_bytes, most_bytes }
    }

    #[test]
    fn the_peak_is_that_of_all_attempts() {
        assert_eq!(memory(Some(5), None, None).peak_bytes(), Some(5));
        assert_eq!(memory(Some(5), Some(7), None).peak_bytes(), Some(7));
        assert_eq!(memory(None, Some(7), None).peak_bytes(), Some(7));
        assert_eq!(memory(None, None, None).peak_bytes(), None);
    }

    #[test]
    fn only_an_attempt_that_took_more_than_it_may_is_refused() {
        assert!(memory(Some(5 << 30), None, None).refuse_excess(3).is_ok());
        assert!(memory(Some(5 << 30), None, Some(5 << 30)).refuse_excess(3).is_ok());
        assert!(memory(None, Some(9 << 30), Some(5 << 30)).refuse_excess(3).is_ok());
        let error = memory(Some(6 << 30), None, Some(5 << 30)).refuse_excess(3).expect_err("it is too much");
        let text = error.to_string();
        assert!(text.contains("6.0 GiB") && text.contains("5.0") && text.contains("batch"), "{text}");
    }
}
