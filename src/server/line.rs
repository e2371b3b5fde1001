//! The line to one viewer: a socket that one side reads and the other writes.
//!
//! tungstenite reads, and thinks that it writes: what it says (pongs, closes) is kept until the fan-out, which alone
//! writes to the socket, comes to it between two frames.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, mpsc};

use super::socket::Socket;

/// The most that a viewer may make us say before it reads any of it, in bytes: some hundred pongs.
const MAX_REPLIES_BYTES: usize = 4096;

/// What a frame that closes begins with, in its lower half.
const CLOSE_OPCODE: u8 = 0x8;

/// What the reading side tells the fan-out of the viewer with this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// There is something to reply.
    Reply(usize),
    /// The viewer is gone. `finished`: it had the end and said goodbye. The key may be another viewer's by now; the
    /// serial number is not.
    Gone {
        key: usize,
        serial: u64,
        finished: bool,
    },
}

/// What the two sides share.
#[derive(Debug)]
pub(super) struct Line {
    key: usize,
    serial: u64,
    socket: Socket,
    replies: Mutex<Vec<u8>>,
    words: mpsc::UnboundedSender<Word>,
    leave: Notify,
    leave_code: AtomicU16,
    /// The viewer has answered since it was asked last.
    answered: AtomicBool,
    /// A close is among what is to be replied, or was.
    closing: AtomicBool,
}

impl Line {
    pub(super) fn new(
        (key, serial): (usize, u64),
        socket: Socket,
        words: mpsc::UnboundedSender<Word>,
    ) -> Self {
        Self {
            key,
            serial,
            socket,
            replies: Mutex::default(),
            words,
            leave: Notify::new(),
            leave_code: AtomicU16::new(0),
            answered: AtomicBool::new(true),
            closing: AtomicBool::new(false),
        }
    }

    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// Writes what the socket takes without waiting.
    pub(super) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.try_write(slices)
    }

    /// Whether everything that was written is out.
    pub(super) fn try_flush(&self) -> io::Result<bool> {
        self.socket.try_flush()
    }

    /// Waits until the socket takes more.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// Takes what is to be replied.
    pub(super) fn take_replies(&self) -> Option<Bytes> {
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        (!replies.is_empty()).then(|| std::mem::take(&mut *replies).into())
    }

    /// Whether we have said goodbye: behind a close nothing may be sent.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Makes the reading side close with `code`.
    pub(super) fn ask_to_leave(&self, code: u16) {
        self.leave_code.store(code, Ordering::Release);
        self.leave.notify_one();
    }

    /// Waits until the viewer is to leave; the close code.
    pub(super) async fn told_to_leave(&self) -> u16 {
        self.leave.notified().await;
        self.leave_code.load(Ordering::Acquire)
    }

    /// A sign of life came.
    pub(super) fn answer(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// Whether a sign of life has come since [`Line::ask`].
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// A sign of life is asked for.
    pub(super) fn ask(&self) {
        self.answered.store(false, Ordering::Relaxed);
    }

    /// Tells the fan-out that the viewer is gone.
    pub(super) fn gone(&self, finished: bool) {
        // A fan-out that is gone itself needs no telling.
        let _ = self.words.send(Word::Gone {
            key: self.key,
            serial: self.serial,
            finished,
        });
    }

    fn reply(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        if replies.len() + bytes.len() > MAX_REPLIES_BYTES {
            return Err(io::Error::other("the viewer asks and does not read"));
        }
        // tungstenite hands over whole frames, so this is the head of one.
        if bytes
            .first()
            .is_some_and(|head| head & 0x0f == CLOSE_OPCODE)
        {
            self.closing.store(true, Ordering::Release);
        }
        if replies.is_empty() {
            let _ = self.words.send(Word::Reply(self.key));
        }
        replies.extend_from_slice(bytes);
        Ok(bytes.len())
    }
}

/// The reading side, as tungstenite sees it.
#[derive(Debug)]
pub(super) struct ReadSide(pub(super) Arc<Line>);

impl AsyncRead for ReadSide {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.socket.poll_read_shared(cx, buf)
    }
}

impl AsyncWrite for ReadSide {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.reply(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The socket is closed when both sides have let go of it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
