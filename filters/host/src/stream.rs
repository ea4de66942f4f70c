//! One HTTP stream: outcomes applied.

mod events;

use std::rc::Rc;

use log::warn;
use postern_core::{
    Answer, Ask, Decision, Fields, Filter, HeaderEdit, Host, Outcome, Put, Record, Refusal, Reply,
    Request, Step, Wait,
};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, BufferType, MapType};

use crate::apply;
use crate::attributes::{Map, Proxy};
use crate::clock::SOON;
use crate::root::Compiled;
use crate::shell::{Callout, Shell};

/// How often a filter may ask within one event before it is stopped.
const MAX_ASKS: u8 = 8;

/// One stream.
pub(crate) struct Stream<F: Filter> {
    /// The proxy's number for it.
    context: u32,
    /// `None`: never configured; every request is refused.
    compiled: Option<Rc<Compiled<F>>>,
    state: F::Stream,
    side: Side,
    held: bool,
    /// The body at hand is another than came.
    replaced: bool,
    end_of_stream: bool,
    asks: u8,
    /// The callout that it waits for.
    waiting: Option<u32>,
    /// It waits for work beside it.
    pausing: bool,
    /// The message at hand may not pass, and the proxy would not answer in its place.
    stopped: bool,
}

/// Which message is at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Response,
}

impl Side {
    fn trailers(self) -> MapType {
        match self {
            Side::Request => MapType::HttpRequestTrailers,
            Side::Response => MapType::HttpResponseTrailers,
        }
    }

    fn headers(self) -> MapType {
        match self {
            Side::Request => MapType::HttpRequestHeaders,
            Side::Response => MapType::HttpResponseHeaders,
        }
    }

    fn body(self) -> BufferType {
        match self {
            Side::Request => BufferType::HttpRequestBody,
            Side::Response => BufferType::HttpResponseBody,
        }
    }
}

impl<F: Filter> Stream<F> {
    pub(crate) fn new(context: u32, compiled: Option<Rc<Compiled<F>>>) -> Self {
        Stream {
            context,
            compiled,
            state: F::Stream::default(),
            side: Side::Request,
            held: false,
            replaced: false,
            end_of_stream: false,
            asks: 0,
            waiting: None,
            pausing: false,
            stopped: false,
        }
    }

    /// Is something of it still to come?
    pub(crate) fn goes_on(&self) -> bool {
        self.is_stopped()
            || self.held
            || self.compiled.as_ref().is_some_and(|c| c.filter.follows(&self.state))
    }

    /// The callout whose answer it waits for.
    pub(crate) fn asks_for(&self) -> Option<u32> {
        self.waiting
    }

    /// A stream that waited is judged once more.
    pub(crate) fn go_on(&mut self, shell: &Shell<F>, compiled: &Rc<Compiled<F>>) {
        if !std::mem::take(&mut self.pausing) || self.side == Side::Response {
            return;
        }
        if self.judge(shell, compiled) == Action::Continue {
            hostcalls::resume_http_request().unwrap_or_default();
        }
    }

    /// Does it wait for an answer, or for its end? Then nothing of it may go on,
    /// whatever the proxy is told to do at headers.
    fn is_stopped(&self) -> bool {
        self.stopped || self.pausing || self.waiting.is_some()
    }

    fn judge(&mut self, shell: &Shell<F>, compiled: &Compiled<F>) -> Action {
        let source = Map(MapType::HttpRequestHeaders);
        let request = Request::lazy(&source, self.end_of_stream);
        let outcome = compiled.filter.request_headers(&mut self.state, &request, &Proxy);
        self.apply(shell, compiled, outcome, Moment::Headers)
    }

    fn wait(&mut self, compiled: &Compiled<F>, wait: Wait) -> Action {
        self.asks = self.asks.saturating_add(1);
        if !F::WAITS || self.side == Side::Response || self.asks > MAX_ASKS {
            return self.turn_away(compiled, &Refusal::cannot_ask());
        }
        if !compiled.waiting.add(self.context, wait) {
            return self.turn_away(compiled, &Refusal::too_many_waiting());
        }
        self.pausing = true;
        apply::tick_in(compiled.clock.at_least(Proxy.now(), SOON));
        Action::Pause
    }

    /// Applies an outcome to the message at hand and says how to go on.
    fn apply(
        &mut self,
        shell: &Shell<F>,
        compiled: &Compiled<F>,
        outcome: Outcome,
        at: Moment,
    ) -> Action {
        apply::publish(compiled, &outcome);
        let Outcome { step, mut fields, mut headers, body, .. } = outcome;
        match step {
            Step::Refuse(refusal) => self.refuse(&compiled.plugin, &refusal),
            Step::Reply(reply) => {
                if self.reply(&compiled.plugin, &reply) || self.side == Side::Request {
                    return Action::Pause;
                }
                // All or original: an answer that was not replaced goes on as it is.
                self.stopped = false;
                Action::Continue
            }
            Step::Continue => {
                self.held = false;
                if let Some(body) = body {
                    match self.replace_body(&body, at) {
                        Replaced::Yes => {
                            self.replaced = true;
                            headers.push(HeaderEdit::set("content-length", body.len().to_string()));
                        }
                        Replaced::NoBody => {}
                        // All or original: no new headers on the old body.
                        Replaced::Failed => {
                            fields = None;
                            headers.clear();
                        }
                    }
                }
                self.edit(compiled, fields.as_ref(), &headers)
            }
            Step::Hold => {
                let action = self.edit(compiled, fields.as_ref(), &headers);
                if action == Action::Pause {
                    return action;
                }
                if !F::HOLDS_BODIES || at == Moment::Body {
                    warn!("{}: a body can be held at the headers only", compiled.plugin);
                    return Action::Continue;
                }
                self.held = true;
                if self.end_of_stream {
                    self.whole_body(shell, compiled, &[])
                } else {
                    Action::Pause
                }
            }
            Step::Ask(ask) => {
                let action = self.edit(compiled, fields.as_ref(), &headers);
                if action == Action::Pause {
                    return action;
                }
                self.ask(shell, compiled, &ask)
            }
            Step::Wait(wait) => {
                let action = self.edit(compiled, fields.as_ref(), &headers);
                if action == Action::Pause {
                    return action;
                }
                self.wait(compiled, wait)
            }
        }
    }

    /// Writes header edits; a request with a bad one is refused, a response
    /// goes on without it.
    fn edit(
        &mut self,
        compiled: &Compiled<F>,
        fields: Option<&(Rc<Fields>, Put)>,
        edits: &[HeaderEdit],
    ) -> Action {
        let plugin = compiled.plugin.as_str();
        let map = self.side.headers();
        let put = fields.map_or(Ok(()), |(fields, put)| apply::put_fields(map, fields, *put));
        if let Err(name) = put.and(apply::edit_headers(map, edits)) {
            warn!("{plugin}: the value written to `{name}` is outside its grammar");
            if self.side == Side::Request {
                return self.turn_away(compiled, &Refusal::bad_edit());
            }
        }
        Action::Continue
    }

    /// A refusal of the shell's own: the record so far, if there is one, says what
    /// was decided before it.
    fn turn_away(&mut self, compiled: &Compiled<F>, refusal: &Refusal) -> Action {
        let record = Record::new(Decision::Deny, "-", refusal.code);
        apply::set_state(&compiled.record_state, &record.to_json(&compiled.version));
        self.refuse(&compiled.plugin, refusal)
    }

    fn refuse(&mut self, plugin: &str, refusal: &Refusal) -> Action {
        let id = Proxy.property(&["request", "id"]);
        apply::set_state("postern.refusal", &refusal.to_state(plugin, id.as_deref()));
        self.reply(plugin, &refusal.to_reply(id.as_deref()));
        Action::Pause
    }

    /// Answers in the place of the message at hand. If the proxy would not, the
    /// message is stopped all the same, until the proxy ends the stream for being
    /// idle.
    fn reply(&mut self, plugin: &str, reply: &Reply) -> bool {
        self.held = false;
        let sent = apply::reply(reply);
        if !sent {
            warn!("{plugin}: the proxy refused a reply of status {}", reply.status);
            self.stopped = true;
        }
        sent
    }

    /// A message without a body cannot be given one by a filter.
    fn replace_body(&self, body: &[u8], at: Moment) -> Replaced {
        if at != Moment::Body || self.end_of_stream && !apply::has_body(self.side.body()) {
            return Replaced::NoBody;
        }
        match hostcalls::set_buffer(self.side.body(), 0, usize::MAX, body) {
            Ok(()) => Replaced::Yes,
            Err(_) => Replaced::Failed,
        }
    }

    fn whole_body(&mut self, shell: &Shell<F>, compiled: &Compiled<F>, body: &[u8]) -> Action {
        let outcome = match self.side {
            Side::Request => compiled.filter.request_body(&mut self.state, body, &Proxy),
            Side::Response => compiled.filter.response_body(&mut self.state, body, &Proxy),
        };
        self.apply(shell, compiled, outcome, Moment::Body)
    }

    /// A part of a held body came; `whole`: it was the last.
    fn body(&mut self, shell: &Shell<F>, size: usize, whole: bool) -> Action {
        if !self.held {
            return Action::Continue;
        }
        let Some(compiled) = self.compiled.clone() else { return Action::Continue };
        if size > compiled.filter.body_cap() {
            let outcome = match self.side {
                Side::Request => compiled.filter.request_body_over_cap(&mut self.state),
                Side::Response => compiled.filter.response_body_over_cap(&mut self.state),
            };
            return self.apply(shell, &compiled, outcome, Moment::OverCap);
        }
        if !whole {
            return Action::Pause;
        }
        self.end_of_stream = true;
        let body = apply::body(self.side.body());
        self.whole_body(shell, &compiled, &body)
    }

    /// Trailers end a held body whose last part did not say so. Of another body what
    /// they say of its bytes is not true.
    fn trailers(&mut self, shell: &Shell<F>) -> Action {
        if !self.held {
            return Action::Continue;
        }
        let action = self.body(shell, apply::body(self.side.body()).len(), true);
        if self.replaced {
            apply::remove_digests(self.side.trailers());
        }
        action
    }

    fn ask(&mut self, shell: &Shell<F>, compiled: &Compiled<F>, ask: &Ask) -> Action {
        self.asks = self.asks.saturating_add(1);
        let sent = if self.asks > MAX_ASKS || self.side == Side::Response {
            None
        } else {
            apply::ask(ask)
        };
        match sent {
            Some(token) => {
                shell.expect(token, Callout::Stream(self.context));
                self.waiting = Some(token);
                Action::Pause
            }
            None if self.asks > MAX_ASKS.saturating_mul(2) => {
                self.turn_away(compiled, &Refusal::cannot_ask())
            }
            None => {
                let outcome = compiled.filter.answer(&mut self.state, &Answer::Unavailable, &Proxy);
                self.apply(shell, compiled, outcome, Moment::Headers)
            }
        }
    }
}

/// What became of a body.
enum Replaced {
    Yes,
    /// The message has none, and cannot be given one.
    NoBody,
    Failed,
}

/// When an outcome is applied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Headers,
    Body,
    OverCap,
}
