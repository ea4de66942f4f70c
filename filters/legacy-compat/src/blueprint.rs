//! The policy compiled: checked once, so that nothing in it can fail later.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use postern_core::HeaderEdit;
use postern_core::config::{At, Decode, Errors, Text};
use postern_core::grammar;
use postern_core::host::Host as Proxy;
use postern_core::rules::{Equal, HeaderName, HostPattern, Rules};
use postern_core::shared;

use crate::applies::Further;
use crate::cases::{Case, Cases};
use crate::expression::Names;
use crate::growing::Growing;
use crate::header_edits::{HeaderEdits, checked_names};
use crate::local::Local;
use crate::log_path::LogPath;
use crate::place::Located;
use crate::policy::{
    CasePolicy, DialectPolicy, HeadersPolicy, Policy, RuleMode, RulePolicy, Unmatched,
};
use crate::request_steps::{Others, RequestSteps};
use crate::retirement::Retirement;
use crate::template::Compiler;
use crate::usage::Usage;

/// Where the secret of trials is among the shared data.
pub(crate) const TRIAL_SECRET: &str = "postern/legacy-compat/trial/secret";

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct Blueprint {
    /// The largest body that is rewritten.
    pub(crate) max_body: usize,
    /// What may be logged of paths.
    pub(crate) log: LogPath,
    /// Hosts with a dialect of their own.
    pub(crate) hosts: Vec<Host>,
    /// The dialects, by number.
    pub(crate) dialects: Vec<Dialect>,
    /// Answers that pass no filter.
    pub(crate) local: Vec<Local>,
    /// Who still calls what is to retire.
    pub(crate) usage: Usage,
    /// Is any rule only tried?
    pub(crate) has_shadows: bool,
    /// What keys the digests of what is tried.
    pub(crate) secret: OnceCell<[u8; 16]>,
    /// The rules.
    pub(crate) rules: Rules<Rule>,
}

/// Hosts with a dialect of their own.
#[derive(Debug)]
pub(crate) struct Host {
    /// Their names.
    pub(crate) names: Vec<HostPattern>,
    /// The number of its dialect.
    pub(crate) dialect: usize,
    /// What becomes of requests that no rule matches.
    pub(crate) unmatched: Unmatched,
    /// How much of their path may be logged.
    pub(crate) log_segments: Option<usize>,
}

/// A way of answering.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialect {
    /// The content type of JSON bodies that name none.
    pub(crate) json_type: Option<Vec<u8>>,
    /// Edits of every answer.
    pub(crate) headers: HeaderEdits,
    /// What answers become.
    pub(crate) answers: Cases,
}

/// A compiled rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Conditions that the index does not know of.
    pub(crate) further: Option<Box<Further>>,
    /// Its name.
    pub(crate) name: String,
    /// The number of its dialect.
    pub(crate) dialect: Option<usize>,
    /// What becomes of the request.
    pub(crate) request: RequestSteps,
    /// What becomes of the answer.
    pub(crate) answers: Rc<Answers>,
    /// Captures that are never logged.
    pub(crate) secret: Rc<BTreeSet<String>>,
    /// How much of the path may be logged.
    pub(crate) log_segments: Option<usize>,
    /// Is it only tried?
    pub(crate) is_shadow: bool,
    /// How it ends, and its number among those that do.
    pub(crate) retirement: Option<Box<(usize, Retirement)>>,
}

/// What becomes of the answers to a rule's requests, and what follows from that and from
/// the dialect. Rules that say the same have the same.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// The cases, before the dialect's.
    pub(crate) cases: Cases,
    /// Captures that the templates take.
    pub(crate) wanted: BTreeSet<String>,
    /// Query parameters that name a function of the client's.
    pub(crate) callbacks: BTreeSet<String>,
    /// Does a case need the upstream's body, uncompressed and whole?
    pub(crate) reads_body: bool,
    /// Does a case name the request?
    pub(crate) names_request: bool,
}

/// What rules have in common, while they are compiled.
#[derive(Debug, Default)]
pub(crate) struct Common {
    requests: Equal<Others>,
    secrets: Equal<BTreeSet<String>>,
    /// By all that they follow from.
    answers: BTreeMap<(Option<usize>, Captures, String), Rc<Answers>>,
}

impl Blueprint {
    /// Decodes and compiles a policy.
    ///
    /// # Errors
    /// Every mistake at once.
    pub(crate) fn compile(root: At<'_>) -> Result<Self, Errors> {
        let mut errors = Errors::default();
        let compiled = Policy::decode(root, &mut errors).and_then(|mut policy| {
            let rules = std::mem::take(&mut policy.rules);
            let mut growing = Growing::new(policy, &mut errors)?;
            growing.add(rules, &mut errors);
            Some(growing.finish())
        });
        match compiled {
            Some(blueprint) if errors.is_empty() => Ok(blueprint),
            _ => Err(errors),
        }
    }

    /// What keys the digests of what is tried: the same for all workers, so that equal
    /// changes are equal.
    pub(crate) fn trial_secret(&self, host: &dyn Proxy) -> [u8; 16] {
        let common = || shared::secret(host, TRIAL_SECRET).unwrap_or_else(|| host.random());
        *self.secret.get_or_init(common)
    }

    /// The first entry for a canonical host.
    pub(crate) fn host(&self, host: Option<&str>) -> Option<&Host> {
        self.hosts.get(self.place_of(host?)?)
    }

    /// Its place.
    pub(crate) fn place_of(&self, host: &str) -> Option<usize> {
        self.hosts.iter().position(|h| {
            h.names.iter().any(|name| match name {
                HostPattern::Exact(exact) => exact == host,
                HostPattern::Below(suffix) => {
                    host.len() > suffix.len() && host.ends_with(suffix.as_str())
                }
            })
        })
    }
}

impl Dialect {
    /// A dialect with what it extends.
    pub(crate) fn with_parents(index: usize, own: &[Dialect], parents: &[Option<usize>]) -> Self {
        let mut out = Dialect::default();
        let mut next = Some(index);
        // A circle was refused already; no way is longer than all dialects.
        for _ in 0..own.len() {
            let Some(dialect) = next.and_then(|i| own.get(i)) else { break };
            out.json_type = out.json_type.or_else(|| dialect.json_type.clone());
            out.headers.put_before(&dialect.headers);
            out.answers.extend(&dialect.answers);
            next = next.and_then(|i| parents.get(i).copied().flatten());
        }
        out
    }
}

/// The dialect that each extends. A circle is a mistake.
pub(crate) fn parents(
    known: &[&str],
    dialects: &BTreeMap<String, DialectPolicy>,
    errors: &mut Errors,
) -> Vec<Option<usize>> {
    let wanted: Vec<_> = dialects
        .values()
        .map(|d| d.extends.as_ref().and_then(|name| dialect(known, name, errors)))
        .collect();
    let parent = |index: usize| wanted.get(index).copied().flatten();
    for (index, policy) in dialects.values().enumerate() {
        let way = std::iter::successors(parent(index), |at| parent(*at));
        let circle = way.take(wanted.len()).any(|at| at == index);
        if let (true, Some(name)) = (circle, &policy.extends) {
            name.error(errors, "the dialect extends itself");
        }
    }
    wanted
}

impl Rule {
    /// Compiles it.
    pub(crate) fn compile(
        policy: &RulePolicy,
        dialect: Option<usize>,
        fallback: Option<&Cases>,
        common: &mut Common,
        compiler: &mut Compiler<'_>,
        names: &Names,
        errors: &mut Errors,
    ) -> Self {
        let captures = Captures::of(policy);
        let requests = &mut common.requests;
        let request =
            RequestSteps::compile(&policy.request, &captures, requests, compiler, names, errors);
        let mut secret = request.secrets();
        for capture in &policy.secret {
            if let Err(why) = captures.check(capture.value.as_str()) {
                capture.error(errors, why);
            }
            secret.insert(capture.value.as_str().to_owned());
        }
        let key = (dialect, captures, policy.answers.text.clone());
        let answers = match common.answers.get(&key) {
            Some(same) => Rc::clone(same),
            None => {
                let before = errors.problems().len();
                let made = Answers::compile(
                    &policy.answers.value,
                    &key.1,
                    fallback,
                    compiler,
                    names,
                    errors,
                );
                let made = Rc::new(made);
                // A mistake is told for each of the rules.
                if errors.problems().len() == before {
                    common.answers.insert(key, Rc::clone(&made));
                }
                made
            }
        };
        let named: Vec<&str> = answers.wanted.iter().map(String::as_str).collect();
        request.check_answers(&policy.request, &named, errors);
        Rule {
            further: None,
            name: policy.name.value.as_str().to_owned(),
            dialect,
            request,
            answers,
            secret: common.secrets.one(secret),
            log_segments: policy.log_segments.and_then(|n| usize::try_from(n.get()).ok()),
            is_shadow: policy.mode == RuleMode::Shadow,
            retirement: None,
        }
    }

    /// The captures that its templates take.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &str> {
        let of_body = self.request.body().into_iter().flat_map(|body| body.captures());
        self.answers.wanted.iter().map(String::as_str).chain(of_body)
    }
}

impl Answers {
    fn compile(
        policy: &[Located<CasePolicy>],
        captures: &Captures,
        fallback: Option<&Cases>,
        compiler: &mut Compiler<'_>,
        names: &Names,
        errors: &mut Errors,
    ) -> Self {
        let cases = Cases::compile(policy, Some(captures), compiler, names, errors);
        cases.check_faults(policy, fallback, errors);
        let all = || cases.iter().chain(fallback.into_iter().flat_map(Cases::iter));
        let reads_body = all().any(|case| case.reads_body() || case.asks_body());
        let (mut callbacks, mut wanted) = (BTreeSet::new(), BTreeSet::new());
        add(&mut callbacks, all().filter_map(Case::callback));
        add(&mut wanted, all().flat_map(Case::captures));
        let names_request = all().any(|case| case.names_request);
        Answers { cases, wanted, callbacks, reads_body, names_request }
    }
}

/// Adds names one by one: to collect them would sort them first, which is much code.
pub(crate) fn add<'n>(set: &mut BTreeSet<String>, names: impl Iterator<Item = &'n str>) {
    for name in names {
        set.insert(name.to_owned());
    }
}

/// The captures that all paths of a rule have.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Captures(BTreeSet<String>);

impl Captures {
    fn of(rule: &RulePolicy) -> Self {
        let mut all = BTreeSet::new();
        if let Some((first, rest)) = rule.r#match.paths.split_first() {
            let common = |name: &&str| rest.iter().all(|t| t.names().any(|own| own == *name));
            add(&mut all, first.names().filter(common));
        }
        Captures(all)
    }

    /// Is this one of them?
    ///
    /// # Errors
    /// No: a message that names those there are.
    pub(crate) fn check(&self, name: &str) -> Result<(), String> {
        if self.0.contains(name) {
            return Ok(());
        }
        let known: Vec<_> = self.0.iter().map(String::as_str).collect();
        let name = name.escape_debug();
        Err(if known.is_empty() {
            format!("`{name}` is no capture of the rule's paths, which have none in common")
        } else {
            let known = postern_core::config::schema::words(&known);
            format!("`{name}` is no capture of all the rule's paths, expected {known}")
        })
    }
}

/// The number of a dialect.
pub(crate) fn dialect(
    known: &[&str],
    wanted: &Located<postern_core::config::Name>,
    errors: &mut Errors,
) -> Option<usize> {
    let name = wanted.value.as_str();
    let found = known.iter().position(|k| *k == name);
    if found.is_none() {
        wanted.error(errors, format!("unknown dialect `{name}`"));
    }
    found
}

/// Compiles header edits of answers.
pub(crate) fn header_edits(policy: &HeadersPolicy, errors: &mut Errors) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    edits.moves(&policy.copy, true, errors);
    edits.moves(&policy.rename, false, errors);
    for (name, value) in checked_names(&policy.default, |v, e, m| v.error(e, m), errors) {
        if let Some(value) = header_value(value, errors) {
            edits.fallback(name, value);
        }
    }
    removals(&policy.remove).into_iter().for_each(|edit| edits.push(edit));
    for (name, value) in checked_names(&policy.set, |v, e, m| v.error(e, m), errors) {
        if let Some(value) = header_value(value, errors) {
            edits.push(HeaderEdit::Set(name.into(), value));
        }
    }
    edits
}

/// A fixed header value within its grammar.
pub(crate) fn header_value(text: &Located<Text>, errors: &mut Errors) -> Option<Vec<u8>> {
    let value = text.value.as_str().as_bytes();
    if grammar::is_header_value(value) {
        return Some(value.to_vec());
    }
    text.error(errors, "a header value has no blanks at its ends");
    None
}

/// Removals of headers.
pub(crate) fn removals(names: &[HeaderName]) -> Vec<HeaderEdit> {
    names.iter().map(|n| HeaderEdit::remove(n.as_str().to_owned())).collect()
}
