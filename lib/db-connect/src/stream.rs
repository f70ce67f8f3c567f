//! The one stream that the driver reads and writes, plain or encrypted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::ChannelBinding;
use tokio_rustls::client::TlsStream;

use crate::watch::{Shared, Watch};

/// What carries the bytes: TCP or a Unix socket.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

pub(crate) enum Layer {
    Plain(Box<dyn Transport>),
    Tls(Box<TlsStream<Box<dyn Transport>>>),
}

/// A connection's bytes as the driver sees them: watched for silence, and for the server's process
/// id while logging in.
pub(crate) struct Stream {
    layer: Layer,
    binding: Option<Vec<u8>>,
    watch: Watch,
    startup: Option<Startup>,
    /// How the bytes ended, held back for one round.
    end: Option<io::Result<()>>,
    shared: Arc<Shared>,
}

impl Stream {
    /// `binding` is what `tls-server-end-point` binds a login to.
    pub(crate) fn new(layer: Layer, binding: Option<Vec<u8>>, shared: Arc<Shared>) -> Stream {
        Stream {
            layer,
            binding,
            watch: Watch::new(Arc::clone(&shared)),
            startup: Some(Startup::default()),
            end: None,
            shared,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(end) = this.end.take() {
            return Poll::Ready(end);
        }
        let before = buf.filled().len();
        let polled = match &mut this.layer {
            Layer::Plain(raw) => Pin::new(raw).poll_read(cx, buf),
            Layer::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        };
        match polled {
            Poll::Pending => this.watch.poll_silence(cx).map(Err),
            Poll::Ready(result) => {
                this.watch.active();
                if result.is_err() || buf.filled().len() == before {
                    // The driver reports a lost connection before it hands on what it read last,
                    // which may be the server's own word on why. A round later that comes first.
                    this.end = Some(result);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                if let Some(startup) = &mut this.startup {
                    startup.read(&buf.filled()[before..]);
                    if startup.done {
                        this.shared.facts().key = startup.key;
                        this.startup = None;
                    }
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let polled = match &mut this.layer {
            Layer::Plain(raw) => Pin::new(raw).poll_write(cx, buf),
            Layer::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        };
        if polled.is_ready() {
            this.watch.active();
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Layer::Plain(raw) => Pin::new(raw).poll_flush(cx),
            Layer::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Layer::Plain(raw) => Pin::new(raw).poll_shutdown(cx),
            Layer::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl tokio_postgres::tls::TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.binding {
            Some(hash) => ChannelBinding::tls_server_end_point(hash.clone()),
            None => ChannelBinding::none(),
        }
    }
}

/// Reads along while logging in: the driver keeps BackendKeyData to itself, and the process id in
/// it tells the server from a pooler.
#[derive(Default)]
struct Startup {
    unread: Vec<u8>,
    key: Option<(i32, i32)>,
    done: bool,
}

/// More than this in one message is no login.
const STARTUP_MESSAGE_MAX: usize = 1 << 20;

impl Startup {
    /// One byte of type, four of length (its own included), then the content: PostgreSQL,
    /// "Message Formats".
    fn read(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((kind, rest)) = self.unread.get(at..).and_then(<[u8]>::split_first) {
            let Some((length, _)) = rest.split_first_chunk::<4>() else {
                break;
            };
            let length = u32::from_be_bytes(*length) as usize;
            if !(4..=STARTUP_MESSAGE_MAX).contains(&length) {
                self.done = true;
                return;
            }
            let Some(content) = rest.get(4..length) else {
                break;
            };
            match (kind, content.first_chunk(), content.get(4..)) {
                (b'K', Some(pid), Some(secret)) => {
                    if let Some(secret) = secret.first_chunk() {
                        self.key = Some((i32::from_be_bytes(*pid), i32::from_be_bytes(*secret)));
                    }
                }
                (b'Z' | b'E', ..) => {
                    self.done = true;
                    return;
                }
                _ => {}
            }
            at += 1 + length;
        }
        self.unread.drain(..at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Vec<u8> {
        let mut bytes = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x0ca\0bcdef\0".to_vec();
        bytes.extend(b"K\0\0\0\x0c\0\0\x10\x01\xff\xff\xff\xfeZ\0\0\0\x05I");
        bytes
    }

    #[test]
    fn the_key_is_found_wherever_the_bytes_are_cut() {
        let login = login();
        for step in 1..login.len() {
            let mut startup = Startup::default();
            for piece in login.chunks(step) {
                startup.read(piece);
            }
            assert!(startup.done, "in pieces of {step}");
            assert_eq!(startup.key, Some((0x1001, -2)), "in pieces of {step}");
        }
    }

    #[test]
    fn what_is_no_login_is_not_hoarded() {
        let mut startup = Startup::default();
        startup.read(b"HTTP/1.1 400 Bad Request\r\n");
        assert!(startup.done);
        assert_eq!(startup.key, None);
    }
}
