//! Whatever bytes come, there is a decision and no panic.

use proptest::prelude::*;

use super::*;

/// Bytes near to the two fields of a signature.
fn near() -> impl Strategy<Value = Vec<u8>> {
    let good = signed("n");
    let value = |name: &str| good.iter().find(|(own, _)| own == name).unwrap().1.clone();
    let pieces: Vec<Vec<u8>> = [
        "sig1=",
        "(",
        ")",
        "\"@method\"",
        "\"@query-param\";name=\"a\"",
        "\"content-type\";bs",
        " ",
        ";created=1618884473",
        ";keyid=\"test-shared-secret\"",
        ";keyid=\"test-key-ed25519\"",
        ";nonce=\"n\"",
        ",",
        ":",
        "AQI=",
        "\"x\";key=\"a\"",
        "\"",
        "\\",
        &value("signature-input"),
        &value("signature"),
    ]
    .iter()
    .map(|p| p.as_bytes().to_vec())
    .collect();
    let piece = prop_oneof![
        4 => prop::sample::select(pieces),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

thread_local! {
    static SHARED_AUTH: Auth = auth(json!({}));
    static LAX_AUTH: Auth = lax(json!(["@method"]));
}

proptest! {
    /// Nobody gets in who has not the one good pair.
    #[test]
    fn every_request_is_decided(
        input in prop::collection::vec(near(), 0..2),
        signature in prop::collection::vec(near(), 0..2),
        path in prop_oneof![
            Just(b"/public/a".to_vec()), Just(b"/foo?param=Value&Pet=dog".to_vec()),
            prop::collection::vec(any::<u8>(), 0..12).prop_map(|b| [&b"/"[..], &b].concat()),
        ],
    ) {
        let mut headers: Vec<(&str, &[u8])> = vec![
            (":method", b"POST"), (":authority", b"example.com"), (":path", &path),
        ];
        headers.extend(input.iter().map(|v| ("signature-input", v.as_slice())));
        headers.extend(signature.iter().map(|v| ("signature", v.as_slice())));
        let good = signed("n");
        let is_good = |name: &str, list: &[Vec<u8>]| {
            let value = &good.iter().find(|(own, _)| own == name).unwrap().1;
            list.iter().any(|v| v.windows(value.len()).any(|part| part == value.as_bytes()))
        };
        let may_pass = is_good("signature-input", &input) && is_good("signature", &signature);
        let request = Headers::new(headers);
        let host = host();
        let decide = |auth: &Auth| {
            auth.request_headers(&mut Default::default(), &Request::new(Headers::new(request.iter()), true), &host)
        };
        for outcome in [SHARED_AUTH.with(decide), LAX_AUTH.with(decide)] {
            match &outcome.step {
                Step::Continue => {
                    let known = matches!(identity(&outcome), Identity::Known(_));
                    let open = path.starts_with(b"/public/");
                    prop_assert!(known && may_pass || !known && open);
                }
                Step::Refuse(refusal) => prop_assert!([400, 401].contains(&refusal.status)),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    /// A flipped bit anywhere in what is covered, or in the signature, is seen.
    #[test]
    fn a_changed_bit_is_refused(which in 0usize..6, at in 0usize..200, bit in 0u8..7) {
        let mut lines = signed("n");
        let name = ["signature-input", "signature", ":method", ":authority", ":path", "x"][which];
        let Some((_, value)) = lines.iter_mut().find(|(own, _)| own == name) else { return Ok(()) };
        let mut bytes = value.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
        // The host's case means nothing.
        if name == ":authority" && changed.eq_ignore_ascii_case(value) {
            return Ok(());
        }
        *value = changed;
        let outcome = SHARED_AUTH.with(|auth| ask(auth, &host(), &lines));
        prop_assert!(matches!(outcome.step, Step::Refuse(_)), "{:?}", lines);
    }
}
