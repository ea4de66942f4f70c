//! What becomes of a request: texts with parts of it, checked when loaded.

mod compile;
mod path;

use std::collections::BTreeSet;
use std::rc::Rc;

use postern_core::config::{Errors, Text};
use postern_core::grammar;
use postern_core::rules::Method;
use postern_core::step::HeaderEdit;
use postern_core::target::Target;
use postern_core::template::Captured;
use postern_core::{Refusal, Request};

use crate::credential::Credential;
use crate::header_edits::HeaderEdits;
use crate::pattern::{Pattern, Sources};
use crate::request_body::BodySteps;
use crate::request_policy::{MethodOverridePolicy, RequestPolicy};
use crate::source::{Found, Source, cookies};

/// Compiled steps.
#[derive(Debug)]
pub(crate) struct RequestSteps {
    path: Option<Pattern>,
    others: Rc<Others>,
    body: Option<Box<BodySteps>>,
}

/// What many rules have in common: equal ones are one, so that among thousands of rules
/// few places of memory are read.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Others {
    sources: Sources,
    method: Option<Vec<u8>>,
    method_override: Option<MethodOverridePolicy>,
    query: Vec<(String, Pattern)>,
    keep_query: Vec<Text>,
    drop_query: Vec<String>,
    headers: HeaderEdits,
    set: Vec<(String, Pattern)>,
    credential: Option<Credential>,
}

/// Why a request cannot be rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwritable {
    /// A part makes the path ambiguous, or is not there.
    Path,
    /// A part does not fit a header.
    Header,
    /// A part does not fit the credential's form.
    Credential,
    /// A part stands there several times.
    Several,
    /// The method that is asked for is not among those that may be.
    Method,
}

/// What was found in a request, by the numbers of the sources, and the edits that no
/// body changes.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    found: Vec<Option<Found>>,
    edits: Vec<HeaderEdit>,
}

impl Others {
    /// The places that the credential is taken out of.
    fn moved(&self) -> impl Iterator<Item = &Source> {
        let numbers = self.credential.iter().flat_map(Credential::sources);
        numbers.filter_map(|number| self.sources.get(number))
    }

    /// A place by its number.
    pub(crate) fn source(&self, number: usize) -> Option<&Source> {
        self.sources.get(number)
    }

    /// The names of headers that are copied or renamed.
    pub(crate) fn moved_headers(&self) -> impl Iterator<Item = &str> {
        self.headers.moved()
    }
}

impl RequestSteps {
    /// The places that the credential is taken out of.
    pub(crate) fn moved(&self) -> impl Iterator<Item = &Source> {
        self.others.moved()
    }

    /// The header that a key is put into.
    pub(crate) fn key(&self) -> Option<&str> {
        match &self.others.credential {
            Some(Credential::Key(name, _)) => Some(name),
            _ => None,
        }
    }

    /// The captures that a password or token is made of.
    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for number in self.others.credential.iter().flat_map(Credential::secrets) {
            if let Some(Source::Capture(name)) = self.others.sources.get(number) {
                names.insert(name.clone());
            }
        }
        names
    }

    /// The credential is in no answer that has these parts.
    pub(crate) fn check_answers(
        &self,
        policy: &RequestPolicy,
        named: &[&str],
        errors: &mut Errors,
    ) {
        self.others.check_body(policy, named, "an answer of the rule or its dialect", errors);
    }

    /// What becomes of the body.
    pub(crate) fn body(&self) -> Option<&BodySteps> {
        self.body.as_deref()
    }

    /// What to say of a credential that is not one (RFC 9110 §11.6.1).
    fn challenge(&self) -> &'static str {
        self.others.credential.as_ref().map_or("", Credential::challenge)
    }

    /// Looks for all parts but those of the body.
    ///
    /// # Errors
    /// One stands there several times, or a method that may not be asked for.
    pub(crate) fn find(
        &self,
        request: &Request<'_>,
        target: &Target<'_>,
        captures: &[Captured<'_, '_>],
    ) -> Result<Parts, Unwritable> {
        let found = self.others.sources.list().iter().map(|s| s.find(request, target, captures));
        let found: Result<Vec<_>, _> = found.collect();
        let found = found.map_err(|_| Unwritable::Several)?;
        let mut edits = self.others.headers.of(|| request.headers().iter());
        if let Some(cookie) = self.other_cookies(request) {
            edits.push(cookie);
        }
        let basic = |s: &Source| matches!(s, Source::BasicUser | Source::BasicPassword);
        let taken = self.others.sources.list().iter().zip(&found);
        if self.moved().any(basic) && taken.clone().any(|(s, f)| basic(s) && f.is_some()) {
            edits.push(HeaderEdit::remove("authorization"));
        }
        let method = match &self.others.method_override {
            Some(asked) => overridden(asked, request, target)?,
            None => self.others.method.clone(),
        };
        edits.extend(method.map(|method| HeaderEdit::set(":method", method)));
        Ok(Parts { found, edits })
    }

    /// The cookies without those that were a credential; `None`: as they are.
    fn other_cookies(&self, request: &Request<'_>) -> Option<HeaderEdit> {
        let taken: Vec<&[u8]> = self
            .moved()
            .filter_map(|source| match source {
                Source::Cookie(name) => Some(name.as_bytes()),
                _ => None,
            })
            .collect();
        let all = || request.headers().all("cookie").flat_map(cookies);
        if !all().any(|(name, _)| taken.contains(&name)) {
            return None;
        }
        let left = all().filter(|(name, _)| !taken.contains(name));
        let left: Vec<_> = left.map(|(name, value)| [name, b"=", value].concat()).collect();
        Some(match left.is_empty() {
            true => HeaderEdit::remove("cookie"),
            false => HeaderEdit::set("cookie", left.join(&b"; "[..])),
        })
    }

    /// The header edits that rewrite a request; `body`: what of the body is told, if it
    /// was read.
    ///
    /// # Errors
    /// A part does not fit where it is put.
    pub(crate) fn edits(
        &self,
        parts: Parts,
        target: &Target<'_>,
        body: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<HeaderEdit>, Unwritable> {
        let Parts { mut found, mut edits } = parts;
        for (source, found) in self.others.sources.list().iter().zip(&mut found) {
            if let Source::Body(name) = source {
                *found = body(name).map(|text| Found::plain(text.as_bytes()));
            }
        }
        match &self.path {
            Some(path) => {
                let path = self.others.path(path, target, &found)?;
                edits.push(HeaderEdit::set(":path", path));
            }
            None => edits.extend(self.others.same_path(target, &found)?),
        }
        for (name, pattern) in &self.others.set {
            let Some(value) = pattern.decoded(&found) else { continue };
            if !grammar::is_header_value(&value) {
                return Err(Unwritable::Header);
            }
            edits.push(HeaderEdit::Set(name.clone().into(), value));
        }
        if let Some(credential) = &self.others.credential {
            edits.extend(credential.edit(&found)?);
        }
        Ok(edits)
    }

    /// What the client gets if its request cannot be rewritten.
    pub(crate) fn refusal(&self, why: Unwritable) -> Refusal {
        match why {
            Unwritable::Path => Refusal::bad_request("the path cannot be rewritten"),
            Unwritable::Header => Refusal::bad_request("a part of the path does not fit a header"),
            Unwritable::Several => {
                Refusal::bad_request("a part of the request stands there several times")
            }
            Unwritable::Method => {
                Refusal::bad_request("the method that is asked for cannot be asked for here")
            }
            Unwritable::Credential => Refusal::new(
                401,
                "invalid_credential",
                "Unauthorized",
                "the credential in the path is malformed",
            )
            .header("www-authenticate", self.challenge()),
        }
    }
}

impl Parts {
    /// Adds an edit.
    pub(crate) fn push(&mut self, edit: HeaderEdit) {
        self.edits.push(edit);
    }
}

/// The method that is asked for, if one is.
fn overridden(
    policy: &MethodOverridePolicy,
    request: &Request<'_>,
    target: &Target<'_>,
) -> Result<Option<Vec<u8>>, Unwritable> {
    let header = policy.header.iter().flat_map(|name| request.headers().all(name.as_str()));
    let query = policy.query.iter().flat_map(|name| target.query_values(name.as_str()));
    let mut asked = header.chain(query).map(<[u8]>::to_ascii_uppercase);
    let Some(first) = asked.next() else { return Ok(None) };
    if asked.any(|other| other != first) {
        return Err(Unwritable::Several);
    }
    if request.method() != Some(b"POST") {
        return Ok(None);
    }
    let known = |m: &&Method| m.as_str().as_bytes() == first;
    let found = policy.methods.iter().find(known).ok_or(Unwritable::Method)?;
    Ok(Some(found.as_str().as_bytes().to_vec()))
}

/// For the edits of a body that is not there.
pub(crate) fn no_body(_: &str) -> Option<String> {
    None
}
