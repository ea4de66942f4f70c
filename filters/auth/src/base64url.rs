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
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let (blocks, rest) = text.as_chunks::<4>();
    let whole = blocks.len().saturating_mul(3);
    let mut out = Vec::with_capacity(whole.saturating_add(2));
    out.resize(whole, 0);
    let mut seen = 0;
    let (places, _) = out.as_chunks_mut::<3>();
    for (block, place) in blocks.iter().zip(places) {
        let [a, b, c, d] = block.map(value);
        seen |= a | b | c | d;
        *place = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
    }
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
