//! How long a run has taken, over all attempts, and whether it may take longer.
//! Not here: the time of an epoch or a step, which is for tables.

use std::time::Instant;

use super::progress::TrainError;

/// The clock of one attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    begun: Instant,
    /// Seconds of the attempts before this one.
    before_s: f64,
    most_s: Option<u64>,
}

impl Clock {
    /// Of an attempt that begins now.
    pub(super) fn start(before_s: f64, most_s: Option<u64>) -> Self {
        Self { begun: Instant::now(), before_s, most_s }
    }

    /// Seconds of all attempts.
    pub(super) fn seconds(&self) -> f64 {
        self.before_s + self.begun.elapsed().as_secs_f64()
    }

    /// An error if the run has taken longer than it may; `step` is what is done by now.
    pub(super) fn refuse_overtime(&self, step: u64) -> Result<(), TrainError> {
        let seconds = self.seconds();
        match self.most_s {
            Some(most) if seconds > most as f64 => Err(TrainError::OutOfTime { step, seconds, most }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_that_took_longer_than_it_may_is_refused() {
        assert!(Clock::start(1e9, None).refuse_overtime(3).is_ok());
        assert!(Clock::start(0.0, Some(1_000_000)).refuse_overtime(3).is_ok());
        let error = Clock::start(60.5, Some(60)).refuse_overtime(3).unwrap_err();
        assert!(matches!(error, TrainError::OutOfTime { step: 3, most: 60, seconds } if seconds >= 60.5), "{error}");
    }
}
