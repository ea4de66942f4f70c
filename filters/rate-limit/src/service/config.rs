//! The service as operators write it.

use std::time::Duration;

use postern_core::config::{At, Count, Errors, Node, Period, Text, Value};
use postern_core::filter::Environment;
use postern_core::rules::{HeaderName, Match};
use postern_core::secret::{self, Variable};

use crate::dialect::is_others;
use crate::policy::Limit;

postern_core::config! {
    /// Who counts for those limits that have `engine: service`.
    pub(crate) struct ServiceConfig {
        /// The proxy's cluster of a service that speaks the rate-limit protocol of
        /// Envoy over gRPC (`envoy.service.ratelimit.v3`), by HTTP/2:
        /// envoyproxy/ratelimit, Limitador.
        cluster: Text,
        /// Which of the service's sets of limits.
        domain: Text,
        /// The `:authority` of the questions; the cluster's name if left out.
        authority: Option<Text>,
        /// So long a request waits for the service at most, up to 5s; then what
        /// `on_failure` says holds.
        timeout: Period = Period::from_millis(50),
        /// How many gateways share the limits: with `degrade` each of them counts by
        /// this part of a limit, one request at least.
        gateways: Count<1, 10_000>,
        /// What holds while the service does not answer.
        on_failure: OnFailure = OnFailure::Degrade,
        /// What the service sees of callers. It sees limits and plans in any case.
        values: Values = Values::Hashed,
        /// `hashed` only: the variable of the proxy's environment with the secret that keys
        /// the digests, such as `RLS_SECRET`: base64url of 16 bytes at least, the same on
        /// all gateways. With another one counts start anew. Without one, whoever sees what
        /// the service stores can try which address or name has a digest.
        secret_env: Option<Variable>,
        /// `true`: each question says what the limit is, as the policy has it, for
        /// services that take it from there (envoyproxy/ratelimit). Windows have to be
        /// `1s`, `1m`, `1h`, `1d`, `30d` or `365d` long then.
        send_limits: bool = false,
        /// After three failures in a row the service is left alone for so long, up
        /// to 10m; then one request asks again. Each time that it does not answer, the
        /// time is doubled, up to sixteen times as long.
        backoff: Period = Period::from_millis(500),
        /// Callers over their limit of whom each worker remembers until when: they are
        /// refused without a question. 0: none.
        remembered: Count<0, 1_000_000> = Count::new(16_384),
        /// For no longer than this is a caller refused without a question.
        remembered_for: Period = Period::from_secs(3_600),
        /// A header of answers that says how a request was counted where the service
        /// did not: `degraded`, `open` or `closed`.
        header: Option<HeaderName>,
    }

    /// What holds while the service does not answer.
    pub choice OnFailure {
        /// The gateway counts by itself, by its part of the limit.
        Degrade = "degrade",
        /// Requests pass, and are not counted.
        Open = "open",
        /// Requests are refused with 503 and `Retry-After`.
        Closed = "closed",
    }

    /// Who counts.
    pub choice Engine {
        /// This gateway, exactly, across its workers.
        Local = "local",
        /// The rate-limit service of the key `service`, for several gateways.
        Service = "service",
    }

    /// What a service sees of callers.
    pub(crate) choice Values {
        /// A digest of each value: enough to count, and no address, name or key leaves the
        /// gateway as it is. Keyed by the secret of `secret_env` where that is given;
        /// without one, few values (addresses, say) can be tried out.
        Hashed = "hashed",
        /// The values themselves, for services that have rules for some of them: blanks,
        /// control characters, `%` and bytes that are no UTF-8 as `%20` and so on. A claim's
        /// number is said as a text of the same digits is.
        Plain = "plain",
    }
}

/// So many bytes of a secret at least.
const SECRET: usize = 16;

impl ServiceConfig {
    /// The secret of digests; `policy` is where the section stands.
    ///
    /// # Errors
    /// The variable is not set, or holds no such secret.
    pub(crate) fn secret(
        &self,
        policy: &Node,
        environment: &Environment<'_>,
    ) -> Result<Option<Vec<u8>>, Errors> {
        let Some(variable) = &self.secret_env else { return Ok(None) };
        let mut errors = Errors::default();
        let root = At::root(policy);
        let node = policy.get("service").unwrap_or(policy);
        let at = root.key("service", node);
        let at = at.key("secret_env", node.get("secret_env").unwrap_or(node));
        let secret = secret::read(variable, SECRET, at, environment, &mut errors);
        if secret.is_some() { Ok(secret) } else { Err(errors) }
    }
}

const LONGEST_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(600);

/// Checks what the section and the limits say against each other; `at` is the policy.
pub(crate) fn check(
    service: Option<&ServiceConfig>,
    limits: &[(Match, Limit)],
    at: At<'_>,
    errors: &mut Errors,
) {
    let node = at.node().get("service").unwrap_or(at.node());
    let place = at.key("service", node);
    if let Some(service) = service {
        for (key, period, longest, words) in [
            ("timeout", service.timeout, LONGEST_TIMEOUT, "5s"),
            ("backoff", service.backoff, LONGEST_BACKOFF, "10m"),
        ] {
            if period.get() > longest {
                let node = node.get(key).unwrap_or(node);
                place.key(key, node).error(errors, format!("expected at most `{words}`"));
            }
        }
        if let Some(name) = service.header.as_ref().filter(|name| is_others(name)) {
            let message =
                format!("`{}` has a meaning of its own, and cannot say this", name.as_str());
            let node = node.get("header").unwrap_or(node);
            place.key("header", node).error(errors, message);
        }
        if service.values == Values::Plain && service.secret_env.is_some() {
            let node = node.get("secret_env").unwrap_or(node);
            place.key("secret_env", node).error(errors, "has no place with `values: plain`");
        }
        if limits.iter().all(|(_, limit)| limit.engine == Engine::Local) {
            place.error(errors, "no limit has `engine: service`");
        }
    }
    let list = at.node().get("limits").unwrap_or(at.node());
    let Value::List(items) = &list.value else { return };
    let at = at.key("limits", list);
    // Where all of them decoded, their order is that of the file.
    for (i, item) in items.iter().enumerate() {
        let has = |key: &str, text: &str| matches!(item.get(key), Some(Node { value: Value::Text(own), .. }) if own == text);
        let at = at.index(i, item);
        if !has("engine", "service") {
            if let Some(node) = item.get("on_failure") {
                at.key("on_failure", node).error(errors, "has no place without `engine: service`");
            }
            continue;
        }
        let engine = item.get("engine").unwrap_or(item);
        if service.is_none() && node.get("cluster").is_none() {
            let message = "expected the policy's key `service`, which says whom to ask";
            at.key("engine", engine).error(errors, message);
        }
        if item.get("concurrency").is_some() {
            let message = "requests at a time are counted here: expected no `engine`";
            at.key("engine", engine).error(errors, message);
        }
        if limits.len() == items.len()
            && let Some((service, (_, limit))) = service.zip(limits.get(i))
        {
            fits(service, limit, at, errors);
            only_more(limit, at, errors);
        }
    }
}

/// A service adds what answers say, and takes nothing back.
fn only_more(limit: &Limit, at: At<'_>, errors: &mut Errors) {
    let costs = at.node().get("costs").unwrap_or(at.node());
    let at = at.key("costs", costs);
    for (n, item) in list_of(at.node()).iter().enumerate() {
        let Some(cost) = limit.cost_rule(n).filter(|cost| cost.looks_at_answers()) else {
            continue;
        };
        let at = at.index(n, item);
        if cost.units() == Some(0) {
            let node = item.get("cost").unwrap_or(item);
            let message = "expected at least 1: with `engine: service` nobody is asked of requests \
                           that cost nothing, and nothing would refuse them";
            at.key("cost", node).error(errors, message);
            continue;
        }
        let answers = item.get("answers").unwrap_or(item);
        let at = at.key("answers", answers);
        for ((m, answer), units) in list_of(answers).iter().enumerate().zip(cost.units_of_answers())
        {
            if let (Some(least), Some(units)) = (cost.units(), units)
                && units < least
            {
                let node = answer.get("cost").unwrap_or(answer);
                let message = format!(
                    "expected at least {least}, what the request has cost when it came: with \
                     `engine: service` nothing is given back"
                );
                at.index(m, answer).key("cost", node).error(errors, message);
            }
        }
    }
}

/// Can the service know this limit?
fn fits(service: &ServiceConfig, limit: &Limit, at: At<'_>, errors: &mut Errors) {
    let all = || limit.all_windows();
    if !service.send_limits {
        if all().any(|windows| windows.reads_claims()) {
            let message = "a quota that a claim says needs `send_limits` of the key `service`";
            at.error(errors, message);
        }
        if limit.has_overrides() {
            let message = "an override with windows needs `send_limits` of the key `service`";
            at.error(errors, message);
        }
        return;
    }
    let unfit = |seconds: &u64| super::message::Unit::of_seconds(*seconds).is_none();
    let windows = all().flat_map(|windows| windows.allowance().rates().map(crate::Rate::window));
    if let Some(seconds) = windows.into_iter().find(unfit) {
        let message = format!(
            "a window of {seconds} s cannot be sent: expected `1s`, `1m`, `1h`, `1d`, `30d` or \
             `365d` with `send_limits`"
        );
        at.error(errors, message);
    }
}

fn list_of(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        _ => &[],
    }
}
