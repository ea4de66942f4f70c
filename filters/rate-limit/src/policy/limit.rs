//! One limit.

use std::collections::BTreeMap;
use std::rc::Rc;

use postern_core::config::schema::Schema;
use postern_core::config::{At, AtLeastOne, Decode, Errors, Name, Node, Value};
use postern_core::digest::sha256;
use postern_core::rules::{Match, Rules};
use postern_core::{Decision, KeptRecord, Record, Recorded};

use super::amount::{Quota, QuotaConfig, Window, WindowConfig, Windows};
use super::at_once::{AtOnce, Way};
use super::cost::{Cost, CostConfig};
use super::plan::{AllowanceConfig, PlanConfig};
use super::who::Who;
use crate::key::{Caller, Part};
use crate::rate::Algorithm;
use crate::service::{Engine, OnFailure};
use crate::table::{Begun, Tag};

postern_core::config! {
    struct LimitConfig {
        /// The limit's id, unique in the policy. Clients see it. A limit that
        /// keeps its id keeps its counts when the policy changes: of several windows,
        /// that of each in its place.
        id: Name,
        /// What requests it counts; `{}`: all of them.
        r#match: Match,
        /// `true`: it counts every request that it matches, whatever other limits
        /// count. Of all others only the first that matches counts a request.
        also: bool = false,
        /// Whether it refuses.
        mode: Mode = Mode::Enforce,
        /// What it counts by: the combination of these.
        key: Vec<Part> = vec![Part::SUBJECT],
        /// How it counts.
        algorithm: Algorithm = Algorithm::Gcra,
        /// Who counts. With `service` the service's own limits hold; what stands here is
        /// what the gateway counts by while the service does not answer.
        engine: Engine = Engine::Local,
        /// `engine: service` only: what holds while the service does not answer; what
        /// the key `service` of the policy says if left out.
        on_failure: Option<OnFailure>,
        /// How many requests in each window; or `claim`, with what holds otherwise.
        quota: Option<QuotaConfig>,
        /// The window, in whole seconds.
        window: Option<Window>,
        /// `gcra` only: how many requests at once; `quota` if left out.
        burst: Option<Quota>,
        /// Several windows at once, such as `10/s`, `1000/h` and `50000/day`: a
        /// request is counted in all of them or in none. In place of `quota` and
        /// `window`.
        windows: AtLeastOne<WindowConfig> = AtLeastOne::default(),
        /// In place of those: how many requests may be under way at a time, from when they
        /// are let through until they have ended, in whatever way; or `claim`, as in
        /// `quota`.
        concurrency: Option<QuotaConfig>,
        /// What requests cost: the first that matches; 1 if none does.
        costs: Vec<CostConfig> = Vec::new(),
        /// What differs for callers of a plan: `unlimited`, or `quota`,
        /// `window` and `burst`, or `windows`, or `concurrency` of its own. Each plan is
        /// counted by itself.
        plans: BTreeMap<String, PlanConfig> = BTreeMap::new(),
        /// What differs for some callers, whatever their plan: the first that is for
        /// the caller. Each is counted by itself, but for `concurrency`.
        overrides: Vec<OverrideConfig> = Vec::new(),
    }

    /// What some callers may do.
    struct OverrideConfig {
        /// The callers.
        callers: Who,
        /// `unlimited`, which exempts them, or what they may do.
        limit: PlanConfig,
    }

    /// Does a limit refuse?
    pub choice Mode {
        /// It does.
        Enforce = "enforce",
        /// It counts, and only tells the log and the metrics what it would refuse.
        Shadow = "shadow",
    }
}

/// A limit.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Its id.
    pub id: Name,
    /// Does it count beside others?
    pub also: bool,
    /// Does it refuse?
    pub mode: Mode,
    /// What it counts by; not empty.
    pub key: Vec<Part>,
    /// Who counts.
    pub engine: Engine,
    /// What holds while the service does not answer, where it differs from others.
    pub on_failure: Option<OnFailure>,
    costs: Option<Rc<Rules<Cost>>>,
    default: (Tag, Plan),
    plans: BTreeMap<String, (Tag, Plan)>,
    overrides: Vec<(Who, (Tag, Plan))>,
    /// What is recorded of a request that it lets pass, but for what is left.
    within: Rc<KeptRecord>,
    pub(crate) begun: Begun,
}

/// What some callers may do.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Anything; they are not counted.
    Unlimited,
    /// This much.
    Limited(Windows),
    /// So many at a time.
    AtOnce(AtOnce),
}

/// What holds for a caller.
pub(crate) struct Holding<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) tag: Tag,
    /// The plan's name, if the limit names it and no override holds: counted by itself.
    pub(crate) name: &'p str,
    /// Is it an override's? Each of those is counted by itself, too: it has other windows.
    pub(crate) is_override: bool,
}

impl Limit {
    /// Does it look at the caller's identity?
    #[must_use]
    pub fn needs_identity(&self) -> bool {
        let claims = |plan: &Plan| match plan {
            Plan::Unlimited => false,
            Plan::Limited(windows) => windows.reads_claims(),
            Plan::AtOnce(at_once) => at_once.reads_claims(),
        };
        !self.plans.is_empty()
            || self.key.iter().any(Part::needs_identity)
            || self.overrides.iter().any(|(who, (_, plan))| who.needs_identity() || claims(plan))
            || claims(&self.default.1)
    }

    /// The record of a request that it lets pass, and how many more would pass now.
    pub(crate) fn within(&self, remaining: u64) -> Recorded {
        self.within.and("remaining", remaining)
    }

    /// Are there parts of the path in its key?
    pub(crate) fn reads_path(&self) -> bool {
        self.key.iter().any(|part| part.variable().is_some())
    }

    /// Does it count requests that are under way?
    pub(crate) fn is_at_once(&self) -> bool {
        matches!(self.default.1, Plan::AtOnce(_))
    }

    pub(crate) fn for_caller(&self, caller: &Caller<'_>) -> Holding<'_> {
        let named = caller.plan().and_then(|plan| self.plans.get_key_value(plan));
        let name = named.map_or("", |(name, _)| name.as_str());
        if let Some((_, (tag, plan))) = self.overrides.iter().find(|(who, _)| who.is(caller)) {
            return Holding { plan, tag: *tag, name: "", is_override: true };
        }
        let (tag, plan) = named.map_or(&self.default, |(_, plan)| plan);
        Holding { plan, tag: *tag, name, is_override: false }
    }

    /// The windows of all its callers.
    pub(crate) fn all_windows(&self) -> impl Iterator<Item = &Windows> {
        self.all_plans().filter_map(|(_, plan)| match plan {
            Plan::Limited(windows) => Some(windows),
            Plan::AtOnce(_) | Plan::Unlimited => None,
        })
    }

    /// The windows of the callers of a tag.
    pub(crate) fn windows_of(&self, tag: Tag) -> Option<&Windows> {
        match self.all_plans().find(|(own, _)| *own == tag) {
            Some((_, Plan::Limited(windows))) => Some(windows),
            _ => None,
        }
    }

    /// Are there callers with windows of their own, whatever their plan?
    pub(crate) fn has_overrides(&self) -> bool {
        self.overrides.iter().any(|(_, (_, plan))| matches!(plan, Plan::Limited(_)))
    }

    fn all_plans(&self) -> impl Iterator<Item = &(Tag, Plan)> {
        let overrides = self.overrides.iter().map(|(_, plan)| plan);
        std::iter::once(&self.default).chain(self.plans.values()).chain(overrides)
    }

    pub(crate) fn cost_rule(&self, index: usize) -> Option<&Cost> {
        self.costs.as_ref()?.get(index)
    }

    /// What a request costs, and the rule by whose answers that is corrected, if there is
    /// one.
    pub(crate) fn cost(&self, caller: &Caller<'_>) -> (u64, Option<usize>) {
        let costs = self.costs.as_ref().and_then(|costs| costs.first(caller.asked));
        costs.map_or((1, None), |found| {
            let rule = found.rule.looks_at_answers().then_some(found.index);
            (found.rule.of_request(caller.asked.headers), rule)
        })
    }
}

/// A limit with what it counts, its parts checked against each other.
#[derive(Clone, Debug)]
pub(super) struct Compiled(pub(super) Match, pub(super) Limit);

impl Decode for Compiled {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let LimitConfig {
            id,
            r#match,
            also,
            mode,
            key,
            algorithm,
            engine,
            on_failure,
            quota,
            window,
            burst,
            windows,
            concurrency,
            costs,
            plans,
            overrides,
        } = LimitConfig::decode(at, errors)?;
        check_variables(&key, &r#match, at, errors);
        let way = if AtOnce::is_meant(at) { Way::AtOnce } else { Way::Rate(algorithm) };
        let own = AllowanceConfig { quota, window, burst, windows, concurrency };
        let default = own.check(id.as_str(), way, at, errors);
        let node = at.node().get("plans").unwrap_or(at.node());
        let at_plans = at.key("plans", node);
        let mut compiled = BTreeMap::new();
        for (name, plan) in plans {
            let at = at_plans.key(&name, node.get(&name).unwrap_or(node));
            if let Some(plan) = plan.check(id.as_str(), way, at, errors) {
                let tag = tag(id.as_str(), "plan", &name);
                compiled.insert(name, (tag, plan));
            }
        }
        let node = at.node().get("overrides").unwrap_or(at.node());
        let at_overrides = at.key("overrides", node);
        let mut special = Vec::new();
        for (i, OverrideConfig { callers, limit }) in overrides.into_iter().enumerate() {
            let node = match &node.value {
                Value::List(items) => items.get(i).unwrap_or(node),
                _ => node,
            };
            let at = at_overrides.index(i, node);
            let empty = |who: &Node| matches!(&who.value, Value::Map(keys) if keys.is_empty());
            if node.get("callers").is_some_and(empty) {
                at.error(errors, "expected some callers: this is for all of them");
            }
            let at = at.key("limit", node.get("limit").unwrap_or(node));
            if let Some(plan) = limit.check(id.as_str(), way, at, errors) {
                special.push((callers, (tag(id.as_str(), "override", &i.to_string()), plan)));
            }
        }
        let costs: Vec<_> = costs.into_iter().map(Cost::new).collect();
        // A service has limits of its own.
        if engine == Engine::Local {
            let plans = compiled.values().chain(special.iter().map(|(_, plan)| plan));
            check_costs(&costs, default.as_ref(), plans.map(|(_, plan)| plan), at, errors);
        }
        let within = Record::new(Decision::Allow, id.as_str().to_owned(), "within_limit");
        let limit = Limit {
            within: Rc::new(KeptRecord::new(within)),
            begun: Begun::default(),
            default: (tag(id.as_str(), "", ""), default?),
            id,
            also,
            mode,
            key,
            engine,
            on_failure,
            costs: (!costs.is_empty()).then(|| Rc::new(Rules::new(costs))),
            plans: compiled,
            overrides: special,
        };
        Some(Compiled(r#match, limit))
    }

    fn schema() -> Schema {
        LimitConfig::schema()
    }
}

/// A variable part of the path stands in each of the templates.
fn check_variables(key: &[Part], matches: &Match, at: At<'_>, errors: &mut Errors) {
    for (i, name) in key.iter().enumerate().filter_map(|(i, part)| Some((i, part.variable()?))) {
        let has = |t: &postern_core::template::Template| t.names().any(|n| n == name);
        if matches.paths.is_empty() || !matches.paths.iter().all(has) {
            let node = at.node().get("key").unwrap_or(at.node());
            let message = format!("expected `{{{name}}}` in each of `match.paths`");
            at.key("key", node).index(i, node).error(errors, message);
        }
    }
}

/// What costs more than anybody may spend is never let through.
fn check_costs<'p>(
    costs: &[(Match, Cost)],
    default: Option<&Plan>,
    others: impl Iterator<Item = &'p Plan>,
    at: At<'_>,
    errors: &mut Errors,
) {
    let most = |plan: &Plan| match plan {
        Plan::Limited(windows) => windows.most(),
        Plan::Unlimited | Plan::AtOnce(_) => None,
    };
    let Some(default) = default.and_then(most) else { return };
    // One without an end ends it.
    let most = others.map(most).try_fold(default, |all, own| own.map(|own| all.max(own)));
    let Some(most) = most else { return };
    let node = at.node().get("costs").unwrap_or(at.node());
    let at = at.key("costs", node);
    let Value::List(items) = &node.value else { return };
    for (i, ((_, cost), item)) in costs.iter().zip(items).enumerate() {
        if cost.least() > most {
            let message = format!("expected at most {most}: more is never let through");
            let at = at.index(i, item);
            at.key("cost", item.get("cost").unwrap_or(item)).error(errors, message);
        }
    }
}

/// See [`Tag`]. Four bytes do: limits whose tags are the
/// same by chance lose a little of what new callers may spend in a full table.
fn tag(id: &str, kind: &str, name: &str) -> Tag {
    let digest = sha256([id, "\0", kind, "\0", name].concat().as_bytes());
    digest.first_chunk().copied().unwrap_or_default()
}
