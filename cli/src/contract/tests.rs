//! Contracts held to a server that answers what a test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use proptest::prelude::*;

use super::wire::Gateway;
use super::*;

/// A server that answers each connection with the next of these bytes, and gives back
/// what it was sent.
fn server(answers: &[&str]) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let answers: Vec<String> = answers.iter().map(|a| (*a).to_owned()).collect();
    let serve = move || {
        let one = |answer: String| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = Vec::new();
            let mut chunk = [0; 4096];
            while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
                let n = stream.read(&mut chunk).unwrap();
                seen.extend_from_slice(&chunk[..n]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(seen).unwrap()
        };
        answers.into_iter().map(one).collect()
    };
    (at, std::thread::spawn(serve))
}

fn contract(text: &str) -> Contract {
    Contract::parse(text, &Values::new(), &|_| None).unwrap_or_else(|e| panic!("{e}"))
}

/// What a contract of one pair says to an answer; `answer` is the pair's, in YAML flow.
fn said(head: &str, answer: &str, came: &str) -> Vec<String> {
    let text = format!(
        "{head}\npairs:\n  - name: a\n    request: {{target: /}}\n    answer: {{{answer}}}\n"
    );
    let contract = contract(&text);
    let (at, server) = server(&[came]);
    let gateway = Gateway::new(&format!("http://{at}"), None).unwrap();
    let mut verdicts = verify(&contract.pairs, &gateway, Some(Duration::from_secs(5)));
    server.join().unwrap();
    verdicts.remove(0).differences
}

fn mistakes(text: &str) -> Vec<String> {
    let errors = Contract::parse(text, &Values::new(), &|_| None).unwrap_err();
    let line = |p: &postern_core::config::Problem| format!("{}: {p}", p.span.start.line);
    errors.problems().iter().map(line).collect()
}

const OK: &str = "HTTP/1.1 200 OK\r\nX-A: 1\r\nDate: today\r\nContent-Length: 2\r\n\r\nab";

#[test]
fn an_answer_that_is_the_recorded_one_has_no_differences() {
    let answer = "status: 200, reason: OK, headers: ['content-length: 2', 'x-a: ${digits}'], \
                  body: {text: ab}";
    assert_eq!(said("", answer, OK), [""; 0]);
    // In order and in case.
    let answer = "status: 200, headers: ['X-A: 1', 'Content-Length: 2'], body: {base64: YWI=}";
    assert_eq!(said("order: exact\ncase: exact", answer, OK), [""; 0]);
}

#[test]
fn every_difference_is_told() {
    let answer = "status: 404, reason: Okay, headers: ['Content-Length: 3', 'X-B: 1'], \
                  body: {text: ac}";
    assert_eq!(
        said("", answer, OK),
        [
            "status: expected 404, but got 200",
            "reason phrase: expected `Okay`, but got `OK`",
            "header Content-Length: expected `3`, but got `2`",
            "header X-B: expected `1`, but it is not there",
            "header X-A: not expected: `1`",
            "body: from byte 1 on: expected `c`, but got `b`",
        ]
    );
    let answer = "status: 200, headers: ['Content-Length: 2', 'x-a: 1'], body: {text: ''}";
    assert_eq!(
        said("order: exact\ncase: exact", answer, OK),
        [
            "header x-a: it is written `X-A`",
            "the order of the headers: expected Content-Length, x-a, but got X-A, Content-Length",
            "body: expected none, but got `ab`",
        ]
    );
    // The date counts where it is not ignored; a header may be there twice.
    let twice = "HTTP/1.1 200 OK\r\nA: 1\r\nA: 1\r\nDate: x\r\nContent-Length: 0\r\n\r\n";
    let answer = "status: 200, headers: ['A: 1', 'Content-Length: 0'], body: {text: ab}";
    assert_eq!(
        said("ignore_headers: []", answer, twice),
        [
            "header A: not expected: `1`",
            "header Date: not expected: `x`",
            "body: expected `ab`, but it is empty",
        ]
    );
    let answer = "status: 200, headers: ['Content-Length: 0'], ignore_headers: [a*], \
                  body: {any: never the same}";
    assert_eq!(said("", answer, twice), [""; 0]);
}

#[test]
fn what_is_no_whole_answer_is_told_as_that() {
    let any = "status: 200, body: {any: it is cut}, ignore_headers: ['*']";
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab";
    assert_eq!(said("", any, cut), ["the body is cut: closed after 2 of 3 bytes"]);
    let cut = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n";
    assert_eq!(said("", any, cut), ["the body is cut: closed within its chunks"]);
    let long = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n";
    assert_eq!(said("", any, long), ["the body is cut: a chunk is longer than it says"]);
    assert_eq!(said("", any, ""), ["no answer: the connection was closed without a byte"]);
    assert_eq!(said("", any, "HTTP/1.1 200"), ["no answer: the connection was closed in the head"]);
    let other = "SSH-2.0-x\r\n\r\n";
    assert_eq!(said("", any, other), ["no answer: no answer of HTTP/1: `SSH-2.0-x`"]);
    // Hints before the answer are no answer, and trailers no header.
    let hints = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
                 HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\nT: 1\r\n\r\n";
    let answer = "status: 200, headers: ['Transfer-Encoding: chunked'], body: {text: a}";
    assert_eq!(said("", answer, hints), [""; 0]);
}

#[test]
fn nothing_is_waited_for_without_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Gateway::new(&format!("http://{}", listener.local_addr().unwrap()), None);
    let text = "pairs: [{name: a, request: {target: /}, answer: {status: 200, body: {any: x}}}]";
    let verdicts =
        verify(&contract(text).pairs, &gateway.unwrap(), Some(Duration::from_millis(50)));
    assert_eq!(verdicts[0].differences, ["no answer: not within 50ms"]);
}

#[test]
fn json_is_compared_as_it_is_written() {
    let came =
        |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let json = |text: &str, ignore: &str| {
        format!(
            "status: 200, ignore_headers: [content-length], \
             body: {{json: {{text: '{text}', ignore: [{ignore}]}}}}"
        )
    };
    let same = came("{ \"b\": [1.0, 9007199254740993], \"a\": \"\\u00e9\" }");
    assert_eq!(said("", &json(r#"{"a":"é","b":[1.0,9007199254740993]}"#, ""), &same), [""; 0]);
    let other = came(r#"{"a":"1","b":[1,2],"c":null,"d":{"x":[{"y":1}]},"e":"id-17"}"#);
    assert_eq!(
        said(
            "",
            &json(r#"{"a":1,"b":[1.0,2],"d":{"x":[{"y":"2"}]},"e":"id-${digits}","f":1}"#, ""),
            &other
        ),
        [
            "body: `/a`: expected the number `1`, but got the string `1`",
            "body: `/b/0`: expected the number `1.0`, but got the number `1`",
            "body: `/d/x/0/y`: expected the string `2`, but got the number `1`",
            "body: `/f`: expected, but not there",
            "body: `/c`: not expected: null",
        ]
    );
    let loose = json(
        r#"{"a":"${string}","b":"${value}","d":{"x":[{"y":"${number}"}]},"e":"${word}","f":1}"#,
        "/f, /c",
    );
    assert_eq!(said("", &loose, &other), [""; 0]);
    assert_eq!(
        said("", &json(r#"{"l":[{"t":1},{"t":2}]}"#, "/l/*/t"), &came(r#"{"l":[{"t":3},{}]}"#)),
        [""; 0]
    );
    assert_eq!(said("", &json("[]", ""), &came("[1}")), ["body: no JSON at byte 2: `}`"]);
    assert_eq!(
        said("", &json(r#"{"a":1,"a":2}"#, ""), &came(r#"{"a":1}"#)),
        ["body: `/a`: expected, but not there"]
    );
}

#[test]
fn requests_go_out_as_they_are_written() {
    let text = "values: {key: secret}\npairs:\n  - name: a\n    each: {v: [v1, v2]}\n    request:\n      \
                method: POST\n      target: '/${v}/a|b,c:${key}'\n      headers: ['hOST: x', 'A:b']\n      \
                body: '$${v}'\n    answer: {status: 204, body: {text: ''}}\n";
    let contract = contract(text);
    let none = "HTTP/1.1 204 No Content\r\n\r\n";
    let (at, server) = server(&[none, none]);
    let gateway = Gateway::new(&format!("http://{at}"), None).unwrap();
    let verdicts = verify(&contract.pairs, &gateway, None);
    let sent = server.join().unwrap();
    let head = "hOST: x\r\nA:b\r\nContent-Length: 4\r\n\r\n${v}";
    assert_eq!(sent[0], format!("POST /v1/a|b,c:secret HTTP/1.1\r\n{head}"));
    assert_eq!(sent[1], format!("POST /v2/a|b,c:secret HTTP/1.1\r\n{head}"));
    let expected = "c.yaml: 2 of 2 kept\n";
    assert_eq!(report("c.yaml", &verdicts), expected);
    // A value is not told.
    assert_eq!(verdicts[1].pair, "a (v=v2)");
    assert_eq!(verdicts[1].request, "POST /${v}/a|b,c:${key}");
}

#[test]
fn a_report_names_the_pair_and_its_line() {
    let verdict = Verdict {
        pair: "a".to_owned(),
        line: 3,
        request: "GET /".to_owned(),
        differences: vec!["status: expected 200, but got 404".to_owned()],
    };
    assert_eq!(
        report("c.yaml", std::slice::from_ref(&verdict)),
        "c.yaml:3: a: GET /\n    status: expected 200, but got 404\nc.yaml: 0 of 1 kept\n"
    );
    let json = report_json("c.yaml", &[verdict]);
    assert_eq!(json.pointer("/0/kept"), Some(&false.into()));
    assert_eq!(json.pointer("/0/line"), Some(&3.into()));
}

#[test]
fn every_mistake_is_named_at_its_line() {
    let text = "values:\n  any: x\n  k: {env: POSTERN_NOT_SET}\npairs:\n  - name: a\n    request: \
                {target: '/${nothing}'}\n  - name: a\n    request: {target: '/${any}', headers: [x]}\n    \
                answer:\n      status: 99\n      body: {text: a, any: b}\n  - name: b\n    each: {v: []}\n    \
                request: {target: 'a b'}\n  - name: c\n    request: {target: 'a b'}\n    answer:\n      \
                status: 200\n      headers: ['a']\n      body: {json: {text: '{'}}\n";
    assert_eq!(
        mistakes(text),
        [
            "10: pairs[1].answer.status: expected a whole number from 200 to 599, but found 99",
            "11: pairs[1].answer.body: expected exactly one key of `text`, `base64`, `json` or `any`",
            "2: values.any: `${any}` has a meaning of its own: choose another name",
            "3: values.k: the environment variable `POSTERN_NOT_SET` is not set",
            "6: pairs[0].request.target: `${nothing}` stands for nothing: name it in `values` or `each`",
            "13: pairs[2].each: `v` has no values",
            "16: pairs[3].request.target: a target is not empty, and has no blanks",
            "19: pairs[3].answer.headers[0]: expected a header line `Name: value`",
            "20: pairs[3].answer.body: the text is no JSON at byte 1",
        ]
    );
    let text = "pairs:\n  - name: a\n    request: {target: '/${any}', body: '${', headers: ['a: ${b}']}\n  \
                - name: a\n    request: {target: /}\n    answer: {status: 200, body: {base64: '!'}}\n  \
                - name: c\n    each: {digits: [a]}\n    request: {target: /}\n  - name: d\n    request: \
                {target: /}\n    answer: {status: 200, body: {json: {text: '1', ignore: [a]}}}\n";
    assert_eq!(
        mistakes(text),
        [
            "3: pairs[0].request.target: what is sent has to be known: `${any}`, `${digits}`, \
             `${word}` and `${date}` stand in answers",
            "3: pairs[0].request.headers[0]: `${b}` stands for nothing: name it in `values` or `each`",
            "3: pairs[0].request.body: a placeholder `${` has no end",
            "4: pairs[1].name: another pair is named `a`",
            "6: pairs[1].answer.body: expected Base64 (RFC 4648 §4)",
            "8: pairs[2].each: `${digits}` has a meaning of its own: choose another name",
            "12: pairs[3].answer.body: `a` is no JSON Pointer: it begins with `/`",
        ]
    );
    assert_eq!(
        mistakes("pair: []"),
        ["1: unknown key `pair`, did you mean `pairs`?", "1: missing key `pairs`"]
    );
}

#[test]
fn a_record_is_a_contract_that_is_kept() {
    let text = "values: {k: secret}\nignore_headers: [date]\npairs:\n  - name: a\n    each: {v: [v1, v2]}\n    \
                request: {target: '/${v}/${k}'}\n  - name: b\n    request: {target: /b}\n    \
                answer: {status: 404, body: {text: ''}}\n";
    let came = "HTTP/1.1 200 OK\r\nX-A: ${v}: \"x\"\r\nDate: now\r\nContent-Length: 9\r\n\r\n{\"a\":\"é\"}";
    let came = &came.replace("Content-Length: 9", "Content-Length: 10");
    let (at, server) = server(&[came, came, came, came, "HTTP/1.1 404 N\r\n\r\n"]);
    let gateway = Gateway::new(&format!("http://{at}"), None).unwrap();
    let recorded = record(&contract(text), &gateway, None).unwrap();
    assert!(!recorded.contains("secret\"\n      target"), "{recorded}");
    assert!(recorded.contains("target: \"/${v}/${k}\""), "{recorded}");
    let kept = verify(&contract(&recorded).pairs, &gateway, None);
    server.join().unwrap();
    assert_eq!(report("c", &kept), "c: 3 of 3 kept\n", "{recorded}");
}

#[test]
fn a_pair_is_recorded_if_all_that_it_stands_for_are_answered_alike() {
    let text = "pairs:\n  - name: a\n    each: {v: [v1, v2]}\n    request: {target: '/${v}'}\n";
    let answers = ["HTTP/1.1 200 OK\r\n\r\na", "HTTP/1.1 200 OK\r\n\r\nb"];
    let (at, server) = server(&answers);
    let gateway = Gateway::new(&format!("http://{at}"), None).unwrap();
    let wrong = record(&contract(text), &gateway, None).unwrap_err();
    server.join().unwrap();
    assert_eq!(
        wrong,
        ["a (v=v2): another answer than the first of this pair: make it a pair of its own"]
    );
}

#[test]
fn gateways_are_named_by_their_address() {
    let wrong = |url: &str| Gateway::new(url, None).unwrap_err();
    for url in ["127.0.0.1", "ftp://a", "http://", "http://a/b", "http://u@a"] {
        let message =
            format!("expected `http://HOST:PORT` or `https://HOST:PORT`, but found `{url}`");
        assert_eq!(wrong(url), message);
    }
    let message = "over TLS, `--ca FILE` says which certificates count";
    assert_eq!(wrong("https://127.0.0.1:1"), message);
}

/// What placeholders match, as regular expressions would: a simple model.
fn model(pieces: &[text::Piece], text: &[u8]) -> bool {
    use text::{Piece, Wild};
    let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
    match first {
        Piece::Bytes(bytes) => text.starts_with(bytes) && model(rest, &text[bytes.len()..]),
        Piece::Wild(Wild::Any) => (0..=text.len()).any(|n| model(rest, &text[n..])),
        Piece::Wild(Wild::Digits) => (1..=text.len())
            .take_while(|n| text[n - 1].is_ascii_digit())
            .any(|n| model(rest, &text[n..])),
        Piece::Wild(Wild::Word) => (1..=text.len())
            .take_while(|n| text[n - 1].is_ascii_alphanumeric())
            .any(|n| model(rest, &text[n..])),
        Piece::Wild(Wild::Date) => text.len() >= 29 && model(rest, &text[29..]),
    }
}

proptest! {
    #[test]
    fn placeholders_match_what_a_model_says(
        parts in proptest::collection::vec("[ab1]{0,2}|\\$\\{any\\}|\\$\\{digits\\}|\\$\\{word\\}", 0..6),
        text in "[ab1]{0,8}",
    ) {
        let pieces = text::pieces(&parts.concat(), &Values::new()).unwrap();
        prop_assert_eq!(text::matches(&pieces, text.as_bytes()).is_ok(), model(&pieces, text.as_bytes()));
    }
}
