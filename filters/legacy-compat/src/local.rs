//! Answers that pass no filter: the proxy makes them before the chain, or after the
//! headers of an answer were held. What they would become by the policy, for whoever
//! writes the proxy's own configuration (`local_reply_config`).

use postern_core::HeaderEdit;
use postern_core::config::Errors;

use crate::answer::{MAX_GROWTH, made};
use crate::blueprint::{Blueprint, Dialect, dialect};
use crate::cases::{Body, Case, Cases};
use crate::expression::Names;
use crate::facts::Facts;
use crate::fault::unmade;
use crate::place::Located;
use crate::policy::{LocalPolicy, Origin};
use crate::template::Compiler;

/// How the proxy answers some requests outside of the chain.
#[derive(Debug)]
pub(crate) struct Local {
    dialect: Option<usize>,
    answers: Cases,
}

/// What the proxy's answer with a status becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// Another status.
    pub status: Option<u16>,
    /// Headers with one value each, in order; `content-type` is among them where there
    /// is a body.
    pub headers: Vec<(String, String)>,
    /// The body; `None`: that of the proxy.
    pub body: Option<String>,
}

/// Statuses that the proxy may answer by itself.
const STATUSES: std::ops::RangeInclusive<u16> = 400..=599;

impl Local {
    pub(crate) fn compile(
        policies: &[Located<LocalPolicy>],
        known: &[&str],
        compiler: &mut Compiler<'_>,
        names: &Names,
        errors: &mut Errors,
    ) -> Vec<Local> {
        let one = |policy: &Located<LocalPolicy>| {
            let LocalPolicy { dialect: named, answers, .. } = &policy.value;
            let answers = Cases::compile(answers, None, compiler, names, errors);
            let wanted = named.as_ref().and_then(|name| dialect(known, name, errors));
            Local { dialect: wanted, answers }
        };
        policies.iter().map(one).collect()
    }

    /// Can all answers be told without a filter?
    pub(crate) fn check(
        all: &[Local],
        policies: &[Located<LocalPolicy>],
        dialects: &[Dialect],
        errors: &mut Errors,
    ) {
        for (local, policy) in all.iter().zip(policies) {
            let mut seen: Vec<&Case> = Vec::new();
            for status in STATUSES {
                let facts = Facts { status, ..Facts::default() };
                let Some(case) = local.case(dialects, &facts) else { continue };
                if seen.iter().any(|other| std::ptr::eq(*other, case)) {
                    continue;
                }
                let Some(why) = unknown(case, &facts) else { continue };
                seen.push(case);
                let mut own = local.answers.iter().zip(policy.value.answers.iter());
                let place = own.find(|(own, _)| std::ptr::eq(*own, case));
                match place {
                    Some((_, place)) => {
                        place.error(
                            errors,
                            format!("no filter makes the answer to {status}: {why}"),
                        );
                    }
                    None => policy.error(
                        errors,
                        format!("no filter makes the answer to {status}, the dialect's: {why}"),
                    ),
                }
            }
        }
    }

    /// The case of an answer. What it holds, and who refused, nobody knows there.
    fn case<'l>(&'l self, dialects: &'l [Dialect], facts: &Facts) -> Option<&'l Case> {
        let dialect = self.dialect.and_then(|i| dialects.get(i));
        let own = self.answers.first(facts, Origin::Proxy);
        own.or_else(|| dialect?.answers.first(facts, Origin::Proxy))
    }

    fn reply(&self, dialects: &[Dialect], status: u16, max_body: usize) -> Option<LocalReply> {
        let facts = Facts { status, ..Facts::default() };
        let dialect = self.dialect.and_then(|i| dialects.get(i));
        let mut edits = dialect.map(|d| d.headers.fixed()).unwrap_or_default();
        let mut new = None;
        let mut body = None;
        if let Some(case) = self.case(dialects, &facts) {
            if !matches!(case.body, Body::Keep) {
                // It was checked that it can be.
                let bytes = made(case, &facts, max_body.saturating_mul(MAX_GROWTH)).ok()?;
                body = Some(String::from_utf8(bytes).ok()?);
                edits.extend(case.type_of(dialect, &facts));
            }
            new = case.status;
            edits.extend(case.headers.fixed());
        } else if edits.is_empty() {
            return None;
        }
        let mut headers: Vec<(String, String)> = Vec::new();
        for edit in edits {
            headers.retain(|(name, _)| name != edit.name());
            if let HeaderEdit::Set(name, value) | HeaderEdit::Append(name, value) = edit {
                headers.push((name.into_owned(), String::from_utf8(value).ok()?));
            }
        }
        Some(LocalReply { status: new, headers, body })
    }
}

/// What of an answer cannot be told without a filter.
fn unknown(case: &Case, facts: &Facts) -> Option<String> {
    if case.reads_body() {
        return Some(
            "it has no body that could be read, expected a `text`, or a `json` without paths"
                .to_owned(),
        );
    }
    let Body::Template(template) = &case.body else { return None };
    if let Some(why) = unmade(case, template, facts) {
        return Some(format!(
            "`json` is one {why}, and nothing is known there but `$status`: expected that, \
             `| or 'TEXT'` or `| optional`"
        ));
    }
    let bytes = made(case, facts, usize::MAX).unwrap_or_default();
    std::str::from_utf8(&bytes).is_err().then(|| {
        "the proxy's configuration is UTF-8, expected the `charset` `utf-8` or `us-ascii`"
            .to_owned()
    })
}

impl Blueprint {
    /// What the proxy's answer becomes by each entry of `local_replies`.
    pub(crate) fn local_replies(&self, status: u16) -> Vec<Option<LocalReply>> {
        self.local.iter().map(|l| l.reply(&self.dialects, status, self.max_body)).collect()
    }
}
