//! One request's way through the filters and back.

use std::time::Duration;

use postern_core::fake::{FakeHost, Vm};
use postern_core::{
    Answer, Decision, HeaderEdit, Host, Outcome, Record, Refusal, Reply, Step, Wait, Work,
};

use super::edits::{edit, replace_body};
use super::erased::{Mounted, Stream};
use super::{Account, Message, World};

/// One request's way.
pub(super) struct Pass<'a> {
    pub(super) host: &'a FakeHost,
    pub(super) world: &'a mut dyn World,
    pub(super) id: Option<Vec<u8>>,
    pub(super) is_head: bool,
    pub(super) published: Vec<(String, Vec<u8>)>,
}

impl Pass<'_> {
    /// The request phase of one filter; an answer ends the way in.
    pub(super) fn request(
        &mut self,
        filter: &dyn Mounted,
        stream: &mut dyn Stream,
        account: &mut Account,
        request: &mut Message,
    ) -> Option<Message> {
        let host = Vm::scoped(self.host, &account.plugin);
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
            let edits = outcome.edits();
            let good = edit(&mut request.headers, &edits);
            account.request_edits.extend(edits);
            if !good {
                return Some(self.turn_away(stream, account, &Refusal::bad_edit()));
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
                Step::Ask(_) => {
                    return Some(self.turn_away(stream, account, &Refusal::cannot_ask()));
                }
                Step::Wait(wait) if asks < MAX_ASKS && moment == Moment::Headers => {
                    asks += 1;
                    self.wait(filter, &host, wait);
                    outcome = stream.request_headers(request, &host);
                }
                Step::Wait(_) => {
                    return Some(self.turn_away(stream, account, &Refusal::cannot_ask()));
                }
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
    pub(super) fn response(
        &mut self,
        stream: &mut dyn Stream,
        account: &mut Account,
        at: &mut Message,
    ) {
        let host = Vm::scoped(self.host, &account.plugin);
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
            let edits = outcome.edits();
            edit(&mut at.headers, &edits);
            account.response_edits.extend(edits);
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

    /// Lets the filter work, as often as it asks for it, until it wakes the request
    /// or the wait is over. The proxy ticks soon after a stream began to wait.
    fn wait(&mut self, filter: &dyn Mounted, host: &Vm<'_>, wait: Wait) {
        let mut pause = SOON;
        for _ in 0..MAX_TICKS {
            let now = self.host.now();
            if now >= wait.until {
                return;
            }
            self.host.set_now(now.saturating_add(pause).min(wait.until));
            let (woken, again) = self.work(filter, host);
            if woken.contains(&wait.key) {
                return;
            }
            pause = again.max(SOON);
        }
        self.host.set_now(wait.until.max(self.host.now()));
    }

    /// Works beside the streams until nothing is left to ask; returns the keys of
    /// the streams to wake, and when the next tick is wanted.
    fn work(&mut self, filter: &dyn Mounted, host: &Vm<'_>) -> (Vec<u64>, Duration) {
        let mut woken = Vec::new();
        let mut work = filter.tick(host);
        let mut again = work.again.unwrap_or(RESTING);
        for _ in 0..MAX_TURNS {
            woken.append(&mut work.wake);
            again = again.min(work.again.unwrap_or(again));
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
        (woken, again)
    }

    /// Publishes what an outcome publishes, and counts what it counts.
    fn note(&mut self, stream: &dyn Stream, account: &mut Account, outcome: &Outcome) {
        if let Some(record) = &outcome.record {
            self.record(stream, account, record);
        }
        for (key, value) in &outcome.publish {
            self.publish(key, value.to_vec());
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

    /// A refusal of the shell's own.
    fn turn_away(
        &mut self,
        stream: &dyn Stream,
        account: &mut Account,
        refusal: &Refusal,
    ) -> Message {
        let record = Record::new(Decision::Deny, "-", refusal.code);
        self.record(stream, account, &record);
        self.refuse(stream, refusal)
    }

    fn record(&mut self, stream: &dyn Stream, account: &mut Account, record: &Record) {
        let json = record.to_json(stream.version());
        self.host.set_property(&format!("postern.{}", account.plugin), json.clone());
        account.record = Some(json);
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

/// As soon as the proxy ticks, and between ticks that nobody asked for.
const SOON: Duration = Duration::from_millis(1);
const RESTING: Duration = Duration::from_secs(60);

/// So many ticks one wait may take.
const MAX_TICKS: usize = 100_000;

/// When an outcome is applied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Headers,
    Body,
    OverCap,
}
