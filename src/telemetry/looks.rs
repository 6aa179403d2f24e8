//! The looks that a moment spans: three seconds of them, or as many as it takes to see whole steps.
//! Not here: when to look (see `live`), or what a moment says (see `moment`).
//!
//! The trainer tells of steps when it has fetched their losses: of each where they are slow, of up to fifty at once on a
//! GPU. What is reckoned from telling to telling is right for both.

use std::collections::VecDeque;

use fastgarden_data::observe::Window;
use fastgarden_proto::observe::Snapshot;

/// Looks that a moment spans, its own included: three seconds.
const SPANNED_MIN: usize = 13;
/// The same where the trainer tells seldom: two minutes.
const SPANNED_MAX: usize = 481;
/// Tellings of the trainer that a moment spans, if that takes no longer.
const TELLINGS_MIN: usize = 2;

/// The trainer's count of examples and steps at a look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    /// Examples handled, training and validation together.
    pub handled: u64,
    /// Steps made by this program.
    pub steps: u64,
}

/// What was seen at once.
pub struct Look {
    /// Of the pipeline.
    pub seen: Snapshot,
    /// Of the trainer.
    pub mark: Mark,
}

/// The newest looks at one phase, the oldest first.
#[derive(Default)]
pub struct Looks(VecDeque<Look>);

/// How fast the trainer is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Examples a second.
    pub images_per_s: f64,
    /// Milliseconds that a step takes, without waiting for its batch; `None` where no step was seen.
    pub step_ms: Option<f64>,
}

impl Looks {
    /// Forgets all looks but this one, from which the next moments are reckoned.
    pub fn begin(&mut self, first: Look) {
        self.0.clear();
        self.0.push_back(first);
    }

    /// Takes in a look, and lets those go that a moment needn't span. Not one from before the newest: meters would then run
    /// backwards.
    pub fn push(&mut self, look: Look) -> bool {
        if self.0.back().is_some_and(|newest| newest.seen.seconds > look.seen.seconds) {
            return false;
        }
        self.0.push_back(look);
        let is_needless = |looks: &Self| looks.0.len() > SPANNED_MAX || looks.tellings(1).count() >= TELLINGS_MIN;
        while self.0.len() > SPANNED_MIN && is_needless(self) {
            self.0.pop_front();
        }
        true
    }

    /// From the oldest look to the newest; `None` before the first.
    pub fn window(&self) -> Option<Window<'_>> {
        Some(Window { from: &self.0.front()?.seen, to: &self.0.back()?.seen })
    }

    /// From the first telling to the last; as long as there is only one, of all that was seen.
    pub fn pace(&self) -> Pace {
        let (Some(oldest), Some(newest)) = (self.0.front(), self.0.back()) else {
            return Pace { images_per_s: 0.0, step_ms: None };
        };
        let tellings: Vec<&Look> = self.tellings(0).collect();
        let (from, to, overdue_s) = match tellings[..] {
            [first, .., last] => {
                let usual_s = (last.seen.seconds - first.seen.seconds) / (tellings.len() - 1) as f64;
                // A trainer that has stopped tells nothing any more.
                (first, last, (newest.seen.seconds - last.seen.seconds - usual_s).max(0.0))
            }
            _ => (oldest, newest, 0.0),
        };
        let seconds = to.seen.seconds - from.seen.seconds + overdue_s;
        let steps = to.mark.steps - from.mark.steps;
        let busy_s = to.seen.consumer_busy_s - from.seen.consumer_busy_s;
        Pace {
            images_per_s: (to.mark.handled - from.mark.handled) as f64 / seconds.max(1e-9),
            step_ms: (steps > 0).then(|| 1e3 * busy_s / steps as f64),
        }
    }

    /// Looks from the `first` on that found more examples handled than the look before.
    fn tellings(&self, first: usize) -> impl Iterator<Item = &Look> {
        let pairs = self.0.iter().skip(first).zip(self.0.iter().skip(first + 1));
        pairs.filter(|(before, look)| look.mark.handled != before.mark.handled).map(|(_, look)| look)
    }
}

#[cfg(test)]
mod tests {
    use fastgarden_data::observe::nothing;

    use super::*;

    const EVERY_S: f64 = 0.25;
    const ROWS: u64 = 32;

    /// A look after so many seconds of a training that tells of `steps` steps every `every_s`, of which it waits for half.
    fn look(seconds: f64, steps: u64, every_s: f64) -> Look {
        let steps = (seconds / every_s) as u64 * steps;
        let seen = Snapshot { seconds, consumer_busy_s: seconds / 2.0, ..nothing() };
        Look { seen, mark: Mark { handled: steps * ROWS, steps } }
    }

    fn looks(until_s: f64, steps: u64, every_s: f64) -> Looks {
        let mut looks = Looks::default();
        looks.begin(look(0.0, steps, every_s));
        for number in 1..=(until_s / EVERY_S) as u64 {
            looks.push(look(number as f64 * EVERY_S, steps, every_s));
        }
        looks
    }

    #[test]
    fn of_quick_steps_a_moment_spans_three_seconds() {
        let looks = looks(20.0, 5, EVERY_S);
        assert!((looks.window().unwrap().seconds() - 3.0).abs() < 1e-9);
        assert_eq!(looks.pace(), Pace { images_per_s: 20.0 * ROWS as f64, step_ms: Some(25.0) });
    }

    #[test]
    fn of_slow_steps_it_spans_two_and_the_pace_is_even_between_them() {
        for until in 0..40 {
            let looks = looks(20.0 + f64::from(until) * EVERY_S, 1, 10.0);
            assert_eq!(looks.pace(), Pace { images_per_s: ROWS as f64 / 10.0, step_ms: Some(5_000.0) });
        }
        assert!(looks(100.0, 1, 10.0).window().unwrap().seconds() <= 20.25);
    }

    #[test]
    fn steps_that_are_told_fifty_at_once_have_an_even_pace() {
        for until in 0..16 {
            let pace = looks(30.0 + f64::from(until) * EVERY_S, 50, 4.0).pace();
            assert_eq!(pace, Pace { images_per_s: 12.5 * ROWS as f64, step_ms: Some(40.0) });
        }
    }

    #[test]
    fn a_trainer_that_stops_loses_its_pace() {
        let mut looks = looks(20.0, 5, EVERY_S);
        let mark = looks.0.back().unwrap().mark;
        let usual = looks.pace().images_per_s;
        for number in 1..=8 {
            let seen = Snapshot { seconds: 20.0 + f64::from(number) * EVERY_S, ..nothing() };
            looks.push(Look { seen, mark });
        }
        assert!(looks.pace().images_per_s < 0.7 * usual, "two of about three seconds without a step");
    }

    #[test]
    fn a_trainer_that_never_tells_is_not_remembered_for_ever() {
        let looks = looks(600.0, 1, 1e6);
        assert_eq!(looks.0.len(), SPANNED_MAX);
        assert_eq!(looks.pace(), Pace { images_per_s: 0.0, step_ms: None });
    }

    #[test]
    fn a_look_from_before_a_beginning_comes_too_late() {
        let mut looks = looks(20.0, 5, EVERY_S);
        looks.begin(look(20.1, 5, EVERY_S));
        assert!(!looks.push(look(20.0, 5, EVERY_S)));
        assert_eq!(looks.window().unwrap().to.seconds, 20.1);
        assert!(looks.push(look(20.35, 5, EVERY_S)));
    }

    #[test]
    fn what_was_before_a_beginning_is_no_part_of_it() {
        let mut looks = looks(20.0, 5, EVERY_S);
        let mark = Mark { handled: 1_000_000, steps: 9_000 };
        looks.begin(Look { seen: Snapshot { seconds: 20.0, ..nothing() }, mark });
        looks.push(Look { seen: Snapshot { seconds: 20.25, ..nothing() }, mark });
        assert!((looks.window().unwrap().seconds() - 0.25).abs() < 1e-9);
        assert_eq!(looks.pace().images_per_s, 0.0, "none of the examples before");
    }
}
