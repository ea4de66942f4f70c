//! Requests, and where credentials stand in them.

use std::rc::Rc;

use ct_codecs::{Base64, Encoder};
use postern_core::config::parse_json;
use postern_core::digest::{hex, sha256};
use postern_core::fuzz::twice;
use postern_core::target::percent_decode;
use postern_core::{Filter, HeaderEdit, Headers, Identity, Outcome, Request, Step, grammar};
use serde_json::{Value, json};

use super::{NOW, decoded, host, texts, tokens};
use crate::Auth;
use crate::carrier::{Carrier, Found, Taken};
use crate::cookies;
use crate::identity_headers::is_reserved;

pub(super) const WORDS: &[&str] = &[
    "authorization: Bearer ",
    "authorization: Basic ",
    "x-api-key: ",
    "cookie: session=",
    "session=",
    "?api_key=",
    "&api_key=",
    "api%5Fkey=",
    "access_token=a",
    "; session=a",
    "x-postern-subject: root",
    "connection: x-postern-subject",
    "X_Postern_Client: x",
    "signature: ",
    "sig1=:AAAA:",
    "signature-input: sig1=(\"@method\");created=1795478430;keyid=\"k\"",
    "/public/",
    "/both/",
    "/open/",
    "key-of-northwind",
    "%6bey",
    "\n",
    ": ",
    "origin: https://a.example",
    "\"providers\":{}",
    "\"require\":{\"none\":true}",
    "\"from\":[{\"query\":\"a\"}]",
    "\"leeway\":\"5m\"",
];

const KEY: &str = "key-of-northwind-7a30c1";
pub(super) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

pub(super) fn environment(name: &str) -> Option<String> {
    (name == "SECRET").then(|| tokens::encode(SECRET))
}

fn mac(message: &str) -> [u8; 32] {
    hmac_sha256::HMAC::mac(message, SECRET)
}

fn digest(text: &str) -> String {
    hex(&sha256(text.as_bytes()))
}

/// Providers of most kinds, each on every route but `/open/`.
pub(super) fn rich() -> Value {
    json!({
        "providers": {
            "idp": {"jwt": {
                "issuer": "https://id.example.com", "audiences": ["api"], "algorithms": ["HS256"],
                "from": [{"authorization": "Bearer"}, {"cookie": "session"}],
                "keys": [{"secret": {"env": "SECRET", "alg": "HS256", "kid": "hs"}}],
            }},
            "keys": {"api_key": {
                "from": [{"header": {"name": "x-api-key"}}, {"query": "api_key"},
                         {"header": {"name": "x-partner", "prefix": "key="}}, {"cookie": "key"}],
                "keys": [{"id": "nw", "sha256": digest(KEY), "subject": "northwind"}],
            }},
            "old": {"basic": {"users": [{"id": "nw", "user": "northwind", "sha256": digest(KEY)}]}},
            "signed": {"signature": {
                "keys": [{"id": "k", "keyid": "k", "key": {"secret_env": "SECRET"}, "subject": "bluefin"}],
                "components": ["@method"], "max_nonces": 0, "accept_replays": true,
            }},
        },
        "rules": [
            {"name": "open", "match": {"paths": ["/open/**"]}, "require": {"none": true}},
            {"name": "public", "match": {"paths": ["/public/**"]},
             "require": {"optional": ["idp", "keys", "old", "signed"]}},
            {"name": "both", "match": {"paths": ["/both/**"]}, "require": {"all_of": ["keys", "signed"]}},
        ],
    })
}

fn configured() -> Auth {
    let node = parse_json(rich().to_string().as_bytes()).unwrap();
    Auth::configure(&node, &environment).unwrap_or_else(|errors| panic!("{errors}"))
}

struct Good {
    auth: Auth,
    token: String,
    basic: String,
    /// The two lines of a signature over the method.
    signed: [String; 2],
}

impl Good {
    fn new() -> Self {
        let header = json!({"alg": "HS256", "kid": "hs"}).to_string();
        let claims = tokens::claims_of("northwind").to_string();
        let message = format!("{}.{}", tokens::encode(header), tokens::encode(claims));
        let token = format!("{message}.{}", tokens::encode(mac(&message)));
        let list = format!("(\"@method\");created={NOW};keyid=\"k\"");
        let base = format!("\"@method\": GET\n\"@signature-params\": {list}");
        let signature = Base64::encode_to_string(mac(&base)).unwrap();
        Good {
            auth: configured(),
            token,
            basic: Base64::encode_to_string(format!("northwind:{KEY}")).unwrap(),
            signed: [format!("signature-input: s={list}"), format!("signature: s=:{signature}:")],
        }
    }

    /// Is a good credential somewhere in this text, encoded or not?
    fn is_in(&self, text: &[u8]) -> bool {
        let signature = self.signed[1].trim_start_matches("signature: s=:").trim_end_matches(':');
        let plain = percent_decode(text);
        [KEY, &self.token, &self.basic, signature].iter().any(|secret| {
            let has = |text: &[u8]| text.windows(secret.len()).any(|w| w == secret.as_bytes());
            has(text) || has(&plain)
        })
    }
}

fn good() -> Rc<Good> {
    thread_local!(static GOOD: Rc<Good> = Rc::new(Good::new()));
    GOOD.with(Rc::clone)
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let good = good();
    let Good { token, basic, signed: [input, signature], .. } = good.as_ref();
    [
        format!("/private?page=2\nauthorization: Bearer {token}\nx-postern-subject: root"),
        format!("/public/a?api_key={KEY}&b=%41\nconnection: close, x-postern-subject"),
        format!("/a/../b\ncookie: a=b; session={token}; c=d\ncookie: key=x"),
        format!("/private\nx-api-key: {KEY}"),
        format!("/private\nx-partner: key={KEY}"),
        format!("/private\ncookie: key={KEY}; b=c"),
        format!("/private\nauthorization: Basic {basic}"),
        format!("/private\n{input}\n{signature}"),
        format!("/both/a?api_key={KEY}\n{input}\n{signature}"),
        "/public/a\nx-other: b".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

pub(super) type Lines = Vec<(String, Vec<u8>)>;

/// A path, and headers of a line each.
pub(super) fn lines(text: &[u8]) -> Lines {
    let mut parts = text.split(|b| *b == b'\n');
    let path = parts.next().unwrap_or_default().to_vec();
    let mut lines: Lines = [(":method", &b"GET"[..]), (":authority", b"api.example.com")]
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .to_vec();
    lines.push((":path".to_owned(), path));
    for part in parts {
        let at = part.windows(2).position(|w| w == b": ").unwrap_or(part.len());
        let name = String::from_utf8_lossy(&part[..at]).to_ascii_lowercase();
        let value = part.get(at + 2..).unwrap_or_default().trim_ascii().to_vec();
        // The proxy lets nothing else through.
        if grammar::may_write(&name, &value) {
            lines.push((name, value));
        }
    }
    lines
}

pub(super) fn judge(auth: &Auth, lines: &Lines) -> Outcome {
    let headers = Headers::new(lines.iter().cloned());
    auth.request_headers(&mut Default::default(), &Request::new(headers, true), &host())
}

fn edited(mut lines: Lines, edits: &[HeaderEdit]) -> Lines {
    for edit in edits {
        match edit {
            HeaderEdit::Remove(name) => lines.retain(|(own, _)| own != name),
            HeaderEdit::Set(name, value) => {
                lines.retain(|(own, _)| own != name);
                lines.push((name.clone().into_owned(), value.clone()));
            }
            HeaderEdit::Append(..) => panic!("nothing is added to what a client sent"),
        }
    }
    lines
}

/// Nobody is known without a good credential. What goes on carries none, and no
/// identity but the gateway's.
pub(super) fn request(text: &[u8]) {
    let good = good();
    let sent = lines(text);
    let outcome = judge(&good.auth, &sent);
    let again = judge(&good.auth, &sent);
    assert_eq!((outcome.edits(), &outcome.publish), (again.edits(), &again.publish));
    assert_eq!(format!("{:?}", outcome.step), format!("{:?}", again.step));
    let code = outcome.record.as_ref().expect("a record").code;
    match &outcome.step {
        Step::Continue => {}
        Step::Refuse(refusal) => {
            assert!([400, 401].contains(&refusal.status), "{code}");
            let words = format!("{} {:?}", refusal.detail, refusal.headers);
            assert!(!good.is_in(words.as_bytes()));
            assert!(outcome.edits().is_empty() && outcome.publish.is_empty());
            return;
        }
        other => panic!("{other:?}"),
    }
    let edits = outcome.edits();
    for edit in &edits {
        if let HeaderEdit::Set(name, value) = edit {
            assert!(grammar::may_write(name, value), "{name}: {}", value.escape_ascii());
        }
    }
    let went = edited(sent, &edits);
    for (name, value) in went.iter().filter(|(name, _)| is_reserved(name)) {
        let ours =
            edits.iter().any(|e| matches!(e, HeaderEdit::Set(n, v) if n == name && v == value));
        assert!(ours, "{name}");
    }
    let [("identity", identity)] = outcome.publish.as_slice() else { panic!("one identity") };
    match Identity::from_json(identity).expect("an identity") {
        Identity::Known(caller) => {
            assert!(good.is_in(text), "nobody's credential");
            assert!(["northwind", "bluefin"].contains(&caller.sub.as_str()));
            // Where it is judged once more, nothing is left of what it presented.
            let second = judge(&good.auth, &went);
            let second = second.record.as_ref().expect("a record").code;
            assert!(["missing_credential", "anonymous"].contains(&second), "{second}");
        }
        Identity::Anonymous => assert!(["anonymous", "not_required"].contains(&code), "{code}"),
    }
}

pub(super) fn cookie_seeds() -> Vec<Vec<u8>> {
    texts(&["a=b; session=c; d=\"e f\"", "session = a ;; odd", "Session=a; sessionx=b; session="])
}

/// The cookie is gone, and the others are all there.
pub(super) fn cookies(value: &[u8]) {
    let left = cookies::without(value, "session").unwrap_or_default();
    let kept: Vec<_> = cookies::pairs(value).filter(|(name, _)| *name != b"session").collect();
    assert_eq!(cookies::pairs(&left).collect::<Vec<_>>(), kept);
    assert!(left.len() <= value.len().saturating_mul(2));
    if grammar::is_header_value(value) && !left.is_empty() {
        assert!(grammar::is_header_value(&left), "{}", left.escape_ascii());
    }
    assert_eq!(cookies::without(&left, "session").unwrap_or_default(), left);
}

pub(super) fn basic_seeds() -> Vec<Vec<u8>> {
    texts(&[" bm9ydGh3aW5kOmtleQ==", " Ojo6", " YTo=", " bm8tY29sb24="])
}

/// User name and secret, joined and encoded again, are what was sent.
pub(super) fn basic(rest: &[u8]) {
    let found = Found::Authorization { scheme: "basic", rest };
    let Some(Ok(Taken { user: Some(user), secret, .. })) = twice(|| Carrier::basic().take(&found))
    else {
        return;
    };
    assert!(!secret.is_empty() && !user.contains(&b':'));
    let joined = Base64::encode_to_string([&user, &b":"[..], &secret].concat()).unwrap();
    assert_eq!([b" ", joined.as_bytes()].concat(), rest);
}

pub(super) fn api_key_seeds() -> Vec<Vec<u8>> {
    texts(&["key=pk_0123456789", "pk%5F0123+45", "key=", "a b"])
}

/// A key is of visible ASCII and not empty, wherever it stands.
pub(super) fn api_key(value: &[u8]) {
    let from: Vec<Carrier> = decoded(&json!([
        {"header": {"name": "x-api-key", "prefix": "key="}}, {"query": "api_key"},
        {"cookie": "key"}, {"authorization": "Bearer"},
    ]));
    let founds = [
        Found::Header { name: "x-api-key", value },
        Found::Query { name: "api_key", value },
        Found::Cookie { name: "key", value },
        Found::Authorization { scheme: "bearer", rest: value },
    ];
    for (carrier, found) in from.iter().zip(&founds) {
        for (other, place) in from.iter().zip(0..) {
            let own = std::ptr::eq(carrier, other);
            let taken = other.take(found);
            assert!(own || taken.is_none(), "carrier {place} took another's");
            let Some(Ok(taken)) = taken else { continue };
            if !taken.is_well_formed() {
                continue;
            }
            assert!(taken.user.is_none() && !taken.secret.is_empty());
            assert!(taken.secret.iter().all(u8::is_ascii_graphic));
            let plain = postern_core::target::decode_form(value);
            assert!(value.ends_with(&taken.secret) || plain == taken.secret);
        }
    }
}
