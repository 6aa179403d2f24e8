//! What limits a pipeline, and what would help, in one sentence with numbers of the window that was looked at.
//! Not here: measuring. Everything said is arithmetic on seconds of work per image, as the stages' meters have them.

use super::Window;
use crate::limits::CHUNK_ROWS_MAX;
use crate::shared::StageName;

/// A consumer that waits less than this share of its time is what limits.
const TRAINER_WAIT_MAX: f64 = 0.05;
/// Chunks that were held back for more than this share of the time: the CPU budget limits.
const HELD_BACK_MIN: f64 = 0.1;
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
const DECODE: usize = StageName::Decode as usize;

impl Model {
    /// Seconds per image that a pool works: of its own stage and of those it does for others.
    fn pool_work_s(&self, stage: usize) -> f64 {
        let helps = |other: usize| other == stage || (stage == DECODE && self.workers[other] == 0.0);
        (0..4).filter(|&other| helps(other)).map(|other| self.work_s[other]).sum()
    }

    /// Images a second without the consumer: what the slowest pool gives, or the cores. Reading is not the cores' work
    /// but mostly waiting for storage.
    fn rate(&self) -> f64 {
        let pools = (0..4).filter(|&stage| self.workers[stage] > 0.0);
        let slowest = pools.map(|stage| self.workers[stage] / self.pool_work_s(stage).max(1e-12));
        let on_cores: f64 = (0..4).filter(|&stage| stage != READ).map(|stage| self.work_s[stage]).sum();
        slowest.fold(self.cores / on_cores.max(1e-12), f64::min)
    }

    /// Images a second that reach the consumer.
    fn rate_consumed(&self) -> f64 {
        self.rate().min(1.0 / self.consumer_s.max(1e-12))
    }

    /// How many times as fast another pipeline would be.
    fn gain(&self, other: &Self) -> f64 {
        other.rate_consumed() / self.rate_consumed()
    }
}

impl Window<'_> {
    /// Names the bottleneck on a machine with `cores` cores: the trainer when it hardly ever waits, else the busiest
    /// pool; and says what would help.
    pub fn verdict(&self, cores: usize) -> Verdict {
        let wait = self.consumer_wait_share();
        let images = self.images();
        if images == 0 {
            return Verdict { bottleneck: "balanced", sentence: "no image has passed: nothing can be said".to_owned() };
        }
        let model = self.model(images as f64, cores);
        if wait < TRAINER_WAIT_MAX {
            let spare = model.rate() / (images as f64 / self.seconds());
            let sentence = format!(
                "the trainer limits: it waits for input {}; the pipeline could give {} what it takes",
                percent(wait),
                times(spare)
            );
            return Verdict { bottleneck: "trainer", sentence };
        }
        let load = |stage: usize| match model.workers[stage] {
            0.0 => 0.0,
            workers => model.pool_work_s(stage) / workers,
        };
        let pool = (0..4).max_by(|&a, &b| load(a).total_cmp(&load(b))).unwrap_or(DECODE);
        let works_for = |stage: usize| stage == pool || (pool == DECODE && model.workers[stage] == 0.0);
        let by_work = |&a: &usize, &b: &usize| model.work_s[a].total_cmp(&model.work_s[b]);
        let stage = (0..4).filter(|&stage| works_for(stage)).max_by(by_work).unwrap_or(pool);
        let busy = (load(pool) * images as f64 / self.seconds()).min(1.0);
        let held_back = self.held_back_share();
        if busy < 0.5 && wait < 0.2 && held_back < HELD_BACK_MIN {
            let wait = percent(wait);
            let sentence = format!("balanced: no stage is busy most of the time, the trainer waits {wait}");
            return Verdict { bottleneck: "balanced", sentence };
        }
        let name = StageName::ALL[stage].name();
        let sentence = if held_back >= HELD_BACK_MIN {
            let share = percent(self.to.cpu_budget.map_or(1.0, |budget| budget.share));
            let gain = times(model.rate_consumed() * self.seconds() / images as f64);
            format!(
                "the CPU budget of {share} limits: it held work back {} of the time; without it {gain}",
                percent(held_back)
            )
        } else {
            let mut parts = vec![format!("{name} limits: {} busy {}", crew(pool, &model), percent(busy))];
            // A consumer that does nothing but take batches would gain without end; the number says nothing then.
            if wait < 0.9 {
                let faster = times(1.0 / (1.0 - wait));
                parts.push(format!("the trainer waits {}, a perfect loader would be {faster} as fast", percent(wait)));
            }
            let allowed = model.rate_consumed() * self.seconds() / images as f64;
            if allowed * REACHED_MIN > 1.0 {
                parts.push(format!(
                    "its stages' work allows {}: the processor was busy with something else, or too little was seen",
                    times(allowed)
                ));
            } else {
                parts.extend(self.remedies(stage, &model, images as f64));
            }
            parts.join("; ")
        };
        Verdict { bottleneck: name, sentence }
    }

    fn model(&self, images: f64, cores: usize) -> Model {
        let stages = self.to.stages.iter().zip(&self.from.stages);
        let mut model = Model { work_s: [0.0; 4], workers: [0.0; 4], consumer_s: 0.0, cores: cores as f64 };
        for (number, (to, from)) in stages.enumerate().take(4) {
            model.work_s[number] = (to.busy_s - from.busy_s) / images;
            model.workers[number] = f64::from(to.workers);
        }
        model.consumer_s = (self.to.consumer_busy_s - self.from.consumer_busy_s) / images;
        model
    }

    fn held_back_share(&self) -> f64 {
        let held_back_s =
            |seen: &fastgarden_proto::observe::Snapshot| seen.cpu_budget.map_or(0.0, |cpu| cpu.held_back_s);
        (held_back_s(self.to) - held_back_s(self.from)) / self.seconds()
    }

    /// What would help a stage that limits.
    fn remedies(&self, stage: usize, model: &Model, images: f64) -> Vec<String> {
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
                    kept.work_s[DECODE] -= (self.to.picture_s - self.from.picture_s) / images;
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

/// "2 decoders", "1 reader".
fn crew(pool: usize, model: &Model) -> String {
    let noun = ["reader", "decoder", "augmenter", "sequencer"][pool];
    let workers = model.workers[pool];
    if workers == 1.0 { format!("1 {noun}") } else { format!("{workers} {noun}s") }
}

fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.0995 { format!("{:.1} %", 100.0 * share) } else { format!("{:.0} %", 100.0 * share) }
}

/// "+48 %", or "2.3×" where that reads better.
fn gained(gain: f64) -> String {
    if gain < 1.95 { format!("+{:.0} %", 100.0 * (gain - 1.0).max(0.0)) } else { times(gain) }
}

fn times(gain: f64) -> String {
    format!("{gain:.1}×")
}

fn ordinal(number: usize) -> &'static str {
    const SMALL: [&str; 7] = ["second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"];
    number.checked_sub(2).and_then(|at| SMALL.get(at)).copied().unwrap_or("further")
}

#[cfg(test)]
mod tests;
