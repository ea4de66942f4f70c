//! Broken policies: every mistake at once, each with its path.

use postern_core::Filter;
use postern_core::config::parse_json;
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
         realm: expected a realm of 1 to 128 printable ASCII characters without `\"` and `\\`\n\
         providers.idp.jwt: unknown key `leway`, did you mean `leeway`?\n\
         providers.idp.jwt.algorithms[0]: expected `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `ES512`, `ES256K`, `EdDSA`, `HS256`, `HS384` or `HS512`\n\
         providers.idp.jwt.keys[0].secret.env: expected the name of an environment variable such as `API_SECRET`\n\
         providers.idp.jwt.keys[1].jwks.keys[0]: missing key `kty`\n\
         providers.keys: unknown key `apikey`, did you mean `api_key`?\n\
         rules[0].match: unknown key `path`, did you mean `paths`?\n\
         rules[3].require.none: expected `true`; leave the key out otherwise\n\
         rules[4].require: expected exactly one key of `any_of`, `all_of`, `optional` or `none`\n\
         providers.a b.name: expected a name of 1 to 64 letters, digits, `.`, `_` or `-`\n\
         providers.a b.api_key.from: expected at least one\n\
         providers.a b.api_key.keys: expected at least one\n\
         rules[1].require.any_of[0]: `nobody` is no provider of this policy, expected `a b`, `idp` or `keys`\n\
         rules[1].require.any_of[2]: `idp` stands in the list twice\n\
         rules[2].name: the rule at `rules[1]` has the same name\n\
         rules[2].require.optional: expected at least one provider"
    );
}

const IDP: &str = "/providers/idp/jwt";
const KEYS: &str = "/providers/keys/api_key";

/// One value of the identity provider's changed.
#[track_caller]
fn idp(pointer: &str, value: Value, expected: &str) {
    check(&format!("{IDP}{pointer}"), value, &format!("providers.idp.jwt.{expected}"));
}

/// One value of the API keys' changed.
#[track_caller]
fn keys(pointer: &str, value: Value, expected: &str) {
    check(&format!("{KEYS}{pointer}"), value, &format!("providers.keys.api_key.{expected}"));
}

#[test]
fn what_is_missing_or_empty() {
    check("/providers", Value::Null, "missing key `providers`");
    check(
        "/providers/other",
        json!({}),
        "providers.other: expected exactly one key of `jwt`, `api_key`, `basic`, `introspection`, `certificate` or `signature`",
    );
    idp("/audiences", json!([]), "audiences: expected at least one");
    idp("/types", json!([]), "types: expected at least one");
    keys(
        "/keys/0/scopes",
        json!(["a b"]),
        "keys[0].scopes[0]: expected a scope of 1 to 256 printable ASCII characters without blank, `\"` and `\\`",
    );
}

#[test]
fn numbers_and_times_have_bounds() {
    for leeway in [json!("301s"), json!("10m"), json!("1500ms"), json!("-1s")] {
        idp("/leeway", leeway, "leeway: expected whole seconds from `0s` to `5m`");
    }
    idp(
        "/leeway",
        json!(30),
        "leeway: expected whole seconds from `0s` to `5m`, but found a whole number",
    );
    idp(
        "/max_bytes",
        json!(0),
        "max_bytes: expected a whole number from 256 to 32768, but found 0",
    );
    keys(
        "/keys/1/expires",
        json!("2026-11-24T00:00:00Z"),
        "keys[1].expires: expected a time after `not_before`",
    );
    keys(
        "/keys/1/expires",
        json!("tomorrow"),
        "keys[1].expires: expected a time in UTC such as `2026-01-31T12:00:00Z`",
    );
}

#[test]
fn keys_are_public_usable_and_told_apart() {
    let jwk = "/keys/0/jwks/keys/2";
    let at = "keys[0].jwks.keys[2]";
    let mut private = mint::ed25519_jwk();
    private["d"] = json!("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ");
    idp(
        jwk,
        private,
        &format!("{at}.d: a private key cannot stand in a policy: give the public members only"),
    );
    idp(
        jwk,
        json!({"kty": "oct", "k": "c2VjcmV0"}),
        &format!("{at}.k: a private key cannot stand in a policy: give the public members only"),
    );
    let mut encryption = mint::ed25519_jwk();
    encryption["use"] = json!("enc");
    idp(jwk, encryption, &format!("{at}.use: expected `sig`"));
    let mut short = mint::ed25519_jwk();
    short["x"] = json!("AAAA");
    idp(
        jwk,
        short,
        &format!("{at}: expected a point on the curve, with coordinates of full length"),
    );
    let mut same = mint::ed25519_jwk();
    same["kid"] = mint::rsa_jwk()["kid"].clone();
    idp(jwk, same, &format!("{at}: another key of this provider has the same `kid`"));
    idp(
        "/algorithms",
        json!(["RS256", "ES256", "HS256"]),
        &format!("{at}: no algorithm of `algorithms` can use this key"),
    );
}

#[test]
fn shared_secrets_come_from_the_environment() {
    let secret = |env: &str, alg: &str| json!({"env": env, "alg": alg});
    let at = "keys[1].secret";
    idp(
        "/keys/1/secret",
        secret("NOWHERE", "HS256"),
        &format!("{at}.env: the environment variable `NOWHERE` is not set"),
    );
    idp(
        "/keys/1/secret",
        secret("EMPTY", "HS256"),
        &format!("{at}.env: the environment variable `EMPTY` is not set"),
    );
    idp(
        "/keys/1/secret",
        secret("BROKEN", "HS256"),
        &format!("{at}.env: the environment variable `BROKEN` is not base64url"),
    );
    idp(
        "/keys/1/secret",
        secret("SHORT", "HS256"),
        &format!(
            "{at}.env: the secret in the environment variable `SHORT` has fewer than 32 bytes"
        ),
    );
    idp(
        "/keys/1/secret",
        secret("SECRET", "RS256"),
        &format!("{at}.alg: expected `HS256`, `HS384` or `HS512`"),
    );
}

#[test]
fn credentials_stand_where_they_can() {
    keys(
        "/from/0",
        json!({"header": {"name": "X-Postern-Key"}}),
        "from[0].header.name: headers that begin with `x-postern-` are the gateway's own",
    );
    keys(
        "/from/0",
        json!({"header": {"name": "Authorization"}}),
        "from[0].header.name: use `authorization` with a scheme, or `basic`",
    );
    keys(
        "/from/0",
        json!({"authorization": "Basic"}),
        "from[0].authorization: HTTP Basic carries a user name too: use `basic: true`",
    );
    check(
        "/providers/other/jwt/from/0",
        json!({"basic": true}),
        "providers.other.jwt.from[0]: HTTP Basic cannot carry a JWT",
    );
}

#[test]
fn digests_are_digests_of_something() {
    let wrong = "keys[0].sha256: expected a SHA-256 digest as 64 hexadecimal digits";
    keys("/keys/0/sha256", json!("key-of-northwind"), wrong);
    keys(
        "/keys/0/sha256",
        json!(sha256("")),
        "keys[0].sha256: this is the digest of no key at all",
    );
    keys(
        "/keys/1/sha256",
        json!(sha256("key-of-northwind")),
        "keys[1].sha256: the key at `keys[0]` has the same digest",
    );
    keys("/keys/1/id", json!("nw-1"), "keys[1].id: the key at `keys[0]` has the same `id`");
}
