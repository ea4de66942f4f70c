//! The policy: realm, providers, and what each route requires.

use std::collections::BTreeMap;

use postern_core::Metric;
use postern_core::challenge::Realm;
use postern_core::config::{At, Count, Decode, Errors, Name, Node, Part, Problem, Value};
use postern_core::filter::Environment;
use postern_core::rules::{Match, Rules};

use crate::budget::Budget;
use crate::carrier::Yes;
use crate::challenge::Challenge;
use crate::presented::Places;
use crate::provider::{Provider, ProviderConfig};

postern_core::config! {
    /// Who is calling? Finds the one credential of a request, checks it, and
    /// tells the filters behind it and the upstream who it is. A request that
    /// no rule matches needs a credential of any provider.
    pub struct PolicyConfig {
        /// The realm that challenges name.
        realm: Realm = Realm::default(),
        /// The ways of knowing callers, each under a name.
        providers: BTreeMap<String, Part<ProviderConfig>>,
        /// How many signatures a VM (one per worker) may check inside Wasm per
        /// second, since each holds its worker: `PS256` to `PS512`, `ES256K`,
        /// `EdDSA`, and everything but HMAC where the proxy checks none
        /// itself (Envoy does). Counted in checks with an RSA key of 2048
        /// bits, of about 1 ms each; one with 3072 bits counts as 2.25, with
        /// 4096 as 4, ECDSA on 256 bits as a half and Ed25519 as a quarter.
        /// When they are spent, the answer is 503 with `Retry-After`.
        wasm_checks_per_second: Count<1, 100000> = Count::new(200),
        /// What routes require. The first rule that matches counts.
        rules: Vec<Part<RuleConfig>> = Vec::new(),
    }

    /// What some routes require.
    pub struct RuleConfig {
        /// Its name in logs; unique.
        name: Name,
        /// What it applies to.
        r#match: Match,
        /// What it requires.
        require: RequireConfig,
    }

    /// What a route requires of a request.
    pub oneof RequireConfig {
        /// A good credential of one of these providers.
        any_of: AnyOf(Vec<Name>),
        /// None; but one that is there has to be good, and of one of these
        /// providers.
        optional: Optional(Vec<Name>),
        /// `true`: credentials are not looked at and stay in the request.
        none: Nothing(Yes),
    }
}

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) providers: Vec<Provider>,
    /// Signatures that may still be checked in this VM.
    pub(crate) budget: Budget,
    pub(crate) places: Places,
    pub(crate) rules: Rules<Rule>,
    /// For what no rule matches.
    pub(crate) fallback: Rule,
    /// The providers' metrics, one after the other.
    pub(crate) metrics: Vec<Metric>,
}

/// A compiled rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its name; `-` for the fallback.
    pub(crate) name: String,
    pub(crate) need: Need,
    /// Indices of the providers whose credentials it takes.
    pub(crate) accepted: Vec<usize>,
    pub(crate) challenge: Challenge,
}

/// Does a route need a credential?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
    /// It does not even look at one.
    Nothing,
}

impl Policy {
    /// Decodes and compiles a policy.
    /// `own`: how many metrics the filter has before those of the providers.
    pub(crate) fn compile(
        root: &Node,
        environment: &Environment<'_>,
        own: usize,
    ) -> Result<Self, Errors> {
        let mut errors = Errors::default();
        let at = At::root(root);
        let Some(config) = PolicyConfig::decode(at, &mut errors) else { return Err(errors) };
        let names: Vec<&str> = config.providers.keys().map(String::as_str).collect();
        let mut providers = compile_providers(&config, at, environment, &mut errors);
        let mut metrics = Vec::new();
        for (index, provider) in providers.iter_mut().enumerate() {
            metrics.extend(provider.enlist(index, own.saturating_add(metrics.len())));
        }
        let rules = compile_rules(&config, &names, at, &mut errors);
        if !errors.is_empty() || providers.len() != names.len() {
            return Err(in_order(errors));
        }
        let realm = config.realm.as_str();
        let rules = rules.into_iter().map(|(matches, name, need, accepted)| {
            let challenge = Challenge::new(realm, &providers, &accepted);
            (matches, Rule { name, need, accepted, challenge })
        });
        let rules = Rules::new(rules.collect());
        let accepted: Vec<usize> = (0..providers.len()).collect();
        let challenge = Challenge::new(realm, &providers, &accepted);
        let fallback = Rule { name: "-".to_owned(), need: Need::Required, accepted, challenge };
        let checks = config.wasm_checks_per_second.get();
        let budget = Budget::per_second(u32::try_from(checks).unwrap_or(u32::MAX));
        Ok(Policy { places: places(&providers), providers, budget, rules, fallback, metrics })
    }
}

/// In the order of the document, as far as places are known.
fn in_order(errors: Errors) -> Errors {
    let mut problems: Vec<Problem> = errors.problems().to_vec();
    problems.sort_by_key(|problem| problem.span.start);
    let mut sorted = Errors::default();
    problems.into_iter().for_each(|problem| sorted.push(problem));
    sorted
}

fn compile_providers(
    config: &PolicyConfig,
    at: At<'_>,
    environment: &Environment<'_>,
    errors: &mut Errors,
) -> Vec<Provider> {
    let Some(map) = at.node().get("providers") else { return Vec::new() };
    let at = at.key("providers", map);
    if config.providers.is_empty() {
        at.error(errors, "expected at least one provider");
    }
    let mut providers = Vec::with_capacity(config.providers.len());
    for (name, part) in &config.providers {
        let Some(node) = map.get(name) else { continue };
        let at = at.key(name, node);
        let named = Node { span: node.span, value: Value::Text(name.clone()) };
        Name::decode(at.key("name", &named), errors);
        let Some(provider) = &part.0 else { continue };
        providers.extend(Provider::compile(name, provider, at, environment, errors));
    }
    providers
}

type Compiled = (Match, String, Need, Vec<usize>);

fn compile_rules(
    config: &PolicyConfig,
    providers: &[&str],
    at: At<'_>,
    errors: &mut Errors,
) -> Vec<Compiled> {
    let mut rules: Vec<Compiled> = Vec::with_capacity(config.rules.len());
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let Some(list) = at.node().get("rules") else { return rules };
    let at = at.key("rules", list);
    let Value::List(nodes) = &list.value else { return rules };
    for (i, (part, node)) in config.rules.iter().zip(nodes).enumerate() {
        let Some(rule) = &part.0 else { continue };
        let at = at.index(i, node);
        if let Some(first) = places.insert(rule.name.as_str(), i)
            && let Some(node) = node.get("name")
        {
            at.key("name", node)
                .error(errors, format!("the rule at `rules[{first}]` has the same name"));
        }
        let (need, key, names): (Need, &str, &[Name]) = match &rule.require {
            RequireConfig::AnyOf(names) => (Need::Required, "any_of", names),
            RequireConfig::Optional(names) => (Need::Optional, "optional", names),
            RequireConfig::Nothing(Yes) => (Need::Nothing, "none", &[]),
        };
        let accepted = match node.get("require").and_then(|n| Some((n, n.get(key)?))) {
            Some((require, node)) if need != Need::Nothing => {
                let at = at.key("require", require);
                indices(names, providers, at.key(key, node), errors)
            }
            _ => Vec::new(),
        };
        rules.push((rule.r#match.clone(), rule.name.as_str().to_owned(), need, accepted));
    }
    rules
}

fn indices(names: &[Name], providers: &[&str], at: At<'_>, errors: &mut Errors) -> Vec<usize> {
    let Value::List(nodes) = &at.node().value else { return Vec::new() };
    if names.is_empty() {
        at.error(errors, "expected at least one provider");
    }
    let mut found = Vec::with_capacity(names.len());
    for (i, (name, node)) in names.iter().zip(nodes).enumerate() {
        let at = at.index(i, node);
        match providers.iter().position(|p| *p == name.as_str()) {
            Some(index) if found.contains(&index) => {
                at.error(errors, format!("`{}` stands in the list twice", name.as_str()));
            }
            Some(index) => found.push(index),
            None => at.error(errors, format!("`{}` is no provider of this policy", name.as_str())),
        }
    }
    found
}

/// Every place in which any provider looks.
fn places(providers: &[Provider]) -> Places {
    let mut places = Places::default();
    for carrier in providers.iter().flat_map(|p| p.place.carriers()) {
        let add = |list: &mut Vec<String>, name: &str| {
            if !list.iter().any(|known| known == name) {
                list.push(name.to_owned());
            }
        };
        if let Some(scheme) = carrier.scheme() {
            add(&mut places.schemes, scheme);
        }
        if let Some(header) = carrier.header() {
            add(&mut places.headers, header);
        }
    }
    places
}
