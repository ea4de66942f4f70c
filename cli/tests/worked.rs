//! The worked case, over an upstream that has nothing to say: what old clients get is a
//! string wherever a value stands, or a fault.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use postern_cli::policy::Policy;
use postern_core::fake::FakeHost;
use postern_core::{Filter, Headers, Request, Response, Step};
use postern_legacy_compat::{LegacyCompat, Stream};
use serde_json::Value;

fn filter() -> LegacyCompat {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy/filters/legacy-compat.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let policy = Policy::parse(&file, "legacy-compat", &text).unwrap();
    LegacyCompat::configure(&policy.node, &|_| None).unwrap()
}

/// What an upstream's answer to a set becomes; `None`: a fault.
fn answered(filter: &LegacyCompat, set: &str, body: &str) -> Option<Value> {
    let (host, mut stream) = (FakeHost::default(), Stream::default());
    let own = [
        (":method", "GET"),
        (":authority", "marketplace.example.com"),
        (":path", &*format!("/api/v3/{set}.json")),
    ];
    filter.request_headers(&mut stream, &Request::new(Headers::new(own), true), &host);
    let head = [(":status", "200"), ("content-type", "application/json")];
    let held =
        filter.response_headers(&mut stream, &Response::new(Headers::new(head), false), &host);
    assert!(matches!(held.step, Step::Hold), "{set}");
    let body = filter.response_body(&mut stream, body.as_bytes(), &host).body.unwrap();
    let body = String::from_utf8(body).unwrap();
    (body != r#"{"error":500,"message":"Invalid response from backend"}"#)
        .then(|| serde_json::from_str(&body).unwrap())
}

/// Values that are no strings, lists or objects.
fn others(value: &Value) -> usize {
    match value {
        Value::String(_) => 0,
        Value::Array(items) => items.iter().map(others).sum(),
        Value::Object(members) => members.values().map(others).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

const OWN: &str = "northwind/pk_demo";

/// Each set, and an answer in which everything but what it needs is null; then without it.
const SETS: &[(&str, &str, &str)] = &[
    (
        "vitals",
        r#"{"account":N}"#,
        r#""firstname":null,"surname":null,"available_earnings":null,"total_deposits":null,"balance":null,"country":null"#,
    ),
    ("account", r#"{"account":N}"#, r#""image":null,"firstname":null,"balance":null"#),
    (
        "earnings-and-sales-by-month",
        r#"{"earnings-and-sales-by-month":[N]}"#,
        r#""month":null,"sales":null,"earnings":null"#,
    ),
    ("statement", r#"{"results":[N]}"#, r#""type":null,"amount":null,"detail":null,"date":null"#),
    ("recent-sales", "[N]", r#""amount":null,"item":{"name":null},"sold_at":null"#),
    ("verify-purchase:c", r#"{"item":{"id":7},"a":N}"#, r#""b":null"#),
    ("download-purchase:c", r#"{"download_url":"u","a":N}"#, r#""wordpress_theme":null"#),
    ("wp-list-themes", r#"{"results":[{"item":{"id":7},"a":N}]}"#, r#""b":null"#),
    ("wp-download:7", r#"{"download_url":"u","a":N}"#, r#""wordpress_theme":null"#),
    (
        "user:n",
        r#"{"user":N}"#,
        r#""username":null,"country":null,"sales":null,"location":null,"image":null,"followers":null"#,
    ),
    (
        "popular:s",
        r#"{"popular":{"items_last_week":[],"items_last_three_months":[{"id":7}],"authors_last_month":[N]}}"#,
        r#""username":null,"url":null,"sales":null,"image":null"#,
    ),
    ("item:7", r#"{"id":7,"a":N}"#, r#""b":null"#),
    ("new-files-from-user:n,s", r#"{"new-files-from-user":[{"id":7,"a":N}]}"#, r#""b":null"#),
    ("search:,,t", r#"{"matches":[{"id":7,"a":N}]}"#, r#""b":null"#),
];

fn path_of(set: &str) -> String {
    let private = [
        "vitals",
        "account",
        "earnings-and-sales-by-month",
        "statement",
        "recent-sales",
        "wp-list-themes",
        "verify-purchase:c",
        "download-purchase:c",
        "wp-download:7",
    ];
    if private.contains(&set) { format!("{OWN}/{set}") } else { set.to_owned() }
}

#[test]
fn every_scalar_of_the_old_api_is_a_string_whatever_the_upstream_leaves_out() {
    let filter = filter();
    for (set, around, nulls) in SETS {
        for inner in [format!("{{{nulls}}}"), "{}".to_owned()] {
            let body = around.replace('N', &inner);
            let made = answered(&filter, &path_of(set), &body);
            let made = made.unwrap_or_else(|| panic!("{set}: a fault of {body}"));
            assert_eq!(others(&made), 0, "{set}: {made}");
        }
    }
}

/// What words stand for, or texts in them, may come as another kind of value.
#[test]
fn values_of_another_kind_become_strings_too() {
    let filter = filter();
    for (set, body, expected) in [
        ("statement", r#"{"results":[{"type":7}]}"#, r#""kind":"7""#),
        ("verify-purchase:c", r#"{"license":true,"item":{"id":1}}"#, r#""licence":"true""#),
    ] {
        let made = answered(&filter, &path_of(set), body).unwrap();
        assert_eq!(others(&made), 0, "{set}: {made}");
        assert!(made.to_string().contains(expected), "{set}: {made}");
    }
}

/// What an old client cannot do without, as it stands in an answer, as null, and under
/// another name.
const NEEDED: &[[&str; 3]] = &[
    [r#""id":7"#, r#""id":null"#, r#""ids":7"#],
    [r#""download_url":"u""#, r#""download_url":null"#, r#""url":"u""#],
];

#[test]
fn an_id_or_the_place_of_a_file_that_is_null_or_missing_is_a_fault() {
    let filter = filter();
    let mut count = 0;
    for (set, around, nulls) in SETS {
        let body = around.replace('N', &format!("{{{nulls}}}"));
        for [needed, without @ ..] in NEEDED.iter().filter(|[needed, ..]| body.contains(needed)) {
            for without in without {
                let body = body.replace(needed, without);
                assert_eq!(answered(&filter, &path_of(set), &body), None, "{set}: {body}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 16);
}

#[test]
fn what_is_downloaded_is_the_theme_where_there_is_one() {
    let both = r#"{"download_url":"u","wordpress_theme":"t"}"#;
    for (set, expected) in [
        ("wp-download:7", r#"{"wp-download":{"url":"t"}}"#),
        ("download-purchase:c", r#"{"download-purchase":{"download_url":"u"}}"#),
    ] {
        let made = answered(&filter(), &path_of(set), both).unwrap();
        assert_eq!(made.to_string(), expected);
    }
}
