//! The leaderboard: a TOML file in git, who stands where on it, and how it is shown.
//! Not here: judging submissions (`submission`). Its commands are in command.rs.

mod add;
mod command;
mod entry;
mod file;
mod html;
mod markdown;
mod standing;
mod text;

pub use command::run;
pub use entry::{Curve, Entry, Score, StdKind, Submitted};
pub use file::{Board, EMBEDDED};
pub use standing::{Place, TOO_GOOD, standing};
