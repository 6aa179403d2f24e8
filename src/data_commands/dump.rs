//! `data dump`: exact training batches as .npy files, with all that is needed to make them again with other software.
//!
//! The folder holds, for batch k from 0: `batch-0000k.npy` (u8, [rows, height, width, 3], RGB, as the trainer would get
//! them) and `label-0000k.npy` (i64, [rows]; −1 where a record has no class); `hash.json`, `{"batch_hash":"…"}`; and
//! `tickets.jsonl`, one line a ticket in plan order: `{"seq", "shard", "offset", "class", "id",
//! "views":[{"box":[x,y,w,h],"flip","size":[w,h]}]}`, with the box in pixels of the upright image; a view that is
//! distorted has a member `"distortion"`, the 3×3 matrix row by row (see `fastgarden_data::distortion`), and one of a ticket of
//! several records `"shown"`, with its own `shard`, `offset`, `class` and `id`. A ticket that could
//! not be used keeps its line, has no views and a member `"quarantined"` with the reason; it has no row in the arrays.
//!
//! The hash: h = 32 zero bytes; for each batch, h = SHA-256(h ‖ for each of its tickets in order: seq as u64 ‖ label as
//! i64 ‖ XXH3-64 of the row's pixels as u64); a quarantined ticket gives seq ‖ the smallest i64 instead; numbers are
//! little-endian. Without quarantined tickets a batch's tickets are as many lines as it has rows; with them, each batch
//! takes as many lines as the recipe's batch size (64 without a recipe). docs/verify-batches.md shows it in Python.
//!
//! Not here: making the batches. Not for: storing a data set in another form.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use fastgarden_data::batch::Batch;
use fastgarden_data::batch_hash::BatchHash;
use fastgarden_data::distortion::Distortion;
use fastgarden_data::geometry::{CropBox, Size};
use fastgarden_data::outcome::{Quarantined, Use};
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::picture::ImageDecoder;
use fastgarden_data::ticket::{Transform, ViewKey};
use fastgarden_proto::ticket::{Shown, Ticket, View};
use serde::Serialize;

use super::npy::{Kind, header};
use super::print;
use super::text::counted;
use crate::cli::DumpArgs;
use crate::exit::{Complaint, Failure};
use crate::rules::grouped;
use crate::source::{Source, of_pipeline, recipe};

pub(super) fn run(args: &DumpArgs) -> Result<(), Failure> {
    let recipe = recipe(&args.recipe)?;
    let folder = Unfinished::create(&args.out)?;
    let mut source = Source::open(recipe.as_ref(), recipe.is_some(), &args.data, args.seed, args.epoch)?;
    source.choose_resample(args.resample);
    let rows = source.phase.batch_rows as u64;
    source.phase.tickets_max = Some(args.batches.saturating_mul(rows));
    let dumped = dump(&source, args, &folder)?;
    folder.finish()?;
    let mut text = format!(
        "wrote {} ({} from {}) to {}\n  batch_hash  {}\n",
        if dumped.batches == 1 { "1 batch".to_owned() } else { format!("{} batches", grouped(dumped.batches)) },
        counted(dumped.rows, "image"),
        source.found.description,
        args.out.display(),
        dumped.batch_hash
    );
    if dumped.batches < args.batches {
        text.push_str(&format!("  epoch {} has no more batches than these\n", args.epoch));
    }
    if dumped.quarantined > 0 {
        let bad = counted(dumped.quarantined, "ticket");
        text.push_str(&format!("  {bad} could not be used: see \"quarantined\" in tickets.jsonl\n"));
    }
    print(&text)
}

/// What was written.
#[derive(Default)]
struct Dumped {
    batches: u64,
    rows: u64,
    quarantined: u64,
    batch_hash: String,
}

fn dump(source: &Source, args: &DumpArgs, folder: &Unfinished) -> Result<Dumped, Failure> {
    let pipeline = source.start(&args.pools).map_err(of_pipeline)?;
    let mut batches = pipeline.open(source.phase.clone()).map_err(of_pipeline)?;
    let mut tickets = BufWriter::new(folder.create_file("tickets.jsonl")?);
    let mut chain = BatchHash::default();
    let mut dumped = Dumped::default();
    for batch in batches.by_ref() {
        let mut batch = batch.map_err(of_pipeline)?;
        chain.update(batch.digests(), source.phase.views.len());
        folder.write_batch(&batch)?;
        write_tickets(&mut tickets, &source.phase, &batch).map_err(|error| folder.unwritable(error))?;
        dumped.batches += 1;
        dumped.rows += batch.len() as u64;
        dumped.quarantined += batch.quarantined().len() as u64;
        batch.settle(Use::Trained);
    }
    batches.finish().map_err(of_pipeline)?;
    tickets.flush().map_err(|error| folder.unwritable(error))?;
    dumped.batch_hash = chain.hex();
    let text = format!("{}\n", serde_json::json!({ "batch_hash": dumped.batch_hash }));
    folder.write("hash.json", &[text.as_bytes()])?;
    Ok(dumped)
}

/// A line of `tickets.jsonl`.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    ticket: Ticket,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined: Option<String>,
}

fn write_tickets(out: &mut impl Write, phase: &PhaseSpec, batch: &Batch) -> io::Result<()> {
    let reasons: HashMap<u64, &Quarantined> = batch.quarantined().iter().map(|row| (row.seq, row)).collect();
    let decoder = ImageDecoder::new(phase.decode);
    for seq in batch.seqs() {
        let mut line = Line { ticket: ticket(phase, seq, &decoder)?, quarantined: None };
        if let Some(row) = reasons.get(&seq) {
            line.ticket.views.clear();
            line.quarantined = Some(format!("{}: {}", row.kind, row.detail));
        }
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The ticket as it was used, computed again from the plan and the records' headers.
fn ticket(phase: &PhaseSpec, seq: u64, decoder: &ImageDecoder) -> io::Result<Ticket> {
    let records = phase.plan.ticket(seq).records;
    let seen: Vec<Seen> =
        records.all().iter().map(|&record| Seen::read(phase, record, decoder)).collect::<io::Result<_>>()?;
    let is_readable = seen.iter().all(|seen| seen.size.is_some());
    let place = |(view, transform): (usize, &Transform)| {
        let seen = &seen[records.place_of(view)];
        let key = ViewKey { seed: phase.plan.seed(), epoch: phase.plan.epoch(), seq, view: view as u8 };
        let placement = transform.place(key, seen.size?);
        let CropBox { x, y, width, height } = placement.source;
        let size = vec![transform.size.width, transform.size.height];
        let aspect = f64::from(transform.size.width) / f64::from(transform.size.height);
        let matrix = |distortion: &Distortion| distortion.homography(aspect).concat();
        let distortion = placement.distortion.as_ref().map(matrix).unwrap_or_default();
        let shown = (records.all().len() > 1).then(|| seen.shown.clone());
        Some(View { r#box: vec![x, y, width, height], flip: placement.flip, size, distortion, shown })
    };
    let views = phase.views.iter().enumerate().filter(|_| is_readable).filter_map(place).collect();
    let Shown { shard, offset, class, id } = seen[0].shown.clone();
    Ok(Ticket { seq, shard, offset, class, id, views })
}

/// A record, and the size of its picture. Of one that can't be parsed only the place is known; it was quarantined for that.
struct Seen {
    shown: Shown,
    size: Option<Size>,
}

impl Seen {
    fn read(phase: &PhaseSpec, record: u32, decoder: &ImageDecoder) -> io::Result<Self> {
        let (index, mut frame) = (&phase.index, Vec::new());
        index.read_frames(record, 1, &mut frame)?;
        let example = index.parse_frame(record, &frame, &phase.features).unwrap_or_default();
        let shown = Shown {
            shard: index.shard_of(record).name.clone(),
            offset: index.address(record).offset,
            class: example.label,
            id: example.id.map(|id| String::from_utf8_lossy(id).into_owned()).unwrap_or_default(),
        };
        let size = example.image.and_then(|image| decoder.probe(image).ok()).map(|image| image.size);
        Ok(Self { shown, size })
    }
}

/// What the names of a view's files end in: nothing for the first.
fn suffix(view: usize) -> String {
    if view == 0 { String::new() } else { format!("-view{view}") }
}

/// The folder under its temporary name; dropped before it is finished, it goes.
struct Unfinished {
    temporary: PathBuf,
    target: PathBuf,
}

impl Unfinished {
    /// Refuses a target that holds anything.
    fn create(target: &Path) -> Result<Self, Failure> {
        let refuse = |error: io::Error| unwritable(target, error);
        match fs::read_dir(target).map(|mut entries| entries.next().is_some()) {
            Ok(true) => {
                let sentence = format!("{} is not empty", target.display());
                return Err(Failure::usage(sentence, "name a new or an empty folder with --out"));
            }
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(refuse(error)),
        }
        let target = std::path::absolute(target).map_err(refuse)?;
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(Failure::usage("--out is no folder that can be made", "name a new folder with --out"));
        };
        fs::create_dir_all(parent).map_err(refuse)?;
        let temporary = parent.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
        fs::create_dir(&temporary).map_err(refuse)?;
        Ok(Self { temporary, target: target.clone() })
    }

    fn create_file(&self, name: &str) -> Result<File, Failure> {
        File::create(self.temporary.join(name)).map_err(|error| self.unwritable(error))
    }

    fn write(&self, name: &str, parts: &[&[u8]]) -> Result<(), Failure> {
        let mut file = self.create_file(name)?;
        parts.iter().try_for_each(|part| file.write_all(part)).map_err(|error| self.unwritable(error))
    }

    fn write_batch(&self, batch: &Batch) -> Result<(), Failure> {
        let (rows, number) = (batch.len(), batch.number());
        for view in 0..batch.views() {
            let (size, suffix) = (batch.view_size(view), suffix(view));
            let shape = [rows, size.height as usize, size.width as usize, 3];
            self.write(&format!("batch-{number:05}{suffix}.npy"), &[&header(Kind::U8, &shape), batch.view(view)])?;
        }
        // Where all views of a ticket show one record, they have one label.
        for view in 0..batch.records_per_ticket() {
            let labels: Vec<u8> = batch.view_labels(view).iter().flat_map(|label| label.to_le_bytes()).collect();
            let name = format!("label-{number:05}{}.npy", suffix(view));
            self.write(&name, &[&header(Kind::I64, &[rows]), &labels])?;
        }
        Ok(())
    }

    /// Gives the folder its name, in place of an empty one.
    fn finish(self) -> Result<(), Failure> {
        fs::rename(&self.temporary, &self.target).map_err(|error| self.unwritable(error))
    }

    fn unwritable(&self, error: io::Error) -> Failure {
        unwritable(&self.target, error)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the rename there is nothing of this name any more.
        let _gone = fs::remove_dir_all(&self.temporary);
    }
}

fn unwritable(folder: &Path, error: io::Error) -> Failure {
    let cause = anyhow::Error::new(error).context(format!("cannot write to {}", folder.display()));
    Failure::Usage(Complaint::new(cause).way_out("free space, or name a folder you can write to with --out"))
}
