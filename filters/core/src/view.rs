//! Views of a request and of a response, as bytes.

use crate::headers::{HeaderSource, Headers};

/// A request as the filter sees it.
#[derive(Debug)]
pub struct Request<'a> {
    headers: Headers<'a>,
    end_of_stream: bool,
}

impl<'a> Request<'a> {
    /// A view over headers at hand. `end_of_stream`: no body follows.
    #[must_use]
    pub fn new(headers: Headers<'a>, end_of_stream: bool) -> Self {
        Request { headers, end_of_stream }
    }

    /// A view that reads its headers when they are first looked at.
    #[must_use]
    pub fn lazy(source: &'a dyn HeaderSource, end_of_stream: bool) -> Self {
        Request::new(Headers::lazy(source), end_of_stream)
    }

    /// The headers, pseudo-headers included.
    #[must_use]
    pub fn headers(&self) -> &Headers<'a> {
        &self.headers
    }

    /// `:method`; some requests that a proxy lets through have none.
    #[must_use]
    pub fn method(&self) -> Option<&[u8]> {
        self.headers.get(":method")
    }

    /// `:path` as it came, query included; absent on plain `CONNECT`.
    #[must_use]
    pub fn path(&self) -> Option<&[u8]> {
        self.headers.get(":path")
    }

    /// `:authority` as it came (host, perhaps with port).
    #[must_use]
    pub fn authority(&self) -> Option<&[u8]> {
        self.headers.get(":authority").or_else(|| self.headers.get("host"))
    }

    /// Does the message end with its headers?
    #[must_use]
    pub fn is_end_of_stream(&self) -> bool {
        self.end_of_stream
    }
}

/// A response as the filter sees it.
#[derive(Debug)]
pub struct Response<'a> {
    headers: Headers<'a>,
    end_of_stream: bool,
}

impl<'a> Response<'a> {
    /// A view over headers at hand. `end_of_stream`: no body follows.
    #[must_use]
    pub fn new(headers: Headers<'a>, end_of_stream: bool) -> Self {
        Response { headers, end_of_stream }
    }

    /// A view that reads its headers when they are first looked at.
    #[must_use]
    pub fn lazy(source: &'a dyn HeaderSource, end_of_stream: bool) -> Self {
        Response::new(Headers::lazy(source), end_of_stream)
    }

    /// The headers, pseudo-headers included.
    #[must_use]
    pub fn headers(&self) -> &Headers<'a> {
        &self.headers
    }

    /// `:status`, when it is a number from 100 to 999.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        let text = std::str::from_utf8(self.headers.get(":status")?).ok()?;
        text.parse().ok().filter(|s| (100..1000).contains(s))
    }

    /// Does the message end with its headers?
    #[must_use]
    pub fn is_end_of_stream(&self) -> bool {
        self.end_of_stream
    }
}
