//! What becomes of a request: texts with parts of it, checked when loaded.

use std::collections::BTreeSet;

use postern_core::config::{Errors, Text};
use postern_core::grammar;
use postern_core::rules::Method;
use postern_core::step::HeaderEdit;
use postern_core::target::{Target, decode_form, query_pairs};
use postern_core::template::Captured;
use postern_core::{Refusal, Request};

use crate::blueprint::{Captures, removals};
use crate::credential::Credential;
use crate::expression::Names;
use crate::header_edits::{HeaderEdits, checked_names};
use crate::pattern::{Filled, Pattern, Sources};
use crate::place::{Located, Place};
use crate::request_body::BodySteps;
use crate::request_policy::{MethodOverridePolicy, RequestPolicy};
use crate::source::{Found, Source, cookies, push_percent};
use crate::template::Compiler;

/// Compiled steps.
#[derive(Debug)]
pub(crate) struct RequestSteps {
    sources: Sources,
    method: Option<Vec<u8>>,
    method_override: Option<MethodOverridePolicy>,
    path: Option<Pattern>,
    query: Vec<(String, Pattern)>,
    keep_query: Vec<Text>,
    drop_query: Vec<String>,
    headers: HeaderEdits,
    set: Vec<(String, Pattern)>,
    credential: Option<Credential>,
    body: Option<BodySteps>,
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

impl RequestSteps {
    /// Compiles them.
    pub(crate) fn compile(
        policy: &RequestPolicy,
        captures: &Captures,
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
                &sources,
                captures,
                compiler,
                names,
                errors,
            )
        });
        let mut steps = RequestSteps {
            sources,
            method: policy.method.as_ref().and_then(|m| method(m, errors)),
            method_override: policy.method_override.as_ref().map(|o| {
                check_override(o, policy.method.is_some(), errors);
                o.value.clone()
            }),
            path,
            query,
            keep_query: policy.keep_query.iter().map(|t| t.value.clone()).collect(),
            drop_query: policy.drop_query.iter().map(|t| t.value.as_str().to_owned()).collect(),
            headers,
            set,
            credential,
            body,
        };
        steps.check(policy, errors);
        steps.take_out();
        steps
    }

    /// A credential goes to `auth` and nowhere else; the body is there where it is read.
    fn check(&self, policy: &RequestPolicy, errors: &mut Errors) {
        if let (Some(credential), Some(source)) = (&self.credential, &policy.credential) {
            credential.check(self, source, policy, errors);
        }
        if self.body.is_some() {
            return;
        }
        let of_body = |numbers: &mut dyn Iterator<Item = usize>| {
            numbers.filter_map(|n| self.sources.get(n)).find(|s| matches!(s, Source::Body(_))).map(
                |source| format!("`{}` needs a `body`, which says what is sent", source.name()),
            )
        };
        for (place, pattern) in self.patterns(policy) {
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

    /// The places that the credential is taken out of.
    pub(crate) fn moved(&self) -> impl Iterator<Item = &Source> {
        let numbers = self.credential.iter().flat_map(Credential::sources);
        numbers.filter_map(|number| self.sources.get(number))
    }

    /// A place by its number.
    pub(crate) fn source(&self, number: usize) -> Option<&Source> {
        self.sources.get(number)
    }

    /// The patterns beside the credential, with the parts of the policy that they are of.
    pub(crate) fn patterns<'s>(
        &'s self,
        policy: &'s RequestPolicy,
    ) -> impl Iterator<Item = (&'s Place, &'s Pattern)> {
        let path = policy.path.iter().zip(&self.path);
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

    /// The names of headers that are copied or renamed.
    pub(crate) fn moved_headers(&self) -> impl Iterator<Item = &str> {
        self.headers.moved()
    }

    /// The captures that a password or token is made of.
    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for number in self.credential.iter().flat_map(Credential::secrets) {
            if let Some(Source::Capture(name)) = self.sources.get(number) {
                names.insert(name.clone());
            }
        }
        names
    }

    /// What becomes of the body.
    pub(crate) fn body(&self) -> Option<&BodySteps> {
        self.body.as_ref()
    }

    /// What to say of a credential that is not one (RFC 9110 §11.6.1).
    fn challenge(&self) -> &'static str {
        self.credential.as_ref().map_or("", Credential::challenge)
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
        let found = self.sources.list().iter().map(|s| s.find(request, target, captures));
        let found: Result<Vec<_>, _> = found.collect();
        let found = found.map_err(|_| Unwritable::Several)?;
        let mut edits = self.headers.of(|| request.headers().iter());
        if let Some(cookie) = self.other_cookies(request) {
            edits.push(cookie);
        }
        let basic = |s: &Source| matches!(s, Source::BasicUser | Source::BasicPassword);
        let taken = self.sources.list().iter().zip(&found);
        if self.moved().any(basic) && taken.clone().any(|(s, f)| basic(s) && f.is_some()) {
            edits.push(HeaderEdit::remove("authorization"));
        }
        let method = match &self.method_override {
            Some(asked) => overridden(asked, request, target)?,
            None => self.method.clone(),
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
        for (source, found) in self.sources.list().iter().zip(&mut found) {
            if let Source::Body(name) = source {
                *found = body(name).map(|text| Found::plain(text.as_bytes()));
            }
        }
        match &self.path {
            Some(path) => {
                edits.push(HeaderEdit::set(":path", self.path(path, target, &found)?));
            }
            None => edits.extend(self.same_path(target, &found)?),
        }
        for (name, pattern) in &self.set {
            let Some(value) = pattern.decoded(&found) else { continue };
            if !grammar::is_header_value(&value) {
                return Err(Unwritable::Header);
            }
            edits.push(HeaderEdit::Set(name.clone().into(), value));
        }
        if let Some(credential) = &self.credential {
            edits.extend(credential.edit(&found)?);
        }
        Ok(edits)
    }

    fn path(
        &self,
        path: &Pattern,
        target: &Target<'_>,
        found: &[Option<Found>],
    ) -> Result<Vec<u8>, Unwritable> {
        let mut out = Vec::with_capacity(96);
        for part in path.fill(found).ok_or(Unwritable::Path)? {
            match part {
                Filled::Literal(text) => push_escaped(&mut out, text.as_bytes(), b"?"),
                Filled::Found(found) => push_escaped(&mut out, &found.for_path(), b"?"),
            }
        }
        // A part may have made a dot segment.
        let checked = Target::parse(Some(&out)).map_err(|_| Unwritable::Path)?;
        if checked.is_changed() || checked.is_asterisk() {
            return Err(Unwritable::Path);
        }
        let mut mark = b'?';
        for (name, pattern) in &self.query {
            let Some(parts) = pattern.fill(found) else { continue };
            push_name(&mut out, &mut mark, name);
            push_parts(&mut out, &parts);
        }
        for (name, value) in query_pairs(target.query().unwrap_or_default()) {
            let decoded = decode_form(name);
            let named = |k: &Text| k.as_str().as_bytes() == decoded.as_ref();
            let dropped = |d: &String| d.as_bytes() == decoded.as_ref();
            if self.keep_query.iter().any(named) && !self.drop_query.iter().any(dropped) {
                out.push(std::mem::replace(&mut mark, b'&'));
                push_escaped(&mut out, name, b"");
                out.push(b'=');
                push_escaped(&mut out, value, b"");
            }
        }
        if grammar::is_path(&out) { Ok(out) } else { Err(Unwritable::Path) }
    }

    /// The same path with another query, if that changes.
    fn same_path(
        &self,
        target: &Target<'_>,
        found: &[Option<Found>],
    ) -> Result<Option<HeaderEdit>, Unwritable> {
        let set = self.query.iter().filter_map(|(name, p)| Some((name, p.fill(found)?)));
        let set: Vec<_> = set.collect();
        let drops = !self.drop_query.is_empty() && target.query().is_some();
        if set.is_empty() && !drops {
            return Ok(None);
        }
        let names: Vec<&str> =
            self.drop_query.iter().chain(set.iter().map(|(n, _)| *n)).map(String::as_str).collect();
        let mut out = target.canonical_without(&names);
        let mut mark = if out.contains(&b'?') { b'&' } else { b'?' };
        for (name, parts) in &set {
            push_name(&mut out, &mut mark, name);
            push_parts(&mut out, parts);
        }
        if !grammar::is_path(&out) {
            return Err(Unwritable::Path);
        }
        Ok((out != target.canonical()).then(|| HeaderEdit::set(":path", out)))
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

fn check_override(policy: &Located<MethodOverridePolicy>, fixed: bool, errors: &mut Errors) {
    let MethodOverridePolicy { header, query, .. } = &policy.value;
    if header.is_none() && query.is_none() {
        policy.error(errors, "expected a `header` or a `query` parameter that names the method");
    }
    if fixed {
        policy.error(errors, "`method` says already which method it is");
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

fn method(text: &Located<Text>, errors: &mut Errors) -> Option<Vec<u8>> {
    let method = text.value.as_str().as_bytes();
    if grammar::is_method(method) && !method.iter().any(u8::is_ascii_lowercase) {
        return Some(method.to_vec());
    }
    text.error(errors, "expected a method in upper case such as `GET`");
    None
}

fn push_name(out: &mut Vec<u8>, mark: &mut u8, name: &str) {
    out.push(std::mem::replace(mark, b'&'));
    push_escaped(out, name.as_bytes(), b"&=+%");
    out.push(b'=');
}

fn push_parts(out: &mut Vec<u8>, parts: &[Filled<'_>]) {
    for part in parts {
        match part {
            Filled::Literal(text) => push_escaped(out, text.as_bytes(), b"&"),
            Filled::Found(found) => push_escaped(out, &found.for_query(), b"&"),
        }
    }
}

/// Appends bytes as they are, but for what cannot stand in a request line and
/// for `reserved`, which are percent-encoded.
fn push_escaped(out: &mut Vec<u8>, bytes: &[u8], reserved: &[u8]) {
    for b in bytes {
        if (0x21..=0x7e).contains(b) && *b != b'#' && !reserved.contains(b) {
            out.push(*b);
        } else {
            push_percent(out, *b);
        }
    }
}

/// For the edits of a body that is not there.
pub(crate) fn no_body(_: &str) -> Option<String> {
    None
}
