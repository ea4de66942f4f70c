//! The reader: one pass over the bytes, with nothing to go back to.

use ct_codecs::{Base64, Decoder};

use super::{Bare, InnerList, Item, Member, Parameters};

/// The most members, items or parameters in a row.
const MOST: usize = 64;

/// Reads a dictionary (RFC 9651 §4.2.2).
pub(in super::super) fn dictionary(text: &[u8]) -> Option<Vec<(String, Member)>> {
    members(text, &mut false)
}

/// The same; `twice` tells if that is no dictionary only because a key stands in it
/// a second time.
pub(in super::super) fn members(text: &[u8], twice: &mut bool) -> Option<Vec<(String, Member)>> {
    let mut rest = Rest(text);
    let mut members: Vec<(String, Member)> = Vec::new();
    rest.skip(b" ");
    rest.trim_end();
    if rest.0.is_empty() {
        return Some(members);
    }
    loop {
        let key = rest.key()?;
        let member = if rest.eat(b'=') {
            if rest.0.first() == Some(&b'(') {
                Member::List(rest.inner_list()?)
            } else {
                Member::Item(Item { bare: rest.bare()?, parameters: rest.parameters()? })
            }
        } else {
            Member::Item(Item { bare: Bare::Bool(true), parameters: rest.parameters()? })
        };
        *twice = members.iter().any(|(known, _)| *known == key);
        if *twice || members.len() >= MOST {
            return None;
        }
        members.push((key, member));
        rest.skip(b" \t");
        if rest.0.is_empty() {
            return Some(members);
        }
        if !rest.eat(b',') {
            return None;
        }
        rest.skip(b" \t");
    }
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn eat(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn take(&mut self, good: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.0.iter().take_while(|b| good(**b)).count();
        let (head, tail) = self.0.split_at_checked(length).unwrap_or((self.0, &[]));
        self.0 = tail;
        head
    }

    fn skip(&mut self, blanks: &[u8]) {
        self.take(|b| blanks.contains(&b));
    }

    fn trim_end(&mut self) {
        while let Some((b' ', head)) = self.0.split_last() {
            self.0 = head;
        }
    }

    fn key(&mut self) -> Option<String> {
        let first = *self.0.first()?;
        if !first.is_ascii_lowercase() && first != b'*' {
            return None;
        }
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b);
        Some(text(self.take(good)))
    }

    fn inner_list(&mut self) -> Option<InnerList> {
        self.eat(b'(').then_some(())?;
        let mut items = Vec::new();
        loop {
            self.skip(b" ");
            if self.eat(b')') {
                return Some(InnerList { items, parameters: self.parameters()? });
            }
            if items.len() >= MOST {
                return None;
            }
            items.push(Item { bare: self.bare()?, parameters: self.parameters()? });
            if !matches!(self.0.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn parameters(&mut self) -> Option<Parameters> {
        let mut parameters: Parameters = Vec::new();
        while self.eat(b';') {
            self.skip(b" ");
            let key = self.key()?;
            let value = if self.eat(b'=') { self.bare()? } else { Bare::Bool(true) };
            if parameters.len() >= MOST || parameters.iter().any(|(known, _)| *known == key) {
                return None;
            }
            parameters.push((key, value));
        }
        Some(parameters)
    }

    fn bare(&mut self) -> Option<Bare> {
        match *self.0.first()? {
            b'"' => self.string(),
            b':' => self.bytes(),
            b'?' => {
                self.eat(b'?');
                let (one, zero) = (self.eat(b'1'), self.eat(b'0'));
                (one != zero).then_some(Bare::Bool(one))
            }
            b'-' | b'0'..=b'9' => self.integer(),
            b if b.is_ascii_alphabetic() || b == b'*' => {
                let good = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b);
                Some(Bare::Token(text(self.take(good))))
            }
            _ => None,
        }
    }

    fn integer(&mut self) -> Option<Bare> {
        let sign = if self.eat(b'-') { -1 } else { 1 };
        let digits = self.take(|b| b.is_ascii_digit());
        if !(1..=15).contains(&digits.len()) || self.0.first() == Some(&b'.') {
            return None;
        }
        let value = digits.iter().fold(0i64, |n, b| n * 10 + i64::from(b - b'0'));
        Some(Bare::Integer(sign * value))
    }

    fn string(&mut self) -> Option<Bare> {
        self.eat(b'"').then_some(())?;
        let mut out = String::new();
        loop {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            match *first {
                b'"' => return Some(Bare::Text(out)),
                b'\\' => {
                    let (escaped, rest) = self.0.split_first()?;
                    self.0 = rest;
                    matches!(escaped, b'"' | b'\\').then(|| out.push(char::from(*escaped)))?;
                }
                b @ 0x20..=0x7e => out.push(char::from(b)),
                _ => return None,
            }
        }
    }

    fn bytes(&mut self) -> Option<Bare> {
        self.eat(b':').then_some(())?;
        let encoded = self.take(|b| b != b':');
        let decoded = Base64::decode_to_vec(encoded, None).ok()?;
        self.eat(b':').then_some(Bare::Bytes(decoded))
    }
}

/// ASCII, as the grammar has it.
fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}
