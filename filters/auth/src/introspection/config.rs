//! How a service is asked about tokens, and how long its answers count.

use std::time::Duration;

use postern_core::config::{At, AtLeastOne, Count, Errors, Period, Text};
use postern_core::secret::Variable;

use crate::carrier::Carrier;
use crate::claim_header::{self, ClaimHeader};
use crate::mapping::{self, IdentityClaims, Published};
use crate::remote::{Uri, complain};

postern_core::config! {
    /// Tokens that only their issuer can read: opaque ones, personal ones. The
    /// issuer is asked about each by Token Introspection (RFC 7662), and its
    /// answer is remembered for all workers. The identity gets `sub` (else
    /// `username`), `client_id`, `scope`, `plan`, `jti`.
    ///
    /// A token is refused if the answer says `active: false`, and before the
    /// answer's `nbf`, with 30 s for a clock that differs. Everything else
    /// that is no whole answer, such as a 5xx, a 4xx, JSON that is broken, empty
    /// or names a member twice, or none in time, means that the token cannot be
    /// checked now: 503 with `retry-after`, never 401. About such a token the
    /// service is asked again after 1 s; a worker that saw 5 failures in a row asks
    /// it nothing for 1 s.
    ///
    /// Example: `introspection: {cluster: idp, uri: https://id.example.com/introspect,
    /// client: {id: gateway, secret_env: INTROSPECTION_SECRET}, token_prefix: pt_}`.
    pub struct IntrospectionConfig {
        /// The proxy's cluster of the service: `idp`. It says where the question
        /// goes, and whether by TLS.
        cluster: Text,
        /// The service's address, which gives path and host of the question:
        /// `https://id.example.com/introspect`.
        uri: Uri,
        /// How long the service may take: `timeout: 1s`; at most `8s`.
        timeout: Period = Period::from_secs(2),
        /// What the gateway shows to the service (RFC 6749 §2.3.1):
        /// `{id: gateway, secret_env: INTROSPECTION_SECRET}`.
        client: Option<ClientConfig>,
        /// Instead of `client`: the variable of the proxy's environment that
        /// holds a bearer token for the service (RFC 6750):
        /// `bearer_env: INTROSPECTION_TOKEN`.
        bearer_env: Option<Variable>,
        /// What the service is told about the tokens (RFC 7662 §2.1):
        /// `token_type_hint: access_token`.
        token_type_hint: Option<Text>,
        /// Where tokens are found: `from: [{authorization: Bearer}, {header: {name: x-token}}]`.
        from: Vec<Carrier> = vec![Carrier::bearer()],
        /// Only about tokens that begin so is the service asked: `pt_`. For
        /// routes that take tokens of several kinds, so that not every bad one
        /// costs a question.
        token_prefix: Option<Text>,
        /// Ask about tokens that look like JWTs, too: `jwts: true`. They are left
        /// to providers of JWTs otherwise.
        jwts: bool = false,
        /// The longest token in bytes.
        max_bytes: Count<16, 32768> = Count::new(4096),
        /// The answer's `iss` has to be this: `https://id.example.com`.
        issuer: Option<Text>,
        /// One of these has to be in the answer's `aud`: `[market]`.
        audiences: AtLeastOne<Text> = AtLeastOne::default(),
        /// Which members of the answer make up the identity. Left out: `sub`,
        /// else `username`; `client_id` or `azp`; `scope` or `scp`; `plan`.
        /// `identity: {subject: [username], plan: [account.tier]}`.
        identity: Option<IdentityClaims>,
        /// Further members of the answer that the identity carries to the other
        /// filters: `[tenant, {from: account.id, to: account}]`.
        claims: Vec<Published> = Vec::new(),
        /// Headers for the upstream that are made from members of the answer:
        /// `[{name: x-postern-tenant, claim: tenant}]`.
        headers: Vec<ClaimHeader> = Vec::new(),
        /// How long answers count: `{ttl: 30s, negative_ttl: 5s}`.
        cache: CacheConfig = CacheConfig::usual(),
        /// For how long after its `ttl` a good answer still counts while the
        /// service cannot be asked: `5m`. Never longer than the token's `exp`. A
        /// token that was revoked meanwhile passes as long. Left out: not at all.
        stale_if_unavailable: Option<Period>,
        /// The most questions at a time, in each worker. What is over it is
        /// answered 503.
        max_questions: Count<1, 1024> = Count::new(64),
        /// The most requests that wait at a time, in each worker. What is over
        /// it is answered 503.
        max_waiting: Count<1, 65536> = Count::new(1024),
        /// Leave the token in the request for the upstream. It is removed
        /// otherwise.
        forward: bool = false,
    }

    /// The gateway as a client of the service, by HTTP Basic.
    pub struct ClientConfig {
        /// The client's id: `gateway`.
        id: Text,
        /// The variable of the proxy's environment that holds its secret:
        /// `INTROSPECTION_SECRET`.
        secret_env: Variable,
    }

    /// How long answers count. Up to 16,384 of them are shared by all workers.
    pub struct CacheConfig {
        /// How long a good answer counts, from when it was asked for; never
        /// longer than the token's `exp`. This is the bound of revocation (RFC
        /// 7009): a revoked token is refused no later than this. Longer than
        /// `timeout`, at most `1h`.
        ttl: Period = Period::from_secs(60),
        /// How long a bad one counts. Longer than `timeout`, at most `1h`.
        negative_ttl: Period = Period::from_secs(10),
        /// The most good answers that each worker remembers for itself.
        max_good: Count<1, 1000000> = Count::new(10_000),
        /// The most bad ones. They never push out good ones.
        max_bad: Count<1, 1000000> = Count::new(2_000),
    }
}

impl CacheConfig {
    fn usual() -> Self {
        CacheConfig {
            ttl: Period::from_secs(60),
            negative_ttl: Period::from_secs(10),
            max_good: Count::new(10_000),
            max_bad: Count::new(2_000),
        }
    }
}

impl IntrospectionConfig {
    /// Notes durations that do not fit together; `at` is the place of this
    /// configuration.
    pub(super) fn check(&self, at: At<'_>, errors: &mut Errors) {
        let timeout = self.timeout.get();
        let mut expect = |good: bool, path: &[&str], message: &str| {
            if !good {
                complain(at, path, message, errors);
            }
        };
        expect(timeout <= Duration::from_secs(8), &["timeout"], "expected at most `8s`");
        let hour = Duration::from_secs(3600);
        for (key, ttl) in [("ttl", self.cache.ttl), ("negative_ttl", self.cache.negative_ttl)] {
            let ttl = ttl.get();
            let message = "expected more than `timeout`, which is `2s` unless given";
            expect(ttl > timeout, &["cache", key], message);
            expect(ttl <= hour, &["cache", key], "expected at most `1h`");
        }
        let one = self.client.is_some() != self.bearer_env.is_some();
        expect(one, &[], "expected either `client` or `bearer_env`");
        if let Some((identity, node)) = self.identity.as_ref().zip(at.node().get("identity")) {
            identity.check(at.key("identity", node), errors);
        }
        if let Some(node) = at.node().get("claims") {
            mapping::check_published(&self.claims, at.key("claims", node), errors);
        }
        if let Some(node) = at.node().get("headers") {
            claim_header::check(&self.headers, at.key("headers", node), errors);
        }
    }
}
