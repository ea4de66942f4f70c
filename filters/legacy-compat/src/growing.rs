//! A policy that becomes a blueprint: all but the rules at once, then rules as they come.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use postern_core::config::Errors;
use postern_core::rules::Builder;

use crate::blueprint::{
    Blueprint, Common, Dialect, Host, Rule, dialect, header_edits, header_value, parents,
};
use crate::cases::Cases;
use crate::expression::Names;
use crate::local::Local;
use crate::log_path::LogPath;
use crate::place::{Located, Place};
use crate::policy::{Policy, RulePolicy};
use crate::retirement::Retirement;
use crate::source::Source;
use crate::template::{Compiler, Done};
use crate::usage::Usage;

/// The most rules that retire at a time: each has five metrics and a table of its own.
const MAX_RETIRING: usize = 256;

/// What was compiled so far. Adding a rule costs the same among ten and ten thousand.
pub(crate) struct Growing {
    max_body: usize,
    log: LogPath,
    hosts: Vec<Host>,
    names: Names,
    templates: BTreeMap<String, Place>,
    /// The dialects' names.
    known: Vec<String>,
    dialects: Vec<Dialect>,
    local: Vec<Local>,
    /// Over how many seconds clients are counted, and the rules that retire.
    window: u64,
    retiring: Vec<String>,
    has_shadows: bool,
    done: Done,
    common: Common,
    seen: BTreeSet<String>,
    rules: Builder<Rule>,
}

impl Growing {
    /// All of a policy but its rules.
    pub(crate) fn new(policy: Policy, errors: &mut Errors) -> Option<Self> {
        let Policy { max_body, log, hosts, date_formats, words, templates, dialects, .. } = policy;
        let (local_replies, window) = (policy.local_replies, policy.count_clients_over);
        // Rules refer to these by name: without one of them they would all
        // seem to be wrong.
        let (date_formats, words) = (date_formats.0?, words.0?);
        let (templates, dialects) = (templates.0?, dialects.0?);
        let mut names = Names::default();
        for (name, format) in date_formats {
            names.date_formats.insert(name, Rc::new(format));
        }
        for (name, list) in words {
            names.words.insert(name, Rc::new(list));
        }
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
        Local::check(&local, &local_replies, &whole, errors);
        Some(Growing {
            max_body: usize::try_from(max_body.get()).unwrap_or(usize::MAX),
            log: LogPath::new(&log),
            hosts: hosts.into_iter().collect::<Option<_>>()?,
            known: known.into_iter().map(str::to_owned).collect(),
            dialects: whole,
            local,
            window: window.get().as_secs(),
            retiring: Vec::new(),
            has_shadows: false,
            done: compiler.into_done(),
            common: Common::default(),
            seen: BTreeSet::new(),
            rules: Builder::default(),
            names,
            templates,
        })
    }

    /// Adds the next rules.
    pub(crate) fn add(
        &mut self,
        rules: impl IntoIterator<Item = Located<RulePolicy>>,
        errors: &mut Errors,
    ) {
        let done = std::mem::take(&mut self.done);
        let mut compiler = Compiler::new(&self.names, &self.templates).after(done);
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        for rule in rules {
            let name = rule.value.name.value.as_str();
            if !self.seen.insert(name.to_owned()) {
                rule.value.name.error(errors, format!("another rule is named `{name}`"));
            }
            let dialect = rule.value.dialect.as_ref().and_then(|d| dialect(&known, d, errors));
            let fallback = dialect.and_then(|d| self.dialects.get(d)).map(|d| &d.answers);
            let (common, compiler, names) = (&mut self.common, &mut compiler, &self.names);
            let policy = &rule.value;
            let mut made =
                Rule::compile(policy, dialect, fallback, common, compiler, names, errors);
            for source in made.request.moved() {
                if let Source::Query(name) = source {
                    self.log.hide_query(name);
                }
            }
            if let Some(retirement) = &rule.value.retirement {
                let number = self.retiring.len();
                let compiled = Retirement::compile(retirement, errors);
                made.retirement = Some(Box::new((number, compiled)));
                self.retiring.push(name.to_owned());
                if self.retiring.len() > MAX_RETIRING {
                    let most = format!("at most {MAX_RETIRING} rules have a `retirement`");
                    rule.value.name.error(errors, most);
                }
            }
            self.has_shadows |= made.is_shadow;
            let (shared, further) = rule.value.r#match.split();
            self.rules.push(shared, Rule { further, ..made });
        }
        self.done = compiler.into_done();
    }

    /// No rule is added any more: writes so many places of the index. Are there more?
    pub(crate) fn write(&mut self, count: usize) -> bool {
        self.rules.write(count)
    }

    /// All rules were added.
    pub(crate) fn finish(self) -> Blueprint {
        let Growing { max_body, log, hosts, dialects, local, rules, .. } = self;
        let usage = Usage::new(self.window, self.retiring.into_iter());
        let (has_shadows, rules) = (self.has_shadows, rules.finish());
        let secret = OnceCell::new();
        Blueprint { max_body, log, hosts, dialects, local, usage, has_shadows, secret, rules }
    }
}
