//! Trailers, where Envoy hands them on (`enable_trailers`): what they say of the bytes of a
//! body that became another goes, and is not announced either.

use std::io::{Read, Write};

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use postern_tests::client::{PATIENCE, connect};
use postern_tests::h2::{Trailers, send_plain};

use super::Held;
use crate::behaviour::same;

const HOST: &str = "api.example.com";

/// All that comes until the connection is closed.
fn raw(on: &Held, request: &str) -> Result<String, String> {
    let mut stream = connect(on.to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
    stream.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nTE: trailers\r\nConnection: close\r\n\r\n")
}

/// The values of a header in a head.
fn of<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let values = head.lines().filter_map(|line| line.split_once(": "));
    values.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

/// What came over HTTP/2: the body, what was announced, and the trailers.
fn over_http2(on: &Held, path: &str) -> Result<(String, Vec<String>, Vec<String>), String> {
    let request = Request::get(format!("http://{HOST}{path}"));
    let request = request.body(Vec::new()).map_err(|e| e.to_string())?;
    let (answer, trailers) = send_plain(on.to, request, PATIENCE)?;
    same(path, (200, false), (answer.status, answer.cut))?;
    let announced = answer.all("trailer").map(|v| String::from_utf8_lossy(v).into_owned());
    let names = trailers.iter().map(|(name, _)| name.to_string()).collect();
    Ok((String::from_utf8_lossy(&answer.body).into_owned(), announced.collect(), names))
}

pub(super) fn of_answers(on: &Held) -> Result<(), String> {
    let all = ["digest", "x-end", "etag"].map(str::to_owned).to_vec();
    let text = |text: &str| text.to_owned();
    // As it came, all is true.
    let came = over_http2(on, "/as-it-came")?;
    same("HTTP/2, as it came", (text("{\"a\":1}"), vec![text("Digest, X-End, ETag")], all), came)?;
    let edited = over_http2(on, "/edited/a")?;
    let expected = (text("{\"a\":\"1\"}"), vec![text("X-End")], vec![text("x-end")]);
    same("HTTP/2, edited", expected, edited)?;

    let came = raw(on, &get("/as-it-came"))?.to_ascii_lowercase();
    let end = "7\r\n{\"a\":1}\r\n0\r\ndigest: sha-256=old\r\nx-end: 1\r\netag: \"old\"\r\n\r\n";
    same("HTTP/1.1, as it came", true, came.ends_with(end))?;
    // It has a length now, and behind that HTTP/1.1 has no place for trailers.
    let edited = raw(on, &get("/edited/a"))?;
    let (head, body) = edited.split_once("\r\n\r\n").ok_or("no head")?;
    same("HTTP/1.1, edited", "{\"a\":\"1\"}", body)?;
    same("length", vec!["9"], of(head, "content-length"))?;
    same("announced", vec!["X-End"], of(head, "trailer"))?;
    same("digests", 0, of(head, "digest").len() + of(head, "etag").len())
}

/// What the upstream got of a request with trailers: head and rest.
fn got(text: &str) -> Result<(String, String), String> {
    let (head, rest) = text.split_once("\r\n\r\n").ok_or_else(|| format!("no head: {text}"))?;
    Ok((head.to_ascii_lowercase(), rest.to_ascii_lowercase()))
}

pub(super) fn of_requests(on: &Held) -> Result<(), String> {
    let post = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\nTrailer: Digest, X-End\r\nConnection: close\r\n\r\n\
             7\r\n{{\"a\":1}}\r\n0\r\nDigest: sha-256=old\r\nX-End: 1\r\n\r\n"
        )
    };
    let end = HeaderMap::from_iter([
        (HeaderName::from_static("digest"), HeaderValue::from_static("sha-256=old")),
        (HeaderName::from_static("x-end"), HeaderValue::from_static("1")),
    ]);
    let over_http2 = |path: &str| {
        let mut request = Request::post(format!("http://{HOST}{path}"))
            .header("content-type", "application/json")
            .header("trailer", "Digest, X-End")
            .body(b"{\"a\":1}".to_vec())
            .map_err(|e| e.to_string())?;
        request.extensions_mut().insert(Trailers(end.clone()));
        let (answer, _) = send_plain(on.to, request, PATIENCE)?;
        Ok::<_, String>(String::from_utf8_lossy(&answer.body).into_owned())
    };
    let over_http1 = |path: &str| {
        let answer = raw(on, &post(path))?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("no head")?;
        Ok::<_, String>(body.to_owned())
    };
    for (what, came, edited) in [
        ("HTTP/1.1", over_http1("/echo")?, over_http1("/edited/echo")?),
        ("HTTP/2", over_http2("/echo")?, over_http2("/edited/echo")?),
    ] {
        let (head, rest) = got(&came)?;
        same(what, vec!["digest, x-end"], of(&head, "trailer"))?;
        same(what, true, rest.ends_with("0\r\ndigest: sha-256=old\r\nx-end: 1\r\n\r\n"))?;
        let (head, rest) = got(&edited)?;
        same(what, (vec!["x-end"], "{\"a\":\"1\"}"), (of(&head, "trailer"), rest.as_str()))?;
        same(what, vec!["9"], of(&head, "content-length"))?;
    }
    Ok(())
}
