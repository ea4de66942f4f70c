//! The request to explain, in curl's words.

use std::fs;

use clap::Parser;
use ct_codecs::{Base64, Encoder as _};

use crate::edge::Sent;

/// Where a path without a host goes.
const HOST: &str = "api.example.com";

/// A request as curl would send it. Options of curl that do not change what is
/// sent are taken and ignored.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "curl", no_binary_name = true, disable_help_flag = true)]
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
    /// Send the data in the query.
    #[arg(short = 'G', long = "get")]
    get: bool,
    /// Send `HEAD`.
    #[arg(short = 'I', long = "head")]
    head: bool,
    /// `user:password`, sent as HTTP Basic.
    #[arg(short = 'u', long = "user", value_name = "USER")]
    user: Option<String>,
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
    #[arg(long = "cacert", hide = true)]
    cacert: Option<String>,
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
                let parsed = Curl::try_parse_from(words);
                parsed.map_err(|e| plain(&e))?.sent(client)
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
        if let Some(user) = &self.user {
            let encoded = Base64::encode_to_string(user).map_err(|e| e.to_string())?;
            headers.push(("authorization".to_owned(), format!("Basic {encoded}")));
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
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                headers.push((
                    "content-type".to_owned(),
                    "application/x-www-form-urlencoded".to_owned(),
                ));
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
        })
    }

    fn body(&self) -> Result<Option<Vec<u8>>, String> {
        let mut parts = Vec::with_capacity(self.data.len());
        for data in &self.data {
            parts.push(match data.strip_prefix('@') {
                Some(file) => {
                    fs::read(file).map_err(|e| format!("`{file}` cannot be read: {e}"))?
                }
                None => data.clone().into_bytes(),
            });
        }
        Ok((!parts.is_empty()).then(|| parts.join(&b'&')))
    }
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
        Curl::try_parse_from(words).map_err(|e| plain(&e))?.sent("192.0.2.1:5000")
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
        check(&["-I", "a"], "HEAD / | host: a, accept: */* | ");
        check(
            &["curl -i 'http://a/b c' \\\n -H 'x: y z'"],
            "GET /b c | host: a, accept: */*, x: y z | ",
        );
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
