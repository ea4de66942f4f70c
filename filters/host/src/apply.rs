//! The writes: edits, states, counters, replies, callouts.

use log::warn;
use postern_core::pairs::Pairs;
use postern_core::{Answer, Ask, Fields, Filter, HeaderEdit, Outcome, Put, Reply, grammar};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType};

use crate::clock::Period;
use crate::raw;
use crate::root::Compiled;

/// Publishes the record and further states, and increments counters.
pub(crate) fn publish<F: Filter>(compiled: &Compiled<F>, outcome: &Outcome) {
    if let Some(record) = &outcome.record {
        record.show(&compiled.version, |json| set_state(&compiled.record_state, json));
    }
    for (key, value) in &outcome.publish {
        match *key {
            "identity" => set_state(postern_core::identity::STATE, value),
            "path" => set_state("postern.path", value),
            key => set_state(&format!("postern.{key}"), value),
        }
    }
    compiled.count(&outcome.count);
}

/// Tells the proxy how often the root context is to tick, if that changes.
pub(crate) fn tick_in(period: Period) {
    if let Some(period) = period {
        hostcalls::set_tick_period(period).unwrap_or_default();
    }
}

/// Sets a filter state of the stream.
pub(crate) fn set_state(name: &str, value: &[u8]) {
    if !raw::set_property(name, value) {
        warn!("the host refused the state `{name}`");
    }
}

/// Writes header fields, which are inside the grammar.
///
/// # Errors
/// The name of the first that is not, or that the proxy would not take.
pub(crate) fn put_fields(map: MapType, fields: &Fields, put: Put) -> Result<(), String> {
    let mut bad = fields.bad();
    for (name, value) in fields.iter() {
        let written = match put {
            Put::Replace => hostcalls::set_map_value_bytes(map, name, Some(value)),
            Put::Add => hostcalls::add_map_value_bytes(map, name, value),
        };
        if written.is_err() {
            bad.get_or_insert(name);
        }
    }
    bad.map_or(Ok(()), |bad| Err(bad.escape_default().to_string()))
}

/// Writes header edits in order; those outside the grammar are left out.
///
/// # Errors
/// The name of the first that was left out.
pub(crate) fn edit_headers(map: MapType, edits: &[HeaderEdit]) -> Result<(), String> {
    let mut bad = None;
    for edit in edits {
        let value: &[u8] = match edit {
            HeaderEdit::Set(_, value) | HeaderEdit::Append(_, value) => value,
            HeaderEdit::Remove(_) => b"",
        };
        let removal = matches!(edit, HeaderEdit::Remove(_));
        let name = edit.name();
        let good =
            if removal { grammar::is_header_name(name) } else { grammar::may_write(name, value) };
        if !good {
            bad.get_or_insert_with(|| name.escape_default().to_string());
            continue;
        }
        let written = match edit {
            HeaderEdit::Set(..) => hostcalls::set_map_value_bytes(map, name, Some(value)),
            HeaderEdit::Append(..) => hostcalls::add_map_value_bytes(map, name, value),
            HeaderEdit::Remove(_) => hostcalls::set_map_value_bytes(map, name, None),
        };
        if written.is_err() {
            bad.get_or_insert_with(|| name.to_owned());
        }
    }
    bad.map_or(Ok(()), Err)
}

/// Removes the digests of a body (RFC 9530, RFC 3230, RFC 1864) and its tag.
pub(crate) fn remove_digests(map: MapType) {
    for name in ["content-digest", "repr-digest", "digest", "content-md5", "etag"] {
        hostcalls::set_map_value_bytes(map, name, None).unwrap_or_default();
    }
}

/// Sends a reply to the client; headers outside the grammar are left out.
/// `false`: the proxy would not.
pub(crate) fn reply(reply: &Reply) -> bool {
    let headers: Vec<(&str, &[u8])> = reply
        .headers
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_slice()))
        .filter(|(name, value)| grammar::may_write(name, value))
        .collect();
    let status = if (200..600).contains(&reply.status) { reply.status } else { 500 };
    raw::send_local_response(u32::from(status), &Pairs::new(&headers), &reply.body)
}

/// Sends a callout; `None` if the host would not.
pub(crate) fn ask(ask: &Ask) -> Option<u32> {
    let mut headers = Vec::with_capacity(ask.headers.len());
    for (name, value) in &ask.headers {
        if name != ":scheme" && !grammar::may_write(name, value) {
            return None;
        }
        headers.push((name.as_ref(), value));
    }
    raw::http_call(&ask.cluster, &Pairs::new(&headers), &ask.body, ask.deadline)
}

/// What there is of an answer to a callout: headers, bytes, trailers.
#[derive(Clone, Copy, Debug)]
pub struct AnswerSizes {
    /// 0: it was cut, or late.
    pub headers: usize,
    /// Bytes.
    pub body: usize,
    /// gRPC tells its status there.
    pub trailers: usize,
}

/// Reads the answer to a callout; trailers stand behind the headers. No headers: the
/// answer was cut or late, and reading the map would trap.
pub(crate) fn answer(sizes: AnswerSizes) -> Answer {
    let AnswerSizes { headers, body, trailers } = sizes;
    if headers == 0 {
        return Answer::Unavailable;
    }
    let mut headers =
        hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders).unwrap_or_default();
    if trailers > 0 {
        let trailers = hostcalls::get_map_bytes(MapType::HttpCallResponseTrailers);
        headers.extend(trailers.unwrap_or_default());
    }
    let status = headers
        .iter()
        .find(|(name, _)| name == ":status")
        .and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
    let Some(status) = status else { return Answer::Unavailable };
    let body = if body == 0 {
        Vec::new()
    } else {
        hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, body)
            .ok()
            .flatten()
            .unwrap_or_default()
    };
    Answer::Response { status, headers, body: body.into() }
}

/// The collected body.
pub(crate) fn body(buffer: BufferType) -> Vec<u8> {
    hostcalls::get_buffer(buffer, 0, usize::MAX).ok().flatten().unwrap_or_default()
}

/// Is there a buffer to replace? On a message without a body there is none.
pub(crate) fn has_body(buffer: BufferType) -> bool {
    hostcalls::get_buffer(buffer, 0, 1).ok().flatten().is_some()
}
