//! `report html SERIES`: a series as one self-contained page.
//! Not here: the numbers themselves (`report`, the ledgers), or how a page is put together (`page`).

mod curves;
mod look;
mod pictures;
mod read;
mod tables;

use std::io::Write as _;

use self::look::Look;
use self::read::SeriesSeen;
use crate::cli::{HtmlReportArgs, ReportCommand};
use crate::data_commands::text::bytes;
use crate::exit::{Complaint, Failure};
use crate::markup::Markup;
use crate::page::{self, facts};
use crate::report::write_atomically;

/// Runs the command.
pub fn run(command: &ReportCommand) -> Result<(), Failure> {
    let ReportCommand::Html(args) = command;
    let seen = SeriesSeen::read(&args.series)?;
    let look = Look::take(args, &seen)?;
    let page = page_of(&seen, look.as_ref());
    write_atomically(&args.out, page.as_bytes()).map_err(|error| {
        let cause = anyhow::Error::new(error).context(format!("cannot write {}", args.out.display()));
        Failure::Usage(Complaint::new(cause).way_out("free space, or name another file with --out"))
    })?;
    let text = told(args, &seen, page.len() as u64, look.is_some());
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::from)
}

fn told(args: &HtmlReportArgs, seen: &SeriesSeen, size: u64, has_look: bool) -> String {
    let hint = if has_look { "" } else { "; with --data it shows what the net mistakes, too" };
    format!("{}: {}, {}{hint}\n", args.out.display(), seen.report.summary(), bytes(size))
}

fn page_of(seen: &SeriesSeen, look: Option<&Look>) -> String {
    let mut body = Markup::new();
    head(&mut body, seen, look.is_some());
    heading(&mut body, "curves", "Curves");
    body.append(&curves::figures(seen));
    heading(&mut body, "runs", "Runs");
    body.append(&tables::runs(seen)).append(&tables::epochs(seen));
    heading(&mut body, "data", "Data");
    body.append(&tables::histogram(seen, look)).append(&tables::quarantines(seen));
    if let Some(look) = look {
        heading(&mut body, "look", "What the net sees");
        body.append(&look.markup());
    }
    heading(&mut body, "recipe", "Recipe");
    body.append(&tables::recipe(seen));
    let title = format!("{}: report", seen.recipe.name);
    page::document(&title, &body, look.is_some())
}

fn heading(body: &mut Markup, id: &str, words: &str) {
    body.leaf("h2", &[("id", id)], words).newline();
}

fn head(body: &mut Markup, seen: &SeriesSeen, has_look: bool) {
    let report = &seen.report;
    body.leaf("h1", &[], &seen.recipe.name);
    body.leaf("p", &[], &seen.recipe.summary).newline();
    let percent = |share: f64| format!("{:.2}", 100.0 * share);
    body.within("p", &[("class", "score")], |score| {
        match report.accuracy_mean {
            Some(mean) => score.text(&format!("{} % ", percent(mean))),
            None => score.text("not validated yet "),
        };
        if let Some(std) = report.accuracy_std_population {
            score.leaf("small", &[], &format!("± {}", percent(std)));
        }
    });
    body.leaf("p", &[("class", "faint")], &report.summary()).newline();
    let mut list = vec![("Rules", report.rules.clone()), ("Runs", seeds(seen))];
    if report.of_mean_weights {
        list.push(("Judged", "the weights' running mean".to_owned()));
    }
    list.extend(report.peak_device_bytes.map(|count| ("Peak memory of the GPU", bytes(count))));
    list.extend(report.peak_memory_bytes.map(|count| ("Peak memory of the process", bytes(count))));
    list.push(("Recipe hash", report.recipe_hash.clone()));
    body.append(&facts(&list));
    if report.not_a_submission.is_empty() {
        body.within("p", &[], |line| {
            line.leaf("span", &[("class", "badge pass")], "nothing is known against submitting it");
        });
    } else {
        body.leaf("p", &[], "Not a submission as it stands:");
        body.within("ul", &[("class", "notes")], |list| {
            for reason in &report.not_a_submission {
                list.leaf("li", &[], reason);
            }
        });
    }
    contents(body, has_look);
}

fn seeds(seen: &SeriesSeen) -> String {
    let seeds: Vec<String> = seen.report.runs.iter().map(|run| run.seed.to_string()).collect();
    format!("{}, seed {}", seeds.len(), if seeds.is_empty() { "none".to_owned() } else { seeds.join(", ") })
}

fn contents(body: &mut Markup, has_look: bool) {
    body.within("nav", &[("aria-label", "Contents")], |nav| {
        nav.within("ul", &[], |list| {
            let places = [
                ("#curves", "Curves"),
                ("#runs", "Runs"),
                ("#data", "Data"),
                ("#look", "What the net sees"),
                ("#recipe", "Recipe"),
            ];
            for (place, words) in places.into_iter().filter(|(place, _)| has_look || *place != "#look") {
                list.within("li", &[], |item| {
                    item.leaf("a", &[("href", place)], words);
                });
            }
        });
    });
    body.newline();
}

#[cfg(test)]
mod tests;
