use super::*;

#[track_caller]
fn refused(policy: &str, expected: &str) {
    let node = parse_json(policy.as_bytes()).unwrap();
    let errors = RateLimit::configure(&node, &|_| None).unwrap_err();
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn every_mistake_is_named_at_once() {
    refused(
        r#"{
            "capacity": 0,
            "ipv6_prefix": 129,
            "limit": [],
            "limits": [
                {"id": "a", "match": {}, "quota": 0, "window": "60s"},
                {"id": "a", "match": {}, "quota": 1, "window": "0s", "key": []},
                {"id": "b c", "quota": 1.5, "window": "1500ms", "key": ["subject", "adress", "subject"]},
                {"id": "d", "match": {}, "quota": 5, "window": 60, "burst": 0, "algorithm": "leaky"},
                {"id": "e", "match": {}, "quota": 5, "window": "60s",
                 "plans": {"gold": {"quota": 0, "window": "1s"}, "iron": 7, "tin": "unlimted"}}
            ],
            "dialects": [{"dialect": "github"}]
        }"#,
        "limits[1].id: `a` is the id of limits[0] already\n\
         limits[1].key: expected at least one part\n\
         limits[2].key[2]: the same part twice\n\
         unknown key `limit`, did you mean `limits`?\n\
         limits[0].quota: expected a whole number from 1 to 1000000000, but found 0\n\
         limits[1].window: expected a duration over zero such as `250ms`, `30s`, `5m`, `2h` or `1d`\n\
         limits[2].id: expected a name of 1 to 64 letters, digits, `.`, `_` or `-`\n\
         limits[2]: missing key `match`\n\
         limits[2].key[1]: expected `subject`, `issuer`, `client`, `credential`, `plan` or `address`\n\
         limits[2].quota: expected a whole number from 1 to 1000000000\n\
         limits[2].window: expected whole seconds such as `1s`, `5m`, `2h` or `1d`\n\
         limits[3].algorithm: expected `gcra` or `fixed_window`\n\
         limits[3].window: expected a duration such as `30s`, but found a whole number\n\
         limits[3].burst: expected a whole number from 1 to 1000000000, but found 0\n\
         limits[4].plans.gold.quota: expected a whole number from 1 to 1000000000, but found 0\n\
         limits[4].plans.iron: expected `unlimited` or a mapping with `quota` and `window`, but found a whole number\n\
         limits[4].plans.tin: expected `unlimited` or a mapping with `quota` and `window`\n\
         dialects[0]: missing key `match`\n\
         dialects[0].dialect: expected `ietf`, `legacy` or `none`\n\
         capacity: expected a whole number from 1024 to 1048576, but found 0\n\
         ipv6_prefix: expected a whole number from 16 to 128, but found 129",
    );
}

#[test]
fn numbers_that_do_not_go_together() {
    refused(
        r#"{"limits": [
            {"id": "a", "match": {}, "quota": 1, "window": "1d", "burst": 400},
            {"id": "b", "match": {}, "quota": 1, "window": "1d", "algorithm": "fixed_window", "burst": 2},
            {"id": "c", "match": {}, "quota": 1, "window": "1d",
             "plans": {"gold": {"quota": 1, "window": "366d", "burst": 2}}}
        ]}"#,
        "limits[0].burst: expected a burst that comes back within 366 days at the rate of `quota` per `window`\n\
         limits[1].burst: a fixed window has no burst of its own\n\
         limits[2].plans.gold.burst: expected a burst that comes back within 366 days at the rate of `quota` per `window`",
    );
}

#[test]
fn a_policy_counts_something() {
    refused("{}", "missing key `limits`");
    refused(
        r#"{"limits": []}"#,
        "limits: expected at least one limit: without any, nothing is counted",
    );
}
