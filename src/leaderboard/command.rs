//! `leaderboard add|show|html`.
//! Not here: what they print.

use std::io::Write as _;
use std::path::Path;

use super::file::Board;
use super::standing::standing;
use super::{add, html, markdown, text};
use crate::cli::{BoardFormat, DEFAULT_BOARD, HtmlBoardArgs, LeaderboardCommand, ShowBoardArgs};
use crate::exit::{Complaint, Failure};
use crate::report::write_atomically;
use crate::told::say;

/// Entries that are shown unless all are asked for: the competition's board has so many.
const SHOWN: usize = 5;

/// Runs one of them.
pub fn run(command: &LeaderboardCommand) -> Result<(), Failure> {
    let text = match command {
        LeaderboardCommand::Add(args) => add::add(args)?,
        LeaderboardCommand::Show(args) => show(args)?,
        LeaderboardCommand::Html(args) => write_page(args)?,
    };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::from)
}

/// Only the default board may be missing: it came with the program.
fn load(path: &Path) -> Result<Board, Failure> {
    let is_default = path == Path::new(DEFAULT_BOARD);
    if is_default && !path.exists() {
        say(&format!("note: there is no {DEFAULT_BOARD} here, this is the board that came with the program"));
    }
    Board::load(path, is_default)
}

fn show(args: &ShowBoardArgs) -> Result<String, Failure> {
    let board = load(&args.board.file)?;
    let places = standing(&board.entries);
    let count = if args.all { places.len() } else { places.len().min(SHOWN) };
    let (shown, left_out) = (&places[..count], places.len() - count);
    Ok(match args.format {
        BoardFormat::Text => text::text(shown, left_out),
        BoardFormat::Markdown => markdown::markdown(shown),
        BoardFormat::Json => text::json(&board.rules, shown, left_out),
    })
}

fn write_page(args: &HtmlBoardArgs) -> Result<String, Failure> {
    let board = load(&args.board.file)?;
    write_atomically(&args.out, html::page(&board).as_bytes()).map_err(|error| {
        let cause = anyhow::Error::new(error).context(format!("cannot write {}", args.out.display()));
        Failure::Usage(Complaint::new(cause).way_out("free space, or name another file with --out"))
    })?;
    let count = crate::data_commands::text::counted(board.entries.len() as u64, "result");
    Ok(format!("{}: {count}, open it in a browser\n", args.out.display()))
}
