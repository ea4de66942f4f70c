//! Bytes looked at sixty-four, sixteen or eight at a time, or through a table. Every byte that
//! a client sends is looked at several times, so what that costs is what a long token costs.

use crate::ascii_set::{AsciiSet, ascii_set};

/// Bytes side by side, of which some are marked.
trait Lanes: Copy {
    /// Marks those that are this one.
    fn equal(self, byte: u8) -> Self;
    /// Marks those below `bound`, which is 128 at most.
    fn below(self, bound: u8) -> Self;
    /// Marks what one or the other marks.
    fn or(self, other: Self) -> Self;
}

/// One in each byte of a word.
const ONES: u64 = u64::from_le_bytes([1; 8]);
/// The highest bit of each byte, which is a word's mark. A byte above one that is marked
/// may be marked as well, so the lowest mark counts, and whether there is one.
const HIGHEST: u64 = ONES << 7;

impl Lanes for u64 {
    fn equal(self, byte: u8) -> Self {
        (self ^ ONES.wrapping_mul(u64::from(byte))).below(1)
    }

    fn below(self, bound: u8) -> Self {
        self.wrapping_sub(ONES.wrapping_mul(u64::from(bound))) & !self & HIGHEST
    }

    fn or(self, other: Self) -> Self {
        self | other
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod sixteen {
    use std::arch::wasm32::{
        i8x16_bitmask, i8x16_eq, i8x16_lt, u8x16_lt, u8x16_splat, u64x2, v128, v128_and,
        v128_any_true, v128_or,
    };

    const NOTHING: v128 = u64x2(0, 0);

    impl super::Lanes for v128 {
        fn equal(self, byte: u8) -> Self {
            i8x16_eq(self, u8x16_splat(byte))
        }

        fn below(self, bound: u8) -> Self {
            u8x16_lt(self, u8x16_splat(bound))
        }

        fn or(self, other: Self) -> Self {
            v128_or(self, other)
        }
    }

    /// The first byte that is marked.
    pub(super) fn first(chunk: &[u8; 16], marked: &impl super::Marked) -> Option<usize> {
        let marks = i8x16_bitmask(marked.marks(lanes(chunk)));
        (marks != 0).then(|| usize::try_from(marks.trailing_zeros()).unwrap_or_default())
    }

    /// Is one of these marked?
    pub(super) fn any(block: &[u8; 64], marked: &impl super::Marked) -> bool {
        let (chunks, _) = block.as_chunks::<16>();
        let marks = chunks.iter().map(|chunk| marked.marks(lanes(chunk)));
        v128_any_true(marks.fold(NOTHING, |all, marks| v128_or(all, marks)))
    }

    /// Is this byte in both at one place?
    pub(super) fn has_pair(first: &[u8; 16], second: &[u8; 16], byte: u8) -> bool {
        let [first, second] =
            [first, second].map(|chunk| i8x16_eq(lanes(chunk), u8x16_splat(byte)));
        v128_any_true(v128_and(first, second))
    }

    /// Are these all ASCII characters?
    pub(super) fn are_ascii(chunks: &[[u8; 16]]) -> bool {
        let all = chunks.iter().fold(NOTHING, |all, chunk| v128_or(all, lanes(chunk)));
        !v128_any_true(i8x16_lt(all, NOTHING))
    }

    /// Bytes side by side, as in memory.
    pub(crate) fn lanes(chunk: &[u8; 16]) -> v128 {
        let all = u128::from_le_bytes(*chunk);
        u64x2(all as u64, (all >> 64) as u64)
    }
}

/// What is looked for.
trait Marked {
    /// Mostly there is none, or it comes late: then sixteen bytes are looked at four times at
    /// once.
    #[cfg_attr(not(target_feature = "simd128"), allow(dead_code))]
    const IS_RARE: bool = false;

    /// Marks it.
    fn marks<L: Lanes>(&self, lanes: L) -> L;

    /// The first byte of a word that is marked.
    fn first_of(&self, word: u64) -> Option<usize> {
        let marks = self.marks(word);
        (marks != 0).then(|| usize::try_from(marks.trailing_zeros() / 8).unwrap_or_default())
    }
}

/// The first place that is marked.
fn first<M: Marked>(bytes: &[u8], marked: &M) -> Option<usize> {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    if let Some(begin) = bytes.first_chunk::<16>() {
        // Names and short texts end here.
        if let Some(place) = sixteen::first(begin, marked) {
            return Some(place);
        }
        let mut before = begin.len();
        if M::IS_RARE {
            let (blocks, _) = bytes.get(before..)?.as_chunks::<64>();
            let clean = blocks.iter().take_while(|block| !sixteen::any(block, marked)).count();
            before = before.checked_add(clean.checked_mul(64)?)?;
        }
        let (chunks, _) = bytes.get(before..)?.as_chunks::<16>();
        for (at, chunk) in chunks.iter().enumerate() {
            if let Some(place) = sixteen::first(chunk, marked) {
                return before.checked_add(at.checked_mul(16)?)?.checked_add(place);
            }
        }
        // What stands in it before the rest is not marked.
        let end = sixteen::first(bytes.last_chunk()?, marked)?;
        return bytes.len().checked_sub(16)?.checked_add(end);
    }
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        if let Some(place) = marked.first_of(u64::from_le_bytes(*word)) {
            return at.checked_mul(8)?.checked_add(place);
        }
    }
    match bytes.last_chunk() {
        Some(end) => {
            bytes.len().checked_sub(8)?.checked_add(marked.first_of(u64::from_le_bytes(*end))?)
        }
        None => {
            // The halves have some in common, if there are two.
            let word = match (bytes.first_chunk(), bytes.last_chunk()) {
                (Some(begin), Some(end)) => {
                    let [begin, end] =
                        [begin, end].map(|half| u64::from(u32::from_le_bytes(*half)));
                    begin | end << (8 * (bytes.len() & 3))
                }
                _ => rest.iter().rev().fold(0, |word, b| word << 8 | u64::from(*b)),
            };
            marked.first_of(word).filter(|place| *place < rest.len())
        }
    }
}

struct Equal(u8);

impl Marked for Equal {
    const IS_RARE: bool = true;

    fn marks<L: Lanes>(&self, lanes: L) -> L {
        lanes.equal(self.0)
    }
}

/// Where a byte stands first.
#[must_use]
pub fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    first(bytes, &Equal(byte))
}

/// Where a text stands first; an empty one stands nowhere.
#[must_use]
pub fn find_text(bytes: &[u8], text: &[u8]) -> Option<usize> {
    let first = *text.first()?;
    let mut from = 0usize;
    loop {
        let rest = bytes.get(from..)?;
        let at = from.checked_add(find(rest, first)?)?;
        if bytes.get(at..)?.starts_with(text) {
            return Some(at);
        }
        from = at.checked_add(1)?;
    }
}

struct StringEnd;

impl Marked for StringEnd {
    fn marks<L: Lanes>(&self, lanes: L) -> L {
        lanes.equal(b'"').or(lanes.equal(b'\\')).or(lanes.below(0x20))
    }
}

/// Where the text of a JSON string ends, or cannot be taken as it stands: at the first
/// quote, backslash or control character (RFC 8259 §7).
#[must_use]
pub fn string_end(bytes: &[u8]) -> Option<usize> {
    first(bytes, &StringEnd)
}

struct Control;

impl Marked for Control {
    fn marks<L: Lanes>(&self, lanes: L) -> L {
        lanes.below(0x20).or(lanes.equal(0x7f))
    }
}

/// Is there an ASCII control character?
#[must_use]
pub fn has_control(bytes: &[u8]) -> bool {
    first(bytes, &Control).is_some()
}

/// What a scope is made of (RFC 6749 §3.3): visible ASCII characters other than `"` and `\`.
const SCOPE: AsciiSet = {
    const fn is_scope(b: u8) -> bool {
        b.is_ascii_graphic() && !matches!(b, b'"' | b'\\')
    }
    ascii_set!(is_scope)
};

/// The same, and the blanks between scopes.
const SCOPES: AsciiSet = {
    const fn is_scope_or_blank(b: u8) -> bool {
        b.is_ascii_graphic() && !matches!(b, b'"' | b'\\') || b == b' '
    }
    ascii_set!(is_scope_or_blank)
};

/// Are these all bytes of a scope?
#[must_use]
pub fn is_scope(bytes: &[u8]) -> bool {
    SCOPE.has_all(bytes)
}

/// Are these all bytes of scopes, or blanks?
#[must_use]
pub fn are_scopes(bytes: &[u8]) -> bool {
    SCOPES.has_all(bytes)
}

/// Do two of this byte stand side by side?
#[must_use]
pub fn has_pair(bytes: &[u8], byte: u8) -> bool {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    if let ([firsts @ .., _], [_, seconds @ ..]) = (bytes, bytes)
        && let (Some(first), Some(second)) = (firsts.last_chunk(), seconds.last_chunk())
    {
        let (firsts, seconds) = (firsts.as_chunks::<16>().0, seconds.as_chunks::<16>().0);
        let mut pairs = firsts.iter().zip(seconds).chain([(first, second)]);
        return pairs.any(|(first, second)| sixteen::has_pair(first, second, byte));
    }
    bytes.windows(2).any(|pair| *pair == [byte, byte])
}

/// The text that these bytes are in UTF-8: as [`std::str::from_utf8`], which looks at eight
/// bytes at a time at most.
#[must_use]
pub fn text(bytes: &[u8]) -> Option<&str> {
    if !is_ascii(bytes) {
        return std::str::from_utf8(bytes).ok();
    }
    // SAFETY: no byte has its highest bit set, and such bytes are UTF-8.
    #[allow(unsafe_code)]
    Some(unsafe { std::str::from_utf8_unchecked(bytes) })
}

/// [`slice::is_ascii`]. Every byte is looked at, and nothing can end it early: `text`
/// rests on that.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
fn is_ascii(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<16>();
    sixteen::are_ascii(chunks)
        && match bytes.last_chunk() {
            // The rest, and some of what was looked at.
            Some(end) => sixteen::are_ascii(&[*end]),
            None => rest.is_ascii(),
        }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
fn is_ascii(bytes: &[u8]) -> bool {
    bytes.is_ascii()
}

/// A table over all bytes, made by the compiler from a function of one byte.
macro_rules! table {
    ($of:path) => {{
        const TABLE: [u8; 256] = {
            let mut table = [0; 256];
            let mut byte = 0;
            while byte < 256 {
                // Evaluated by the compiler alone.
                #[allow(clippy::indexing_slicing)]
                {
                    table[byte] = $of(byte as u8);
                }
                byte += 1;
            }
            table
        };
        &TABLE
    }};
}
pub(crate) use table;

/// What a table says of a byte.
pub(crate) fn kind_in(table: &[u8; 256], byte: u8) -> u8 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_say_what_bytes_say(bytes: Vec<u8>, near in 0u8..3) {
            // Of the bytes asked for, and of those beside them, there are many.
            let mut bytes = bytes;
            for (at, b) in bytes.iter_mut().enumerate() {
                match at % 5 {
                    0 => *b = b'"'.wrapping_add(near),
                    1 => *b = 0x1f + near,
                    2 => *b = b'a',
                    3 => *b |= 0x80,
                    _ => {}
                }
            }
            for from in 0..bytes.len() {
                let bytes = &bytes[from..];
                let place = |one: fn(&u8) -> bool| bytes.iter().position(one);
                prop_assert_eq!(find(bytes, b'"'), place(|b| *b == b'"'));
                prop_assert_eq!(text(bytes), std::str::from_utf8(bytes).ok());
                prop_assert_eq!(find(bytes, 0xff), place(|b| *b == 0xff));
                prop_assert_eq!(find(bytes, 0), place(|b| *b == 0));
                let ends = |b: &u8| matches!(*b, b'"' | b'\\') || *b < 0x20;
                prop_assert_eq!(string_end(bytes), place(ends));
                prop_assert_eq!(has_control(bytes), place(|b| b.is_ascii_control()).is_some());
                let stray = |b: &u8| !(0x21..=0x7e).contains(b) || matches!(b, b'"' | b'\\');
                prop_assert_eq!(is_scope(bytes), place(stray).is_none());
                let pairs = bytes.windows(2).filter(|pair| pair == b"aa").count();
                prop_assert_eq!(has_pair(bytes, b'a'), pairs > 0);
                let strays = bytes.iter().filter(|b| **b != b' ' && stray(b)).count();
                prop_assert_eq!(are_scopes(bytes), strays == 0);
                for text in [&b"a\""[..], b"\"\x1fa", b"a", b"aa"] {
                    let place = bytes.windows(text.len()).position(|w| w == text);
                    prop_assert_eq!(find_text(bytes, text), place);
                }
            }
        }
    }

    #[test]
    fn each_byte_at_each_place_is_found() {
        for byte in 0..=255 {
            for at in 0..17 {
                let mut bytes = vec![if byte == b'x' { b'y' } else { b'x' }; 17];
                bytes[at] = byte;
                assert_eq!(find(&bytes, byte), Some(at), "{byte}");
                let ends = matches!(byte, b'"' | b'\\' | 0..=0x1f);
                assert_eq!(string_end(&bytes), ends.then_some(at), "{byte}");
                assert_eq!(has_control(&bytes), byte.is_ascii_control(), "{byte}");
                let scope = matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
                assert_eq!(is_scope(&bytes), scope, "{byte}");
            }
        }
    }
}
