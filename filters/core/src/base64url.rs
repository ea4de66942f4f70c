//! Base64url without padding (RFC 4648 §5, RFC 7515 §2), by a table: a token is
//! public to whoever holds it, so nothing is hidden by decoding in constant
//! time, which costs some fifteen times as much. Secrets of the policy are
//! decoded elsewhere.

/// Stands for what is no digit; digits are below 64.
const NONE: u8 = 0xff;

const VALUES: [u8; 256] = {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut values = [NONE; 256];
    let mut rest: &[u8] = DIGITS;
    let mut value = 0;
    while let [digit, tail @ ..] = rest {
        let (_, from) = values.split_at_mut(*digit as usize);
        if let [place, ..] = from {
            *place = value;
        }
        value += 1;
        rest = tail;
    }
    values
};

/// Decodes; `None` for any other sign, a length that no text has, and bits that
/// stand for nothing: a text has one form.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let (blocks, rest) = text.as_chunks::<4>();
    let whole = blocks.len().saturating_mul(3);
    // Sixteen bytes are written at a time, of which the last four are none.
    let mut out = vec![0; whole.saturating_add(4)];
    let mut seen = 0;
    let places = out.as_mut_slice();
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    let (blocks, places) = {
        let (fours, blocks) = blocks.as_chunks::<4>();
        let mut places = places;
        for four in fours {
            *places.first_chunk_mut()? = sixteen::decode(four)?;
            places = places.get_mut(12..)?;
        }
        (blocks, places)
    };
    let (places, _) = places.as_chunks_mut::<3>();
    for (block, place) in blocks.iter().zip(places) {
        let [a, b, c, d] = block.map(value);
        seen |= a | b | c | d;
        *place = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
    }
    out.truncate(whole);
    match *rest {
        [] => {}
        [a, b] => {
            let (a, b) = (value(a), value(b));
            seen |= a | b | stray(b & 0x0f);
            out.push(a << 2 | b >> 4);
        }
        [a, b, c] => {
            let (a, b, c) = (value(a), value(b), value(c));
            seen |= a | b | c | stray(c & 0x03);
            out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2]);
        }
        _ => return None,
    }
    (seen < 64).then_some(out)
}

/// Sixteen digits at a time.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod sixteen {
    use std::arch::wasm32::{
        i8x16, i8x16_add, i8x16_eq, i32x4_dot_i16x8, u8x16_shr, u8x16_splat, u8x16_swizzle,
        u16x8_shl, u16x8_shr, u16x8_splat, u32x4, u32x4_splat, u64x2_extract_lane, v128_and,
        v128_or,
    };

    use crate::ascii_set::{AsciiSet, ascii_set};

    const DIGITS: AsciiSet = {
        const fn is_digit(b: u8) -> bool {
            b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
        }
        ascii_set!(is_digit)
    };

    /// Twelve bytes, and four more that stand for nothing. `None`: there is another sign.
    pub(super) fn decode(digits: &[[u8; 4]; 4]) -> Option<[u8; 16]> {
        let [a, b, c, d] = digits.map(u32::from_le_bytes);
        let signs = u32x4(a, b, c, d);
        if !DIGITS.has_sixteen(signs) {
            return None;
        }
        // What a digit's value is more than its sign, by the row in which that stands:
        // `-`, digits, capitals twice, small letters twice. `_` stands among capitals.
        let more = i8x16(0, 0, 17, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
        let more = u8x16_swizzle(more, u8x16_shr(signs, 4));
        let underscores = v128_and(i8x16_eq(signs, u8x16_splat(b'_')), u8x16_splat(33));
        let values = i8x16_add(i8x16_add(signs, more), underscores);
        // Four values of six bits in each word, the first one in the lowest byte; then two
        // of twelve, then one.
        let firsts = v128_and(u16x8_shl(values, 6), u16x8_splat(0x0fc0));
        let twos = v128_or(firsts, u16x8_shr(values, 8));
        let words = i32x4_dot_i16x8(twos, u32x4_splat(0x0001_1000));
        // The three bytes of each, the highest first.
        let order = u32x4(0x0600_0102, 0x090a_0405, 0x0c0d_0e08, 0xffff_ffff);
        let bytes = u8x16_swizzle(words, order);
        let mut out = [0; 16];
        if let ([low, high], _) = out.as_chunks_mut::<8>() {
            *low = u64x2_extract_lane::<0>(bytes).to_le_bytes();
            *high = u64x2_extract_lane::<1>(bytes).to_le_bytes();
        }
        Some(out)
    }
}

fn value(digit: u8) -> u8 {
    VALUES.get(usize::from(digit)).copied().unwrap_or(NONE)
}

fn stray(bits: u8) -> u8 {
    if bits == 0 { 0 } else { NONE }
}

#[cfg(test)]
mod tests {
    use ct_codecs::{Base64UrlSafeNoPadding, Decoder, Encoder};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_has_one_form() {
        for (text, bytes) in
            [("", &b""[..]), ("Zg", b"f"), ("Zm8", b"fo"), ("-_-_", b"\xfb\xff\xbf")]
        {
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(bytes), "{text}");
        }
        for bad in ["Z", "Zh", "Zm9", "Zg==", "Zm9v\n", "Zm 8", "+/+/", "Zm9vZ", "Zg\u{e9}"] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_constant_time_decoder(
            text in "[A-Za-z0-9_-]{0,40}",
            other in prop::collection::vec(any::<u8>(), 0..12),
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            for text in [text.as_bytes(), other.as_slice()] {
                prop_assert_eq!(decode(text), Base64UrlSafeNoPadding::decode_to_vec(text, None).ok());
            }
            let encoded = Base64UrlSafeNoPadding::encode_to_string(&bytes).unwrap();
            prop_assert_eq!(decode(encoded.as_bytes()), Some(bytes));
        }
    }
}
