//! One viewer of the fan-out: its position, its outbox, and its deadlines.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::hub::{Batch, ReadMark, Subscription};
use crate::protocol::{Frame, close};

use super::by_host::{ListedViewer, ViewersByHost};
use super::counts::Seat;
use super::encoding::{Deflating, Encoding};
use super::footing::Footing;
use super::line::{ReaderNotice, ViewerLine};
use super::log_reader::LogReader;
use super::outbox::{Outbox, Transport};
use super::patience::{GOODBYE_DEADLINE, LOOK_EVERY, PONG_DEADLINE, goodbye_deadline};
use super::tally;
use crate::server::door::socket::Socket;

/// How a ping with four bytes of payload begins on the wire (RFC 6455, section 5.5.2).
const PING: [u8; 2] = [0x89, 4];

/// A viewer after its handshake.
#[derive(Debug)]
pub(in crate::server) struct Newcomer {
    pub(in crate::server) socket: Socket,
    pub(in crate::server) peer: SocketAddr,
    pub(in crate::server) subscription: Subscription,
    pub(in crate::server) seat: Seat,
    pub(in crate::server) transport: Transport,
    pub(in crate::server) encoding: Encoding,
    /// The response to its request, sent before the first message.
    pub(in crate::server) greeting: Bytes,
}

impl Newcomer {
    /// Whether it may send messages compressed.
    pub(super) fn may_compress(&self) -> bool {
        matches!(self.encoding, Encoding::Extension { .. })
    }
}

/// A viewer of the fan-out.
pub(in crate::server) struct Viewer {
    pub(in crate::server) line: Arc<ViewerLine>,
    pub(in crate::server) peer: SocketAddr,
    stage: Stage,
    outbox: Outbox,
    transport: Transport,
    deflating: Option<Box<Deflating>>,
    pub(in crate::server) is_waited_for: bool,
    pinged: Option<Instant>,
    next_ping: Instant,
    pub(in crate::server) seat: Seat,
    /// For how many hosts it is listed, and the number of the first host for which that is still to be done.
    pub(super) listed: usize,
    unlisted_from: usize,
}

/// Whether a viewer still gets messages.
enum Stage {
    /// It gets what it hasn't read of the log.
    Reading(LogReader),
    /// It gets no more messages, and has until `by`, if there is a limit, to take its last bytes and answer the close.
    Leaving { by: Option<Instant> },
}

/// The result of serving a viewer.
pub(in crate::server) enum FeedProgress {
    /// It has everything. If it got at most one frame, from the log and without a loss, this is the frame, or empty.
    Up(Option<Bytes>),
    /// There is more than one batch. The next one may be sent at this time, or at once.
    Behind(Option<Instant>),
    /// Its socket is full.
    Blocked,
    /// It has its last byte, and has nothing to answer.
    Over,
}

impl Viewer {
    /// A new viewer, of which only the writing side is served yet.
    ///
    /// # Errors
    /// When its connection cannot be registered with this runtime.
    pub(in crate::server) fn new(
        newcomer: Newcomer,
        name: (usize, u64),
        tell: mpsc::UnboundedSender<ReaderNotice>,
        first_ping: Duration,
    ) -> io::Result<Self> {
        let Newcomer {
            socket,
            peer,
            subscription,
            seat,
            transport,
            encoding,
            greeting,
        } = newcomer;
        let line = Arc::new(ViewerLine::new(name, socket.move_here()?, tell));
        let mut outbox = Outbox::default();
        outbox.push(greeting);
        Ok(Self {
            line,
            peer,
            stage: Stage::Reading(LogReader::new(subscription)),
            outbox,
            transport,
            deflating: Deflating::new(encoding),
            is_waited_for: false,
            pinged: None,
            next_ping: Instant::now() + first_ping,
            seat,
            listed: 0,
            unlisted_from: 0,
        })
    }

    /// Sends it one batch, or what there is; for a live host, the next batch only after a pause.
    pub(in crate::server) fn feed(
        &mut self,
        frames: &mut Vec<Frame>,
        live: bool,
    ) -> io::Result<FeedProgress> {
        if self.line.is_closing() {
            self.stop_reading(Some(GOODBYE_DEADLINE));
        }
        // The greeting is sent with the first messages, in one write.
        if !self.is_new() && !self.flush()? {
            return Ok(FeedProgress::Blocked);
        }
        let Stage::Reading(log) = &mut self.stage else {
            return Ok(self.rest());
        };
        if let Some(due) = log.pause() {
            return Ok(FeedProgress::Behind(Some(due)));
        }
        let read = log.read(frames, live, self.seat.tally());
        let is_usual = read.is_whole && frames.len() <= 1;
        let deflating = self.deflating.as_deref_mut();
        self.outbox.extend(frames, self.transport, deflating);
        let given = is_usual.then(|| self.outbox.only()).flatten();
        if read.has_lost_again {
            self.dismiss(close::TRY_AGAIN);
        }
        let out = self.flush()?;
        match (out, read.batch) {
            (false, batch) => {
                if batch == Batch::End {
                    self.over();
                }
                Ok(FeedProgress::Blocked)
            }
            (true, Batch::More) => Ok(FeedProgress::Behind(read.next_batch)),
            (true, Batch::Waiting | Batch::Head) => Ok(FeedProgress::Up(given)),
            (true, Batch::End) => {
                self.over();
                Ok(self.rest())
            }
        }
    }

    /// Where it stands, if it has everything of its only host, and only messages can follow. From then on, it is out of
    /// date, until [`Viewer::stand_at`] brings it to where it has got meanwhile, in step with others or by news.
    pub(super) fn footing(&mut self) -> Option<Footing> {
        let Stage::Reading(log) = &self.stage else {
            return None;
        };
        let is_usual = self.transport == Transport::WebSocket && self.line.is_plain();
        let place = log.place().filter(|_| is_usual)?;
        let deflating = self.deflating.as_deref_mut().map(Deflating::take);
        Some(Footing { place, deflating })
    }

    /// Brings it to `footing`, which it has reached in step with others or by news.
    pub(super) fn stand_at(&mut self, footing: &Footing) {
        if let Stage::Reading(log) = &mut self.stage {
            log.stand_at(&footing.place);
        }
        if let (Some(own), Some(shared)) = (&mut self.deflating, &footing.deflating) {
            own.as_mut().clone_from(shared);
        }
    }

    /// Where a source that waits for its viewers sees how far this one is.
    pub(super) fn read_mark(&self) -> Option<ReadMark> {
        match &self.stage {
            Stage::Reading(log) => log.read_mark(),
            Stage::Leaving { .. } => None,
        }
    }

    /// Notes that its socket took only this much of a frame that it got without reading.
    pub(super) fn has_begun(&mut self, frame: Bytes, written: usize) {
        self.outbox.has_begun(frame, written);
    }

    /// Lists it for those of its hosts for which it isn't listed yet, and notes which hosts are no more.
    pub(super) fn list(&mut self, key: usize, by_host: &mut ViewersByHost) {
        let Stage::Reading(log) = &mut self.stage else {
            return;
        };
        let serial = self.line.serial();
        for host in log.hosts(self.unlisted_from) {
            by_host.add(host, ListedViewer { key, serial });
            self.listed += 1;
        }
        self.unlisted_from = log.known_hosts();
        for host in log.take_left_hosts() {
            by_host.forget(host);
            self.listed = self.listed.saturating_sub(1);
        }
    }

    /// Whether it hasn't had a message yet, but will.
    fn is_new(&self) -> bool {
        matches!(&self.stage, Stage::Reading(log) if !log.has_read())
    }

    /// Whether it gets no more messages.
    pub(in crate::server) fn is_leaving(&self) -> bool {
        matches!(self.stage, Stage::Leaving { .. })
    }

    /// Writes what the socket takes, replies last. Returns whether everything has been sent.
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

    /// What remains for a viewer that gets no more messages and whose outbox is empty: to answer the close, if its
    /// transport has one.
    fn rest(&self) -> FeedProgress {
        self.line.all_said();
        match self.transport {
            Transport::WebSocket => FeedProgress::Up(None),
            Transport::EventStream => FeedProgress::Over,
        }
    }

    /// The viewer has `end`, or has it in its outbox.
    fn over(&mut self) {
        if self.transport == Transport::EventStream {
            self.seat.finish();
        }
        self.leave(close::OVER);
    }

    /// Disconnects a viewer. Frames that haven't been started are not sent any more.
    pub(in crate::server) fn dismiss(&mut self, code: u16) {
        if code == close::TRY_AGAIN && !self.is_leaving() {
            tally::add(&self.seat.tally().slow_closes, 1);
        }
        if !self.line.is_closing() {
            self.outbox.keep_begun();
        }
        self.leave(code);
    }

    fn leave(&mut self, code: u16) {
        if self.stop_reading(goodbye_deadline(code)) && self.transport == Transport::WebSocket {
            self.line.ask_to_leave(code);
        }
    }

    /// Stops reading for this viewer, so that a replay no longer waits for it, and gives it until `deadline` to leave.
    /// Returns whether that is new.
    fn stop_reading(&mut self, deadline: Option<Duration>) -> bool {
        let is_new = !self.is_leaving();
        if is_new {
            let by = deadline.map(|deadline| Instant::now() + deadline + LOOK_EVERY);
            self.stage = Stage::Leaving { by };
        }
        is_new
    }

    pub(in crate::server) fn needs_look(&self, now: Instant) -> bool {
        match self.stage {
            Stage::Leaving { by } => by.is_some_and(|by| now >= by),
            Stage::Reading(_) if self.line.has_answered() => now >= self.next_ping,
            Stage::Reading(_) => self.owes_pong(now),
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
            return; // it cannot answer; heartbeats keep it open, and a full socket shows that nobody reads
        }
        let question = self.line.ask();
        self.pinged = Some(now);
        self.outbox
            .push(Bytes::from_owner([PING.as_slice(), &question].concat()));
    }
}
