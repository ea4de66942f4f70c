//! Refusals: one shape for every filter (RFC 9457), with the right challenge.

use std::borrow::Cow;

use crate::record::{Detail, push_json_text};
use crate::step::{Name, Reply};

/// Where the meanings of the refusal codes are described: `type` is this plus
/// the code, and stays the same per kind of refusal.
pub const TYPE_BASE: &str = "https://postern.dev/problems/";

/// A refused request. Becomes `application/problem+json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The status, 400–599.
    pub status: u16,
    /// The stable code in snake case, for example `invalid_token`.
    pub code: &'static str,
    /// The problem type where a standard names one; else [`TYPE_BASE`] + code.
    pub problem_type: Option<&'static str>,
    /// A short summary that stays the same per code.
    pub title: &'static str,
    /// What was wrong this time; never a credential nor a rule's inner text.
    pub detail: Cow<'static, str>,
    /// Headers: challenge, `retry-after`, rate-limit fields.
    pub headers: Vec<(Name, Vec<u8>)>,
    /// Further members of the problem.
    pub members: Vec<(&'static str, Detail)>,
}

impl Refusal {
    /// A refusal without headers.
    pub fn new(
        status: u16,
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Refusal {
            status,
            code,
            problem_type: None,
            title,
            detail: detail.into(),
            headers: Vec::new(),
            members: Vec::new(),
        }
    }

    /// A request whose path, host or method cannot be judged.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Refusal::new(400, "bad_request", "Bad request", detail)
    }

    /// The shell's own: a filter wrote what cannot be sent.
    #[must_use]
    pub fn bad_edit() -> Self {
        let detail = "the gateway made a header that cannot be sent";
        Refusal::new(500, "bad_edit", "Internal error", detail)
    }

    /// The shell's own: a filter asks or waits where it cannot, or too often.
    #[must_use]
    pub fn cannot_ask() -> Self {
        let detail = "a service that the gateway needs cannot be asked";
        Refusal::new(503, "unavailable", "Service unavailable", detail).header("retry-after", "1")
    }

    /// The shell's own: as many requests wait as may.
    #[must_use]
    pub fn too_many_waiting() -> Self {
        let detail = "too many requests wait for a service that the gateway needs";
        let title = "Service unavailable";
        Refusal::new(503, "too_many_waiting", title, detail).header("retry-after", "1")
    }

    /// The same, with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<Name>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same, with one more member of the problem.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: impl Into<Detail>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// The answer to the client. `instance` is the request id.
    #[must_use]
    pub fn to_reply(&self, instance: Option<&[u8]>) -> Reply {
        let mut headers: Vec<(Name, Vec<u8>)> = vec![
            ("content-type".into(), b"application/problem+json".to_vec()),
            ("cache-control".into(), b"no-store".to_vec()),
        ];
        headers.extend(self.headers.iter().cloned());
        let mut body = self.summary(instance);
        for (name, value) in &self.members {
            push_name(&mut body, name);
            value.push(&mut body);
        }
        body.push(b'}');
        Reply { status: self.status, headers, body }
    }

    /// What outer filters learn of it: the problem's members plus `by`, the
    /// plugin that refused. Published as filter state `postern.refusal`.
    #[must_use]
    pub fn to_state(&self, by: &str, instance: Option<&[u8]>) -> Vec<u8> {
        let mut state = self.summary(instance);
        push_text(&mut state, "by", by);
        state.push(b'}');
        state
    }

    /// An object that is still open.
    fn summary(&self, instance: Option<&[u8]>) -> Vec<u8> {
        let problem_type = match self.problem_type {
            Some(uri) => uri.to_owned(),
            None => format!("{TYPE_BASE}{}", self.code.replace('_', "-")),
        };
        let mut out = Vec::with_capacity(256);
        out.push(b'{');
        push_text(&mut out, "type", &problem_type);
        push_text(&mut out, "title", self.title);
        push_name(&mut out, "status");
        out.extend_from_slice(self.status.to_string().as_bytes());
        push_text(&mut out, "detail", &self.detail);
        if let Some(id) = instance.and_then(|id| std::str::from_utf8(id).ok()) {
            push_text(&mut out, "instance", id);
        }
        push_text(&mut out, "code", self.code);
        out
    }
}

fn push_text(out: &mut Vec<u8>, name: &str, text: &str) {
    push_name(out, name);
    push_json_text(out, text);
}

/// A member's name, with a comma before it unless it is the first.
fn push_name(out: &mut Vec<u8>, name: &str) {
    if out.len() > 1 {
        out.push(b',');
    }
    push_json_text(out, name);
    out.push(b':');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_problem_in_json() {
        let refusal = Refusal::new(429, "quota_exceeded", "Quota", "a \"b\"\n")
            .header("retry-after", "1")
            .member("violated", vec!["x".to_owned(), "y\\".to_owned()])
            .member("rule", "r");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let reply = refusal.to_reply(Some(b"id-1"));
        assert_eq!(
            text(reply.body),
            r#"{"type":"https://postern.dev/problems/quota-exceeded","title":"Quota","status":429,"detail":"a \"b\"\n","instance":"id-1","code":"quota_exceeded","violated":["x","y\\"],"rule":"r"}"#
        );
        assert_eq!(reply.headers.len(), 3);
        assert_eq!(
            text(refusal.to_state("auth", Some(b"\xff"))),
            r#"{"type":"https://postern.dev/problems/quota-exceeded","title":"Quota","status":429,"detail":"a \"b\"\n","code":"quota_exceeded","by":"auth"}"#
        );
    }
}
