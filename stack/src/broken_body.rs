//! A body that arrives in pieces, stops, or never ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderValue};
use http_body::Frame;
use tokio::time::{Sleep, sleep};

/// The trailer's name.
pub(crate) const TRAILING: &str = "x-demo-end";

/// How a body ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As it should.
    Complete,
    /// With a trailer.
    Trailers,
    /// The connection closes.
    Cut,
    /// Nothing comes for so long; then the connection closes.
    Stall(Duration),
}

/// What is sent of a body, and how.
pub(crate) struct BrokenBody {
    rest: Bytes,
    /// One byte at a time, so far apart.
    pace: Option<Duration>,
    ending: Ending,
    pause: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl BrokenBody {
    pub(crate) fn new(sent: Bytes, pace: Option<Duration>, ending: Ending) -> Self {
        Self { rest: sent, pace, ending, pause: None, ended: false }
    }

    pub(crate) fn cut(sent: Bytes) -> Self {
        Self::new(sent, None, Ending::Cut)
    }

    /// The next piece, and how long to wait after it.
    fn next_piece(&mut self) -> (Bytes, Duration) {
        let (size, wait) = match self.pace {
            // A pause of any length makes the server write out what it has.
            Some(wait) => (1, wait.max(Duration::from_millis(1))),
            None => (self.rest.len(), Duration::from_millis(1)),
        };
        (self.rest.split_to(size.min(self.rest.len())), wait)
    }
}

impl HttpBody for BrokenBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let body = &mut *self;
        if let Some(pause) = &mut body.pause {
            if pause.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            body.pause = None;
        }
        if !body.rest.is_empty() {
            let (piece, wait) = body.next_piece();
            body.pause = Some(Box::pin(sleep(wait)));
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if body.ended {
            return Poll::Ready(None);
        }
        match body.ending {
            Ending::Complete => {
                body.ended = true;
                Poll::Ready(None)
            }
            Ending::Trailers => {
                body.ended = true;
                let mut trailers = HeaderMap::new();
                trailers.insert(TRAILING, HeaderValue::from_static("1"));
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Ending::Cut => {
                body.ended = true;
                Poll::Ready(Some(Err(io::Error::other("cut as asked"))))
            }
            Ending::Stall(wait) => {
                body.ending = Ending::Cut;
                body.pause = Some(Box::pin(sleep(wait)));
                self.poll_frame(context)
            }
        }
    }
}
