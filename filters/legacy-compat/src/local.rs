//! Answers that pass no filter: the proxy makes them before the chain, or after the
//! headers of an answer were held. What they would become by the policy, for whoever
//! writes the proxy's own configuration (`local_reply_config`).

use postern_core::HeaderEdit;
use postern_core::config::Errors;

use crate::answer::rendered;
use crate::blueprint::{Blueprint, Dialect, dialect};
use crate::cases::{Body, Cases};
use crate::expression::Names;
use crate::facts::Facts;
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
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body; `None`: that of the proxy.
    pub body: Option<Vec<u8>>,
}

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

    fn reply(&self, dialects: &[Dialect], status: u16, max_body: usize) -> Option<LocalReply> {
        let facts = Facts { status, ..Facts::default() };
        let dialect = self.dialect.and_then(|i| dialects.get(i));
        let case = self.answers.first(&facts, Origin::Proxy).or_else(|| {
            // What the answer holds, and who refused, nobody knows there.
            dialect?.answers.first(&facts, Origin::Proxy)
        });
        let mut edits = dialect.map(|d| d.headers.fixed()).unwrap_or_default();
        let mut new = None;
        let mut body = None;
        if let Some(case) = case {
            if !matches!(case.body, Body::Keep) && !case.reads_body() {
                body = rendered(case, &facts, max_body);
                edits.extend(case.type_of(dialect, &facts));
            }
            new = case.status;
            edits.extend(case.headers.fixed());
        } else if edits.is_empty() {
            return None;
        }
        let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
        for edit in edits {
            headers.retain(|(name, _)| name != edit.name());
            if let HeaderEdit::Set(name, value) | HeaderEdit::Append(name, value) = edit {
                headers.push((name.into_owned(), value));
            }
        }
        Some(LocalReply { status: new, headers, body })
    }
}

impl Blueprint {
    /// What the proxy's answer becomes by each entry of `local_replies`.
    pub(crate) fn local_replies(&self, status: u16) -> Vec<Option<LocalReply>> {
        self.local.iter().map(|l| l.reply(&self.dialects, status, self.max_body)).collect()
    }
}
