//! The bytes between "connected" and "logging in": PostgreSQL's request for TLS and the handshake.
//!
//! The driver knows fewer `sslmode`s than libpq and keeps what it negotiates to itself. Told that
//! TLS is required and begins at once, it hands the bare socket to the connector and takes
//! whatever stream comes back; so the connector does the whole negotiation, and what comes back
//! may well be plain.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_postgres::Socket;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_rustls::TlsConnector;

use crate::TlsFacts;
use crate::stream::{Layer, Stream, Transport};
use crate::watch::{Shared, Silence};
use crate::x509;

/// How one attempt is encrypted.
#[derive(Clone)]
pub(crate) enum Encryption {
    Never,
    IfOffered(Tls),
    Always(Tls),
}

/// What a handshake needs.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) config: Arc<rustls::ClientConfig>,
    pub(crate) server_name: ServerName<'static>,
    /// TLS from the first byte, without PostgreSQL's request.
    pub(crate) direct: bool,
    /// Whether a login may be bound to the channel.
    pub(crate) bind: bool,
}

/// Turns a socket into a [`Stream`].
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) encryption: Encryption,
    /// The Unix socket to use in the place of the socket that the driver brings.
    pub(crate) unix_socket: Option<PathBuf>,
    pub(crate) shared: Arc<Shared>,
}

/// Why a negotiation came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the server does not support TLS")]
    NotOffered,
    /// From a server that could not start a process for the session. The message is not read: at
    /// this point anybody in between could have written it.
    #[error("the server answered the request for TLS with an error")]
    ErrorInstead,
    #[error("what answers is not PostgreSQL: its first byte is {0:#04x}")]
    NotPostgres(u8),
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("the connection failed")]
    Transport(#[source] io::Error),
}

impl Connector {
    /// Negotiates over a transport, until the deadline that [`Shared`] has.
    pub(crate) async fn negotiate(self, transport: Box<dyn Transport>) -> Result<Stream, Refusal> {
        let deadline = self.shared.facts().deadline;
        let negotiated = self.negotiate_unbounded(transport);
        let Some(deadline) = deadline else {
            return negotiated.await;
        };
        match tokio::time::timeout_at(deadline.into(), negotiated).await {
            Ok(result) => result,
            Err(_) => Err(Refusal::Transport(io::Error::new(
                io::ErrorKind::TimedOut,
                Silence::Deadline,
            ))),
        }
    }

    async fn negotiate_unbounded(
        self,
        mut transport: Box<dyn Transport>,
    ) -> Result<Stream, Refusal> {
        if let Some(path) = &self.unix_socket {
            let socket = UnixStream::connect(path).await;
            transport = Box::new(socket.map_err(Refusal::Transport)?);
        }
        let tls = match &self.encryption {
            Encryption::Never => None,
            Encryption::Always(tls) if tls.direct => Some(tls),
            Encryption::IfOffered(tls) | Encryption::Always(tls) => {
                let offered = request_tls(&mut transport).await?;
                if !offered && matches!(self.encryption, Encryption::Always(_)) {
                    return Err(Refusal::NotOffered);
                }
                offered.then_some(tls)
            }
        };
        let Some(tls) = tls else {
            return Ok(Stream::new(Layer::Plain(transport), None, self.shared));
        };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector
            .connect(tls.server_name.clone(), transport)
            .await
            .map_err(Refusal::Handshake)?;
        let session = stream.get_ref().1;
        self.shared.facts().tls = facts(session);
        let binding = match session.peer_certificates() {
            Some([certificate, ..]) if tls.bind => x509::end_point_hash(certificate),
            _ => None,
        };
        Ok(Stream::new(
            Layer::Tls(Box::new(stream)),
            binding,
            self.shared,
        ))
    }
}

/// Asks for TLS (PostgreSQL, "SSL Session Encryption"). Exactly one byte of answer is read: more,
/// sent in the clear by somebody in between, has to fail the handshake and not to be believed.
async fn request_tls(transport: &mut Box<dyn Transport>) -> Result<bool, Refusal> {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    transport
        .write_all(&SSL_REQUEST)
        .await
        .map_err(Refusal::Transport)?;
    transport.flush().await.map_err(Refusal::Transport)?;
    match transport.read_u8().await.map_err(Refusal::Transport)? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        b'E' => Err(Refusal::ErrorInstead),
        other => Err(Refusal::NotPostgres(other)),
    }
}

fn facts(session: &rustls::ClientConnection) -> Option<TlsFacts> {
    let version = match session.protocol_version()? {
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2",
        rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3",
        _ => return None,
    };
    let cipher = session.negotiated_cipher_suite()?.suite();
    let cipher = cipher.as_str().unwrap_or("unknown");
    // The library prefixes the suites of TLS 1.3 in its own way.
    let cipher = match cipher.strip_prefix("TLS13_") {
        Some(rest) => format!("TLS_{rest}"),
        None => cipher.to_owned(),
    };
    Some(TlsFacts { version, cipher })
}

impl TlsConnect<Socket> for Connector {
    type Stream = Stream;
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Refusal>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(self.negotiate(Box::new(socket)))
    }
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Stream;
    type TlsConnect = Connector;
    type Error = std::convert::Infallible;

    fn make_tls_connect(&mut self, _host: &str) -> Result<Connector, Self::Error> {
        Ok(self.clone())
    }
}
