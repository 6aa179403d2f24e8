//! Asking a server on this machine, over HTTP. Not a client for anything else.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::problem::{Problem, Result};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks for a path; the answer is still to be read, and ends with the connection.
pub fn ask(authority: &str, path: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(authority)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // An answer to 1.0 is never in chunks.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {authority}\r\nConnection: close\r\n\r\n")?;
    Ok(stream)
}

/// What a server answers to a path.
pub fn get(authority: &str, path: &str) -> Result<String> {
    let failed = |detail: String| Problem::Program {
        program: format!("http://{authority}"),
        doing: "being asked",
        detail: format!("{path}: {detail}"),
    };
    let answer = || -> io::Result<(String, String)> {
        let mut reader = BufReader::new(ask(authority, path)?);
        let (mut status, mut body) = (String::new(), String::new());
        reader.read_line(&mut status)?;
        // Headers end with an empty line, and the body with the connection.
        while reader.read_line(&mut body)? > 2 {
            body.clear();
        }
        body.clear();
        reader.read_to_string(&mut body)?;
        Ok((status, body))
    };
    let (status, body) = answer().map_err(|error| failed(error.to_string()))?;
    if status.split(' ').nth(1) == Some("200") { Ok(body) } else { Err(failed(format!("{} {body}", status.trim()))) }
}

/// The answer as JSON.
pub fn json(authority: &str, path: &str) -> Result<Value> {
    let text = get(authority, path)?;
    serde_json::from_str(&text).map_err(|error| Problem::Program {
        program: format!("http://{authority}"),
        doing: "answering",
        detail: format!("{path}: {error}"),
    })
}

/// Waits until a server answers.
pub fn until_there(authority: &str, path: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        match get(authority, path) {
            Ok(_) => return Ok(()),
            Err(problem) if begun.elapsed() > PATIENCE => return Err(problem),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// A text as part of an address.
pub fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_an_address_is_escaped() {
        assert_eq!(escaped("rate(a_b{c=\"d\"}[1m])"), "rate%28a_b%7Bc%3D%22d%22%7D%5B1m%5D%29");
    }
}
