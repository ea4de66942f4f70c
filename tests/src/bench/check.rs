//! Does a variant do the work that its figures are for? A comparison of things
//! that do not do the same is worth nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use postern_stack::keys::Keys;
use postern_stack::mint::{MintRequest, mint, now};
use serde_json::{Value, json};

use crate::bench::upstream::Upstream;
use crate::bench::variant::Does;
use crate::client::{PATIENCE, Wire, send};
use crate::gateway::wait_for;
use crate::observe::{Answer, values};

/// The private route that the load asks for.
pub const PATH: &str = "/v3/market/author/sales";
const HOST: &str = "api.example.com";
const OLD_HOST: &str = "marketplace.example.com";
/// A key of the demo, and whose it is.
const OWNER: &str = "northwind";
const KEY: &str = "pk_demo_northwind_0123456789abcdef0123456789";

/// The tokens of a run.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Good, with every scope of the demo.
    pub good: String,
    forged: String,
    expired: String,
    narrow: String,
    tiny: String,
}

impl Tokens {
    /// Mints them.
    ///
    /// # Errors
    /// When the demo's keys cannot.
    pub fn mint() -> Result<Self, String> {
        let keys = Keys::embedded().map_err(|e| e.to_string())?;
        let one = |change: &dyn Fn(&mut MintRequest)| {
            let mut request = MintRequest::for_subject(OWNER);
            change(&mut request);
            mint(&keys, request, now())
        };
        let good = one(&|_| {})?;
        let other = one(&|request| request.sub = "quillhaven".to_owned())?;
        // The signature of another token.
        let (signed, _) = good.rsplit_once('.').unwrap_or_default();
        let (_, signature) = other.rsplit_once('.').unwrap_or_default();
        Ok(Tokens {
            forged: format!("{signed}.{signature}"),
            expired: one(&|request| request.ttl = Some(-3600))?,
            narrow: one(&|request| request.scopes = Some(vec!["user:email".to_owned()]))?,
            tiny: one(&|request| {
                request.sub = "bluefin".to_owned();
                request.claims.insert("plan".to_owned(), json!("tiny"));
            })?,
            good,
        })
    }
}

/// The callers of the load: each has its own count at the limit.
pub const CALLERS: usize = 2_000;

/// Requests of the load, each with a good token of its own: the callers in
/// turn. Signed on all cores; in no Envoy's account.
///
/// # Errors
/// When the demo's keys cannot sign.
pub fn requests(count: usize) -> Result<Vec<Vec<u8>>, String> {
    let keys = Keys::embedded().map_err(|e| e.to_string())?;
    let one = |at: usize| {
        let caller = MintRequest::for_subject(&format!("caller-{}", at % CALLERS));
        mint(&keys, caller, now()).map(|token| {
            format!("GET {PATH} HTTP/1.1\r\nhost: {HOST}\r\nuser-agent: bench/1\r\naccept: application/json\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
        })
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (one, share) = (&one, count.div_ceil(cores));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|core| {
                let own = (core * share).min(count)..((core + 1) * share).min(count);
                scope.spawn(move || own.map(one).collect::<Result<Vec<_>, _>>())
            })
            .collect();
        let mut all = Vec::with_capacity(count);
        for thread in threads {
            all.extend(thread.join().map_err(|_| "signing panicked".to_owned())??);
        }
        Ok(all)
    })
}

/// A running variant and what stands behind it.
pub struct Subject<'a> {
    /// Where it listens.
    pub gateway: SocketAddr,
    /// Its folder, with its access log.
    pub folder: &'a Path,
    /// The upstream that all share.
    pub upstream: &'a Upstream,
    /// The tokens.
    pub tokens: &'a Tokens,
}

/// Checks that a variant does what it has to.
///
/// # Errors
/// What it does not do.
pub fn check(on: &Subject<'_>, does: Does) -> Result<(), String> {
    match does {
        Does::Proxy | Does::Part => {
            let answer = on.get(HOST, PATH, &on.tokens.good, &[])?;
            same("a good token", 200, answer.status)
        }
        Does::Ours => on.gateway_work(KEY, "ratelimit", "path"),
        // jwt_authn knows no keys: there the old clients' key is a token.
        Does::Stock { .. } => {
            on.gateway_work(&on.tokens.good, "x-ratelimit-remaining", "stock_path")
        }
        Does::Peer => on.gateway_work(&on.tokens.good, "x-ratelimit-remaining", "path"),
    }
}

impl Subject<'_> {
    fn get(&self, host: &str, path: &str, token: &str, more: &[&str]) -> Result<Answer, String> {
        let credential = format!("Authorization: Bearer {token}");
        let credential = (!token.is_empty()).then_some(credential.as_str());
        let lines: Vec<&str> = credential.into_iter().chain(more.iter().copied()).collect();
        let _ = self.upstream.seen();
        send(self.gateway, &Wire::get(host, path, &lines), PATIENCE)
    }

    fn refused(&self, what: &str, status: u16, path: &str, token: &str) -> Result<(), String> {
        same(what, status, self.get(HOST, path, token, &[])?.status)?;
        same(&format!("{what}: reached the upstream"), false, self.upstream.seen().is_some())
    }

    fn gateway_work(&self, key: &str, limit: &str, logged: &str) -> Result<(), String> {
        let tokens = self.tokens;
        self.refused("no token", 401, PATH, "")?;
        self.refused("a token with another's signature", 401, PATH, &tokens.forged)?;
        self.refused("an expired token", 401, PATH, &tokens.expired)?;
        self.refused("a scope too few", 403, PATH, &tokens.narrow)?;
        self.refused("a path of no rule", 403, "/v3/market/unknown", &tokens.good)?;

        // Identity comes from the gateway alone.
        let made_up = ["X-Postern-Subject: root", "X-Postern-Scopes: all", "X-Postern-Else: root"];
        let answer = self.get(HOST, &format!("{PATH}?token=s3cret"), &tokens.good, &made_up)?;
        same("a good token", 200, answer.status)?;
        if answer.text(limit).is_none() {
            return Err(format!("no `{limit}` on the answer"));
        }
        let seen = self.upstream.seen().ok_or("the upstream saw no request")?;
        let header = |name: &str| {
            let all = values(&seen.headers, name).map(String::from_utf8_lossy).collect::<Vec<_>>();
            all.join(" AND ")
        };
        same("x-postern-subject", OWNER, &header("x-postern-subject"))?;
        same("x-postern-client", "demo-app", &header("x-postern-client"))?;
        let scopes = postern_stack::mint::SCOPES.join(" ");
        same("x-postern-scopes", scopes.as_str(), &header("x-postern-scopes"))?;
        same("x-postern-credential", true, header("x-postern-credential").starts_with("jwt:"))?;
        same("x-postern-else", "", &header("x-postern-else"))?;
        same("authorization at the upstream", "", &header("authorization"))?;

        // An old client: another path, and its key is no longer in it.
        let old = format!("/api/v3/{OWNER}/{key}/recent-sales.json");
        same("an old client", 200, self.get(OLD_HOST, &old, "", &[])?.status)?;
        let seen = self.upstream.seen().ok_or("the upstream saw no old client's request")?;
        same("an old client's path", PATH, String::from_utf8_lossy(&seen.path).as_ref())?;

        // The plan `tiny` has five.
        let many: Result<Vec<u16>, String> =
            (0..7).map(|_| Ok(self.get(HOST, PATH, &tokens.tiny, &[])?.status)).collect();
        same("seven of five", vec![200, 200, 200, 200, 200, 429, 429], many?)?;

        self.log(logged, &format!("{PATH}?token=***"))?;
        self.log(logged, &format!("/api/v3/{OWNER}/***/recent-sales.json"))
    }

    /// Waits until a path is logged; nothing secret may be.
    fn log(&self, member: &str, path: &str) -> Result<(), String> {
        let file = self.folder.join("access.jsonl");
        let mut text = String::new();
        let found = wait_for(Duration::from_secs(15), || {
            text = std::fs::read_to_string(&file).unwrap_or_default();
            let paths = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            paths.filter_map(|line| line.get(member).cloned()).find(|p| p == path)
        });
        if found.is_none() {
            return Err(format!("`{path}` is not in the log"));
        }
        for secret in ["s3cret", KEY, &self.tokens.good] {
            same("a secret is in the log", false, text.contains(secret))?;
        }
        Ok(())
    }
}

/// Statistics that have to have counted each request of the load, by the end
/// of their names, and one that must have counted none.
#[must_use]
pub fn counters(does: Does) -> (&'static [&'static str], &'static [&'static str]) {
    const TRAPS: &[&str] = &["vm_reload_success", "vm_reload_backoff", "vm_reload_failure"];
    match does {
        Does::Proxy | Does::Part => (&[], TRAPS),
        // They have no statistics to ask for: their log is counted.
        Does::Peer => (&[], &[]),
        Does::Ours => (
            &[
                "postern.auth.authenticated",
                "postern.rate-limit.allowed",
                "postern.authz.decisions.enforce.allow.allowed",
            ],
            TRAPS,
        ),
        Does::Stock { .. } => {
            (&["jwt_authn.allowed", "http_local_rate_limit.ok", "rbac.allowed"], &["lua.errors"])
        }
    }
}

/// The statistic that counts tokens which were found in a cache.
#[must_use]
pub fn cache_hits(does: Does) -> Option<&'static str> {
    match does {
        Does::Proxy | Does::Part | Does::Peer => None,
        Does::Ours => Some("cache_hits"),
        Does::Stock { .. } => Some("jwt_authn.jwt_cache_hit"),
    }
}

/// More requests than [`check`] sends with one good token.
pub const CHECKS: usize = 20;

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, got: T) -> Result<(), String> {
    if expected == got {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, got {got:?}"))
    }
}
