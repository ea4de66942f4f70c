//! The filters in their order around an upstream, without a proxy: applies
//! steps and edits as `postern-host` does, so that offline answers are the
//! gateway's answers.

mod edits;
mod erased;

use std::path::Path;
use std::time::Duration;

use postern_auth::Auth;
use postern_authz::Authz;
use postern_core::config::{Errors, Node};
use postern_core::fake::FakeHost;
use postern_core::filter::Environment;
use postern_core::{
    Answer, Ask, Filter, HeaderEdit, Host, Outcome, Refusal, Reply, Step, Work, digest,
};
use postern_legacy_compat::LegacyCompat;
use postern_rate_limit::RateLimit;

use crate::finding::Finding;
use crate::policy::{Kind, Policy, files_of};

use edits::{edit, replace_body};
use erased::{Mounted, Plugin, Scoped, Stream};

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
}

impl Chain {
    /// No filters yet; the clock stands at `now` since the Unix epoch.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Chain { filters: Vec::new(), host: FakeHost::at(now) }
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
        let filter = F::configure(policy, environment)?;
        let version = digest::version(policy.to_json().as_bytes());
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

    /// Takes one request, as the proxy hands it to the first filter, through
    /// all of them and back. `connection` is what the proxy knows of that: the
    /// values of attributes such as `source.address`.
    pub fn send(
        &self,
        request: Message,
        connection: &[(&str, Vec<u8>)],
        world: &mut dyn World,
    ) -> Traversal {
        let began = self.host.now();
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
        let published = pass.published;
        // Waiting took time on this request's clock alone.
        self.host.set_now(began);
        let filters = streams.into_iter().map(|(_, account)| account).collect();
        Traversal { response, upstream, filters, published }
    }
}

/// One request's way.
struct Pass<'a> {
    host: &'a FakeHost,
    world: &'a mut dyn World,
    id: Option<Vec<u8>>,
    is_head: bool,
    published: Vec<(String, Vec<u8>)>,
}

impl Pass<'_> {
    /// The request phase of one filter; an answer ends the way in.
    fn request(
        &mut self,
        filter: &dyn Mounted,
        stream: &mut dyn Stream,
        account: &mut Account,
        request: &mut Message,
    ) -> Option<Message> {
        let host = Scoped { host: self.host, plugin: account.plugin.clone() };
        self.work(filter, &host);
        let mut outcome = stream.request_headers(request, &host);
        let mut asks = 0;
        let mut moment = Moment::Headers;
        loop {
            self.note(stream, account, &outcome);
            match outcome.step {
                Step::Refuse(refusal) => return Some(self.refuse(stream, &refusal)),
                Step::Reply(reply) => return Some(self.local_reply(&reply)),
                _ => {}
            }
            account.request_edits.extend(outcome.headers.iter().cloned());
            if !edit(&mut request.headers, &outcome.headers) {
                return Some(self.refuse(stream, &bad_edit()));
            }
            if let Some(body) = outcome.body.take()
                && moment == Moment::Body
            {
                replace_body(request, body);
            }
            match outcome.step {
                Step::Ask(ask) if asks < MAX_ASKS => {
                    asks += 1;
                    let answer = self.world.answer(&ask);
                    outcome = stream.answer(&answer, &host);
                }
                Step::Ask(_) => return Some(self.refuse(stream, &cannot_ask())),
                Step::Wait(wait) if asks < MAX_ASKS && moment == Moment::Headers => {
                    asks += 1;
                    // What it waits for comes at once, or never.
                    if !self.work(filter, &host).contains(&wait.key) {
                        self.host.set_now(wait.until.max(self.host.now()));
                    }
                    outcome = stream.request_headers(request, &host);
                }
                Step::Wait(_) => return Some(self.refuse(stream, &cannot_ask())),
                Step::Hold if moment == Moment::Headers => {
                    let body = request.body.clone().unwrap_or_default();
                    if body.len() > stream.body_cap() {
                        moment = Moment::OverCap;
                        outcome = stream.request_body_over_cap();
                    } else {
                        moment = Moment::Body;
                        outcome = stream.request_body(&body, &host);
                    }
                }
                _ => return None,
            }
        }
    }

    /// The response phase of one filter. It cannot ask there.
    fn response(&mut self, stream: &mut dyn Stream, account: &mut Account, at: &mut Message) {
        let host = Scoped { host: self.host, plugin: account.plugin.clone() };
        let mut outcome = stream.response_headers(at, &host);
        let mut asks = 0;
        let mut moment = Moment::Headers;
        loop {
            self.note(stream, account, &outcome);
            match outcome.step {
                Step::Refuse(refusal) => {
                    *at = self.refuse(stream, &refusal);
                    return;
                }
                Step::Reply(reply) => {
                    *at = self.local_reply(&reply);
                    return;
                }
                _ => {}
            }
            account.response_edits.extend(outcome.headers.iter().cloned());
            edit(&mut at.headers, &outcome.headers);
            // A message without a body cannot be given one.
            if let Some(body) = outcome.body.take()
                && moment == Moment::Body
                && at.body.is_some()
            {
                replace_body(at, body);
            }
            match outcome.step {
                Step::Ask(_) if asks < MAX_ASKS => {
                    asks += 1;
                    outcome = stream.answer(&Answer::Unavailable, &host);
                }
                Step::Hold if moment == Moment::Headers => {
                    let body = at.body.clone().unwrap_or_default();
                    if body.len() > stream.body_cap() {
                        moment = Moment::OverCap;
                        outcome = stream.response_body_over_cap();
                    } else {
                        moment = Moment::Body;
                        outcome = stream.response_body(&body, &host);
                    }
                }
                _ => return,
            }
        }
    }

    /// Works beside the streams until nothing is left to ask; returns the keys
    /// of the streams to wake.
    fn work(&mut self, filter: &dyn Mounted, host: &Scoped<'_>) -> Vec<u64> {
        let mut woken = Vec::new();
        let mut work = filter.tick(host);
        for _ in 0..MAX_TURNS {
            woken.append(&mut work.wake);
            if work.ask.is_empty() {
                break;
            }
            let mut next = Work::default();
            for task in work.ask {
                let answer = self.world.answer(&task.ask);
                next.merge(filter.task_answer(task.id, &answer, host));
            }
            work = next;
        }
        woken
    }

    /// Publishes what an outcome publishes, and counts what it counts.
    fn note(&mut self, stream: &dyn Stream, account: &mut Account, outcome: &Outcome) {
        if let Some(record) = &outcome.record {
            let json = record.to_json(stream.version());
            self.host.set_property(&format!("postern.{}", account.plugin), json.clone());
            account.record = Some(json);
        }
        for (key, value) in &outcome.publish {
            self.publish(key, value.clone());
        }
        if !outcome.count.is_empty() {
            let metrics = stream.metrics();
            let names = outcome.count.iter().filter_map(|i| metrics.get(*i));
            account.counted.extend(names.map(|metric| metric.name.clone().into_owned()));
        }
    }

    fn publish(&mut self, key: &str, value: Vec<u8>) {
        self.host.set_property(&format!("postern.{key}"), value.clone());
        self.published.retain(|(k, _)| k != key);
        self.published.push((key.to_owned(), value));
    }

    fn refuse(&mut self, stream: &dyn Stream, refusal: &Refusal) -> Message {
        let id = self.id.clone();
        self.publish("refusal", refusal.to_state(stream.plugin(), id.as_deref()));
        self.local_reply(&refusal.to_reply(id.as_deref()))
    }

    /// A reply of a filter's own; to `HEAD` without its body.
    fn local_reply(&self, reply: &Reply) -> Message {
        let mut headers = vec![(":status".to_owned(), reply.status.to_string().into_bytes())];
        for (name, value) in &reply.headers {
            edit(&mut headers, &[HeaderEdit::append(name.clone(), value.clone())]);
        }
        let length = reply.body.len().to_string();
        edit(&mut headers, &[HeaderEdit::set("content-length", length)]);
        let body = Some(reply.body.clone()).filter(|b| !b.is_empty() && !self.is_head);
        Message { headers, body }
    }
}

/// How often a filter may ask within one stream.
const MAX_ASKS: u8 = 8;

/// So often an answer may lead to another question at once.
const MAX_TURNS: usize = 16;

/// When an outcome is applied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Headers,
    Body,
    OverCap,
}

fn bad_edit() -> Refusal {
    let detail = "the gateway made a header that cannot be sent";
    Refusal::new(500, "bad_edit", "Internal error", detail)
}

fn cannot_ask() -> Refusal {
    let detail = "a service that the gateway needs cannot be asked";
    Refusal::new(503, "unavailable", "Service unavailable", detail)
}
