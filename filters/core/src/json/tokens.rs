//! What JSON texts are made of (RFC 8259), strictly: a string holds no lone surrogates.
//!
//! A reader of its own: another one would turn numbers into floats and back, which is
//! much code, and keeps fewer of their digits than stand there.

use std::borrow::Cow;
use std::str::Chars;

use crate::bytes;

/// Deeper documents are refused: the stack is bounded with it.
pub(crate) const MAX_DEPTH: usize = 127;

/// A whole number of so many digits has 64 bits at most.
const FEW: usize = 18;

/// What is left of a text. Where it finds something else than it should, it stays there.
pub(crate) struct Tokens<'t>(Chars<'t>);

/// A number.
pub(crate) enum Number<'t> {
    /// A whole one.
    Int(i64),
    /// A whole one beyond those.
    Large(u64),
    /// Another one, as it is written.
    Float(&'t str),
}

impl<'t> Tokens<'t> {
    /// From the beginning.
    pub(crate) fn new(text: &'t str) -> Self {
        Tokens(text.chars())
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'t str {
        self.0.as_str()
    }

    pub(crate) fn next(&self) -> Option<u8> {
        self.rest().as_bytes().first().copied()
    }

    /// Passes over a character.
    pub(crate) fn step(&mut self) {
        self.0.next();
    }

    pub(crate) fn blanks(&mut self) {
        // Who writes for a machine writes none.
        if self.next().is_some_and(|b| b <= b' ') {
            self.pass_blanks();
        }
    }

    #[cold]
    fn pass_blanks(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
    }

    /// This sign of ASCII, if it comes next.
    pub(crate) fn takes(&mut self, sign: u8) -> bool {
        let is_there = self.next() == Some(sign);
        if is_there {
            self.step();
        }
        is_there
    }

    /// Blanks, and then this sign.
    pub(crate) fn sign(&mut self, sign: u8) -> bool {
        self.blanks();
        self.takes(sign)
    }

    pub(crate) fn word(&mut self, word: &str) -> Option<()> {
        word.bytes().all(|b| self.takes(b)).then_some(())
    }

    /// A string. What it holds is borrowed where it stands there as it is.
    pub(crate) fn string(&mut self) -> Option<Cow<'t, str>> {
        self.takes(b'"').then_some(())?;
        // Nearly all are without escapes.
        let rest = self.rest();
        let end = bytes::string_end(rest.as_bytes());
        if let Some((text, after)) = end.and_then(|end| rest.split_at_checked(end)) {
            let mut after = Tokens::new(after);
            if after.takes(b'"') {
                *self = after;
                return Some(Cow::Borrowed(text));
            }
        }
        self.string_with_escapes().map(Cow::Owned)
    }

    /// A string whose opening quote is passed.
    #[cold]
    fn string_with_escapes(&mut self) -> Option<String> {
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let length = bytes::string_end(rest.as_bytes()).unwrap_or(rest.len());
            let (text, after) = rest.split_at_checked(length)?;
            out.push_str(text);
            *self = Tokens::new(after);
            if self.takes(b'"') {
                return Some(out);
            }
            self.takes(b'\\').then_some(())?;
            out.push(self.escaped()?);
        }
    }

    /// What an escape stands for, its backslash passed.
    fn escaped(&mut self) -> Option<char> {
        let c = match self.next()? {
            b'u' => {
                self.step();
                let first = self.unit()?;
                if !matches!(first, 0xd800..0xdc00) {
                    return char::from_u32(first);
                }
                (self.takes(b'\\') && self.takes(b'u')).then_some(())?;
                let low = self.unit()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                return char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low);
            }
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            c @ (b'"' | b'\\' | b'/') => char::from(c),
            _ => return None,
        };
        self.step();
        Some(c)
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit << 4 | char::from(self.next()?).to_digit(16)?;
            self.step();
        }
        Some(unit)
    }

    pub(crate) fn number(&mut self) -> Option<Number<'t>> {
        let from = self.rest();
        let is_negative = self.takes(b'-');
        let digits = if self.takes(b'0') { 0 } else { self.digits()? };
        let mut is_whole = true;
        if self.takes(b'.') {
            is_whole = false;
            self.digits()?;
        }
        if self.takes(b'e') || self.takes(b'E') {
            is_whole = false;
            let _ = self.takes(b'+') || self.takes(b'-');
            self.digits()?;
        }
        let length = from.len().saturating_sub(self.rest().len());
        // As a whole number, `-0` would lose its sign.
        let is_small = is_whole && length <= FEW && (digits != 0 || !is_negative);
        if is_small {
            return Some(Number::Int(if is_negative { -digits } else { digits }));
        }
        let text = from.get(..length)?;
        let whole = || text.parse().ok().map(Number::Int);
        let large = || text.parse().ok().map(Number::Large);
        let number = if is_whole && text != "-0" { whole().or_else(large) } else { None };
        Some(number.unwrap_or(Number::Float(text)))
    }

    /// At least one digit. The number that they are, if they are few.
    fn digits(&mut self) -> Option<i64> {
        let rest = self.rest();
        let (mut number, mut length) = (0i64, 0);
        for digit in rest.bytes().map(|b| b.wrapping_sub(b'0')).take_while(|digit| *digit < 10) {
            number = number.wrapping_mul(10).wrapping_add(i64::from(digit));
            length += 1;
        }
        let (_, after) = rest.split_at_checked(length)?;
        *self = Tokens::new(after);
        (length > 0).then_some(number)
    }
}
