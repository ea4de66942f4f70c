//! No bytes trap, whatever they are.

use postern_core::identity::Seen;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Any JSON, as claims may be.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]?", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// An identity that reads, with anything in it.
fn identity() -> impl Strategy<Value = Vec<u8>> {
    let texts = (any::<String>(), any::<String>(), prop::option::of(any::<String>()));
    let scopes = prop::collection::vec(any::<String>(), 0..3);
    (texts, scopes, [anything(), anything(), anything()]).prop_map(
        |((sub, provider, plan), scopes, [roles, level, team])| {
            let mut identity = json!({
                "v": 1, "sub": sub, "scopes": scopes, "provider": provider, "credential": "jwt",
                "claims": {"roles": roles, "level": level, "team": team},
            });
            if let Some(plan) = plan {
                identity["plan"] = plan.into();
            }
            identity.to_string().into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn no_bytes_trap(
        method in prop::collection::vec(any::<u8>(), 0..8),
        host in prop::collection::vec(any::<u8>(), 0..24),
        path in prop::collection::vec(any::<u8>(), 0..48),
        header in prop::collection::vec(any::<u8>(), 0..24),
        bytes in prop::collection::vec(any::<u8>(), 0..48),
        identity in identity(),
    ) {
        let policy = json!({"rules": [
            {"name": "a", "match": {"paths": ["/{x}/{y?}.json", "/**"],
             "headers": [{"name": "h", "prefix": ["a"]}]}, "subject": "anyone"},
            {"name": "b", "match": {"paths": ["/{x}"], "query": [{"name": "a", "exact": ["b"]}],
             "client_addresses": ["10.0.0.0/8"], "content_types": ["a/b"],
             "body_size": {"at_most": 7}, "times": [{"days": ["mon"]}]},
             "subject": {"any_role": ["x"]}, "claims": [{"claim": "sub", "is": {"path": "x"}}]},
            {"name": "c", "match": {"paths": ["/{x}/{y}"]}, "subject": {"any_scope": ["s"]},
             "claims": [{"claim": "level", "is": {"above": 1}}, {"claim": "team", "is": {"prefix": "a"}}]},
            {"name": "d", "effect": "deny", "match": {"paths": ["/{x}/**"]}, "subject": "identified",
             "when": "identity.claims.team == request.headers['h'] || identity.claims.level > 1 \
                      || path.x == identity.plan || request.query.a in identity.scopes"},
        ]});
        let authz = authz(&policy.to_string());
        let mut slashed = b"/".to_vec();
        slashed.extend_from_slice(&path);
        for path in [&path, &slashed] {
            let headers = [
                (":method", method.as_slice()),
                (":authority", host.as_slice()),
                (":path", path.as_slice()),
                ("h", header.as_slice()),
                ("content-type", header.as_slice()),
                ("content-length", header.as_slice()),
            ];
            prop_assert!(matches!(Seen::read(&identity), Some(Seen::Known(_))));
            for identity in [&bytes, &identity, &anonymous()] {
                judge(&authz, &headers, Some(identity));
            }
        }
    }
}
