//! Bodies of every length, cut anywhere, in single bytes and compressed: what comes is
//! rewritten whole, as it was, or a fault; never empty, never cut.

use std::io::{Read as _, Write as _};

use ct_codecs::{Base64, Decoder as _, Encoder as _};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use postern_tests::client::{Connection, PATIENCE, Wire, connect, send};
use postern_tests::h2::Trailers;
use postern_tests::observe::Answer;

use crate::Stage;
use crate::behaviour::same;

/// `max_body` of the set's policy.
const CAP: usize = 65_536;
const HOST: &str = "api.example.com";

fn ask(stage: &Stage, path: &str, lines: &[&str]) -> Result<Answer, String> {
    let answer = send(stage.gateway.address(), &Wire::get(HOST, path, lines), PATIENCE)?;
    if answer.cut || answer.body.is_empty() {
        return Err(format!("{path} {lines:?}: cut or empty: {answer:?}"));
    }
    Ok(answer)
}

/// A document of `size` bytes with its one name as given.
fn document(name: &str, size: usize) -> Vec<u8> {
    format!("{{\"{name}\":\"{}\"}}", "a".repeat(size - 7 - name.len())).into_bytes()
}

fn is_rewritten(what: &str, answer: &Answer, body: &[u8]) -> Result<(), String> {
    same(what, (200, Some("bodies")), (answer.status, answer.text("x-rule")))?;
    same(what, body.len().to_string().as_str(), answer.text("content-length").unwrap_or("-"))?;
    if answer.body == body { Ok(()) } else { Err(format!("{what}: another body")) }
}

fn is_fault(what: &str, answer: &Answer) -> Result<(), String> {
    same(what, (500, &b"fault"[..]), (answer.status, answer.body.as_slice()))
}

/// From nothing to beyond the cap, by length, in chunks, and compressed (from 32 bytes on).
/// Over the cap, once unpacked, the policy wants the original, as it came.
pub(super) fn every_length(stage: &Stage) -> Result<(), String> {
    let powers = (8..17).flat_map(|p| [(1 << p) - 1, 1 << p, (1 << p) + 1]);
    let sizes = (13..140).chain(powers).chain([CAP - 2, CAP, CAP + 1, 300_000, 3_000_000]);
    for way in ["", ", chunked", ", gzip", ", gzip, chunked"] {
        for size in sizes.clone() {
            let what = format!("big={size}{way}");
            let answer = ask(stage, "/old/bodies", &[&format!("x-demo-fault: {what}")])?;
            if size <= CAP {
                is_rewritten(&what, &answer, &document("filling", size + 1))?;
            } else {
                same(&what, 200, answer.status)?;
                let packed = way.contains("gzip").then_some("gzip");
                same(&what, packed, answer.text("content-encoding"))?;
                let body = if packed.is_some() { unpacked(&answer.body)? } else { answer.body };
                same(&what, true, body == document("filler", size))?;
            }
        }
        is_fault(way, &ask(stage, "/old/bodies", &[&format!("x-demo-fault: empty{way}")])?)?;
    }
    Ok(())
}

fn unpacked(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = GzDecoder::new(body).read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|e| format!("no gzip: {e}"))
}

const SMALL: &str =
    "{\"filler\":\"\\u00e9 \\/\", \"n\" : 1.0, \"more\": \"aaaaaaaaaaaaaaaaaaaa\" }";

fn small_rewritten() -> Vec<u8> {
    SMALL.replace("filler", "filling").into_bytes()
}

/// What the proxy says where an answer breaks off once its headers were held, if the body
/// was not refused before.
fn is_broken_off(what: &str, answer: &Answer) -> Result<(), String> {
    if answer.status == 502 {
        return same(what, Some("application/problem+json"), answer.text("content-type"));
    }
    is_fault(what, answer)
}

/// By length, in chunks, and compressed.
pub(super) fn cut_anywhere(stage: &Stage) -> Result<(), String> {
    let body = format!("x-demo-body: {SMALL}");
    for way in ["", ", chunked", ", gzip", ", gzip, chunked"] {
        let whole = ask(stage, "/old/bodies", &[&body, &format!("x-demo-fault: bytes{way}")])?;
        is_rewritten(way, &whole, &small_rewritten())?;
        // Compressed it is no longer than this; what would be cut behind its end is not.
        for length in 0..SMALL.len() {
            let fault = format!("x-demo-fault: cut={length}{way}");
            for path in ["/old/bodies", "/old/original"] {
                let answer = ask(stage, path, &[&body, &fault])?;
                if answer.status == 200 && way == ", gzip" {
                    same(&fault, true, answer.body == small_rewritten())?;
                } else {
                    is_broken_off(&format!("{path} {fault}"), &answer)?;
                }
            }
        }
    }
    Ok(())
}

/// One byte per chunk, at once and slowly, compressed or not.
pub(super) fn single_bytes(stage: &Stage) -> Result<(), String> {
    for size in [13, 14, 100, 1_000] {
        let what = format!("big={size}, bytes");
        let answer = ask(stage, "/old/bodies", &[&format!("x-demo-fault: {what}")])?;
        is_rewritten(&what, &answer, &document("filling", size + 1))?;
    }
    for fault in ["bytes=15", "bytes, gzip", "bytes=5, gzip", "delay=300, bytes"] {
        let lines = [&format!("x-demo-body: {SMALL}"), &format!("x-demo-fault: {fault}")];
        let answer = ask(stage, "/old/bodies", &lines.map(String::as_str))?;
        is_rewritten(fault, &answer, &small_rewritten())?;
    }
    Ok(())
}

/// Of every length up to the cap they are rewritten; over it they are refused, or go on,
/// as the rule says.
pub(super) fn requests(stage: &Stage) -> Result<(), String> {
    let send_body = |path: &str, body: &[u8], chunked: bool| {
        let framing = match chunked {
            true => "Transfer-Encoding: chunked".to_owned(),
            false => format!("Content-Length: {}", body.len()),
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n\
             {framing}\r\nConnection: close\r\n\r\n"
        );
        let mut bytes = head.into_bytes();
        if chunked {
            for part in body.chunks(1_000) {
                bytes.extend(format!("{:x}\r\n", part.len()).into_bytes());
                bytes.extend_from_slice(part);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        } else {
            bytes.extend_from_slice(body);
        }
        let mut connection = Connection::open(stage.gateway.address(), PATIENCE)?;
        connection.write(&bytes)?;
        connection.read(false)
    };
    for chunked in [false, true] {
        for size in (11..60).chain([1_000, 16_383, 16_384, CAP - 1, CAP, CAP + 1, 200_000]) {
            let what = format!("{size}, chunked: {chunked}");
            let body = document("name", size);
            let answer = send_body("/old/json-edited?v=1", &body, chunked)?;
            let expected = if size <= CAP { "item" } else { "name" };
            same(&what, (200, false), (answer.status, answer.cut))?;
            same(&what, true, answer.body == document(expected, size))?;
            let form = send_body("/old/json-to-form", &body, chunked)?;
            same(&what, 200, form.status)?;
            let prefix: &[u8] = if size <= CAP { b"name=a" } else { b"{\"name\"" };
            same(&what, true, form.body.starts_with(prefix) || size == 11)?;
        }
    }
    Ok(())
}

/// `{"filler":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "n" : 1.0 }`, packed by the Python
/// packages `brotli` 1.1.0 and `zstandard` 0.23.0, and by Python's `zlib`.
const PACKED: [(&str, &str); 3] = [
    ("br", "G0AA+J0F7t4VcSKsfaRFt1oEJGZvs+i49SkRvHSBkes+KFElHUWSTJ4Z4OmHlK9NDQ=="),
    ("zstd", "KLUv/SBBBQEA0HsiZmlsbGVyIjoieCIsICJuIiA6IDEuMCB9AQBKkAQ="),
    ("deflate", "eJyrVkrLzMlJLVKyUqogEijpKCjlKSlYKRjqGSjUAgB0JBkg"),
];

/// What is packed in a way that nobody unpacks here passes as it came, whole or in single
/// bytes, or becomes a fault, as the rule says.
pub(super) fn codings(stage: &Stage) -> Result<(), String> {
    for (coding, packed) in PACKED {
        let original = Base64::decode_to_vec(packed, None).map_err(|e| e.to_string())?;
        let body = format!("x-demo-base64: {packed}");
        let say = format!("x-demo-say: content-encoding: {coding}");
        for fault in ["", "chunked", "bytes"] {
            let what = format!("{coding} {fault}");
            let lines = [body.as_str(), &say, &format!("x-demo-fault: {fault}")];
            let answer = ask(stage, "/old/original", &lines)?;
            same(&what, (200, Some(coding)), (answer.status, answer.text("content-encoding")))?;
            same(&what, original.as_slice(), answer.body.as_slice())?;
            let fault = ask(stage, "/old/bodies", &lines)?;
            is_fault(&what, &fault)?;
            same(&what, None, fault.text("content-encoding"))?;
        }
    }
    Ok(())
}

/// What is packed by gzip and was cut before the upstream told its length is no gzip, at
/// whatever place: it passes as it came, or becomes a fault.
pub(super) fn half_packed(stage: &Stage) -> Result<(), String> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(SMALL.as_bytes()).map_err(|e| e.to_string())?;
    let packed = packed.finish().map_err(|e| e.to_string())?;
    for length in 1..=packed.len() {
        let part = &packed[..length];
        let base64 = Base64::encode_to_string(part).map_err(|e| e.to_string())?;
        let body = format!("x-demo-base64: {base64}");
        for fault in ["", "bytes"] {
            let what = format!("{length} of {} {fault}", packed.len());
            let fault = format!("x-demo-fault: {fault}");
            let lines = [body.as_str(), "x-demo-say: content-encoding: gzip", &fault];
            let (edited, original) =
                (ask(stage, "/old/bodies", &lines)?, ask(stage, "/old/original", &lines)?);
            if length == packed.len() {
                is_rewritten(&what, &edited, &small_rewritten())?;
                same(&what, true, original.body == small_rewritten())?;
            } else {
                is_fault(&what, &edited)?;
                let coding = original.text("content-encoding");
                same(&what, (200, Some("gzip")), (original.status, coding))?;
                same(&what, part, original.body.as_slice())?;
            }
        }
    }
    Ok(())
}

/// A client that asks whether it may send its body is told so, whether the body is held or
/// not; the upstream, which gets it afterwards, is not asked. One that is refused is not
/// waited for.
pub(super) fn continues(stage: &Stage) -> Result<(), String> {
    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let large = document("name", CAP + 1);
    let name = b"{\"name\":1}";
    let asked = |path: &str, length: usize| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        );
        let mut stream = connect(stage.gateway.address(), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
        stream.write_all(head.as_bytes()).map_err(|e| e.to_string())?;
        let mut told = [0; CONTINUE.len()];
        stream.read_exact(&mut told).map_err(|e| format!("{path}: not told: {e}"))?;
        same(path, String::from_utf8_lossy(CONTINUE), String::from_utf8_lossy(&told))?;
        Ok::<_, String>(Connection::over(Box::new(stream), PATIENCE))
    };
    for (path, body, expected) in [
        ("/old/json-edited?v=1", &name[..], &b"{\"item\":1}"[..]),
        ("/old/json-edited?v=1", &large, &large),
        ("/old/json-to-form", name, b"name=1"),
        ("/__echo", name, name),
    ] {
        stage.gateway.forget()?;
        let mut connection = asked(path, body.len())?;
        connection.write(body)?;
        let answer = connection.read(false)?;
        same(path, (200, false), (answer.status, answer.cut))?;
        same(path, true, answer.body == expected)?;
        let seen = stage.gateway.seen()?;
        same(path, 1, seen.len())?;
        same(path, false, seen[0].headers.iter().any(|(name, _)| name == "expect"))?;
    }
    let refused = asked("/old/script?callback=alert(1)//", 100)?.read(false)?;
    same("refused", (400, false), (refused.status, refused.body.is_empty()))
}

/// What ends with trailers is rewritten whole like any other: answers, and requests over
/// HTTP/1.1 and HTTP/2.
pub(super) fn trailers(stage: &Stage) -> Result<(), String> {
    let body = format!("x-demo-body: {SMALL}");
    for fault in ["trailers", "trailers, bytes"] {
        let fault = format!("x-demo-fault: {fault}");
        let answer = ask(stage, "/old/bodies", &[&body, &fault, "TE: trailers"])?;
        is_rewritten(&fault, &answer, &small_rewritten())?;
    }
    let head = format!(
        "POST /old/json-edited?v=1 HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nTrailer: x-end\r\nConnection: close\r\n\r\n"
    );
    let mut connection = Connection::open(stage.gateway.address(), PATIENCE)?;
    connection.write(format!("{head}a\r\n{{\"name\":1}}\r\n0\r\nx-end: 1\r\n\r\n").as_bytes())?;
    let answer = connection.read(false)?;
    same(
        "HTTP/1.1",
        (200, "{\"item\":1}"),
        (answer.status, &*String::from_utf8_lossy(&answer.body)),
    )?;
    let client = crate::behaviour::client(stage, None, &["h2"])?;
    let mut request = http::Request::post(format!("https://{HOST}/old/json-edited?v=1"))
        .header("content-type", "application/json")
        .body(b"{\"name\":1}".to_vec())
        .map_err(|e| e.to_string())?;
    let end = http::HeaderMap::from_iter([(
        http::HeaderName::from_static("x-end"),
        http::HeaderValue::from_static("1"),
    )]);
    request.extensions_mut().insert(Trailers(end));
    let answer = client.send_h2(stage.gateway.tls(), request, PATIENCE)?;
    same("HTTP/2", (200, "{\"item\":1}"), (answer.status, &*String::from_utf8_lossy(&answer.body)))
}

/// An upstream that never ends its answer, and does not say how long it is, keeps nobody
/// waiting for one that is thrown away, or that cannot be edited: what was waited for would
/// be the proxy's own, 502 or 504.
pub(super) fn stalled(stage: &Stage) -> Result<(), String> {
    let body = format!("x-demo-body: {SMALL}");
    let way = "x-demo-fault: stall=5, chunked";
    let gone = ask(stage, "/old/gone", &[&body, way])?;
    same(way, (410, &b"{\"error\":\"gone\"}"[..]), (gone.status, gone.body.as_slice()))?;
    let html = ask(stage, "/old/bodies", &[&body, way, "x-demo-type: text/html"])?;
    is_fault(way, &html)
}

/// How many ask at once.
const MANY: usize = 64;

/// Answers as large as may be rewritten, many at once: each is whole, and what the proxy
/// takes for them is bounded by what it may hold of each, and given back for the next.
pub(super) fn many_at_once(stage: &Stage) -> Result<(), String> {
    let size = CAP;
    let expected = document("filling", size + 1);
    let line = format!("x-demo-fault: big={size}");
    std::thread::scope(|scope| {
        let ask = || {
            for _ in 0..8 {
                let answer = ask(stage, "/old/bodies", &[&line])?;
                is_rewritten("many at once", &answer, &expected)?;
            }
            Ok::<(), String>(())
        };
        let all: Vec<_> = (0..MANY).map(|_| scope.spawn(ask)).collect();
        all.into_iter().try_for_each(|one| one.join().map_err(|_| "a panic".to_owned())?)
    })
}
