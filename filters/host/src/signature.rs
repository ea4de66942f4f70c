//! The wire form of Envoy's `verify_signature`: a protobuf message with
//! 1 hash name, 2 public key (SPKI DER), 3 signature, 4 signed text; the answer
//! is a message with 1 the verdict.

use postern_core::{SignatureAlgorithm, SignatureCheck};

/// The question, or `None` when the signature cannot be one (wrong length).
#[must_use]
pub fn question(check: &SignatureCheck<'_>) -> Option<Vec<u8>> {
    let (hash, signature) = match check.algorithm {
        SignatureAlgorithm::Rs256 => ("sha256", check.signature.to_vec()),
        SignatureAlgorithm::Rs384 => ("sha384", check.signature.to_vec()),
        SignatureAlgorithm::Rs512 => ("sha512", check.signature.to_vec()),
        SignatureAlgorithm::Es256 => ("sha256", ecdsa_to_der(check.signature, 32)?),
        SignatureAlgorithm::Es384 => ("sha384", ecdsa_to_der(check.signature, 48)?),
        SignatureAlgorithm::Es512 => ("sha512", ecdsa_to_der(check.signature, 66)?),
    };
    let mut out =
        Vec::with_capacity(signature.len() + check.public_key.len() + check.message.len() + 32);
    push_field(&mut out, 1, hash.as_bytes());
    push_field(&mut out, 2, check.public_key);
    push_field(&mut out, 3, &signature);
    push_field(&mut out, 4, check.message);
    Some(out)
}

/// The verdict in the host's answer; anything unexpected is a bad signature.
#[must_use]
pub fn verdict(answer: &[u8]) -> bool {
    matches!(answer, [0x08, 0x01, ..])
}

/// A length-delimited protobuf field.
pub(crate) fn push_field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
}

/// r‖s of `size` bytes each, as in a JWS (RFC 7518 §3.4), to DER
/// `SEQUENCE { INTEGER r, INTEGER s }` (RFC 3279).
fn ecdsa_to_der(signature: &[u8], size: usize) -> Option<Vec<u8>> {
    if signature.len() != size * 2 {
        return None;
    }
    let (r, s) = signature.split_at_checked(size)?;
    let mut body = Vec::with_capacity(size * 2 + 8);
    push_integer(&mut body, r);
    push_integer(&mut body, s);
    // At most 2 * (66 + 3) bytes, which need the long form of the length.
    let length = u8::try_from(body.len()).ok()?;
    let mut out = if length < 0x80 { vec![0x30, length] } else { vec![0x30, 0x81, length] };
    out.extend_from_slice(&body);
    Some(out)
}

fn push_integer(out: &mut Vec<u8>, unsigned: &[u8]) {
    let zeros = unsigned.iter().take_while(|b| **b == 0).count();
    let digits = unsigned.get(zeros..).unwrap_or_default();
    let sign = digits.first().is_none_or(|b| *b >= 0x80);
    out.push(0x02);
    out.push((digits.len() + usize::from(sign)) as u8);
    if sign {
        out.push(0);
    }
    out.extend_from_slice(digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecdsa_signatures_become_der() {
        let mut raw = [0u8; 64];
        raw[31] = 0x01;
        raw[32] = 0xff;
        let der = ecdsa_to_der(&raw, 32).unwrap();
        assert_eq!(der[..7], [0x30, 38, 0x02, 0x01, 0x01, 0x02, 33]);
        assert_eq!(der[7..9], [0x00, 0xff]);
        assert_eq!(ecdsa_to_der(&[0; 64], 32).unwrap(), [0x30, 6, 2, 1, 0, 2, 1, 0]);
        assert_eq!(ecdsa_to_der(&raw[1..], 32), None);
        assert!(ecdsa_to_der(&[0xff; 96], 48).is_some());
    }

    #[test]
    fn long_signatures_have_a_long_length() {
        // r and s of P-521 begin with at most one bit of their first byte.
        let mut raw = [0xff; 132];
        (raw[0], raw[66]) = (1, 1);
        let der = ecdsa_to_der(&raw, 66).unwrap();
        assert_eq!(der[..7], [0x30, 0x81, 136, 0x02, 66, 0x01, 0xff]);
        assert_eq!(der.len(), 3 + 136);
        // 62 digits and 61: the last body with the short form.
        let mut raw = [0; 132];
        (raw[4], raw[66 + 5]) = (1, 1);
        let der = ecdsa_to_der(&raw, 66).unwrap();
        assert_eq!((der[..4].to_vec(), der.len()), (vec![0x30, 127, 0x02, 62], 129));
        (raw[66 + 4], raw[66 + 5]) = (1, 0);
        assert_eq!(ecdsa_to_der(&raw, 66).unwrap()[..4], [0x30, 0x81, 128, 0x02]);
        assert_eq!(ecdsa_to_der(&raw[..131], 66), None);
    }

    #[test]
    fn the_question_is_a_protobuf_message() {
        let check = SignatureCheck {
            algorithm: SignatureAlgorithm::Rs256,
            public_key: b"k",
            signature: b"s",
            message: &[b'm'; 200],
        };
        let bytes = question(&check).unwrap();
        assert_eq!(bytes[..14], *b"\x0a\x06sha256\x12\x01k\x1a\x01s");
        assert_eq!(bytes[14..17], [0x22, 0xc8, 0x01]);
        assert_eq!(bytes.len(), 217);
    }

    #[test]
    fn only_a_plain_yes_is_a_yes() {
        assert!(verdict(&[8, 1]));
        for no in [&b""[..], &[8], &[8, 0], &[8, 0, 18, 1, b'x'], &[18, 1, 1]] {
            assert!(!verdict(no));
        }
    }
}
