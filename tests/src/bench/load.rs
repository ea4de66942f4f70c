//! The load: a closed loop on connections that stay open.

use std::net::SocketAddr;

use crate::client::{Connection, PATIENCE};

/// Connections on which the same request is sent again and again.
#[derive(Debug)]
pub struct Load {
    connections: Vec<Connection>,
    request: Vec<u8>,
}

impl Load {
    /// Opens the connections.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(to: SocketAddr, connections: usize, request: Vec<u8>) -> Result<Self, String> {
        let connections: Result<_, _> =
            (0..connections).map(|_| Connection::open(to, PATIENCE)).collect();
        Ok(Load { connections: connections?, request })
    }

    /// Sends the request on each connection `each` times, always one after the
    /// answer to the other. Returns how many were answered.
    ///
    /// # Errors
    /// An answer that is not 200: its cost would be that of something else.
    pub fn run(&mut self, each: usize) -> Result<usize, String> {
        let request = &self.request;
        let connections = self.connections.len();
        std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .connections
                .iter_mut()
                .map(|connection| {
                    scope.spawn(move || (0..each).try_for_each(|_| ask(connection, request)))
                })
                .collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().unwrap_or_else(|_| Err("a client panicked".to_owned()))
            })
        })?;
        Ok(connections * each)
    }
}

fn ask(connection: &mut Connection, request: &[u8]) -> Result<(), String> {
    connection.write(request)?;
    let answer = connection.read(false)?;
    if answer.status == 200 && !answer.cut {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    Err(format!("an answer under load was {}: {body}", answer.status))
}
