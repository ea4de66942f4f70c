//! What a signature says of itself: its key, its time, what it is for.

use super::*;

#[test]
fn parameters_are_held_to_what_they_say() {
    let auth_ = auth(json!({}));
    let key = "keyid=\"test-shared-secret\"";
    let n = "nonce=\"n\"";
    let bad = [
        format!(";{key};{n}"),
        format!(";created={CREATED};{n}"),
        format!(";created={CREATED};{key}"),
        format!(";created=\"{CREATED}\";{key};{n}"),
        format!(";created=-1;{key};{n}"),
        format!(";created={CREATED};keyid=test-shared-secret;{n}"),
        format!(";created={CREATED};{key};nonce=\"\""),
        format!(";created={CREATED};{key};nonce=\"{}\"", "n".repeat(257)),
        format!(";created={CREATED};{key};{n};alg=\"ed25519\""),
        format!(";created={CREATED};{key};{n};alg=\"hmac-sha512\""),
        format!(";created={CREATED};{key};{n};alg=hmac-sha256"),
        format!(";created={CREATED};{key};{n};tag=\"other\""),
        format!(";created={CREATED};{key};{n};more=\"x\""),
        format!(";created={CREATED};{key};{n};more"),
        format!(";created={CREATED};{key};{n};expires"),
    ];
    for parameters in bad {
        let mut lines = example();
        sign(&mut lines, &BASE, &parameters);
        let outcome = ask(&auth_, &host(), &lines);
        assert_eq!(outcome.record.as_ref().unwrap().code, "bad_parameter", "{parameters}");
        refused(&outcome, "bad_parameter");
    }
    let tagged = auth(json!({"tag": "shop"}));
    for (tag, good) in [(";tag=\"shop\"", true), (";tag=\"Shop\"", false), ("", false)] {
        let mut lines = example();
        sign(&mut lines, &BASE, &format!("{}{tag};alg=\"hmac-sha256\"", with("n")));
        let code = ask(&tagged, &host(), &lines).record.unwrap().code;
        assert_eq!(code, if good { "authenticated" } else { "bad_parameter" }, "{tag}");
    }
    for (keyid, code) in [
        ("nobody", "unknown_keyid"),
        ("TEST-SHARED-SECRET", "unknown_keyid"),
        ("old", "keyid_not_valid_now"),
        ("new", "keyid_not_valid_now"),
    ] {
        let mut lines = example();
        sign(&mut lines, &BASE, &format!(";created={CREATED};keyid=\"{keyid}\";{n}"));
        refused(&ask(&auth_, &host(), &lines), code);
    }
}

#[test]
fn a_signature_is_good_for_its_time() {
    for (now, expires, code) in [
        (0, None, "authenticated"),
        (300, None, "authenticated"),
        (301, None, "stale_message_signature"),
        (-30, None, "authenticated"),
        (-31, None, "message_signed_in_future"),
        (39, Some(10), "authenticated"),
        (40, Some(10), "stale_message_signature"),
        (0, Some(-30), "stale_message_signature"),
        (301, Some(1000), "stale_message_signature"),
    ] {
        let mut parameters = with("n");
        if let Some(at) = expires {
            parameters.push_str(&format!(";expires={}", CREATED + at));
        }
        let mut lines = example();
        sign(&mut lines, &BASE, &parameters);
        let host = FakeHost::at(Duration::from_secs((CREATED + now) as u64));
        let found = ask(&auth(json!({})), &host, &lines).record.unwrap().code;
        assert_eq!(found, code, "{now} {expires:?}");
    }
}
