//! Filters of different types behind one interface, one stream at a time.

use postern_core::filter::CredentialPlace;
use postern_core::{Answer, Filter, Headers, Host, Metric, Outcome, Request, Response, Work};

use super::Message;

/// A mounted filter, its type erased.
pub(super) trait Mounted {
    fn name(&self) -> &str;
    fn credential_places(&self) -> Vec<CredentialPlace>;
    fn open(&self) -> Box<dyn Stream + '_>;
    fn tick(&self, host: &dyn Host) -> Work;
    fn task_answer(&self, task: u64, answer: &Answer, host: &dyn Host) -> Work;
}

/// One stream through a filter.
pub(super) trait Stream {
    fn plugin(&self) -> &str;
    fn version(&self) -> &str;
    fn metrics(&self) -> Vec<Metric>;
    fn body_cap(&self) -> usize;
    fn request_headers(&mut self, request: &Message, host: &dyn Host) -> Outcome;
    fn request_body(&mut self, body: &[u8], host: &dyn Host) -> Outcome;
    fn answer(&mut self, answer: &Answer, host: &dyn Host) -> Outcome;
    fn response_headers(&mut self, response: &Message, host: &dyn Host) -> Outcome;
    fn response_body(&mut self, body: &[u8], host: &dyn Host) -> Outcome;
    fn request_body_over_cap(&mut self) -> Outcome;
    fn response_body_over_cap(&mut self) -> Outcome;
    fn ended(&mut self, host: &dyn Host);
}

pub(super) struct Plugin<F> {
    pub(super) filter: F,
    pub(super) name: String,
    pub(super) version: String,
}

impl<F: Filter> Mounted for Plugin<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn credential_places(&self) -> Vec<CredentialPlace> {
        self.filter.credential_places()
    }

    fn open(&self) -> Box<dyn Stream + '_> {
        Box::new(Open { plugin: self, state: F::Stream::default() })
    }

    fn tick(&self, host: &dyn Host) -> Work {
        self.filter.tick(host)
    }

    fn task_answer(&self, task: u64, answer: &Answer, host: &dyn Host) -> Work {
        self.filter.task_answer(task, answer, host)
    }
}

struct Open<'a, F: Filter> {
    plugin: &'a Plugin<F>,
    state: F::Stream,
}

impl<F: Filter> Stream for Open<'_, F> {
    fn plugin(&self) -> &str {
        &self.plugin.name
    }

    fn version(&self) -> &str {
        &self.plugin.version
    }

    fn metrics(&self) -> Vec<Metric> {
        self.plugin.filter.metrics()
    }

    fn body_cap(&self) -> usize {
        self.plugin.filter.body_cap()
    }

    fn request_headers(&mut self, request: &Message, host: &dyn Host) -> Outcome {
        let headers = Headers::new(request.headers.iter().cloned());
        let view = Request::new(headers, request.body.is_none());
        self.plugin.filter.request_headers(&mut self.state, &view, host)
    }

    fn request_body(&mut self, body: &[u8], host: &dyn Host) -> Outcome {
        self.plugin.filter.request_body(&mut self.state, body, host)
    }

    fn answer(&mut self, answer: &Answer, host: &dyn Host) -> Outcome {
        self.plugin.filter.answer(&mut self.state, answer, host)
    }

    fn response_headers(&mut self, response: &Message, host: &dyn Host) -> Outcome {
        let headers = Headers::new(response.headers.iter().cloned());
        let view = Response::new(headers, response.body.is_none());
        self.plugin.filter.response_headers(&mut self.state, &view, host)
    }

    fn response_body(&mut self, body: &[u8], host: &dyn Host) -> Outcome {
        self.plugin.filter.response_body(&mut self.state, body, host)
    }

    fn request_body_over_cap(&mut self) -> Outcome {
        self.plugin.filter.request_body_over_cap(&mut self.state)
    }

    fn response_body_over_cap(&mut self) -> Outcome {
        self.plugin.filter.response_body_over_cap(&mut self.state)
    }

    fn ended(&mut self, host: &dyn Host) {
        if F::ENDS && self.plugin.filter.follows(&self.state) {
            self.plugin.filter.ended(&mut self.state, host);
        }
    }
}
