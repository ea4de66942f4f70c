//! The credential that `auth` gets, made of what the client sent in its own way.

use postern_core::config::Errors;
use postern_core::step::HeaderEdit;

use ct_codecs::{Base64, Encoder};

use crate::expression::{COOKIE, HEADER, QUERY};
use crate::pattern::Pattern;
use crate::place::Place;
use crate::request_policy::{CredentialPolicy, RequestPolicy};
use crate::request_steps::{Others, Unwritable};
use crate::source::{Found, Source};

#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Credential {
    Basic(Pattern, Pattern),
    Bearer(Pattern),
    Key(String, Pattern),
}

/// Where the policy says what it is made of; the secret last.
pub(crate) fn places(policy: &CredentialPolicy) -> Vec<&Place> {
    match policy {
        CredentialPolicy::Basic(basic) => vec![&basic.username, &basic.password],
        CredentialPolicy::Bearer(token) => vec![token],
        CredentialPolicy::Key(key) => vec![&key.value],
    }
}

/// The name that templates have for a place.
fn templated(source: &Source) -> Option<String> {
    match source {
        Source::Capture(name) => Some(name.clone()),
        Source::Query(name) => Some(format!("{QUERY}{name}")),
        Source::Header(name) => Some(format!("{HEADER}{name}")),
        Source::Cookie(name) => Some(format!("{COOKIE}{name}")),
        // It is taken out before anything is made of the body.
        Source::Body(_) => None,
        // No template takes what `authorization` holds.
        Source::BasicUser | Source::BasicPassword => None,
    }
}

/// A name as a template has it.
fn shown(name: &str) -> String {
    let has_place = [QUERY, HEADER, COOKIE].iter().any(|place| name.starts_with(place));
    if has_place { name.to_owned() } else { format!("capture.{name}") }
}

impl Credential {
    pub(crate) fn compile(
        policy: &CredentialPolicy,
        pattern: &mut impl FnMut(&Place) -> Option<Pattern>,
    ) -> Option<Self> {
        match policy {
            CredentialPolicy::Basic(basic) => {
                let (user, password) = (pattern(&basic.username), pattern(&basic.password));
                user.zip(password).map(|(u, p)| Credential::Basic(u, p))
            }
            CredentialPolicy::Bearer(token) => pattern(token).map(Credential::Bearer),
            CredentialPolicy::Key(key) => {
                pattern(&key.value).map(|p| Credential::Key(key.header.as_str().to_owned(), p))
            }
        }
    }

    /// The places that the password, token or key is made of, by number.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = usize> {
        match self {
            Credential::Basic(_, secret)
            | Credential::Bearer(secret)
            | Credential::Key(_, secret) => secret.sources(),
        }
    }

    /// All places that it is made of.
    pub(crate) fn sources(&self) -> impl Iterator<Item = usize> {
        let user = match self {
            Credential::Basic(user, _) => Some(user.sources()),
            Credential::Bearer(_) | Credential::Key(..) => None,
        };
        user.into_iter().flatten().chain(self.secrets())
    }

    /// It goes to `auth` and nowhere else.
    pub(crate) fn check(
        &self,
        steps: &Others,
        patterns: &[(&Place, &Pattern)],
        policy: &CredentialPolicy,
        request: &RequestPolicy,
        errors: &mut Errors,
    ) {
        let header = match self {
            Credential::Key(name, _) => name.as_str(),
            Credential::Basic(..) | Credential::Bearer(_) => "authorization",
        };
        let own = request.headers.set.0.iter().find(|(k, _)| k.text.eq_ignore_ascii_case(header));
        if let Some((_, place)) = own {
            place.error(errors, format!("the credential sets `{header}` already"));
        }
        let secrets: Vec<usize> = self.secrets().collect();
        let Some(place) = places(policy).pop() else { return };
        let in_path = |number: &&usize| matches!(steps.source(**number), Some(Source::Capture(_)));
        if let (None, Some(first)) = (&request.path, secrets.iter().find(in_path)) {
            let name = steps.source(*first).map(Source::name).unwrap_or_default();
            place
                .error(errors, format!("`{name}` would stay in the path: the rule needs a `path`"));
        }
        let told =
            |name: String| format!("`{name}` is a credential, which the upstream must not get");
        for (place, pattern) in patterns {
            if let Some(secret) = pattern.sources().find(|number| secrets.contains(number)) {
                let name = steps.source(secret).map(Source::name).unwrap_or_default();
                place.error(errors, told(name));
            }
        }
        for number in &secrets {
            let Some(source) = steps.source(*number) else { continue };
            let name = match source {
                Source::Header(name) => name.as_str(),
                Source::Cookie(_) => "cookie",
                Source::BasicUser | Source::BasicPassword => "authorization",
                Source::Capture(_) | Source::Query(_) | Source::Body(_) => continue,
            };
            if steps.moved_headers().any(|moved| moved == name) {
                place.error(errors, told(source.name()));
            }
        }
    }

    /// It is in no body, as the templates of the request's and of answers name parts.
    pub(crate) fn check_body(
        &self,
        steps: &Others,
        policy: &CredentialPolicy,
        named: &[&str],
        of: &str,
        errors: &mut Errors,
    ) {
        let Some(place) = places(policy).pop() else { return };
        let mut own: Vec<String> =
            self.secrets().filter_map(|n| templated(steps.source(n)?)).collect();
        if let Credential::Key(name, _) = self {
            own.push(format!("{HEADER}{name}"));
        }
        own.sort();
        own.dedup();
        for name in own.iter().filter(|name| named.contains(&name.as_str())) {
            place.error(
                errors,
                format!(
                    "the credential goes to `auth` and nowhere else, and {of} has \
                     `{{${}}}` in its body",
                    shown(name)
                ),
            );
        }
    }

    /// What to say of one that is none (RFC 9110 §11.6.1).
    pub(crate) fn challenge(&self) -> &'static str {
        match self {
            Credential::Basic(..) => "Basic realm=\"postern\", charset=\"UTF-8\"",
            Credential::Bearer(_) | Credential::Key(..) => "Bearer realm=\"postern\"",
        }
    }

    /// The header that `auth` reads, beside one that the client sent, so that `auth`
    /// sees both and refuses. `None`: the client sent no such credential.
    pub(crate) fn edit(&self, found: &[Option<Found>]) -> Result<Option<HeaderEdit>, Unwritable> {
        let (name, value) = match self {
            Credential::Basic(user, password) => {
                let (Some(user), Some(password)) = (user.decoded(found), password.decoded(found))
                else {
                    return Ok(None);
                };
                // RFC 7617: the first colon ends the user.
                if user.contains(&b':') {
                    return Err(Unwritable::Credential);
                }
                let pair = [user.as_slice(), b":", password.as_slice()].concat();
                let encoded = Base64::encode_to_string(pair).map_err(|_| Unwritable::Credential)?;
                ("authorization", format!("Basic {encoded}").into_bytes())
            }
            Credential::Bearer(token) => {
                let Some(token) = token.decoded(found) else { return Ok(None) };
                let b64token = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(b);
                if token.is_empty() || !token.iter().all(b64token) {
                    return Err(Unwritable::Credential);
                }
                ("authorization", [b"Bearer ", token.as_slice()].concat())
            }
            Credential::Key(name, key) => {
                let Some(key) = key.decoded(found) else { return Ok(None) };
                if key.is_empty() || !key.iter().all(u8::is_ascii_graphic) {
                    return Err(Unwritable::Credential);
                }
                (name.as_str(), key)
            }
        };
        Ok(Some(HeaderEdit::append(name.to_owned(), value)))
    }
}
