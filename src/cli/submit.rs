//! The arguments of `submit`.

use std::path::PathBuf;

use clap::Args;

/// Longest author or link, bytes.
const WORD_BYTES_MAX: usize = 300;

/// `submit`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  fastgarden-actors submit runs/seedling-20261123-191203 --author @ada
  fastgarden-actors submit runs/mine-20261123-191203 --author @ada --link https://example.org/mine --source . --weights")]
pub struct SubmitArgs {
    /// The folder of a series
    pub series: PathBuf,
    /// The file to write [default: SERIES.submission.tar.gz here]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Whose it is
    #[arg(long, value_name = "@NAME", value_parser = author)]
    pub author: Option<String>,
    /// Where to read more
    #[arg(long, value_name = "URL", value_parser = link)]
    pub link: Option<String>,
    /// A TOML file of method, based_on, why and data_note, in place of the recipe's
    #[arg(long, value_name = "FILE")]
    pub explanation: Option<PathBuf>,
    /// Git checkout of the program's source [default: this folder, where it is one]
    #[arg(long, value_name = "DIR", conflicts_with = "no_source")]
    pub source: Option<PathBuf>,
    /// Leave the source out
    #[arg(long)]
    pub no_source: bool,
    /// Put the final weights in
    #[arg(long)]
    pub weights: bool,
}

fn author(text: &str) -> Result<String, String> {
    let name = text.strip_prefix('@').unwrap_or(text);
    let fits = |character: char| character.is_alphanumeric() || "-_.".contains(character);
    match !name.is_empty() && name.len() <= WORD_BYTES_MAX && name.chars().all(fits) {
        true => Ok(format!("@{name}")),
        false => Err("a name has letters, digits, `-`, `_` and `.`, as in @ada".to_owned()),
    }
}

fn link(text: &str) -> Result<String, String> {
    let is_address = text.starts_with("https://") || text.starts_with("http://");
    match is_address && text.len() <= WORD_BYTES_MAX && !text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        true => Ok(text.to_owned()),
        false => Err("an address starts with https:// or http:// and has no spaces".to_owned()),
    }
}
