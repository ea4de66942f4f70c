use super::*;

const POLICY: &str = r#"{
    "realm": "shop",
    "rules": [
        {"name": "public", "match": {"methods": ["GET"], "paths": ["/public/**"]}, "subject": "anyone"},
        {"name": "me", "match": {"methods": ["GET"], "paths": ["/me"]}, "subject": "identified"},
        {"name": "email", "match": {"methods": ["GET"], "paths": ["/private/email"]},
         "subject": {"any_scope": ["user:email", "user:all"]}},
        {"name": "email-too", "match": {"paths": ["/private/email"]},
         "subject": {"all_scopes": ["user:email"]}},
        {"name": "move", "match": {"methods": ["POST"], "paths": ["/private/**"]},
         "subject": {"all_scopes": ["user:email", "user:write"]}},
        {"name": "admin", "match": {"paths": ["/private/**"]}, "subject": {"all_scopes": ["admin"]}},
        {"name": "blocked-tool", "effect": "deny",
         "match": {"headers": [{"name": "X-Tool", "exact": ["scraper"]}]}, "subject": "anyone"},
        {"name": "no-writes-for-guests", "effect": "deny",
         "match": {"paths": ["/public/**"]}, "subject": {"any_scope": ["guest"]}},
        {"name": "landing", "match": {"paths": ["/landing"]}, "subject": "anonymous"},
        {"name": "admin-host", "effect": "deny",
         "match": {"hosts": ["admin.example.com"]}, "subject": "anyone"}
    ]
}"#;

#[track_caller]
fn allowed(headers: &[(&str, &[u8])], identity: &[u8], rule: &str) {
    let judged = judge(&authz(POLICY), headers, Some(identity));
    assert_eq!((judged.status, judged.rule.as_str(), judged.code), (0, rule, "allowed"));
}

#[track_caller]
fn denied(
    headers: &[(&str, &[u8])],
    identity: &[u8],
    (status, problem): (u16, &'static str),
    (rule, code): (&str, &'static str),
    challenge: &str,
) {
    let expected = Judged {
        status,
        challenge: challenge.to_owned(),
        problem,
        rule: rule.to_owned(),
        code,
        path: None,
    };
    assert_eq!(judge(&authz(POLICY), headers, Some(identity)), expected);
}

const DENIED: (u16, &str) = (403, "access_denied");
const BAD: (u16, &str) = (400, "bad_request");
const NO_RULE: (&str, &str) = ("-", "no_rule");

#[test]
fn rules_let_pass_whom_they_name() {
    allowed(&[(":path", b"/public/a")], &anonymous(), "public");
    allowed(&[(":path", b"/public/a")], &caller(&[]), "public");
    allowed(&[(":path", b"/public/a"), (":method", b"HEAD")], &anonymous(), "public");
    allowed(&[(":path", b"/me?x=1")], &caller(&[]), "me");
    allowed(&[(":path", b"/private/email")], &caller(&["user:all"]), "email");
    allowed(
        &[(":path", b"/private/x"), (":method", b"POST")],
        &caller(&["user:write", "user:email"]),
        "move",
    );
    allowed(&[(":path", b"/private/email")], &caller(&["admin", "user:email"]), "email");
    allowed(&[(":path", b"/landing")], &anonymous(), "landing");
}

#[test]
fn what_no_rule_allows_is_denied() {
    denied(&[(":path", b"/other")], &anonymous(), DENIED, NO_RULE, "");
    denied(&[(":path", b"/other")], &caller(&["admin"]), DENIED, NO_RULE, "");
    denied(&[(":path", b"/public/a"), (":method", b"POST")], &anonymous(), DENIED, NO_RULE, "");
    denied(&[(":path", b"/me"), (":method", b"get")], &caller(&[]), BAD, ("-", "bad_request"), "");
    denied(&[(":path", b"/landing")], &caller(&[]), DENIED, NO_RULE, "");
}

/// An attacker got past a rule for a header over HTTP/2, which carries the blanks around
/// a value to the filters, while the upstream, by HTTP/1.1, sees none.
#[test]
fn blanks_around_a_value_are_no_part_of_it() {
    for value in [" scraper", "scraper ", "\tscraper", " \t scraper \t "] {
        let headers = [(":path", &b"/public/a"[..]), ("x-tool", value.as_bytes())];
        denied(&headers, &anonymous(), DENIED, ("blocked-tool", "deny_rule"), "");
    }
}

/// The proxy makes one value of many a repeated header.
#[test]
fn the_values_of_a_joined_header_count_each() {
    let with = |value: &'static [u8]| [(":path", &b"/public/a"[..]), ("x-tool", value)];
    let rule = "blocked-tool";
    denied(&with(b"scraper,scraper"), &anonymous(), DENIED, (rule, "deny_rule"), "");
    for some in [&b"scraper,other"[..], b"other, scraper", b"a,scraper ,b"] {
        denied(&with(some), &anonymous(), DENIED, (rule, "cannot_evaluate"), "");
    }
    allowed(&with(b"other, scrapers"), &anonymous(), "public");
}

#[test]
fn anonymous_callers_get_a_plain_challenge() {
    let plain = "Bearer realm=\"shop\"";
    let refusal = (401, "credentials_required");
    denied(&[(":path", b"/me")], &anonymous(), refusal, ("me", "identity_required"), plain);
    denied(
        &[(":path", b"/private/email")],
        &anonymous(),
        refusal,
        ("email", "identity_required"),
        plain,
    );
}

#[test]
fn callers_learn_which_scopes_would_do() {
    let refusal = (403, "insufficient_scope");
    denied(
        &[(":path", b"/private/email")],
        &caller(&["sale:history"]),
        refusal,
        ("email", "insufficient_scope"),
        r#"Bearer realm="shop", error="insufficient_scope", scope="user:email user:all admin""#,
    );
    denied(
        &[(":path", b"/private/x"), (":method", b"POST")],
        &caller(&["user:email"]),
        refusal,
        ("move", "insufficient_scope"),
        r#"Bearer realm="shop", error="insufficient_scope", scope="user:email user:write admin""#,
    );
    denied(
        &[(":path", b"/private/x")],
        &caller(&["administrator", "Admin"]),
        refusal,
        ("admin", "insufficient_scope"),
        r#"Bearer realm="shop", error="insufficient_scope", scope="admin""#,
    );
}

#[test]
fn a_deny_rule_wins_wherever_it_stands() {
    let by_tool = ("blocked-tool", "deny_rule");
    denied(&[(":path", b"/public/a"), ("x-tool", b"scraper")], &anonymous(), DENIED, by_tool, "");
    denied(&[(":path", b"/me"), ("x-tool", b"scraper")], &caller(&[]), DENIED, by_tool, "");
    // Attack case 20: a repeated header does not hide what is denied.
    denied(
        &[
            (":path", b"/public/a"),
            ("x-tool", b"good"),
            ("x-tool", b"\xff"),
            ("x-tool", b"scraper"),
        ],
        &anonymous(),
        DENIED,
        ("blocked-tool", "cannot_evaluate"),
        "",
    );
    denied(
        &[(":path", b"/public/a")],
        &caller(&["guest"]),
        DENIED,
        ("no-writes-for-guests", "deny_rule"),
        "",
    );
    allowed(&[(":path", b"/public/a"), ("x-tool", b"\xff\xfe")], &anonymous(), "public");
}

#[test]
fn without_a_readable_identity_nothing_is_allowed() {
    let authz = authz(POLICY);
    for path in ["/public/a", "/me", "/other"] {
        let headers = [(":path", path.as_bytes())];
        let judged = judge(&authz, &headers, None);
        assert_eq!((judged.status, judged.problem), DENIED);
        assert_eq!((judged.rule.as_str(), judged.code), ("-", "no_identity"));
        for bad in [&b""[..], b"{}", b"northwind", br#"{"v":2,"anonymous":true}"#, b"\xff"] {
            let judged = judge(&authz, &headers, Some(bad));
            assert_eq!((judged.status, judged.problem), DENIED);
            assert_eq!((judged.rule.as_str(), judged.code), ("-", "bad_identity"));
        }
    }
}

/// Attack cases 23, 25: the canonical path is judged, and goes on.
#[test]
fn other_spellings_of_a_path_are_judged_as_the_path() {
    let authz = authz(POLICY);
    for (path, canonical) in [
        ("/public/../me", "/me"),
        ("//me", "/me"),
        ("/./me?a=/../b", "/me?a=/../b"),
        ("/public/%2e%2e/me", "/me"),
    ] {
        let known = judge(&authz, &[(":path", path.as_bytes())], Some(&caller(&[])));
        assert_eq!((known.status, known.rule.as_str()), (0, "me"), "{path}");
        assert_eq!(known.path.as_deref(), Some(canonical), "{path}");
        let anonymous = judge(&authz, &[(":path", path.as_bytes())], Some(&anonymous()));
        assert_eq!((anonymous.status, anonymous.rule.as_str()), (401, "me"), "{path}");
    }
    let encoded = judge(&authz, &[(":path", b"/%6de")], Some(&caller(&[])));
    assert_eq!((encoded.status, encoded.rule.as_str(), encoded.path), (0, "me", None));
}

/// Attack cases 21, 22, 24, 26, 27.
#[test]
fn ambiguous_paths_are_bad_requests() {
    let bad = (400, "bad_request");
    for path in [
        &b"/public/a%2Fb"[..],
        b"/public/a%5Cb",
        b"/public/a\\b",
        b"/public/a;x=y/b",
        b"/public/..;foo/me",
        b"/public/a#b",
        b"/public/\xff",
        b"/public/%ff",
        b"/public/a?q=\xff",
        b"/public/%00",
        b"/public/a%0d%0ab",
        b"public/a",
        b"",
    ] {
        denied(&[(":path", path)], &caller(&["admin"]), bad, ("-", "bad_request"), "");
    }
    // A literal segment, denied unless a rule says otherwise.
    denied(&[(":path", b"/me%252F")], &caller(&[]), DENIED, NO_RULE, "");
    denied(&[(":path", b"*"), (":method", b"OPTIONS")], &caller(&[]), DENIED, NO_RULE, "");
    denied(&[(":path", b""), (":method", b"CONNECT")], &caller(&[]), bad, ("-", "bad_request"), "");
    denied(&[(":path", b"/me"), (":method", b"")], &caller(&[]), bad, ("-", "bad_request"), "");
}

/// Attack case 28.
#[test]
fn a_host_is_the_same_in_every_spelling() {
    for host in
        ["admin.example.com", "ADMIN.Example.COM", "admin.example.com.", "admin.example.com:8443"]
    {
        denied(
            &[(":path", b"/public/a"), (":authority", host.as_bytes())],
            &anonymous(),
            DENIED,
            ("admin-host", "deny_rule"),
            "",
        );
    }
    for host in [&b""[..], b"\xff", b":80"] {
        denied(
            &[(":path", b"/public/a"), (":authority", host)],
            &anonymous(),
            (400, "bad_request"),
            ("-", "bad_request"),
            "",
        );
    }
}
