//! The policy as operators write it.

use std::collections::BTreeMap;
use std::rc::Rc;

use postern_core::challenge::Realm;
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Text, Value};
use postern_core::rules::{HeaderName, Match};

use crate::bounds::check_text;
use crate::later::Later;
use crate::obligations;
use crate::rollout::policy::{Mode, Percent, Valve};
use crate::rule::{Rule, RuleConfig, Whole};
use crate::sets::Sets;
use crate::source::Source;

/// The most rules of one policy, its candidate's included. What they cost is in
/// `docs/performance.md`.
pub const MAX_RULES: usize = 10_000;

/// The most rules that are counted one by one: each costs a call per request
/// that it decides.
const MAX_COUNTED: usize = 64;

postern_core::config! {
    struct PolicyConfig {
        /// The protection space that challenges name (RFC 9110 §11.5).
        realm: Realm = Realm::default(),
        /// Where the identity comes from; left out: from `auth`, by filter state
        /// that no client can set.
        identity: Option<Source>,
        /// Named lists and conditions that rules refer to.
        sets: Option<Later<Sets>>,
        /// The rules. A deny rule that applies wins; else an allow rule that
        /// applies lets the request pass; else it is denied. A deny rule that
        /// cannot be evaluated denies; an allow rule that cannot be evaluated
        /// does not allow. Their order only says which of several is named in
        /// the record.
        rules: Later<Vec<RuleConfig>>,
        /// Rules that are to take the place of these, judged beside them.
        candidate: Option<Later<CandidateConfig>>,
        /// What refused clients are told.
        refusals: Refusals = Refusals::default(),
        /// A response header that names reason and rule of each decision, for
        /// whoever explains a policy. It tells every client: leave it out in
        /// production.
        explain_header: Option<HeaderName>,
    }

    struct CandidateConfig {
        /// For whom it counts.
        mode: Mode,
        /// In mode `cohort`: for so many of the callers. They are told apart by
        /// issuer and subject, or else by address (IPv6: by /64).
        share: Percent = Percent::whole(1),
        /// Another text chooses other callers.
        seed: Option<Text>,
        /// Named lists and conditions that its rules refer to; left out: those of
        /// the current rules.
        sets: Option<Later<Sets>>,
        /// Its rules, all of them: they stand for themselves.
        rules: Later<Vec<RuleConfig>>,
        /// When it is taken back.
        valve: Valve = Valve::default(),
    }

    /// What refused clients are told. Challenges and codes are the same in any
    /// case.
    pub struct Refusals {
        /// The `detail` of a refusal with the code `access_denied`, where its
        /// rule has none of its own.
        detail: Text = Text::from_static("the policy does not allow this request"),
        /// Is the rule named, as the problem's member `rule`?
        name_rule: bool = false,
    }
}

impl Default for Refusals {
    fn default() -> Self {
        let detail = Text::from_static("the policy does not allow this request");
        Refusals { detail, name_rule: false }
    }
}

/// A checked policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The protection space.
    pub realm: Realm,
    /// Where the identity comes from; `None`: the gateway's own contract.
    pub source: Option<Source>,
    /// At least one rule, and what requests it applies to; names are unique.
    pub rules: Vec<(Match, Rule)>,
    /// What is to take their place.
    pub candidate: Option<Candidate>,
    /// What refused clients are told.
    pub refusals: Refusals,
    /// A response header that names reason and rule.
    pub explain_header: Option<HeaderName>,
}

/// Checked rules beside the current ones.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// For whom they count.
    pub mode: Mode,
    /// For how many of the callers, in mode `cohort`.
    pub share: Percent,
    /// Chooses these callers.
    pub seed: Option<Text>,
    /// At least one rule, and what requests it applies to; names are unique.
    pub rules: Vec<(Match, Rule)>,
    /// When they are taken back.
    pub valve: Valve,
}

impl Decode for Policy {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        check_text(at.node().to_json().len(), at, errors);
        unique_names(at, errors);
        if let Some(node) = at.node().get("candidate") {
            unique_names(at.key("candidate", node), errors);
        }
        Policy::read(at, errors)
    }

    fn schema() -> Schema {
        PolicyConfig::schema()
    }
}

impl Policy {
    /// Lists of rules may be empty here: they are read elsewhere ([`rule`]).
    pub(crate) fn read(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let config = PolicyConfig::decode(at, errors);
        let sets = match at.node().get("sets") {
            Some(node) => Sets::read(at.key("sets", node), &Rc::default(), errors),
            None => Sets::default(),
        };
        let rules = match at.node().get("rules") {
            Some(node) => rules(at.key("rules", node), &sets, errors),
            None => Vec::new(),
        };
        let candidate = at.node().get("candidate").map(|node| {
            let room = MAX_RULES.saturating_sub(rules.len());
            candidate(at.key("candidate", node), &sets, room, errors)
        });
        let PolicyConfig {
            realm,
            identity,
            sets: _,
            rules: Later(_),
            candidate: _,
            refusals,
            explain_header,
        } = config?;
        if let Some(name) = explain_header.as_ref().map(HeaderName::as_str)
            && (obligations::is_reserved(name) || name == "www-authenticate")
        {
            let place = at.node().get("explain_header").unwrap_or(at.node());
            at.key("explain_header", place)
                .error(errors, "expected a header that a policy may write");
        }
        if let (Some(source), Some(node)) = (&identity, at.node().get("identity")) {
            source.check(at.key("identity", node), errors);
        }
        let candidate = match candidate {
            Some(candidate) => Some(candidate?),
            None => None,
        };
        Some(Policy { realm, source: identity, rules, candidate, refusals, explain_header })
    }
}

/// Its sets are its own, or the current ones.
fn candidate(at: At<'_>, current: &Sets, room: usize, errors: &mut Errors) -> Option<Candidate> {
    let config = CandidateConfig::decode(at, errors);
    let read =
        |node, errors: &mut Errors| Sets::read(at.key("sets", node), current.tally(), errors);
    let own = at.node().get("sets").map(|node| read(node, errors));
    let rules = match at.node().get("rules") {
        Some(node) => rules(at.key("rules", node), own.as_ref().unwrap_or(current), errors),
        None => Vec::new(),
    };
    if rules.len() > room {
        at.error(errors, format!("expected at most {MAX_RULES} rules, the current ones included"));
    }
    let CandidateConfig { mode, share, seed, sets: _, rules: Later(_), valve } = config?;
    Some(Candidate { mode, share, seed, rules, valve })
}

/// One rule at a time, so that those that refer to a set see it in place.
fn rules(at: At<'_>, sets: &Sets, errors: &mut Errors) -> Vec<(Match, Rule)> {
    let Value::List(items) = &at.node().value else {
        at.expected(errors, "a list");
        return Vec::new();
    };
    if items.len() > MAX_RULES {
        at.error(errors, format!("expected at most {MAX_RULES} rules"));
        return Vec::new();
    }
    let mut rules = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        rules.extend(rule(at.index(i, item), sets, errors));
    }
    let counted = rules.iter().filter(|(_, rule)| rule.counted).count();
    if counted > MAX_COUNTED {
        at.error(errors, format!("expected at most {MAX_COUNTED} rules with `counted`"));
    }
    rules
}

/// One rule, with what it refers to.
pub(crate) fn rule(at: At<'_>, sets: &Sets, errors: &mut Errors) -> Option<(Match, Rule)> {
    let whole = sets.put_into(at, errors)?;
    let Whole(applies_to, rule) = Whole::decode(at.replaced(&whole), errors)?;
    sets.tally().place(at, &applies_to, errors)?;
    Some((applies_to, rule))
}

/// Read from the tree, so that it is noted beside all other mistakes.
fn unique_names(at: At<'_>, errors: &mut Errors) {
    let Some(rules) = at.node().get("rules") else { return };
    let at = at.key("rules", rules);
    let Value::List(items) = &rules.value else { return };
    if items.is_empty() {
        at.error(errors, "expected at least one rule: without any, everything is denied");
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, item) in items.iter().enumerate() {
        let Some(name) = item.get("name") else { continue };
        let Value::Text(text) = &name.value else { continue };
        match seen.get(text.as_str()) {
            Some(first) => {
                let message = format!("`{}` is the name of rules[{first}] already", shown(text));
                at.index(i, item).key("name", name).error(errors, message);
            }
            None => {
                seen.insert(text, i);
            }
        }
    }
}

/// A text of the policy as a message may show it.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}
