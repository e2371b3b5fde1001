//! The bytes between a client and a server: over TCP, TLS or ssh.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::ssh::Tunnel;

/// An open connection below the WebSocket.
pub(super) enum ByteChannel {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Ssh(Box<Tunnel>),
}

/// Does the same with whichever byte channel it is.
macro_rules! each {
    ($channel:expr, $it:ident => $do:expr) => {
        match $channel {
            ByteChannel::Plain($it) => $do,
            ByteChannel::Tls($it) => $do,
            ByteChannel::Ssh($it) => $do,
        }
    };
}

impl AsyncRead for ByteChannel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(&mut *self, it => Pin::new(it).poll_read(cx, buf))
    }
}

impl AsyncWrite for ByteChannel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(&mut *self, it => Pin::new(it).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(&mut *self, it => Pin::new(it).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, it => it.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, it => Pin::new(it).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, it => Pin::new(it).poll_shutdown(cx))
    }
}
