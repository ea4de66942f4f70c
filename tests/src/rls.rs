//! A rate-limit service (`envoy.service.ratelimit.v3`) that gives one answer to all: so
//! that a stock Envoy has something to report.

use std::net::{Ipv4Addr, SocketAddr};

use http::Response;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::net::{TcpListener, TcpStream};

/// What it says of one descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// Requests per unit.
    pub quota: u32,
    /// As the protocol numbers them: 1 a second, 2 a minute, 3 an hour, 4 a day.
    pub unit: u8,
    /// What the limit is called.
    pub name: &'static str,
    /// What is left of it.
    pub remaining: u32,
    /// Seconds.
    pub reset: u8,
}

/// Serves until the process ends.
///
/// # Errors
/// When it cannot listen.
pub fn start(statuses: &[Status]) -> Result<SocketAddr, String> {
    let answer = framed(&answer(statuses));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|e| e.to_string())?;
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let listener = listener.map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    std::thread::spawn(move || {
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                // A peer that leaves is no concern of the others.
                tokio::task::spawn_local(async move {
                    serve(stream, answer).await.unwrap_or_default();
                });
            }
        });
    });
    Ok(address)
}

async fn serve(stream: TcpStream, answer: Vec<u8>) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (_, mut respond) = request?;
        let mut head = Response::new(());
        head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let mut body = respond.send_response(head, false)?;
        body.send_data(answer.clone().into(), false)?;
        let mut end = HeaderMap::new();
        end.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
        body.send_trailers(end)?;
    }
    Ok(())
}

/// A message of gRPC: not compressed, with its length.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(0).to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// A `RateLimitResponse`: `OK`, and its statuses.
fn answer(statuses: &[Status]) -> Vec<u8> {
    let mut out = vec![0x08, 1];
    for Status { quota, unit, name, remaining, reset } in statuses {
        let mut limit = vec![0x08];
        limit.extend(varint(*quota));
        limit.extend([0x10, *unit]);
        limit.extend(field(3, name.as_bytes()));
        let mut status = vec![0x08, 1];
        status.extend(field(2, &limit));
        status.push(0x18);
        status.extend(varint(*remaining));
        status.extend(field(4, &[&[0x08][..], &varint(u32::from(*reset))].concat()));
        out.extend(field(2, &status));
    }
    out
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = varint(u32::try_from(bytes.len()).unwrap_or(0));
    [&[(number << 3) | 2], &length[..], bytes].concat()
}

fn varint(mut number: u32) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
    out
}
