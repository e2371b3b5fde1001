//! The fan-out: one task that owns all viewers and writes to all of them.
//!
//! When a head moves it goes round: each viewer's cursor is read, and what it lacks is tried at its socket at once. That
//! costs one system call for a viewer that keeps up and no task switch. A socket that is full is waited for beside the
//! round, and its viewer catches up from the ring, many frames in one write, without slowing anybody.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use slab::Slab;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval};
use tokio_util::sync::CancellationToken;

use crate::hub::{Head, Hub};
use crate::protocol::close;

use super::line::{Parting, ReaderNotice, ViewerLine};
use super::patience::{LOOK_EVERY, STALL_DEADLINE};
use super::viewer::{FeedProgress, Newcomer, Viewer};

/// After so long a part of a round the other tasks get their turn: new viewers, and what viewers say. A turn is not free:
/// all sockets are asked first whether there is anything.
const TURN: Duration = Duration::from_millis(2);

/// How many viewers are fed between two looks at the clock.
const TURN_LOOK: usize = 64;

/// How the fan-out treats its viewers.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Policy {
    /// The time between two pings.
    pub(in crate::server) heartbeat: Duration,
    /// The time over which viewers are sent away when the server stops.
    pub(in crate::server) drain: Duration,
    /// Whether the viewers are those of a live host: one that is behind is held back, and one that reads old data is
    /// let go. A replay waits for its viewers instead, and they read as fast as they like.
    pub(in crate::server) live: bool,
}

/// Owns the viewers.
pub(in crate::server) struct Fanout {
    policy: Policy,
    head: Head,
    viewers: Slab<Viewer>,
    /// Viewers that ever joined.
    joined: u64,
    /// Viewers that are waited for, each until its socket takes more.
    waiting: FuturesUnordered<Wait>,
    newcomers: mpsc::UnboundedReceiver<Newcomer>,
    notices: mpsc::UnboundedReceiver<ReaderNotice>,
    tell: mpsc::UnboundedSender<ReaderNotice>,
    frames: Vec<crate::protocol::Frame>,
    /// Nobody can come any more.
    is_closed: bool,
    /// The server stops: who comes is sent away.
    is_leaving: bool,
}

/// Which viewer was waited for, and whether its socket takes more. A key may be another viewer's by then; waiting too
/// little does no harm.
type Wait = Pin<Box<dyn Future<Output = (usize, Arc<ViewerLine>, io::Result<()>)> + Send>>;

impl Fanout {
    pub(in crate::server) fn new(
        hub: &Hub,
        newcomers: mpsc::UnboundedReceiver<Newcomer>,
        policy: Policy,
    ) -> Self {
        let (tell, notices) = mpsc::unbounded_channel();
        Self {
            policy,
            head: hub.head(),
            viewers: Slab::new(),
            joined: 0,
            waiting: FuturesUnordered::new(),
            newcomers,
            notices,
            tell,
            frames: Vec::new(),
            is_closed: false,
            is_leaving: false,
        }
    }

    /// Serves viewers until `stop`, then sends them away, spread over the drain. Ends with the last viewer, when no
    /// other can come.
    pub(in crate::server) async fn run(mut self, stop: CancellationToken) {
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
                Some(newcomer) => self.join(newcomer),
                None => self.is_closed = true,
            },
            Some(notice) = self.notices.recv() => self.hear(notice),
            Some(waited) = self.waiting.next(), if !self.waiting.is_empty() => self.resume(waited),
            () = self.head.changed() => self.round().await,
            _ = looks.tick() => self.look(),
        }
    }

    /// Takes a viewer in, and begins to feed it.
    fn join(&mut self, newcomer: Newcomer) {
        let entry = self.viewers.vacant_entry();
        let key = entry.key();
        self.joined += 1;
        // Pings are spread over the heartbeat: nobody's herd is pinged at once.
        let share = f64::from(u32::try_from(key % 64).unwrap_or_default()) / 64.0;
        let first_ping = self.policy.heartbeat.mul_f64(0.5 + 0.5 * share);
        let name = (key, self.joined);
        let mut viewer = match Viewer::new(newcomer, name, self.tell.clone(), first_ping) {
            Ok(viewer) => viewer,
            Err(error) => return tracing::warn!(%error, "cannot take in a viewer"),
        };
        tracing::info!(peer = %viewer.peer, "viewer connected");
        if self.is_leaving {
            // It gets no messages, but its request is answered. A new socket takes so little.
            let _ = viewer.flush();
        }
        entry.insert(viewer);
        if self.is_leaving {
            self.send_off(key);
        } else {
            self.feed(key);
        }
    }

    fn hear(&mut self, notice: ReaderNotice) {
        match notice {
            ReaderNotice::Reply(key) => self.feed(key),
            ReaderNotice::Gone {
                key,
                serial,
                parting,
            } => {
                if let Some(viewer) = self
                    .viewers
                    .get_mut(key)
                    .filter(|viewer| viewer.line.serial() == serial)
                {
                    if parting == Parting::Finished {
                        viewer.seat.finish();
                    }
                    match parting {
                        Parting::Finished | Parting::InOrder => self.part(key, "left", false),
                        Parting::Lost => self.remove(key, "left"),
                    }
                }
            }
        }
    }

    fn remove(&mut self, key: usize, reason: &str) {
        let at_once = self.viewers.get(key).is_some_and(Viewer::is_leaving);
        self.part(key, reason, at_once);
    }

    /// Ends a viewer. Unless `at_once`, what the kernel has of it still goes out.
    fn part(&mut self, key: usize, reason: &str, at_once: bool) {
        if let Some(mut viewer) = self.viewers.try_remove(key) {
            // What tungstenite said last, such as the answer to a close, still goes out if the socket takes it.
            let _ = viewer.flush();
            viewer.line.ask_to_leave(0);
            // Whoever waits for the socket holds it, and its descriptor: nobody waits any longer.
            viewer.line.hang_up(at_once);
            tracing::info!(peer = %viewer.peer, reason, "viewer gone");
        }
    }

    fn resume(&mut self, (key, line, ready): (usize, Arc<ViewerLine>, io::Result<()>)) {
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
                if viewer.is_leaving() {
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
        let wait = match viewer.feed(&mut self.frames, self.policy.live) {
            Ok(FeedProgress::Up) => return,
            Ok(FeedProgress::Over) => return self.part(key, "is done", false),
            Ok(FeedProgress::Blocked) => None,
            Ok(FeedProgress::Behind(due)) => due,
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
        let mut since = Instant::now();
        for key in 0..self.viewers.capacity() {
            self.feed(key);
            if key % TURN_LOOK == TURN_LOOK - 1 && since.elapsed() >= TURN {
                tokio::task::yield_now().await;
                since = Instant::now();
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
            if viewer.is_leaving() {
                self.remove(key, "did not answer the close");
                continue;
            }
            if viewer.owes_pong(now) {
                if self.policy.live {
                    viewer.dismiss(close::TRY_AGAIN);
                }
            } else {
                viewer.ping(now, self.policy.heartbeat);
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
        let pause = self.policy.drain / 2 / count;
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
