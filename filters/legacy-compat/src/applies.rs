//! Which requests a rule is for: the words that all policies share, and those of this
//! filter alone.

use postern_core::Truth;
use postern_core::conditions::{Addresses, Block, MediaRange, Query, QueryMatch};
use postern_core::config::{AtLeastOne, Text};
use postern_core::rules::{Found, HeaderMatch, HostPattern, Match, Method, Subject};
use postern_core::template::Template;

use crate::blueprint::Rule;

postern_core::config! {
    /// Which requests a rule is for. All given conditions have to hold; a condition
    /// that is left out always holds, and one that cannot be told does not.
    #[derive(Default)]
    pub(crate) struct MatchPolicy {
        /// Hosts, in any case and with any port: `api.example.com`, or
        /// `*.example.com` for all names below it.
        hosts: AtLeastOne<HostPattern> = AtLeastOne::default(),
        /// Methods. `GET` stands for `HEAD` too.
        methods: AtLeastOne<Method> = AtLeastOne::default(),
        /// Path templates; one has to match the canonical path. `{name}` takes a part of
        /// a segment, `{name?}` an empty one too, `{name:int}` digits, `{name:a|b}` one
        /// of these words, `**` or `{name:**}` at the end whole segments.
        paths: AtLeastOne<Template> = AtLeastOne::default(),
        /// Names of the proxy's routes (`name` of a route in its configuration);
        /// the one that it chose for the request has to be among them.
        routes: AtLeastOne<Text> = AtLeastOne::default(),
        /// Conditions on headers that all have to hold.
        headers: AtLeastOne<HeaderMatch> = AtLeastOne::default(),
        /// Conditions on headers of which one has to hold.
        any_header: AtLeastOne<HeaderMatch> = AtLeastOne::default(),
        /// Conditions on parameters of the query that all have to hold.
        query: AtLeastOne<QueryMatch> = AtLeastOne::default(),
        /// Blocks of addresses; the client's is in one of them. It is the address that
        /// the proxy takes from its trusted hop, and costs a question to it per request.
        client_addresses: AtLeastOne<Block> = AtLeastOne::default(),
        /// Content types, in any case and without parameters; the request's is one of
        /// them.
        content_types: AtLeastOne<MediaRange> = AtLeastOne::default(),
    }
}

/// What the index does not know of.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Further {
    query: Box<[QueryMatch]>,
    client_addresses: Addresses,
    content_types: Box<[MediaRange]>,
}

impl MatchPolicy {
    /// The conditions that all policies share, and the others if there are any.
    pub(crate) fn split(self) -> (Match, Option<Box<Further>>) {
        let MatchPolicy {
            hosts,
            methods,
            paths,
            routes,
            headers,
            any_header,
            query,
            client_addresses,
            content_types,
        } = self;
        let further = Further {
            query: query.into_vec().into(),
            client_addresses: Addresses::new(&client_addresses),
            content_types: content_types.into_vec().into(),
        };
        let further = (further != Further::default()).then(|| Box::new(further));
        (Match { hosts, methods, paths, routes, headers, any_header }, further)
    }
}

impl Further {
    fn holds(&self, subject: &Subject<'_>, query: &Query) -> bool {
        let address = || {
            let address = subject.client_address();
            address.is_some_and(|address| self.client_addresses.contains(address))
        };
        self.query.iter().all(|q| q.holds(query, subject.target) == Truth::Yes)
            && (self.content_types.is_empty()
                || MediaRange::among(&self.content_types, subject.headers) == Truth::Yes)
            && (self.client_addresses.is_empty() || address())
    }
}

/// Is a rule that the index found for a request?
pub(crate) fn applies(found: &Found<'_, Rule>, subject: &Subject<'_>, query: &Query) -> bool {
    found.rule.further.as_ref().is_none_or(|further| further.holds(subject, query))
}
