//! What is told to people on standard error: never in the way of the work, and never a trick on a terminal.
//! Not here: results (standard output), log lines (`telemetry::logging`), or the progress bar.

use std::io::{self, Write as _};

/// A line on standard error. A closed pipe must not end a training: what can't be shown is not shown.
pub fn say(line: &str) {
    say_on(&format!("{line}\n"));
}

/// The same without an end of the line.
pub fn say_on(text: &str) {
    let mut out = io::stderr().lock();
    let _nobody_reads = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Text from data, without the control characters that could play tricks on a terminal.
pub fn harmless(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced_and_letters_kept() {
        assert_eq!(harmless("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
        assert_eq!(harmless("Blümchen × 3"), "Blümchen × 3");
    }
}
