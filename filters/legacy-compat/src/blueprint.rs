//! The policy compiled: checked once, so that nothing in it can fail later.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use postern_core::HeaderEdit;
use postern_core::config::{At, Decode, Errors, Text};
use postern_core::grammar;
use postern_core::rules::{HeaderName, HostPattern, Rules};

use crate::cases::{Case, Cases};
use crate::expression::Names;
use crate::local::Local;
use crate::log_path::LogPath;
use crate::place::{Located, Ordered};
use crate::policy::{DialectPolicy, HeadersPolicy, Policy, RuleMode, RulePolicy, Unmatched};
use crate::request_steps::RequestSteps;
use crate::retirement::Retirement;
use crate::template::Compiler;
use crate::usage::Usage;

/// The most rules that retire at a time: each has five metrics and a table of its own.
const MAX_RETIRING: usize = 256;

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
    /// The rules.
    pub(crate) rules: Rules<Rule>,
}

/// Hosts with a dialect of their own.
#[derive(Debug)]
pub(crate) struct Host {
    names: Vec<HostPattern>,
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
    pub(crate) headers: Vec<HeaderEdit>,
    /// What answers become.
    pub(crate) answers: Cases,
}

/// A compiled rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its name.
    pub(crate) name: String,
    /// The number of its dialect.
    pub(crate) dialect: Option<usize>,
    /// What becomes of the request.
    pub(crate) request: RequestSteps,
    /// What becomes of the answer, before the dialect's.
    pub(crate) answers: Cases,
    /// Captures that are never logged.
    pub(crate) secret: BTreeSet<String>,
    /// How much of the path may be logged.
    pub(crate) log_segments: Option<usize>,
    /// Captures that the answer's templates take.
    pub(crate) wanted: BTreeSet<String>,
    /// Does a case need the upstream's body, uncompressed and whole?
    pub(crate) reads_body: bool,
    /// Is it only tried?
    pub(crate) is_shadow: bool,
    /// How it ends, and its number among those that do.
    pub(crate) retirement: Option<(usize, Retirement)>,
}

impl Blueprint {
    /// Decodes and compiles a policy.
    ///
    /// # Errors
    /// Every mistake at once.
    pub(crate) fn compile(root: At<'_>) -> Result<Self, Errors> {
        let mut errors = Errors::default();
        let compiled = Policy::decode(root, &mut errors).and_then(|p| Self::link(p, &mut errors));
        match compiled {
            Some(blueprint) if errors.is_empty() => Ok(blueprint),
            _ => Err(errors),
        }
    }

    fn link(policy: Policy, errors: &mut Errors) -> Option<Self> {
        let Policy { max_body, log, hosts, date_formats, words, templates, dialects, .. } = policy;
        let (local_replies, rules) = (policy.local_replies, policy.rules);
        // Rules refer to these by name: without one of them they would all
        // seem to be wrong.
        let (date_formats, words) = (date_formats.0?, words.0?);
        let (templates, dialects) = (templates.0?, dialects.0?);
        let names = Names {
            date_formats: date_formats.into_iter().map(|(n, f)| (n, Rc::new(f))).collect(),
            words: words.into_iter().map(|(n, w)| (n, Rc::new(w))).collect(),
        };
        let mut compiler = Compiler::new(&names, &templates);
        compiler.named_templates(errors);
        let known: Vec<&str> = dialects.keys().map(String::as_str).collect();
        let hosts: Vec<_> = hosts
            .iter()
            .map(|host| {
                if host.value.names.is_empty() {
                    host.error(errors, "expected at least one name in `names`");
                }
                Some(Host {
                    names: host.value.names.clone(),
                    dialect: dialect(&known, &host.value.dialect, errors)?,
                    unmatched: host.value.unmatched,
                    log_segments: host
                        .value
                        .log_segments
                        .and_then(|n| usize::try_from(n.get()).ok()),
                })
            })
            .collect();
        let rule_dialects: Vec<_> = rules
            .iter()
            .map(|rule| rule.value.dialect.as_ref().map(|d| dialect(&known, d, errors)))
            .collect();
        let own: Vec<Dialect> = dialects
            .values()
            .map(|d| Dialect {
                json_type: d.json_type.as_ref().and_then(|t| header_value(t, errors)),
                headers: header_edits(&d.headers, errors),
                answers: Cases::compile(&d.answers, None, &mut compiler, &names, errors),
            })
            .collect();
        let local = Local::compile(&local_replies, &known, &mut compiler, &names, errors);
        let parents = parents(&known, &dialects, errors);
        let whole: Vec<Dialect> =
            (0..own.len()).map(|i| Dialect::with_parents(i, &own, &parents)).collect();
        for (policy, dialect) in dialects.values().zip(&whole) {
            dialect.answers.check_faults(&policy.answers, None, errors);
        }
        let dialects = whole;
        let mut seen = BTreeSet::new();
        let mut retiring: Vec<String> = Vec::new();
        let mut compiled = Vec::with_capacity(rules.len());
        for (rule, dialect) in rules.iter().zip(rule_dialects) {
            let name = rule.value.name.value.as_str();
            if !seen.insert(name) {
                rule.value.name.error(errors, format!("another rule is named `{name}`"));
            }
            let dialect = dialect.flatten();
            let fallback = dialect.and_then(|d| dialects.get(d)).map(|d| &d.answers);
            let mut made =
                Rule::compile(&rule.value, dialect, fallback, &mut compiler, &names, errors);
            if let Some(retirement) = &rule.value.retirement {
                made.retirement = Some((retiring.len(), Retirement::compile(retirement, errors)));
                retiring.push(name.to_owned());
                if retiring.len() > MAX_RETIRING {
                    let most = format!("at most {MAX_RETIRING} rules have a `retirement`");
                    rule.value.name.error(errors, most);
                }
            }
            compiled.push((rule.value.r#match.clone(), made));
        }
        Some(Blueprint {
            max_body: usize::try_from(max_body.get()).unwrap_or(usize::MAX),
            log: LogPath::new(&log),
            hosts: hosts.into_iter().collect::<Option<_>>()?,
            dialects,
            local,
            usage: Usage::new(policy.count_clients_over.get().as_secs(), retiring.into_iter()),
            has_shadows: compiled.iter().any(|(_, rule)| rule.is_shadow),
            rules: Rules::new(compiled),
        })
    }

    /// The first entry for a canonical host.
    pub(crate) fn host(&self, host: Option<&str>) -> Option<&Host> {
        let host = host?;
        self.hosts.iter().find(|h| {
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
    fn with_parents(index: usize, own: &[Dialect], parents: &[Option<usize>]) -> Self {
        let mut out = Dialect::default();
        let mut next = Some(index);
        // A circle was refused already; no way is longer than all dialects.
        for _ in 0..own.len() {
            let Some(dialect) = next.and_then(|i| own.get(i)) else { break };
            out.json_type = out.json_type.or_else(|| dialect.json_type.clone());
            out.headers.splice(0..0, dialect.headers.iter().cloned());
            out.answers.extend(&dialect.answers);
            next = next.and_then(|i| parents.get(i).copied().flatten());
        }
        out
    }
}

/// The dialect that each extends. A circle is a mistake.
fn parents(
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
    fn compile(
        policy: &RulePolicy,
        dialect: Option<usize>,
        fallback: Option<&Cases>,
        compiler: &mut Compiler<'_>,
        names: &Names,
        errors: &mut Errors,
    ) -> Self {
        let captures = Captures::of(policy);
        let request = RequestSteps::compile(&policy.request, &captures, errors);
        let answers = Cases::compile(&policy.answers, Some(&captures), compiler, names, errors);
        answers.check_faults(&policy.answers, fallback, errors);
        let mut secret = request.secrets();
        for capture in &policy.secret {
            if let Err(why) = captures.check(capture.value.as_str()) {
                capture.error(errors, why);
            }
            secret.insert(capture.value.as_str().to_owned());
        }
        let shared = fallback.into_iter().flat_map(Cases::iter);
        let reads_body = answers.iter().chain(shared).any(Case::reads_body);
        Rule {
            name: policy.name.value.as_str().to_owned(),
            dialect,
            request,
            secret,
            log_segments: policy.log_segments.and_then(|n| usize::try_from(n.get()).ok()),
            wanted: answers.iter().flat_map(Case::captures).map(str::to_owned).collect(),
            reads_body,
            answers,
            is_shadow: policy.mode == RuleMode::Shadow,
            retirement: None,
        }
    }
}

/// The captures that all paths of a rule have.
pub(crate) struct Captures(BTreeSet<String>);

impl Captures {
    fn of(rule: &RulePolicy) -> Self {
        let sets = rule.r#match.paths.iter().map(|t| t.names().map(str::to_owned).collect());
        Captures(
            sets.reduce(|a: BTreeSet<_>, b| a.intersection(&b).cloned().collect())
                .unwrap_or_default(),
        )
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
pub(crate) fn header_edits(policy: &HeadersPolicy, errors: &mut Errors) -> Vec<HeaderEdit> {
    let mut edits = removals(&policy.remove);
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

/// The entries of a `set` whose names may be written, in lower case.
pub(crate) fn checked_names<'p, T>(
    set: &'p Ordered<T>,
    error: impl Fn(&T, &mut Errors, String),
    errors: &mut Errors,
) -> Vec<(String, &'p T)> {
    const FRAMING: [&str; 5] =
        ["content-length", "transfer-encoding", "connection", "host", "upgrade"];
    let mut out: Vec<(String, &T)> = Vec::new();
    for (key, value) in &set.0 {
        let name = key.text.to_ascii_lowercase();
        if !grammar::is_header_name(&name) {
            error(value, errors, "expected a header name (RFC 9110 token) as the key".to_owned());
        } else if FRAMING.contains(&name.as_str()) {
            error(value, errors, format!("`{name}` is written by the proxy alone"));
        } else if out.iter().any(|(n, _)| *n == name) {
            error(value, errors, format!("the header `{name}` is set twice"));
        } else {
            out.push((name, value));
        }
    }
    out
}
