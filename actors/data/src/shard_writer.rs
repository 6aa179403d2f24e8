//! Writing shards: a file appears under its name only when it is whole.
//! Not for: appending to shards that are there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::write::{GzEncoder, ZlibEncoder};

use crate::compression::Compression;
use crate::framing::write_frame;

/// Keeps apart the temporary names of two writers in one process.
static WRITERS: AtomicU64 = AtomicU64::new(0);

/// Writes one shard under a temporary, hidden name beside its own; [`ShardWriter::finish`] gives it its name.
/// Dropped before that, it leaves nothing behind.
pub struct ShardWriter {
    out: Option<Encoder>,
    temporary: PathBuf,
    path: PathBuf,
    records: u64,
}

enum Encoder {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zlib(ZlibEncoder<BufWriter<File>>),
}

impl ShardWriter {
    /// Starts a plain shard. The folder must be there; a shard of that name is replaced when this one is finished.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::create_compressed(path, Compression::Plain)
    }

    /// Starts a shard that is compressed as a whole, as TensorFlow's writer does it.
    pub fn create_compressed(path: impl AsRef<Path>, compression: Compression) -> io::Result<Self> {
        let path = path.as_ref().to_path_buf();
        let name =
            path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a shard needs a name"))?;
        let number = WRITERS.fetch_add(1, Ordering::Relaxed);
        let mut temporary_name = OsString::from(".");
        temporary_name.push(name);
        temporary_name.push(format!(".{}-{number}.tmp", std::process::id()));
        let temporary = path.with_file_name(temporary_name);
        let file = BufWriter::with_capacity(1 << 20, File::create_new(&temporary)?);
        let level = flate2::Compression::default();
        let out = match compression {
            Compression::Plain => Encoder::Plain(file),
            Compression::Gzip => Encoder::Gzip(GzEncoder::new(file, level)),
            Compression::Zlib => Encoder::Zlib(ZlibEncoder::new(file, level)),
        };
        Ok(Self { out: Some(out), temporary, path, records: 0 })
    }

    /// Appends one record.
    pub fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        match self.out.as_mut().expect("the encoder is taken by finish alone, which consumes the writer") {
            Encoder::Plain(out) => write_frame(out, payload),
            Encoder::Gzip(out) => write_frame(out, payload),
            Encoder::Zlib(out) => write_frame(out, payload),
        }?;
        self.records += 1;
        Ok(())
    }

    /// Makes the shard durable, gives it its name, and returns how many records it holds.
    pub fn finish(mut self) -> io::Result<u64> {
        let buffer = match self.out.take().expect("the encoder is taken here alone") {
            Encoder::Plain(out) => out,
            Encoder::Gzip(out) => out.finish()?,
            Encoder::Zlib(out) => out.finish()?,
        };
        buffer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        sync_folder_of(&self.path)?;
        Ok(self.records)
    }
}

impl Drop for ShardWriter {
    fn drop(&mut self) {
        // After `finish` the temporary name is gone; otherwise nobody needs the part that was written.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Makes a rename in the folder of `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::check_frame;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_shard_has_its_name_only_when_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tfrec");
        let mut writer = ShardWriter::create(&path).unwrap();
        writer.write(b"payload").unwrap();
        assert!(!path.exists());
        assert_eq!(writer.finish().unwrap(), 1);
        assert_eq!(names(folder.path()), ["a.tfrec"]);
        assert_eq!(check_frame(&fs::read(&path).unwrap()).unwrap(), b"payload");
    }

    #[test]
    fn an_abandoned_shard_leaves_nothing_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tfrec");
        fs::write(&path, b"old").unwrap();
        let mut writer = ShardWriter::create(&path).unwrap();
        writer.write(b"new").unwrap();
        drop(writer);
        assert_eq!(names(folder.path()), ["a.tfrec"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(ShardWriter::create(folder.path().join("none/a.tfrec")).is_err());
    }
}
