//! The board as lines to paste into a post: `1. 82.40% ± 0.15%: @name one sentence. link`.
//! Not here: ranking.

use super::entry::{Entry, StdKind};
use super::standing::{Place, TOO_GOOD_WORDS};

/// The lines, and below them what ± means, who ties and whose intervals overlap.
pub(super) fn markdown(places: &[Place<'_>]) -> String {
    let mut text: String = places.iter().map(|place| line(place.rank, place.entry) + "\n").collect();
    let of = |wanted: &dyn Fn(&Place<'_>) -> bool| -> Vec<String> {
        let mut ranks: Vec<String> =
            places.iter().filter(|place| wanted(place)).map(|place| place.rank.to_string()).collect();
        ranks.dedup();
        ranks
    };
    text += "\n± is the population standard deviation (over n)";
    let sample = of(&|place| place.entry.std == StdKind::Sample);
    text += &match sample.as_slice() {
        [] => ".\n".to_owned(),
        ranks => format!("; of {} the sample one (over n − 1).\n", ranks.join(", ")),
    };
    let tied = of(&|place| place.is_tied);
    if !tied.is_empty() {
        text += &format!("Tied in the digits shown: {}.\n", tied.join(", "));
    }
    for line in overlaps(places) {
        text += &line;
    }
    let published = of(&|place| place.entry.is_published());
    if !published.is_empty() {
        text += &format!("Published, not re-run: {}.\n", published.join(", "));
    }
    for place in places.iter().filter(|place| place.is_too_good) {
        text += &format!("{}: above 98 %, {TOO_GOOD_WORDS}.\n", place.rank);
    }
    text
}

/// A line for each place whose interval overlaps that of a later one.
fn overlaps(places: &[Place<'_>]) -> Vec<String> {
    let line = |place: &Place<'_>| {
        let later: Vec<String> =
            place.overlaps.iter().filter(|other| **other > place.rank).map(usize::to_string).collect();
        let with = later.join(", ");
        (!later.is_empty()).then(|| format!("Overlapping intervals (mean ± sample std): {} with {with}.\n", place.rank))
    };
    let mut lines: Vec<String> = places.iter().filter_map(line).collect();
    // Two that tie may both overlap with a third.
    lines.dedup();
    lines
}

/// One line.
pub(super) fn line(rank: usize, entry: &Entry) -> String {
    let mean = 100.0 * entry.mean();
    let deviation = entry.deviation(entry.std).map(|std| format!(" ± {:.2}%", 100.0 * std)).unwrap_or_default();
    let sentence = entry.sentence.trim();
    let stop = if sentence.ends_with(['.', '!', '?']) { "" } else { "." };
    let (author, sentence) = (plain(&entry.author), plain(sentence));
    format!("{rank}. {mean:.2}%{deviation}: @{author} {sentence}{stop} {}", entry.link).trim_end().to_owned()
}

/// Words in which nothing is Markdown, nor HTML within it.
fn plain(words: &str) -> String {
    let mut plain = String::with_capacity(words.len());
    for character in words.chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '!' | '~' | '@' | '&') {
            plain.push('\\');
        }
        plain.push(character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::super::file::{Board, EMBEDDED};
    use super::super::standing::standing;
    use super::*;

    #[test]
    fn the_published_lines_are_the_competitions() {
        let board = Board::from_text("leaderboard.toml", EMBEDDED).unwrap();
        let text = markdown(&standing(&board.entries));
        let lines: Vec<_> = text.lines().collect();
        let first = "1. 82.40% ± 0.15%: @bwarner MK-ResNeXt-50 (mixed kernels of 3 to 9 pixels) with a network-deconvolution \
                     stem. https://github.com/warner-benjamin/FastGarden";
        assert_eq!(lines[0], first);
        assert!(lines[4].starts_with("5. 71.24% ± 1.24%: @morgan "), "{}", lines[4]);
        assert!(text.contains("of 5 the sample one (over n − 1)"), "{text}");
        assert!(text.contains("Overlapping intervals (mean ± sample std): 2 with 3.\n"), "{text}");
        assert!(text.contains("4 with 5.\n") && text.contains("not re-run: 1, 2, 3, 4, 5."), "{text}");
    }

    #[test]
    fn what_others_wrote_is_not_markdown() {
        let entry = Entry { author: "x_y".to_owned(), sentence: "[a](b) <img>".to_owned(), ..entry("s", &[0.5]) };
        assert_eq!(line(1, &entry), "1. 50.00%: @x\\_y \\[a\\](b) \\<img\\>. https://example.org/x");
    }
}
