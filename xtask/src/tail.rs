//! Following a file that grows.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// The most that is read at once.
const PART: u64 = 1024 * 1024;

/// A file that is read to its end again and again.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    read: u64,
    rest: Vec<u8>,
}

impl Tail {
    /// From its beginning.
    pub fn new(path: PathBuf) -> Self {
        Tail { path, read: 0, rest: Vec::new() }
    }

    /// The whole lines that came since; a file that shrank is read anew.
    pub fn lines(&mut self) -> Vec<String> {
        let Ok(mut file) = File::open(&self.path) else { return Vec::new() };
        let length = file.metadata().map_or(0, |m| m.len());
        if length < self.read {
            (self.read, self.rest) = (0, Vec::new());
        }
        let mut part = Vec::new();
        let begun = file.seek(SeekFrom::Start(self.read)).is_ok();
        if !begun || file.take(PART).read_to_end(&mut part).is_err() {
            return Vec::new();
        }
        self.read += part.len() as u64;
        self.rest.append(&mut part);
        let Some(end) = self.rest.iter().rposition(|b| *b == b'\n') else { return Vec::new() };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_come_whole_and_once() {
        let path = std::env::temp_dir().join(format!("postern-tail-{}", std::process::id()));
        let mut tail = Tail::new(path.clone());
        assert!(tail.lines().is_empty());
        fs::write(&path, "one\ntw").unwrap();
        assert_eq!(tail.lines(), ["one"]);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"o\nthree\n").unwrap();
        assert_eq!(tail.lines(), ["two", "three"]);
        assert!(tail.lines().is_empty());
        fs::write(&path, "new\n").unwrap();
        assert_eq!(tail.lines(), ["new"]);
        fs::remove_file(&path).unwrap();
    }
}
