//! What is compressed, and what trailers say: one cap for all that is read, and nothing is
//! said of a body that has become another.

use super::passing::{Answer, JSON, UPSTREAM, at_headers, check, filter, told};
use super::*;
use postern_core::Response;

/// `text` in one stored block (RFC 1951 §3.2.4) of a gzip; `length`: what it says it has.
fn gzip(text: &[u8], length: u32) -> Vec<u8> {
    let size = u16::try_from(text.len()).unwrap();
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1];
    let sizes = [size.to_le_bytes(), (!size).to_le_bytes()].concat();
    let end = [crc(text).to_le_bytes(), length.to_le_bytes()].concat();
    [&head[..], &sizes, text, &end].concat()
}

/// CRC-32 of gzip, a bit at a time.
fn crc(text: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !text.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}

/// What comes of a compressed answer, and of which counter.
fn unpacked(answers: &str, packed: &[u8]) -> (String, Vec<usize>) {
    let filter = filter(answers);
    let headers = &[JSON, ("content-encoding", "gzip")];
    let (held, mut stream) = at_headers(&filter, &Answer { headers, ..UPSTREAM });
    assert_eq!(told(&held), "hold");
    let outcome = filter.response_body(&mut stream, packed, &FakeHost::default());
    let body = outcome.body.clone().map_or(0, |body| body.len());
    (format!("{} {body}", told(&outcome)), outcome.count)
}

/// The cap is one of what is read: a small gzip that is long inside is too large, one that
/// only says so, or that breaks off, is none.
#[test]
fn what_is_too_long_once_it_is_unpacked_is_too_large_and_nothing_else() {
    let (long, short) = (vec![b'1'; 1025], vec![b'1'; 1024]);
    let fault = r#"[{"when":{"status":[200]},"edit":{"scalars":"string"},"on_mismatch":"fault"}]"#;
    let on_mismatch =
        r#"[{"when":{"status":[200]},"edit":{},"on_mismatch":"fault","on_too_large":"original"}]"#;
    let on_too_large = r#"[{"when":{"status":[200]},"edit":{},"on_too_large":"fault"}]"#;
    let (mismatched, over_cap) = (vec![3], vec![4]);
    let [length, other] = [1025, 1024];
    for (answers, packed, expected, count) in [
        (r#"[{"edit":{}}]"#, gzip(&long, length), "pass x-old (too_large) 0", &over_cap),
        (fault, gzip(&long, length), "too_large) 5", &over_cap),
        (on_mismatch, gzip(&long, length), "pass x-old (too_large) 0", &over_cap),
        (on_too_large, gzip(&long, length), "too_large) 5", &over_cap),
        // What it says of itself is not so, or it is cut.
        (fault, gzip(&long, other), "bad_gzip) 5", &mismatched),
        (fault, gzip(&short, length), "bad_gzip) 5", &mismatched),
        (on_too_large, gzip(&short, length), "pass x-old (bad_gzip) 0", &mismatched),
        (fault, gzip(&long, length)[..900].to_vec(), "bad_gzip) 5", &mismatched),
    ] {
        let (told, counted) = unpacked(answers, &packed);
        assert!(told.ends_with(expected), "{answers}: {told}");
        assert_eq!(&counted, count, "{answers}: {told}");
    }
    let (told, counted) = unpacked(fault, &gzip(&short, other));
    assert!(told.ends_with("(rewritten) 1026"), "{told}");
    assert_eq!(counted, [2]);
    // Too large as it came: nothing is unpacked, and the reason is the same.
    let headers = &[JSON, ("content-encoding", "gzip"), ("content-length", "1025")];
    let packed = Answer { headers, ..UPSTREAM };
    check(r#"[{"edit":{}}]"#, &packed, "pass x-old (too_large)");
    check(fault, &packed, "reply 500 fault (too_large)");
}

/// What announces trailers names none that go.
#[test]
fn trailers_that_go_are_not_announced() {
    let announced = |names: &[&'static str], answers: &str, method: &str| {
        let filter = filter(answers);
        let (host, mut stream) = (FakeHost::default(), Stream::default());
        let own = [(":method", method), (":authority", "api.example"), (":path", "/1")];
        filter.request_headers(&mut stream, &Request::new(Headers::new(own), true), &host);
        let lines = names.iter().map(|value| ("trailer", *value));
        let all: Vec<_> = [(":status", "200"), JSON].into_iter().chain(lines).collect();
        let response = Response::new(Headers::new(all), false);
        let mut outcome = filter.response_headers(&mut stream, &response, &host);
        if matches!(outcome.step, Step::Hold) {
            outcome = filter.response_body(&mut stream, b"1", &host);
        }
        outcome.headers.into_iter().find(|edit| edit.name() == "trailer")
    };
    let edit = r#"[{"edit":{"scalars":"string"}}]"#;
    for method in ["GET", "HEAD"] {
        let of = |names: &[&'static str]| announced(names, edit, method);
        assert_eq!(of(&["X-End"]), None);
        assert_eq!(
            of(&["Digest, x-end,ETag ", "content-digest,, X-More"]),
            Some(HeaderEdit::set("trailer", "x-end, X-More"))
        );
        assert_eq!(of(&["Repr-Digest", "content-md5"]), Some(HeaderEdit::remove("trailer")));
    }
    // Of a body that stays they are true.
    assert_eq!(announced(&["Digest"], r#"[{"headers":{"set":{"x-b":"1"}}}]"#, "GET"), None);
    // A reply has none.
    let filter = filter(r#"[{"json":{"a":1}}]"#);
    let (outcome, _) =
        at_headers(&filter, &Answer { headers: &[JSON, ("trailer", "x-end")], ..UPSTREAM });
    let Step::Reply(reply) = outcome.step else { panic!("a reply") };
    assert!(reply.headers.iter().all(|(name, _)| name != "trailer"));
}

/// The outcome for a request that is held for its body.
fn posted(headers: &[(&str, &str)], body: &[u8]) -> Outcome {
    let policy = r#"{"max_body":1024,"rules":[{"name":"r","match":{"paths":["/**"]},
        "request":{"body":{"from":"json","edit":{"scalars":"string"}}}}]}"#;
    let filter = LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None);
    let (filter, host, mut stream) = (filter.unwrap(), FakeHost::default(), Stream::default());
    let own = [(":method", "POST"), (":authority", "api.example"), (":path", "/1"), JSON];
    let request = Request::new(Headers::new([&own[..], headers].concat()), false);
    assert!(matches!(filter.request_headers(&mut stream, &request, &host).step, Step::Hold));
    filter.request_body(&mut stream, body, &host)
}

#[test]
fn of_a_request_that_became_another_no_digest_is_announced() {
    let of = |names| {
        let edits = posted(&[("trailer", names)], b"1").headers;
        edits.into_iter().find(|edit| edit.name() == "trailer")
    };
    assert_eq!(of("x-end"), None);
    assert_eq!(of("digest, x-end"), Some(HeaderEdit::set("trailer", "x-end")));
    assert_eq!(of("digest"), Some(HeaderEdit::remove("trailer")));
}

#[test]
fn a_request_that_is_too_long_once_it_is_unpacked_is_413_and_no_gzip_is_400() {
    let of = |packed: &[u8]| match posted(&[("content-encoding", "gzip")], packed).step {
        Step::Refuse(refusal) => format!("{} {}", refusal.status, refusal.code),
        Step::Continue => "passed".to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(&gzip(&[b'1'; 1024], 1024)), "passed");
    assert_eq!(of(&gzip(&[b'1'; 1025], 1025)), "413 body_too_large");
    assert_eq!(of(&gzip(&[b'1'; 1024], 1025)), "400 unusable_body");
}
