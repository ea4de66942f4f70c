//! From the policy to steps.

use postern_core::config::{Errors, Text};
use postern_core::grammar;
use postern_core::rules::Equal;
use postern_core::step::HeaderEdit;

use super::{Others, RequestSteps};
use crate::blueprint::{Captures, removals};
use crate::credential::Credential;
use crate::expression::Names;
use crate::header_edits::{HeaderEdits, checked_names};
use crate::pattern::{Pattern, Sources};
use crate::place::{Located, Place};
use crate::request_body::BodySteps;
use crate::request_policy::{MethodOverridePolicy, RequestPolicy};
use crate::source::Source;
use crate::template::Compiler;

impl RequestSteps {
    /// Compiles them; `known`: what other rules have.
    pub(crate) fn compile(
        policy: &RequestPolicy,
        captures: &Captures,
        known: &mut Equal<Others>,
        compiler: &mut Compiler<'_>,
        names: &Names,
        errors: &mut Errors,
    ) -> Self {
        let mut sources = Sources::default();
        let mut pattern = |place: &Place| Pattern::compile(place, captures, &mut sources, errors);
        let path = policy.path.as_ref().and_then(&mut pattern);
        let query = policy.query.0.iter().filter_map(|(key, place)| {
            let pattern = pattern(place)?;
            Some((key.text.clone(), place, pattern))
        });
        let query: Vec<_> = query.collect();
        let credential =
            policy.credential.as_ref().and_then(|c| Credential::compile(c, &mut pattern));
        if let (Some(place), Some(path)) = (&policy.path, &path) {
            path.check_path(place, errors);
        }
        for (_, place, pattern) in &query {
            if !grammar::percent_triplets_whole(&pattern.sample()) {
                place.error(errors, "a `%` is not followed by two hexadecimal digits");
            }
        }
        let query: Vec<_> = query.into_iter().map(|(name, _, pattern)| (name, pattern)).collect();
        if let (None, Some(name)) = (&policy.path, policy.keep_query.first()) {
            name.error(errors, "`keep_query` needs a `path`");
        }
        if let (Some(_), Some(name)) = (&policy.path, policy.drop_query.first()) {
            name.error(errors, "beside a `path` all goes that `keep_query` does not name");
        }
        let own = &policy.headers;
        let mut headers = HeaderEdits::default();
        for (from, to) in own.copy.0.iter().chain(&own.rename.0) {
            let from = Source::Header(from.text.to_ascii_lowercase());
            if from.holds_credential() {
                to.error(errors, to_auth_alone(&from.name()));
            }
        }
        headers.moves(&own.copy, true, errors);
        headers.moves(&own.rename, false, errors);
        for (name, value) in checked_names(&own.default, |v, e, m| v.error(e, m), errors) {
            if let Some(value) = crate::blueprint::header_value(value, errors) {
                headers.fallback(name, value);
            }
        }
        removals(&own.remove).into_iter().for_each(|edit| headers.push(edit));
        let set: Vec<_> = checked_names(&own.set, |v, e, m| v.error(e, m), errors)
            .into_iter()
            .filter_map(|(name, place)| {
                Some((name, Pattern::compile(place, captures, &mut sources, errors)?))
            })
            .collect();
        let body = policy.body.as_ref().map(|body| {
            BodySteps::compile(
                body,
                credential.as_ref(),
                &mut sources,
                captures,
                compiler,
                names,
                errors,
            )
        });
        let mut others = Others {
            sources,
            method: policy.method.as_ref().and_then(|m| method(m, errors)),
            method_override: policy.method_override.as_ref().map(|o| {
                check_override(o, policy.method.is_some(), errors);
                o.value.clone()
            }),
            query,
            keep_query: policy.keep_query.iter().map(|t| t.value.clone()).collect(),
            drop_query: policy.drop_query.iter().map(|t| t.value.as_str().to_owned()).collect(),
            headers,
            set,
            credential,
        };
        others.check(policy, (path.as_ref(), body.is_some()), errors);
        let named = body.as_ref().map(BodySteps::captures).unwrap_or_default();
        others.check_body(policy, &named, "what the upstream gets", errors);
        let holds =
            |name: &&&str| Source::of_request(name).is_some_and(|source| source.holds_credential());
        for (body, name) in policy.body.iter().zip(named.iter().find(holds)) {
            body.error(errors, to_auth_alone(&format!("${name}")));
        }
        others.take_out();
        RequestSteps { path, others: known.one(others), body: body.map(Box::new) }
    }
}

impl Others {
    /// A credential is in no body that has these parts.
    pub(crate) fn check_body(
        &self,
        policy: &RequestPolicy,
        named: &[&str],
        of: &str,
        errors: &mut Errors,
    ) {
        if let (Some(credential), Some(source)) = (&self.credential, &policy.credential) {
            credential.check_body(self, source, named, of, errors);
        }
    }

    /// A credential goes to `auth` and nowhere else; the body is there where it is read.
    fn check(
        &self,
        policy: &RequestPolicy,
        (path, has_body): (Option<&Pattern>, bool),
        errors: &mut Errors,
    ) {
        let patterns: Vec<_> = self.patterns(policy, path).collect();
        if let (Some(credential), Some(source)) = (&self.credential, &policy.credential) {
            credential.check(self, &patterns, source, policy, errors);
        }
        let moved: Vec<usize> = self.credential.iter().flat_map(Credential::secrets).collect();
        let holds = |number: &usize| {
            !moved.contains(number) && self.source(*number).is_some_and(Source::holds_credential)
        };
        for (place, pattern) in &patterns {
            if let Some(source) = pattern.sources().find(holds).and_then(|n| self.source(n)) {
                place.error(errors, to_auth_alone(&source.name()));
            }
        }
        if has_body {
            return;
        }
        let of_body = |numbers: &mut dyn Iterator<Item = usize>| {
            numbers.filter_map(|n| self.sources.get(n)).find(|s| matches!(s, Source::Body(_))).map(
                |source| format!("`{}` needs a `body`, which says what is sent", source.name()),
            )
        };
        for (place, pattern) in patterns {
            if let Some(why) = of_body(&mut pattern.sources()) {
                place.error(errors, why);
            }
        }
        let place = policy.credential.as_ref().and_then(|c| crate::credential::places(c).pop());
        let why = self.credential.as_ref().and_then(|c| of_body(&mut c.sources()));
        if let Some((place, why)) = place.zip(why) {
            place.error(errors, why);
        }
    }

    /// Where a credential stood, nothing of it is left.
    fn take_out(&mut self) {
        let moved: Vec<Source> = self.moved().cloned().collect();
        for source in moved {
            match source {
                Source::Query(name) => self.drop_query.push(name),
                Source::Header(name) => self.headers.push(HeaderEdit::remove(name)),
                Source::BasicUser | Source::BasicPassword => {}
                Source::Capture(_) | Source::Cookie(_) | Source::Body(_) => {}
            }
        }
        if let Some(MethodOverridePolicy { header, query, .. }) = &self.method_override {
            if let Some(header) = header {
                self.headers.push(HeaderEdit::remove(header.as_str().to_owned()));
            }
            self.drop_query.extend(query.iter().map(|name| name.as_str().to_owned()));
        }
    }

    /// The patterns beside the credential, with the parts of the policy that they are of.
    fn patterns<'s>(
        &'s self,
        policy: &'s RequestPolicy,
        path: Option<&'s Pattern>,
    ) -> impl Iterator<Item = (&'s Place, &'s Pattern)> {
        let path = policy.path.iter().zip(path);
        let query = self.query.iter().filter_map(|(name, pattern)| {
            let place = policy.query.0.iter().find(|(key, _)| key.text == *name);
            place.map(|(_, place)| (place, pattern))
        });
        let set = self.set.iter().filter_map(|(name, pattern)| {
            let own = |key: &str| key.eq_ignore_ascii_case(name);
            let place = policy.headers.set.0.iter().find(|(key, _)| own(&key.text));
            place.map(|(_, place)| (place, pattern))
        });
        path.chain(query).chain(set)
    }
}

fn check_override(policy: &Located<MethodOverridePolicy>, fixed: bool, errors: &mut Errors) {
    let MethodOverridePolicy { header, query, .. } = &policy.value;
    if header.is_none() && query.is_none() {
        policy.error(errors, "expected a `header` or a `query` parameter that names the method");
    }
    if fixed {
        policy.error(errors, "`method` says already which method it is");
    }
}

fn method(text: &Located<Text>, errors: &mut Errors) -> Option<Vec<u8>> {
    let method = text.value.as_str().as_bytes();
    if grammar::is_method(method) && !method.iter().any(u8::is_ascii_lowercase) {
        return Some(method.to_vec());
    }
    text.error(errors, "expected a method in upper case such as `GET`");
    None
}

/// Why a part of the request stands in no place but a `credential`.
fn to_auth_alone(name: &str) -> String {
    format!("`{name}` is a credential, which goes to `auth` and nowhere else")
}
