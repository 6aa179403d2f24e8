//! Reading frames: one positional read for records that lie side by side.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{Index, Store};

impl Index {
    /// Appends the frames of `count` records from `first` on to `buffer`, with one positional read. They must lie side
    /// by side ([`Index::are_contiguous`]). Nothing is checked but the length; on failure `buffer` is as it was.
    pub fn read_frames(&self, first: u32, count: u32, buffer: &mut Vec<u8>) -> io::Result<()> {
        let start = buffer.len();
        let result = self.append_frames(first, count, buffer);
        if result.is_err() {
            buffer.truncate(start);
        }
        result
    }

    fn append_frames(&self, first: u32, count: u32, buffer: &mut Vec<u8>) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        let shard = self.shard_of(first);
        let last = first + (count - 1);
        if !(first..last).all(|record| self.are_contiguous(record, record + 1)) {
            let message = format!("records {first} to {last} do not lie side by side");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let offset = self.address(first).offset;
        let length = self.address(last).offset + self.frame_bytes(last) - offset;
        let start = buffer.len();
        buffer.resize(start + length as usize, 0);
        let target = &mut buffer[start..];
        match &shard.store {
            Store::File(Some(file)) => read_at(file, &shard.path, target, offset),
            Store::File(None) => read_at(&open(&shard.path)?, &shard.path, target, offset),
            Store::Memory(bytes) => {
                // Addresses were found in these very bytes.
                target.copy_from_slice(&bytes[offset as usize..][..length as usize]);
                Ok(())
            }
            Store::Folder { root, files, .. } => {
                let path = root.join(&files[(first - shard.first_record) as usize]);
                read_at(&open(&path)?, &path, target, 0)
            }
        }
    }

    /// Appends one frame like [`Index::read_frames`], past the page cache where the system can be told to drop it:
    /// a CRC that fails once may be a flipped bit in memory rather than on disk.
    pub fn reread_uncached(&self, record: u32, buffer: &mut Vec<u8>) -> io::Result<()> {
        let shard = self.shard_of(record);
        match &shard.store {
            Store::File(Some(file)) => drop_cached(file, self.address(record).offset, self.frame_bytes(record)),
            Store::File(None) => {
                drop_cached(&open(&shard.path)?, self.address(record).offset, self.frame_bytes(record))
            }
            Store::Memory(_) => {}
            Store::Folder { root, files, .. } => {
                let path = root.join(&files[(record - shard.first_record) as usize]);
                drop_cached(&open(&path)?, 0, self.frame_bytes(record));
            }
        }
        self.read_frames(record, 1, buffer)
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::open(path).map_err(|error| at(path, error))
}

fn read_at(file: &File, path: &Path, target: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(target, offset).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            let message =
                format!("{} became shorter since it was indexed; leave data alone while it is used", path.display());
            io::Error::new(io::ErrorKind::UnexpectedEof, message)
        }
        _ => at(path, error),
    })
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("can't read {}: {error}", path.display()))
}

/// Best effort: the next read is right either way, only perhaps from the same memory.
#[cfg(target_os = "linux")]
fn drop_cached(file: &File, offset: u64, length: u64) {
    let _ = rustix::fs::fadvise(file, offset, std::num::NonZeroU64::new(length), rustix::fs::Advice::DontNeed);
}

#[cfg(not(target_os = "linux"))]
fn drop_cached(_file: &File, _offset: u64, _length: u64) {}
