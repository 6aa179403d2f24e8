//! Why no data set was found.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::CLASSES_BYTES_MAX;

/// Why no data set was found; each is a matter of what was typed or what lies there (exit code 2).
#[derive(Debug, Error)]
pub enum CatalogError {
    /// Nothing was asked for.
    #[error("no data named; give --data a folder of .tfrec shards, a glob pattern or a folder of images a class")]
    NothingGiven,
    /// A path that does not exist.
    #[error("{} does not exist; check the path given to --data", path.display())]
    NotFound {
        /// As typed.
        path: PathBuf,
    },
    /// A pattern that fits no file.
    #[error("no file fits {pattern}; check the pattern given to --data (quote it, so that the shell leaves it alone)")]
    NothingMatches {
        /// As typed.
        pattern: String,
    },
    /// A pattern that is none.
    #[error("{pattern} is not a glob pattern: {cause}")]
    BadPattern {
        /// As typed.
        pattern: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A folder without anything in it.
    #[error("{} is empty; put .tfrec shards into it, or folders of images named by class", path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A folder without shards or images.
    #[error("{} holds no .tfrec shards and no folders of images; there is {there}", path.display())]
    NoShards {
        /// The folder.
        path: PathBuf,
        /// Some names.
        there: String,
    },
    /// Images directly in a folder.
    #[error("{} holds images without classes; put each class's images into a folder of its own", path.display())]
    ImagesWithoutClasses {
        /// The folder.
        path: PathBuf,
    },
    /// A parent that lacks the wanted size.
    #[error("{} has no {wanted} px data, only {there}; choose one of these as source_px", path.display())]
    SizeNotThere {
        /// The parent.
        path: PathBuf,
        /// Side asked for, pixels.
        wanted: u32,
        /// The sizes that are there.
        there: String,
    },
    /// A parent of several sizes where none was asked for.
    #[error("{} holds several sizes ({there}); point --data at one of these folders", path.display())]
    SizeNotStated {
        /// The parent.
        path: PathBuf,
        /// The sizes that are there.
        there: String,
    },
    /// Two trees, or a tree and shards.
    #[error("{} is a folder of images a class, which can't be combined with other data; give it alone", path.display())]
    TreeAndMore {
        /// The tree.
        path: PathBuf,
    },
    /// A folder or `classes.txt` that can't be read.
    #[error("can't read {}: {source}; check its permissions", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A list of class names beyond its limit.
    #[error("{} is larger than {CLASSES_BYTES_MAX} bytes; it should hold one class name a line", path.display())]
    ClassNamesTooLarge {
        /// The file.
        path: PathBuf,
    },
}
