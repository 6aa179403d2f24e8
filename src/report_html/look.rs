//! What a net makes of the validation pictures: confusions, classes, and the worst mistakes as pictures.
//! Not here: judging a batch (`fastgarden-train`), drawing.

use std::cmp::Ordering;

use fastgarden_data::catalog::Split;
use fastgarden_data::geometry::Size;
use fastgarden_train::trainer::{Guess, Guessed};

use super::pictures;
use super::read::SeriesSeen;
use crate::cli::{HtmlReportArgs, RecipeChoice};
use crate::exit::{Failure, OrFail as _};
use crate::markup::Markup;
use crate::page::{Bar, Bars, Confusions, HEAT_CLASSES_MAX, Table, words};
use crate::predict_command::judged::{Judge, Question};
use crate::rules::grouped;

/// Pictures that are shown.
const PICTURES_MAX: usize = 24;
/// Mistakes and classes that are listed outright.
const ROWS_MAX: usize = 15;
/// Letters of a class's name that are shown.
const NAME_CHARS_MAX: usize = 60;

/// Everything that was seen.
pub(super) struct Look {
    confusions: Confusions,
    worst: Vec<(Guess, String)>,
    accuracy: Option<f64>,
    of: String,
    records: u32,
    unreadable: usize,
}

/// A mistake with its picture.
struct Mistake {
    guess: Guess,
    size: Size,
    pixels: Vec<u8>,
}

impl Look {
    /// Judges every validation record, if data or a checkpoint was named.
    pub(super) fn take(args: &HtmlReportArgs, seen: &SeriesSeen) -> Result<Option<Self>, Failure> {
        if args.checkpoint.is_none() && args.data.data.is_empty() {
            return Ok(None);
        }
        let checkpoint = match (&args.checkpoint, seen.report.runs.first()) {
            (Some(path), _) => path.clone(),
            (None, Some(run)) => seen.folder.join(format!("seed-{}", run.seed)),
            (None, None) => {
                let sentence = format!("no run of {} has ended, so there is no net to look at", seen.folder.display());
                return Err(Failure::usage(sentence, "name a checkpoint with --checkpoint, or leave --data out"));
            }
        };
        let judge = Judge::open(&Question {
            checkpoint: &checkpoint,
            recipe: &RecipeChoice::default(),
            data: &args.data,
            split: Split::Validation,
            device: &args.device,
            flip: false,
        })?;
        let mut worst = Worst::default();
        let judged = judge.ask(&args.pools, |guessed| worst.see(guessed))?;
        let names = (0..judge.recipe().data.classes as usize).map(|class| name_of(&judge, class)).collect();
        let mut confusions = Confusions::new(names);
        for guess in &judged.plain {
            // Labels are within the classes, or the record would have been quarantined.
            confusions.add(guess.label as usize, guess.class as usize);
        }
        let pictures = worst.mistakes.into_iter().map(|mistake| {
            let uri = pictures::data_uri(mistake.size, &mistake.pixels)?;
            Ok((mistake.guess, uri))
        });
        Ok(Some(Self {
            confusions,
            worst: pictures.collect::<anyhow::Result<_>>().or_run()?,
            accuracy: judged.accuracy(false),
            of: of_checkpoint(&judge),
            records: judged.records,
            unreadable: judged.unreadable.len(),
        }))
    }

    /// Of a class; must be one of the data set's.
    pub(super) fn class_name(&self, class: usize) -> &str {
        self.confusions.names.get(class).map_or("", String::as_str)
    }

    /// The section of the page.
    pub(super) fn markup(&self) -> Markup {
        let mut out = Markup::new();
        let accuracy =
            self.accuracy.map_or_else(|| "no accuracy".to_owned(), |share| format!("{:.2} %", 100.0 * share));
        let unread = match self.unreadable {
            0 => String::new(),
            count => format!(" {} could not be read and count as wrong.", grouped(count as u64)),
        };
        let about = format!(
            "{} judged {} validation pictures: {accuracy} right.{unread}",
            self.of,
            grouped(u64::from(self.records))
        );
        out.leaf("p", &[], &about).newline();
        match self.confusions.figure() {
            Some(figure) => out.append(&figure),
            None => {
                out.leaf("p", &[], &format!("No map of confusions: it is drawn for up to {HEAT_CLASSES_MAX} classes."))
            }
        };
        out.append(&self.mistakes()).append(&self.classes()).append(&self.pictures());
        out
    }

    fn mistakes(&self) -> Markup {
        let columns = [("what it is", false), ("taken for", false), ("times", true), ("of", true)];
        let row = |&(actual, predicted, count): &(usize, usize, u64)| -> Vec<Markup> {
            let total = self.confusions.total(actual);
            let (actual, predicted) = (self.class_name(actual).to_owned(), self.class_name(predicted).to_owned());
            [actual, predicted, count.to_string(), total.to_string()].iter().map(|cell| words(cell)).collect()
        };
        let rows: Vec<_> = self.confusions.mistakes().iter().take(ROWS_MAX).map(row).collect();
        let mut out = Markup::new();
        out.leaf("h3", &[], "Most frequent mistakes");
        if rows.is_empty() {
            out.leaf("p", &[], "None: every picture was recognised.");
            return out;
        }
        out.append(&Table { caption: "Most frequent first", columns: &columns, as_cards: false }.markup(&rows));
        out
    }

    /// Accuracy of each class that has pictures, lowest first.
    fn classes(&self) -> Markup {
        let total = |class: &usize| self.confusions.total(*class);
        let share = |class: &usize| self.confusions.count(*class, *class) as f64 / total(class) as f64;
        let mut classes: Vec<usize> = (0..self.confusions.names.len()).filter(|class| total(class) > 0).collect();
        let bar = |class: &usize| Bar {
            name: self.class_name(*class).to_owned(),
            value: (1_000.0 * share(class)).round() / 10.0,
        };
        let bars = Bars { title: "Accuracy of each class", noun: "%", bars: classes.iter().map(bar).collect() };
        classes.sort_by(|one, other| share(one).total_cmp(&share(other)).then(one.cmp(other)));
        let row = |class: &usize| -> Vec<Markup> {
            let cells = [
                self.class_name(*class).to_owned(),
                format!("{:.0} %", 100.0 * share(class)),
                total(class).to_string(),
            ];
            cells.iter().map(|cell| words(cell)).collect()
        };
        let rows: Vec<_> = classes.iter().map(row).collect();
        let columns = [("class", false), ("accuracy", true), ("pictures", true)];
        let table = |caption, rows: &[Vec<Markup>]| Table { caption, columns: &columns, as_cards: false }.markup(rows);
        let mut out = Markup::new();
        out.leaf("h3", &[], "Classes");
        if let Some(figure) = bars.figure() {
            out.append(&figure);
        }
        out.append(&table("Lowest accuracy first", &rows[..rows.len().min(ROWS_MAX)]));
        if rows.len() > ROWS_MAX {
            out.within("details", &[], |details| {
                details.leaf("summary", &[], &format!("The other {} classes", rows.len() - ROWS_MAX));
                details.append(&table("Lowest accuracy first, continued", &rows[ROWS_MAX..]));
            });
        }
        out
    }

    fn pictures(&self) -> Markup {
        let mut out = Markup::new();
        out.leaf("h3", &[], "Mistaken worst");
        if self.worst.is_empty() {
            out.leaf("p", &[], "Nothing was mistaken.");
            return out;
        }
        let about = "By the loss of what they are; as the net saw them.";
        out.leaf("p", &[("class", "faint small")], about);
        out.within("ul", &[("class", "pictures")], |list| {
            for (guess, uri) in &self.worst {
                list.within("li", &[], |item| self.picture(item, guess, uri)).newline();
            }
        });
        out
    }

    fn picture(&self, item: &mut Markup, guess: &Guess, uri: &str) {
        let actual = self.class_name(guess.label as usize);
        let predicted = self.class_name(guess.class as usize);
        let spoken = format!("{actual}, taken for {predicted}");
        item.void("img", &[("src", uri), ("alt", &spoken), ("loading", "lazy"), ("width", "192"), ("height", "192")]);
        item.within("p", &[], |line| {
            line.leaf("strong", &[], actual);
        });
        item.leaf("p", &[], &format!("taken for {predicted} ({:.0} %)", 100.0 * guess.probability));
        item.leaf(
            "p",
            &[("class", "faint")],
            &format!("loss {:.2}, record {}", guess.loss, grouped(u64::from(guess.record))),
        );
    }
}

fn of_checkpoint(judge: &Judge) -> String {
    let path = judge.checkpoint();
    // …/seed-1/checkpoints/5-320 → "seed-1, checkpoint 5-320"
    let name = |path: Option<&std::path::Path>| {
        path.and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned())
    };
    match (name(path.ancestors().nth(2)), name(Some(path))) {
        (Some(run), Some(checkpoint)) if run.starts_with("seed-") => format!("{run}, checkpoint {checkpoint},"),
        (_, Some(checkpoint)) => checkpoint,
        _ => "The net".to_owned(),
    }
}

fn name_of(judge: &Judge, class: usize) -> String {
    match judge.class_name(class).filter(|name| !name.trim().is_empty()) {
        Some(name) => name.chars().take(NAME_CHARS_MAX).collect(),
        None => format!("class {class}"),
    }
}

/// The mistakes of the greatest losses so far; of equal ones those of the first records.
#[derive(Default)]
struct Worst {
    mistakes: Vec<Mistake>,
}

impl Worst {
    fn see(&mut self, guessed: &Guessed<'_>) {
        if guessed.plain.is_empty() {
            return;
        }
        let size = guessed.batch.view_size(0);
        let rows = guessed.batch.view(0).chunks_exact(size.px() as usize * 3);
        for (guess, pixels) in guessed.plain.iter().zip(rows) {
            if guess.class == guess.label {
                continue;
            }
            let place = self.mistakes.partition_point(|other| order(&other.guess, guess) != Ordering::Greater);
            if place < PICTURES_MAX {
                self.mistakes.insert(place, Mistake { guess: *guess, size, pixels: pixels.to_vec() });
                self.mistakes.truncate(PICTURES_MAX);
            }
        }
    }
}

fn order(one: &Guess, other: &Guess) -> Ordering {
    other.loss.total_cmp(&one.loss).then(one.record.cmp(&other.record))
}
