//! `submit`: one file of a series, written only if it would stand.
//! Not here: what goes into it, or the judgement (submission).

use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::SubmitArgs;
use crate::exit::{Complaint, Failure, OrFail as _};
use crate::series;
use crate::submission::{
    Against, Explanation, FoundSource, Packing, Submission, TEMPLATE, find_source, judge, pack, write,
};
use crate::verify_command::verdict;

/// Runs the command.
pub fn run(args: &SubmitArgs) -> Result<(), Failure> {
    let _held = series::hold(&args.series)?;
    let out = out_path(args)?;
    let aside = tempfile::tempdir().or_run()?;
    let (source, note) = source(args)?;
    let packing = Packing {
        author: args.author.clone(),
        link: args.link.clone(),
        explanation: args.explanation.as_deref().map(Explanation::read).transpose().or_usage()?,
        source,
        with_weights: args.weights,
    };
    let (about, files) = pack(&args.series, &packing, aside.path())?;
    let unfinished = Unfinished::beside(&out);
    let written = std::fs::File::create(&unfinished.path).map(BufWriter::new);
    written.and_then(|file| write(file, about, &files)).map_err(|error| unwritable(&out, error))?;
    // Judged as anybody else would: from the file.
    let submission = Submission { path: out.clone(), ..Submission::read(&unfinished.path).or_run()? };
    let against = Against::default();
    let judgement = judge(&submission, &against);
    let mut text = verdict::text(&submission, &judgement, &against);
    text.extend(note.map(|note| format!("note    {note}\n")));
    if !judgement.stands() {
        if judgement.fails(8) || judgement.fails(9) {
            text += &template();
        }
        io::stdout().lock().write_all(text.as_bytes())?;
        let cause = anyhow::anyhow!("no submission was written: {}", verdict::sentence(&judgement));
        return Err(Failure::Rules(Complaint::new(cause)));
    }
    std::fs::rename(&unfinished.path, &out).map_err(|error| unwritable(&out, error))?;
    text += &format!("wrote   {}\ncheck   fastgarden-actors verify {}\n", out.display(), out.display());
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// `<series>.submission.tar.gz` here, unless another place was named.
fn out_path(args: &SubmitArgs) -> Result<PathBuf, Failure> {
    if let Some(out) = &args.out {
        return Ok(out.clone());
    }
    let series = args.series.canonicalize().or_usage()?;
    let name = series.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(PathBuf::from(format!("{name}.submission.tar.gz")))
}

/// The source that was named, or this folder where it is one; else none, and why.
fn source(args: &SubmitArgs) -> Result<(Option<FoundSource>, Option<String>), Failure> {
    match (&args.source, args.no_source) {
        (_, true) => Ok((None, Some("without its source nobody else can build the program".to_owned()))),
        (Some(folder), _) => match find_source(folder) {
            Ok(found) => Ok((Some(found), None)),
            Err(why) => Err(Failure::usage(why, "name a git checkout of the program's source, or --no-source")),
        },
        (None, false) => match find_source(Path::new(".")) {
            Ok(found) => Ok((Some(found), None)),
            Err(why) => Ok((None, Some(format!("no source in it ({why}); name it with --source DIR")))),
        },
    }
}

fn template() -> String {
    let lines: String = TEMPLATE.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "\nwrite what is missing into a file and name it with --explanation FILE, or into the recipe before training:\n\n{lines}\n"
    )
}

fn unwritable(out: &Path, error: io::Error) -> Failure {
    let cause = anyhow::Error::new(error).context(format!("cannot write {}", out.display()));
    Failure::Usage(Complaint::new(cause).way_out("name another file with --out"))
}

/// A file under a temporary name, removed unless it was renamed.
struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    fn beside(out: &Path) -> Self {
        let mut name = out.as_os_str().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        Self { path: PathBuf::from(name) }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Gone already when it was renamed.
        let _ = std::fs::remove_file(&self.path);
    }
}
