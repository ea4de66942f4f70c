//! Structured fields (RFC 9651) as far as rate limits are reported in them: lists and
//! dictionaries of items. Inner lists and display strings are not read.

/// The longest field that is read, in bytes.
const LONGEST: usize = 2_048;

/// The most items of a field, and the most parameters of an item.
const MOST: usize = 32;

/// The most digits of an integer (RFC 9651 §3.3.1).
const DIGITS: usize = 15;

/// A value without parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bare<'a> {
    /// A whole number that is not negative.
    Number(u64),
    /// A string as it stands between its quotes, escapes included, or a token.
    Text(&'a str),
    /// Anything else.
    Other,
}

/// A value with its parameters, names and values in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) value: Bare<'a>,
    parameters: Vec<(&'a str, Bare<'a>)>,
}

impl<'a> Item<'a> {
    /// A parameter; of several of one name the last, as the RFC has it.
    pub(super) fn parameter(&self, name: &str) -> Option<Bare<'a>> {
        self.parameters.iter().rfind(|(own, _)| *own == name).map(|(_, value)| *value)
    }

    pub(super) fn number(&self) -> Option<u64> {
        match self.value {
            Bare::Number(number) => Some(number),
            Bare::Text(_) | Bare::Other => None,
        }
    }
}

/// A list of items. `None`: it is none.
pub(super) fn list(text: &str) -> Option<Vec<Item<'_>>> {
    let mut reader = Reader::new(text)?;
    reader.members(Reader::item)
}

/// A dictionary of items; a key that stands twice is there twice. `None`: it is none.
pub(super) fn dictionary(text: &str) -> Option<Vec<(&str, Item<'_>)>> {
    let mut reader = Reader::new(text)?;
    reader.members(|reader| {
        let key = reader.key()?;
        let value = if reader.takes(b'=') { reader.bare()? } else { Bare::Other };
        Some((key, Item { value, parameters: reader.parameters()? }))
    })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Option<Self> {
        let text = text.trim_matches(' ');
        (text.len() <= LONGEST && text.is_ascii()).then_some(Reader { text, at: 0 })
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let there = self.next() == Some(byte);
        self.at = self.at.saturating_add(usize::from(there));
        there
    }

    /// What stands here of such bytes.
    fn run(&mut self, of: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.bytes().position(|b| !of(b)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(end);
        rest.get(..end).unwrap_or_default()
    }

    /// Members between commas. An empty field has none.
    fn members<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut all = Vec::new();
        while self.next().is_some() {
            if all.len() == MOST {
                return None;
            }
            all.push(one(self)?);
            self.run(|b| b == b' ' || b == b'\t');
            match self.next() {
                None => break,
                Some(b',') => self.takes(b','),
                Some(_) => return None,
            };
            self.run(|b| b == b' ' || b == b'\t');
            // A comma has something behind it.
            self.next()?;
        }
        Some(all)
    }

    fn item(&mut self) -> Option<Item<'a>> {
        Some(Item { value: self.bare()?, parameters: self.parameters()? })
    }

    fn parameters(&mut self) -> Option<Vec<(&'a str, Bare<'a>)>> {
        let mut all = Vec::new();
        while self.takes(b';') {
            if all.len() == MOST {
                return None;
            }
            self.run(|b| b == b' ');
            let name = self.key()?;
            let value = if self.takes(b'=') { self.bare()? } else { Bare::Other };
            all.push((name, value));
        }
        Some(all)
    }

    fn key(&mut self) -> Option<&'a str> {
        self.next().filter(|b| b.is_ascii_lowercase() || *b == b'*')?;
        Some(self.run(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.' | b'*')
        }))
    }

    fn bare(&mut self) -> Option<Bare<'a>> {
        match self.next()? {
            b'"' => self.string(),
            b'-' => {
                self.takes(b'-');
                self.number().map(|_| Bare::Other)
            }
            b if b.is_ascii_digit() => self.number(),
            b if b.is_ascii_alphabetic() || b == b'*' => Some(Bare::Text(self.run(is_token))),
            b':' => self.bytes(),
            b'?' => {
                self.takes(b'?');
                (self.takes(b'0') || self.takes(b'1')).then_some(Bare::Other)
            }
            b'@' => {
                self.takes(b'@');
                self.takes(b'-');
                // A date is an integer.
                match self.number()? {
                    Bare::Number(_) => Some(Bare::Other),
                    Bare::Text(_) | Bare::Other => None,
                }
            }
            _ => None,
        }
    }

    /// A fraction is read and is no whole number.
    fn number(&mut self) -> Option<Bare<'a>> {
        let digits = self.run(|b| b.is_ascii_digit());
        if digits.is_empty() || digits.len() > DIGITS {
            return None;
        }
        if self.takes(b'.') {
            let fraction = self.run(|b| b.is_ascii_digit());
            return (digits.len() <= 12 && matches!(fraction.len(), 1..=3)).then_some(Bare::Other);
        }
        digits.parse().ok().map(Bare::Number)
    }

    fn string(&mut self) -> Option<Bare<'a>> {
        self.takes(b'"');
        let begins = self.at;
        loop {
            self.run(|b| matches!(b, 0x20..=0x7e) && b != b'"' && b != b'\\');
            let ends = self.at;
            if self.takes(b'"') {
                return self.text.get(begins..ends).map(Bare::Text);
            }
            let escaped = self.takes(b'\\') && (self.takes(b'"') || self.takes(b'\\'));
            if !escaped {
                return None;
            }
        }
    }

    fn bytes(&mut self) -> Option<Bare<'a>> {
        self.takes(b':');
        self.run(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
        self.takes(b':').then_some(Bare::Other)
    }
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b)
}
