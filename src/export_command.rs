//! `export`: the weights of a checkpoint as one safetensors file that Python loads.
//! Not here: which name is whose (the training crate's `layout`).

use std::io::{self, Write as _};
use std::path::Path;

use fastgarden_train::checkpoint::write_file;
use fastgarden_train::layout::{self, Layout};
use fastgarden_train::net::Net as _;
use tch::Device;

use crate::cli::{ExportArgs, LayoutChoice};
use crate::exit::{Complaint, Failure};
use crate::rules::grouped;
use crate::weights;

/// Runs the command.
pub fn run(args: &ExportArgs) -> Result<(), Failure> {
    let found = weights::find(&args.checkpoint, &args.recipe)?;
    let net = &found.recipe.net;
    let built = weights::build(&found, Device::Cpu)?;
    let values = built.state().parameter_count();
    let keys = built.state().entries().iter().map(|entry| entry.key.as_str());
    let left_out = layout::left_out(keys, of_choice(args.layout));
    let tensors = layout::export(net, built.state().snapshot(), of_choice(args.layout))
        .map_err(|error| Failure::Usage(Complaint::new(error).way_out("export with --layout fastai or native")))?;
    write_file(&args.out, &tensors).map_err(|error| Failure::Usage(Complaint::new(error)))?;
    let (out, count) = (args.out.display(), tensors.len());
    let mut text = format!("wrote   {out}: {count} tensors, {} trained values\n", grouped(values));
    if !left_out.is_empty() {
        text += &format!("left out: {}: there is no such head in that library's net\n", left_out.join(", "));
    }
    for line in in_python(args.layout, &layout::timm_constructor(net).unwrap_or_default(), &args.out) {
        text += &format!("python  {line}\n");
    }
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

fn of_choice(choice: LayoutChoice) -> Layout {
    match choice {
        LayoutChoice::Fastai => Layout::Fastai,
        LayoutChoice::Timm => Layout::Timm,
        LayoutChoice::Native => Layout::Native,
    }
}

/// How to load it there.
fn in_python(layout: LayoutChoice, timm: &str, out: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    if layout == LayoutChoice::Timm {
        lines.push(format!("model = {timm}"));
    }
    if layout != LayoutChoice::Native {
        let name = out.display().to_string();
        lines.push(format!("model.load_state_dict(safetensors.torch.load_file({name:?}))"));
    }
    lines
}
