//! The policy: realm, providers, and what each route requires.

use std::collections::BTreeMap;

use postern_core::Metric;
use postern_core::challenge::Realm;
use postern_core::config::{At, Count, Decode, Errors, Name, Node, Part, Problem, Value};
use postern_core::filter::Environment;
use postern_core::rules::Rules;

use crate::budget::Budget;
use crate::challenge::{Challenge, MetadataUrl};
use crate::presented::Places;
use crate::provider::{Provider, ProviderConfig};
use crate::requirement::{ChallengeConfig, Need, RequireConfig, RuleConfig};
use crate::revocations::Revocations;
use crate::revoked::{RevokedConfig, named};

postern_core::config! {
    /// Who is calling? Finds the one credential of a request, checks it, and
    /// tells the filters behind it and the upstream who it is. A request that
    /// no rule matches needs a credential of any provider.
    pub struct PolicyConfig {
        /// The realm that challenges name.
        realm: Realm = Realm::default(),
        /// Where the metadata of the protected resource stand (RFC 9728), named
        /// in challenges of the scheme `Bearer`:
        /// `https://api.example.com/.well-known/oauth-protected-resource`.
        resource_metadata: Option<MetadataUrl>,
        /// What becomes of CORS preflights (`OPTIONS` with `Origin` and
        /// `Access-Control-Request-Method`), which carry no credential:
        /// `check` treats them as any request, `pass` lets them go on as
        /// anonymous wherever a credential is required.
        preflights: Preflights = Preflights::Check,
        /// The ways of knowing callers, each under a name.
        providers: BTreeMap<String, Part<ProviderConfig>>,
        /// How many signatures a VM (one per worker) may check inside Wasm per
        /// second, since each holds its worker: `PS256` to `PS512`, `ES256K`,
        /// `EdDSA`, and everything but HMAC where the proxy checks none
        /// itself (Envoy does). Counted in checks with an RSA key of 2048
        /// bits, of about 1 ms each; one with 3072 bits counts as 2.25, with
        /// 4096 as 4, ECDSA on 256 bits as a half and Ed25519 as a quarter.
        /// When they are spent, the answer is 503 with `Retry-After`. One half is
        /// shared out to the providers that check signatures: a flood of one
        /// kind of tokens leaves the others their shares.
        wasm_checks_per_second: Count<1, 100000> = Count::new(200),
        /// Credentials that are refused although they are good otherwise.
        revoked: RevokedConfig = RevokedConfig::default(),
        /// What routes require. The first rule that matches counts.
        rules: Vec<Part<RuleConfig>> = Vec::new(),
    }

    /// What becomes of CORS preflights.
    pub choice Preflights {
        /// They are requests as any other.
        Check = "check",
        /// They go on as anonymous.
        Pass = "pass",
    }
}

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) preflights: Preflights,
    pub(crate) providers: Vec<Provider>,
    pub(crate) places: Places,
    pub(crate) revoked: Revocations,
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
    pub(crate) report_only: bool,
    pub(crate) challenge: Challenge,
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
        let at_revoked = at.node().get("revoked").map_or(at, |node| at.key("revoked", node));
        let first = own.saturating_add(metrics.len());
        let index = providers.len();
        let revoked = Revocations::compile(&config.revoked, at_revoked, index, first, &mut errors);
        metrics.extend(revoked.metrics());
        let known = named::Names::of(config.providers.values().map(|part| part.0.as_ref()));
        named::check(&config.revoked, &known, at_revoked, &mut errors);
        let rules = compile_rules(&config, &names, &providers, at, &mut errors);
        if !errors.is_empty() || providers.len() != names.len() {
            return Err(in_order(errors));
        }
        let challenge = |own: Option<&ChallengeConfig>, accepted: &[usize]| {
            let places = accepted.iter().filter_map(|i| providers.get(*i)).map(|p| &p.place);
            Challenge::new(&config.realm, config.resource_metadata.as_ref(), own, places)
        };
        let rules = rules.into_iter().map(|(rule, need, accepted)| {
            let challenge = challenge(rule.challenge.as_ref(), &accepted);
            let name = rule.name.as_str().to_owned();
            let report_only = rule.report_only;
            (rule.r#match.clone(), Rule { name, need, accepted, report_only, challenge })
        });
        let rules = Rules::new(rules.collect());
        let accepted: Vec<usize> = (0..providers.len()).collect();
        let challenge = challenge(None, &accepted);
        let name = "-".to_owned();
        let fallback = Rule { name, need: Need::Any, accepted, report_only: false, challenge };
        let places = Places::of(providers.iter().map(|p| &p.place));
        let preflights = config.preflights;
        let checks = config.wasm_checks_per_second.get();
        share(&mut providers, u32::try_from(checks).unwrap_or(u32::MAX));
        Ok(Policy { preflights, places, providers, revoked, rules, fallback, metrics })
    }
}

/// Gives the providers that check signatures their shares of the checks.
fn share(providers: &mut [Provider], checks: u32) {
    let checking = providers.iter_mut().filter(|provider| provider.checks_signatures());
    let checking: Vec<&mut Provider> = checking.collect();
    let budgets = Budget::shared(checks, checking.len());
    for (provider, budget) in checking.into_iter().zip(budgets) {
        provider.budget = budget;
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

type Compiled<'c> = (&'c RuleConfig, Need, Vec<usize>);

fn compile_rules<'c>(
    config: &'c PolicyConfig,
    providers: &[&str],
    compiled: &[Provider],
    at: At<'_>,
    errors: &mut Errors,
) -> Vec<Compiled<'c>> {
    let mut rules: Vec<Compiled<'c>> = Vec::with_capacity(config.rules.len());
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
        let Some(require) = node.get("require") else { continue };
        let at_require = at.key("require", require);
        let (need, accepted) = rule.require.compile(providers, at_require, errors);
        check_places(rule, compiled, at_require, errors);
        if need == Need::Nothing
            && rule.report_only
            && let Some(node) = node.get("report_only")
        {
            at.key("report_only", node).error(errors, "nothing is required here to report on");
        }
        rules.push((rule, need, accepted));
    }
    rules
}

/// Providers of one `all_of` have to look in different places: a request cannot
/// carry two credentials in one.
fn check_places(rule: &RuleConfig, providers: &[Provider], at: At<'_>, errors: &mut Errors) {
    let RequireConfig::AllOf(names) = &rule.require else { return };
    let Some(list @ Node { value: Value::List(nodes), .. }) = at.node().get("all_of") else {
        return;
    };
    let at = at.key("all_of", list);
    let mut seen: Vec<(&str, Vec<&str>)> = Vec::new();
    for (i, (name, node)) in names.iter().zip(nodes).enumerate() {
        let name = name.as_str();
        let Some(provider) = providers.iter().find(|p| p.name == name) else { continue };
        let places = provider.place.names();
        let same = |(other, taken): &&(&str, Vec<&str>)| {
            *other != name && places.iter().any(|place| taken.contains(place))
        };
        if let Some((other, _)) = seen.iter().find(same) {
            let message =
                format!("`{other}` looks in the same place: a request cannot carry both there");
            at.index(i, node).error(errors, message);
        }
        seen.push((name, places));
    }
}
