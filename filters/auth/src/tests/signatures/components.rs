//! What a signature covers, and what it has to cover.

use super::*;

#[test]
fn what_is_signed_cannot_be_changed() {
    let auth = auth(json!({}));
    for (name, value) in [
        (":method", "PUT"),
        (":path", "/foo/?param=Value&Pet=dog"),
        (":path", "/foo?param=Value&Pet=cat"),
        (":path", "/foo?param=Value&Pet=dog&x"),
        (":path", "/foo"),
        (":authority", "example.org"),
    ] {
        let mut lines = signed("n");
        line(&mut lines, name, value);
        refused(&ask(&auth, &host(), &lines), "bad_message_signature");
    }
    // What is not covered can.
    let mut lines = signed("n");
    line(&mut lines, "content-type", "text/plain");
    line(&mut lines, ":authority", "Example.COM:443");
    line(&mut lines, ":path", "//./foo?param=Value&Pet=dog");
    assert_eq!(subject(&ask(&auth, &host(), &lines)), "bluefin");
}

#[test]
fn each_component_has_the_value_that_the_rfc_gives_it() {
    let auth = lax(json!(["@method"]));
    let mut lines = example();
    line(&mut lines, ":path", "/a/b?q=a+b%20%c3%a9*&Q=&q2=x%&~=1");
    line(&mut lines, "x-dict", "a=1;p, b=(\"x\"   y);q=?1 , c, d=:AQI=:");
    lines.push(("x-two".to_owned(), " one ".to_owned()));
    lines.push(("x-two".to_owned(), "two, three".to_owned()));
    lines.push(("x-empty".to_owned(), String::new()));
    let good = [
        ("\"@scheme\"", "http"),
        ("\"@target-uri\"", "http://example.com/a/b?q=a+b%20%c3%a9*&Q=&q2=x%&~=1"),
        ("\"@request-target\"", "/a/b?q=a+b%20%c3%a9*&Q=&q2=x%&~=1"),
        ("\"@query-param\";name=\"q\"", "a%20b%20%C3%A9*"),
        ("\"@query-param\";name=\"Q\"", ""),
        ("\"@query-param\";name=\"q2\"", "x%25"),
        ("\"@query-param\";name=\"%7E\"", "1"),
        ("\"x-two\"", "one, two, three"),
        ("\"x-two\";bs", ":b25l:, :dHdvLCB0aHJlZQ==:"),
        ("\"x-empty\"", ""),
        ("\"x-dict\";key=\"a\"", "1;p"),
        ("\"x-dict\";key=\"b\"", "(\"x\" y);q"),
        ("\"x-dict\";key=\"c\"", "?1"),
        ("\"x-dict\";key=\"d\"", ":AQI=:"),
    ];
    for (identifier, value) in good {
        let mut lines = lines.clone();
        sign(&mut lines, &[("\"@method\"", "POST"), (identifier, value)], &with("n"));
        assert_eq!(subject(&ask(&auth, &host(), &lines)), "bluefin", "{identifier}");
    }
    for bad in [
        "\"@status\"",
        "\"@signature-params\"",
        "\"@query-param\"",
        "\"@query-param\";name=\"none\"",
        "\"@query-param\";name=\"~\"",
        "\"@query-param\";name=\"%7e\"",
        "\"@query-param\";name=\"%71\"",
        "\"@method\";req",
        "\"@path\";x=1",
        "\"x-none\"",
        "\"host\"",
        "\"x-two\";sf",
        "\"x-two\";tr",
        "\"x-two\";req",
        "\"x-two\";bs;key=\"a\"",
        "\"x-two\";bs=?0",
        "\"x-dict\";key=\"e\"",
        "\"x-two\";key=\"a\"",
        "\"x-dict\";key=a",
    ] {
        let mut lines = lines.clone();
        sign(&mut lines, &[("\"@method\"", "POST"), (bad, "1")], &with("n"));
        refused(&ask(&auth, &host(), &lines), "bad_component");
    }
    for bad in ["\"X-Two\"", "x-two", "1", "\":path\"", "\"\"", "\"@method\""] {
        let mut lines = lines.clone();
        sign(&mut lines, &[("\"@method\"", "POST"), (bad, "1")], &with("n"));
        refused(&ask(&auth, &host(), &lines), "malformed_message_signature");
    }
}

#[test]
fn up_to_eight_query_parameters_are_covered() {
    let auth = lax(json!(["@method"]));
    let mut lines = example();
    line(&mut lines, ":path", "/foo?p0=0&p1=1&p2=2&p3=3&p4=4&p5=5&p6=6&p7=7&p8=8");
    let parameters: Vec<(String, String)> =
        (0..9).map(|n| (format!("\"@query-param\";name=\"p{n}\""), n.to_string())).collect();
    let mut base = vec![("\"@method\"", "POST")];
    base.extend(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    sign(&mut lines, &base[..9], &with("n"));
    assert_eq!(subject(&ask(&auth, &host(), &lines)), "bluefin");
    sign(&mut lines, &base, &with("n"));
    refused(&ask(&auth, &host(), &lines), "malformed_message_signature");
}

#[test]
fn members_of_one_and_of_several_fields_are_told_apart() {
    let auth = lax(json!(["@method"]));
    let mut lines = example();
    line(&mut lines, "x-one", "a=1, b=2");
    line(&mut lines, "x-two", "a=3, b=4");
    line(&mut lines, "x-bad", "a=1 b=2");
    let base = [
        ("\"@method\"", "POST"),
        ("\"x-one\";key=\"b\"", "2"),
        ("\"x-two\";key=\"a\"", "3"),
        ("\"x-one\";key=\"a\"", "1"),
        ("\"x-two\";key=\"b\"", "4"),
    ];
    sign(&mut lines, &base, &with("n"));
    assert_eq!(subject(&ask(&auth, &host(), &lines)), "bluefin");
    for bad in ["\"x-bad\";key=\"a\"", "\"x-one\";key=\"c\""] {
        sign(&mut lines, &[base[0], base[1], (bad, "1")], &with("n"));
        refused(&ask(&auth, &host(), &lines), "bad_component");
    }
}

#[test]
fn a_query_parameter_that_stands_twice_has_no_value() {
    let mut lines = example();
    line(&mut lines, ":path", "/foo?a=1&%61=1");
    let base = [("\"@method\"", "POST"), ("\"@query-param\";name=\"a\"", "1")];
    sign(&mut lines, &base, &with("n"));
    refused(&ask(&lax(json!(["@method"])), &host(), &lines), "bad_component");
}

#[test]
fn what_has_to_be_covered_is() {
    let auth = auth(json!({"components": [
        "@method", "@authority", "@path", "@query", "Content-Digest",
    ]}));
    let target = "http://example.com/foo?param=Value&Pet=dog";
    let digest = example()[6].1.clone();
    let encoded = format!(":{}:", Base64::encode_to_string(&digest).unwrap());
    let by_target =
        [("\"@method\"", "POST"), ("\"@target-uri\"", target), ("\"content-digest\"", &digest)];
    let by_request = [
        ("\"content-digest\";bs", encoded.as_str()),
        ("\"@method\"", "POST"),
        ("\"@authority\"", "example.com"),
        ("\"@request-target\"", "/foo?param=Value&Pet=dog"),
    ];
    for (n, base) in [&by_target[..], &by_request[..]].into_iter().enumerate() {
        let mut lines = example();
        sign(&mut lines, base, &with(&format!("n{n}")));
        assert_eq!(subject(&ask(&auth, &host(), &lines)), "bluefin");
        for left_out in 0..base.len() {
            let mut base = base.to_vec();
            base.remove(left_out);
            sign(&mut lines, &base, &with("m"));
            refused(&ask(&auth, &host(), &lines), "missing_component");
        }
    }
    let mut lines = example();
    let member = ("\"content-digest\";key=\"sha-512\"", &digest["sha-512=".len()..]);
    sign(&mut lines, &[by_target[0], by_target[1], member], &with("k"));
    refused(&ask(&auth, &host(), &lines), "missing_component");
    sign(&mut lines, &[], &with("k"));
    refused(&ask(&auth, &host(), &lines), "missing_component");
}

#[test]
fn a_port_and_a_scheme_that_the_filter_cannot_see() {
    for (settings, authority, uri) in [
        (
            json!({"public_port": 8443, "public_scheme": "https"}),
            "example.com:8443",
            "https://example.com:8443/foo",
        ),
        (
            json!({"public_port": 443, "public_scheme": "https"}),
            "example.com",
            "https://example.com/foo",
        ),
        (json!({"public_port": 443}), "example.com:443", "http://example.com:443/foo"),
        (json!({"public_port": 80}), "example.com", "http://example.com/foo"),
    ] {
        let mut lines = example();
        line(&mut lines, ":path", "/foo");
        let base = [BASE[0], ("\"@authority\"", authority), ("\"@target-uri\"", uri)];
        sign(&mut lines, &base, &with("n"));
        assert_eq!(subject(&ask(&auth(settings), &host(), &lines)), "bluefin", "{uri}");
        refused(&ask(&auth(json!({"public_port": 9})), &host(), &lines), "bad_message_signature");
    }
}
