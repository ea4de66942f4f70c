//! Documents that are fetched, and what stands in them.

use postern_core::config::{Value as Known, parse_json};
use postern_core::digest::{hex, sha256};
use postern_core::fuzz::twice;
use postern_core::grammar;
use postern_core::host_name::host_of;
use postern_core::identity::Caller;
use serde_json::{Value, json};

use super::{HIDDEN, NOW, is_fit_to_tell, texts};
use crate::checked::Checked;
use crate::discovery::AddressForm;
use crate::key_list::{Builder, Entry, KeyList};
use crate::key_list_form::{KeyListForm, MAX_BYTES};
use crate::remote::{Form, Read};
use crate::revoked::Lists;
use postern_core::instant::Instant;

pub(super) const WORDS: &[&str] = &[
    "\"keys\":[",
    "\"keys\":[],",
    "{\"keys\":",
    "\"kty\":\"oct\",",
    "\"kty\":\"EC\",",
    "\"crv\":\"P-521\",",
    "\"alg\":\"HS256\",",
    "\"alg\":\"RS256\"",
    "\"use\":\"enc\",",
    "\"key_ops\":[]",
    "\"d\":\"AAAA\",",
    "\"x\":\"\",",
    "\"kid\":\"k\",",
    "\"e\":\"Aw\"",
    "\"id\":\"a\",",
    "\"expires\":\"1970-01-01T00:00:00Z\",",
    "\"subject\":\"\",",
    "\"scopes\":[\"a b\"],",
    "\"subjects\":[],",
    "\"issued_before\":[{}]",
    "\"issuer\":\"https://id.example.com\",",
    "\"jwks_uri\":\"https://evil.example/\"",
    "-----END ",
    "PUBLIC KEY-----\n",
    "RSA ",
    "PRIVATE KEY-----",
    "-----BEGIN CERTIFICATE-----",
    "\\u0000",
    "\\\"",
    "hidden-0451",
];

/// A document of one piece, read twice; no word of it is told when it is of no use.
pub(super) fn read<F: Form<Part = ()>>(form: &F, body: &[u8]) -> Option<F::Value> {
    let read = |result: Result<Option<Read<F::Value>>, String>| match result {
        Ok(Some(read)) => Ok(read),
        Ok(None) => panic!("it is of one piece"),
        Err(why) => Err(why),
    };
    let first = read(form.read(body, &mut ()));
    let second = read(form.read(body, &mut ()));
    match (first, second) {
        (Ok(one), Ok(other)) => {
            assert_eq!(form.size(&one.value), form.size(&other.value));
            let published = one.publish.unwrap_or_else(|| body.to_vec());
            let restored = form.restore(published).expect("the others take it over");
            assert_eq!(form.size(&restored), form.size(&one.value));
            Some(one.value)
        }
        (Err(one), Err(other)) => {
            assert_eq!(one, other);
            assert!(!one.contains(HIDDEN), "{one}");
            None
        }
        _ => panic!("two answers"),
    }
}

fn digest(n: usize) -> [u8; 32] {
    sha256(format!("key {n}").as_bytes())
}

pub(super) fn key_list_seeds() -> Vec<Vec<u8>> {
    let key = |n: usize| {
        json!({
            "id": format!("k-{n}"), "sha256": hex(&digest(n)), "subject": "northwind",
            "client": "shop", "scopes": ["a:read", "b"], "plan": "gold",
            "not_before": "2026-01-31T12:00:00Z", "expires": "2036-01-31T12:00:00Z",
        })
    };
    let plain = json!({"id": "p", "sha256": hex(&digest(9)), "subject": "quillhaven"});
    let twice = format!("{{\"keys\":[{}],\"keys\":[{plain}]}}", key(0));
    let mut all = [
        json!({"keys": [key(0), plain, key(1)]}),
        json!({"version": [1, {"a": "]}\\\""}], "keys": [plain, {"id": 7}], "more": "x"}),
        json!({ "keys": (0..20).map(key).collect::<Vec<_>>() }),
    ]
    .map(|list| list.to_string().into_bytes())
    .to_vec();
    all.push(twice.into_bytes());
    all
}

/// Read to its end in slices of bounded number. What it holds is found in it, and
/// in what the other workers get.
pub(super) fn key_list(body: &[u8]) {
    let read = || {
        let mut part = Default::default();
        for _ in 0..body.len() / 100 + 4 {
            match KeyListForm.read(body, &mut part) {
                Ok(None) => {}
                Ok(Some(read)) => return Ok(read),
                Err(why) => return Err(why),
            }
        }
        panic!("too many slices for {} of {MAX_BYTES} bytes", body.len());
    };
    let (first, second) = (read(), read());
    let (one, other) = match (first, second) {
        (Ok(one), Ok(other)) => (one, other),
        (one, other) => return assert_eq!(one.err(), other.err()),
    };
    assert_eq!(one.publish, other.publish);
    assert_eq!(one.remarks, other.remarks);
    assert!(one.remarks.len() <= 5);
    let restored = KeyListForm.restore(one.publish.unwrap_or_default()).expect("a set");
    assert!(one.value.len() > 0);
    assert_eq!(restored.len(), one.value.len());
    // What a reader of JSON finds is found, unless it was left out.
    let Ok(theirs) = serde_json::from_slice::<Value>(body) else { return };
    let mut found = std::collections::BTreeSet::new();
    for key in theirs["keys"].as_array().into_iter().flatten() {
        let Some(digest) = key["sha256"].as_str().and_then(unhex) else { continue };
        let (ours, again) = (one.value.find(&digest), restored.find(&digest));
        assert_eq!(ours.is_some(), again.is_some());
        let Some(ours) = ours else { continue };
        found.insert(digest);
        assert!(!ours.subject().is_empty());
        if let Ok(checked) = ours.checked("keys", NOW) {
            is_fit_to_tell(&checked);
            assert_eq!(again.expect("in both").checked("keys", NOW), Ok(checked));
        }
    }
    assert_eq!(found.len(), one.value.len());
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let byte = |pair: &[u8]| {
        let [high, low] = pair else { return None };
        u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    bytes?.try_into().ok()
}

pub(super) fn key_list_bytes_seeds() -> Vec<Vec<u8>> {
    [0, 1, 3, 9]
        .map(|keys| {
            let mut builder = Builder::default();
            for n in 0..keys {
                let _ = builder.add(&Entry {
                    digest: digest(n),
                    id: "k",
                    subject: "northwind",
                    client: Some("shop"),
                    scopes: "a b",
                    plan: None,
                    not_before: None,
                    expires: Some(NOW + 1),
                });
            }
            builder.finish().0.to_bytes()
        })
        .to_vec()
}

/// Whatever stands in the shared data: bounded work, and no more than stands there.
pub(super) fn key_list_bytes(bytes: &[u8]) {
    let Some(list) = KeyList::restore(bytes.to_vec()) else { return };
    assert_eq!(list.to_bytes(), bytes);
    for n in 0..12 {
        let checked = || list.find(&digest(n)).map(|found| found.checked("keys", NOW));
        if let Some(Ok(Checked { caller, .. })) = twice(checked) {
            let Caller { sub, credential, scopes, .. } = caller;
            let told = sub.len() + credential.len() + scopes.as_str().len();
            assert!(told <= 3 * bytes.len() + 16);
        }
    }
}

pub(super) fn revocations_seeds() -> Vec<Vec<u8>> {
    [
        json!({"token_ids": ["t-1", HIDDEN], "subjects": ["northwind"], "clients": ["c"],
               "credentials": ["api_key:nw"], "issued_before": [
                   {"subject": "quillhaven", "at": "2026-01-31T12:00:00Z"},
                   {"client": "app", "at": "2027-01-31T12:00:00Z"}, {"at": "1970-01-01T00:00:00Z"}]}),
        json!({}),
        json!({"subjects": ["a", "a", "b"]}),
        json!([["t-1"], ["northwind"]]),
    ]
    .map(|list| list.to_string().into_bytes())
    .to_vec()
}

/// Whatever a reader of JSON finds on it is revoked, and a list is taken whole or
/// not at all.
pub(super) fn revocations(body: &[u8]) {
    let Some(list) = read(&Lists, body) else { return };
    let theirs: Value = serde_json::from_slice(body).expect("JSON");
    let members = theirs.as_object().expect("an object");
    let known = ["token_ids", "subjects", "credentials", "clients", "issued_before"];
    assert!(members.keys().all(|name| known.contains(&name.as_str())));
    let nobody = Caller { sub: "nobody".into(), credential: "jwt".into(), ..Caller::default() };
    let nobody = || Checked { issued: Some(i64::MAX), ..Checked::from(nobody.clone()) };
    let all = |name: &str| theirs[name].as_array().cloned().unwrap_or_default();
    let texts = |name: &str| -> Vec<String> {
        all(name).iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
    };
    for id in texts("token_ids") {
        assert!(list.has(&Checked { token_id: Some(id), ..nobody() }));
    }
    let with = |change: &dyn Fn(&mut Caller)| {
        let mut checked = nobody();
        change(&mut checked.caller);
        list.has(&checked)
    };
    assert!(texts("subjects").iter().all(|text| with(&|caller| caller.sub.clone_from(text))));
    assert!(texts("credentials").iter().all(|text| with(&|c| c.credential.clone_from(text))));
    assert!(texts("clients").iter().all(|text| with(&|c| c.client = Some(text.clone()))));
    for one in all("issued_before") {
        let text = |name: &str| one[name].as_str().map(str::to_owned);
        let at = text("at").and_then(|at| Instant::parse(&at)).expect("a time").seconds();
        let mut checked = nobody();
        checked.issued = Some(at - 1);
        checked.caller.sub = text("subject").unwrap_or(checked.caller.sub);
        checked.caller.client = text("client");
        assert!(list.has(&checked));
    }
}

pub(super) fn discovery_seeds() -> Vec<Vec<u8>> {
    let document = |more: Value| {
        let mut all = json!({"issuer": "https://id.example.com", "token_endpoint": HIDDEN,
                             "jwks_uri": "https://id.example.com/jwks?v=1"});
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        all.to_string().into_bytes()
    };
    vec![
        document(json!({})),
        document(json!({"jwks_uri": "http://ID.example.com:8080"})),
        document(json!({"jwks_uri": "https://evil.example/jwks"})),
        document(json!({"issuer": format!("https://{HIDDEN}.example")})),
    ]
}

/// The address is on the issuer's host, and any reader of JSON finds the same.
pub(super) fn discovery(body: &[u8]) {
    let form = AddressForm {
        issuer: "https://id.example.com".to_owned(),
        host: Some("id.example.com".to_owned()),
    };
    let Some(uri) = read(&form, body) else { return };
    assert_eq!(host_of(Some(uri.authority.as_bytes())).as_deref(), Some("id.example.com"));
    assert!(grammar::may_write(":path", uri.path.as_bytes()));
    assert!(grammar::may_write(":authority", uri.authority.as_bytes()));
    let theirs: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(theirs["issuer"], "https://id.example.com");
    let bare = theirs["jwks_uri"].as_str().expect("a text");
    assert!(bare.ends_with(&uri.path) || uri.path == "/");
    let node = parse_json(body).expect("JSON");
    let Known::Map(members) = &node.value else { panic!("an object") };
    for name in ["issuer", "jwks_uri"] {
        assert_eq!(members.iter().filter(|(key, _)| key.text == name).count(), 1, "{name}");
    }
}

pub(super) fn instant_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "2026-01-31T12:00:00Z",
        "2000-02-29T23:59:59Z",
        "9999-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
    ])
}

/// A time, written again from its seconds, is what was read.
pub(super) fn instant(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Some(seconds) = twice(|| Instant::parse(text)).map(Instant::seconds) else { return };
    let (mut days, rest) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days >= 365 + i64::from(leap(year)) {
        days -= 365 + i64::from(leap(year));
        year += 1;
    }
    let february = 28 + i64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let written =
        format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1);
    assert_eq!(written, text);
}
