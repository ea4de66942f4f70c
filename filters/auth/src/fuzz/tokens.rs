//! Tokens.

use ct_codecs::{Base64UrlSafeNoPadding, Decoder, Encoder};
use postern_core::base64url;
use postern_core::fuzz::twice;
use serde_json::{Value, json};

use super::{NOW, decoded, is_fit_to_tell, texts};
use crate::claims::{Claims, Expected, Told};
use crate::jws::Jws;
use crate::mapping::IdentityClaims;
use crate::reason::Reason;
use crate::token_type::TokenType;

pub(super) const WORDS: &[&str] = &[
    "\"alg\":\"none\",",
    "\"alg\":\"HS256\",",
    "\"kid\":\"k\"",
    "\"crit\":[\"exp\"],",
    "\"b64\":false",
    "\"typ\":\"at+jwt\"",
    "\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}",
    "\"\\u0061lg\":\"x\"",
    "\"sub\":\"a\",",
    "\"exp\":1e400,",
    "\"exp\":99999999999,",
    "\"nbf\":0,",
    "\"aud\":[\"api\"],",
    "\"cnf\":{}",
    "\"scope\":\"a b\",",
    "\"jti\":\"\",",
    "\"tenant\":{\"id\":[1,\"a,b\"]},",
    "e30",
    "..",
    "eyJhbGciOiJub25lIn0",
    "\\u0000",
    "\\r\\n",
    "\u{85}",
];

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlSafeNoPadding::encode_to_string(bytes).unwrap()
}

pub(super) fn base64url_seeds() -> Vec<Vec<u8>> {
    texts(&["", "Zg", "Zm8", "Zm9v", "-_-_", "AAECAwQFBgcICQoLDA0ODw", "Zm9vYmE"])
}

/// A text has one form, the one that an independent decoder takes.
pub(super) fn base64url(text: &[u8]) {
    let ours = base64url::decode(text);
    assert_eq!(ours, Base64UrlSafeNoPadding::decode_to_vec(text, None).ok());
    if let Some(bytes) = ours {
        assert_eq!(encode(bytes).as_bytes(), text);
    }
}

pub(super) fn header_seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"alg":"HS256","kid":"hs","typ":"JWT"}"#,
        r#"{"typ":"application/at+jwt","alg":"EdDSA"}"#,
        r#"{"alg":"RS256","jku":"https://evil.example","x5c":["AAAA"],"jwk":{"kty":"RSA"}}"#,
    ])
}

pub(super) fn claims_seeds() -> Vec<Vec<u8>> {
    let good = claims_of("northwind");
    let mut rich = good.clone();
    rich["scope"] = Value::Null;
    rich["scp"] = json!(["a", "b"]);
    rich["aud"] = json!(["other", "api"]);
    rich["tenant"] = json!({"id": 7.25, "list": ["a,b", "c d", true, null, 1]});
    rich["plan"] = json!("gold");
    let odd = claims_of("a\u{85}b");
    [good, rich, odd].map(|claims| claims.to_string().into_bytes()).to_vec()
}

pub(super) fn claims_of(subject: &str) -> Value {
    json!({
        "iss": "https://id.example.com", "aud": "api", "sub": subject, "client_id": "shop",
        "scope": "a:read b", "exp": NOW + 60, "nbf": NOW - 60, "iat": NOW - 60, "jti": "t-1",
        "tenant": {"id": "\u{e9} \u{1F600}%41"}, "groups": ["x", "y"],
    })
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let headers = header_seeds();
    let claims = claims_seeds();
    let token = |header: &[u8], claims: &[u8]| {
        format!("{}.{}.{}", encode(header), encode(claims), encode([7; 32])).into_bytes()
    };
    let mut all: Vec<_> = headers.iter().map(|header| token(header, &claims[0])).collect();
    all.extend(texts(&["e30.e30.", "a.b", "a.b.c.d.e"]));
    all
}

/// A token has one form: what is read of it can be written in no other.
pub(super) fn jws(token: &[u8]) {
    let read = || {
        Jws::parse(token).map(|jws| {
            let Jws { header, payload, signature, signed } = jws;
            (header, payload, signature, signed)
        })
    };
    let Ok((header, payload, signature, signed)) = twice(read) else { return };
    let dot = signed.iter().position(|b| *b == b'.').expect("two parts");
    assert_eq!(encode(&payload).as_bytes(), &signed[dot + 1..]);
    assert_eq!([signed, b".", encode(&signature).as_bytes()].concat(), token);
    let json = base64url::decode(&signed[..dot]).expect("a header");
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["alg"], header.alg.as_str());
}

/// What counts is what any reader of JSON finds there, and no extension is missed.
pub(super) fn jose_header(json: &[u8]) {
    let token = format!("{}.e30.", encode(json));
    match twice(|| Jws::parse(token.as_bytes()).map(|jws| jws.header)) {
        Ok(header) => {
            let theirs: Value = serde_json::from_slice(json).expect("JSON");
            let theirs = theirs.as_object().expect("an object");
            assert_eq!(theirs.get("alg").and_then(Value::as_str), Some(header.alg.as_str()));
            assert_eq!(theirs.get("kid").and_then(Value::as_str), header.kid.as_deref());
            assert_eq!(theirs.get("typ").and_then(Value::as_str), header.typ.as_deref());
            assert!(!theirs.contains_key("crit") && !theirs.contains_key("b64"));
            let typ = header.typ.as_deref().unwrap_or_default();
            let upper = typ.to_ascii_uppercase();
            assert_eq!(TokenType::new(typ), TokenType::new(&upper));
            assert!(TokenType::new(typ).is(&upper));
            for other in ["JWT", "at+jwt", "application/at+jwt"] {
                let same = TokenType::new(other) == TokenType::new(typ);
                assert_eq!(TokenType::new(other).is(typ), same, "{other}, {typ}");
            }
        }
        Err(reason) => assert!([Reason::BadHeader, Reason::Extension].contains(&reason)),
    }
}

/// Of good claims, what is told is fit to be told, and says what they say.
pub(super) fn claims(payload: &[u8]) {
    let Ok(claims) = Claims::parse(payload) else { return };
    let expected = Expected {
        audiences: vec!["api".to_owned()],
        leeway: 30,
        max_age: None,
        required: decoded(&json!(["sub"])),
        matches: decoded(&json!([
            {"claim": "iss", "is": {"pattern": "https://[a-z.]*"}},
        ])),
    };
    let Ok(times) = twice(|| claims.check(&expected, NOW)) else { return };
    assert!(times.expires > NOW);
    let header = |name: &str, claim: &str, encoding: &str, separator: &str| {
        let name = format!("x-postern-{name}");
        json!({"name": name, "claim": claim, "encoding": encoding, "separator": separator})
    };
    let told = Told {
        identity: IdentityClaims::default(),
        published: decoded(&json!(["groups", {"from": "tenant.id", "to": "tenant"}])),
        headers: decoded(&json!([
            header("plain", "tenant.list", "plain", ","),
            header("percent", "tenant.list", "percent", ";"),
            header("base64url", "tenant", "base64url", "|"),
            header("groups", "groups", "plain", " "),
            header("id", "tenant.id", "percent", ","),
        ])),
    };
    let Ok(checked) = twice(|| claims.checked("idp", &told, times)) else { return };
    is_fit_to_tell(&checked);
    let theirs: Value = serde_json::from_slice(payload).expect("JSON");
    assert_eq!(theirs["sub"], checked.caller.sub.as_str());
    assert_eq!(theirs["jti"].as_str(), checked.token_id.as_deref());
    let expires = theirs["exp"].as_i64().expect("a whole number");
    assert_eq!(checked.expires, Some(expires.saturating_add(30)));
    for (name, value) in &checked.headers {
        assert!(!value.is_empty() && value.len() <= 1024, "{name}");
    }
    let percent = checked.headers.iter().find(|(name, _)| name == "x-postern-id");
    if let (Some((_, value)), Some(id)) = (percent, theirs["tenant"]["id"].as_str()) {
        assert_eq!(*postern_core::target::percent_decode(value), *id.as_bytes());
    }
}
