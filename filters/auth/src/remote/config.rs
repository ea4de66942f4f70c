//! Where a document is fetched, and how often.

use std::time::Duration;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Count, Decode, Errors, Period, Text, decode_text};
use postern_core::grammar;
use postern_core::host_name::host_of;

postern_core::config! {
    /// A document that is fetched beside the requests, by one worker for all.
    ///
    /// A request never fetches. One worker asks for it, with `If-None-Match`
    /// where the server gave an `ETag`; the others take over what came within a
    /// second. An answer other than 200 and 304, a document that is too large,
    /// broken or of no use counts as a failure: the last good one serves on, and
    /// it is tried again after 1 s, 2 s, 4 s and so on, up to `cooldown`.
    pub struct RemoteConfig {
        /// The proxy's cluster that serves it: `cluster: idp`. It says where the
        /// question goes, and whether by TLS.
        cluster: Text,
        /// Its address, which gives path and host of the question:
        /// `uri: https://id.example.com/.well-known/jwks.json`.
        uri: Uri,
        /// How long the server may take: `timeout: 2s`, at most `30s`.
        timeout: Period = Period::from_secs(5),
        /// The largest document in bytes: `max_bytes: 65536`. By default 256 KiB,
        /// and 32 MiB (more than that Envoy does not collect) for lists of API
        /// keys: the worker that fetches those sets as much memory aside.
        max_bytes: Option<Count<64, 33554432>>,
        /// How often it is fetched: `refresh: {default: 5m, max: 1h}`.
        refresh: RefreshConfig = RefreshConfig::usual(),
        /// For how long after it was last fetched or confirmed the last good one
        /// serves while no better one can be had: `stale_for: 4h`; at least
        /// `refresh.max`.
        stale_for: Period = Period::from_secs(86_400),
        /// The shortest time between two fetches that requests cause, and the
        /// longest between two attempts after failures: `cooldown: 1m`; at least
        /// `1s`.
        cooldown: Period = Period::from_secs(30),
        /// The longest that a request waits for a fetch: `wait: 2s`, at most
        /// `8s`. It waits where there is nothing yet, and for a key that is not
        /// known; if the fetch does not come in time, it is answered 503.
        wait: Period = Period::from_secs(3),
    }

    /// How often a document is fetched: a little before the time that the server
    /// gives by `Cache-Control: max-age` (RFC 9111) is over.
    pub struct RefreshConfig {
        /// Where the server says nothing: `default: 10m`.
        default: Period = Period::from_secs(600),
        /// Whatever the server says, not more often: `min: 1m`; at least `1s`.
        min: Period = Period::from_secs(60),
        /// Whatever the server says, not more seldom: `max: 1h`. With this a key
        /// that was removed stops, at the latest.
        max: Period = Period::from_secs(3600),
    }
}

impl RefreshConfig {
    pub(crate) fn usual() -> Self {
        RefreshConfig {
            default: Period::from_secs(600),
            min: Period::from_secs(60),
            max: Period::from_secs(3600),
        }
    }
}

/// An address of a document: `https://` or `http://`, a host, and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// Host and port, as in `Host`.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
}

impl Uri {
    /// Reads an address; `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        let good = text.len() <= 2048
            && host_of(Some(authority.as_bytes())).is_some()
            && path.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
            && grammar::may_write(":path", path.as_bytes())
            && grammar::may_write(":authority", authority.as_bytes());
        good.then(|| Uri { authority: authority.to_owned(), path: path.to_owned() })
    }

    /// The path without the query, which may hold what is not for logs.
    pub(crate) fn shown(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{}{path}", self.authority)
    }
}

impl Decode for Uri {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "an address such as `https://id.example.com/jwks.json`";
        decode_text(at, errors, EXPECTED, |text| {
            Uri::parse(text).ok_or_else(|| format!("expected {EXPECTED}"))
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "an address such as `https://id.example.com/jwks.json`",
            pattern: Some("^https?://[^\\x00-\\x20\\x7f#]+$"),
        }
    }
}

/// Where a document comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) cluster: String,
    pub(crate) uri: Uri,
}

/// How it is fetched and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) timeout: Duration,
    pub(crate) max_bytes: usize,
    pub(crate) default: Duration,
    pub(crate) min: Duration,
    pub(crate) max: Duration,
    pub(crate) stale_for: Duration,
    pub(crate) cooldown: Duration,
    pub(crate) wait: Duration,
}

impl RemoteConfig {
    pub(crate) fn source(&self) -> Source {
        Source { cluster: self.cluster.as_str().to_owned(), uri: self.uri.clone() }
    }

    /// The settings; `at` is the place of this configuration. `limit` bytes are
    /// the most that this kind of document may have.
    pub(crate) fn settings(&self, limit: usize, at: At<'_>, errors: &mut Errors) -> Settings {
        let given = self.max_bytes.map(|count| usize::try_from(count.get()).unwrap_or(usize::MAX));
        let settings = Settings {
            timeout: self.timeout.get(),
            max_bytes: given.unwrap_or(limit),
            default: self.refresh.default.get(),
            min: self.refresh.min.get(),
            max: self.refresh.max.get(),
            stale_for: self.stale_for.get(),
            cooldown: self.cooldown.get(),
            wait: self.wait.get(),
        };
        settings.check(at, errors);
        if settings.max_bytes > limit {
            complain(at, &["max_bytes"], &format!("expected at most {limit} here"), errors);
        }
        settings
    }
}

impl Settings {
    /// Notes what does not fit together; `at` is the place of the keys.
    pub(crate) fn check(&self, at: At<'_>, errors: &mut Errors) {
        let second = Duration::from_secs(1);
        let mut expect = |good: bool, path: &[&str], message: &str| {
            if !good {
                complain(at, path, message, errors);
            }
        };
        expect(self.timeout <= second * 30, &["timeout"], "expected at most `30s`");
        expect(self.wait <= second * 8, &["wait"], "expected at most `8s`");
        expect(self.cooldown >= second, &["cooldown"], "expected at least `1s`");
        expect(self.min >= second, &["refresh", "min"], "expected at least `1s`");
        for (less, more) in [
            ((&["refresh", "min"][..], self.min), (&["refresh", "default"][..], self.default)),
            ((&["refresh", "default"], self.default), (&["refresh", "max"], self.max)),
            ((&["refresh", "max"], self.max), (&["stale_for"], self.stale_for)),
        ] {
            if less.1 > more.1 {
                at_most(at, less, more, errors);
            }
        }
    }
}

/// A time that is longer than one that it has to fit into: told at the one that is
/// given, with what the other one is.
fn at_most(
    at: At<'_>,
    (less, short): (&[&str], Duration),
    (more, long): (&[&str], Duration),
    errors: &mut Errors,
) {
    let given =
        |path: &[&str]| path.iter().try_fold(at.node(), |node, key| node.get(key)).is_some();
    let other = |path: &[&str], time: Duration| {
        let unless = if given(path) { "" } else { " unless given" };
        format!("`{}`, which is `{}`{unless}", path.join("."), shown(time))
    };
    let (path, message) = if given(less) && !(given(more) && more == ["stale_for"]) {
        (less, format!("expected no more than {}", other(more, long)))
    } else {
        (more, format!("expected no less than {}", other(less, short)))
    };
    complain(at, path, &message, errors);
}

/// As it would be written.
fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        _ if time.subsec_millis() > 0 => format!("{}ms", time.as_millis()),
        _ if seconds > 0 && seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds > 0 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// At the key, or at the nearest one above it that is there.
pub(crate) fn complain(at: At<'_>, path: &[&str], message: &str, errors: &mut Errors) {
    match path.split_first().and_then(|(first, rest)| Some((first, rest, at.node().get(first)?))) {
        Some((first, rest, node)) => complain(at.key(first, node), rest, message, errors),
        None => at.error(errors, message),
    }
}
