//! The load: a closed loop on connections that stay open. Requests are made
//! beforehand, so that no slice waits for a signature.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::client::{Connection, PATIENCE};

/// What is sent.
#[derive(Clone, Debug)]
pub struct Requests {
    /// The requests, which a load sends in turn.
    pub list: Arc<[Vec<u8>]>,
    /// From the beginning again after the last? Otherwise each is sent once.
    pub again: bool,
}

/// Connections on which requests are sent.
#[derive(Debug)]
pub struct Load {
    connections: Vec<Connection>,
    requests: Requests,
    sent: usize,
}

impl Load {
    /// Opens the connections.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(to: SocketAddr, connections: usize, requests: Requests) -> Result<Self, String> {
        let connections: Result<_, _> =
            (0..connections).map(|_| Connection::open(to, PATIENCE)).collect();
        Ok(Load { connections: connections?, requests, sent: 0 })
    }

    /// Sends the next `each` requests on each connection, always one after the
    /// answer to the other. Returns how many were answered.
    ///
    /// # Errors
    /// An answer that is not 200: its cost would be that of something else. No
    /// request is left.
    pub fn run(&mut self, each: usize) -> Result<usize, String> {
        let Requests { list, again } = &self.requests;
        let (first, all) = (self.sent, self.connections.len() * each);
        if list.is_empty() || (!again && first + all > list.len()) {
            return Err(format!("{} requests are too few", list.len()));
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .connections
                .iter_mut()
                .enumerate()
                .map(|(at, connection)| {
                    let own = list.iter().cycle().skip((first + at * each) % list.len()).take(each);
                    scope.spawn(move || own.into_iter().try_for_each(|one| ask(connection, one)))
                })
                .collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().unwrap_or_else(|_| Err("a client panicked".to_owned()))
            })
        })?;
        self.sent += all;
        Ok(all)
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
