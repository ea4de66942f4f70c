//! The request to explain, in curl's words.

use std::ffi::{OsStr, OsString};
use std::fs;

use clap::{Args, Parser};
use ct_codecs::{Base64, Encoder as _};

use crate::edge::Sent;

/// Where a path without a host goes.
const HOST: &str = "api.example.com";

/// `--json` alone has the explanation printed as JSON.
const JSON_BODY: &str = "json-body";

/// A whole command line, behind the word `curl`.
#[derive(Parser)]
#[command(name = "curl", no_binary_name = true, disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    curl: Curl,
}

/// Words of a command line in which curl's `--json BODY` has a name of its own. A
/// body is what begins as JSON does, or as `@FILE`: no URL does.
pub fn as_body(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter().peekable();
    let mut out = Vec::new();
    while let Some(word) = words.next() {
        let body = word == "--json" && words.peek().is_some_and(|next| is_body(next));
        out.push(if body { format!("--{JSON_BODY}").into() } else { word });
    }
    out
}

fn is_body(word: &OsStr) -> bool {
    let Some(word) = word.to_str() else { return false };
    match word.trim_start().chars().next() {
        // It may be a host, of IPv6.
        Some('[') => serde_json::from_str::<serde_json::Value>(word).is_ok(),
        first => matches!(first, None | Some('{' | '"' | '@')),
    }
}

/// A request as curl would send it. Options of curl that do not change what is
/// sent are taken and ignored.
#[derive(Clone, Debug, Default, Args)]
pub struct Curl {
    /// The URL, or a path alone; `curl` may stand before it, or a whole command
    /// line in quotes.
    #[arg(required = true, num_args = 1..=2, value_name = "URL")]
    pub words: Vec<String>,
    /// The method.
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<String>,
    /// A header, `name: value`; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// A body, or `@FILE`; several are joined by `&`.
    #[arg(short = 'd', long = "data", value_name = "BODY", visible_aliases = ["data-raw", "data-binary", "data-ascii"])]
    data: Vec<String>,
    /// What `--json BODY` becomes: see [`as_body`].
    #[arg(long = JSON_BODY, value_name = "BODY", conflicts_with = "data", hide = true)]
    json_body: Vec<String>,
    /// Send the data in the query.
    #[arg(short = 'G', long = "get")]
    get: bool,
    /// Send `HEAD`.
    #[arg(short = 'I', long = "head")]
    head: bool,
    /// `user:password`, sent as HTTP Basic.
    #[arg(short = 'u', long = "user", value_name = "USER")]
    user: Option<String>,
    /// A token, sent as `Authorization: Bearer`.
    #[arg(long = "oauth2-bearer", value_name = "TOKEN")]
    bearer: Option<String>,
    /// The `User-Agent`.
    #[arg(short = 'A', long = "user-agent", value_name = "NAME")]
    agent: Option<String>,
    /// The `Cookie`.
    #[arg(short = 'b', long = "cookie", value_name = "COOKIES")]
    cookie: Option<String>,
    #[arg(short = 'i', long = "include", hide = true)]
    include: bool,
    #[arg(short = 's', long = "silent", hide = true)]
    silent: bool,
    #[arg(short = 'S', long = "show-error", hide = true)]
    show_error: bool,
    #[arg(short = 'v', long = "verbose", hide = true)]
    verbose: bool,
    #[arg(short = 'k', long = "insecure", hide = true)]
    insecure: bool,
    #[arg(short = 'L', long = "location", hide = true)]
    location: bool,
    #[arg(short = 'f', long = "fail", hide = true)]
    fail: bool,
    #[arg(short = 'g', long = "globoff", hide = true)]
    globoff: bool,
    #[arg(long = "path-as-is", hide = true)]
    path_as_is: bool,
    #[arg(long = "compressed", hide = true)]
    compressed: bool,
    #[arg(short = 'o', long = "output", hide = true)]
    output: Option<String>,
    #[arg(short = 'w', long = "write-out", hide = true)]
    write_out: Option<String>,
    #[arg(short = 'm', long = "max-time", hide = true)]
    max_time: Option<String>,
    #[arg(short = 'E', long = "cert", hide = true)]
    cert: Option<String>,
    #[arg(long = "cert-type", hide = true)]
    cert_type: Option<String>,
    #[arg(long = "key", hide = true)]
    key: Option<String>,
    #[arg(long = "key-type", hide = true)]
    key_type: Option<String>,
    #[arg(long = "pass", hide = true)]
    pass: Option<String>,
    #[arg(long = "cacert", hide = true)]
    cacert: Option<String>,
    #[arg(long = "capath", hide = true)]
    capath: Option<String>,
    #[arg(long = "tlsv1.2", hide = true)]
    tls_1_2: bool,
    #[arg(long = "tlsv1.3", hide = true)]
    tls_1_3: bool,
    #[arg(long = "http1.1", hide = true)]
    http_1: bool,
    #[arg(long = "http2", hide = true)]
    http_2: bool,
    #[arg(long = "resolve", hide = true)]
    resolve: Vec<String>,
}

impl Curl {
    /// The request that goes onto the wire.
    ///
    /// # Errors
    /// What cannot be understood.
    pub fn sent(&self, client: &str) -> Result<Sent, String> {
        match self.words.as_slice() {
            [line] if line.trim_start().starts_with("curl ") => {
                // Line breaks that a shell would join.
                let line = line.replace("\\\n", " ");
                let words = shlex::split(&line).ok_or("the command line has an open quote")?;
                let parsed = Line::try_parse_from(as_body(words.into_iter().map(OsString::from)));
                parsed.map_err(|e| plain(&e))?.curl.sent(client)
            }
            [curl, url] if curl == "curl" => self.to(url, client),
            [url] => self.to(url, client),
            [first, other, ..] => {
                Err(format!("expected one URL, but found `{first}` and `{other}`"))
            }
            [] => Err("expected a URL".to_owned()),
        }
    }

    fn to(&self, url: &str, client: &str) -> Result<Sent, String> {
        let (host, mut path) = target(url)?;
        let mut headers =
            vec![("host".to_owned(), host.to_owned()), ("accept".to_owned(), "*/*".to_owned())];
        for line in &self.headers {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| format!("expected a header `name: value`, but found `{line}`"))?;
            // As curl does: a header of the same name takes the place of its own.
            headers.retain(|(n, _)| {
                !(n == "host" || n == "accept") || !n.eq_ignore_ascii_case(name.trim())
            });
            if !value.trim().is_empty() {
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
        let given = |headers: &[(String, String)], name: &str| {
            headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
        };
        if let Some(credential) = self.authorization()?
            && !given(&headers, "authorization")
        {
            headers.push(("authorization".to_owned(), credential));
        }
        for (name, value) in [("user-agent", &self.agent), ("cookie", &self.cookie)] {
            headers.extend(value.iter().map(|value| (name.to_owned(), value.clone())));
        }
        let mut body = self.body()?;
        if self.get
            && let Some(data) = body.take()
        {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(&String::from_utf8_lossy(&data));
        }
        if let Some(body) = &body {
            headers.push(("content-length".to_owned(), body.len().to_string()));
            if self.json_body.is_empty() && !given(&headers, "content-type") {
                headers.push((
                    "content-type".to_owned(),
                    "application/x-www-form-urlencoded".to_owned(),
                ));
            }
        }
        if !self.json_body.is_empty() {
            let own = |name: &str| self.headers.iter().any(|line| names(line, name));
            for name in ["content-type", "accept"].into_iter().filter(|name| !own(name)) {
                headers.retain(|(n, _)| n != name);
                headers.push((name.to_owned(), "application/json".to_owned()));
            }
        }
        let method = match (&self.method, self.head, &body) {
            (Some(method), _, _) => method.as_str(),
            (None, true, _) => "HEAD",
            (None, false, Some(_)) => "POST",
            (None, false, None) => "GET",
        };
        Ok(Sent {
            method: method.as_bytes().to_vec(),
            path: path.into_bytes(),
            headers: headers.into_iter().map(|(n, v)| (n.into_bytes(), v.into_bytes())).collect(),
            body,
            request_id: "00000000-0000-4000-8000-000000000000".to_owned(),
            client: client.to_owned(),
            certificate: self.cert.is_some(),
        })
    }

    /// A token goes before a password, as curl has it.
    fn authorization(&self) -> Result<Option<String>, String> {
        Ok(match (&self.bearer, &self.user) {
            (Some(token), _) => Some(format!("Bearer {token}")),
            (None, Some(user)) => {
                let encoded = Base64::encode_to_string(user).map_err(|e| e.to_string())?;
                Some(format!("Basic {encoded}"))
            }
            (None, None) => None,
        })
    }

    fn body(&self) -> Result<Option<Vec<u8>>, String> {
        let (given, between): (_, &[u8]) = match self.json_body.as_slice() {
            [] => (&self.data, b"&"),
            _ => (&self.json_body, b""),
        };
        let mut parts = Vec::with_capacity(given.len());
        for data in given {
            parts.push(match data.strip_prefix('@') {
                Some(file) => {
                    fs::read(file).map_err(|e| format!("`{file}` cannot be read: {e}"))?
                }
                None => data.clone().into_bytes(),
            });
        }
        Ok((!parts.is_empty()).then(|| parts.join(between)))
    }
}

/// Is this line of `-H` about that header?
fn names(line: &str, name: &str) -> bool {
    line.split(':').next().is_some_and(|own| own.trim().eq_ignore_ascii_case(name))
}

/// Host and request target of a URL.
fn target(url: &str) -> Result<(&str, String), String> {
    let rest = match url.split_once("://") {
        Some(("http" | "https", rest)) => rest,
        Some((scheme, _)) => {
            return Err(format!("expected a URL of `http` or `https`, but found `{scheme}`"));
        }
        None if url.starts_with('/') => return Ok((HOST, url.to_owned())),
        None => url,
    };
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(at);
    if host.is_empty() {
        return Err("the URL has no host".to_owned());
    }
    // What follows a `#` is for the client alone.
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok((host, path))
}

/// One line of clap's explanation.
fn plain(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(words: &[&str]) -> Result<Sent, String> {
        let words = as_body(words.iter().map(OsString::from));
        Line::try_parse_from(words).map_err(|e| plain(&e))?.curl.sent("192.0.2.1:5000")
    }

    fn wire(sent: &Sent) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers: Vec<_> =
            sent.headers.iter().map(|(n, v)| format!("{}: {}", text(n), text(v))).collect();
        format!(
            "{} {} | {} | {}",
            text(&sent.method),
            text(&sent.path),
            headers.join(", "),
            text(sent.body.as_deref().unwrap_or_default())
        )
    }

    #[track_caller]
    fn check(words: &[&str], expected: &str) {
        assert_eq!(wire(&sent(words).unwrap()), expected);
    }

    #[test]
    fn requests_are_read_as_curl_reads_them() {
        check(&["/whoami"], "GET /whoami | host: api.example.com, accept: */* | ");
        check(&["http://a.example:8080?x=1#y"], "GET /?x=1 | host: a.example:8080, accept: */* | ");
        check(
            &["curl", "-is", "-XDELETE", "https://a/b", "-H", "X-A:  b "],
            "DELETE /b | host: a, accept: */*, X-A: b | ",
        );
        check(
            &["-H", "Host: old.example", "-H", "Accept:", "a/b"],
            "GET /b | host: old.example | ".replace("host", "Host").as_str(),
        );
        check(
            &["-u", "me:pw", "-A", "ua", "a/"],
            "GET / | host: a, accept: */*, authorization: Basic bWU6cHc=, user-agent: ua | ",
        );
        check(
            &["a", "-d", "x=1", "-d", "y=2"],
            "POST / | host: a, accept: */*, content-length: 7, content-type: application/x-www-form-urlencoded | x=1&y=2",
        );
        check(&["a/?z", "-G", "-d", "x=1"], "GET /?z&x=1 | host: a, accept: */* | ");
        check(
            &["--oauth2-bearer", "T", "-u", "me:pw", "a"],
            "GET / | host: a, accept: */*, authorization: Bearer T | ",
        );
        check(
            &["--oauth2-bearer", "T", "-H", "Authorization: mine", "a"],
            "GET / | host: a, accept: */*, Authorization: mine | ",
        );
        let json = "content-type: application/json, accept: application/json";
        check(
            &["--json", r#"{"a":"#, "a", "--json", "\"b\"}"],
            &format!(r#"POST / | host: a, content-length: 9, {json} | {{"a":"b"}}"#),
        );
        check(
            &["curl -X PUT a --json '[1]' -H 'Accept: b' -H 'content-type:'"],
            "PUT / | host: a, Accept: b, content-length: 3 | [1]",
        );
        check(&["-I", "a"], "HEAD / | host: a, accept: */* | ");
        check(
            &["curl -i 'http://a/b c' \\\n -H 'x: y z'"],
            "GET /b c | host: a, accept: */*, x: y z | ",
        );
    }

    #[test]
    fn a_client_certificate_is_told_of() {
        let words = ["-E", "a.pem", "--key", "a.key", "--cacert", "ca.pem", "--tlsv1.3", "a"];
        assert!(sent(&words).unwrap().certificate);
        assert!(sent(&["curl --cert a.pem:pass --cert-type PEM a"]).unwrap().certificate);
        assert!(!sent(&["--cacert", "ca.pem", "a"]).unwrap().certificate);
    }

    #[test]
    fn json_is_a_body_only_where_a_body_follows() {
        let words = |words: &[&str]| -> Vec<String> {
            let words = as_body(words.iter().map(OsString::from));
            words.into_iter().map(|word| word.into_string().unwrap()).collect()
        };
        for body in ["{}", " {", "[1]", "\"a\"", "@file", ""] {
            assert_eq!(words(&["--json", body]), ["--json-body", body]);
        }
        for other in ["/whoami", "a/b", "127.0.0.1:1/", "[::1]:1/", "--answer", "https://a"] {
            assert_eq!(words(&["--json", other]), ["--json", other]);
        }
        assert_eq!(words(&["a", "--json"]), ["a", "--json"]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (words, expected) in [
            (&["a", "b"][..], "expected one URL, but found `a` and `b`"),
            (&["ftp://a/b"], "expected a URL of `http` or `https`, but found `ftp`"),
            (&["a", "-H", "no-colon"], "expected a header `name: value`, but found `no-colon`"),
            (&["a", "--socks5", "x"], "unexpected argument '--socks5' found"),
            (&["curl 'a"], "the command line has an open quote"),
            (
                &["a", "-d", "@/nowhere/body"],
                "`/nowhere/body` cannot be read: No such file or directory (os error 2)",
            ),
        ] {
            assert_eq!(sent(words).unwrap_err(), expected, "{words:?}");
        }
    }
}
