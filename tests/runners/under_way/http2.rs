//! Streams of one connection over HTTP/2.

use h2::Reason;
use h2::client::{Builder as Client, SendRequest};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use super::{SEATS, Seated, same};

/// No request has a body.
type Chunk = std::io::Cursor<Vec<u8>>;

fn runtime() -> Result<Runtime, String> {
    Builder::new_current_thread().enable_io().build().map_err(|e| e.to_string())
}

/// Its connection is served by a thread of its own.
fn connect(on: &Seated) -> Result<SendRequest<Chunk>, String> {
    let own = runtime()?;
    let (sender, connection) = own.block_on(async {
        let socket = TcpStream::connect(on.at).await.map_err(|e| e.to_string())?;
        Client::new().handshake(socket).await.map_err(|e| e.to_string())
    })?;
    std::thread::spawn(move || own.block_on(connection));
    Ok(sender)
}

pub(super) fn reset(on: &Seated) -> Result<(), String> {
    let mut sender = connect(on)?;
    let waits = runtime()?;
    for _ in 0..3 {
        let mut streams = Vec::new();
        for _ in 0..SEATS {
            sender = waits.block_on(sender.ready()).map_err(|e| e.to_string())?;
            let request =
                http::Request::get("http://seats.example/late").header("x-caller", "http2");
            let request = request.body(()).map_err(|e| e.to_string())?;
            streams.push(sender.send_request(request, true).map_err(|e| e.to_string())?);
        }
        on.until("http2", 429)?;
        // The connection stays.
        for (_, stream) in &mut streams {
            stream.send_reset(Reason::CANCEL);
        }
        on.until("http2", 200)?;
    }
    on.all_free("http2")?;
    let closed = waits.block_on(sender.ready()).is_err();
    same("the connection has ended", false, closed)
}
