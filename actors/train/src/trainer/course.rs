//! The course of a run: stages, epochs, steps, validations, and what is committed when.
//! Not here: the arithmetic of a step (see `step`) or the files (see `state`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use fastgarden_data::batch::Batch;
use fastgarden_data::pipeline::{Batches, Pipeline, Taken};
use fastgarden_data::plan::{Occasion, Plan};
use fastgarden_proto::ledger::Epoch;
use fastgarden_proto::ledger::line::Line;

use super::clock::Clock;
use super::evaluate::evaluate;
use super::memory::Memory;
use super::pending::Pending;
use super::progress::{Command, EpochRecord, Event, RunEnd, RunResult, TrainError};
use super::spec::{EmaSpec, StageSpec, TrainSpec};
use super::state::{EpochTally, Next, RunState};
use super::step::{self, How, ROWS_MIN};
use crate::batch_augment::{BatchTransforms, keys_of};
use crate::checkpoint::sha256_of_weights;
use crate::metric;
use crate::net::Net;
use crate::optimizer::Rates;

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Flow {
    Go,
    Stop,
}

/// A run under way.
pub(super) struct Course<'a> {
    pub(super) spec: &'a TrainSpec,
    pipeline: &'a Pipeline,
    commands: &'a Receiver<Command>,
    events: &'a Sender<Event>,
    pub(super) state: RunState,
    /// Steps since the last look at the device, at most `fetch_every`. Empty between phases and in checkpoints.
    pub(super) pending: Vec<Pending>,
    committed_at: Instant,
    clock: Clock,
    pub(super) memory: Memory,
    /// Whose records' losses the epoch at hand keeps, if a later plan goes by them: see `RecordLosses`.
    pub(super) losses_of: Option<usize>,
}

/// Trains from wherever the run stands to its end, or to a command to stop.
pub fn run(
    spec: &TrainSpec,
    pipeline: &Pipeline,
    commands: &Receiver<Command>,
    events: &Sender<Event>,
) -> Result<RunEnd, TrainError> {
    let mut memory = Memory::start(spec.device, spec.device_bytes_max)?;
    let (state, discarded) = RunState::open(spec)?;
    memory.go_on_from(state.progress.peak_device_bytes);
    pipeline.remember_bad_records(state.progress.bad_records.iter().copied());
    let clock = Clock::start(state.progress.seconds, spec.seconds_max);
    let (pending, committed_at) = (Vec::new(), Instant::now());
    let mut course =
        Course { spec, pipeline, commands, events, state, pending, committed_at, clock, memory, losses_of: None };
    if let Some(discarded) = discarded {
        course.tell(Event::Resumed { step: course.state.progress.cursor.step, discarded });
    }
    while course.state.progress.cursor.next != Next::Done {
        if course.epoch()? == Flow::Stop {
            course.state.end_attempt(false)?;
            return Ok(RunEnd::Stopped { step: course.state.progress.cursor.step });
        }
    }
    Ok(RunEnd::Finished(course.result()))
}

impl Course<'_> {
    /// An application that does not listen any more is no reason to stop training.
    pub(super) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    fn stage(&self) -> &StageSpec {
        &self.spec.stages[self.state.progress.cursor.stage]
    }

    /// One epoch, or what is left of it.
    fn epoch(&mut self) -> Result<Flow, TrainError> {
        let begun = Instant::now();
        let stage = self.stage().clone();
        let epoch = self.state.progress.cursor.epoch;
        let (split, keeps_losses) = self.spec.losses_after(&self.state.progress.cursor);
        self.losses_of = keeps_losses.then_some(split);
        let losses = self.state.record_losses.told(split);
        let plan = Arc::new(stage.plan(&Occasion { seed: self.spec.seed, epoch, cap: self.spec.cap, losses }));
        if self.state.progress.cursor.next == Next::Train {
            if self.train(&stage, &plan)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
            self.state.progress.cursor.next = Next::Validate;
            self.commit()?;
        }
        let Some(judged) = self.validate()? else { return Ok(Flow::Stop) };
        self.close_epoch(&stage, &plan, judged, begun.elapsed())?;
        Ok(Flow::Go)
    }

    fn train(&mut self, stage: &StageSpec, plan: &Arc<Plan>) -> Result<Flow, TrainError> {
        let cursor = self.state.progress.cursor.clone();
        if self.state.progress.tally.class_histogram.is_empty() {
            self.state.progress.tally.class_histogram = vec![0; usize::try_from(stage.train.classes).unwrap_or(0)];
        }
        let steps_left = self.spec.max_steps.map(|most| most.saturating_sub(cursor.step));
        let phase = stage.phase(Arc::clone(plan), cursor.seq, steps_left);
        let total = phase.end_seq();
        self.tell(Event::Phase { epoch: cursor.epoch, trains: true, done: cursor.seq, total });
        let pipeline = self.pipeline;
        let before = pipeline.observe()?;
        let (begun, trained_before) = (Instant::now(), self.state.progress.tally.trained);
        let mut batches = pipeline.open(phase)?;
        let transforms = stage.transforms(self.spec.device);
        let flow = self.steps(stage, &transforms, &mut batches).map_err(|error| self.save_and_pass_on(error))?;
        let after = pipeline.observe()?;
        let tally = &mut self.state.progress.tally;
        tally.timed += tally.trained - trained_before;
        tally.train_s += begun.elapsed().as_secs_f64();
        tally.wait_s += after.consumer_wait_s - before.consumer_wait_s;
        if flow == Flow::Stop {
            self.commit()?;
            return Ok(flow);
        }
        let counted = batches.finish()?;
        let here = self.state.progress.cursor.seq - cursor.seq;
        assert_eq!(counted.trained + counted.quarantined, here, "conductor and trainer count alike");
        Ok(flow)
    }

    /// A failing disk must not cost what was trained before it failed.
    fn save_and_pass_on(&mut self, error: TrainError) -> TrainError {
        // What was wrong with a step before comes first, as it would if it had been known at once.
        if let Err(earlier) = self.catch_up() {
            return earlier;
        }
        if matches!(
            error,
            TrainError::Pipeline(_) | TrainError::OutOfTime { .. } | TrainError::OutOfDeviceMemory { .. }
        ) {
            let saved = self.commit().and_then(|()| self.state.end_attempt(false));
            if let Err(second) = saved {
                tracing::error!(%second, "what was trained could not be saved either");
            }
        }
        error
    }

    fn steps(
        &mut self,
        stage: &StageSpec,
        transforms: &BatchTransforms,
        batches: &mut Batches<'_>,
    ) -> Result<Flow, TrainError> {
        let cursor = &self.state.progress.cursor;
        let steps_of_stage = stage.steps(cursor.epoch - cursor.epoch_of_stage, self.spec.cap);
        loop {
            if batches.batches_left() > 0 {
                let step = self.state.progress.cursor.step;
                self.clock.refuse_overtime(step)?;
                self.memory.refuse_excess(step)?;
            }
            let batch = match batches.next_unless(self.commands) {
                Taken::Command(Command::Stop) => return self.catch_up().map(|()| Flow::Stop),
                Taken::End => return self.catch_up().map(|()| Flow::Go),
                Taken::Batch(batch) => batch?,
            };
            let cursor = &self.state.progress.cursor;
            assert_eq!(batch.seqs().start, cursor.seq, "batches come in plan order");
            let rates = stage.schedule.rates(stage.lr, cursor.step_of_stage, steps_of_stage);
            self.launch(stage, transforms, batch, rates);
            if self.pending.len() >= self.spec.fetch_every {
                self.catch_up()?;
            }
            if batches.batches_left() > 0 && self.commit_is_due() {
                self.commit()?;
            }
        }
    }

    /// Consumes one batch: makes its step, and moves the cursor past it. What it came to is for [`Self::catch_up`].
    fn launch(&mut self, stage: &StageSpec, transforms: &BatchTransforms, mut batch: Batch, rates: Rates) {
        let step = self.state.progress.cursor.step + 1;
        let (phase, number) = (batch.phase_number(), batch.number());
        let _span = tracing::trace_span!(target: "fastgarden::batch", "step", phase, batch = number, step).entered();
        // BatchNorm has no variance of a single row: such a batch makes no step, like an empty one.
        let launched = (batch.len() >= ROWS_MIN).then(|| {
            let (views, labels) = step::to_device(&batch, self.spec.device, self.spec.channels_last);
            batch.release_pixels();
            let seed = step::seed_of_step(self.spec.seed, step);
            let keeps_losses = self.losses_of.is_some();
            let how = How { rates, seed, precision: stage.precision, clip_norm: self.spec.clip_norm, keeps_losses };
            let RunState { net, optimizer, scaler, ema, .. } = &mut self.state;
            let (views, targets) = transforms.apply(views, labels, &keys_of(&batch));
            let objective = &*self.spec.objective;
            let launched = step::train(net, objective, &mut **optimizer, scaler.as_mut(), (views, &targets), how);
            if let Some(ema) = ema {
                ema.update(optimizer.flat(), net.state(), launched.applied.as_ref());
            }
            launched
        });
        batch.release_pixels();
        let cursor = &mut self.state.progress.cursor;
        cursor.step = step;
        cursor.step_of_stage += 1;
        cursor.seq = batch.seqs().end;
        self.pending.push(Pending { batch, step, lr: rates.lr, launched });
    }

    /// The validation of this epoch. `None` = told to stop; nothing is lost, since it is repeated whole.
    fn validate(&mut self) -> Result<Option<Option<metric::Tally>>, TrainError> {
        let spec = self.spec;
        let Some(evaluation) = &spec.evaluation else { return Ok(Some(None)) };
        let total = evaluation.phase().end_seq();
        self.tell(Event::Phase { epoch: self.state.progress.cursor.epoch, trains: false, done: 0, total });
        let mut bad = Vec::new();
        let (events, clock, step) = (self.events, self.clock, self.state.progress.cursor.step);
        let told = |done, batch: &Batch| {
            let _ = events.send(Event::Batch { done, loss: None, examples: batch.len() as u64, step: None });
            bad.extend_from_slice(batch.quarantined());
            clock.refuse_overtime(step)
        };
        self.exchange_for_mean();
        let (net, layout) = (&self.state.net, spec.channels_last);
        let judged = evaluate(net, evaluation, self.pipeline, spec.device, layout, self.commands, told);
        self.exchange_for_mean();
        let judged = judged.map_err(|error| self.save_and_pass_on(error))?;
        if judged.is_some() {
            for what in self.state.note_quarantined("validate", &evaluation.split.index, &bad)? {
                self.tell(Event::Quarantined { what });
            }
        }
        Ok(judged.map(Some))
    }

    /// Before an evaluation that judges the mean weights, and after it.
    fn exchange_for_mean(&mut self) {
        if let (Some(ema), Some(EmaSpec { evaluate: true, .. })) = (&mut self.state.ema, self.spec.ema) {
            ema.exchange(self.state.net.state());
        }
    }

    fn close_epoch(
        &mut self,
        stage: &StageSpec,
        plan: &Arc<Plan>,
        judged: Option<metric::Tally>,
        elapsed: Duration,
    ) -> Result<(), TrainError> {
        if let Some(loss) = judged.as_ref().and_then(metric::Tally::mean_loss).filter(|loss| !loss.is_finite()) {
            return Err(TrainError::Diverged { step: self.state.progress.cursor.step, loss });
        }
        let cursor = self.state.progress.cursor.clone();
        let whole = stage.phase(Arc::clone(plan), 0, None).end_seq() == cursor.seq;
        let dropped_last = if whole { plan.tickets() - cursor.seq } else { 0 };
        let tally = std::mem::take(&mut self.state.progress.tally);
        let record = record(&cursor, &tally, dropped_last, judged.as_ref(), elapsed);
        let judged = judged.unwrap_or_default();
        let losses = self.losses_of.map(|split| self.state.record_losses.tell(split)).unwrap_or_default();
        self.state.append(Line::Epoch(Epoch {
            epoch: cursor.epoch,
            issued: record.issued,
            trained: record.trained,
            quarantined: record.quarantined,
            dropped_last,
            plan_hash: plan.hash(),
            class_histogram: record.class_histogram.clone(),
            evaluated: judged.examples,
            evaluation_quarantined: judged.quarantined,
            train_loss: record.train_loss,
            valid_loss: judged.mean_loss().unwrap_or(0.0),
            accuracy: record.accuracy,
            weights_sha256: sha256_of_weights(self.state.net.state()),
            losses,
        }))?;
        self.state.progress.epochs.push(record.clone());
        self.advance(stage, whole);
        // An epoch that is not the last is committed with the next checkpoint: its validation can be repeated.
        if self.state.progress.cursor.next == Next::Done {
            self.state.end_attempt(true)?;
            self.commit()?;
        }
        self.tell(Event::Epoch(record));
        Ok(())
    }

    /// Moves the cursor to the next epoch, the next stage, or the end.
    fn advance(&mut self, stage: &StageSpec, whole: bool) {
        let reached = self.spec.max_steps.is_some_and(|most| self.state.progress.cursor.step >= most);
        let cursor = &mut self.state.progress.cursor;
        let stage_ends = cursor.epoch_of_stage + 1 >= stage.epochs;
        if !whole || reached || (stage_ends && cursor.stage + 1 == self.spec.stages.len()) {
            cursor.next = Next::Done;
            return;
        }
        (cursor.next, cursor.seq, cursor.epoch) = (Next::Train, 0, cursor.epoch + 1);
        if stage_ends {
            (cursor.stage, cursor.epoch_of_stage, cursor.step_of_stage) = (cursor.stage + 1, 0, 0);
            if self.spec.stages[cursor.stage].reset_optimizer {
                self.state.optimizer = self.spec.new_optimizer(self.state.net.state());
            }
        } else {
            cursor.epoch_of_stage += 1;
        }
    }

    fn commit_is_due(&self) -> bool {
        let due = &self.spec.checkpoint;
        (due.every_steps > 0 && self.state.progress.cursor.step.is_multiple_of(due.every_steps))
            || (due.every_seconds > 0 && self.committed_at.elapsed() >= Duration::from_secs(due.every_seconds))
    }

    fn commit(&mut self) -> Result<(), TrainError> {
        self.catch_up()?;
        self.state.progress.bad_records = self.pipeline.bad_records();
        self.state.progress.seconds = self.clock.seconds();
        self.state.progress.peak_device_bytes = self.memory.peak_bytes();
        self.state.commit(self.spec.checkpoint.keep)?;
        self.committed_at = Instant::now();
        Ok(())
    }

    fn result(&self) -> RunResult {
        let progress = &self.state.progress;
        let mut first_epoch = self.spec.opening.parent.as_ref().map_or(0, |parent| parent.epochs) + 1;
        let steps_of = |stage: &StageSpec| {
            let steps = stage.steps(first_epoch, self.spec.cap);
            first_epoch += stage.epochs;
            steps
        };
        let planned: u64 = self.spec.stages.iter().map(steps_of).sum();
        RunResult {
            epochs: progress.epochs.clone(),
            steps: progress.cursor.step,
            batch_hash: self.state.batch_hash.hex(),
            ledger_head: progress.ledger.head.clone(),
            weights_sha256: sha256_of_weights(self.state.net.state()),
            attempts: self.state.attempts(),
            cut_short: progress.cursor.step < planned,
            seconds: progress.seconds,
            peak_device_bytes: self.memory.peak_bytes(),
        }
    }
}

fn record(
    cursor: &super::state::Cursor,
    tally: &EpochTally,
    dropped_last: u64,
    judged: Option<&metric::Tally>,
    elapsed: Duration,
) -> EpochRecord {
    EpochRecord {
        epoch: cursor.epoch,
        train_loss: if tally.losses > 0 { tally.loss_sum / tally.losses as f64 } else { 0.0 },
        valid_loss: judged.and_then(metric::Tally::mean_loss),
        accuracy: judged.and_then(metric::Tally::accuracy),
        evaluated: judged.map_or(0, |judged| judged.examples + judged.quarantined),
        evaluation_quarantined: judged.map_or(0, |judged| judged.quarantined),
        images_per_s: if tally.train_s > 0.0 { tally.timed as f64 / tally.train_s } else { 0.0 },
        input_wait_share: if tally.train_s > 0.0 { (tally.wait_s / tally.train_s).clamp(0.0, 1.0) } else { 0.0 },
        seconds: elapsed.as_secs_f64(),
        issued: tally.trained + tally.quarantined + dropped_last,
        trained: tally.trained,
        quarantined: tally.quarantined,
        dropped_last,
        skipped_steps: tally.skipped,
        class_histogram: tally.class_histogram.clone(),
    }
}
