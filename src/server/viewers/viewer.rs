//! One viewer, as the fan-out sees it: where it stands, what is on its way to it, and how patient we are.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::hub::{Batch, Subscription};
use crate::protocol::{Frame, close};

use super::counts::Seat;
use super::line::{Line, Word};
use super::outbox::{Outbox, Transport};
use super::patience::{
    CATCH_UP_PAUSE, GOODBYE_DEADLINE, LOOK_EVERY, OVERRUN_PARDON, PONG_DEADLINE,
};
use super::{reader, tally};
use crate::server::door::socket::Socket;

/// About how many bytes of messages are taken from the ring at once for a viewer that is behind.
const BATCH_BYTES: usize = 64 * 1024;

/// How a ping with four bytes of payload begins on the wire (RFC 6455, section 5.5.2).
const PING: [u8; 2] = [0x89, 4];

/// A viewer that has shaken hands.
#[derive(Debug)]
pub(in crate::server) struct Newcomer {
    pub(in crate::server) socket: Socket,
    pub(in crate::server) peer: SocketAddr,
    pub(in crate::server) subscription: Subscription,
    pub(in crate::server) seat: Seat,
    pub(in crate::server) transport: Transport,
    /// The answer to its request: what goes out before the first message.
    pub(in crate::server) greeting: Bytes,
}

/// A viewer, as the fan-out sees it.
pub(in crate::server) struct Viewer {
    pub(in crate::server) line: Arc<Line>,
    pub(in crate::server) peer: SocketAddr,
    /// `None` once the viewer is to leave.
    subscription: Option<Subscription>,
    outbox: Outbox,
    transport: Transport,
    pub(in crate::server) is_waited_for: bool,
    /// When a viewer that is behind may have more.
    pub(in crate::server) next_batch: Option<Instant>,
    pinged: Option<Instant>,
    next_ping: Instant,
    /// How many losses it has been told; `None` before its first read.
    gaps: Option<u32>,
    /// How often the log has moved on without it, and when it did last.
    overruns: (u32, Option<Instant>),
    pub(in crate::server) leaves_by: Option<Instant>,
    pub(in crate::server) seat: Seat,
}

/// What feeding a viewer came to.
pub(in crate::server) enum Fed {
    /// It has everything.
    Up,
    /// There is more than one batch.
    Behind,
    /// Its socket is full.
    Blocked,
    /// It has its last byte, and there is nothing that it could answer.
    Over,
}

impl Viewer {
    /// A viewer that begins to be heard.
    ///
    /// # Errors
    /// When its connection cannot be waited for in this runtime.
    pub(in crate::server) fn new(
        newcomer: Newcomer,
        name: (usize, u64),
        tell: mpsc::UnboundedSender<Word>,
        first_ping: Duration,
    ) -> io::Result<Self> {
        let Newcomer {
            socket,
            peer,
            subscription,
            seat,
            transport,
            greeting,
        } = newcomer;
        let line = Arc::new(Line::new(name, socket.move_here()?, tell));
        match transport {
            Transport::WebSocket => tokio::spawn(reader::attend(Arc::clone(&line))),
            Transport::EventStream => tokio::spawn(reader::attend_events(Arc::clone(&line))),
        };
        let mut outbox = Outbox::default();
        outbox.push(greeting);
        Ok(Self {
            line,
            peer,
            subscription: Some(subscription),
            outbox,
            transport,
            is_waited_for: false,
            next_batch: None,
            pinged: None,
            next_ping: Instant::now() + first_ping,
            gaps: None,
            overruns: (0, None),
            leaves_by: None,
            seat,
        })
    }

    /// Gives it one batch, or what there is; of the next one, where it is a live host's, not before a pause.
    pub(in crate::server) fn feed(
        &mut self,
        frames: &mut Vec<Frame>,
        live: bool,
    ) -> io::Result<Fed> {
        if self.line.is_closing() {
            self.let_go();
        }
        // What greets a viewer goes out with its first messages, in one write.
        let is_new = self.gaps.is_none() && self.subscription.is_some();
        if !is_new && !self.flush()? {
            return Ok(Fed::Blocked);
        }
        let Some(subscription) = &mut self.subscription else {
            return Ok(self.rest());
        };
        if self.next_batch.is_some_and(|due| Instant::now() < due) {
            return Ok(Fed::Behind);
        }
        let batch = subscription.read(frames, BATCH_BYTES);
        let (gaps, is_resume) = (subscription.gaps(), subscription.is_resume());
        let overruns = subscription.overruns();
        self.count(frames.len(), gaps, is_resume);
        self.next_batch = (live && batch == Batch::More).then(|| Instant::now() + CATCH_UP_PAUSE);
        self.outbox.extend(frames, self.transport);
        if self.is_hopeless(overruns) {
            self.dismiss(close::TRY_AGAIN);
        }
        let out = self.flush()?;
        match (out, batch) {
            (false, _) => {
                if batch == Batch::End {
                    self.over();
                }
                Ok(Fed::Blocked)
            }
            (true, Batch::More) => Ok(Fed::Behind),
            (true, Batch::Waiting | Batch::Head) => Ok(Fed::Up),
            (true, Batch::End) => {
                self.over();
                Ok(self.rest())
            }
        }
    }

    /// Counts what has been read for it.
    fn count(&mut self, messages: usize, gaps: u32, is_resume: bool) {
        let is_first = self.gaps.is_none();
        let told = gaps - self.gaps.replace(gaps).unwrap_or(0);
        let tally = self.seat.tally();
        tally::add(&tally.messages, messages as u64);
        tally::add(&tally.gaps, u64::from(told));
        match (is_first && is_resume, told) {
            (false, _) => {}
            (true, 0) => tally::add(&tally.resumed, 1),
            (true, _) => tally::add(&tally.not_resumed, 1),
        }
    }

    /// Whether the viewer has lost the log a second time within a minute: it had better come back and resume from what
    /// it really has.
    fn is_hopeless(&mut self, overruns: u32) -> bool {
        let (before, last) = self.overruns;
        if overruns == before {
            return false;
        }
        let now = Instant::now();
        self.overruns = (overruns, Some(now));
        last.is_some_and(|last| now.duration_since(last) < OVERRUN_PARDON)
    }

    /// Writes what the socket takes, replies at the end. Whether everything is out.
    pub(in crate::server) fn flush(&mut self) -> io::Result<bool> {
        if let Some(replies) = self.line.take_replies() {
            self.outbox.push(replies);
        }
        let (line, sent) = (&self.line, &self.seat.tally().bytes);
        let write = |slices: &[io::IoSlice<'_>]| {
            line.try_write(slices)
                .inspect(|&taken| tally::add(sent, taken as u64))
        };
        Ok(self.outbox.drain(write)? && line.try_flush()?)
    }

    /// What a viewer still has to do that gets no more messages and whose outbox is empty: answer the close, where its
    /// transport has one.
    fn rest(&self) -> Fed {
        self.line.all_said();
        match self.transport {
            Transport::WebSocket => Fed::Up,
            Transport::EventStream => Fed::Over,
        }
    }

    /// The viewer has the end, or will have it with what is in its outbox.
    fn over(&mut self) {
        if self.transport == Transport::EventStream {
            self.seat.finish();
        }
        self.leave(close::OVER);
    }

    /// Lets a viewer go. What it has not begun to take is not sent any more.
    pub(in crate::server) fn dismiss(&mut self, code: u16) {
        if code == close::TRY_AGAIN && self.leaves_by.is_none() {
            tally::add(&self.seat.tally().slow_closes, 1);
        }
        if !self.line.is_closing() {
            self.outbox.keep_begun();
        }
        self.leave(code);
    }

    fn leave(&mut self, code: u16) {
        if self.let_go() && self.transport == Transport::WebSocket {
            self.line.ask_to_leave(code);
        }
    }

    /// Nothing more is read for this viewer, and a replay waits for it no longer. Whether that is new.
    fn let_go(&mut self) -> bool {
        self.subscription = None;
        let is_new = self.leaves_by.is_none();
        self.leaves_by
            .get_or_insert_with(|| Instant::now() + GOODBYE_DEADLINE + LOOK_EVERY);
        is_new
    }

    pub(in crate::server) fn needs_look(&self, now: Instant) -> bool {
        match self.leaves_by {
            Some(leaves_by) => now >= leaves_by,
            None if self.line.has_answered() => now >= self.next_ping,
            None => self.owes_pong(now),
        }
    }

    /// Whether the viewer has not answered its last ping in time.
    pub(in crate::server) fn owes_pong(&self, now: Instant) -> bool {
        !self.line.has_answered()
            && self
                .pinged
                .is_some_and(|pinged| now >= pinged + PONG_DEADLINE)
    }

    pub(in crate::server) fn ping(&mut self, now: Instant, heartbeat: Duration) {
        self.next_ping = now + heartbeat;
        if self.transport == Transport::EventStream {
            return; // it cannot answer; heartbeats keep it open, and a full socket tells that nobody reads
        }
        let question = self.line.ask();
        self.pinged = Some(now);
        self.outbox
            .push(Bytes::from_owner([PING.as_slice(), &question].concat()));
    }
}
