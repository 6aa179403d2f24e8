//! A share of the machine's CPU time for the pipeline, kept by counting: while what the pools have used is more than
//! their share of what there was, no chunk is issued.
//! Not here: measuring CPU time (see `machine`) or waiting (see `conductor`). Without a budget none of it exists.

use std::time::Duration;

/// Allowance that may be saved up, as time of the whole share: after a quiet time the pools catch up with no more.
const SAVED_MAX: Duration = Duration::from_millis(50);
/// The shortest wait that is asked for: finer timers don't exist.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// The account of one pipeline.
pub struct CpuBudget {
    share_of_machine: f64,
    balance_s: f64,
    elapsed: Duration,
    used: Duration,
}

impl CpuBudget {
    /// `share` (above 0, below 1) of `cores` cores.
    pub fn new(share: f64, cores: usize) -> Self {
        let share_of_machine = share * cores as f64;
        Self { share_of_machine, balance_s: 0.0, elapsed: Duration::ZERO, used: Duration::ZERO }
    }

    /// Whether a chunk may be issued, at `elapsed` after the start and with `used` CPU time altogether; if not, how
    /// long until the deficit is gone. Both only grow. What is under way at that moment is charged when it is done, so
    /// the budget can be overdrawn by as much as the credits allow, once: it must be paid back before the next chunk.
    pub fn admit(&mut self, elapsed: Duration, used: Duration) -> Result<(), Duration> {
        let earned = elapsed.saturating_sub(self.elapsed).as_secs_f64() * self.share_of_machine;
        let spent = used.saturating_sub(self.used).as_secs_f64();
        (self.elapsed, self.used) = (elapsed, used);
        let saved_max = SAVED_MAX.as_secs_f64() * self.share_of_machine;
        self.balance_s = (self.balance_s + earned - spent).min(saved_max);
        if self.balance_s >= 0.0 {
            return Ok(());
        }
        Err(Duration::from_secs_f64(-self.balance_s / self.share_of_machine).max(WAIT_MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: Duration = Duration::from_millis(4);

    /// Two cores that always have work if it is admitted: issues a chunk, lets it run, or waits as long as it is told.
    /// Returns CPU time used and time elapsed.
    fn busy(share: f64, chunks: u32) -> (Duration, Duration) {
        let mut budget = CpuBudget::new(share, 2);
        let (mut elapsed, mut used) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..chunks {
            while let Err(wait) = budget.admit(elapsed, used) {
                elapsed += wait;
            }
            used += CHUNK;
            elapsed += CHUNK / 2;
        }
        (used, elapsed)
    }

    #[test]
    fn the_share_is_kept_and_used() {
        for share in [0.01, 0.2, 0.4, 0.6, 0.99] {
            let (used, elapsed) = busy(share, 1_000);
            let got = used.as_secs_f64() / (2.0 * elapsed.as_secs_f64());
            assert!(got <= share * 1.01 && got >= share * 0.9, "{got} of {share}");
        }
    }

    #[test]
    fn what_was_saved_in_quiet_times_is_bounded() {
        let mut budget = CpuBudget::new(0.5, 2);
        let hour = Duration::from_secs(3_600);
        assert_eq!(budget.admit(hour, Duration::ZERO), Ok(()));
        assert_eq!(budget.admit(hour, SAVED_MAX - CHUNK), Ok(()));
        assert!(budget.admit(hour, SAVED_MAX + CHUNK).is_err());
    }

    #[test]
    fn a_deficit_is_waited_for_as_long_as_it_takes() {
        let mut budget = CpuBudget::new(0.25, 2);
        let used = Duration::from_millis(100);
        let wait = budget.admit(Duration::ZERO, used).unwrap_err();
        assert_eq!(wait, Duration::from_millis(200));
        assert!(budget.admit(wait - Duration::from_millis(10), used).is_err());
        assert_eq!(budget.admit(wait + WAIT_MIN, used), Ok(()));
    }
}
