//! `data pack`: a tree of image folders as TFRecord shards.
//! Not here: the packing (`fastgarden_data::pack`).

use std::fmt::Write as _;

use fastgarden_data::pack::{PackError, PackOptions, PackSummary, pack};

use super::print;
use super::text::{bytes, counted, fitted};
use crate::cli::PackArgs;
use crate::exit::{Complaint, Failure};

pub(super) fn run(args: &PackArgs) -> Result<(), Failure> {
    let options = PackOptions {
        seed: args.seed,
        validation_share: args.validation_share,
        records_per_shard: args.records_per_shard,
    };
    let summary = pack(&args.tree, &args.out, &options).map_err(of_pack)?;
    print(&told(&summary))
}

/// Everything that stops it is a path, an option or a file of the user's; nothing is left behind in any case.
fn of_pack(error: PackError) -> Failure {
    let is_io = matches!(error, PackError::Io { .. });
    let complaint = Complaint::new(error);
    Failure::Usage(if is_io {
        complaint.way_out("check permissions and free space, or name another --out")
    } else {
        complaint
    })
}

fn told(summary: &PackSummary) -> String {
    let images: u64 = summary.records.iter().map(|(_, count)| count).sum();
    let mut text = format!(
        "packed {} ({}) into {}\n\n",
        counted(images, "image"),
        bytes(summary.image_bytes),
        counted(summary.shards, "shard")
    );
    for (split, count) in &summary.records {
        let _infallible = writeln!(text, "  {}{}", fitted(split.name(), 9), counted(*count, "record"));
    }
    let folder = summary.folder.display();
    let names = summary.class_names.len() as u64;
    let _infallible = writeln!(text, "  {}{}, named in classes.txt", fitted("classes", 9), names);
    if !summary.one_size {
        text.push_str("  sizes    differ; the folder's name says the most frequent one\n");
    }
    let _infallible = write!(
        text,
        "\n  {folder}\n\nlook at it:    fastgarden-actors data inspect {folder}\n\
         train on it:   fastgarden-actors train --data {folder} --set data.classes={names} --set net.outputs={names}\n"
    );
    text
}
