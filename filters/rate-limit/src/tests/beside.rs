//! What an answer has already, of an upstream or of a filter behind this one.

use super::*;

/// What an upstream says of limits, in many dialects.
const THERE: [(&str, &str); 6] = [
    ("ratelimit", "limit=7, remaining=3, reset=9"),
    ("ratelimit-policy", "7;w=60"),
    ("ratelimit-limit", "7"),
    ("x-ratelimit-limit", "7"),
    ("x-ratelimit-total", "7"),
    ("x-rate-limit-reset", "9"),
];

/// The edits of an answer with those fields.
fn edits(filter: &RateLimit, host: &FakeHost, path: &str) -> Vec<String> {
    let (mut stream, outcome) = ask(filter, host, &[(":path", path.as_bytes())]);
    assert!(matches!(outcome.step, Step::Continue));
    if !filter.follows(&stream) {
        return Vec::new();
    }
    let all = [(":status", "200"), ("x-other", "1")].into_iter().chain(THERE);
    let response = Response::new(Headers::new(all), true);
    let outcome = filter.response_headers(&mut stream, &response, host);
    let text = |edit: &HeaderEdit| match edit {
        HeaderEdit::Set(name, value) => format!("{name}: {}", String::from_utf8_lossy(value)),
        HeaderEdit::Remove(name) => format!("-{name}"),
        other => panic!("{other:?}"),
    };
    outcome.headers.iter().map(text).collect()
}

fn filter(more: &str) -> RateLimit {
    rate_limit(&format!(
        r#"{{"limits": [
            {{"id": "tried", "match": {{"paths": ["/tried"]}}, "mode": "shadow", "quota": 1, "window": "1s"}},
            {{"id": "a", "match": {{"paths": ["/a"]}}, "quota": 10, "window": "60s",
              "plans": {{"load": "unlimited"}}}}
        ]{more}}}"#
    ))
}

fn gone() -> Vec<String> {
    THERE.iter().map(|(name, _)| format!("-{name}")).collect()
}

#[test]
fn nobody_gets_two_dialects_counted_or_not() {
    for more in ["", r#", "beside": "clear""#] {
        let (filter, host) = (filter(more), FakeHost::at(START));
        let told = edits(&filter, &host, "/a");
        let own = [r#"ratelimit-policy: "a";q=10;w=60"#, r#"ratelimit: "a";r=9;t=6"#];
        let others =
            ["-ratelimit-limit", "-x-ratelimit-limit", "-x-ratelimit-total", "-x-rate-limit-reset"];
        assert_eq!(told, [&others[..], &own[..]].concat());
        // No limit; one in shadow; one that does not hold for the caller.
        assert_eq!(edits(&filter, &host, "/none"), gone());
        assert_eq!(edits(&filter, &host, "/tried"), gone());
        identify(&host, identity::Caller { plan: Some("load".to_owned()), ..caller("s") });
        assert_eq!(edits(&filter, &host, "/a"), gone());
    }
}

#[test]
fn a_dialect_that_says_nothing_lets_nobody_say_anything() {
    let none = r#", "dialects": [{"match": {}, "dialect": "none"}]"#;
    let (filter, host) = (filter(none), FakeHost::at(START));
    assert_eq!(edits(&filter, &host, "/a"), gone());
}

#[test]
fn what_a_mount_passes_that_tells_refusals_alone_stays_as_it_is() {
    let refused = r#", "dialects": [
        {"match": {}, "callers": {"subjects": ["s"]}, "dialect": "ietf", "answers": "refused"}]"#;
    let (filter, host) = (filter(refused), FakeHost::at(START));
    identify(&host, caller("s"));
    for path in ["/a", "/none", "/tried"] {
        assert_eq!(edits(&filter, &host, path), [""; 0], "{path}");
    }
    // Others are told, by the usual dialect.
    identify(&host, caller("t"));
    assert_eq!(edits(&filter, &host, "/none"), gone());
    // Also where an answer may correct what was counted.
    let policy = r#"{"limits": [{"id": "a", "match": {}, "quota": 10, "window": "60s",
            "costs": [{"match": {}, "answers": [{"statuses": [304], "cost": 0}]}]}],
        "dialects": [{"match": {}, "dialect": "ietf", "answers": "refused"}]}"#;
    assert_eq!(edits(&rate_limit(policy), &host, "/a"), [""; 0]);
}

#[test]
fn beside_names_that_no_dialect_of_ours_has_nothing_is_said() {
    let join = |dialect: &str, there: &[(&str, &str)]| {
        let filter = filter(&format!(
            r#", "beside": "join", "dialects": [{{"match": {{}}, "dialect": "{dialect}"}}]"#
        ));
        let host = FakeHost::at(START);
        let (mut stream, _) = ask(&filter, &host, &[(":path", b"/a")]);
        let all = [(":status", "200")].into_iter().chain(there.iter().copied());
        let response = Response::new(Headers::new(all), true);
        filter.response_headers(&mut stream, &response, &host).headers.len()
    };
    // Drafts 3 to 6.
    let old =
        [("ratelimit-policy", "5;w=3600"), ("ratelimit-limit", "5"), ("ratelimit-remaining", "4")];
    for dialect in ["ietf", "draft_7", "github", "twitter", "legacy"] {
        assert_eq!(join(dialect, &old), 0, "{dialect}");
        assert_eq!(join(dialect, &old[1..]), 0, "{dialect}");
        assert!(join(dialect, &[]) > 0, "{dialect}");
    }
}
