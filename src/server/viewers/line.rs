//! The connection to one viewer: a socket that one side reads and the other writes.
//!
//! tungstenite reads, and writes to a buffer: its output (pongs, closes) waits until the fan-out, which alone writes to
//! the socket, sends it between two frames.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use tokio::io::ReadBuf;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::locks::lock;

use super::inbound::InboundFrames;
use super::patience::{
    DISCARD_PAUSE, MAX_BYTES_PER_SECOND, MAX_FRAMES_PER_SECOND, MAX_REPLIES_BYTES,
};
use crate::server::door::socket::Socket;

/// A notice from the reading side to the fan-out about the viewer with this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum ReaderNotice {
    /// There is a reply to send.
    Reply(usize),
    /// The viewer is gone. Its key may belong to another viewer by now, but its serial number doesn't.
    Gone {
        key: usize,
        serial: u64,
        parting: Parting,
    },
}

/// How a viewer disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Parting {
    /// It got `end` and completed the close.
    Finished,
    /// It closed in order, or hung up after our close: the kernel still sends what it has buffered.
    InOrder,
    /// It vanished, or didn't answer our close.
    Lost,
}

/// Instead of a close code: nobody has asked the viewer to leave.
const STAYS: u32 = u32::MAX;

/// The state that both sides share.
#[derive(Debug)]
pub(in crate::server) struct ViewerLine {
    key: usize,
    serial: u64,
    socket: Socket,
    replies: Mutex<Vec<u8>>,
    has_replies: AtomicBool,
    notices: mpsc::UnboundedSender<ReaderNotice>,
    /// The code with which the reading side has to close, and the waker of that side.
    leave_code: AtomicU32,
    leaver: AtomicWaker,
    /// A close frame has been sent, or is about to be: no message may follow it.
    is_closing: AtomicBool,
    /// Nothing follows the close frame, whatever the viewer answers: the connection ends with it.
    is_last: AtomicBool,
    /// The viewer has answered the last ping.
    answered: AtomicBool,
    /// The payload of the last ping. Only the same one is an answer: a viewer that sends pongs without reading the
    /// pings isn't alive.
    question: AtomicU32,
}

impl ViewerLine {
    pub(in crate::server) fn new(
        (key, serial): (usize, u64),
        socket: Socket,
        notices: mpsc::UnboundedSender<ReaderNotice>,
    ) -> Self {
        Self {
            key,
            serial,
            socket,
            replies: Mutex::default(),
            has_replies: AtomicBool::new(false),
            notices,
            leave_code: AtomicU32::new(STAYS),
            leaver: AtomicWaker::new(),
            is_closing: AtomicBool::new(false),
            is_last: AtomicBool::new(false),
            answered: AtomicBool::new(true),
            question: AtomicU32::new(0),
        }
    }

    pub(in crate::server) fn serial(&self) -> u64 {
        self.serial
    }

    /// Writes what the socket takes without waiting.
    pub(in crate::server) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.try_write(slices)
    }

    /// Whether messages are all that is to be sent.
    pub(in crate::server) fn is_quiet(&self) -> bool {
        !self.has_replies.load(Ordering::Acquire) && !self.is_closing()
    }

    /// Reads what a stride needs. Returns something that depends on all of it.
    pub(in crate::server) fn fetch(&self) -> bool {
        self.socket.fetch() & self.is_quiet()
    }

    /// Whether it has no TLS.
    pub(in crate::server) fn is_plain(&self) -> bool {
        self.socket.is_plain()
    }

    /// As [`ViewerLine::try_write`], for one message; see [`Socket::try_send`].
    pub(in crate::server) fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.try_send(bytes)
    }

    /// Whether everything written has been sent.
    pub(in crate::server) fn try_flush(&self) -> io::Result<bool> {
        self.socket.try_flush()
    }

    /// Waits until the socket takes more.
    pub(in crate::server) async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// Takes the pending replies.
    pub(in crate::server) fn take_replies(&self) -> Option<Bytes> {
        // Nearly always there are none.
        if !self.has_replies.load(Ordering::Acquire) {
            return None;
        }
        let mut replies = lock(&self.replies);
        self.has_replies.store(false, Ordering::Relaxed);
        Some(std::mem::take(&mut *replies).into())
    }

    /// Makes the reading side close with `code`; 0 if the connection has ended.
    pub(in crate::server) fn ask_to_leave(&self, code: u16) {
        self.leave_code.store(code.into(), Ordering::Release);
        self.leaver.wake();
    }

    /// The close code, if the viewer has to leave.
    pub(in crate::server) fn leave_code(&self) -> Option<u16> {
        u16::try_from(self.leave_code.load(Ordering::Acquire)).ok()
    }

    /// Waits until there may be something to read, after a read that would have blocked, or the viewer has to leave.
    /// Only one task may wait.
    pub(in crate::server) async fn stirred(&self) -> io::Result<()> {
        poll_fn(|cx| {
            self.leaver.register(cx.waker());
            match self.leave_code() {
                Some(_) => Poll::Ready(Ok(())),
                None => self.socket.poll_readable(cx),
            }
        })
        .await
    }

    /// As [`ViewerLine::stirred`], for a viewer that is leaving already.
    pub(in crate::server) async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.socket.poll_readable(cx)).await
    }

    /// From now on, only a close frame is sent.
    pub(in crate::server) fn begin_close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    pub(in crate::server) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    /// From now on, only a close frame is sent, and then nothing.
    pub(in crate::server) fn begin_last_close(&self) {
        self.is_last.store(true, Ordering::Relaxed);
        self.begin_close();
    }

    /// Everything has been sent: tells the viewer that nothing follows, if that is so.
    pub(in crate::server) fn all_said(&self) {
        if self.is_last.swap(false, Ordering::Relaxed) {
            self.socket.say_no_more();
        }
    }

    /// Ends the connection; see [`Socket::hang_up`].
    pub(in crate::server) fn hang_up(&self, at_once: bool) {
        self.socket.hang_up(at_once);
    }

    /// Ends the connection with a reset, once nothing refers to this any more.
    pub(in crate::server) fn cut(&self) {
        self.socket.reset_when_dropped();
        self.ask_to_leave(0);
    }

    /// A pong has arrived.
    pub(in crate::server) fn answer(&self, pong: &[u8]) {
        if pong == self.question.load(Ordering::Relaxed).to_be_bytes() {
            self.answered.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the right pong has arrived since [`ViewerLine::ask`].
    pub(in crate::server) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Asks for a sign of life; returns the payload of the ping.
    pub(in crate::server) fn ask(&self) -> [u8; 4] {
        let question = rand::random::<u32>();
        self.question.store(question, Ordering::Relaxed);
        self.answered.store(false, Ordering::Relaxed);
        question.to_be_bytes()
    }

    /// Discards the viewer's data until it hangs up. Returns whether it does so in order.
    pub(in crate::server) async fn discard(&self) -> bool {
        let mut waste = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut waste);
            match poll_fn(|cx| self.socket.poll_read_shared(cx, &mut buf)).await {
                Ok(()) if buf.filled().is_empty() => return true,
                Ok(()) => tokio::time::sleep(DISCARD_PAUSE).await,
                Err(_) => return false,
            }
        }
    }

    /// Tells the fan-out that the viewer is gone.
    pub(in crate::server) fn gone(&self, parting: Parting) {
        // If the fan-out is gone itself, it needn't know.
        let _ = self.notices.send(ReaderNotice::Gone {
            key: self.key,
            serial: self.serial,
            parting,
        });
    }

    fn reply(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut replies = lock(&self.replies);
        if replies.len() + bytes.len() > MAX_REPLIES_BYTES {
            return Err(io::Error::other("the viewer sends pings without reading"));
        }
        if replies.is_empty() {
            let _ = self.notices.send(ReaderNotice::Reply(self.key));
        }
        replies.extend_from_slice(bytes);
        self.has_replies.store(true, Ordering::Release);
        Ok(bytes.len())
    }
}

/// The reading side: what a viewer may still send, and a stream for tungstenite whose reads don't wait, and whose writes
/// never have to.
#[derive(Debug)]
pub(in crate::server) struct ReadSide {
    pub(in crate::server) line: Arc<ViewerLine>,
    inbound: InboundFrames,
    /// What has been received in the second that began then.
    second: Instant,
    bytes: usize,
    frames: u32,
}

impl ReadSide {
    pub(in crate::server) fn new(line: Arc<ViewerLine>, may_be_compressed: bool) -> Self {
        Self {
            line,
            inbound: InboundFrames::new(may_be_compressed),
            second: Instant::now(),
            bytes: 0,
            frames: 0,
        }
    }

    /// Whether the viewer has said all of what it has begun to say.
    pub(in crate::server) fn is_between_messages(&self) -> bool {
        self.inbound.are_whole()
    }

    /// Counts one more frame. Returns whether the viewer has sent too many in this second.
    pub(in crate::server) fn is_flooded(&mut self) -> bool {
        self.count(0, 1);
        self.frames > MAX_FRAMES_PER_SECOND
    }

    fn count(&mut self, bytes: usize, frames: u32) {
        if self.second.elapsed().as_secs() > 0 {
            (self.second, self.bytes, self.frames) = (Instant::now(), 0, 0);
        }
        self.bytes += bytes;
        self.frames += frames;
    }
}

impl io::Read for ReadSide {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.line.socket.try_read(buf)?;
        self.count(read, 0);
        if self.bytes > MAX_BYTES_PER_SECOND {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.inbound.pass(&mut buf[..read]);
        Ok(read)
    }
}

impl io::Write for ReadSide {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.reply(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
