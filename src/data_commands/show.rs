//! `data show`: a contact sheet of the training images that an epoch begins with, as the net would see them.
//! Not here: drawing the sheet (sheet.rs), making the batches.

use fastgarden_data::outcome::Use;

use super::print;
use super::sheet::{Cell, Sheet};
use super::text::counted;
use crate::cli::{DEFAULT_RECIPE, ShowArgs};
use crate::exit::{Complaint, Failure, OrFail as _};
use crate::recipe::Recipe;
use crate::report::write_atomically;
use crate::source::{Source, of_pipeline};

pub(super) fn run(args: &ShowArgs) -> Result<(), Failure> {
    let name = args.recipe.recipe.as_deref().unwrap_or(DEFAULT_RECIPE);
    let recipe = Recipe::load(name, &args.recipe.set).or_usage()?;
    let mut source = Source::open(Some(&recipe), args.recipe.recipe.is_some(), &args.data, args.seed, args.epoch)?;
    // A contact sheet is for looking: any label will do, and no image has to wait for a full batch.
    source.phase.classes = None;
    source.phase.drop_last = false;
    source.phase.hash_rows = false;
    let cells = cells(&source, args)?;
    let Some(first) = cells.first() else {
        let cause = anyhow::anyhow!("not one usable image in {}", source.found.description);
        return Err(Failure::BadData(Complaint::new(cause).way_out("run `data verify` to see what is wrong")));
    };
    let sides: Vec<String> = source.phase.views.iter().map(|view| view.size.width.to_string()).collect();
    let sides =
        if sides.windows(2).all(|two| two[0] == two[1]) { first.size.width.to_string() } else { sides.join(", ") };
    let sheet = Sheet {
        title: format!("{}  ·  epoch {}  ·  seed {}", recipe.name, args.epoch, args.seed),
        subtitle: format!("{}, {sides} px as trained on", source.found.description),
        columns: args.columns,
        cells: &cells,
    };
    let png = sheet.to_png().or_run()?;
    write_atomically(&args.out, &png).map_err(|error| {
        let cause = anyhow::Error::new(error).context(format!("cannot write {}", args.out.display()));
        Failure::Usage(Complaint::new(cause).way_out("free space, or name another file with --out"))
    })?;
    print(&format!("{} in {}\n", counted(cells.len() as u64, "picture"), args.out.display()))
}

/// The first usable images of the epoch; the views of a ticket side by side.
fn cells(source: &Source, args: &ShowArgs) -> Result<Vec<Cell>, Failure> {
    let wanted = args.columns * args.rows;
    let pipeline = source.start(&args.pools).map_err(of_pipeline)?;
    let mut cells = Vec::new();
    for batch in pipeline.open(source.phase.clone()).map_err(of_pipeline)? {
        let mut batch = batch.map_err(of_pipeline)?;
        let places = (0..batch.len()).flat_map(|row| (0..batch.views()).map(move |view| (row, view)));
        for (row, view) in places.take(wanted - cells.len()) {
            let (size, label) = (batch.view_size(view), batch.view_labels(view)[row]);
            let bytes = size.px() as usize * 3;
            let name = source.class_name(label).map(str::to_owned);
            let label = name.unwrap_or_else(|| if label < 0 { String::new() } else { format!("class {label}") });
            cells.push(Cell { label, size, pixels: batch.view(view)[row * bytes..][..bytes].to_vec() });
        }
        batch.settle(Use::Trained);
        if cells.len() == wanted {
            break;
        }
    }
    Ok(cells)
}
