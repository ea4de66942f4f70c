//! What requests a rule applies to: the words that all policies share, and
//! those of this filter alone.

use postern_core::Truth;
use postern_core::conditions::{
    Addresses, Block, BodySize, MediaRange, Query, QueryMatch, TimeWindow,
};
use postern_core::config::AtLeastOne;
use postern_core::rules::{HeaderMatch, HostPattern, Match, Method, Subject as Asked};
use postern_core::template::Template;

use crate::sets::List;
use postern_core::config::Text;

postern_core::config! {
    /// What a rule applies to. All given conditions have to hold; a condition
    /// that is left out always holds. With `set` it also has the conditions of
    /// that named one.
    pub(crate) struct MatchConfig {
        /// Hosts, in any case and with any port: `api.example.com`, or
        /// `*.example.com` for all names below it.
        hosts: AtLeastOne<HostPattern> = AtLeastOne::default(),
        /// Methods. `GET` stands for `HEAD` too.
        methods: AtLeastOne<Method> = AtLeastOne::default(),
        /// Path templates; one has to match the canonical path.
        paths: List<Template> = List::default(),
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
        /// Conditions on parameters of the query that all have to hold.
        query: AtLeastOne<QueryMatch> = AtLeastOne::default(),
        /// Blocks of addresses; the client's is in one of them. It is the address
        /// that the proxy takes from its trusted hop, and costs a question to it
        /// per request.
        client_addresses: List<Block> = List::default(),
        /// Content types, in any case and without parameters; the request's is
        /// one of them. A request with two cannot be judged by it.
        content_types: AtLeastOne<MediaRange> = AtLeastOne::default(),
        /// How many bytes the body has, by what `content-length` says. A body
        /// that does not say it cannot be judged by it.
        body_size: Option<BodySize>,
        /// Windows of time; it is one of them.
        times: AtLeastOne<TimeWindow> = AtLeastOne::default(),
    }
}

/// Conditions that only this filter knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Further {
    /// On the query; all.
    pub query: Box<[QueryMatch]>,
    /// Where clients are; empty: anywhere.
    pub client_addresses: Addresses,
    /// Content types; empty: any or none.
    pub content_types: Box<[MediaRange]>,
    /// The body's size.
    pub body_size: Option<BodySize>,
    /// Windows of time; empty: always.
    pub times: Box<[TimeWindow]>,
}

impl MatchConfig {
    /// The shared conditions, and the others if there are any.
    pub(crate) fn split(self) -> (Match, Option<Further>) {
        let MatchConfig {
            hosts,
            methods,
            paths,
            routes,
            headers,
            any_header,
            query,
            client_addresses,
            content_types,
            body_size,
            times,
        } = self;
        let paths = paths.into();
        let shared = Match { hosts, methods, paths, routes, headers, any_header };
        let further = Further {
            query: query.into_vec().into(),
            client_addresses: Addresses::new(&client_addresses),
            content_types: content_types.into_vec().into(),
            body_size,
            times: times.into_vec().into(),
        };
        (shared, (further != Further::default()).then_some(further))
    }
}

impl Further {
    /// What the message itself says.
    pub(crate) fn message(&self, asked: &Asked<'_>, query: &Query) -> Truth {
        Truth::all(self.query.iter().map(|q| q.holds(query, asked.target)))
            .and(|| {
                let any = self.content_types.is_empty();
                if any { Truth::Yes } else { MediaRange::among(&self.content_types, asked.headers) }
            })
            .and(|| {
                let size = self.body_size;
                size.map_or(Truth::Yes, |s| s.holds(asked.headers, asked.end_of_stream))
            })
    }

    pub(crate) fn time(&self, asked: &Asked<'_>) -> Truth {
        (self.times.is_empty() || self.times.iter().any(|w| w.contains(asked.now()))).into()
    }

    pub(crate) fn client(&self, asked: &Asked<'_>) -> Truth {
        if self.client_addresses.is_empty() {
            return Truth::Yes;
        }
        asked.client_address().map(|address| self.client_addresses.contains(address)).into()
    }
}
