//! `memcmp` of eight bytes at a time. The one that comes with the target goes byte by
//! byte, and a cache of tokens compares some hundred bytes with each request.

// Slices at the boundary to C.
#![allow(unsafe_code)]

use std::cmp::Ordering;

/// C's `memcmp`, which stands in the place of the target's own.
///
/// # Safety
/// Both pointers lead to `size` bytes.
// Not inlined: it would be, into every comparison, a fifth of a module.
#[cfg(target_family = "wasm")]
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, size: usize) -> i32 {
    if size == 0 {
        return 0;
    }
    // SAFETY: the caller says so.
    let (one, other) =
        unsafe { (std::slice::from_raw_parts(one, size), std::slice::from_raw_parts(other, size)) };
    compare(one, other) as i32
}

/// Compares texts of one length. Nothing in it may become a call of `memcmp`: slices and
/// arrays are not compared as such.
#[inline]
fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let ((words, rest), (others, others_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    for (word, other) in words.iter().zip(others) {
        let (word, other) = (u64::from_be_bytes(*word), u64::from_be_bytes(*other));
        if word != other {
            return word.cmp(&other);
        }
    }
    for (byte, other) in rest.iter().zip(others_rest) {
        if byte != other {
            return byte.cmp(other);
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_compare_as_slices_do() {
        for size in 0..40 {
            let one: Vec<u8> = (0..size).map(|n| 100 + n).collect();
            assert_eq!(compare(&one, &one), Ordering::Equal);
            for (at, byte) in (0..one.len()).flat_map(|at| [0, 99, 128, 255].map(|b| (at, b))) {
                let mut other = one.clone();
                other[at] = byte;
                // A second difference behind the first one says nothing.
                if let Some(last) = other.last_mut() {
                    *last = last.wrapping_sub(50);
                }
                assert_eq!(compare(&one, &other), one.cmp(&other), "{one:?} {other:?}");
                assert_eq!(compare(&other, &one), other.cmp(&one), "{one:?} {other:?}");
            }
        }
    }
}
