//! Connections that are counted, and that can be cut.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::Shared;

/// Counts connections, and makes each of them such that it can be cut.
pub(super) struct Counting {
    pub(super) listener: TcpListener,
    pub(super) shared: Arc<Shared>,
}

impl Listener for Counting {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        self.shared.recorder.connected();
        // Answers are small: without this each would wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        (Connection { stream, cutter: Cutter::default() }, address)
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Tells a connection from within a request how it is to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Cutter(Arc<AtomicU8>);

impl Cutter {
    /// Ends the connection before a byte is answered.
    pub(super) fn reset(&self) {
        self.0.store(RESET, Ordering::Release);
    }

    /// Ends it in the middle of the body.
    pub(super) fn cut(&self) {
        self.0.store(IN_BODY, Ordering::Release);
    }

    pub(super) fn is_reset(&self) -> bool {
        self.0.load(Ordering::Acquire) == RESET
    }
}

const WHOLE: u8 = 0;
const RESET: u8 = 1;
const IN_BODY: u8 = 2;

impl Connected<IncomingStream<'_, Counting>> for Cutter {
    fn connect_info(stream: IncomingStream<'_, Counting>) -> Self {
        stream.io().cutter.clone()
    }
}

pub(super) struct Connection {
    stream: TcpStream,
    cutter: Cutter,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        match self.cutter.0.load(Ordering::Acquire) {
            WHOLE => Pin::new(&mut self.stream).poll_write(context, bytes),
            IN_BODY => {
                let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
                let half = head + (bytes.len() - head) / 2;
                let written =
                    Pin::new(&mut self.stream).poll_write(context, &bytes[..half.max(1).min(bytes.len())]);
                if written.is_ready() {
                    self.cutter.0.store(RESET + IN_BODY, Ordering::Release);
                }
                written
            }
            how => {
                if how == RESET {
                    // The other side sees a reset, not an orderly end.
                    let _ = self.stream.set_zero_linger();
                }
                Poll::Ready(Err(cut))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
