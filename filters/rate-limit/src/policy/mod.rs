//! The policy as operators write it.

mod amount;
mod at_once;
mod cost;
mod limit;
mod plan;
mod who;

use std::collections::BTreeMap;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Count, Decode, Errors, Node, Value};
use postern_core::rules::{Match, Rules};

use crate::dialect::{Beside, Dialect, Show};
use crate::observe::{self, Observed, Observes};
use crate::service::{self, ServiceConfig};
pub(crate) use amount::Holds;
pub use amount::Windows;
pub(crate) use amount::{Quota, Window};
pub use at_once::AtOnce;
pub use cost::Cost;
use limit::Compiled;
pub(crate) use limit::Holding;
pub use limit::{Limit, Mode, Plan};
pub use who::Who;

postern_core::config! {
    struct PolicyConfig {
        /// The limits. The first that matches a request counts it, and so do all that
        /// match and have `also`. A request is counted by all of those or by none, and
        /// what is refused is not counted.
        limits: Vec<Compiled>,
        /// What others report of limits (a stock filter of the proxy, an upstream) and is
        /// said again in the client's dialect: the first that matches the request. Their
        /// fields are taken off the answer, and what cannot be relied on is left out.
        observe: Vec<Observed> = Vec::new(),
        /// The service that counts for limits with `engine: service`.
        service: Option<ServiceConfig>,
        /// How clients are told what is left: the first that matches the
        /// request; `ietf` if none does.
        dialects: Vec<DialectConfig> = Vec::new(),
        /// What is done about rate-limit fields that an answer has already, of an upstream or
        /// of a filter behind this one.
        beside: Beside = Beside::Clear,
        /// The `Retry-After` of answers with 503 that have none, whoever made them;
        /// none if left out. Each answer's headers are read for it.
        retry_after_on_503: Option<Window>,
        /// How many callers are counted at a time. Past that, those who have
        /// used the smallest share of their limit are forgotten first, and new ones
        /// start from what those had used: nobody gets more than its limit. With another
        /// capacity counts start anew.
        capacity: Count<1024, 1_048_576> = Count::new(65_536),
        /// How many bits of an IPv6 address count as one caller.
        ipv6_prefix: Count<16, 128> = Count::new(64),
    }

    struct DialectConfig {
        /// What requests it is for; `{}`: all of them.
        r#match: Match,
        /// What callers it is for; all of them if left out.
        callers: Who = Who::default(),
        /// The dialect.
        dialect: Dialect,
        /// Of several windows and limits, which are told.
        show: Show = Show::Tightest,
        /// On which answers. `Retry-After` is on each refusal.
        answers: Answers = Answers::All,
    }

    /// On which answers clients are told.
    pub choice Answers {
        /// On every answer to a request that was counted.
        All = "all",
        /// Only where this mount refused: for limits that few ever meet, beside another
        /// mount's that all are told. Other answers are left as they are.
        Refused = "refused",
    }
}

/// A checked policy.
#[derive(Debug)]
pub struct Policy {
    /// At least one limit, or something to observe; ids are unique.
    pub limits: Vec<(Match, Limit)>,
    /// What is said again.
    pub(crate) observes: Observes,
    /// Who counts for limits that do not count here.
    pub(crate) service: Option<ServiceConfig>,
    /// The dialects.
    pub dialects: Vec<(Match, Telling)>,
    /// What is done about fields that are there.
    pub beside: Beside,
    /// Seconds.
    pub retry_after_on_503: Option<u64>,
    /// How many callers are counted at a time.
    pub capacity: u64,
    /// How many bits of an IPv6 address count.
    pub ipv6_prefix: u8,
}

/// How some clients are told.
#[derive(Clone, Debug)]
pub struct Telling {
    /// Who.
    pub callers: Who,
    /// How.
    pub dialect: Dialect,
    /// What.
    pub show: Show,
    /// Where.
    pub answers: Answers,
}

impl Decode for Policy {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        check_limits(at, errors);
        observe::check(at, errors);
        let PolicyConfig {
            limits,
            observe,
            service,
            dialects,
            beside,
            retry_after_on_503,
            capacity,
            ipv6_prefix,
        } = PolicyConfig::decode(at, errors)?;
        let limits: Vec<_> = limits.into_iter().map(|Compiled(m, limit)| (m, limit)).collect();
        service::check(service.as_ref(), &limits, at, errors);
        let telling = |d: DialectConfig| {
            let DialectConfig { r#match, callers, dialect, show, answers } = d;
            (r#match, Telling { callers, dialect, show, answers })
        };
        Some(Policy {
            limits,
            observes: Rules::new(
                observe.into_iter().map(|Observed(matches, own)| (matches, own)).collect(),
            ),
            service,
            dialects: dialects.into_iter().map(telling).collect(),
            beside,
            retry_after_on_503: retry_after_on_503.map(Window::seconds),
            capacity: capacity.get(),
            ipv6_prefix: u8::try_from(ipv6_prefix.get()).unwrap_or(128),
        })
    }

    fn schema() -> Schema {
        PolicyConfig::schema()
    }
}

/// Read from the tree, so that it is noted beside all other mistakes.
fn check_limits(at: At<'_>, errors: &mut Errors) {
    let root = at.node();
    let Some(limits) = root.get("limits") else { return };
    let at = at.key("limits", limits);
    let Value::List(items) = &limits.value else { return };
    let observes = |node: &Node| matches!(&node.value, Value::List(all) if !all.is_empty());
    if items.is_empty() && !root.get("observe").is_some_and(observes) {
        at.error(errors, "expected at least one limit: without any, nothing is counted");
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, item) in items.iter().enumerate() {
        let at = at.index(i, item);
        if let Some(id) = item.get("id")
            && let Value::Text(text) = &id.value
        {
            match seen.get(text.as_str()) {
                Some(first) => {
                    let shown: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
                    let message = format!("`{shown}` is the id of limits[{first}] already");
                    at.key("id", id).error(errors, message);
                }
                None => {
                    seen.insert(text, i);
                }
            }
        }
        if let Some(key) = item.get("key")
            && let Value::List(parts) = &key.value
        {
            if parts.is_empty() {
                at.key("key", key).error(errors, "expected at least one part");
            }
            for (n, part) in parts.iter().enumerate() {
                if parts.iter().take(n).any(|p| p.value == part.value) {
                    at.key("key", key).index(n, part).error(errors, "the same part twice");
                }
            }
        }
    }
}
