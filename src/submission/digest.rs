//! SHA-256 of whatever can be read, in pieces.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::recipe::hex;

/// Bytes read at once.
const PIECE_BYTES: usize = 1 << 16;

/// Length and hash, hex.
pub fn of_reader(mut reader: impl Read) -> io::Result<(u64, String)> {
    let (mut hasher, mut length) = (Sha256::new(), 0);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok((length, hex(&hasher.finalize()))),
            read => {
                hasher.update(&piece[..read]);
                length += read as u64;
            }
        }
    }
}

/// Of a whole file.
pub fn of_file(path: &Path) -> io::Result<(u64, String)> {
    of_reader(File::open(path)?)
}
