//! libtorch in the user's cache: fetched once, unpacked beside, and renamed when whole, so that what is there under its
//! name is complete whatever was interrupted. Not for where the checkout finds it: that is `link`.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::environment::Environment;
use crate::problem::{Problem, Result};
use crate::python::{Python, last_line};
use crate::wheels::{VERSION, Wheels};

/// Written last into the unpacked folder: the layout's version, then the wheels it was made of.
const MARKER: &str = "complete";
const LAYOUT: &str = "layout 1";

/// The library that every libtorch folder has.
pub const LIBRARY: &str = if cfg!(target_os = "macos") { "lib/libtorch_cpu.dylib" } else { "lib/libtorch_cpu.so" };

/// The folder that libtorch is kept in, made of FASTGARDEN_CACHE, XDG_CACHE_HOME or HOME.
pub fn cache_folder(environment: &Environment) -> Result<PathBuf> {
    if let Some(folder) = environment.variable("FASTGARDEN_CACHE") {
        return std::path::absolute(folder).map_err(Problem::io("finding the cache folder", folder));
    }
    if let Some(folder) = environment.variable("XDG_CACHE_HOME") {
        return Ok(Path::new(folder).join("fastgarden"));
    }
    let home = environment.variable("HOME").ok_or(Problem::NoCache)?;
    Ok(Path::new(home).join(".cache/fastgarden"))
}

/// Whether a folder lies in the cache, as far as both can be found.
pub fn is_in_cache(folder: &Path, environment: &Environment) -> bool {
    let cache = cache_folder(environment).ok().and_then(|cache| cache.canonicalize().ok());
    cache.is_some_and(|cache| folder.canonicalize().is_ok_and(|folder| folder.starts_with(cache)))
}

/// The libtorch folder in `cache`, fetched if it is not there yet.
pub fn ensure(environment: &Environment, cache: &Path, wheels: &Wheels) -> Result<PathBuf> {
    let home = cache.join(wheels.folder_name());
    if !is_complete(&home) {
        let not_writable = |source| Problem::CacheNotWritable { folder: cache.to_path_buf(), source };
        fs::create_dir_all(cache).map_err(not_writable)?;
        let lock = File::create(cache.join(format!("{}.lock", wheels.folder_name()))).map_err(not_writable)?;
        wait_for(&lock).map_err(Problem::io("locking", cache))?;
        // Another set-up may have finished while this one waited.
        if !is_complete(&home) {
            fetch(environment, cache, wheels, &home)?;
        }
    }
    Ok(home.join("torch"))
}

fn is_complete(home: &Path) -> bool {
    fs::read_to_string(home.join(MARKER)).is_ok_and(|text| text.lines().next() == Some(LAYOUT))
        && home.join("torch").join(LIBRARY).is_file()
}

/// Takes the lock, which ends with the process whatever happens to it.
fn wait_for(lock: &File) -> std::io::Result<()> {
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            eprintln!("another set-up is fetching libtorch; waiting for it");
            lock.lock()
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn fetch(environment: &Environment, cache: &Path, wheels: &Wheels, home: &Path) -> Result<()> {
    let python = Python::find(environment)?;
    let partial = cache.join(format!("{}.partial", wheels.folder_name()));
    remove(&partial)?;
    check_space(cache, wheels)?;
    let downloads = partial.join("wheels");
    fs::create_dir_all(&downloads).map_err(Problem::io("writing", &downloads))?;

    let outcome = fetch_into(environment, &python, wheels, &partial, &downloads, cache);
    if outcome.is_err() {
        // Half a gigabyte that nobody would look for; the error at hand matters more than one from here.
        let _ = fs::remove_dir_all(&partial);
    }
    outcome?;
    remove(home)?;
    fs::rename(&partial, home).map_err(Problem::io("renaming", home))
}

fn fetch_into(
    environment: &Environment,
    python: &Python,
    wheels: &Wheels,
    partial: &Path,
    downloads: &Path,
    cache: &Path,
) -> Result<()> {
    let began = Instant::now();
    let mut progress = Progress::new(wheels.download_mb());
    eprintln!("fetching libtorch {VERSION} ({} MB, once; kept in {})", wheels.download_mb(), cache.display());
    python.download(wheels, downloads, || progress.show(downloads))?;
    progress.end();
    eprintln!("unpacking {} MB", wheels.kept_mb());

    let mut marker = format!("{LAYOUT}\n");
    for wheel in files_ending_in(downloads, "whl")? {
        python.unpack(&wheel, partial, wheels)?;
        marker.push_str(&format!("{}\n", wheel.file_name().unwrap_or_default().to_string_lossy()));
        fs::remove_file(&wheel).map_err(Problem::io("removing", &wheel))?;
    }
    remove(downloads)?;
    if wheels.needs_stub() {
        write_stub(environment, &partial.join("torch/lib/libtorch.so"))?;
    }
    let version_path = partial.join("torch/build-version");
    fs::write(&version_path, format!("{VERSION}\n")).map_err(Problem::io("writing", &version_path))?;
    fs::write(partial.join(MARKER), marker).map_err(Problem::io("writing", partial))?;
    eprintln!("libtorch {VERSION} is ready after {} s", began.elapsed().as_secs());
    Ok(())
}

fn check_space(cache: &Path, wheels: &Wheels) -> Result<()> {
    let disk = rustix::fs::statvfs(cache).map_err(|error| Problem::io("asking for free space", cache)(error.into()))?;
    let free_mb = disk.f_bavail.saturating_mul(disk.f_frsize) / 1_000_000;
    if free_mb >= wheels.needed_mb() {
        return Ok(());
    }
    let folder = cache.to_path_buf();
    Err(Problem::SpaceTooSmall { folder, free_mb, needed_mb: wheels.needed_mb(), kept_mb: wheels.kept_mb() })
}

/// torch-sys links `-ltorch`, a library without code whose only content is the wish for the CUDA half.
fn write_stub(environment: &Environment, path: &Path) -> Result<()> {
    let compiler = environment.variable("CC").unwrap_or(OsStr::new("cc"));
    let output = environment
        .command(compiler)
        .args(["-shared", "-x", "c", "/dev/null", "-o"])
        .arg(path)
        .output()
        .map_err(|_| Problem::CompilerMissing { name: compiler.to_string_lossy().into_owned() })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Problem::Program {
        program: compiler.to_string_lossy().into_owned(),
        doing: "making an empty libtorch.so",
        detail: last_line(&String::from_utf8_lossy(&output.stderr)),
    })
}

fn files_ending_in(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Problem::io("listing", folder))? {
        let path = entry.map_err(Problem::io("listing", folder))?.path();
        if path.extension() == Some(OsStr::new(extension)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Problem::io("removing", folder)(error)),
        _ => Ok(()),
    }
}

/// How far the download is, from the size of what has arrived: in place on a terminal, else a line every ten seconds.
struct Progress {
    total_mb: u64,
    is_terminal: bool,
    shown: Instant,
}

impl Progress {
    fn new(total_mb: u64) -> Self {
        Self { total_mb, is_terminal: std::io::stderr().is_terminal(), shown: Instant::now() }
    }

    fn show(&mut self, folder: &Path) {
        let pause = if self.is_terminal { Duration::ZERO } else { Duration::from_secs(10) };
        if self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        let arrived_mb = (size_bytes(folder) / 1_000_000).min(self.total_mb);
        if self.is_terminal {
            eprint!("\r  {arrived_mb} of {} MB ", self.total_mb);
            // A terminal that is gone takes no progress, which is no reason to stop.
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("  {arrived_mb} of {} MB", self.total_mb);
        }
    }

    fn end(&self) {
        if self.is_terminal {
            eprint!("\r{:40}\r", "");
        }
    }
}

/// Bytes in a folder that another process is writing: what vanishes meanwhile counts as nothing.
fn size_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::wheels::{Platform, Variant};

    fn wheels() -> Wheels {
        Wheels::new(Platform::LinuxX86, Variant::Cpu).expect("a known platform")
    }

    /// A machine whose python3 makes wheels out of nothing: a real one only in that it obeys the same command line.
    fn machine(folder: &Path, download: &str) -> Environment {
        let script = format!(
            r#"#!/bin/sh
case "$*" in
  *--version*) echo "pip 24.0 from somewhere" ;;
  *download*) while [ "$1" != --dest ]; do shift; done; cd "$2"; {download} ;;
  *) mkdir -p "$5/torch/lib"; cp "$4" "$5/torch/lib/libtorch_cpu.so"; cp "$4" "$5/torch/lib/libtorch_cpu.dylib" ;;
esac
"#
        );
        for (name, text) in
            [("python3", script.as_str()), ("cc", "#!/bin/sh\nfor last; do :; done; echo stub > \"$last\"\n")]
        {
            let path = folder.join(name);
            fs::write(&path, text).expect("a script");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
        }
        let system = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&system)));
        Environment::of(&[("PATH", &path.expect("a PATH"))])
    }

    #[test]
    fn what_was_fetched_is_whole_and_is_fetched_once() {
        let (bin, cache) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let environment = machine(bin.path(), "echo code > torch-1-py3.whl");
        // What an interrupted set-up left behind.
        let partial = cache.path().join(format!("{}.partial", wheels().folder_name()));
        fs::create_dir_all(partial.join("old")).expect("folders");

        let folder = ensure(&environment, cache.path(), &wheels()).expect("fetched");
        assert!(folder.join(LIBRARY).is_file());
        assert_eq!(fs::read_to_string(folder.join("lib/libtorch.so")).expect("the stub"), "stub\n");
        assert!(!partial.exists() && !folder.join("../wheels").exists() && !folder.join("../old").exists());
        let marker = fs::read_to_string(folder.join("..").join(MARKER)).expect("the marker");
        assert_eq!(marker, format!("{LAYOUT}\ntorch-1-py3.whl\n"));

        let offline = machine(bin.path(), "echo NewConnectionError; exit 1");
        assert_eq!(ensure(&offline, cache.path(), &wheels()).expect("in the cache"), folder);
    }

    #[test]
    fn a_damaged_libtorch_is_fetched_again() {
        let (bin, cache) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let environment = machine(bin.path(), "echo code > torch-1-py3.whl");
        let folder = ensure(&environment, cache.path(), &wheels()).expect("fetched");
        fs::remove_file(folder.join("..").join(MARKER)).expect("removed");
        fs::write(folder.join("leftover"), "").expect("a file");
        ensure(&environment, cache.path(), &wheels()).expect("fetched again");
        assert!(!folder.join("leftover").exists());
    }

    #[test]
    fn an_unreachable_index_leaves_nothing_behind() {
        let (bin, cache) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let environment = machine(bin.path(), "echo NewConnectionError; exit 1");
        let problem = ensure(&environment, cache.path(), &wheels()).expect_err("offline");
        assert!(matches!(problem, Problem::IndexUnreachable { .. }), "{problem}");
        let left: Vec<_> =
            fs::read_dir(cache.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, [OsStr::new(&format!("{}.lock", wheels().folder_name()))]);
    }

    #[test]
    fn a_cache_that_cannot_be_a_folder_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let problem = ensure(&Environment::of(&[]), &file.path().join("cache"), &wheels()).expect_err("a file");
        assert!(matches!(problem, Problem::CacheNotWritable { .. }), "{problem}");
    }

    #[test]
    fn the_cache_is_the_nearest_that_the_user_named() {
        let home = Environment::of(&[("HOME", OsStr::new("/people/rose"))]);
        assert_eq!(cache_folder(&home).expect("a home"), Path::new("/people/rose/.cache/fastgarden"));
        let xdg = home.with("XDG_CACHE_HOME", "/caches");
        assert_eq!(cache_folder(&xdg).expect("a cache"), Path::new("/caches/fastgarden"));
        assert_eq!(cache_folder(&xdg.with("FASTGARDEN_CACHE", "/large")).expect("a cache"), Path::new("/large"));
        assert!(matches!(cache_folder(&Environment::of(&[])), Err(Problem::NoCache)));
    }
}
