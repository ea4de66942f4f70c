//! The demo's filters in memory, and requests that pass through them.

use std::collections::BTreeMap;

use postern_module::{Headers, Module};

use crate::Unfinished;
use crate::profile::Mounted;
use crate::requests::Request;

/// Between two requests.
const NANOSECONDS: u64 = 50_000_000;

/// Instrumented filters through which requests pass.
pub(crate) struct Chain {
    pub(crate) filters: Vec<(String, Module)>,
}

impl Chain {
    /// Loads the filters, each as `instrument` makes it.
    ///
    /// # Errors
    /// When one is no valid module, or refuses its policy.
    pub(crate) fn load(
        mounted: &[Mounted],
        instrument: fn(&[u8]) -> Result<Vec<u8>, Unfinished>,
    ) -> Result<Self, Unfinished> {
        let variables = postern_stack::environment::variables();
        let environment = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        let load = |Mounted { name, wasm, policy }: &Mounted| {
            let mut module = Module::load(&instrument(wasm)?, name, &environment)?;
            // Envoy checks signatures. Here each is good: the filter's own code for
            // that is no part of a request's path.
            let good = vec![8, 1];
            module.proxy().foreign.insert("verify_signature".to_owned(), good);
            if module.configure(policy)? {
                Ok((name.clone(), module))
            } else {
                let log = module.proxy().log.join("; ");
                Err(Unfinished(format!("`{name}` refused its policy: {log}")))
            }
        };
        mounted.iter().map(load).collect::<Result<_, _>>().map(|filters| Chain { filters })
    }

    /// Sends a request in and an answer back; returns the status that the client
    /// sees. A filter that would wait counts as one that never answers: 0.
    pub(crate) fn pass(&mut self, request: &Request) -> Result<u32, Unfinished> {
        let mut states = Properties::new();
        states.insert(b"source\0address".to_vec(), b"192.0.2.1:50000".to_vec());
        let mut headers = request.headers.clone();
        let mut answer = (request.answer_headers(), request.answer.into());
        let mut streams = Vec::new();
        for (name, module) in &mut self.filters {
            let stream = module.stream()?;
            streams.push(stream);
            let proxy = module.proxy();
            proxy.now += NANOSECONDS;
            proxy.reply = None;
            proxy.properties.clear();
            proxy.set_property(&["plugin_name"], name.as_bytes());
            proxy.properties.extend(states.clone());
            let event = module.request_headers(stream, std::mem::take(&mut headers), true)?;
            let proxy = module.proxy();
            headers = std::mem::take(&mut proxy.request);
            states.extend(proxy.properties.clone());
            if let Some(reply) = proxy.reply.take() {
                let status = (":status".to_owned(), reply.status.to_string().into_bytes());
                answer = (std::iter::once(status).chain(reply.headers).collect(), reply.body);
                break;
            }
            if event.paused {
                answer.0 = Headers::new();
                break;
            }
        }
        for ((_, module), stream) in self.filters.iter_mut().zip(streams).rev() {
            module.proxy().properties.extend(states.clone());
            let (headers, body) = &mut answer;
            module.response_headers(stream, std::mem::take(headers), body.is_empty())?;
            if !body.is_empty() {
                module.response_body(stream, body)?;
                *body = std::mem::take(&mut module.proxy().response_body);
            }
            *headers = std::mem::take(&mut module.proxy().response);
            states.extend(module.proxy().properties.clone());
            module.end(stream)?;
        }
        // Counts are told.
        for (_, module) in &mut self.filters {
            module.tick(postern_module::ROOT)?;
        }
        let status = answer.0.iter().find(|(name, _)| name == ":status");
        let status = status.and_then(|(_, value)| str::from_utf8(value).ok()?.parse().ok());
        Ok(status.unwrap_or(0))
    }
}

type Properties = BTreeMap<Vec<u8>, Vec<u8>>;
