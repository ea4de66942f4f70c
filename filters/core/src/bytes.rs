//! Bytes looked at eight at a time, or through a table. Every byte that a client sends
//! is looked at several times, so what that costs is what a long token costs.

/// One in each byte of a word.
const ONES: u64 = u64::from_le_bytes([1; 8]);
/// The highest bit of each byte.
const HIGHEST: u64 = ONES << 7;

/// Marks the highest bit of each byte that is zero. A byte above one that is zero may
/// be marked as well, so the lowest mark counts, and whether there is one.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHEST
}

/// The same for bytes below `bound`, which is 128 at most.
fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(ONES.wrapping_mul(u64::from(bound))) & !word & HIGHEST
}

fn equal(word: u64, byte: u8) -> u64 {
    zeros(word ^ ONES.wrapping_mul(u64::from(byte)))
}

/// The first place that `marked` marks in a word of eight bytes, or at which `one` is
/// true of a byte: both have to say the same.
fn first(bytes: &[u8], marked: impl Fn(u64) -> u64, one: impl Fn(u8) -> bool) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let marks = marked(u64::from_le_bytes(*word));
        if marks != 0 {
            let byte = usize::try_from(marks.trailing_zeros() / 8).unwrap_or_default();
            return at.checked_mul(8)?.checked_add(byte);
        }
    }
    let at = rest.iter().position(|b| one(*b))?;
    bytes.len().checked_sub(rest.len())?.checked_add(at)
}

/// Where a byte stands first.
#[must_use]
pub fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    first(bytes, |word| equal(word, byte), |b| b == byte)
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

/// Where the text of a JSON string ends, or cannot be taken as it stands: at the first
/// quote, backslash or control character (RFC 8259 §7).
#[must_use]
pub fn string_end(bytes: &[u8]) -> Option<usize> {
    first(
        bytes,
        |word| equal(word, b'"') | equal(word, b'\\') | below(word, 0x20),
        |b| matches!(b, b'"' | b'\\' | 0..=0x1f),
    )
}

/// Is there an ASCII control character?
#[must_use]
pub fn has_control(bytes: &[u8]) -> bool {
    let marked = |word| below(word, 0x20) | equal(word, 0x7f);
    first(bytes, marked, |b| b.is_ascii_control()).is_some()
}

/// Are these all bytes of a scope (RFC 6749 §3.3): visible ASCII characters other than
/// `"` and `\`?
#[must_use]
pub fn is_scope(bytes: &[u8]) -> bool {
    let marked = |word| {
        let quotes = equal(word, b'"') | equal(word, b'\\');
        word & HIGHEST | below(word, 0x21) | equal(word, 0x7f) | quotes
    };
    first(bytes, marked, |b| !b.is_ascii_graphic() || matches!(b, b'"' | b'\\')).is_none()
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

/// What a table says of all of these bytes, or-ed together.
pub(crate) fn all_in(table: &[u8; 256], bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |all, b| all | kind_in(table, *b))
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
                prop_assert_eq!(find(bytes, 0xff), place(|b| *b == 0xff));
                prop_assert_eq!(find(bytes, 0), place(|b| *b == 0));
                let ends = |b: &u8| matches!(*b, b'"' | b'\\') || *b < 0x20;
                prop_assert_eq!(string_end(bytes), place(ends));
                prop_assert_eq!(has_control(bytes), place(|b| b.is_ascii_control()).is_some());
                let stray = |b: &u8| !(0x21..=0x7e).contains(b) || matches!(b, b'"' | b'\\');
                prop_assert_eq!(is_scope(bytes), place(stray).is_none());
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
