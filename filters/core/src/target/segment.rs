//! The segments of a path.

use std::borrow::Cow;

use crate::bytes;

/// One segment of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a, 't> {
    raw: &'a [u8],
    decoded: &'t [u8],
}

impl<'a, 't> Segment<'a, 't> {
    /// As it came, percent-encoding included.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Percent-decoded; UTF-8 without control characters.
    #[must_use]
    pub fn decoded(&self) -> &'t [u8] {
        self.decoded
    }

    /// The raw bytes behind a range of the decoded ones.
    #[must_use]
    pub fn raw_range(&self, from: usize, to: usize) -> &'a [u8] {
        let (from, to) = if self.raw.len() == self.decoded.len() {
            (from, to)
        } else {
            (raw_offset(self.raw, from), raw_offset(self.raw, to))
        };
        self.raw.get(from..to).unwrap_or_default()
    }
}

/// The raw offset of the `n`-th decoded byte.
fn raw_offset(raw: &[u8], n: usize) -> usize {
    let mut offset = 0usize;
    for _ in 0..n {
        offset += if raw.get(offset) == Some(&b'%') { 3 } else { 1 };
    }
    offset
}

/// A segment that was looked at closely.
#[derive(Clone)]
pub(crate) struct Checked<'a> {
    pub(super) raw: &'a [u8],
    pub(crate) decoded: Cow<'a, [u8]>,
}

/// The segments of a target.
#[derive(Clone)]
pub(super) enum Segments<'a> {
    Checked(Vec<Checked<'a>>),
    /// Those of a path that stands for itself, byte for byte: whoever asks for them takes
    /// it apart. Mostly nobody does.
    Plain(&'a [u8]),
}

impl<'a> Segments<'a> {
    pub(super) fn iter<'t>(&'t self) -> impl Iterator<Item = Segment<'a, 't>> + Clone {
        let (checked, mut rest) = match self {
            Segments::Checked(checked) => (checked.as_slice(), None),
            Segments::Plain(path) => (Default::default(), path.get(1..)),
        };
        let checked = checked.iter().map(|own| Segment { raw: own.raw, decoded: &own.decoded });
        checked.chain(std::iter::from_fn(move || {
            let text = rest?;
            let end = bytes::find(text, b'/').unwrap_or(text.len());
            let raw = text.get(..end).unwrap_or_default();
            rest = text.get(end.saturating_add(1)..);
            Some(Segment { raw, decoded: raw })
        }))
    }

    pub(super) fn whole(&self) -> Cow<'_, [Checked<'a>]> {
        match self {
            Segments::Checked(checked) => checked.into(),
            Segments::Plain(path) => {
                let parts = path.get(1..).unwrap_or_default().split(|b| *b == b'/');
                let checked = |raw| Checked { raw, decoded: Cow::Borrowed(raw) };
                parts.map(checked).collect()
            }
        }
    }
}
