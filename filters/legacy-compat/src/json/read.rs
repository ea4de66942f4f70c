//! The reader: strict RFC 8259, one pass, depth bounded.

use super::{Key, Kind, Value};

/// Deeper documents are refused: the reader's stack is bounded with it.
const MAX_DEPTH: usize = 128;

/// Where and why a text is not a JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadJson {
    /// The offset in bytes.
    pub(crate) at: usize,
    /// What stands there.
    pub(crate) what: &'static str,
}

/// Reads the one value that the whole text is.
pub(super) fn value(source: &str) -> Result<Value, BadJson> {
    let mut reader = Reader { bytes: source.as_bytes(), at: 0 };
    reader.blanks();
    let value = reader.value(0)?;
    reader.blanks();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.bad("something after the document")),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn bad(&self, what: &'static str) -> BadJson {
        BadJson { at: self.at, what }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.step();
        }
        there
    }

    fn value(&mut self, depth: usize) -> Result<Value, BadJson> {
        if depth > MAX_DEPTH {
            return Err(self.bad("too deep"));
        }
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => {
                self.text()?;
                Kind::Text
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Kind::Number
            }
            Some(b't') => self.word(b"true", Kind::Bool)?,
            Some(b'f') => self.word(b"false", Kind::Bool)?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            Some(_) => return Err(self.bad("no value")),
            None => return Err(self.bad("the end")),
        };
        Ok(Value { start, end: self.at, kind })
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, BadJson> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.bad("no value"));
        }
        self.at = self.at.saturating_add(word.len());
        Ok(kind)
    }

    fn object(&mut self, depth: usize) -> Result<Kind, BadJson> {
        self.step();
        let mut members = Vec::new();
        self.blanks();
        if self.take(b'}') {
            return Ok(Kind::Object(members));
        }
        loop {
            self.blanks();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.bad("no member name"));
            }
            self.text()?;
            let key = Key { start, end: self.at };
            self.blanks();
            if !self.take(b':') {
                return Err(self.bad("no colon"));
            }
            self.blanks();
            members.push((key, self.value(depth.saturating_add(1))?));
            self.blanks();
            if self.take(b'}') {
                return Ok(Kind::Object(members));
            }
            if !self.take(b',') {
                return Err(self.bad("no comma"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Kind, BadJson> {
        self.step();
        let mut items = Vec::new();
        self.blanks();
        if self.take(b']') {
            return Ok(Kind::List(items));
        }
        loop {
            self.blanks();
            items.push(self.value(depth.saturating_add(1))?);
            self.blanks();
            if self.take(b']') {
                return Ok(Kind::List(items));
            }
            if !self.take(b',') {
                return Err(self.bad("no comma"));
            }
        }
    }

    fn text(&mut self) -> Result<(), BadJson> {
        self.step();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.step();
                    return Ok(());
                }
                Some(b'\\') => {
                    self.step();
                    self.escape()?;
                }
                Some(0..=0x1f) => return Err(self.bad("a control character")),
                Some(_) => self.step(),
                None => return Err(self.bad("the end")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), BadJson> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.step(),
            Some(b'u') => {
                self.step();
                for _ in 0..4 {
                    if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                        return Err(self.bad("no escape"));
                    }
                    self.step();
                }
            }
            _ => return Err(self.bad("no escape")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), BadJson> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.step();
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), BadJson> {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.bad("no digit"));
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.step();
        }
        Ok(())
    }
}
