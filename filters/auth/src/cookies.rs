//! The `Cookie` header (RFC 6265 §5.4), as far as a credential may stand in it.

/// The cookies of a header value, in order, as they came.
pub(crate) fn pairs(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    value.split(|b| *b == b';').filter_map(|pair| {
        let pair = pair.trim_ascii();
        let at = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = pair.split_at_checked(at)?;
        Some((name.trim_ascii_end(), value.get(1..)?.trim_ascii_start()))
    })
}

/// The header value without the cookies of this name; `None`: none is left.
pub(crate) fn without(value: &[u8], name: &str) -> Option<Vec<u8>> {
    let own = |part: &&[u8]| pairs(part).any(|(n, _)| n == name.as_bytes());
    let kept: Vec<&[u8]> = value
        .split(|b| *b == b';')
        .filter(|part| !own(part))
        .map(<[u8]>::trim_ascii)
        .filter(|part| !part.is_empty())
        .collect();
    (!kept.is_empty()).then(|| kept.join(&b"; "[..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cookie_is_taken_out_and_the_others_stay() {
        for (value, left) in [
            ("session=a", None),
            ("session=a; b=c", Some("b=c")),
            ("b=c;session=a;d=\"e f\"", Some("b=c; d=\"e f\"")),
            ("Session=a; sessionx=b", Some("Session=a; sessionx=b")),
            (" session = a ;; odd", Some("odd")),
            ("", None),
        ] {
            let left = left.map(|text| text.as_bytes().to_vec());
            assert_eq!(without(value.as_bytes(), "session"), left, "{value}");
        }
        let all: Vec<_> = pairs(b"a=b; c = d;e;=f; g=h=i").collect();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"a", b"b"), (b"c", b"d"), (b"", b"f"), (b"g", b"h=i")];
        assert_eq!(all, expected);
    }

    proptest! {
        /// Whatever the bytes: the cookie is gone, the others are all there.
        #[test]
        fn no_bytes_hide_a_cookie(
            parts in prop::collection::vec(
                prop_oneof![
                    Just(b"session=a".to_vec()), Just(b" session = b".to_vec()), Just(b"c=d".to_vec()),
                    prop::collection::vec(any::<u8>(), 0..8),
                ],
                0..6,
            ),
        ) {
            let value = parts.join(&b';');
            let left = without(&value, "session").unwrap_or_default();
            let kept: Vec<_> = pairs(&value).filter(|(n, _)| *n != b"session").collect();
            prop_assert_eq!(pairs(&left).collect::<Vec<_>>(), kept);
        }
    }
}
