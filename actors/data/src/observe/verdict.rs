//! What limits a pipeline, and what would help, in one sentence with numbers of the window that was looked at.
//! Not here: measuring. Everything said is arithmetic on seconds of work per image, as the stages' meters have them.

use super::{DECODE, Window};
use crate::limits::CHUNK_ROWS_MAX;
use crate::shared::StageName;

/// Pipeline and trainer are balanced when neither is busy for more than this times the other's share of the time: making
/// one of them faster then gains less than that.
const BALANCED_MAX: f64 = 1.1;
/// Chunks that were held back for more than this share of the time: the CPU budget limits,
const HELD_BACK_MIN: f64 = 0.1;
/// unless the trainer waits less than this share of its time.
const HELD_UP_MIN: f64 = 0.05;
/// Less than this share of what the stages' work allows: something else held the pipeline up.
const REACHED_MIN: f64 = 0.75;
/// A smaller gain of a cache is not worth its memory.
const GAIN_MIN: f64 = 1.05;
/// Most readers that are recommended.
const READERS_MAX: f64 = 64.0;

/// The stage that limits, with a sentence for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// `read`, `decode`, `augment`, `sequence`, `trainer` or `balanced`.
    pub bottleneck: &'static str,
    /// What was seen, and what would help.
    pub sentence: String,
}

/// A pipeline as its meters describe it: seconds of work per image and stage, and who does it.
#[derive(Clone, Copy)]
struct Model {
    /// Seconds per image, by stage.
    work_s: [f64; 4],
    /// Threads of each stage's pool; 0 = the work is done by the decoders.
    workers: [f64; 4],
    /// Seconds per image that the consumer is busy.
    consumer_s: f64,
    cores: f64,
}

const READ: usize = StageName::Read as usize;

impl Model {
    /// Seconds per image that a pool works: for its own stage and for those it does for others.
    fn pool_work_s(&self, pool: usize) -> f64 {
        let works_for = |stage: usize| stage == pool || (pool == DECODE && self.workers[stage] == 0.0);
        (0..4).filter(|&stage| works_for(stage)).map(|stage| self.work_s[stage]).sum()
    }

    /// Images a second without the consumer: what the slowest pool gives, or the cores. Reading is not the cores' work
    /// but mostly waiting for storage.
    fn rate(&self) -> f64 {
        let pools = (0..4).filter(|&pool| self.workers[pool] > 0.0);
        let slowest = pools.map(|pool| self.workers[pool] / self.pool_work_s(pool).max(1e-12));
        let on_cores: f64 = (0..4).filter(|&stage| stage != READ).map(|stage| self.work_s[stage]).sum();
        slowest.fold(self.cores / on_cores.max(1e-12), f64::min)
    }

    /// Images a second that reach the consumer.
    fn rate_consumed(&self) -> f64 {
        self.rate().min(1.0 / self.consumer_s.max(1e-12))
    }

    /// "2 decoders", "1 reader".
    fn crew(&self, pool: usize) -> String {
        let noun = ["reader", "decoder", "augmenter", "sequencer"][pool];
        let workers = self.workers[pool];
        if workers == 1.0 { format!("1 {noun}") } else { format!("{workers} {noun}s") }
    }

    /// How many times as fast another pipeline would be.
    fn gain(&self, other: &Self) -> f64 {
        other.rate_consumed() / self.rate_consumed()
    }
}

/// Shares of the time that the busiest pool works, and that the trainer has a batch. The more a side is busy, the less it
/// could do beyond what was reached.
#[derive(Clone, Copy)]
struct Sides {
    pool: f64,
    trainer: f64,
}

impl Sides {
    /// Neither side came near what it could do.
    fn are_held_up(&self) -> bool {
        self.pool.max(self.trainer) < REACHED_MIN
    }

    fn are_balanced(&self) -> bool {
        self.pool.max(self.trainer) <= BALANCED_MAX * self.pool.min(self.trainer)
    }

    fn trainer_limits(&self) -> bool {
        self.trainer > self.pool && !self.are_held_up()
    }

    /// How many times as fast a perfect loader would be.
    fn loader_gain(&self) -> f64 {
        1.0 / self.trainer.max(1e-9)
    }

    /// How many times as much the pipeline could give.
    fn trainer_gain(&self) -> f64 {
        1.0 / self.pool.max(1e-9)
    }
}

impl Window<'_> {
    /// Names the bottleneck on a machine with `cores` cores: the trainer or the busiest pool, whichever is busier, and of
    /// the pool the stage that it works for most; nobody where the two are about equally busy. And says what would help.
    pub fn verdict(&self, cores: usize) -> Verdict {
        self.judge(cores, true)
    }

    /// The same for a consumer that does nothing but take batches. A perfect loader would be faster without end, and nobody
    /// trains who could wait.
    pub fn verdict_without_trainer(&self, cores: usize) -> Verdict {
        self.judge(cores, false)
    }

    fn judge(&self, cores: usize, has_trainer: bool) -> Verdict {
        let images = self.images();
        if images == 0 {
            return Verdict { bottleneck: "balanced", sentence: "no image has passed: nothing can be said".to_owned() };
        }
        let model = self.model(cores);
        let (pool, stage) = self.busiest(&model);
        let name = StageName::ALL[stage].name();
        let wait = self.consumer_wait_share();
        if self.held_back_share() >= HELD_BACK_MIN && wait >= HELD_UP_MIN {
            return Verdict { bottleneck: name, sentence: self.budget_limits(&model, has_trainer) };
        }
        let sides = Sides { pool: self.pool_busy(pool), trainer: 1.0 - wait };
        let busy = format!("{} busy {}", model.crew(pool), percent(sides.pool));
        let (bottleneck, mut parts) = if sides.are_balanced() {
            let (loader, trainer) = (gained(sides.loader_gain()), gained(sides.trainer_gain()));
            let gains = format!("a perfect loader alone would give {loader}, a perfect trainer alone {trainer}");
            let waits = format!("balanced: {busy}, the trainer waits {}", percent(wait));
            ("balanced", vec![waits, gains, "for more, both have to be faster".to_owned()])
        } else if sides.trainer_limits() {
            let waits = format!("the trainer limits: it waits for input {}", percent(wait));
            ("trainer", vec![waits, format!("the pipeline could give {} what it takes", times(sides.trainer_gain()))])
        } else {
            let mut parts = vec![format!("{name} limits: {busy}")];
            if has_trainer {
                let faster = if wait < 0.9 { times(sides.loader_gain()) } else { "more than 10×".to_owned() };
                parts.push(format!("the trainer waits {}, a perfect loader would be {faster} as fast", percent(wait)));
            }
            if !sides.are_held_up() {
                parts.extend(self.remedies(stage, &model));
            }
            (name, parts)
        };
        if sides.are_held_up() {
            let allowed = times(sides.loader_gain().min(sides.trainer_gain()));
            parts.push(format!(
                "the work seen allows {allowed}: the processor was busy with something else, or too little was seen"
            ));
        }
        Verdict { bottleneck, sentence: parts.join("; ") }
    }

    /// The pool that is busiest, and the stage that most of its work is for.
    fn busiest(&self, model: &Model) -> (usize, usize) {
        let pools = (0..4).filter(|&pool| model.workers[pool] > 0.0);
        let pool = pools.max_by(|&a, &b| self.pool_busy(a).total_cmp(&self.pool_busy(b))).unwrap_or(DECODE);
        let by_work = |&a: &usize, &b: &usize| model.work_s[a].total_cmp(&model.work_s[b]);
        let stage = self.stages_of(pool).max_by(by_work).unwrap_or(pool);
        (pool, stage)
    }

    fn budget_limits(&self, model: &Model, has_trainer: bool) -> String {
        let share = percent(self.to.cpu_budget.map_or(1.0, |budget| budget.share));
        let held_back = percent(self.held_back_share());
        let waits = format!(", the trainer waits {}", percent(self.consumer_wait_share()));
        let waits = if has_trainer { &*waits } else { "" };
        let gain = times(model.rate_consumed() * self.seconds() / self.images() as f64);
        format!("the CPU budget of {share} limits: it held work back {held_back} of the time{waits}; without it {gain}")
    }

    fn model(&self, cores: usize) -> Model {
        let stages = self.to.stages.iter().zip(&self.from.stages);
        let mut model = Model { work_s: [0.0; 4], workers: [0.0; 4], consumer_s: 0.0, cores: cores as f64 };
        for (number, (to, from)) in stages.enumerate().take(4) {
            // By the stage's own count, which grows with its time: a window's edges cut through batches.
            model.work_s[number] = (to.busy_s - from.busy_s) / (to.tickets - from.tickets).max(1) as f64;
            model.workers[number] = f64::from(to.workers);
        }
        model.consumer_s = (self.to.consumer_busy_s - self.from.consumer_busy_s) / self.images() as f64;
        model
    }

    fn held_back_share(&self) -> f64 {
        let held_back_s =
            |seen: &fastgarden_proto::observe::Snapshot| seen.cpu_budget.map_or(0.0, |cpu| cpu.held_back_s);
        (held_back_s(self.to) - held_back_s(self.from)) / self.seconds()
    }

    /// What would help a stage that limits.
    fn remedies(&self, stage: usize, model: &Model) -> Vec<String> {
        let mut remedies = Vec::new();
        let cache = self.to.cache.as_ref().map(|cache| cache.mode.as_str());
        match StageName::ALL[stage] {
            StageName::Read => {
                let kept = Model { work_s: without_reading(model), ..*model };
                let needed = (kept.rate_consumed() * model.work_s[READ]).ceil();
                // A reader works on one chunk at a time, and no more chunks than there are credits for are under way.
                let credits = self.to.count.map_or(0, |count| count.credits_free + count.credits_in_slabs);
                let chunks = (credits / CHUNK_ROWS_MAX as u64) as f64;
                let readers = needed.min(chunks).min(READERS_MAX);
                let mut more = *model;
                more.workers[READ] = readers;
                if readers > model.workers[READ] {
                    let gain = gained(model.gain(&more));
                    remedies.push(format!("{readers} readers (--readers {readers}) would give {gain}"));
                }
                if cache.is_none() {
                    remedies.push(format!("cache encoded would give about {}", gained(model.gain(&kept))));
                }
            }
            StageName::Decode => {
                let mut more = *model;
                more.workers[DECODE] += 1.0;
                let decoders = more.workers[DECODE];
                if decoders <= model.cores {
                    let gain = gained(model.gain(&more));
                    remedies.push(format!("one more decoder (--decoders {decoders}) would give {gain}"));
                } else {
                    more.cores += 1.0;
                    let core = ordinal(more.cores as usize);
                    remedies.push(format!("a {core} core would give {}", gained(model.gain(&more))));
                }
                if cache != Some("decoded") {
                    let mut kept = Model { work_s: without_reading(model), ..*model };
                    kept.work_s[DECODE] -= (self.to.picture_s - self.from.picture_s) / self.images() as f64;
                    let gain = model.gain(&kept);
                    remedies
                        .extend((gain >= GAIN_MIN).then(|| format!("cache decoded would give about {}", gained(gain))));
                }
            }
            StageName::Augment => {
                let mut more = *model;
                more.workers[stage] = model.workers[stage] + 1.0;
                let (augmenters, gain) = (more.workers[stage], gained(model.gain(&more)));
                remedies.push(format!("{augmenters} augmenters (--augmenters {augmenters}) would give {gain}"));
            }
            StageName::Sequence => {}
        }
        remedies
    }

    /// Images that were put in order.
    pub fn images(&self) -> u64 {
        let tickets =
            |snapshot: &fastgarden_proto::observe::Snapshot| snapshot.stages.last().map_or(0, |last| last.tickets);
        tickets(self.to) - tickets(self.from)
    }
}

fn without_reading(model: &Model) -> [f64; 4] {
    let mut work_s = model.work_s;
    work_s[READ] = 0.0;
    work_s
}

fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.0995 { format!("{:.1} %", 100.0 * share) } else { format!("{:.0} %", 100.0 * share) }
}

/// "+48 %", or "2.3×" where that reads better.
fn gained(gain: f64) -> String {
    if gain < 1.95 { format!("+{:.0} %", 100.0 * (gain - 1.0).max(0.0)) } else { times(gain) }
}

/// "2.3×"; beyond a hundred the number says nothing more.
fn times(gain: f64) -> String {
    if gain < 99.95 { format!("{gain:.1}×") } else { "more than 100×".to_owned() }
}

fn ordinal(number: usize) -> &'static str {
    const SMALL: [&str; 7] = ["second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"];
    number.checked_sub(2).and_then(|at| SMALL.get(at)).copied().unwrap_or("further")
}

#[cfg(test)]
mod tests;
