//! The arguments of `leaderboard add|show|html`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The leaderboard of the folder one is in.
pub const DEFAULT_BOARD: &str = "leaderboard.toml";

/// `leaderboard …`
#[derive(Clone, Debug, Subcommand)]
pub enum LeaderboardCommand {
    /// Judge a submission and put it on the board; exit 4 when it breaks a rule
    Add(AddArgs),
    /// Print the board
    Show(ShowBoardArgs),
    /// Write the board as one self-contained page
    Html(HtmlBoardArgs),
}

/// Which board.
#[derive(Args, Clone, Debug)]
pub struct BoardChoice {
    /// The board's file; without one in this folder it is the board that came with the program
    #[arg(long, value_name = "FILE", default_value = DEFAULT_BOARD)]
    pub file: PathBuf,
}

/// `leaderboard add`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  fastgarden-actors leaderboard add mine.submission.tar.gz
  fastgarden-actors leaderboard add mine.submission.tar.gz --sentence 'A stem that whitens its input.'

A board is made where there is none: the one that came with the program under the rules fastgarden, an empty one under
other rules. Nobody is on a board twice with the same runs.")]
pub struct AddArgs {
    /// The file that `submit` wrote
    pub submission: PathBuf,
    /// Which board.
    #[command(flatten)]
    pub board: BoardChoice,
    /// What the board says of it [default: the recipe's summary]
    #[arg(long, value_name = "TEXT")]
    pub sentence: Option<String>,
}

/// How a board is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BoardFormat {
    /// A table for the terminal.
    Text,
    /// Lines to paste into a post.
    Markdown,
    /// For scripts: one JSON document.
    Json,
}

/// `leaderboard show`
#[derive(Args, Clone, Debug)]
pub struct ShowBoardArgs {
    /// Which board.
    #[command(flatten)]
    pub board: BoardChoice,
    /// text, markdown or json
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub format: BoardFormat,
    /// All entries, not only the first five
    #[arg(long)]
    pub all: bool,
}

/// `leaderboard html`
#[derive(Args, Clone, Debug)]
pub struct HtmlBoardArgs {
    /// Which board.
    #[command(flatten)]
    pub board: BoardChoice,
    /// The page to write
    #[arg(long, value_name = "FILE", default_value = "leaderboard.html")]
    pub out: PathBuf,
}
