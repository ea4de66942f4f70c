//! `memcmp` of sixty-four and sixteen bytes at a time. The one that comes with the target goes
//! byte by byte, and a cache of tokens compares some hundred bytes with each request.

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
    // Most are names.
    if one.len() < 16 {
        return short(one, other);
    }
    let ((blocks, rest), (other_blocks, other_rest)) =
        (one.as_chunks::<64>(), other.as_chunks::<64>());
    for (block, other) in blocks.iter().zip(other_blocks) {
        if differ_somewhere(block, other) {
            return by_chunks(block, other);
        }
    }
    by_chunks(rest, other_rest).then_with(|| match (one.last_chunk(), other.last_chunk()) {
        // What stands in it before the rest is equal.
        (Some(end), Some(other)) => by_words::<16>(end, other),
        _ => Ordering::Equal,
    })
}

/// As far as there are sixteen together.
#[inline]
fn by_chunks(one: &[u8], other: &[u8]) -> Ordering {
    let ((chunks, _), (others, _)) = (one.as_chunks::<16>(), other.as_chunks::<16>());
    for (chunk, other) in chunks.iter().zip(others) {
        if differ(chunk, other) {
            return by_words(chunk, other);
        }
    }
    Ordering::Equal
}

#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
#[inline]
fn differ_somewhere(one: &[u8; 64], other: &[u8; 64]) -> bool {
    use std::arch::wasm32::{u64x2_splat, v128_any_true, v128_load, v128_or, v128_xor};

    let ((chunks, _), (others, _)) = (one.as_chunks::<16>(), other.as_chunks::<16>());
    let pairs = chunks.iter().zip(others).map(|(one, other)| {
        // SAFETY: both have sixteen bytes, and any alignment will do.
        unsafe { v128_xor(v128_load(one.as_ptr().cast()), v128_load(other.as_ptr().cast())) }
    });
    v128_any_true(pairs.fold(u64x2_splat(0), |all, pair| v128_or(all, pair)))
}

#[cfg(not(all(target_family = "wasm", target_feature = "simd128")))]
fn differ_somewhere(one: &[u8; 64], other: &[u8; 64]) -> bool {
    let ((chunks, _), (others, _)) = (one.as_chunks::<16>(), other.as_chunks::<16>());
    chunks.iter().zip(others).any(|(one, other)| differ(one, other))
}

#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
#[inline]
fn differ(one: &[u8; 16], other: &[u8; 16]) -> bool {
    use std::arch::wasm32::{i8x16_all_true, i8x16_eq, v128_load};

    // SAFETY: both have sixteen bytes, and any alignment will do.
    let (one, other) =
        unsafe { (v128_load(one.as_ptr().cast()), v128_load(other.as_ptr().cast())) };
    !i8x16_all_true(i8x16_eq(one, other))
}

#[cfg(not(all(target_family = "wasm", target_feature = "simd128")))]
fn differ(one: &[u8; 16], other: &[u8; 16]) -> bool {
    u128::from_ne_bytes(*one) != u128::from_ne_bytes(*other)
}

#[inline]
fn by_words<const N: usize>(one: &[u8; N], other: &[u8; N]) -> Ordering {
    let ((words, _), (others, _)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    for (word, other) in words.iter().zip(others) {
        // Most are equal, which shows without an order of their bytes: WebAssembly has no
        // instruction that turns it round.
        if u64::from_ne_bytes(*word) != u64::from_ne_bytes(*other) {
            return by_bytes(*word, *other);
        }
    }
    Ordering::Equal
}

#[cold]
fn by_bytes(word: [u8; 8], other: [u8; 8]) -> Ordering {
    u64::from_be_bytes(word).cmp(&u64::from_be_bytes(other))
}

/// Less than sixteen: the first and the last half, which may have some in common.
#[inline]
fn short(one: &[u8], other: &[u8]) -> Ordering {
    if let (Some(first), Some(last), Some(other_first), Some(other_last)) =
        (one.first_chunk(), one.last_chunk(), other.first_chunk(), other.last_chunk())
    {
        return by_words::<8>(first, other_first).then_with(|| by_words::<8>(last, other_last));
    }
    if let (Some(first), Some(last), Some(other_first), Some(other_last)) =
        (one.first_chunk(), one.last_chunk(), other.first_chunk(), other.last_chunk())
    {
        let pair = |first: &[u8; 4], last: &[u8; 4]| {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        };
        let (pair, other) = (pair(first, last), pair(other_first, other_last));
        return if pair == other {
            Ordering::Equal
        } else {
            by_bytes(pair.to_le_bytes(), other.to_le_bytes())
        };
    }
    for (byte, other) in one.iter().zip(other) {
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
        for size in 0..150 {
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
