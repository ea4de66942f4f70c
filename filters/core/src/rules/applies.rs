//! What a rule applies to.

use crate::config::{AtLeastOne, Text};
use crate::headers::Headers;
use crate::template::Template;
use crate::truth::Truth;

use super::{HeaderMatch, HeaderName, HostPattern, Method, Subject};

crate::config! {
    /// What a rule applies to. All given conditions have to hold; a condition
    /// that is left out always holds.
    pub struct Match {
        /// Hosts, in any case and with any port: `api.example.com`, or
        /// `*.example.com` for all names below it.
        hosts: AtLeastOne<HostPattern> = AtLeastOne::default(),
        /// Methods. `GET` stands for `HEAD` too.
        methods: AtLeastOne<Method> = AtLeastOne::default(),
        /// Path templates; one has to match the canonical path.
        paths: AtLeastOne<Template> = AtLeastOne::default(),
        /// Names of the proxy's routes (`name` of a route in its configuration);
        /// the one that it chose for the request has to be among them. It is the
        /// route of the request as it came: what filters before this one changed
        /// is not in it, so this is refused beside `legacy-compat`, and routes
        /// must not differ by what `auth` edits. A name costs a question to the
        /// proxy per request, so paths are cheaper.
        routes: AtLeastOne<Text> = AtLeastOne::default(),
        /// Conditions on headers that all have to hold.
        headers: AtLeastOne<HeaderMatch> = AtLeastOne::default(),
        /// Conditions on headers of which one has to hold.
        any_header: AtLeastOne<HeaderMatch> = AtLeastOne::default(),
    }
}

impl Match {
    /// Applies to every request.
    #[must_use]
    pub fn any() -> Self {
        Match {
            hosts: AtLeastOne::default(),
            methods: AtLeastOne::default(),
            paths: AtLeastOne::default(),
            routes: AtLeastOne::default(),
            headers: AtLeastOne::default(),
            any_header: AtLeastOne::default(),
        }
    }

    /// Does it apply to every request that `other` does? It may say no where it
    /// is so, but never yes where it is not.
    #[must_use]
    pub fn covers(&self, other: &Match) -> bool {
        let everywhere = |t: &Template| t.segments().is_empty() && t.has_tail();
        self.covers_beside_paths(other)
            && (self.paths.is_empty()
                || self.paths.iter().any(everywhere)
                || each(&other.paths, &self.paths, |narrow, wide| wide.covers(narrow)))
    }

    /// As [`Match::covers`], whatever the paths are.
    #[must_use]
    pub fn covers_beside_paths(&self, other: &Match) -> bool {
        let methods = self.methods.is_empty()
            || each(&other.methods, &self.methods, |narrow, wide| {
                // `GET` stands for `HEAD` too.
                wide.covers(narrow.as_str().as_bytes())
            });
        methods
            && (self.hosts.is_empty()
                || each(&other.hosts, &self.hosts, |narrow, wide| wide.covers(narrow)))
            && (self.routes.is_empty() || each(&other.routes, &self.routes, |a, b| a == b))
            && self.headers.iter().all(|own| other.headers.contains(own))
            && (self.any_header.is_empty()
                || each(&other.any_header, &self.any_header, |a, b| a == b))
    }

    /// How many places it takes in an index: one for each pair of a host and a path.
    #[must_use]
    pub fn places(&self) -> usize {
        self.hosts.len().max(1).saturating_mul(self.paths.len().max(1))
    }

    /// Its path templates, and what the index does not look at, if it has any of that.
    pub(super) fn split(self) -> (Vec<Template>, Option<Rest>) {
        let Match { hosts: _, methods: _, paths, routes, headers, any_header } = self;
        let rest = Rest {
            routes: routes.into_vec().into(),
            headers: headers.into_vec().into(),
            any_header: any_header.into_vec().into(),
        };
        (paths.into_vec(), (!rest.is_empty()).then_some(rest))
    }
}

/// The conditions that the index does not look at.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Rest {
    routes: Box<[Text]>,
    headers: Box<[HeaderMatch]>,
    any_header: Box<[HeaderMatch]>,
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.headers.is_empty() && self.any_header.is_empty()
    }

    pub(super) fn route_holds(&self, subject: &Subject<'_>) -> Truth {
        if self.routes.is_empty() { Truth::Yes } else { subject.route_is_of(&self.routes) }
    }

    /// As [`Found::headers_say`](super::Found::headers_say) has it.
    pub(super) fn headers_say(&self, headers: &Headers<'_>) -> Truth {
        let any = || Truth::any(self.any_header.iter().map(|h| h.says(headers)));
        Truth::all(self.headers.iter().map(|h| h.says(headers)))
            .and(|| if self.any_header.is_empty() { Truth::Yes } else { any() })
    }

    /// The first header of which it cannot be told what it says.
    pub(super) fn unsure_header(&self, headers: &Headers<'_>) -> Option<&HeaderName> {
        let all = self.headers.iter().chain(&self.any_header);
        all.filter(|header| header.says(headers) == Truth::Unknown).map(HeaderMatch::name).next()
    }

    pub(super) fn headers_hold(&self, headers: &Headers<'_>) -> bool {
        self.headers.iter().all(|h| h.holds(headers))
            && (self.any_header.is_empty() || self.any_header.iter().any(|h| h.holds(headers)))
    }
}

/// There are some, and each of them is in one of the others.
fn each<T>(narrow: &[T], wide: &[T], covered: impl Fn(&T, &T) -> bool) -> bool {
    !narrow.is_empty() && narrow.iter().all(|n| wide.iter().any(|w| covered(n, w)))
}
