//! What `verify --ledger` prints.
//! Not here: finding it out.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::cli::Format;
use crate::exit::Failure;
use crate::referee::{Fault, Finding, Judged, NOT_PROVED, Remade, Standing};
use crate::rules::grouped;

/// Faults of a ledger that are told one by one.
const LISTED_MAX: usize = 20;

/// Everything that was found out of one ledger.
pub(super) struct Told {
    pub finding: Finding,
    pub pixels: Option<Remade>,
    pub judged: Option<Judged>,
}

impl Told {
    /// Whether nothing contradicts it.
    pub fn is_sound(&self) -> bool {
        self.faults().next().is_none()
    }

    fn faults(&self) -> impl Iterator<Item = &Fault> {
        let of_pixels = self.pixels.iter().flat_map(|remade| &remade.faults);
        let of_weights = self.judged.iter().flat_map(|judged| &judged.faults);
        self.finding.faults.iter().chain(of_pixels).chain(of_weights)
    }

    fn notes(&self) -> impl Iterator<Item = &String> {
        self.finding.notes.iter().chain(self.judged.iter().flat_map(|judged| &judged.notes))
    }
}

/// Prints all of it on standard output.
pub(super) fn print(format: Format, told: &[Told]) -> Result<(), Failure> {
    let text = match format {
        Format::Json => {
            let document = json!({
                "sound": told.iter().all(Told::is_sound),
                "not_proved": NOT_PROVED,
                "ledgers": told.iter().map(json_of).collect::<Vec<_>>(),
            });
            format!("{document:#}\n")
        }
        Format::Text => {
            let parts: String = told.iter().map(text_of).collect();
            format!("{parts}not proved by a ledger: {NOT_PROVED}\n")
        }
    };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::from)
}

fn json_of(told: &Told) -> Value {
    let finding = &told.finding;
    let faults: Vec<Value> = told
        .faults()
        .map(|fault| json!({ "line": fault.line, "kind": fault.kind.name(), "what": fault.to_string() }))
        .collect();
    let standing = match finding.standing {
        Standing::Whole => "whole",
        Standing::ConsistentSoFar => "consistent_so_far",
    };
    let remade =
        |remade: &Remade| json!({ "batches": remade.batches, "images": remade.images, "seconds": remade.seconds });
    let judged = |judged: &Judged| json!({ "accuracy": judged.accuracy, "weights_sha256": judged.weights_sha256 });
    json!({
        "name": finding.name,
        "standing": standing,
        "seed": finding.opening.as_ref().map(|opening| opening.seed),
        "epochs": finding.epochs.len(),
        "steps": finding.steps,
        "accuracy": finding.epochs.last().and_then(|epoch| epoch.accuracy),
        "ledger_head": finding.head,
        "batch_hash": finding.batch_hash,
        "faults": faults,
        "notes": told.notes().collect::<Vec<_>>(),
        "pixels": told.pixels.as_ref().map(remade),
        "checkpoint": told.judged.as_ref().map(judged),
    })
}

fn text_of(told: &Told) -> String {
    let finding = &told.finding;
    let mut text = format!("{}\n", finding.name);
    let mut line = |lead: &str, rest: &str| text.push_str(&format!("  {lead:<7} {rest}\n"));
    if let Some(opening) = &finding.opening {
        let last = finding.epochs.last().and_then(|epoch| epoch.accuracy);
        let accuracy = last.map(|accuracy| format!(", accuracy {:.2} %", 100.0 * accuracy)).unwrap_or_default();
        let (epochs, steps) = (finding.epochs.len(), grouped(finding.steps));
        line("run", &format!("seed {}: {epochs} epochs, {steps} steps{accuracy}", opening.seed));
    }
    let count = told.faults().count();
    for fault in told.faults().take(LISTED_MAX) {
        line("fault", &fault.to_string());
    }
    if count > LISTED_MAX {
        line("fault", &format!("and {} more", count - LISTED_MAX));
    }
    if count == 0 {
        let standing = match finding.standing {
            Standing::Whole => "whole: nothing missing, nothing twice, the cap kept, every ticket with its outcome",
            Standing::ConsistentSoFar => "consistent so far: what is there fits together, but the run is not finished",
        };
        line("sound", standing);
    }
    if let Some(remade) = &told.pixels {
        let (batches, images) = (grouped(remade.batches), grouped(remade.images));
        let rate = remade.images as f64 / remade.seconds.max(1e-9);
        let equal = if remade.faults.is_empty() { "equal" } else { "made" };
        line(
            "pixels",
            &format!("{batches} batches {equal}: {images} images in {:.1} s, {rate:.0} a second", remade.seconds),
        );
    }
    if let Some(judged) = &told.judged {
        let accuracy =
            judged.accuracy.map_or("no accuracy".to_owned(), |accuracy| format!("{:.2} %", 100.0 * accuracy));
        line("weights", &format!("{accuracy}, {}", &judged.weights_sha256[..12]));
    }
    for note in told.notes() {
        line("note", note);
    }
    text
}
