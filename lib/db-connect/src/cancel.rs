//! Canceling a running statement from another thread.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::connector::{Connector, Refusal};
use crate::stream::Transport;
use crate::watch::Shared;

/// Longest time that a cancel request may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Cancels what runs on one connection. It may be cloned, sent to any thread, and used any number
/// of times; it goes to the same address by the same encryption as the connection.
#[derive(Clone)]
pub struct CancelHandle {
    pub(crate) way: Way,
}

#[derive(Clone)]
pub(crate) enum Way {
    Own {
        connector: Connector,
        /// None where the connector has a Unix socket.
        address: Option<SocketAddr>,
        key: (i32, i32),
    },
    /// The driver's own, over a plain Unix socket.
    Driver(postgres::CancelToken),
}

/// The request to cancel could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// There is no connection to send it over.
    #[error("cannot send the request to cancel")]
    Connection(#[source] io::Error),
    /// The driver could not.
    #[error("cannot send the request to cancel")]
    Driver(#[source] postgres::Error),
}

impl CancelHandle {
    /// Asks the server to cancel the statement that runs now, if one runs. Returns once the server
    /// has taken the request; whether it came in time shows in the statement's own end (57014).
    ///
    /// # Errors
    ///
    /// The request could not be sent within five seconds.
    pub fn cancel(&self) -> Result<(), CancelError> {
        match &self.way {
            Way::Driver(token) => token
                .cancel_query(postgres::NoTls)
                .map_err(CancelError::Driver),
            Way::Own {
                connector,
                address,
                key,
            } => send(connector, *address, *key).map_err(CancelError::Connection),
        }
    }
}

fn send(connector: &Connector, address: Option<SocketAddr>, key: (i32, i32)) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let deadline = Instant::now() + CANCEL_TIMEOUT;
    let connector = Connector {
        shared: Shared::connecting(deadline),
        ..connector.clone()
    };
    runtime.block_on(async {
        let sent = tokio::time::timeout_at(deadline.into(), send_over(connector, address, key));
        match sent.await {
            Ok(result) => result,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    })
}

async fn send_over(
    connector: Connector,
    address: Option<SocketAddr>,
    (pid, secret): (i32, i32),
) -> io::Result<()> {
    let transport: Box<dyn Transport> = match address {
        Some(address) => Box::new(TcpStream::connect(address).await?),
        None => Box::new(tokio::io::empty()),
    };
    let mut stream = connector
        .negotiate(transport)
        .await
        .map_err(|refusal| match refusal {
            Refusal::Transport(source) | Refusal::Handshake(source) => source,
            other => io::Error::other(other),
        })?;
    // CancelRequest: PostgreSQL, "Message Formats".
    let mut request = [0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 0, 0, 0, 0, 0];
    request[8..12].copy_from_slice(&pid.to_be_bytes());
    request[12..].copy_from_slice(&secret.to_be_bytes());
    stream.write_all(&request).await?;
    stream.flush().await?;
    // The server closes the connection once it has signalled the process.
    let mut rest = [0; 16];
    while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
    Ok(())
}
