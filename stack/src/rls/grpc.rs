//! gRPC's frames and statuses, as one question and one answer need them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use http_body::Frame;

pub(super) const INVALID_ARGUMENT: u8 = 3;
pub(super) const UNIMPLEMENTED: u8 = 12;
pub(super) const UNAVAILABLE: u8 = 14;

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Status {
    code: u8,
    message: String,
}

impl Status {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Status { code, message: message.into() }
    }
}

/// The one message of a body.
pub(super) fn message(body: &[u8]) -> Result<&[u8], Status> {
    let short = || Status::new(INVALID_ARGUMENT, "no whole message");
    let (head, message) = body.split_first_chunk::<5>().ok_or_else(short)?;
    let [compressed, length @ ..] = *head;
    if compressed != 0 {
        return Err(Status::new(UNIMPLEMENTED, "compressed messages are not read"));
    }
    let whole = usize::try_from(u32::from_be_bytes(length)).is_ok_and(|n| n == message.len());
    if whole { Ok(message) } else { Err(short()) }
}

/// A message, and in the trailers that all is well.
pub(super) fn reply(message: &[u8]) -> Response {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let data = [&[0], length.to_be_bytes().as_slice(), message].concat();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let mut response =
        Response::new(Body::new(Framed { data: Some(data.into()), trailers: Some(trailers) }));
    grpc(&mut response);
    response
}

/// Headers alone.
pub(super) fn failure(status: &Status) -> Response {
    let mut response = Response::new(Body::empty());
    grpc(&mut response);
    let headers = response.headers_mut();
    headers.insert("grpc-status", u64::from(status.code).into());
    let printable: String = status
        .message
        .chars()
        .map(|c| if (' '..='~').contains(&c) && c != '%' { c } else { '?' })
        .collect();
    if let Ok(value) = HeaderValue::from_str(&printable) {
        headers.insert("grpc-message", value);
    }
    response
}

fn grpc(response: &mut Response) {
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
}

struct Framed {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl HttpBody for Framed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.take().map(Frame::data);
        let frame = data.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }
}
