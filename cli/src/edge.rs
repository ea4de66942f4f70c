//! What the proxy does to a request before the first filter sees it, by the
//! bootstrap's rules: header names in lower case, aliases with underscores
//! dropped, repeated `authorization` and `host` joined, host and path
//! normalised. Enough of it that a filter offline sees what it sees live.

use crate::chain::{HeaderList, Message};

/// A request as a client writes it.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// The method.
    pub method: Vec<u8>,
    /// The request target.
    pub path: Vec<u8>,
    /// Header lines in order, `host` among them, names in any case.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body, if there is one.
    pub body: Option<Vec<u8>>,
    /// The request id that the proxy gives it.
    pub request_id: String,
    /// The client's address, `ip:port`.
    pub client: String,
    /// Was a client's certificate to be shown? There is no TLS here to show it in.
    pub certificate: bool,
}

/// The proxy answers by itself; no filter sees the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The status it answers with.
    pub status: u16,
}

/// The request as the first filter gets it.
///
/// # Errors
/// When the proxy would not let it in.
pub fn admit(sent: &Sent) -> Result<Message, Rejected> {
    let bad = Rejected { status: 400 };
    let mut host: Option<Vec<u8>> = None;
    let mut rest: HeaderList = Vec::new();
    for (name, value) in &sent.headers {
        let name = String::from_utf8(name.to_ascii_lowercase()).map_err(|_| bad)?;
        let value = value.trim_ascii().to_vec();
        if value.iter().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
            return Err(bad);
        }
        match name.as_str() {
            _ if name.contains('_') => {}
            "host" => join(&mut host, value),
            "connection" | "proxy-connection" | "keep-alive" | "transfer-encoding"
            | "x-forwarded-for" | "x-forwarded-proto" | "x-request-id" => {}
            _ if name.starts_with("x-envoy-") => {}
            _ => match rest.iter_mut().find(|(n, _)| joined(n) && *n == name) {
                Some((_, first)) => {
                    first.push(b',');
                    first.extend_from_slice(&value);
                }
                None => rest.push((name, value)),
            },
        }
    }
    let path = if sent.path == b"*" { b"*".to_vec() } else { normalise(&sent.path).ok_or(bad)? };
    let ip = sent.client.rsplit_once(':').map_or(sent.client.as_str(), |(ip, _)| ip);
    let mut headers: HeaderList = vec![
        (":authority".to_owned(), authority(&host.ok_or(bad)?)),
        (":path".to_owned(), path),
        (":method".to_owned(), sent.method.clone()),
        (":scheme".to_owned(), b"http".to_vec()),
    ];
    headers.extend(rest);
    headers.push(("x-forwarded-for".to_owned(), ip.as_bytes().to_vec()));
    headers.push(("x-forwarded-proto".to_owned(), b"http".to_vec()));
    headers.push(("x-request-id".to_owned(), sent.request_id.clone().into_bytes()));
    let body = sent.body.clone().filter(|b| !b.is_empty());
    Ok(Message { headers, body })
}

/// Headers of which the proxy makes one value, with commas.
fn joined(name: &str) -> bool {
    matches!(name, "authorization" | "content-type" | "content-length" | "user-agent")
}

fn join(into: &mut Option<Vec<u8>>, value: Vec<u8>) {
    match into {
        Some(first) => {
            first.push(b',');
            first.extend_from_slice(&value);
        }
        None => *into = Some(value),
    }
}

/// The host without port and trailing dot.
fn authority(host: &[u8]) -> Vec<u8> {
    let colon = host.iter().rposition(|b| *b == b':');
    let name = match colon.and_then(|at| host.split_at_checked(at)) {
        Some((name, port)) if port.iter().skip(1).all(u8::is_ascii_digit) => name,
        _ => host,
    };
    name.strip_suffix(b".").unwrap_or(name).to_vec()
}

/// `normalize_path`, `merge_slashes` and `REJECT_REQUEST` on escaped slashes.
/// The query stays as it came.
fn normalise(target: &[u8]) -> Option<Vec<u8>> {
    let at = target.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(target.len());
    let (path, query) = target.split_at_checked(at)?;
    let mut text = Vec::with_capacity(path.len());
    let mut rest = path.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let value = hex(high)? << 4 | hex(low)?;
                match value {
                    b'/' | b'\\' | 0 => return None,
                    b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => text.push(b),
                    _ => text.extend_from_slice(&[
                        b'%',
                        high.to_ascii_uppercase(),
                        low.to_ascii_uppercase(),
                    ]),
                }
            }
            b'\\' => text.push(b'/'),
            b'"' | b'<' | b'>' | b'{' | b'}' | b'^' | b'`' | b'|' => {
                text.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
            0x80.. => return None,
            _ => text.push(byte),
        }
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    let inner = text.strip_prefix(b"/")?;
    let parts: Vec<&[u8]> = inner.split(|b| *b == b'/').collect();
    for (i, part) in parts.iter().enumerate() {
        let last = i + 1 == parts.len();
        match *part {
            b"" if !last => {}
            b"." | b".." | [b'.', b'.', b';', ..] => {
                if *part != b"." {
                    segments.pop();
                }
                if last {
                    segments.push(b"");
                }
            }
            _ => segments.push(part),
        }
    }
    let mut out = Vec::with_capacity(target.len());
    for segment in &segments {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if out.is_empty() {
        out.push(b'/');
    }
    out.extend_from_slice(query);
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn path(sent: &str, seen: Option<&str>) {
        let found = normalise(sent.as_bytes());
        assert_eq!(found.map(|p| String::from_utf8(p).unwrap()).as_deref(), seen, "{sent}");
    }

    #[test]
    fn paths_are_normalised_as_the_proxy_does() {
        path("/public/../private", Some("/private"));
        path("/%2e%2e/a?x=/..", Some("/a?x=/.."));
        path("//a///b/", Some("/a/b/"));
        path("/%41|b,c:d", Some("/A%7Cb,c:d"));
        path("/a%252Fb", Some("/a%252Fb"));
        path("/a%2Fb", None);
        path("/a%5cb", None);
        path("/a\\..\\b", Some("/b"));
        path("/a/..;foo/admin", Some("/admin"));
        path("/admin;x=y/act", Some("/admin;x=y/act"));
    }

    #[test]
    fn aliases_and_edge_headers_do_not_get_in() {
        let line = |n: &str, v: &str| (n.as_bytes().to_vec(), v.as_bytes().to_vec());
        let sent = Sent {
            method: b"GET".to_vec(),
            path: b"/".to_vec(),
            headers: vec![
                line("Host", "API.example.com.:443"),
                line("X_Postern_Subject", "root"),
                line("x-envoy-original-path", "/a"),
                line("Authorization", "Bearer a"),
                line("authorization", "Bearer b"),
                line("X-A", " \tb "),
            ],
            client: "192.0.2.1:5000".to_owned(),
            request_id: "id".to_owned(),
            body: None,
            certificate: false,
        };
        let message = admit(&sent).unwrap();
        assert_eq!(message.header(":authority"), Some(&b"API.example.com"[..]));
        assert_eq!(message.header("authorization"), Some(&b"Bearer a,Bearer b"[..]));
        assert_eq!(message.header("x-a"), Some(&b"b"[..]));
        assert_eq!(message.header("x_postern_subject"), None);
        assert_eq!(message.header("x-envoy-original-path"), None);
        assert_eq!(message.header("x-forwarded-for"), Some(&b"192.0.2.1"[..]));
        assert_eq!(admit(&Sent { headers: Vec::new(), ..sent }), Err(Rejected { status: 400 }));
    }
}
