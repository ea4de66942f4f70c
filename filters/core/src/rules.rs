//! What a rule applies to, in the words that all four policies share, and an
//! ordered set of rules with an index over it.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::time::Duration;

use crate::conditions::address_of;
use crate::config::schema::Schema;
use crate::config::{At, AtLeastOne, Decode, Errors, Text, decode_text};
use crate::grammar;
use crate::headers::Headers;
use crate::host::Host;
use crate::host_name::host_of;
use crate::matcher::Index;
use crate::target::Target;
use crate::template::{Captured, Template};
use crate::truth::Truth;
use crate::view::Request;

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
        let paths = self.paths.is_empty()
            || self.paths.iter().any(everywhere)
            || each(&other.paths, &self.paths, |narrow, wide| wide.covers(narrow));
        let methods = self.methods.is_empty()
            || each(&other.methods, &self.methods, |narrow, wide| {
                // `GET` stands for `HEAD` too.
                wide.covers(narrow.0.as_bytes())
            });
        paths
            && methods
            && (self.hosts.is_empty()
                || each(&other.hosts, &self.hosts, |narrow, wide| wide.covers(narrow)))
            && (self.routes.is_empty() || each(&other.routes, &self.routes, |a, b| a == b))
            && self.headers.iter().all(|own| other.headers.contains(own))
            && (self.any_header.is_empty()
                || each(&other.any_header, &self.any_header, |a, b| a == b))
    }

    /// What the index does not look at. Headers cost nothing, so they are
    /// asked first.
    fn rest(&self, subject: &Subject<'_>) -> Truth {
        Truth::from(self.headers_hold(subject.headers)).and(|| self.route_holds(subject))
    }

    fn route_holds(&self, subject: &Subject<'_>) -> Truth {
        if self.routes.is_empty() { Truth::Yes } else { subject.route_is_of(&self.routes) }
    }

    /// As [`Found::headers_say`] has it.
    fn headers_say(&self, headers: &Headers<'_>) -> Truth {
        let any = || Truth::any(self.any_header.iter().map(|h| h.says(headers)));
        Truth::all(self.headers.iter().map(|h| h.says(headers)))
            .and(|| if self.any_header.is_empty() { Truth::Yes } else { any() })
    }

    fn headers_hold(&self, headers: &Headers<'_>) -> bool {
        self.headers.iter().all(|h| h.holds(headers))
            && (self.any_header.is_empty() || self.any_header.iter().any(|h| h.holds(headers)))
    }
}

/// There are some, and each of them is in one of the others.
fn each<T>(narrow: &[T], wide: &[T], covered: impl Fn(&T, &T) -> bool) -> bool {
    !narrow.is_empty() && narrow.iter().all(|n| wide.iter().any(|w| covered(n, w)))
}

/// A host, or all hosts below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This one.
    Exact(String),
    /// All that end with this, its leading dot included.
    Below(String),
}

impl HostPattern {
    /// Does it stand for every host that `other` does?
    #[must_use]
    pub fn covers(&self, other: &HostPattern) -> bool {
        match (self, other) {
            (HostPattern::Exact(own), HostPattern::Exact(host)) => own == host,
            (HostPattern::Exact(_), HostPattern::Below(_)) => false,
            (HostPattern::Below(own), HostPattern::Exact(host)) => {
                host.len() > own.len() && host.ends_with(own.as_str())
            }
            (HostPattern::Below(own), HostPattern::Below(below)) => below.ends_with(own.as_str()),
        }
    }
}

impl Decode for HostPattern {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "a host such as `api.example.com` or `*.example.com`, without port";
        decode_text(at, errors, EXPECTED, |text| {
            let (name, below) = match text.strip_prefix('*') {
                Some(rest) if rest.starts_with('.') => {
                    (rest.strip_prefix('.').unwrap_or(rest), true)
                }
                _ => (text, false),
            };
            let name_chars = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            let literal = text.starts_with('[') && text.ends_with(']');
            let good = literal || (!name.is_empty() && name.bytes().all(name_chars));
            match host_of(Some(name.as_bytes())) {
                Some(host) if good && below => Ok(HostPattern::Below(format!(".{host}"))),
                Some(host) if good => Ok(HostPattern::Exact(host)),
                _ => Err(format!("expected {EXPECTED}")),
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a host such as `api.example.com` or `*.example.com`, without port",
            pattern: None,
        }
    }
}

/// An HTTP method, in upper case as on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Method(String);

impl Method {
    /// Does a request with this method fall under it? `GET` covers `HEAD`.
    #[must_use]
    pub fn covers(&self, method: &[u8]) -> bool {
        self.0.as_bytes() == method || (self.0 == "GET" && method == b"HEAD")
    }

    /// As it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Decode for Method {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "a method in upper case such as `GET`";
        decode_text(at, errors, EXPECTED, |text| {
            let lower = text.bytes().any(|b| b.is_ascii_lowercase());
            if grammar::is_method(text.as_bytes()) && !lower {
                Ok(Method(text.to_owned()))
            } else {
                Err(format!("expected {EXPECTED}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: "a method in upper case such as `GET`", pattern: None }
    }
}

/// The name of a header, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderName(String);

impl HeaderName {
    /// The name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name in a type's declaration of defaults.
    #[must_use]
    pub fn from_static(name: &'static str) -> Self {
        HeaderName(name.to_ascii_lowercase())
    }
}

impl Decode for HeaderName {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, "a header name", |text| {
            let lower = text.to_ascii_lowercase();
            if grammar::is_header_name(&lower) {
                Ok(HeaderName(lower))
            } else {
                Err("expected a header name (RFC 9110 token)".to_owned())
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a header name",
            pattern: Some("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$"),
        }
    }
}

/// A condition on a header; it holds if one of the header's values fulfils it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    name: HeaderName,
    test: Test,
}

/// What a value has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Exact(Vec<Text>),
    Prefix(Vec<Text>),
    /// Whatever it is: it is there, or is not.
    Present(bool),
}

impl Test {
    /// Exactly one has to be given.
    pub(crate) fn one_of(
        exact: Option<Vec<Text>>,
        prefix: Option<Vec<Text>>,
        present: Option<bool>,
        at: At<'_>,
        errors: &mut Errors,
    ) -> Option<Self> {
        match (exact, prefix, present) {
            (Some(list), None, None) if !list.is_empty() => Some(Test::Exact(list)),
            (None, Some(list), None) if !list.is_empty() => Some(Test::Prefix(list)),
            (None, None, Some(present)) => Some(Test::Present(present)),
            _ => {
                at.error(
                    errors,
                    "expected exactly one test of `exact`, `prefix` or `present`, not empty",
                );
                None
            }
        }
    }

    /// Is this value one of those meant?
    pub(crate) fn accepts(&self, value: &[u8]) -> bool {
        match self {
            Test::Exact(list) => list.iter().any(|t| t.as_str().as_bytes() == value),
            Test::Prefix(list) => list.iter().any(|t| value.starts_with(t.as_str().as_bytes())),
            Test::Present(present) => *present,
        }
    }
}

crate::config! {
    /// A condition on a header: its name and exactly one test. Of a header that
    /// is repeated one value is enough; in `authz`, `exact` and `prefix` of one whose
    /// values differ cannot be told, since servers differ on which one counts.
    /// The proxy makes one value, with commas, of a repeated `authorization` or
    /// `host`, before any filter sees it.
    struct HeaderMatchConfig {
        /// The header's name, in any case.
        name: HeaderName,
        /// A value is one of these.
        exact: Option<Vec<Text>>,
        /// A value begins with one of these.
        prefix: Option<Vec<Text>>,
        /// The header is there, or is not.
        present: Option<bool>,
    }
}

impl Decode for HeaderMatch {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let HeaderMatchConfig { name, exact, prefix, present } =
            HeaderMatchConfig::decode(at, errors)?;
        let test = Test::one_of(exact, prefix, present, at, errors)?;
        Some(HeaderMatch { name, test })
    }

    fn schema() -> Schema {
        HeaderMatchConfig::schema()
    }
}

impl HeaderMatch {
    fn holds(&self, headers: &Headers<'_>) -> bool {
        let mut values = headers.all(self.name.as_str());
        match &self.test {
            Test::Present(present) => values.next().is_some() == *present,
            test => values.any(|value| test.accepts(value)),
        }
    }

    /// The same where no doubt may pass: several values that differ say nothing.
    fn says(&self, headers: &Headers<'_>) -> Truth {
        let mut values = headers.all(self.name.as_str());
        if let Test::Present(present) = self.test {
            return (values.next().is_some() == present).into();
        }
        let Some(first) = values.next() else { return Truth::No };
        if values.any(|other| other != first) {
            return Truth::Unknown;
        }
        self.test.accepts(first).into()
    }
}

/// Rules in order, with an index: finding costs the same among ten and among
/// ten thousand.
#[derive(Debug)]
pub struct Rules<T> {
    rules: Vec<(Match, T)>,
    index: Index,
}

/// A rule that applies, and what its path template captured.
#[derive(Debug)]
pub struct Found<'r, T> {
    /// Its place in the set, from 0.
    pub index: usize,
    /// The rule.
    pub rule: &'r T,
    matches: &'r Match,
    template: Option<&'r Template>,
}

impl<'r, T> Found<'r, T> {
    /// The captured parts of the path.
    #[must_use]
    pub fn captures<'p>(&self, target: &Target<'p>) -> Vec<Captured<'r, 'p>> {
        self.template.map(|t| t.captures(target)).unwrap_or_default()
    }

    /// The template that matched, if the rule names any.
    #[must_use]
    pub fn template(&self) -> Option<&'r Template> {
        self.template
    }

    /// Of a [candidate](Rules::candidates): what do its conditions on headers say? Of a
    /// header whose values differ they cannot tell, other than for [`Rules::all`].
    #[must_use]
    pub fn headers_say(&self, subject: &Subject<'_>) -> Truth {
        self.matches.headers_say(subject.headers)
    }

    /// Of a candidate: does its condition on the route hold? That asks the proxy.
    #[must_use]
    pub fn route_holds(&self, subject: &Subject<'_>) -> Truth {
        self.matches.route_holds(subject)
    }
}

/// What rules are matched against, taken from a request once.
pub struct Subject<'a> {
    /// The canonical host.
    pub host: Option<String>,
    /// The method; empty if there is none.
    pub method: &'a [u8],
    /// The canonical target.
    pub target: &'a Target<'a>,
    /// All headers.
    pub headers: &'a Headers<'a>,
    /// Does the request end with its headers?
    pub end_of_stream: bool,
    proxy: &'a dyn Host,
    route: OnceCell<Option<Vec<u8>>>,
    address: OnceCell<Option<IpAddr>>,
    now: OnceCell<Duration>,
}

impl<'a> Subject<'a> {
    /// From a request whose target was checked.
    #[must_use]
    pub fn new(request: &'a Request<'a>, target: &'a Target<'a>, proxy: &'a dyn Host) -> Self {
        Subject {
            host: host_of(request.authority()),
            method: request.method().unwrap_or_default(),
            target,
            headers: request.headers(),
            end_of_stream: request.is_end_of_stream(),
            proxy,
            route: OnceCell::new(),
            address: OnceCell::new(),
            now: OnceCell::new(),
        }
    }

    /// The client's address, as the proxy knows it by its trusted hops. The
    /// proxy is asked when it is first needed, once. `None`: it has none that
    /// can be read.
    pub fn client_address(&self) -> Option<IpAddr> {
        *self.address.get_or_init(|| address_of(&self.proxy.property(&["source", "address"])?))
    }

    /// The time since the Unix epoch, read once.
    pub fn now(&self) -> Duration {
        *self.now.get_or_init(|| self.proxy.now())
    }

    fn route_is_of(&self, names: &[Text]) -> Truth {
        let route = self.route.get_or_init(|| self.proxy.property(&["xds", "route_name"]));
        let is = |route: &Vec<u8>| names.iter().any(|name| name.as_str().as_bytes() == route);
        route.as_ref().map(is).into()
    }
}

impl<T> Rules<T> {
    /// Compiles the index.
    #[must_use]
    pub fn new(mut rules: Vec<(Match, T)>) -> Self {
        let index = Index::new(rules.iter().map(|(m, _)| m));
        // The index knows them.
        for (m, _) in &mut rules {
            m.hosts = AtLeastOne::default();
            m.methods = AtLeastOne::default();
        }
        Rules { rules, index }
    }

    /// The rules in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.rules.iter().map(|(_, rule)| rule)
    }

    /// The rule at a place in the set, as [`Found::index`] names it.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.rules.get(index).map(|(_, rule)| rule)
    }

    /// The first rule in order that applies.
    #[must_use]
    pub fn first(&self, subject: &Subject<'_>) -> Option<Found<'_, T>> {
        self.all(subject).next()
    }

    /// Every rule that applies, in order, with the first of its path templates that
    /// matches.
    pub fn all<'r>(&'r self, subject: &Subject<'_>) -> impl Iterator<Item = Found<'r, T>> {
        let mut last = None;
        self.candidates(subject)
            .filter(move |found| last.replace(found.index) != Some(found.index))
            .filter(move |found| found.matches.rest(subject) == Truth::Yes)
    }

    /// Every rule whose host, method and path match, in order, once for each of its
    /// path templates that does; whether it applies is for [`Found::headers_say`] and [`Found::route_holds`] to say.
    pub fn candidates<'r>(
        &'r self,
        subject: &Subject<'_>,
    ) -> impl Iterator<Item = Found<'r, T>> + use<'r, T> {
        let candidates = self.index.find(subject.host.as_deref(), subject.method, subject.target);
        candidates.into_iter().filter_map(move |(index, path)| {
            let (matches, rule) = self.rules.get(index)?;
            let template = path.and_then(|p| matches.paths.get(p));
            Some(Found { index, rule, matches, template })
        })
    }
}
