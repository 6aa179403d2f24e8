//! Everything that can go wrong before cargo takes over: one sentence each, with the cause, the place and a way out.

use std::path::PathBuf;

use crate::wheels::VERSION;

/// What a command here returns.
pub type Result<T> = std::result::Result<T, Problem>;

/// Why set-up stopped.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("there is no `cargo xtask {given}`; `cargo xtask help` lists what there is")]
    Usage { given: String },

    #[error(
        "python3 is not on PATH, and libtorch {VERSION} is fetched as a Python wheel; install Python 3 with pip (Debian: apt install python3 python3-pip), or set LIBTORCH to a libtorch of your own"
    )]
    PythonMissing,

    #[error(
        "{python} has no pip, which fetches libtorch {VERSION}; install it (Debian: apt install python3-pip; elsewhere: python3 -m ensurepip), or set LIBTORCH to a libtorch of your own"
    )]
    PipMissing { python: PathBuf },

    #[error(
        "pip {found} is older than 20.3 and cannot be asked for another platform's wheels; update it (python3 -m pip install --upgrade pip)"
    )]
    PipTooOld { found: String },

    #[error(
        "pip cannot reach its package index ({detail}); check the network, or name a proxy (HTTPS_PROXY) or a mirror (PIP_INDEX_URL), and run the command again"
    )]
    IndexUnreachable { detail: String },

    #[error(
        "pip's package index has no wheel for this machine ({detail}); if PIP_INDEX_URL names a mirror, it may be incomplete, otherwise set LIBTORCH to a libtorch {VERSION} of your own"
    )]
    WheelMissing { detail: String },

    #[error(
        "pip could not fetch libtorch {VERSION} ({detail}); running `python3 -m pip download torch=={VERSION}` may say more"
    )]
    PipFailed { detail: String },

    #[error(
        "no C++ compiler: {name} is not on PATH; install one (Debian: apt install g++; macOS: xcode-select --install), or name yours in CXX"
    )]
    CompilerMissing { name: String },

    #[error(
        "{folder} has {free_mb} MB free, and libtorch needs {needed_mb} MB while it is unpacked ({kept_mb} MB afterwards); make room, or set FASTGARDEN_CACHE to a folder on a larger disk"
    )]
    SpaceTooSmall { folder: PathBuf, free_mb: u64, needed_mb: u64, kept_mb: u64 },

    #[error("the disk of {folder} ran full; make room, or set FASTGARDEN_CACHE to a folder on a larger disk")]
    DiskFull { folder: PathBuf },

    #[error(
        "the cache folder {folder} cannot be written ({source}); make it writable, or set FASTGARDEN_CACHE to a folder that is"
    )]
    CacheNotWritable { folder: PathBuf, source: std::io::Error },

    #[error("there is no place to keep libtorch, because HOME is not set; set FASTGARDEN_CACHE to a folder")]
    NoCache,

    #[error(
        "no libtorch wheel is known for {platform} (there are some for Linux on x86-64 and aarch64 with glibc, and for macOS on arm64); set LIBTORCH to a libtorch {VERSION} of your own"
    )]
    UnsupportedPlatform { platform: String },

    #[error("there is no CUDA build of libtorch for {platform}; run `cargo xtask setup --cpu`")]
    NoCuda { platform: String },

    #[error(
        "{folder} is not a libtorch: it lacks {missing}; point LIBTORCH at the folder that holds lib/ and include/, or unset it"
    )]
    NotLibtorch { folder: PathBuf, missing: &'static str },

    #[error(
        "{folder} is libtorch {found}, and this program needs {VERSION}; unset LIBTORCH to fetch that, or set LIBTORCH_BYPASS_VERSION_CHECK=1 to try anyway"
    )]
    WrongVersion { folder: PathBuf, found: String },

    #[error("LIBTORCH is the relative path {folder}, which means another place in every crate; make it absolute")]
    RelativeLibtorch { folder: PathBuf },

    #[error(
        "{link} is there and is not a link made by set-up, nor a libtorch {VERSION}; move it away and run the command again"
    )]
    LinkOccupied { link: PathBuf },

    #[error("{file} could not be unpacked ({detail}); run the command again, which fetches it afresh")]
    Unpack { file: String, detail: String },

    #[error("{program} failed while {doing} ({detail})")]
    Program { program: String, doing: &'static str, detail: String },

    #[error("there is no proof named {given}; `cargo xtask prove` lists them")]
    NoSuchProof { given: String },

    #[error(
        "README.md must show the commands of its quick start as two lines beginning with `cargo xtask`; it shows {found}"
    )]
    NoCommandsInReadme { found: usize },

    #[error(
        "{name} is not on PATH and could not be installed; install it (Debian: apt install {name}) and run the command again"
    )]
    ProgramMissing { name: &'static str },

    #[error(
        "no browser: neither chromium nor google-chrome is on PATH; install one (Debian: apt install chromium) and run the command again"
    )]
    BrowserMissing,

    #[error("the page is not as it should be: {fault}")]
    Page { fault: String },

    #[error("it is not as claimed: {found}")]
    Unproved { found: String },

    #[error("pip could not install {packages}, which the proof needs; its output is above")]
    PackagesMissing { packages: String },

    #[error("{step} failed; its output is above")]
    Step { step: String },

    #[error("{doing} failed at {path} ({source})")]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
}

impl Problem {
    /// For `map_err`: an I/O error with its place, a full disk told apart.
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Problem {
        let path = path.into();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull => Problem::DiskFull { folder: path },
            _ => Problem::Io { doing, path, source },
        }
    }
}
