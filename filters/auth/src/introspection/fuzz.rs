//! Targets for fuzzing: see `crate::fuzz`.

use postern_core::Answer;
use postern_core::fuzz::twice;
use serde_json::{Value, json};

use super::essentials;
use super::meaning::{Expected, Meaning};
use super::slot::{Entry, Slot, WAYS};
use crate::checked::Checked;
use crate::fuzz::{HIDDEN, NOW, decoded, is_fit_to_tell, texts};
use crate::reason::Reason;

pub(crate) const WORDS: &[&str] = &[
    "\"active\":true,",
    "\"active\":false,",
    "\"active\":\"true\",",
    "\"active\":null,",
    "\"exp\":1,",
    "\"exp\":null,",
    "\"nbf\":9999999999,",
    "\"sub\":\"a\",",
    "\"cnf\":{},",
    "\"scope\":\"a b\",",
    "\"scope\":[\"a\"],",
    "\"aud\":[],",
    "\"token_type\":\"DPoP\",",
    "\"jti\":\"\",",
    "\"username\":\"u\",",
    "\"a\\u0063tive\":true,",
    "\\u0000",
    "\u{85}",
    "\"headers\":[[\"x-postern-a\",\"b\"]],",
    "\"caller\":{},",
];

pub(crate) fn answer_seeds() -> Vec<Vec<u8>> {
    [
        json!({"active": true, "sub": "northwind", "client_id": "shop", "scope": "a:read b", "plan": "gold",
               "exp": NOW + 60, "iat": NOW - 5, "nbf": NOW - 5, "aud": ["market"], "jti": "t-1",
               "iss": "https://id.example.com", "token_type": "Bearer", "tenant": {"id": [1, "a b"]}}),
        json!({"active": true, "username": "northwind", "sub": null, "exp": null, "aud": "market", "note": HIDDEN}),
        json!({"active": false}),
        json!({"active": HIDDEN, "sub": "x"}),
    ]
    .map(|answer| answer.to_string().into_bytes())
    .to_vec()
}

/// A good answer says that the token is active, and what it tells on is fit to be
/// told, to the other workers too.
pub(crate) fn answer(body: &[u8]) {
    let expected = Expected {
        provider: "personal".to_owned(),
        issuer: None,
        audiences: vec!["market".to_owned()],
        identity: None,
        published: decoded(&json!(["tenant"])),
        headers: decoded(&json!([
            {"name": "x-postern-tenant", "claim": "tenant", "encoding": "percent"},
        ])),
    };
    let answer = Answer::Response { status: 200, headers: Vec::new(), body: body.to_vec().into() };
    let theirs = serde_json::from_slice::<Value>(body);
    match twice(|| expected.read(&answer, NOW)) {
        Ok(Meaning::Active(checked)) => {
            assert_eq!(theirs.expect("JSON")["active"], true);
            assert!(checked.expires.is_none_or(|at| at > NOW));
            is_fit_to_tell(&checked);
            let told = essentials::write(&checked).expect("it can be told");
            assert_eq!(essentials::read(&told), Some(*checked));
        }
        Ok(Meaning::Refused { .. }) => assert!(theirs.expect("JSON")["active"].is_boolean()),
        Err(broken) => assert!(!broken.to_string().contains(HIDDEN)),
    }
}

pub(crate) fn slot_seeds() -> Vec<Vec<u8>> {
    let mut slot = Slot::default();
    slot.put([1; 32], Entry::Good { asked: 5, fresh: 90, keep: 99, essentials: b"{}".to_vec() });
    slot.put([2; 32], Entry::Bad { asked: 6, until: 90, keep: 90, reason: Reason::Inactive });
    let two = slot.encode();
    slot.put([1; 32], Entry::Claim { until: 70 });
    slot.put([3; 32], Entry::Failed { until: 60 });
    vec![two, slot.encode(), Vec::new()]
}

/// Whatever stands in the shared data: what is read of it, others read the same, and
/// what is put there is found.
pub(crate) fn slot(bytes: &[u8]) {
    let slot = twice(|| Slot::decode(bytes, 50));
    assert_eq!(Slot::decode(bytes, u64::MAX), Slot::default(), "all of it is over");
    let written = slot.encode();
    assert!(written.len() <= bytes.len());
    assert_eq!(Slot::decode(&written, 50), slot);
    let mut more = slot.clone();
    more.put([9; 32], Entry::Claim { until: 80 });
    let again = Slot::decode(&more.encode(), 50);
    assert_eq!(again, more);
    let crowded = slot.encode().len() / 59 >= WAYS;
    assert!(crowded || again.seen(&[9; 32]).claimed == Some(80));
}

pub(crate) fn essentials_seeds() -> Vec<Vec<u8>> {
    let checked = |sub: &str| {
        let caller = postern_core::identity::Caller {
            sub: sub.to_owned(),
            scopes: postern_core::scopes::Scopes::read("a").unwrap(),
            credential: "token:t-1".to_owned(),
            ..Default::default()
        };
        Checked {
            headers: vec![("x-postern-tenant".to_owned(), b"a%20b".to_vec())],
            expires: Some(NOW),
            token_id: Some("t-1".to_owned()),
            ..Checked::from(caller)
        }
    };
    let mut all: Vec<_> =
        ["zoe", "\u{e9}\"\\"].iter().filter_map(|sub| essentials::write(&checked(sub))).collect();
    all.extend(texts(&["{}"]));
    all
}

/// Read and written again it says the same.
pub(crate) fn essentials(told: &[u8]) {
    let Some(checked) = twice(|| essentials::read(told)) else { return };
    let written = essentials::write(&checked).expect("it was told");
    assert_eq!(essentials::read(&written), Some(checked));
}
