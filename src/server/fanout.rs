//! The fan-out: one task that owns all viewers and writes to all of them.
//!
//! When a head moves it goes round: each viewer's cursor is read, and what it lacks is tried at its socket at once. That
//! costs one system call for a viewer that keeps up and no task switch. A socket that is full is waited for beside the
//! round, and its viewer catches up from the ring, many frames in one write, without slowing anybody.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use slab::Slab;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval};
use tokio_util::sync::CancellationToken;

use crate::hub::{Batch, Head, Hub, Subscription};
use crate::protocol::close;

use super::counts::Seat;
use super::line::{Line, Word};
use super::outbox::{Outbox, Transport};
use super::socket::Socket;
use super::{reader, tally};

/// About how many bytes of messages are taken from the ring at once for a viewer that is behind.
const BATCH_BYTES: usize = 64 * 1024;

/// The pause between two batches for a viewer of a live host that is behind: 6 MiB/s, so that asking for everything
/// again and again is no way to make a host work. A replay is as fast as its viewers.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(10);

/// A viewer that takes no byte for so long is closed: it sees nothing, and in a replay everybody waits for it.
const STALL_DEADLINE: Duration = Duration::from_secs(10);

/// How long a viewer has to answer a ping. The pong queues behind what the viewer has not read, so this bounds how old
/// the data are that it reads.
const PONG_DEADLINE: Duration = Duration::from_secs(10);

/// How long a viewer has to take its last bytes and answer a close.
pub(super) const GOODBYE_DEADLINE: Duration = Duration::from_secs(5);

/// A viewer may lose the log once in this time.
const OVERRUN_PARDON: Duration = Duration::from_secs(60);

/// How often deadlines are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// After so many viewers of a round the other tasks get their turn: new viewers, and what viewers say.
const TURN: usize = 128;

/// How a ping with four bytes of payload begins on the wire (RFC 6455, section 5.5.2).
const PING: [u8; 2] = [0x89, 4];

/// A viewer that has shaken hands.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) socket: Socket,
    pub(super) peer: SocketAddr,
    pub(super) subscription: Subscription,
    pub(super) seat: Seat,
    pub(super) transport: Transport,
    /// What goes out before the first message.
    pub(super) greeting: Option<Bytes>,
}

/// How the fan-out treats its viewers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manners {
    /// The time between two pings.
    pub(super) heartbeat: Duration,
    /// The time over which viewers are sent away when the server stops.
    pub(super) drain: Duration,
    /// Whether the viewers are those of a live host: one that is behind is held back, and one that reads old data is
    /// let go. A replay waits for its viewers instead, and they read as fast as they like.
    pub(super) live: bool,
}

/// Owns the viewers.
pub(super) struct Fanout {
    manners: Manners,
    head: Head,
    viewers: Slab<Viewer>,
    /// Viewers that ever joined.
    joined: u64,
    /// Viewers that are waited for, each until its socket takes more.
    waiting: FuturesUnordered<Wait>,
    newcomers: mpsc::UnboundedReceiver<Newcomer>,
    words: mpsc::UnboundedReceiver<Word>,
    tell: mpsc::UnboundedSender<Word>,
    frames: Vec<crate::protocol::Frame>,
    /// Nobody can come any more.
    is_closed: bool,
    /// The server stops: who comes is sent away.
    is_leaving: bool,
}

/// Which viewer was waited for, and whether its socket takes more. A key may be another viewer's by then; waiting too
/// little does no harm.
type Wait = Pin<Box<dyn Future<Output = (usize, Arc<Line>, io::Result<()>)> + Send>>;

struct Viewer {
    line: Arc<Line>,
    peer: SocketAddr,
    /// `None` once the viewer is to leave.
    subscription: Option<Subscription>,
    outbox: Outbox,
    transport: Transport,
    is_waited_for: bool,
    /// When a viewer that is behind may have more.
    next_batch: Option<Instant>,
    pinged: Option<Instant>,
    next_ping: Instant,
    /// How many losses it has been told; `None` before its first read.
    gaps: Option<u32>,
    /// How often the log has moved on without it, and when it did last.
    overruns: (u32, Option<Instant>),
    leaves_by: Option<Instant>,
    seat: Seat,
}

impl Fanout {
    pub(super) fn new(
        hub: &Hub,
        newcomers: mpsc::UnboundedReceiver<Newcomer>,
        manners: Manners,
    ) -> Self {
        let (tell, words) = mpsc::unbounded_channel();
        Self {
            manners,
            head: hub.head(),
            viewers: Slab::new(),
            joined: 0,
            waiting: FuturesUnordered::new(),
            newcomers,
            words,
            tell,
            frames: Vec::new(),
            is_closed: false,
            is_leaving: false,
        }
    }

    /// Serves viewers until `stop`, then sends them away, spread over the drain. Ends with the last viewer, when no
    /// other can come.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.event(&mut looks) => {}
            }
        }
        self.send_away(&mut looks).await;
    }

    /// Takes the next thing that happens. In no order: whatever is always ready, such as a viewer that is behind, must
    /// not keep the others waiting.
    async fn event(&mut self, looks: &mut Interval) {
        tokio::select! {
            newcomer = self.newcomers.recv(), if !self.is_closed => match newcomer {
                Some(newcomer) => drop(self.join(newcomer)),
                None => self.is_closed = true,
            },
            Some(word) = self.words.recv() => self.hear(word),
            Some(waited) = self.waiting.next(), if !self.waiting.is_empty() => self.resume(waited),
            () = self.head.changed() => self.round().await,
            _ = looks.tick() => self.look(),
        }
    }

    /// Takes a viewer in, and begins to feed it. Its key.
    fn join(&mut self, newcomer: Newcomer) -> usize {
        let Newcomer {
            socket,
            peer,
            subscription,
            seat,
            transport,
            greeting,
        } = newcomer;
        tracing::info!(%peer, "viewer connected");
        let entry = self.viewers.vacant_entry();
        let key = entry.key();
        self.joined += 1;
        let line = Arc::new(Line::new((key, self.joined), socket, self.tell.clone()));
        match transport {
            Transport::WebSocket => tokio::spawn(reader::attend(Arc::clone(&line))),
            Transport::EventStream => tokio::spawn(reader::attend_events(Arc::clone(&line))),
        };
        let mut outbox = Outbox::default();
        greeting
            .into_iter()
            .for_each(|greeting| outbox.push(greeting));
        // Pings are spread over the heartbeat: nobody's herd is pinged at once.
        let share = f64::from(u32::try_from(key % 64).unwrap_or_default()) / 64.0;
        entry.insert(Viewer {
            line,
            peer,
            subscription: Some(subscription),
            outbox,
            transport,
            is_waited_for: false,
            next_batch: None,
            pinged: None,
            next_ping: Instant::now() + self.manners.heartbeat.mul_f64(0.5 + 0.5 * share),
            gaps: None,
            overruns: (0, None),
            leaves_by: None,
            seat,
        });
        if self.is_leaving {
            self.send_off(key);
        } else {
            self.feed(key);
        }
        key
    }

    fn hear(&mut self, word: Word) {
        match word {
            Word::Reply(key) => self.feed(key),
            Word::Gone {
                key,
                serial,
                finished,
            } => {
                if let Some(viewer) = self
                    .viewers
                    .get_mut(key)
                    .filter(|viewer| viewer.line.serial() == serial)
                {
                    if finished {
                        viewer.seat.finish();
                    }
                    self.remove(key, "left");
                }
            }
        }
    }

    fn remove(&mut self, key: usize, reason: &str) {
        if let Some(mut viewer) = self.viewers.try_remove(key) {
            // What tungstenite said last, such as the answer to a close, still goes out if the socket takes it.
            let _ = viewer.flush();
            viewer.line.ask_to_leave(0);
            // Whoever waits for the socket holds it, and its descriptor: nobody waits any longer.
            viewer.line.hang_up(viewer.leaves_by.is_some());
            tracing::info!(peer = %viewer.peer, reason, "viewer gone");
        }
    }

    fn resume(&mut self, (key, line, ready): (usize, Arc<Line>, io::Result<()>)) {
        let Some(viewer) = self
            .viewers
            .get_mut(key)
            .filter(|viewer| Arc::ptr_eq(&viewer.line, &line))
        else {
            return;
        };
        viewer.is_waited_for = false;
        match ready {
            Ok(()) => self.feed(key),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                if viewer.leaves_by.is_some() {
                    self.remove(key, "did not answer the close");
                } else {
                    viewer.dismiss(close::TRY_AGAIN);
                    self.feed(key);
                }
            }
            Err(_) => self.remove(key, "connection lost"),
        }
    }

    /// Sends a viewer what it lacks, as much as its socket takes and one batch.
    fn feed(&mut self, key: usize) {
        let Some(viewer) = self.viewers.get_mut(key) else {
            return;
        };
        if viewer.is_waited_for {
            return;
        }
        let pause = self.manners.live.then_some(CATCH_UP_PAUSE);
        let wait = match viewer.feed(&mut self.frames, pause) {
            Ok(Fed::Up) => return,
            Ok(Fed::Over) => return self.remove(key, "is done"),
            Ok(Fed::Blocked) => None,
            Ok(Fed::Behind) => viewer.next_batch,
            Err(_) => return self.remove(key, "connection lost"),
        };
        viewer.is_waited_for = true;
        let line = Arc::clone(&viewer.line);
        self.waiting.push(Box::pin(async move {
            if let Some(due) = wait {
                tokio::time::sleep_until(due).await;
            }
            let ready = tokio::time::timeout(STALL_DEADLINE, line.writable()).await;
            (
                key,
                line,
                ready.unwrap_or_else(|elapsed| Err(elapsed.into())),
            )
        }));
    }

    /// Goes round all viewers.
    async fn round(&mut self) {
        // Viewers who join meanwhile are fed when they join, and a key beyond the end is nobody's.
        for key in 0..self.viewers.capacity() {
            self.feed(key);
            if key % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Pings, and looks whose time is up.
    fn look(&mut self) {
        let now = Instant::now();
        let keys: Vec<_> = self
            .viewers
            .iter()
            .filter(|(_, viewer)| viewer.needs_look(now))
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            let Some(viewer) = self.viewers.get_mut(key) else {
                continue;
            };
            if viewer.leaves_by.is_some() {
                self.remove(key, "did not answer the close");
                continue;
            }
            if viewer.owes_pong(now) {
                if self.manners.live {
                    viewer.dismiss(close::TRY_AGAIN);
                }
            } else {
                viewer.ping(now, self.manners.heartbeat);
            }
            self.feed(key);
        }
    }

    /// Sends viewers away, a few at a time, so that they do not all come back at once. Who does not go is dropped with
    /// the server.
    async fn send_away(&mut self, looks: &mut Interval) {
        self.is_leaving = true;
        let keys: Vec<_> = self.viewers.iter().map(|(key, _)| key).collect();
        let count = u32::try_from(keys.len()).unwrap_or(u32::MAX).max(1);
        // Half of the drain is for sending away, the other half for the last to answer.
        let pause = self.manners.drain / 2 / count;
        let mut due = Instant::now();
        let mut keys = keys.into_iter().peekable();
        while keys.peek().is_some() || !self.viewers.is_empty() || !self.is_closed {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(due), if keys.peek().is_some() => {
                    due += pause;
                    if let Some(key) = keys.next() {
                        self.send_off(key);
                    }
                }
                () = self.event(looks) => {}
            }
        }
    }

    fn send_off(&mut self, key: usize) {
        if let Some(viewer) = self.viewers.get_mut(key) {
            viewer.dismiss(close::GOING_AWAY);
            self.feed(key);
        }
    }
}

/// What feeding a viewer came to.
enum Fed {
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
    /// Gives it one batch, or what there is; of the next one not before `pause` has gone by.
    fn feed(
        &mut self,
        frames: &mut Vec<crate::protocol::Frame>,
        pause: Option<Duration>,
    ) -> io::Result<Fed> {
        if self.line.is_closing() {
            self.let_go();
        }
        if !self.flush()? {
            return Ok(Fed::Blocked);
        }
        let Some(subscription) = &mut self.subscription else {
            return Ok(self.rest());
        };
        if self.next_batch.is_some_and(|due| Instant::now() < due) {
            return Ok(Fed::Behind);
        }
        let batch = subscription.read(frames, BATCH_BYTES);
        let tally = self.seat.tally();
        tally::add(&tally.messages, frames.len() as u64);
        let gaps = subscription.gaps();
        tally::add(&tally.gaps, u64::from(gaps - self.gaps.unwrap_or(0)));
        if self.gaps.replace(gaps).is_none() && subscription.is_resume() {
            tally::add(
                if gaps == 0 {
                    &tally.resumed
                } else {
                    &tally.not_resumed
                },
                1,
            );
        }
        self.next_batch = match (batch, pause) {
            (Batch::More, Some(pause)) => Some(Instant::now() + pause),
            _ => None,
        };
        let overruns = subscription.overruns();
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
            (true, Batch::Head) => Ok(Fed::Up),
            (true, Batch::End) => {
                self.over();
                Ok(self.rest())
            }
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
    fn flush(&mut self) -> io::Result<bool> {
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
    fn dismiss(&mut self, code: u16) {
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

    fn needs_look(&self, now: Instant) -> bool {
        match self.leaves_by {
            Some(leaves_by) => now >= leaves_by,
            None if self.line.has_answered() => now >= self.next_ping,
            None => self.owes_pong(now),
        }
    }

    /// Whether the viewer has not answered its last ping in time.
    fn owes_pong(&self, now: Instant) -> bool {
        !self.line.has_answered()
            && self
                .pinged
                .is_some_and(|pinged| now >= pinged + PONG_DEADLINE)
    }

    fn ping(&mut self, now: Instant, heartbeat: Duration) {
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
