//! What becomes of a request: texts with captures, checked when loaded.

use std::collections::BTreeSet;

use postern_core::config::{Errors, Text};
use postern_core::grammar;
use postern_core::step::HeaderEdit;
use postern_core::target::{Target, percent_decode, query_pairs};
use postern_core::template::Captured;

use ct_codecs::{Base64, Encoder};

use crate::blueprint::{Captures, checked_names, removals};
use crate::place::{Located, Place};
use crate::policy::{CredentialPolicy, RequestPolicy};
use crate::template::{Piece, pieces};

/// Compiled steps.
#[derive(Debug)]
pub(crate) struct RequestSteps {
    method: Option<Vec<u8>>,
    path: Option<Pattern>,
    query: Vec<(String, Pattern)>,
    keep_query: Vec<Text>,
    remove: Vec<HeaderEdit>,
    set: Vec<(String, Pattern)>,
    credential: Option<Credential>,
}

#[derive(Debug)]
enum Credential {
    Basic(Pattern, Pattern),
    Bearer(Pattern),
}

/// Why a request cannot be rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwritable {
    /// A capture makes the path ambiguous.
    Path,
    /// A capture does not fit a header.
    Header,
    /// A capture does not fit the credential's form.
    Credential,
}

impl RequestSteps {
    /// Compiles them.
    pub(crate) fn compile(
        policy: &RequestPolicy,
        captures: &Captures,
        errors: &mut Errors,
    ) -> Self {
        let mut pattern = |place: &Place| Pattern::compile(place, captures, errors);
        let path = policy.path.as_ref().and_then(&mut pattern);
        let query = policy.query.0.iter().filter_map(|(key, place)| {
            let pattern = pattern(place)?;
            Some((key.text.clone(), place, pattern))
        });
        let query: Vec<_> = query.collect();
        let credential = match &policy.credential {
            Some(CredentialPolicy::Basic(basic)) => {
                let (user, password) = (pattern(&basic.username), pattern(&basic.password));
                user.zip(password).map(|(u, p)| Credential::Basic(u, p))
            }
            Some(CredentialPolicy::Bearer(token)) => pattern(token).map(Credential::Bearer),
            None => None,
        };
        if let (Some(place), Some(path)) = (&policy.path, &path) {
            path.check_path(place, errors);
        }
        for (_, place, pattern) in &query {
            if !grammar::percent_triplets_whole(&pattern.sample()) {
                place.error(errors, "a `%` is not followed by two hexadecimal digits");
            }
        }
        let query = query.into_iter().map(|(name, _, pattern)| (name, pattern)).collect();
        if policy.path.is_none() {
            for (_, place) in &policy.query.0 {
                place.error(errors, "`query` needs a `path`");
            }
            if let Some(name) = policy.keep_query.first() {
                name.error(errors, "`keep_query` needs a `path`");
            }
        }
        let names = checked_names(&policy.headers.set, |v, e, m| v.error(e, m), errors);
        let set: Vec<_> = names
            .into_iter()
            .filter_map(|(name, place)| Some((name, Pattern::compile(place, captures, errors)?)))
            .collect();
        if credential.is_some()
            && let Some((_, place)) = policy
                .headers
                .set
                .0
                .iter()
                .find(|(k, _)| k.text.eq_ignore_ascii_case("authorization"))
        {
            place.error(errors, "the credential sets `authorization` already");
        }
        if let Some(credential) = &credential {
            check_secrets(policy, credential, captures, errors);
        }
        RequestSteps {
            method: policy.method.as_ref().and_then(|m| method(m, errors)),
            path,
            query,
            keep_query: policy.keep_query.iter().map(|t| t.value.clone()).collect(),
            remove: removals(&policy.headers.remove),
            set,
            credential,
        }
    }

    /// The captures that a password or token is made of.
    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        self.credential.iter().flat_map(Credential::secrets).map(str::to_owned).collect()
    }

    /// What to say of a credential that is not one (RFC 9110 §11.6.1).
    pub(crate) fn challenge(&self) -> &'static str {
        match &self.credential {
            Some(Credential::Basic(..)) => "Basic realm=\"postern\", charset=\"UTF-8\"",
            _ => "Bearer realm=\"postern\"",
        }
    }

    /// The header edits that rewrite a request.
    ///
    /// # Errors
    /// A capture does not fit where it is put.
    pub(crate) fn edits(
        &self,
        target: &Target<'_>,
        captures: &[Captured<'_, '_>],
    ) -> Result<Vec<HeaderEdit>, Unwritable> {
        let mut edits = self.remove.clone();
        if let Some(method) = &self.method {
            edits.push(HeaderEdit::set(":method", method.clone()));
        }
        if let Some(path) = &self.path {
            edits.push(HeaderEdit::set(":path", self.path(path, target, captures)?));
        }
        for (name, pattern) in &self.set {
            let value = pattern.decoded(captures);
            if !grammar::is_header_value(&value) {
                return Err(Unwritable::Header);
            }
            edits.push(HeaderEdit::Set(name.clone().into(), value));
        }
        if let Some(credential) = &self.credential {
            // Beside one that the client sent, so that `auth` sees both and refuses.
            edits.push(HeaderEdit::append("authorization", credential.value(captures)?));
        }
        Ok(edits)
    }

    fn path(
        &self,
        path: &Pattern,
        target: &Target<'_>,
        captures: &[Captured<'_, '_>],
    ) -> Result<Vec<u8>, Unwritable> {
        let mut out = Vec::with_capacity(96);
        path.raw(captures, |bytes| push_escaped(&mut out, bytes, b"?"));
        // A capture may have made a dot segment.
        let checked = Target::parse(Some(&out)).map_err(|_| Unwritable::Path)?;
        if checked.is_changed() || checked.is_asterisk() {
            return Err(Unwritable::Path);
        }
        let mut mark = b'?';
        for (name, pattern) in &self.query {
            out.push(std::mem::replace(&mut mark, b'&'));
            push_escaped(&mut out, name.as_bytes(), b"&=+%");
            out.push(b'=');
            pattern.raw(captures, |bytes| push_escaped(&mut out, bytes, b"&"));
        }
        for (name, value) in query_pairs(target.query().unwrap_or_default()) {
            let decoded = percent_decode(name);
            if self.keep_query.iter().any(|k| k.as_str().as_bytes() == decoded.as_ref()) {
                out.push(std::mem::replace(&mut mark, b'&'));
                push_escaped(&mut out, name, b"");
                out.push(b'=');
                push_escaped(&mut out, value, b"");
            }
        }
        if grammar::is_path(&out) { Ok(out) } else { Err(Unwritable::Path) }
    }
}

/// A credential from the path goes to `auth` and nowhere else.
fn check_secrets(
    policy: &RequestPolicy,
    credential: &Credential,
    captures: &Captures,
    errors: &mut Errors,
) {
    let secrets: BTreeSet<&str> = credential.secrets().collect();
    let (Some(first), Some(source)) = (secrets.first(), &policy.credential) else { return };
    let place = match source {
        CredentialPolicy::Basic(basic) => &basic.password,
        CredentialPolicy::Bearer(token) => token,
    };
    if policy.path.is_none() {
        place.error(errors, format!("`{first}` would stay in the path: the rule needs a `path`"));
    }
    let query = policy.query.0.iter().map(|(_, place)| place);
    let set = policy.headers.set.0.iter().map(|(_, place)| place);
    for place in policy.path.iter().chain(query).chain(set) {
        // What does not compile was told already.
        let Some(pattern) = Pattern::compile(place, captures, &mut Errors::default()) else {
            continue;
        };
        if let Some(secret) = pattern.captures().find(|name| secrets.contains(name)) {
            place.error(
                errors,
                format!("`{secret}` is a credential, which the upstream must not get"),
            );
        }
    }
}

impl Credential {
    /// The captures that the password or token is made of.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        match self {
            Credential::Basic(_, secret) | Credential::Bearer(secret) => secret.captures(),
        }
    }

    fn value(&self, captures: &[Captured<'_, '_>]) -> Result<Vec<u8>, Unwritable> {
        match self {
            Credential::Basic(user, password) => {
                let (user, password) = (user.decoded(captures), password.decoded(captures));
                // RFC 7617: the first colon ends the user.
                if user.contains(&b':') {
                    return Err(Unwritable::Credential);
                }
                let pair = [user.as_slice(), b":", password.as_slice()].concat();
                let encoded = Base64::encode_to_string(pair).map_err(|_| Unwritable::Credential)?;
                Ok(format!("Basic {encoded}").into_bytes())
            }
            Credential::Bearer(token) => {
                let token = token.decoded(captures);
                let b64token = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(b);
                if token.is_empty() || !token.iter().all(b64token) {
                    return Err(Unwritable::Credential);
                }
                Ok([b"Bearer ", token.as_slice()].concat())
            }
        }
    }
}

/// A text with captures in it.
#[derive(Debug)]
struct Pattern(Vec<Part>);

#[derive(Debug)]
enum Part {
    Literal(String),
    Capture(String),
}

impl Pattern {
    fn compile(place: &Place, captures: &Captures, errors: &mut Errors) -> Option<Self> {
        let text = place.text(errors, "a text, perhaps with captures as `{name}`")?;
        let parts = pieces(text).and_then(|pieces| {
            let parts = pieces.into_iter().map(|piece| match piece {
                Piece::Literal(text) if text.chars().any(char::is_control) => {
                    Err("expected a text without control characters".to_owned())
                }
                Piece::Literal(text) => Ok(Part::Literal(text)),
                Piece::Braced(name) => {
                    captures.check(name).map(|()| Part::Capture(name.to_owned()))
                }
            });
            parts.collect::<Result<Vec<_>, _>>()
        });
        match parts {
            Ok(parts) => Some(Pattern(parts)),
            Err(why) => {
                place.error(errors, why);
                None
            }
        }
    }

    /// The text with an `x` for each capture.
    fn sample(&self) -> Vec<u8> {
        let parts = self.0.iter().map(|part| match part {
            Part::Literal(text) => text.as_bytes(),
            Part::Capture(_) => b"x",
        });
        parts.collect::<Vec<_>>().concat()
    }

    fn check_path(&self, place: &Place, errors: &mut Errors) {
        let sample = self.sample();
        let parsed = Target::parse(Some(&sample));
        let good = grammar::is_path(&sample)
            && parsed.is_ok_and(|t| !t.is_changed() && t.query().is_none());
        if !good {
            place.error(
                errors,
                "expected a canonical path that begins with `/`; what follows a `?` stands under `query`",
            );
        }
    }

    fn captures(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Capture(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    fn decoded(&self, captures: &[Captured<'_, '_>]) -> Vec<u8> {
        let mut out = Vec::new();
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Capture(name) => {
                    let found = captures.iter().find(|c| c.name == name);
                    out.extend_from_slice(found.map(|c| c.decoded.as_slice()).unwrap_or_default());
                }
            }
        }
        out
    }

    /// Hands out the parts as they came.
    fn raw(&self, captures: &[Captured<'_, '_>], mut put: impl FnMut(&[u8])) {
        for part in &self.0 {
            match part {
                Part::Literal(text) => put(text.as_bytes()),
                Part::Capture(name) => {
                    let found = captures.iter().find(|c| c.name == name);
                    put(found.map(|c| c.raw.as_ref()).unwrap_or_default());
                }
            }
        }
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

/// Appends bytes as they are, but for what cannot stand in a request line and
/// for `reserved`, which are percent-encoded.
fn push_escaped(out: &mut Vec<u8>, bytes: &[u8], reserved: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |n: u8| HEX.get(usize::from(n & 15)).copied().unwrap_or(b'0');
    for b in bytes {
        if (0x21..=0x7e).contains(b) && *b != b'#' && !reserved.contains(b) {
            out.push(*b);
        } else {
            out.extend_from_slice(&[b'%', digit(b >> 4), digit(*b)]);
        }
    }
}
