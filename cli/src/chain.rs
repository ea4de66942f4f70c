//! The filters in their order around an upstream, without a proxy: applies
//! steps and edits as `postern-host` does, so that offline answers are the
//! gateway's answers.

mod edits;
mod erased;
mod pass;

use std::path::Path;
use std::time::Duration;

use postern_auth::Auth;
use postern_authz::Authz;
use postern_core::config::{Errors, Node};
use postern_core::fake::{FakeHost, Vm};
use postern_core::filter::{CredentialPlace, Environment};
use postern_core::{Answer, Ask, Filter, HeaderEdit, Host, digest};
use postern_legacy_compat::LegacyCompat;
use postern_rate_limit::RateLimit;

use crate::finding::Finding;
use crate::policy::{Kind, Policy, files_of};

use erased::{Mounted, Plugin, Stream};
use pass::Pass;

/// The order in which requests meet the plugins, as in the bootstrap.
pub const ORDER: [&str; 5] = ["legacy-compat", "rate-limit-address", "auth", "rate-limit", "authz"];

/// A header list: names in lower case, values as bytes.
pub type HeaderList = Vec<(String, Vec<u8>)>;

/// A message between the filters. Pseudo-headers stand among the headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// All headers in order.
    pub headers: HeaderList,
    /// The body; `None`: the message ends with its headers.
    pub body: Option<Vec<u8>>,
}

impl Message {
    /// The first value of `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_slice())
    }
}

/// What lies behind the last filter, and what filters ask.
pub trait World {
    /// The upstream's answer to a request.
    fn upstream(&mut self, request: &Message) -> Message;

    /// The answer to a filter's question.
    fn answer(&mut self, _ask: &Ask) -> Answer {
        Answer::Unavailable
    }
}

/// What came of a request.
#[derive(Debug)]
pub struct Traversal {
    /// What the client gets.
    pub response: Message,
    /// What reached the upstream, if it was reached.
    pub upstream: Option<Message>,
    /// Per mounted filter in order, what it did.
    pub filters: Vec<Account>,
    /// The published filter state, `postern.` left out, the last value of each key.
    pub published: Vec<(String, Vec<u8>)>,
}

/// What one filter did to a request.
#[derive(Debug, Default)]
pub struct Account {
    /// The plugin's name.
    pub plugin: String,
    /// Its last decision record, compact JSON.
    pub record: Option<Vec<u8>>,
    /// Its edits of the request, in order.
    pub request_edits: Vec<HeaderEdit>,
    /// Its edits of the response, in order.
    pub response_edits: Vec<HeaderEdit>,
    /// The counters it incremented, by name.
    pub counted: Vec<String>,
    /// Did it answer the request itself?
    pub answered: bool,
}

/// Filters in the order in which requests meet them. Shared data (rate-limit
/// counts) live as long as the chain.
pub struct Chain {
    filters: Vec<Box<dyn Mounted>>,
    host: FakeHost,
    /// The plugins that take the identity from a filter of the proxy's own.
    blind: Vec<String>,
}

impl Chain {
    /// No filters yet; the clock stands at `now` since the Unix epoch.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Chain { filters: Vec::new(), host: FakeHost::at(now), blind: Vec::new() }
    }

    /// Where the clock stands: requests that wait take time.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.host.now()
    }

    /// Sets the clock.
    pub fn set_now(&self, now: Duration) {
        self.host.set_now(now);
    }

    /// Mounts a filter behind those that are there, under the name of a plugin.
    ///
    /// # Errors
    /// Every mistake in the policy.
    pub fn mount<F: Filter>(
        &mut self,
        plugin: &str,
        policy: &Node,
        environment: &Environment<'_>,
    ) -> Result<(), Errors> {
        let mut filter = F::configure(policy, environment)?;
        let version = digest::version(policy.to_json().as_bytes());
        filter.set_version(&version);
        if policy.get("identity").is_some_and(|source| source.get("jwt_authn").is_some()) {
            self.blind.push(plugin.to_owned());
        }
        self.filters.push(Box::new(Plugin { filter, name: plugin.to_owned(), version }));
        Ok(())
    }

    /// Mounts the policies of a folder in the order of the gateway.
    ///
    /// # Errors
    /// Every mistake in the first file that has any; a plugin without a place
    /// in [`ORDER`].
    pub fn of_folder(
        folder: &Path,
        environment: &Environment<'_>,
        now: Duration,
    ) -> Result<Self, Vec<Finding>> {
        let mut policies = Vec::new();
        for file in files_of(folder)? {
            let policy = Policy::read(&file)?;
            let place = ORDER.iter().position(|name| *name == policy.plugin);
            let place = place.ok_or_else(|| {
                let message = format!("`{}` has no place among the filters", policy.plugin);
                vec![Finding::of_file(&file, message)]
            })?;
            policies.push((place, policy));
        }
        policies.sort_by_key(|(place, _)| *place);
        let mut chain = Chain::new(now);
        for (_, policy) in &policies {
            let (plugin, node) = (&policy.plugin, &policy.node);
            let mounted = match policy.kind {
                Kind::Auth => chain.mount::<Auth>(plugin, node, environment),
                Kind::Authz => chain.mount::<Authz>(plugin, node, environment),
                Kind::RateLimit => chain.mount::<RateLimit>(plugin, node, environment),
                Kind::LegacyCompat => chain.mount::<LegacyCompat>(plugin, node, environment),
            };
            mounted.map_err(|errors| Finding::all_of(&policy.file, &errors))?;
        }
        Ok(chain)
    }

    /// The plugins that would have the identity from `jwt_authn`, which is not here.
    #[must_use]
    pub fn blind(&self) -> &[String] {
        &self.blind
    }

    /// Where credentials may stand in a request, by the policies of all filters.
    #[must_use]
    pub fn credential_places(&self) -> Vec<CredentialPlace> {
        self.filters.iter().flat_map(|filter| filter.credential_places()).collect()
    }

    /// Takes one request, as the proxy hands it to the first filter, through
    /// all of them and back. `connection` is what the proxy knows of that: the
    /// values of attributes such as `source.address`. A request that waits takes
    /// time, on the chain's clock.
    pub fn send(
        &self,
        request: Message,
        connection: &[(&str, Vec<u8>)],
        world: &mut dyn World,
    ) -> Traversal {
        self.host.clear_properties();
        for (attribute, value) in connection {
            self.host.set_property(attribute, value.clone());
        }
        if let Some(id) = request.header("x-request-id") {
            self.host.set_property("request.id", id);
        }
        let mut pass = Pass {
            host: &self.host,
            world,
            id: request.header("x-request-id").map(<[u8]>::to_vec),
            is_head: request.header(":method") == Some(b"HEAD"),
            published: Vec::new(),
        };
        let mut streams: Vec<(Box<dyn Stream + '_>, Account)> = self
            .filters
            .iter()
            .map(|f| {
                let account = Account { plugin: f.name().to_owned(), ..Account::default() };
                (f.open(), account)
            })
            .collect();

        let mut request = request;
        let mut answer = None;
        let mut met = 0;
        for ((stream, account), filter) in streams.iter_mut().zip(&self.filters) {
            met += 1;
            answer = pass.request(filter.as_ref(), stream.as_mut(), account, &mut request);
            if answer.is_some() {
                account.answered = true;
                break;
            }
        }
        let upstream = answer.is_none().then(|| request.clone());
        let mut response = answer.unwrap_or_else(|| pass.world.upstream(&request));
        for (stream, account) in streams.iter_mut().take(met).rev() {
            pass.response(stream.as_mut(), account, &mut response);
        }
        for (stream, account) in streams.iter_mut().take(met) {
            stream.ended(&Vm::scoped(&self.host, &account.plugin));
        }
        let published = pass.published;
        let filters = streams.into_iter().map(|(_, account)| account).collect();
        Traversal { response, upstream, filters, published }
    }
}
