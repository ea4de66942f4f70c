//! What the filters need of the proxy's bootstrap. Envoy itself checks that the
//! file is one; this checks what Envoy would take and the gateway could not
//! live with.

pub mod limiters;
mod logs;
mod names;
pub mod shared;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use postern_core::config::{At, Errors, Node, Position, Value, parse_duration};

use crate::finding::Finding;
use crate::policy::Kind;
use crate::yaml;

/// The shortest reload interval that Envoy survives in steps that were tried.
const SHORTEST_RELOAD: Duration = Duration::from_millis(5);

/// A stream paused in a VM that trapped ends by this alone.
const LONGEST_IDLE: Duration = Duration::from_secs(10);

const MANAGER: &str = "HttpConnectionManager";
const TLS: &str = "DownstreamTlsContext";
const SERVERS_TLS: &str = "UpstreamTlsContext";
const WASM: &str = "extensions.filters.http.wasm.v3.Wasm";

/// Is this document a bootstrap? Its keys may have either spelling.
#[must_use]
pub fn is_bootstrap(node: &Node) -> bool {
    const OWN: [&str; 3] = ["static_resources", "dynamic_resources", "admin"];
    let Value::Map(entries) = &node.value else { return false };
    entries.iter().any(|(key, _)| OWN.contains(&names::one_spelling(&key.text).as_ref()))
}

/// Reads a document of Envoy's, its keys in one spelling.
///
/// # Errors
/// It is no YAML.
pub fn parse(text: &str) -> Result<Node, Errors> {
    let mut node = yaml::parse(text)?;
    names::in_one_spelling(&mut node);
    Ok(node)
}

/// Policies by the names under which they are mounted.
pub type Plugins = BTreeMap<String, Kind>;

/// Checks a bootstrap and returns the names of the filters that it mounts.
/// `plugins`: the policies that it may mount; `None` when they are not known.
/// `certificates`: the provider that needs listeners to verify clients'.
///
/// # Errors
/// Every mistake at once.
pub fn check(
    file: &Path,
    plugins: Option<&Plugins>,
    certificates: Option<&str>,
) -> Result<BTreeSet<String>, Vec<Finding>> {
    let whole = |e: std::io::Error| vec![Finding::of_file(file, format!("cannot be read: {e}"))];
    let text = std::fs::read_to_string(file).map_err(whole)?;
    let node = parse(&text).map_err(|errors| Finding::all_of(file, &errors))?;
    let mut checker = Checker {
        plugins,
        certificates,
        errors: Errors::default(),
        managers: 0,
        verifying: 0,
        mounted: BTreeSet::new(),
        walked: BTreeSet::new(),
    };
    checker.walk(At::root(&node), false);
    if checker.managers == 0 {
        At::root(&node)
            .error(&mut checker.errors, format!("expected a listener with an `{MANAGER}`"));
    }
    if let Some(provider) = certificates
        && checker.verifying == 0
    {
        let message = format!(
            "{provider} knows callers by their certificate, but no listener verifies any: expected \
             a `{TLS}` with a `trusted_ca` in its `validation_context`"
        );
        At::root(&node).error(&mut checker.errors, message);
    }
    if checker.errors.is_empty() {
        Ok(checker.mounted)
    } else {
        Err(Finding::all_of(file, &checker.errors))
    }
}

struct Checker<'p> {
    plugins: Option<&'p Plugins>,
    certificates: Option<&'p str>,
    errors: Errors,
    managers: usize,
    /// Listeners that verify clients' certificates.
    verifying: usize,
    mounted: BTreeSet<String>,
    /// Where the mappings begin that were looked at: an alias shows one again,
    /// and its mistakes are reported once.
    walked: BTreeSet<Position>,
}

impl Checker<'_> {
    /// `free`: the keys here are the operator's own.
    fn walk(&mut self, at: At<'_>, free: bool) {
        match &at.node().value {
            Value::Map(entries) => {
                if !self.walked.insert(at.node().span.start) {
                    return;
                }
                let kind = text(at.node().get("@type")).unwrap_or_default();
                if kind.ends_with(MANAGER) {
                    self.managers += 1;
                    self.manager(at);
                } else if kind.ends_with(WASM) {
                    self.inline(at);
                } else if kind.ends_with("AccessLog") {
                    self.access_log(at);
                } else if kind.ends_with(TLS) {
                    self.tls(at);
                } else if kind.ends_with(SERVERS_TLS) {
                    self.servers(at);
                } else {
                    self.chain(at);
                }
                if !free {
                    self.spelled_twice(at, entries);
                }
                for (key, node) in entries {
                    self.walk(at.key(&key.text, node), free || names::is_free(&key.text));
                }
            }
            Value::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.walk(at.index(i, item), free);
                }
            }
            Value::Text(text) => self.spoken(at, text),
            _ => {}
        }
    }

    fn manager(&mut self, at: At<'_>) {
        for (key, expected) in [
            ("normalize_path", "true"),
            ("merge_slashes", "true"),
            ("path_with_escaped_slashes_action", "REJECT_REQUEST"),
            ("use_remote_address", "true"),
            ("strip_any_host_port", "true"),
            ("strip_trailing_host_dot", "true"),
        ] {
            self.value(at, &[key], &[expected]);
        }
        let underscores = ["common_http_protocol_options", "headers_with_underscores_action"];
        self.value(at, &underscores, &["DROP_HEADER", "REJECT_REQUEST"]);
        self.value(at, &["http_protocol_options", "accept_http_10"], &["true"]);
        self.deadline(at, "stream_idle_timeout", LONGEST_IDLE);
        self.deadline(at, "request_headers_timeout", Duration::from_secs(60));
        self.filters(at);
    }

    /// One of `expected` has to stand under the way of keys.
    fn value(&mut self, at: At<'_>, way: &[&str], expected: &[&str]) {
        let words = expected.iter().map(|e| format!("`{e}`")).collect::<Vec<_>>().join(" or ");
        let Some((key, rest)) = way.split_first() else { return };
        let Some(node) = at.node().get(key) else {
            at.error(
                &mut self.errors,
                format!("missing key `{}`, expected {words}", way.join(".")),
            );
            return;
        };
        let at = at.key(key, node);
        if !rest.is_empty() {
            return self.value(at, rest, expected);
        }
        let found = match &node.value {
            Value::Bool(b) => b.to_string(),
            Value::Text(text) => text.clone(),
            _ => String::new(),
        };
        if !expected.contains(&found.as_str()) {
            at.error(&mut self.errors, format!("expected {words}"));
        }
    }

    /// A time over zero and not longer than `longest`.
    fn deadline(&mut self, at: At<'_>, key: &str, longest: Duration) {
        let expected = format!("a time over zero, {longest:?} at most");
        let Some(node) = at.node().get(key) else {
            return at.error(&mut self.errors, format!("missing key `{key}`, expected {expected}"));
        };
        let good = text(Some(node)).and_then(seconds).is_some_and(|d| !d.is_zero() && d <= longest);
        if !good {
            at.key(key, node).error(&mut self.errors, format!("expected {expected}"));
        }
    }

    /// Names, files and order of the filters.
    fn filters(&mut self, at: At<'_>) {
        let Some(list) = at.node().get("http_filters") else {
            return at.error(&mut self.errors, "missing key `http_filters`");
        };
        let at = at.key("http_filters", list);
        let Value::List(filters) = &list.value else {
            return at.expected(&mut self.errors, "a list");
        };
        let mut seen: Vec<&str> = Vec::new();
        for (i, filter) in filters.iter().enumerate() {
            let at = at.index(i, filter);
            let Some(node) = filter.get("name") else {
                at.error(&mut self.errors, "missing key `name`");
                continue;
            };
            let Some(name) = text(Some(node)) else { continue };
            let at_name = at.key("name", node);
            if seen.contains(&name) {
                at_name
                    .error(&mut self.errors, format!("`{name}` is mounted twice under one name"));
            }
            for (first, then, why) in [
                ("legacy-compat", "auth", "old credentials are not yet where `auth` looks"),
                ("auth", "authz", "without an identity everything is denied"),
                ("auth", "rate-limit", "callers are counted by identity"),
            ] {
                if name == first && seen.contains(&then) {
                    at_name.error(
                        &mut self.errors,
                        format!("`{first}` stands behind `{then}`: {why}"),
                    );
                }
            }
            if self.is_kind(name, Kind::Auth)
                && let Some(other) = seen.iter().find(|other| self.is_kind(other, Kind::Auth))
            {
                // The identity is read-only once it is there: a second writer traps.
                let message = format!(
                    "`{name}` and `{other}` both publish the identity: one chain has one auth"
                );
                at_name.error(&mut self.errors, message);
            }
            for key in ["disabled", "is_optional"] {
                if let Some(node) = filter.get(key)
                    && node.value != Value::Bool(false)
                    && self.plugins.is_none_or(|known| known.contains_key(name))
                {
                    at.key(key, node)
                        .error(&mut self.errors, "requests would pass this filter unjudged");
                }
            }
            seen.push(name);
            self.mounted.insert(name.to_owned());
            self.discovered(at, name);
        }
        let last = filters.last().and_then(|f| text(f.get("name")));
        if last.is_some_and(|name| !name.contains("router")) {
            at.error(&mut self.errors, "expected the router as the last filter");
        }
    }

    fn is_kind(&self, name: &str, kind: Kind) -> bool {
        self.plugins.is_some_and(|known| known.get(name) == Some(&kind))
    }

    /// A filter by discovery: one file that is renamed into place.
    fn discovered(&mut self, at: At<'_>, name: &str) {
        let Some(discovery) = at.node().get("config_discovery") else { return };
        let at = at.key("config_discovery", discovery);
        let Some(path) = discovery
            .get("config_source")
            .and_then(|s| s.get("path_config_source"))
            .and_then(|s| s.get("path"))
        else {
            return;
        };
        let Some(source) = discovery.get("config_source") else { return };
        let at = at.key("config_source", source);
        let stem = text(Some(path)).map(|p| Path::new(p).file_stem().unwrap_or_default());
        if stem.is_some_and(|stem| stem.to_string_lossy() != name) {
            let message =
                format!("expected a file named `{name}.json`, as `postern apply` writes it");
            at.key("path_config_source.path", path).error(&mut self.errors, message);
        } else if self.plugins.is_some_and(|known| !known.contains_key(name)) {
            let message =
                format!("no policy `{name}.yaml`: Envoy would answer 500 to every request");
            at.key("path_config_source.path", path).error(&mut self.errors, message);
        }
        if let Some(node) = discovery.get("default_config") {
            let message = "a default would let requests pass a filter whose policy is not there";
            at.key("default_config", node).error(&mut self.errors, message);
        }
    }

    /// A filter whose configuration stands in the bootstrap.
    fn inline(&mut self, at: At<'_>) {
        let Some(config) = at.node().get("config") else { return };
        let at = at.key("config", config);
        self.value(at, &["failure_policy"], &["FAIL_RELOAD"]);
        let interval = config
            .get("reload_config")
            .and_then(|c| c.get("backoff"))
            .and_then(|b| b.get("base_interval"));
        let good = text(interval).and_then(seconds).is_some_and(|d| d >= SHORTEST_RELOAD);
        if !good {
            let at =
                interval.map_or(at, |node| at.key("reload_config.backoff.base_interval", node));
            let message = "expected a `reload_config.backoff.base_interval` of `0.005s` or more: less \
                           kills Envoy, and its own second refuses innocent requests";
            at.error(&mut self.errors, message);
        }
    }
}

fn text(node: Option<&Node>) -> Option<&str> {
    match &node?.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// A protobuf duration: `10s`, `0.005s`.
fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.strip_suffix('s')?.parse().ok()?;
    match parse_duration(text) {
        Some(whole) if !text.ends_with("ms") => Some(whole),
        _ => (0.0..1e9).contains(&number).then(|| Duration::from_secs_f64(number)),
    }
}
