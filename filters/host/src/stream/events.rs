//! The proxy's events of a stream.

use postern_core::{Filter, Refusal, Response};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, MapType};

use super::{Moment, Side, Stream};
use crate::apply::{self, AnswerSizes};
use crate::attributes::{Map, Proxy};
use crate::shell::Shell;

impl<F: Filter> Stream<F> {
    pub(crate) fn on_answer(&mut self, shell: &Shell<F>, token: u32, sizes: AnswerSizes) {
        if self.waiting != Some(token) || self.side == Side::Response {
            return;
        }
        self.waiting = None;
        let Some(compiled) = self.compiled.clone() else { return };
        let answer = apply::answer(sizes);
        let outcome = compiled.filter.answer(&mut self.state, &answer, &Proxy);
        if self.apply(shell, &compiled, outcome, Moment::Headers) == Action::Continue {
            hostcalls::resume_http_request().unwrap_or_default();
        }
    }

    pub(crate) fn on_request_headers(&mut self, shell: &Shell<F>, end_of_stream: bool) -> Action {
        self.end_of_stream = end_of_stream;
        let Some(compiled) = self.compiled.clone() else {
            let refusal = Refusal::new(
                500,
                "not_configured",
                "Internal error",
                "the gateway has no configuration",
            );
            return self.refuse(F::NAME, &refusal);
        };
        self.judge(shell, &compiled)
    }

    // An upstream may answer before the request has ended: what still comes of
    // the request is no part of a held answer.
    pub(crate) fn on_request_body(&mut self, shell: &Shell<F>, size: usize, end: bool) -> Action {
        if self.side == Side::Response {
            return Action::Continue;
        }
        if self.is_stopped() {
            return Action::Pause;
        }
        self.body(shell, size, end)
    }

    pub(crate) fn on_request_trailers(&mut self, shell: &Shell<F>) -> Action {
        if self.side == Side::Response {
            return Action::Continue;
        }
        if self.is_stopped() {
            return Action::Pause;
        }
        self.trailers(shell)
    }

    pub(crate) fn on_response_headers(&mut self, shell: &Shell<F>, end_of_stream: bool) -> Action {
        // A reply that came while a request was held or asked about ends that.
        self.side = Side::Response;
        self.held = false;
        self.waiting = None;
        self.pausing = false;
        self.stopped = false;
        // That was the request's body.
        self.replaced = false;
        self.end_of_stream = end_of_stream;
        let Some(compiled) = self.compiled.clone() else { return Action::Continue };
        let source = Map(MapType::HttpResponseHeaders);
        let response = Response::lazy(&source, end_of_stream);
        let outcome = compiled.filter.response_headers(&mut self.state, &response, &Proxy);
        self.apply(shell, &compiled, outcome, Moment::Headers)
    }

    pub(crate) fn on_response_body(&mut self, shell: &Shell<F>, size: usize, end: bool) -> Action {
        if self.is_stopped() {
            return Action::Pause;
        }
        self.body(shell, size, end)
    }

    pub(crate) fn on_response_trailers(&mut self, shell: &Shell<F>) -> Action {
        if self.is_stopped() {
            return Action::Pause;
        }
        self.trailers(shell)
    }

    pub(crate) fn on_end(&mut self) {
        if let Some(compiled) = &self.compiled {
            compiled.filter.ended(&mut self.state, &Proxy);
        }
    }
}
