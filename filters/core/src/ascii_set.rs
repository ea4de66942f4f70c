//! Sets of ASCII characters, and whether bytes are all of one, sixteen at a time: the
//! lower half of a byte says in which rows of the code table it would be no member, the
//! upper half which row it stands in (W. Muła, D. Lemire, "Faster Base64 Encoding and
//! Decoding Using AVX2 Instructions", ACM Transactions on the Web 12(3), 2018).

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use std::arch::wasm32::{u64x2, v128, v128_any_true, v128_or};

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::bytes::sixteen::lanes;

/// Some of the characters from 0x10 to 0x7f.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AsciiSet {
    /// By the lower half of a byte: a bit for each row in which it is no member. That of
    /// row 0 is always set, and stands for the rows above ASCII as well.
    strays: [u8; 16],
}

impl AsciiSet {
    /// Of all characters from 0x10 on for which the table holds `true`.
    pub(crate) const fn new(members: &[bool; 128]) -> Self {
        let mut strays = [0; 16];
        let mut byte = 0;
        while byte < 0x80 {
            // Evaluated by the compiler alone.
            #[allow(clippy::indexing_slicing)]
            if !members[byte] {
                strays[byte & 0x0f] |= 1 << (byte >> 4);
            } else {
                assert!(byte >= 0x10, "row 0 has no members");
            }
            byte += 1;
        }
        AsciiSet { strays }
    }

    /// Are these all members? Of no bytes, all are.
    pub(crate) fn has_all(&self, bytes: &[u8]) -> bool {
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        if let Some(end) = bytes.last_chunk::<16>() {
            let (blocks, rest) = bytes.as_chunks::<64>();
            let (chunks, _) = rest.as_chunks::<16>();
            return blocks.iter().all(|block| self.has_block(block))
                && chunks.iter().all(|chunk| self.has_sixteen(lanes(chunk)))
                && self.has_sixteen(lanes(end));
        }
        // The halves of most names have some in common.
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        if let (Some(begin), Some(end)) = (bytes.first_chunk(), bytes.last_chunk()) {
            let halves = [begin, end].map(|half| u64::from_le_bytes(*half));
            return self.has_sixteen(u64x2(halves[0], halves[1]));
        }
        bytes.iter().all(|byte| self.has(*byte))
    }

    /// Is it a member?
    pub(crate) fn has(&self, byte: u8) -> bool {
        let strays = self.strays.get(usize::from(byte & 0x0f)).copied().unwrap_or(u8::MAX);
        byte.is_ascii() && strays >> (byte >> 4) & 1 == 0
    }

    /// The same of sixteen bytes side by side.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    pub(crate) fn has_sixteen(&self, bytes: v128) -> bool {
        !v128_any_true(sixteen::strays(bytes, &self.strays))
    }

    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    fn has_block(&self, block: &[u8; 64]) -> bool {
        let (chunks, _) = block.as_chunks::<16>();
        let strays = chunks.iter().map(|chunk| sixteen::strays(lanes(chunk), &self.strays));
        !v128_any_true(strays.fold(u64x2(0, 0), |all, strays| v128_or(all, strays)))
    }
}

/// The characters for which a function says so, made by the compiler.
macro_rules! ascii_set {
    ($is_member:path) => {{
        const SET: $crate::ascii_set::AsciiSet = {
            let mut members = [false; 128];
            let mut byte = 0;
            while byte < 128 {
                // Evaluated by the compiler alone.
                #[allow(clippy::indexing_slicing)]
                {
                    members[byte] = $is_member(byte as u8);
                }
                byte += 1;
            }
            $crate::ascii_set::AsciiSet::new(&members)
        };
        SET
    }};
}
pub(crate) use ascii_set;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod sixteen {
    use std::arch::wasm32::{u8x16_shr, u8x16_splat, u8x16_swizzle, v128, v128_and};

    use crate::bytes::sixteen::lanes;

    /// The bit of each row.
    const ROWS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 1, 1, 1, 1, 1, 1, 1];

    /// Marks those that are no members.
    pub(super) fn strays(bytes: v128, strays: &[u8; 16]) -> v128 {
        let strays = u8x16_swizzle(lanes(strays), v128_and(bytes, u8x16_splat(0x0f)));
        v128_and(strays, u8x16_swizzle(lanes(&ROWS), u8x16_shr(bytes, 4)))
    }
}

#[cfg(test)]
mod tests {
    const fn is_odd_digit(byte: u8) -> bool {
        byte.is_ascii_digit() && byte % 2 == 1
    }

    const fn is_any(byte: u8) -> bool {
        byte >= 0x10
    }

    #[test]
    fn a_set_has_its_members_and_nothing_else() {
        let (odd, any) = (ascii_set!(is_odd_digit), ascii_set!(is_any));
        for byte in 0..=255u8 {
            assert_eq!(odd.has_all(&[byte]), b"13579".contains(&byte), "{byte}");
            assert_eq!(any.has_all(&[byte]), (0x10..0x80).contains(&byte), "{byte}");
            // Wherever it stands among members. `tests/lanes` looks at sixteen at a time.
            for at in 0..40 {
                let mut bytes = [b'7'; 40];
                bytes[at] = byte;
                assert_eq!(odd.has_all(&bytes), odd.has(byte), "{byte} at {at}");
            }
        }
        assert!(odd.has_all(b""));
    }
}
