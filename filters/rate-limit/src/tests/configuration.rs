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
            "dialects": [{"dialect": "git-hub"}]
        }"#,
        "limits[1].id: `a` is the id of limits[0] already\n\
         limits[1].key: expected at least one part\n\
         limits[2].key[2]: the same part twice\n\
         unknown key `limit`, did you mean `limits`?\n\
         limits[0].quota: expected a whole number from 1 to 1000000000, but found 0\n\
         limits[1].window: expected a duration over zero such as `250ms`, `30s`, `5m`, `2h` or `1d`\n\
         limits[2].id: expected a name of 1 to 64 letters, digits, `.`, `_` or `-`\n\
         limits[2]: missing key `match`\n\
         limits[2].key[1]: expected `subject`, `issuer`, `client`, `credential`, `plan` or `address`: did you mean `address`?\n\
         limits[2].quota: expected a whole number from 1 to 1000000000\n\
         limits[2].window: expected whole seconds such as `1s`, `5m`, `2h` or `1d`\n\
         limits[3].algorithm: expected `gcra`, `fixed_window` or `sliding_window`\n\
         limits[3].window: expected a duration such as `30s`, but found a whole number\n\
         limits[3].burst: expected a whole number from 1 to 1000000000, but found 0\n\
         limits[4].plans.gold.quota: expected a whole number from 1 to 1000000000, but found 0\n\
         limits[4].plans.iron: expected `unlimited` or a mapping with `quota` and `window`, but found a whole number\n\
         limits[4].plans.tin: expected `unlimited` or a mapping with `quota` and `window`\n\
         dialects[0]: missing key `match`\n\
         dialects[0].dialect: expected `ietf`, `draft_7`, `draft_3`, `github`, `twitter`, `legacy` or `none`: did you mean `github`?\n\
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
fn a_window_has_a_word() {
    for (text, policy) in [
        ("10/s", "q=10;w=1"),
        ("10/sec", "q=10;w=1"),
        ("10/second", "q=10;w=1"),
        ("10/m", "q=10;w=60"),
        ("10/min", "q=10;w=60"),
        ("10/minute", "q=10;w=60"),
        ("10/hour", "q=10;w=3600"),
        ("10/day", "q=10;w=86400"),
        ("10/15m", "q=10;w=900"),
    ] {
        let filter = rate_limit(&format!(
            r#"{{"limits": [{{"id": "a", "match": {{}}, "windows": ["{text}"]}}]}}"#
        ));
        let seen = send(&filter, &FakeHost::at(START), &[], 200);
        assert_eq!(seen.fields[0], format!(r#"ratelimit-policy: "a";{policy}"#), "{text}");
    }
}

#[test]
fn windows_stand_alone_and_have_names_of_their_own() {
    refused(
        r#"{"limits": [
            {"id": "a", "match": {}, "windows": ["10/s"], "quota": 1, "window": "1s"},
            {"id": "b", "match": {}, "windows": ["10/s", "20/1s"]},
            {"id": "c", "match": {}, "windows": ["0/s", "10/ms", "1e3/h", "/h", 5]},
            {"id": "d", "match": {}, "windows": []},
            {"id": "e", "match": {}},
            {"id": "f", "match": {}, "quota": 1},
            {"id": "g", "match": {}, "windows": ["1/s","1/m","1/h","1/d","2/s","2/m","2/h","2/d","3/s"]},
            {"id": "h", "match": {}, "windows": [{"quota": 1, "window": "1d", "burst": 400}]}
        ]}"#,
        "limits[0]: `quota` has no place beside `windows`\n\
         limits[1].windows: two windows are called `b.1s`\n\
         limits[2].windows[0]: expected a quota and a window such as `10/s`, `1000/h`, `50000/day` or `300/15m`\n\
         limits[2].windows[1]: expected a quota and a window such as `10/s`, `1000/h`, `50000/day` or `300/15m`\n\
         limits[2].windows[2]: expected a quota and a window such as `10/s`, `1000/h`, `50000/day` or `300/15m`\n\
         limits[2].windows[3]: expected a quota and a window such as `10/s`, `1000/h`, `50000/day` or `300/15m`\n\
         limits[2].windows[4]: expected a quota and a window such as `10/s`, `1000/h`, `50000/day` or `300/15m`, or a mapping, but found a whole number\n\
         limits[3].windows: expected at least one; leave the key out where it does not matter\n\
         limits[4]: missing key `quota`\n\
         limits[4]: missing key `window`\n\
         limits[5]: missing key `window`\n\
         limits[6].windows: expected at most 8 windows\n\
         limits[7].windows[0].burst: expected a burst that comes back within 366 days at the rate of `quota` per `window`",
    );
}

#[test]
fn keys_costs_and_callers_are_checked() {
    refused(
        r#"{"limits": [
            {"id": "a", "match": {"paths": ["/a/{x}", "/b/{y}"]}, "key": [{"path": "x"}], "quota": 1, "window": "1s"},
            {"id": "b", "match": {}, "key": [{"header": "a b"}, {"claim": "c", "query": "q"}, {"network": {"ipv4": 4}}],
             "quota": {"claim": "n"}, "window": "1s"},
            {"id": "c", "match": {}, "quota": 1, "window": "1s",
             "costs": [{"match": {}, "cost": {"header": "x"}, "answers": [{"statuses": [99]}]}],
             "overrides": [{"callers": {}, "limit": "unlimited"}, {"callers": {"addresses": ["10.0.0.1/8"]}, "limit": {}}]}
        ],
        "dialects": [{"match": {}, "dialect": {"fields": [{"name": "x-a", "value": "{left}"}]}}]}"#,
        "limits[0].key[0]: expected `{x}` in each of `match.paths`\n\
         limits[1].key[0].header: expected a header name (RFC 9110 token)\n\
         limits[1].key[1]: expected exactly one key of `claim`, `header`, `query`, `path` or `network`\n\
         limits[1].key[2].network.ipv4: expected a whole number from 8 to 32, but found 4\n\
         limits[1].quota: missing key `otherwise`\n\
         limits[2].costs[0].cost: missing key `most`\n\
         limits[2].costs[0].answers[0].statuses[0]: expected a whole number from 100 to 599, but found 99\n\
         limits[2].costs[0].answers[0]: missing key `cost`\n\
         limits[2].overrides[1].callers.addresses[0]: expected no bits beyond the prefix: did you mean `10.0.0.0/8`?\n\
         limits[2].overrides[0]: expected some callers: this is for all of them\n\
         limits[2].overrides[1].limit: missing key `quota`\n\
         limits[2].overrides[1].limit: missing key `window`\n\
         dialects[0].dialect.fields[0].value: unknown `{left}`, expected `{limit}`, `{remaining}`, `{used}`, `{window}`, `{policy}`, `{reset}`, `{reset_at}`, `{more}`, `{more_at}`",
    );
}

#[test]
fn what_is_observed_is_checked() {
    refused(
        r#"{"limits": [{"id": "a", "match": {}, "quota": 1, "window": "1s"}], "observe": [
            {"id": "a", "match": {}},
            {"id": "b", "match": {}, "read": [], "window": "1500ms"},
            {"id": "b", "read": ["draft_3", {"limit": "x y"}]}
        ]}"#,
        "observe[0].id: `a` is the id of limits[0] already\n\
         observe[2].id: `b` is the id of observe[1] already\n\
         observe[1].read: expected at least one; leave the key out where it does not matter\n\
         observe[1].window: expected whole seconds such as `1s`, `5m`, `2h` or `1d`\n\
         observe[2]: missing key `match`\n\
         observe[2].read[0]: expected `ietf`, `draft_7`, `ratelimit`, `x_ratelimit`, `x_rate_limit` or `legacy`: did you mean `draft_7`?\n\
         observe[2].read[1].limit: expected a header name (RFC 9110 token)\n\
         observe[2].read[1]: missing key `remaining`",
    );
}

#[test]
fn a_policy_counts_something() {
    refused("{}", "missing key `limits`");
    refused(
        r#"{"limits": []}"#,
        "limits: expected at least one limit: without any, nothing is counted",
    );
    refused(
        r#"{"limits": [], "observe": []}"#,
        "limits: expected at least one limit: without any, nothing is counted",
    );
    rate_limit(r#"{"limits": [], "observe": [{"id": "a", "match": {}}]}"#);
}

#[test]
fn fields_of_a_dialect_say_nothing_else() {
    let limit = r#""limits": [{"id": "a", "match": {}, "quota": 1, "window": "1s"}]"#;
    refused(
        &format!(
            r#"{{{limit}, "dialects": [
                {{"match": {{}}, "dialect": {{"fields": []}}}},
                {{"match": {{}}, "dialect": {{"fields": [
                    {{"name": "Content-Length", "value": "{{remaining}}"}},
                    {{"name": "x-left", "value": "{{remaining}}"}},
                    {{"name": "X-Left", "value": "{{limit}}"}},
                    {{"name": "retry-after", "value": "{{reset_at}}"}}
                ]}}}},
                {{"match": {{}}, "dialect": {{"fields": [
                    {{"name": "x", "value": ""}}, {{"name": "x", "value": "{{limit"}},
                    {{"name": "x", "value": "limit}}"}}, {{"name": "x", "value": "é"}}
                ]}}}}
            ]}}"#
        ),
        "dialects[0].dialect.fields: expected at least one field; `none` tells nothing\n\
         dialects[1].dialect.fields[0].name: `content-length` has a meaning of its own, and no dialect may write it\n\
         dialects[1].dialect.fields[2].name: `x-left` is written by fields[1] already\n\
         dialects[1].dialect.fields[3].name: `retry-after` has a meaning of its own, and no dialect may write it\n\
         dialects[2].dialect.fields[0].value: expected printable ASCII, not empty\n\
         dialects[2].dialect.fields[1].value: a `{` has no `}`\n\
         dialects[2].dialect.fields[2].value: a `}` has no `{`\n\
         dialects[2].dialect.fields[3].value: expected printable ASCII, not empty",
    );
}

#[test]
fn requests_at_a_time_are_checked() {
    refused(
        r#"{"limits": [
            {"id": "a", "match": {}, "concurrency": 0},
            {"id": "b", "match": {}, "concurrency": 1, "quota": 1, "window": "1s"},
            {"id": "c", "match": {}, "concurrency": 1, "algorithm": "gcra", "burst": 2, "costs": [{"match": {}}]},
            {"id": "d", "match": {}, "concurrency": 1, "windows": ["1/s"]},
            {"id": "e", "match": {}, "concurrency": {"claim": "n"}},
            {"id": "f", "match": {}, "concurrency": "two"},
            {"id": "g", "match": {}, "concurrency": 1, "plans": {"gold": {"quota": 1, "window": "1s"}}},
            {"id": "h", "match": {}, "concurrency": 1,
             "overrides": [{"callers": {"subjects": ["s"]}, "limit": {"windows": ["1/s"]}}]},
            {"id": "i", "match": {}, "quota": 1, "window": "1s", "plans": {"gold": {"concurrency": 1}}}
        ]}"#,
        "limits[0].concurrency: expected a whole number from 1 to 1000000000, but found 0\n\
         limits[1]: `quota` has no place beside `concurrency`\n\
         limits[1]: `window` has no place beside `concurrency`\n\
         limits[2]: `burst` has no place beside `concurrency`\n\
         limits[2]: `algorithm` has no place beside `concurrency`\n\
         limits[2]: `costs` has no place beside `concurrency`\n\
         limits[3]: `windows` has no place beside `concurrency`\n\
         limits[4].concurrency: missing key `otherwise`\n\
         limits[5].concurrency: expected a whole number from 1 to 1000000000, but found a string\n\
         limits[6].plans.gold: missing key `concurrency`, which the limit itself has\n\
         limits[7].overrides[0].limit: missing key `concurrency`, which the limit itself has\n\
         limits[8].plans.gold: `concurrency` has no place here: the limit itself has none",
    );
}

#[test]
fn what_is_never_let_through_is_a_mistake() {
    let dear = r#""costs": [{"match": {}, "cost": 10}, {"match": {"paths": ["/x"]}, "cost": 11}]"#;
    let header = r#""costs": [{"match": {}, "cost": {"header": "x", "most": 99}}]"#;
    refused(
        &format!(
            r#"{{"limits": [
                {{"id": "a", "match": {{}}, "quota": 10, "window": "60s", {dear}}},
                {{"id": "b", "match": {{}}, "quota": 100, "window": "60s", "burst": 10, {dear}}},
                {{"id": "c", "match": {{}}, "windows": ["20/m", "10/h"], {dear}}},
                {{"id": "d", "match": {{}}, "quota": 5, "window": "60s", {dear},
                  "plans": {{"more": {{"quota": 10, "window": "60s"}}}}}}
            ]}}"#
        ),
        "limits[0].costs[1].cost: expected at most 10: more is never let through\n\
         limits[1].costs[1].cost: expected at most 10: more is never let through\n\
         limits[2].costs[1].cost: expected at most 10: more is never let through\n\
         limits[3].costs[1].cost: expected at most 10: more is never let through",
    );
    // For some callers it is enough, or nobody knows.
    for good in [
        format!(
            r#""quota": 5, "window": "60s", {dear}, "plans": {{"more": {{"quota": 11, "window": "60s"}}}}"#
        ),
        format!(r#""quota": 5, "window": "60s", {dear}, "plans": {{"all": "unlimited"}}"#),
        format!(r#""quota": {{"claim": "n", "otherwise": 5}}, "window": "60s", {dear}"#),
        format!(r#""quota": 5, "window": "60s", {header}"#),
    ] {
        rate_limit(&format!(r#"{{"limits": [{{"id": "a", "match": {{}}, {good}}}]}}"#));
    }
}

#[test]
fn credentials_have_a_kind() {
    refused(
        r#"{"limits": [{"id": "a", "match": {}, "quota": 1, "window": "1s", "overrides": [
            {"callers": {"credentials": ["acme-1", "api_key:a", "apikey:a", "jwt:", "basic:b"]}, "limit": "unlimited"}
        ]}]}"#,
        "limits[0].overrides[0].callers.credentials[0]: expected `kind:id` with one of the kinds `api_key`, `basic`, `certificate`, `jwt`, `signature` or `token`\n\
         limits[0].overrides[0].callers.credentials[2]: expected `kind:id` with one of the kinds `api_key`, `basic`, `certificate`, `jwt`, `signature` or `token`\n\
         limits[0].overrides[0].callers.credentials[3]: expected `kind:id` with one of the kinds `api_key`, `basic`, `certificate`, `jwt`, `signature` or `token`",
    );
}
