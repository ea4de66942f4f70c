//! No bytes trap, whatever they are.

use proptest::prelude::*;
use serde_json::json;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn no_bytes_trap(
        method in prop::collection::vec(any::<u8>(), 0..8),
        host in prop::collection::vec(any::<u8>(), 0..24),
        path in prop::collection::vec(any::<u8>(), 0..48),
        header in prop::collection::vec(any::<u8>(), 0..24),
        identity in prop::collection::vec(any::<u8>(), 0..48),
    ) {
        let policy = json!({"rules": [
            {"name": "a", "match": {"paths": ["/{x}/{y?}.json", "/**"],
             "headers": [{"name": "h", "prefix": ["a"]}]}, "subject": "anyone"},
            {"name": "b", "match": {"paths": ["/{x}"], "query": [{"name": "a", "exact": ["b"]}],
             "client_addresses": ["10.0.0.0/8"], "content_types": ["a/b"],
             "body_size": {"at_most": 7}, "times": [{"days": ["mon"]}]},
             "subject": {"any_role": ["x"]}, "claims": [{"claim": "sub", "is": {"path": "x"}}]},
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
            judge(&authz, &headers, Some(&identity));
            judge(&authz, &headers, Some(&anonymous()));
        }
    }
}
