//! Requests over HTTP/2, each on a connection of its own.

use std::io::Cursor;
use std::net::SocketAddr;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Uri};
use http::{Method, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::observe::Answer;
use crate::request::Filled;
use crate::tls::{Client, server};

/// A request in HTTP/2's words; `None` where those have none for it.
#[must_use]
pub fn request(filled: &Filled) -> Option<Request<Vec<u8>>> {
    if filled.raw.is_some() {
        return None;
    }
    let target = PathAndQuery::try_from(filled.path.as_slice()).ok()?;
    let host = Authority::try_from(filled.host.as_slice()).ok()?;
    // No user stands before the host (RFC 9113 §8.3.1): the proxy resets such a
    // stream before any filter sees it.
    if filled.host.contains(&b'@') {
        return None;
    }
    // The library must not have made it another target.
    if target.as_str().as_bytes() != filled.path {
        return None;
    }
    let uri = Uri::builder().scheme("https").authority(host).path_and_query(target).build().ok()?;
    let mut request = Request::new(filled.body.clone().unwrap_or_default());
    *request.method_mut() = Method::from_bytes(filled.method.as_bytes()).ok()?;
    *request.uri_mut() = uri;
    for line in &filled.lines {
        let colon = line.iter().position(|b| *b == b':')?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name).ok()?;
        // Of a connection, not of a request (RFC 9113 §8.2.2).
        if ["connection", "host", "upgrade", "transfer-encoding", "te"].contains(&name.as_str()) {
            return None;
        }
        // HTTP/2 keeps further blanks.
        let value = value[1..].strip_prefix(b" ").unwrap_or(&value[1..]);
        let value = HeaderValue::from_bytes(value).ok()?;
        request.headers_mut().append(name, value);
    }
    if let Some(body) = &filled.body {
        request.headers_mut().insert(CONTENT_LENGTH, body.len().into());
    }
    Some(request)
}

/// What follows the body of a request, as an extension of it.
#[derive(Clone)]
pub struct Trailers(pub HeaderMap);

impl Client {
    /// Sends one request over HTTP/2, which the client has to offer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send_h2(
        &self,
        to: SocketAddr,
        request: Request<Vec<u8>>,
        patience: Duration,
    ) -> Result<Answer, String> {
        within(patience, self.exchange(to, request))
    }

    async fn exchange(&self, to: SocketAddr, request: Request<Vec<u8>>) -> Result<Answer, String> {
        let socket = TcpStream::connect(to).await.map_err(|e| format!("{to}: {e}"))?;
        let connector = TlsConnector::from(self.config.clone());
        let tls = connector.connect(server(), socket).await.map_err(|e| e.to_string())?;
        if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err("the server did not pick h2".to_owned());
        }
        exchange(tls, request).await.map(|(answer, _)| answer)
    }
}

/// Sends one request over HTTP/2 without TLS, to a server that is known to speak it (RFC
/// 9113 §3.3). The answer, and its trailers.
///
/// # Errors
/// When there is no answer.
pub fn send_plain(
    to: SocketAddr,
    request: Request<Vec<u8>>,
    patience: Duration,
) -> Result<(Answer, HeaderMap), String> {
    within(patience, async {
        let socket = TcpStream::connect(to).await.map_err(|e| format!("{to}: {e}"))?;
        exchange(socket, request).await
    })
}

fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let answer = tokio::time::timeout(patience, work);
        answer.await.unwrap_or_else(|_| Err(format!("no answer within {patience:?}")))
    })
}

async fn exchange(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Vec<u8>>,
) -> Result<(Answer, HeaderMap), String> {
    let failed = |e: h2::Error| e.to_string();
    let handshake = h2::client::Builder::new().handshake::<_, Cursor<Vec<u8>>>(socket);
    let (sender, connection) = handshake.await.map_err(failed)?;
    tokio::spawn(connection);
    let mut sender = sender.ready().await.map_err(failed)?;

    let to_head = request.method() == Method::HEAD;
    let (mut head, body) = request.into_parts();
    let trailers = head.extensions.remove::<Trailers>();
    let request = Request::from_parts(head, ());
    let (response, mut stream) = sender.send_request(request, body.is_empty()).map_err(failed)?;
    if !body.is_empty() {
        stream.send_data(Cursor::new(body), trailers.is_none()).map_err(failed)?;
        if let Some(Trailers(trailers)) = trailers {
            stream.send_trailers(trailers).map_err(failed)?;
        }
    }
    let (head, mut body) = response.await.map_err(failed)?.into_parts();
    let headers = head.headers.iter();
    let mut answer = Answer {
        status: head.status.as_u16(),
        headers: headers.map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect(),
        to_head,
        ..Answer::default()
    };
    while let Some(chunk) = body.data().await {
        let Ok(chunk) = chunk else {
            answer.cut = true;
            break;
        };
        answer.body.extend_from_slice(&chunk);
        body.flow_control().release_capacity(chunk.len()).map_err(failed)?;
    }
    let trailers = body.trailers().await.ok().flatten().unwrap_or_default();
    Ok((answer, trailers))
}
