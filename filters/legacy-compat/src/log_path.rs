//! The path as the log may show it: no credential, ASCII only, of bounded
//! length. Every request gets one, however broken its path is.

use std::borrow::Cow;

use postern_core::target::{Target, decode_form, percent_decode, query_pairs};
use postern_core::template::Template;

use crate::policy::LogPolicy;

/// Longer paths are cut.
const MAX_LENGTH: usize = 1024;
const MASK: &[u8] = b"***";

/// What has to be masked.
#[derive(Debug, Default)]
pub(crate) struct LogPath {
    query: Vec<Vec<u8>>,
    prefixes: Vec<Vec<u8>>,
    /// The first bytes of the prefixes, in either case: where none of them stands, none
    /// of the prefixes does.
    firsts: Vec<u8>,
}

impl LogPath {
    /// From the policy.
    pub(crate) fn new(policy: &LogPolicy) -> Self {
        let bytes = |list: &[postern_core::config::Text]| {
            list.iter().map(|t| t.as_str().as_bytes().to_vec()).collect()
        };
        let prefixes: Vec<Vec<u8>> = bytes(&policy.secret_prefixes);
        let firsts = prefixes.iter().filter_map(|prefix| prefix.first());
        let firsts =
            firsts.flat_map(|b| [b.to_ascii_lowercase(), b.to_ascii_uppercase()]).collect();
        LogPath { query: bytes(&policy.secret_query), prefixes, firsts }
    }

    /// Another query parameter whose value is a secret.
    pub(crate) fn hide_query(&mut self, name: &str) {
        if !self.query.iter().any(|own| own.eq_ignore_ascii_case(name.as_bytes())) {
            self.query.push(name.as_bytes().to_vec());
        }
    }

    /// The query parameters whose values are secrets.
    pub(crate) fn secret_query(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.query.iter().map(|name| String::from_utf8_lossy(name))
    }

    /// A checked target. `template` matched it, and `secret` tells which of
    /// its captures are masked; with `segments`, only so many are shown.
    pub(crate) fn of_target(
        &self,
        target: &Target<'_>,
        template: Option<&Template>,
        secret: impl Fn(&str) -> bool,
        segments: Option<usize>,
    ) -> Vec<u8> {
        let path = match template {
            Some(template) => template.masked(target, secret, MASK),
            None => target.canonical_path(),
        };
        if let Some(count) = segments {
            return finished(self.head(&path, count));
        }
        let mut out = self.masked_path(&path);
        if let Some(query) = target.query() {
            self.push_query(query, &mut out);
        }
        finished(out)
    }

    /// A path that cannot be judged: its first segments, and nothing of its
    /// query.
    pub(crate) fn of_bytes(&self, path: &[u8], segments: Option<usize>) -> Vec<u8> {
        let path = path.split(|b| matches!(b, b'?' | b'#')).next().unwrap_or_default();
        match segments {
            Some(count) => finished(self.head(path, count)),
            None => finished(self.masked_path(path)),
        }
    }

    fn head(&self, path: &[u8], count: usize) -> Vec<u8> {
        let mut segments = path.split(|b| *b == b'/').filter(|s| !s.is_empty());
        let mut out = Vec::new();
        for segment in segments.by_ref().take(count) {
            out.push(b'/');
            out.extend_from_slice(&self.masked(segment));
        }
        if segments.next().is_some() {
            out.extend_from_slice(b"/...");
        } else if out.is_empty() {
            out.push(b'/');
        }
        out
    }

    fn masked_path(&self, path: &[u8]) -> Vec<u8> {
        let segments: Vec<_> = path.split(|b| *b == b'/').map(|s| self.masked(s)).collect();
        segments.join(&b'/')
    }

    fn push_query(&self, query: &[u8], out: &mut Vec<u8>) {
        let mut mark = b'?';
        for (name, value) in query_pairs(query) {
            out.push(std::mem::replace(&mut mark, b'&'));
            out.extend_from_slice(&self.masked(name));
            if value.is_empty() {
                continue;
            }
            out.push(b'=');
            let secret = self.query.iter().any(|q| q.eq_ignore_ascii_case(&decode_form(name)));
            let value = if secret { Cow::Borrowed(MASK) } else { self.masked(value) };
            out.extend_from_slice(&value);
        }
    }

    /// A part without what begins like a secret; where one stands encoded, the
    /// whole part goes.
    fn masked<'a>(&self, part: &'a [u8]) -> Cow<'a, [u8]> {
        let find = |text: &[u8]| {
            let begins = |from: usize| {
                let rest = text.get(from..).unwrap_or_default();
                let same =
                    |p: &Vec<u8>| rest.get(..p.len()).is_some_and(|r| r.eq_ignore_ascii_case(p));
                self.prefixes.iter().any(same)
            };
            let places = text.iter().enumerate().filter(|(_, b)| self.firsts.contains(b));
            places.map(|(at, _)| at).find(|at| begins(*at))
        };
        // Where one stands encoded, what comes before it is not told apart.
        if part.contains(&b'%') && find(&percent_decode(part)).is_some() {
            return Cow::Borrowed(MASK);
        }
        match find(part) {
            Some(at) => {
                let mut out = part.get(..at).unwrap_or_default().to_vec();
                out.extend_from_slice(MASK);
                Cow::Owned(out)
            }
            None => Cow::Borrowed(part),
        }
    }
}

/// Printable ASCII that stands in JSON as it is, of bounded length.
fn finished(path: Vec<u8>) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |n: u8| HEX.get(usize::from(n & 15)).copied().unwrap_or(b'0');
    let plain = |b: &u8| (0x21..=0x7e).contains(b) && !matches!(b, b'"' | b'\\' | b'<' | b'>');
    let mut out = path;
    if !out.iter().all(plain) {
        let mut escaped = Vec::with_capacity(out.len().saturating_add(16));
        for b in &out {
            if plain(b) {
                escaped.push(*b);
            } else {
                escaped.extend_from_slice(&[b'%', digit(b >> 4), digit(*b)]);
            }
        }
        out = escaped;
    }
    if out.len() > MAX_LENGTH {
        out.truncate(MAX_LENGTH.saturating_sub(3));
        out.extend_from_slice(b"...");
    }
    out
}
