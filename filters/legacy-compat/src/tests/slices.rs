//! A policy in slices is the same one compiled whole, to the last byte of the index.

use std::rc::Rc;

use super::*;

fn policy(rules: usize, more: &str) -> String {
    let rule = |i: usize| match i % 3 {
        0 => format!(
            r#"{{"name":"set{i}","match":{{"hosts":["old.example","*.old.example"],"paths":["/{{user}}/{{key}}/set{i}:{{id}}.json","/x{i}"]}},
                "dialect":"b","log_segments":2,"request":{{"headers":{{"set":{{"x-q":"{{query.q}}"}}}}}}}}"#
        ),
        1 => format!(
            r#"{{"name":"private{i}","match":{{"paths":["/p{i}/{{user}}/{{key}}"],"query":[{{"name":"v","exact":["1"]}}]}},
                "request":{{"path":"/new","query":{{"u":"{{user}}"}},"credential":{{"bearer":"{{query.t{i}}}"}}}},"secret":["key"],
                "answers":[{{"json":{{"$include":"li","user":"{{$capture.user}}"}}}}]}}"#
        ),
        _ => format!(
            r#"{{"name":"edit{i}","match":{{"any_header":[{{"name":"x-old","present":true}}]}},"dialect":"a",
                "answers":[{{"when":{{"status":["2xx"]}},"edit":{{"steps":[{{"rename":{{"from":"a{i}","to":"b"}}}}]}}}}]}}"#
        ),
    };
    let rules: Vec<String> = (0..rules).map(rule).collect();
    format!(
        r#"{{"date_formats":{{"old":"%d"}},"templates":{{"li":{{"id":"{{id | string}}","on":"{{on | date old | or ''}}"}}}},
            "hosts":[{{"names":["old.example"],"dialect":"a"}}],
            "dialects":{{"a":{{"headers":{{"set":{{"x":"1"}}}}}},"b":{{"extends":"a"}}}},"rules":[{}{more}]}}"#,
        rules.join(",")
    )
}

fn in_slices(policy: &str) -> Result<(LegacyCompat, usize), String> {
    let text = Rc::new(policy.as_bytes().to_vec());
    let mut loading = LegacyCompat::load(&text, &whole(r#"{"rules":[]}"#).unwrap()).unwrap();
    for slices in 1..10_000 {
        if let Some(filter) = loading.slice().map_err(|e| e.to_string())? {
            return Ok((filter, slices));
        }
    }
    panic!("it does not end");
}

fn whole(policy: &str) -> Result<LegacyCompat, String> {
    LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None)
        .map_err(|e| e.to_string())
}

#[test]
fn the_same_comes_of_it() {
    for (count, least) in [(0, 2), (1, 3), (100, 4), (900, 20)] {
        let policy = policy(count, "");
        let (filter, slices) = in_slices(&policy).unwrap();
        assert_eq!(format!("{filter:?}"), format!("{:?}", whole(&policy).unwrap()), "{count}");
        assert!(slices >= least, "{count}: {slices}");
    }
    // What cannot be cut is read whole.
    let twice = r#"{"rules":[],"r\u0075les":[]}"#;
    assert_eq!(in_slices(twice).unwrap_err(), whole(twice).unwrap_err());
}

#[test]
fn a_mistake_is_named_as_in_the_whole() {
    for more in [
        r#",{"name":"set0"}"#,
        r#",{"name":"x","dialect":"c"}"#,
        r#",{"name":"x","request":{"path":"{a}"}}"#,
        r#",{"nam":"x"}"#,
    ] {
        let policy = policy(600, more);
        let message = whole(&policy).unwrap_err();
        assert!(message.starts_with("rules[600]"), "{message}");
        assert_eq!(in_slices(&policy).unwrap_err(), message);
    }
}

#[test]
fn templates_that_are_put_in_weigh() {
    let weight = |policy: &str| LegacyCompat::weight(policy.as_bytes());
    let plain = policy(1, "");
    assert_eq!(weight(&plain), plain.len());
    let more = policy(6, "");
    assert_eq!(weight(&more), more.len() + 2 * 1024);
}

#[test]
fn a_mistake_in_a_template_is_told_once() {
    let policy = r#"{"templates":{"li":{"id":"{id | no}"}},
        "rules":[{"name":"a","answers":[{"json":{"$include":"li"}}]}]}"#;
    let message = whole(policy).unwrap_err();
    assert!(message.starts_with("templates.li.id: unknown conversion `no`"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}
