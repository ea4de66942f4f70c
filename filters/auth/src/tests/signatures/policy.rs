//! Mistakes in a policy.

use super::*;

#[test]
fn mistakes_in_a_policy_are_all_named() {
    let messages = |changes: Value| -> Vec<String> {
        let errors = try_auth(changes).unwrap_err();
        let short = |path: &str| path.replace("providers.signed.signature", "~");
        errors.problems().iter().map(|p| format!("{}: {}", short(&p.path), p.message)).collect()
    };
    let key = |id: &str, keyid: &str, key: Value| json!({"id": id, "keyid": keyid, "subject": "s", "key": key});
    let rsa = mint::rsa_jwk();
    assert_eq!(
        messages(json!({"keys": [
            key("a", "a", json!({"secret_env": "ABSENT"})),
            key("b", "b", json!({"jwk": rsa})),
            key("c", "c", json!({"ed25519": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})),
            key("d", "d", json!({"secret_env": "SHARED"})),
            key("d", "d", json!({"secret_env": "SHARED"})),
        ], "max_nonces": 0, "max_age": "2h", "components": []})),
        [
            "~.components: expected at least one",
            "~.max_nonces: expected more than 0: without nonces, whoever overhears a request can \
             send it again (`accept_replays: true` takes that)",
            "~.max_age: expected from `1s` to `1h`",
            "~.keys[0].key.secret_env: the environment variable `ABSENT` is not set",
            "~.keys[1].key.jwk: expected an Ed25519 key",
            "~.keys[2].key.ed25519: expected an Ed25519 key",
            "~.keys[4].id: the key at `keys[3]` has the same `id`",
            "~.keys[4].keyid: another key of this provider has the same `keyid`",
        ]
    );
    assert_eq!(
        messages(json!({"keys": [], "accept_replays": true, "max_age": "500ms"})),
        [
            "~.accept_replays: expected `max_nonces: 0` beside it",
            "~.max_age: expected from `1s` to `1h`",
            "~.keys: expected 1 to 1024 keys",
        ]
    );
    assert_eq!(
        messages(json!({
            "keys": [key("a", "é", json!({"ed25519": "AA"}))],
            "components": ["@status", "host", "a b"], "label": "Sig",
        })),
        [
            "~.keys[0].keyid: expected 1 to 256 printable ASCII characters",
            "~.keys[0].key.ed25519: expected an Ed25519 public key: 32 bytes as base64url without padding",
            "~.components[0]: expected a header name, `@method`, `@authority`, `@scheme`, `@target-uri`, `@request-target`, `@path` or `@query`",
            "~.components[1]: use `@authority`: the proxy takes a port off `host`",
            "~.components[2]: expected a header name, `@method`, `@authority`, `@scheme`, `@target-uri`, `@request-target`, `@path` or `@query`",
            "~.label: expected a label such as `sig1`: lower-case letters, digits and `_-.*`",
        ]
    );
}
