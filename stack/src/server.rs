//! A router behind a socket, until a signal ends it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

/// How long requests may go on after the signal to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Serves the router on `address` (port 0: any free one) until SIGTERM or SIGINT, and prints
/// `listening on ADDR` once it can be reached.
///
/// # Errors
/// The address is taken or not this machine's.
pub async fn serve(router: Router, address: SocketAddr) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    announce(address);

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let ended = async move |mut stopped: tokio::sync::watch::Receiver<bool>| {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let service = router.into_make_service_with_connect_info::<Connection>();
    let server =
        axum::serve(Listener(listener), service).with_graceful_shutdown(ended(stopped.clone()));
    let deadline = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = stop.send(true);
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        done = server.into_future() => done.map_err(|error| error.to_string()),
        () = deadline => Ok(()),
    }
}

fn announce(address: SocketAddr) {
    use io::Write as _;
    // Whoever started this program may have stopped reading; that is no reason to stop serving.
    let _ = writeln!(io::stdout(), "listening on {address}");
    let _ = io::stdout().flush();
}

/// A handle on the client's connection, for handlers that break it.
#[derive(Clone)]
pub(crate) struct Connection(Arc<AtomicBool>);

impl Connection {
    /// Resets the connection instead of the next write.
    pub(crate) fn reset(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Connected<IncomingStream<'_, Listener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self(Arc::clone(&stream.io().reset))
    }
}

struct Listener(TcpListener);

impl axum::serve::Listener for Listener {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, peer)) => {
                    // Slower, not wrong, where it cannot be set.
                    let _ = stream.set_nodelay(true);
                    return (Socket { stream, reset: Arc::default() }, peer);
                }
                // Most often there are no file descriptors left: wait for some to be closed.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A TCP stream that can be told to reset.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Socket {
    fn usable(&self) -> io::Result<()> {
        if self.reset.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl Drop for Socket {
    /// The server may close without another write, so that RST instead of FIN is asked for here.
    fn drop(&mut self) {
        if self.reset.load(Ordering::Acquire) {
            // Where it cannot be had, the connection still closes without an answer.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.usable()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.usable()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.usable()?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};

    use super::*;
    use crate::upstream::{Recorder, router};

    #[tokio::test(flavor = "multi_thread")]
    async fn reset_is_no_ordinary_close() {
        let router = router(&Recorder::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<Connection>();
        tokio::spawn(axum::serve(Listener(listener), service).into_future());
        let mut client = std::net::TcpStream::connect(address).unwrap();
        let request = "GET /whoami HTTP/1.1\r\nhost: upstream\r\nx-demo-fault: reset\r\n\r\n";
        client.write_all(request.as_bytes()).unwrap();
        let error = client.read(&mut [0; 16]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}
