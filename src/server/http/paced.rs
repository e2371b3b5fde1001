//! A peer has to read a response at a minimum pace: reading it byte by byte would hold its memory for hours.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How often the pace is checked while something waits to be read.
const SPAN: Duration = Duration::from_secs(10);

/// The least that a peer must take in that time, in bytes: 16 KiB/s, a slow mobile connection.
const LEAST: usize = 160 * 1024;

/// A stream whose writes fail once the peer is too slow.
pub(in crate::server) struct Paced<S, F> {
    stream: S,
    /// Called when everything has been sent.
    on_flushed: F,
    /// The end of the current span; `None` if nothing waits.
    span: Option<Pin<Box<Sleep>>>,
    /// The bytes taken in the current span.
    taken: usize,
    /// Whether something was written since the last flush.
    has_written: bool,
}

impl<S, F> Paced<S, F> {
    pub(in crate::server) fn new(stream: S, on_flushed: F) -> Self {
        Self {
            stream,
            on_flushed,
            span: None,
            taken: 0,
            has_written: false,
        }
    }

    pub(in crate::server) fn into_inner(self) -> S {
        self.stream
    }

    /// Passes on the result of a write, unless it waits for a peer that is too slow.
    fn pace<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            return done;
        }
        let span = self.span.get_or_insert_with(|| {
            self.taken = 0;
            Box::pin(tokio::time::sleep(SPAN))
        });
        while span.as_mut().poll(cx).is_ready() {
            if self.taken < LEAST {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.taken = 0;
            span.as_mut().reset(Instant::now() + SPAN);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin, F: Unpin> AsyncRead for Paced<S, F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin, F: Fn() + Unpin> AsyncWrite for Paced<S, F> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        let count = ready!(self.pace(cx, written))?;
        self.taken += count;
        self.has_written = true;
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// When everything has been sent, nothing waits any more.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        ready!(self.pace(cx, flushed))?;
        self.span = None;
        if std::mem::take(&mut self.has_written) {
            (self.on_flushed)();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.pace(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    static ANSWER: [u8; 1024 * 1024] = [7; 1024 * 1024];

    /// The result of writing a response whose reader takes `bytes` per second, and how long it takes.
    async fn written(bytes: usize) -> (io::Result<()>, Duration) {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            let mut taken = vec![0; bytes];
            while theirs.read_exact(&mut taken).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let (mut ours, begun) = (Paced::new(ours, || {}), Instant::now());
        (ours.write_all(&ANSWER).await, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_cut_off() {
        for bytes in [1, 1024, 15 * 1024] {
            let (result, took) = written(bytes).await;
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!(took.as_secs(), SPAN.as_secs(), "{bytes} bytes a second");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_reader_gets_everything() {
        let (result, took) = written(20 * 1024).await;
        result.unwrap();
        assert!(took > 5 * SPAN, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_between_two_responses_is_not_slow() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let mut ours = Paced::new(ours, || {});
        let mut taken = [0; 2048];
        for _ in 0..3 {
            let answered = async {
                ours.write_all(&ANSWER[..2048]).await.unwrap();
                ours.flush().await.unwrap();
            };
            tokio::join!(answered, theirs.read_exact(&mut taken))
                .1
                .unwrap();
            tokio::time::sleep(SPAN * 2).await;
        }
    }
}
