//! One question over HTTP: is a program well? For images without an HTTP client.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long each step of it may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most that is read of an answer; its first line is all that counts.
const MOST: u64 = 64;

/// Asks `http://host:port/path`; good is any status from 200 to 299.
///
/// # Errors
/// Not such a URL, no answer, or another status.
pub(crate) fn check(url: &str) -> Result<(), String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| format!("`{url}`: expected http://host:port/path"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let failed = |error: std::io::Error| format!("{url}: {error}");
    let mut stream = TcpStream::connect(host).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut begun = Vec::new();
    stream.take(MOST).read_to_end(&mut begun).map_err(failed)?;
    let text = String::from_utf8_lossy(&begun);
    match text.split(' ').nth(1) {
        Some(status) if status.len() == 3 && status.starts_with('2') => Ok(()),
        Some(status) => Err(format!("{url}: status {status}")),
        None => Err(format!("{url}: no answer in HTTP")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What is said of a server that gives this answer.
    fn said_of(answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = client.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /well HTTP/1.1\r\n"));
            client.write_all(answer.as_bytes()).unwrap();
        });
        let said = check(&format!("http://{address}/well"));
        server.join().unwrap();
        said.map_err(|error| error.replace(&address.to_string(), "it"))
    }

    #[test]
    fn only_a_good_status_is_good() {
        assert_eq!(said_of("HTTP/1.1 204 No Content\r\n\r\n"), Ok(()));
        let error = said_of("HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap_err();
        assert_eq!(error, "http://it/well: status 503");
        assert_eq!(said_of("hello").unwrap_err(), "http://it/well: no answer in HTTP");
    }

    #[test]
    fn nobody_there_is_not_good() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(check(&format!("http://{free}/")).is_err());
        assert_eq!(check("/well").unwrap_err(), "`/well`: expected http://host:port/path");
    }
}
