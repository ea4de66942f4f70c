//! Broken policies: every mistake at once, each with its path.

use postern_core::config::parse_json;
use postern_core::{Filter, digest};
use serde_json::{Value, json};

use super::{environment, mint, policy, sha256};
use crate::Auth;

fn errors(policy: &Value) -> String {
    let node = parse_json(policy.to_string().as_bytes()).unwrap();
    Auth::configure(&node, &environment).map(|_| ()).unwrap_err().to_string()
}

/// The test policy with one value changed; `null` removes it.
#[track_caller]
fn check(pointer: &str, value: Value, expected: &str) {
    let mut policy = policy();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match policy.pointer_mut(parent).unwrap() {
        Value::Object(map) if value.is_null() => {
            map.remove(name).unwrap();
        }
        Value::Object(map) => {
            map.insert(name.to_owned(), value);
        }
        Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer}"),
    }
    assert_eq!(errors(&policy), expected);
}

#[test]
fn every_mistake_at_once() {
    let broken = json!({
        "realm": "a\"b",
        "providers": {
            "a b": {"api_key": {"keys": [], "from": []}},
            "idp": {"jwt": {
                "issuer": "i", "audiences": [], "algorithms": ["none"],
                "keys": [{"secret": {"env": "lower", "alg": "HS256"}}, {"jwks": {"keys": [{}]}}],
                "leway": "1s",
            }},
            "keys": {"apikey": {}},
        },
        "rules": [
            {"name": "r", "match": {"path": ["/"]}, "require": {"any_of": ["idp"]}},
            {"name": "s", "match": {}, "require": {"any_of": ["nobody", "idp", "idp"]}},
            {"name": "s", "match": {}, "require": {"optional": []}},
            {"name": "t", "match": {}, "require": {"none": false}},
            {"name": "u", "match": {}, "require": {"none": true, "any_of": ["idp"]}},
        ],
        "rule": [],
    });
    assert_eq!(
        errors(&broken),
        "unknown key `rule`, did you mean `rules`?\n\
         realm: expected 1 to 128 printable ASCII characters without `\"` and `\\`\n\
         providers.idp.jwt: unknown key `leway`, did you mean `leeway`?\n\
         providers.idp.jwt.algorithms[0]: expected `RS256`, `RS384`, `RS512`, `ES256`, `ES384`, `EdDSA`, `HS256`, `HS384` or `HS512`\n\
         providers.idp.jwt.keys[0].secret.env: expected the name of an environment variable such as `API_SECRET`\n\
         providers.idp.jwt.keys[1].jwks.keys[0]: missing key `kty`\n\
         providers.keys: unknown key `apikey`, did you mean `api_key`?\n\
         rules[0].match: unknown key `path`, did you mean `paths`?\n\
         rules[3].require.none: expected `true`; leave the key out otherwise\n\
         rules[4].require: expected exactly one key of `any_of`, `optional` or `none`\n\
         providers.a b.name: expected a name of 1 to 64 letters, digits, `.`, `_` or `-`\n\
         providers.a b.api_key.from: expected at least one\n\
         providers.a b.api_key.keys: expected at least one\n\
         rules[1].require.any_of[0]: `nobody` is no provider of this policy\n\
         rules[1].require.any_of[2]: `idp` stands in the list twice\n\
         rules[2].name: the rule at `rules[1]` has the same name\n\
         rules[2].require.optional: expected at least one provider"
    );
}
