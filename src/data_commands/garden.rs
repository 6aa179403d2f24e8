//! `data garden`: draws the synthetic garden where the user wants it.
//! Not here: the drawing (`fastgarden_data::garden`).

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;
use std::{fs, io};

use fastgarden_data::garden::{GardenSpec, GardenSummary, class_names};

use super::print;
use super::text::{bytes, counted};
use crate::cli::GardenArgs;
use crate::data_set;
use crate::exit::{Failure, OrFail as _};
use crate::rules::grouped;

pub(super) fn run(args: &GardenArgs) -> Result<(), Failure> {
    let spec = GardenSpec {
        seed: args.seed,
        sizes_px: args.sizes.clone(),
        train_records: args.train,
        validation_records: args.val,
        records_per_shard: args.records_per_shard,
    };
    let begun = Instant::now();
    let summary = data_set::draw_garden(&spec, &args.out)?;
    print(&told(args, &summary, begun.elapsed().as_secs_f64())?)
}

fn told(args: &GardenArgs, summary: &GardenSummary, seconds: f64) -> Result<String, Failure> {
    let classes = class_names().len();
    let mut text = match summary.already_there {
        true => format!("this garden is there already: {}\n\n", args.out.display()),
        false => {
            let ms = seconds * 1e3 / summary.images as f64;
            format!("drew {} in {seconds:.1} s, {ms:.1} ms each\n\n", counted(summary.images, "picture"))
        }
    };
    for folder in &summary.folders {
        let size = bytes(size_of_files(folder).or_run()?);
        let _infallible = writeln!(text, "  {}   {size}", folder.display());
    }
    let (train, validation) = (grouped(u64::from(args.train)), grouped(u64::from(args.val)));
    let _infallible = write!(
        text,
        "\n  {train} for training and {validation} for validation at each size, {classes} kinds of flowers\n\n\
         look at it:    fastgarden-actors data show --data {first}\n\
         train on it:   fastgarden-actors train --data {first}\n",
        first = summary.folders[0].display(),
    );
    Ok(text)
}

/// Bytes of the files in a folder and the folders in it.
fn size_of_files(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.try_fold(0, |sum, entry| {
        let entry = entry?;
        let metadata = entry.metadata()?;
        Ok(sum + if metadata.is_dir() { size_of_files(&entry.path())? } else { metadata.len() })
    })
}
