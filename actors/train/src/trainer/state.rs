//! Everything about a run that a checkpoint must hold besides tensors, and the files that belong to it.
//! Not here: when to commit it (see `course`).

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use fastgarden_data::batch_hash::BatchHash;
use fastgarden_data::index::Index;
use fastgarden_data::ledger::{self, Ledger, LedgerPosition};
use fastgarden_data::outcome::Quarantined;
use fastgarden_proto::ledger::Opening;
use fastgarden_proto::ledger::line::Line;
use serde::{Deserialize, Serialize};

use super::attempts;
use super::progress::{EpochRecord, TrainError};
use super::record_losses::RecordLosses;
use super::spec::{StartSpec, TrainSpec};
use super::start::StartWeights;
use crate::checkpoint::{self, Loaded, OPTIMIZER};
use crate::net::Net;
use crate::net::xresnet::XResNet;
use crate::optimizer::{Ema, Optimizer};
use crate::precision::Scaler;

/// Section of the scaler's tensors in a checkpoint.
const SCALER: &str = "scaler";
/// Section of the mean weights' tensors in a checkpoint.
pub(super) const EMA: &str = "ema";
/// Section of the records' losses in a checkpoint.
const LOSSES: &str = "losses";

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Training from the cursor's `seq` on.
    Train,
    /// The epoch's validation, from its beginning.
    Validate,
    /// Nothing: the run is finished.
    Done,
}

/// Where the run stands in its plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Stage of the recipe, from 0.
    pub stage: usize,
    /// Epoch over the lineage, from 1.
    pub epoch: u32,
    /// Epoch within the stage, from 0.
    pub epoch_of_stage: u32,
    /// What comes next in this epoch.
    pub next: Next,
    /// The next ticket of the epoch.
    pub seq: u64,
    /// Steps done, over the run.
    pub step: u64,
    /// Steps done within the stage: the schedule's clock.
    pub step_of_stage: u64,
}

/// What an epoch has come to so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochTally {
    /// Tickets trained.
    pub trained: u64,
    /// Tickets quarantined.
    pub quarantined: u64,
    /// Steps with a loss, and the sum of their losses.
    pub losses: u64,
    /// See `losses`.
    pub loss_sum: f64,
    /// Steps that were not made because a float16 gradient had overflowed.
    #[serde(default)]
    pub skipped: u64,
    /// Trained examples of each class.
    pub class_histogram: Vec<u64>,
    /// Tickets trained while the clock ran: what a killed attempt trained before its last checkpoint was not timed.
    pub timed: u64,
    /// Seconds that they took, and seconds of it spent waiting for batches.
    pub train_s: f64,
    /// See `train_s`.
    pub wait_s: f64,
}

/// The part of a checkpoint's manifest that is the trainer's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Recipe hash, so that another recipe's checkpoint is told apart by name.
    pub recipe_hash: String,
    /// Of this run.
    pub seed: u64,
    /// Threads that libtorch computes with: part of what makes a resumed run equal.
    pub cpu_threads: i32,
    /// As given.
    pub max_steps: Option<u64>,
    /// Where it stands.
    pub cursor: Cursor,
    /// The epoch at hand.
    pub tally: EpochTally,
    /// Steps up to now that were skipped one after the other.
    #[serde(default)]
    pub skipped_in_a_row: u64,
    /// Finished epochs.
    pub epochs: Vec<EpochRecord>,
    /// The batch-hash chain, hex.
    pub batch_hash: String,
    /// The ledger up to here.
    pub ledger: LedgerPosition,
    /// Bytes of `quarantine.jsonl` up to here.
    pub quarantine_bytes: u64,
    /// Seconds of all attempts up to here; what a killed one did after its last checkpoint is not among them.
    #[serde(default)]
    pub seconds: f64,
    /// The most that an attempt took of its device, where it was measured.
    #[serde(default)]
    pub peak_device_bytes: Option<u64>,
    /// Distinct bad records so far: (data set, record).
    pub bad_records: Vec<(u64, u32)>,
}

/// A run in memory: net, optimiser, progress, open files.
pub struct RunState {
    /// The net.
    pub net: XResNet,
    /// Its optimiser.
    pub optimizer: Box<dyn Optimizer>,
    /// The running mean of the weights, where one is kept.
    pub ema: Option<Ema>,
    /// The loss scaler, where a stage computes in float16.
    pub scaler: Option<Scaler>,
    /// What the records' losses were, where a later epoch's plan goes by them.
    pub(super) record_losses: RecordLosses,
    /// Everything else that is saved.
    pub progress: Progress,
    /// The chain, in its own form.
    pub batch_hash: BatchHash,
    ledger: Ledger,
    quarantine: PathBuf,
    checkpoints: PathBuf,
    attempts: PathBuf,
}

/// A line of `quarantine.jsonl`.
#[derive(Serialize)]
struct QuarantineLine<'a> {
    phase: &'a str,
    epoch: u32,
    seq: u64,
    shard: &'a str,
    offset: u64,
    kind: &'a str,
    detail: &'a str,
}

impl RunState {
    /// A fresh run, or the newest valid checkpoint of the folder. Second: steps made again, when it was resumed.
    pub fn open(spec: &TrainSpec) -> Result<(Self, Option<u64>), TrainError> {
        let checkpoints = spec.folder.join("checkpoints");
        let newest = if checkpoints.is_dir() { Some(checkpoint::newest_valid(&checkpoints)?) } else { None };
        for skipped in newest.iter().flat_map(|newest| &newest.skipped) {
            tracing::warn!(path = %skipped.path.display(), why = %skipped.why, "passing over a checkpoint");
        }
        let damaged = newest.as_ref().map_or(0, |newest| newest.skipped.len());
        match newest.and_then(|newest| newest.found) {
            None if damaged > 0 => {
                let folder = spec.folder.display();
                let what = format!(
                    "all {damaged} of its checkpoints are damaged; move {folder} away to start this run afresh"
                );
                Err(TrainError::Misfit { path: checkpoints, what })
            }
            Some(loaded) => Self::resume(spec, &loaded).map(|(state, discarded)| (state, Some(discarded))),
            None => Self::begin(spec).map(|state| (state, None)),
        }
    }

    fn begin(spec: &TrainSpec) -> Result<Self, TrainError> {
        tch::set_num_threads(spec.cpu_threads);
        let (net, optimizer, scaler) = build(spec, spec.start.as_ref())?;
        let ema = spec.ema.map(|ema| Ema::new(net.state(), ema.decay));
        let path = spec.folder.join("ledger.jsonl");
        // An attempt that was killed before its first checkpoint left these.
        let discarded = steps_after(&path, 0);
        let mut ledger = Ledger::create(&path)?;
        ledger.append(&Line::Opening(spec.opening.clone()))?;
        let progress = Progress {
            recipe_hash: spec.opening.recipe_hash.clone(),
            seed: spec.seed,
            cpu_threads: spec.cpu_threads,
            max_steps: spec.max_steps,
            cursor: Cursor {
                stage: 0,
                epoch: spec.opening.parent.as_ref().map_or(0, |parent| parent.epochs) + 1,
                epoch_of_stage: 0,
                next: Next::Train,
                seq: 0,
                step: 0,
                step_of_stage: 0,
            },
            tally: EpochTally::default(),
            skipped_in_a_row: 0,
            epochs: Vec::new(),
            batch_hash: BatchHash::default().hex(),
            ledger: ledger.position().clone(),
            quarantine_bytes: 0,
            seconds: 0.0,
            peak_device_bytes: None,
            bad_records: Vec::new(),
        };
        let state = Self {
            net,
            optimizer,
            scaler,
            ema,
            record_losses: RecordLosses::default(),
            progress,
            batch_hash: BatchHash::default(),
            ledger,
            quarantine: spec.folder.join("quarantine.jsonl"),
            checkpoints: spec.folder.join("checkpoints"),
            attempts: spec.folder.join("attempts.jsonl"),
        };
        truncate(&state.quarantine, 0)?;
        attempts::start(&state.attempts, 0, discarded)?;
        Ok(state)
    }

    fn resume(spec: &TrainSpec, loaded: &Loaded) -> Result<(Self, u64), TrainError> {
        let misfit = |what: String| TrainError::Misfit { path: loaded.path.clone(), what };
        let progress: Progress =
            serde_json::from_value(loaded.meta.clone()).map_err(|error| misfit(format!("its manifest: {error}")))?;
        if progress.recipe_hash != spec.opening.recipe_hash || progress.seed != spec.seed {
            return Err(misfit("it is of another recipe or seed".to_owned()));
        }
        if progress.max_steps != spec.max_steps {
            let began =
                progress.max_steps.map_or("without --max-steps".to_owned(), |n| format!("with --max-steps {n}"));
            return Err(misfit(format!("the run was begun {began}; resume it the same way, or start a fresh one")));
        }
        tch::set_num_threads(progress.cpu_threads);
        let (net, mut optimizer, mut scaler) = build(spec, None)?;
        checkpoint::load_into(net.state(), loaded)?;
        optimizer.load(&checkpoint::section(loaded, OPTIMIZER))?;
        if let Some(scaler) = &mut scaler {
            scaler.load(&checkpoint::section(loaded, SCALER))?;
        }
        let mut ema = spec.ema.map(|ema| Ema::new(net.state(), ema.decay));
        if let Some(ema) = &mut ema {
            ema.load(optimizer.flat(), net.state(), &checkpoint::section(loaded, EMA))?;
        }
        let path = spec.folder.join("ledger.jsonl");
        let discarded = steps_after(&path, progress.ledger.bytes);
        let ledger = Ledger::resume(&path, progress.ledger.clone())?;
        let lines = ledger::read(&path)?;
        if let Some(Line::Opening(began)) = lines.first()
            && let Some(what) = difference(began, &spec.opening)
        {
            return Err(misfit(format!(
                "the run was begun with {what}; resume it with the same, or start a fresh one"
            )));
        }
        let of_epoch = |line| if let Line::Epoch(epoch) = line { Some(epoch) } else { None };
        let epochs: Vec<_> = lines.into_iter().filter_map(of_epoch).collect();
        let record_losses = RecordLosses::load(spec, &checkpoint::section(loaded, LOSSES), &epochs)
            .ok_or_else(|| misfit("the losses of its records are no whole numbers".to_owned()))?;
        let batch_hash = BatchHash::from_hex(&progress.batch_hash)
            .ok_or_else(|| misfit("its batch hash is not 64 hex digits".to_owned()))?;
        let state = Self {
            net,
            optimizer,
            scaler,
            ema,
            record_losses,
            batch_hash,
            ledger,
            quarantine: spec.folder.join("quarantine.jsonl"),
            checkpoints: spec.folder.join("checkpoints"),
            attempts: spec.folder.join("attempts.jsonl"),
            progress,
        };
        truncate(&state.quarantine, state.progress.quarantine_bytes)?;
        if state.progress.cursor.next != Next::Done {
            attempts::start(&state.attempts, state.progress.cursor.step, discarded)?;
        }
        Ok((state, discarded))
    }

    /// Appends a ledger line.
    pub fn append(&mut self, line: Line) -> Result<(), TrainError> {
        self.ledger.append(&line)?;
        self.progress.ledger = self.ledger.position().clone();
        Ok(())
    }

    /// Commits everything by one rename: the ledger is on disk first, and a resume cuts what is beyond it.
    pub fn commit(&mut self, keep: usize) -> Result<(), TrainError> {
        self.ledger.sync()?;
        self.progress.batch_hash = self.batch_hash.hex();
        let mut tensors = self.net.state().snapshot();
        tensors.extend(checkpoint::with_prefix(OPTIMIZER, self.optimizer.save()));
        tensors.extend(checkpoint::with_prefix(SCALER, self.scaler.as_ref().map(Scaler::save).unwrap_or_default()));
        let mean = self.ema.as_ref().map(|ema| ema.save(self.optimizer.flat(), self.net.state()));
        tensors.extend(checkpoint::with_prefix(EMA, mean.unwrap_or_default()));
        tensors.extend(checkpoint::with_prefix(LOSSES, self.record_losses.save()));
        let meta = serde_json::to_value(&self.progress).expect("progress is plain data");
        let name = format!("{}-{}", self.progress.cursor.epoch, self.progress.cursor.step);
        checkpoint::write(&self.checkpoints, &name, &tensors, &meta, keep)?;
        Ok(())
    }

    /// Notes an orderly end of this attempt.
    pub fn end_attempt(&self, finished: bool) -> Result<(), TrainError> {
        attempts::end(&self.attempts, self.progress.cursor.step, finished)
    }

    /// From and to which step each attempt went.
    pub fn attempts(&self) -> Vec<(u64, u64)> {
        attempts::read(&self.attempts)
    }

    /// Writes quarantined rows down; returns them in words.
    pub fn note_quarantined(
        &mut self,
        phase: &str,
        index: &Index,
        rows: &[Quarantined],
    ) -> Result<Vec<String>, TrainError> {
        let (mut text, mut words) = (String::new(), Vec::new());
        for row in rows {
            let (shard, offset) = (index.shard_of(row.record).name.as_str(), index.address(row.record).offset);
            let line = QuarantineLine {
                phase,
                epoch: self.progress.cursor.epoch,
                seq: row.seq,
                shard,
                offset,
                kind: row.kind.name(),
                detail: &row.detail,
            };
            text += &(serde_json::to_string(&line).expect("plain data") + "\n");
            words.push(format!("{shard} at byte {offset}: {}: {}; {}", row.kind, row.detail, row.kind.way_out()));
        }
        if !text.is_empty() {
            let file = OpenOptions::new().create(true).append(true).open(&self.quarantine);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(|cause| TrainError::File { path: self.quarantine.clone(), cause })?;
            self.progress.quarantine_bytes += text.len() as u64;
        }
        Ok(words)
    }
}

/// What a run was begun with that is not so any more, in words.
fn difference(began: &Opening, now: &Opening) -> Option<&'static str> {
    let is_other = [
        (began.data_fingerprint != now.data_fingerprint, "other training data"),
        (began.validation_fingerprint != now.validation_fingerprint, "other validation data"),
        (began.decoder_fingerprint != now.decoder_fingerprint, "another decoder"),
        (began.parent != now.parent, "other weights to start from (--from)"),
        (began != now, "other rules or another version of this program"),
    ];
    is_other.iter().find(|(differs, _)| *differs).map(|(_, what)| *what)
}

/// Net, optimiser and scaler of a run.
pub(super) type Parts = (XResNet, Box<dyn Optimizer>, Option<Scaler>);

/// All of them before the first step, with what a start from other weights brings.
pub(super) fn build(spec: &TrainSpec, start: Option<&StartSpec>) -> Result<Parts, TrainError> {
    tch::manual_seed(spec.seed as i64);
    let net = XResNet::new(&spec.net, spec.device, tch::Kind::Float);
    if spec.channels_last {
        net.state().to_channels_last();
    }
    if let Some(start) = start {
        let weights = StartWeights::read(&start.path, &spec.net)?;
        weights.put_into(&net, start, &spec.folder)?;
    }
    let optimizer = spec.new_optimizer(net.state());
    let needs_scaler = spec.stages.iter().any(|stage| stage.precision.is_scaled);
    Ok((net, optimizer, needs_scaler.then(|| Scaler::new(spec.device))))
}

/// Step lines of a ledger beyond a position: the work that a resume throws away.
fn steps_after(path: &Path, bytes: u64) -> u64 {
    let text = std::fs::read(path).unwrap_or_default();
    let tail = text.get(usize::try_from(bytes).unwrap_or(usize::MAX)..).unwrap_or_default();
    tail.split_inclusive(|&byte| byte == b'\n')
        .filter(|line| line.starts_with(b"{\"step\":") && line.ends_with(b"\n"))
        .count() as u64
}

fn truncate(path: &Path, bytes: u64) -> Result<(), TrainError> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    file.and_then(|file| file.set_len(bytes)).map_err(|cause| TrainError::File { path: path.to_owned(), cause })
}
