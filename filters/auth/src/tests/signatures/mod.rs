//! Callers by the signature of their request, with the keys and examples of
//! RFC 9421: public test keys, no secrets.

mod bytes;
mod components;
mod parameters;
mod policy;
mod replays;

use ct_codecs::{Base64, Base64UrlSafeNoPadding, Decoder, Encoder};

use super::*;

/// RFC 9421 B.1.5 (the same bytes as base64url).
const SHARED: &str =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ";
/// RFC 9421 B.1.4.
const ED25519_X: &str = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs";
const ED25519_D: &str = "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU";
const ED25519_PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----\n";
/// `created` of all examples of RFC 9421.
const CREATED: i64 = 1_618_884_473;

fn secrets(name: &str) -> Option<String> {
    (name == "SHARED").then(|| SHARED.to_owned())
}

fn keys() -> Value {
    json!([
        {"id": "hmac", "keyid": "test-shared-secret", "key": {"secret_env": "SHARED"},
         "subject": "bluefin", "client": "bluefin-app", "scopes": ["orders:read"], "plan": "gold"},
        {"id": "ed", "keyid": "test-key-ed25519", "key": {"ed25519": ED25519_X}, "subject": "ember"},
        {"id": "pem", "keyid": "in pem", "key": {"pem": ED25519_PEM}, "subject": "ember"},
        {"id": "jwk", "keyid": "jwk", "subject": "ember",
         "key": {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": ED25519_X, "alg": "EdDSA"}}},
        {"id": "old", "keyid": "old", "key": {"secret_env": "SHARED"}, "subject": "bluefin",
         "expires": "2021-04-20T02:07:53Z"},
        {"id": "new", "keyid": "new", "key": {"secret_env": "SHARED"}, "subject": "bluefin",
         "not_before": "2021-04-20T02:07:54Z"},
    ])
}

/// A provider with these keys, and what else is set.
fn auth(changes: Value) -> Auth {
    try_auth(changes).unwrap_or_else(|e| panic!("{e}"))
}

fn try_auth(changes: Value) -> Result<Auth, postern_core::config::Errors> {
    let mut provider = json!({"keys": keys()});
    for (key, value) in changes.as_object().unwrap() {
        provider[key] = value.clone();
    }
    let policy = json!({
        "realm": "market",
        "providers": {
            "signed": {"signature": provider},
            "keys": {"api_key": {"keys": [
                {"id": "nw", "sha256": sha256("key"), "subject": "northwind"},
            ]}},
        },
        "rules": [
            {"name": "public", "match": {"paths": ["/public/**"]},
             "require": {"optional": ["signed"]}},
            {"name": "signed", "match": {"paths": ["/signed/**"]},
             "require": {"any_of": ["signed"]}},
            {"name": "both", "match": {"paths": ["/both/**"]},
             "require": {"all_of": ["keys", "signed"]}},
        ],
    });
    let node = parse_json(policy.to_string().as_bytes()).unwrap();
    Auth::configure(&node, &secrets)
}

/// No nonces, and little that has to be covered: as the RFC's examples.
fn lax(components: Value) -> Auth {
    auth(json!({"components": components, "max_nonces": 0, "accept_replays": true}))
}

fn host() -> FakeHost {
    FakeHost::at(Duration::from_secs(CREATED as u64))
}

type Lines = Vec<(String, String)>;

/// The request of RFC 9421 B.2.
fn example() -> Lines {
    [
        (":method", "POST"),
        (":path", "/foo?param=Value&Pet=dog"),
        (":authority", "example.com"),
        (":scheme", "http"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        (
            "content-digest",
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
        ),
        ("content-length", "18"),
    ]
    .map(|(n, v)| (n.to_owned(), v.to_owned()))
    .to_vec()
}

fn line(lines: &mut Lines, name: &str, value: &str) {
    lines.retain(|(own, _)| own != name);
    lines.push((name.to_owned(), value.to_owned()));
}

fn ask(auth: &Auth, host: &FakeHost, lines: &Lines) -> Outcome {
    let headers = Headers::new(lines.iter().map(|(n, v)| (n.as_str(), v.as_bytes())));
    auth.request_headers(&mut Default::default(), &Request::new(headers, true), host)
}

fn secret() -> Vec<u8> {
    Base64UrlSafeNoPadding::decode_to_vec(SHARED, None).unwrap()
}

/// Signs lines of a base that the test writes itself.
fn sign(lines: &mut Lines, base: &[(&str, &str)], parameters: &str) {
    let covered: Vec<&str> = base.iter().map(|(identifier, _)| *identifier).collect();
    let list = format!("({}){parameters}", covered.join(" "));
    let mut text: String = base.iter().map(|(i, value)| format!("{i}: {value}\n")).collect();
    text.push_str(&format!("\"@signature-params\": {list}"));
    let signature = if parameters.contains("ed25519") {
        let seed = Base64UrlSafeNoPadding::decode_to_vec(ED25519_D, None).unwrap();
        let pair =
            ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::from_slice(&seed).unwrap());
        pair.sk.sign(text.as_bytes(), None).to_vec()
    } else {
        hmac_sha256::HMAC::mac(text.as_bytes(), secret()).to_vec()
    };
    line(lines, "signature-input", &format!("sig1={list}"));
    let signature = Base64::encode_to_string(&signature).unwrap();
    line(lines, "signature", &format!("sig1=:{signature}:"));
}

const BASE: [(&str, &str); 4] = [
    ("\"@method\"", "POST"),
    ("\"@authority\"", "example.com"),
    ("\"@path\"", "/foo"),
    ("\"@query\"", "?param=Value&Pet=dog"),
];

/// Parameters of a signature at [`CREATED`], with a nonce.
fn with(nonce: &str) -> String {
    format!(";created={CREATED};keyid=\"test-shared-secret\";nonce=\"{nonce}\"")
}

fn signed(nonce: &str) -> Lines {
    let mut lines = example();
    sign(&mut lines, &BASE, &with(nonce));
    lines
}

#[track_caller]
fn refused(outcome: &Outcome, code: &str) {
    let refusal = refusal(outcome);
    assert_eq!((refusal.status, refusal.code), (401, "invalid_token"), "{}", record(outcome));
    assert_eq!(outcome.record.as_ref().unwrap().code, code);
}

/// As more than one credential is answered anywhere.
#[track_caller]
fn several(outcome: &Outcome) {
    let refusal = refusal(outcome);
    assert_eq!((refusal.status, refusal.code), (400, "invalid_request"), "{}", record(outcome));
    assert_eq!(outcome.record.as_ref().unwrap().code, "invalid_request");
    assert_eq!(outcome.count.first(), Some(&4));
}

#[test]
fn the_examples_of_rfc_9421_verify() {
    let mut hmac = example();
    line(
        &mut hmac,
        "signature-input",
        "sig-b25=(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"",
    );
    line(&mut hmac, "signature", "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:");
    let mut ed25519 = example();
    line(
        &mut ed25519,
        "signature-input",
        "sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"",
    );
    line(
        &mut ed25519,
        "signature",
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
    );
    let auth = lax(json!(["date", "@authority"]));
    assert_eq!(subject(&ask(&auth, &host(), &hmac)), "bluefin");
    assert_eq!(subject(&ask(&auth, &host(), &ed25519)), "ember");
    for (name, value) in [("date", "Tue, 20 Apr 2021 02:07:56 GMT"), (":authority", "example.org")]
    {
        for lines in [&hmac, &ed25519] {
            let mut lines = lines.clone();
            line(&mut lines, name, value);
            refused(&ask(&auth, &host(), &lines), "bad_message_signature");
        }
    }
}

#[test]
fn a_signed_request_says_who_it_is_and_loses_its_signature() {
    let mut lines = signed("n1");
    line(&mut lines, "x-postern-subject", "root");
    let outcome = ask(&auth(json!({})), &host(), &lines);
    let Identity::Known(caller) = identity(&outcome) else { panic!() };
    assert_eq!((caller.sub.as_str(), caller.plan.as_deref()), ("bluefin", Some("gold")));
    assert_eq!(
        (caller.provider.as_str(), caller.credential.as_str()),
        ("signed", "signature:hmac")
    );
    assert_eq!(edit(&outcome, "x-postern-subject").as_deref(), Some("bluefin"));
    assert_eq!(edit(&outcome, "x-postern-scopes").as_deref(), Some("orders:read"));
    assert_eq!(edit(&outcome, "signature").as_deref(), Some(""));
    assert_eq!(edit(&outcome, "signature-input").as_deref(), Some(""));
    let kept = ask(&auth(json!({"forward": true})), &host(), &lines);
    assert_eq!((edit(&kept, "signature"), edit(&kept, "signature-input")), (None, None));
}

#[test]
fn every_form_of_a_public_key_serves() {
    let auth = auth(json!({}));
    for (keyid, credential) in [("test-key-ed25519", "ed"), ("in pem", "pem"), ("jwk", "jwk")] {
        let mut lines = example();
        let parameters =
            format!(";created={CREATED};keyid=\"{keyid}\";alg=\"ed25519\";nonce=\"{keyid}\"");
        sign(&mut lines, &BASE, &parameters);
        let Identity::Known(caller) = identity(&ask(&auth, &host(), &lines)) else { panic!() };
        assert_eq!(caller.credential, format!("signature:{credential}"));
    }
}

#[test]
fn one_signature_counts() {
    let both = |lines: &mut Lines, more_input: &str, more: &str| {
        for (name, more) in [("signature-input", more_input), ("signature", more)] {
            let old = lines.iter().find(|(own, _)| own == name).unwrap().1.clone();
            line(lines, name, &format!("{more}{old}"));
        }
    };
    let mut two = signed("n");
    both(&mut two, "sig0=(\"@method\");keyid=\"x\", ", "sig0=:AQI=:, ");
    several(&ask(&auth(json!({})), &host(), &two));
    let labelled = auth(json!({"label": "sig1"}));
    assert_eq!(subject(&ask(&labelled, &host(), &two)), "bluefin");
    let other = auth(json!({"label": "sig2"}));
    refused(&ask(&other, &host(), &two), "malformed_message_signature");
    // Repeated fields are one dictionary.
    let mut lines = signed("n");
    lines.push(("signature-input".to_owned(), "sig0=()".to_owned()));
    lines.push(("signature".to_owned(), "sig0=:AQI=:".to_owned()));
    assert_eq!(subject(&ask(&labelled, &host(), &lines)), "bluefin");
    several(&ask(&auth(json!({})), &host(), &lines));
    for (input, signature) in
        [("sig1=(), ", ""), ("", "sig1=:AQI=:, "), ("sig1=(), ", "sig1=:AQI=:, ")]
    {
        let mut twice = signed("n");
        both(&mut twice, input, signature);
        several(&ask(&labelled, &host(), &twice));
        several(&ask(&auth(json!({})), &host(), &twice));
    }
    let mut copies = signed("n");
    copies.extend(signed("n").into_iter().filter(|(name, _)| name.starts_with("signature")));
    several(&ask(&labelled, &host(), &copies));
    line(&mut copies, ":path", "/public/a");
    several(&ask(&labelled, &host(), &copies));
    for missing in ["signature", "signature-input"] {
        let mut lines = signed("n");
        lines.retain(|(name, _)| name != missing);
        refused(&ask(&labelled, &host(), &lines), "malformed_message_signature");
        line(&mut lines, ":path", "/public/a");
        refused(&ask(&labelled, &host(), &lines), "malformed_message_signature");
    }
    for (name, value) in [
        ("signature", "sig1=AQI="),
        ("signature", "sig1=\"AQI=\""),
        ("signature", "sig1=(:AQI=:)"),
        ("signature", "sig2=:AQI=:"),
        ("signature", ""),
        ("signature-input", "sig1=\"@method\""),
        ("signature-input", "sig1"),
        ("signature-input", "sig2=()"),
    ] {
        let mut lines = signed("n");
        line(&mut lines, name, value);
        refused(&ask(&auth(json!({})), &host(), &lines), "malformed_message_signature");
    }
    for (name, code) in
        [("signature", "credential_too_long"), ("signature-input", "credential_too_long")]
    {
        let mut lines = signed("n");
        line(&mut lines, name, &"a".repeat(8193));
        refused(&ask(&auth(json!({})), &host(), &lines), code);
    }
}

#[test]
fn a_signature_is_a_credential_beside_others() {
    let mut none = example();
    line(&mut none, ":path", "/signed/a");
    let outcome = ask(&auth(json!({})), &host(), &none);
    assert_eq!(refusal(&outcome).headers[0].1, br#"Signature realm="market""#);
    let mut lines = signed("n");
    line(&mut lines, "x-api-key", "key");
    let outcome = ask(&auth(json!({})), &host(), &lines);
    assert_eq!(refusal(&outcome).status, 400);
}

#[test]
fn checks_inside_the_filter_are_bounded() {
    let policy = json!({
        "providers": {"signed": {"signature": {"keys": keys()}}},
        "wasm_checks_per_second": 1,
    });
    let node = parse_json(policy.to_string().as_bytes()).unwrap();
    let auth = Auth::configure(&node, &secrets).unwrap();
    let host = host();
    let send = |keyid: &str, n: usize| {
        let mut lines = example();
        sign(&mut lines, &BASE, &format!(";created={CREATED};keyid=\"{keyid}\";nonce=\"{n}\""));
        ask(&auth, &host, &lines).record.unwrap().code
    };
    let codes: Vec<_> = (0..5).map(|n| send("test-key-ed25519", n)).collect();
    assert_eq!(codes[..4], ["authenticated"; 4]);
    assert_eq!(codes[4], "too_many_checks");
    assert_eq!(send("test-shared-secret", 0), "authenticated", "a MAC costs next to nothing");
}
