//! The load: a closed loop on connections that stay open, all served by one thread, which
//! needs less time than any Envoy: so Envoy always has work before it. Requests are made
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
        let mut next = list.iter().cycle().skip(first % list.len()).take(all);
        for (connection, request) in self.connections.iter_mut().zip(&mut next) {
            connection.write(request)?;
        }
        // The answers come about in the order of the requests, so this waits for one
        // while the others are on their way.
        for _ in 0..each {
            for connection in &mut self.connections {
                answered(connection)?;
                if let Some(request) = next.next() {
                    connection.write(request)?;
                }
            }
        }
        self.sent += all;
        Ok(all)
    }
}

fn answered(connection: &mut Connection) -> Result<(), String> {
    let answer = connection.read(false)?;
    if answer.status == 200 && !answer.cut {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    Err(format!("an answer under load was {}: {body}", answer.status))
}
