//! An upstream that answers in every framing, and badly: for the tests of the
//! shell. One request a connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

static BUSY: AtomicUsize = AtomicUsize::new(0);
static BUSIEST: AtomicUsize = AtomicUsize::new(0);

/// Serves until the process ends.
///
/// # Errors
/// When it cannot listen.
pub fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A peer that leaves is no concern of the others.
            std::thread::spawn(move || serve(stream).unwrap_or_default());
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let Some((head, body)) = read_request(&mut stream)? else { return Ok(()) };
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (path, query) = path.split_once('?').unwrap_or((path.as_str(), ""));
    let mut write = |text: &str| stream.write_all(text.as_bytes());
    match path {
        "/echo" => {
            let value = |name: &str| header(&head, name).unwrap_or("-");
            let mut text = format!(
                "held={} answer={} length={} bad={}\n",
                value("x-held"),
                value("x-answer"),
                value("content-length"),
                value("x-bad"),
            )
            .into_bytes();
            text.extend_from_slice(&body);
            let length = text.len();
            write(&format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            ))?;
            stream.write_all(&text)
        }
        "/length" => write(
            "HTTP/1.1 200 OK\r\nX-Kind: length\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        ),
        "/chunked" => write(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
             2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ),
        "/bytes" => {
            write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")?;
            for byte in "hello".chars() {
                write(&format!("1\r\n{byte}\r\n"))?;
                // So that each byte is a read of its own at the proxy.
                std::thread::sleep(Duration::from_millis(5));
            }
            write("0\r\n\r\n")
        }
        "/close" => write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"),
        "/trailers" => write(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-end\r\nConnection: close\r\n\r\n\
             5\r\nhello\r\n0\r\nx-end: 1\r\n\r\n",
        ),
        "/cut-length" => {
            write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhello")
        }
        "/cut-chunked" => write(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n",
        ),
        "/empty" => write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        "/204" => write("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
        "/304" => write("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nConnection: close\r\n\r\n"),
        "/500" => write(
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops",
        ),
        "/big" => {
            let length: usize = query.parse().unwrap_or(0);
            write(&format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            ))?;
            stream.write_all(&vec![b'b'; length])
        }
        "/reset" => Ok(()),
        // How many of these there are at once,
        "/busy" => {
            let now = BUSY.fetch_add(1, Ordering::SeqCst) + 1;
            BUSIEST.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(3));
            BUSY.fetch_sub(1, Ordering::SeqCst);
            write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        }
        // and how many there were at most.
        "/busiest" => {
            let most = BUSIEST.load(Ordering::SeqCst).to_string();
            let length = most.len();
            write(&format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{most}"
            ))
        }
        // Another protocol, until one of both leaves.
        "/upgrade" | "/upgrade-and-close" => {
            write(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            )?;
            if path == "/upgrade" {
                stream.read_to_end(&mut Vec::new())?;
            }
            Ok(())
        }
        // Says nothing until the peer gives up.
        "/late" => stream.read_to_end(&mut Vec::new()).map(drop),
        _ => write("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"),
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (n, value) = line.split_once(':')?;
        n.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Head and body of one request; `None`: the peer left.
fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w: &[u8]| w == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut chunk)? {
            0 => return Ok(None),
            n => bytes.extend_from_slice(&chunk[..n]),
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let chunked = header(&head, "transfer-encoding").is_some_and(|v| v.ends_with("chunked"));
    let length: usize = header(&head, "content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    loop {
        let whole = if chunked { body.ends_with(b"0\r\n\r\n") } else { body.len() >= length };
        if whole {
            break;
        }
        match stream.read(&mut chunk)? {
            0 => break,
            n => body.extend_from_slice(&chunk[..n]),
        }
    }
    Ok(Some((head, if chunked { unchunk(&body) } else { body })))
}

fn unchunk(mut wire: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(at) = wire.windows(2).position(|w| w == b"\r\n") {
        let size = String::from_utf8_lossy(&wire[..at]).into_owned();
        let Ok(size) = usize::from_str_radix(&size, 16) else { break };
        let Some(data) = wire.get(at + 2..at + 2 + size).filter(|_| size > 0) else { break };
        out.extend_from_slice(data);
        wire = wire.get(at + 2 + size + 2..).unwrap_or_default();
    }
    out
}
