//! The policy as operators write it.

use std::collections::BTreeMap;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Count, Decode, Errors, Name, Period, Value, decode_text};
use postern_core::rules::Match;

use crate::bucket::{Algorithm, Allowance, LONGEST};
use crate::dialect::Dialect;
use crate::key::Part;

/// How many requests.
type Quota = Count<1, 1_000_000_000>;

postern_core::config! {
    struct PolicyConfig {
        /// The limits. The first that matches a request counts it.
        limits: Vec<Compiled>,
        /// How clients are told what is left: the first that matches the
        /// request; `ietf` if none does.
        dialects: Vec<DialectConfig> = Vec::new(),
        /// How many callers are counted at a time. Past that, those who have
        /// used the smallest share of their limit are forgotten first.
        capacity: Count<1024, 1_048_576> = Count::new(65_536),
        /// How many bits of an IPv6 address count as one caller.
        ipv6_prefix: Count<16, 128> = Count::new(64),
    }

    struct LimitConfig {
        /// The limit's id, unique in the policy. Clients see it. A limit that
        /// keeps its id keeps its counts when the policy changes.
        id: Name,
        /// What requests it counts; `{}`: all of them.
        r#match: Match,
        /// What it counts by: the combination of these.
        key: Vec<Part> = vec![Part::Subject],
        /// How it counts.
        algorithm: Algorithm = Algorithm::Gcra,
        /// How many requests in each window.
        quota: Quota,
        /// The window, in whole seconds.
        window: Window,
        /// `gcra` only: how many requests at once; `quota` if left out.
        burst: Option<Quota>,
        /// What differs for callers of a plan: `unlimited`, or `quota`,
        /// `window` and `burst` of its own. Each plan is counted by itself.
        plans: BTreeMap<String, PlanConfig> = BTreeMap::new(),
    }

    struct AllowanceConfig {
        /// How many requests in each window.
        quota: Quota,
        /// The window, in whole seconds.
        window: Window,
        /// `gcra` only: how many requests at once; `quota` if left out.
        burst: Option<Quota>,
    }

    struct DialectConfig {
        /// What requests it is for; `{}`: all of them.
        r#match: Match,
        /// The dialect.
        dialect: Dialect,
    }
}

/// A checked policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// At least one limit; ids are unique.
    pub limits: Vec<(Match, Limit)>,
    /// The dialects.
    pub dialects: Vec<(Match, Dialect)>,
    /// How many callers are counted at a time.
    pub capacity: u64,
    /// How many bits of an IPv6 address count.
    pub ipv6_prefix: u8,
}

/// A limit.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Its id.
    pub id: Name,
    /// What it counts by; not empty.
    pub key: Vec<Part>,
    default: Plan,
    plans: BTreeMap<String, Plan>,
}

/// What the callers of a plan may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Anything; they are not counted.
    Unlimited,
    /// This much.
    Limited(Allowance),
}

impl Limit {
    /// Does it look at the caller's identity?
    #[must_use]
    pub fn needs_identity(&self) -> bool {
        !self.plans.is_empty() || self.key.iter().any(|part| *part != Part::Address)
    }

    /// What holds for callers of this plan, and its name if the limit names it.
    #[must_use]
    pub fn plan(&self, name: Option<&str>) -> (Option<&str>, &Plan) {
        match name.and_then(|name| self.plans.get_key_value(name)) {
            Some((name, plan)) => (Some(name), plan),
            None => (None, &self.default),
        }
    }
}

impl Decode for Policy {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        check_limits(at, errors);
        let PolicyConfig { limits, dialects, capacity, ipv6_prefix } =
            PolicyConfig::decode(at, errors)?;
        Some(Policy {
            limits: limits.into_iter().map(|Compiled(matches, limit)| (matches, limit)).collect(),
            dialects: dialects.into_iter().map(|d| (d.r#match, d.dialect)).collect(),
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
    let Some(limits) = at.node().get("limits") else { return };
    let at = at.key("limits", limits);
    let Value::List(items) = &limits.value else { return };
    if items.is_empty() {
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

/// A limit with what it counts, its numbers checked against each other.
#[derive(Clone, Debug)]
struct Compiled(Match, Limit);

impl Decode for Compiled {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let LimitConfig { id, r#match, key, algorithm, quota, window, burst, plans } =
            LimitConfig::decode(at, errors)?;
        let own = AllowanceConfig { quota, window, burst };
        let default = allowance(algorithm, own, at, errors);
        let mut compiled = BTreeMap::new();
        let node = at.node().get("plans").unwrap_or(at.node());
        let at = at.key("plans", node);
        for (name, plan) in plans {
            let plan = match plan {
                PlanConfig::Unlimited => Some(Plan::Unlimited),
                PlanConfig::Limited(own) => {
                    let at = at.key(&name, node.get(&name).unwrap_or(node));
                    allowance(algorithm, own, at, errors).map(Plan::Limited)
                }
            };
            if let Some(plan) = plan {
                compiled.insert(name, plan);
            }
        }
        let default = Plan::Limited(default?);
        Some(Compiled(r#match, Limit { id, key, default, plans: compiled }))
    }

    fn schema() -> Schema {
        LimitConfig::schema()
    }
}

fn allowance(
    algorithm: Algorithm,
    own: AllowanceConfig,
    at: At<'_>,
    errors: &mut Errors,
) -> Option<Allowance> {
    let AllowanceConfig { quota, window, burst } = own;
    let place = at.node().get("burst").unwrap_or(at.node());
    if burst.is_some() && algorithm == Algorithm::FixedWindow {
        at.key("burst", place).error(errors, "a fixed window has no burst of its own");
        return None;
    }
    let number = |n: Quota| u32::try_from(n.get()).unwrap_or(u32::MAX);
    let burst = number(burst.unwrap_or(quota));
    let allowance = Allowance::new(algorithm, number(quota), window.0, burst);
    if allowance.is_none() {
        let message =
            "expected a burst that comes back within 366 days at the rate of `quota` per `window`";
        at.key("burst", place).error(errors, message);
    }
    allowance
}

/// A window: whole seconds, so that clients can be told.
#[derive(Clone, Copy, Debug)]
struct Window(u64);

impl Decode for Window {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let period = Period::decode(at, errors)?.get();
        if period > LONGEST || period.subsec_nanos() != 0 {
            at.error(errors, "expected whole seconds such as `1s`, `5m`, `2h` or `1d`");
            return None;
        }
        Some(Window(period.as_secs()))
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a window of whole seconds such as `1s`, `5m`, `2h` or `1d`",
            pattern: Some("^[0-9]{1,9}(ms|s|m|h|d)$"),
        }
    }
}

#[derive(Clone, Debug)]
enum PlanConfig {
    Unlimited,
    Limited(AllowanceConfig),
}

const PLAN: &str = "`unlimited` or a mapping with `quota` and `window`";

impl Decode for PlanConfig {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match &at.node().value {
            Value::Text(_) => decode_text(at, errors, PLAN, |text| match text {
                "unlimited" => Ok(PlanConfig::Unlimited),
                _ => Err(format!("expected {PLAN}")),
            }),
            Value::Map(_) => AllowanceConfig::decode(at, errors).map(PlanConfig::Limited),
            _ => {
                at.expected(errors, PLAN);
                None
            }
        }
    }

    fn schema() -> Schema {
        let unlimited = Schema::Text { expected: "`unlimited`", pattern: Some("^unlimited$") };
        Schema::AnyOf(vec![unlimited, AllowanceConfig::schema()])
    }
}
