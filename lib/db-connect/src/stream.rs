//! The one stream that the driver reads and writes, plain or encrypted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_postgres::tls::ChannelBinding;
use tokio_rustls::client::TlsStream;

use crate::messages::{Completions, Startup};
use crate::watch::{Shared, Watch};

/// What carries the bytes: TCP or a Unix socket.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

pub(crate) enum Layer {
    Plain(Box<dyn Transport>),
    Tls(Box<TlsStream<Box<dyn Transport>>>),
}

/// A connection's bytes as the driver sees them: watched for silence, for the server's process id
/// while logging in, and for the statements that are done afterwards.
pub(crate) struct Stream {
    layer: Layer,
    binding: Option<Vec<u8>>,
    watch: Watch,
    startup: Option<Startup>,
    completions: Completions,
    /// How the bytes ended, held back for one round.
    end: Option<io::Result<()>>,
    /// Set once our side is closed: how long the server's is waited for.
    farewell: Option<Pin<Box<Sleep>>>,
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
            completions: Completions::default(),
            end: None,
            farewell: None,
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
                if result.is_err() || buf.filled().len() == before {
                    // The driver reports a lost connection before it hands on what it read last,
                    // which may be the server's own word on why. A round later that comes first.
                    this.end = Some(result);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                let mut bytes = &buf.filled()[before..];
                if let Some(startup) = &mut this.startup {
                    bytes = startup.read(bytes);
                    if startup.done {
                        this.shared.facts().key = startup.key;
                        this.startup = None;
                    }
                }
                let said = this.completions.read(bytes);
                this.watch.read(said.is_ready);
                this.shared.completed(said.completed);
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
            this.watch.wrote(cx);
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
        let this = &mut *self;
        if this.farewell.is_none() {
            ready!(match &mut this.layer {
                Layer::Plain(raw) => Pin::new(raw).poll_shutdown(cx),
                Layer::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            })?;
        }
        let farewell = this
            .farewell
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(FAREWELL_MAX)));
        loop {
            let mut bytes = [0; 256];
            let mut rest = ReadBuf::new(&mut bytes);
            let polled = match &mut this.layer {
                Layer::Plain(raw) => Pin::new(raw).poll_read(cx, &mut rest),
                Layer::Tls(tls) => Pin::new(tls).poll_read(cx, &mut rest),
            };
            match polled {
                Poll::Ready(Ok(())) if !rest.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return farewell.as_mut().poll(cx).map(Ok),
            }
        }
    }
}

/// How long the end of a session waits for the server to close its side. It does so when its process
/// has let go of everything: a lock that outlived us would keep out whoever comes next.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

impl tokio_postgres::tls::TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.binding {
            Some(hash) => ChannelBinding::tls_server_end_point(hash.clone()),
            None => ChannelBinding::none(),
        }
    }
}
