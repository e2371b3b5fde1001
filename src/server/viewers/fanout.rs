//! The fan-out: one task that owns all viewers and writes to all of them.
//!
//! When hosts move, it makes a round of their viewers: it reads from each viewer's cursors and tries the viewer's
//! socket at once. For a viewer that keeps up, that costs one system call and no task switch. A full socket is awaited
//! outside the round, and its viewer catches up from the ring, with many frames in one write, without slowing down
//! others.

use std::future::Future;
use std::hint::black_box;
use std::io;
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use slab::Slab;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval};
use tokio_util::sync::CancellationToken;

use crate::hub::{Head, HostNews, Hub, MovedHost};
use crate::protocol::close;
use crate::server::faults::{Faults, Orders};

use super::by_host::{ListedViewer, ViewersByHost};
use super::due::DueViewer;
use super::in_step::{Member, NewsTaken, Strides};
use super::line::{Parting, ReadSide, ReaderNotice, ViewerLine};
use super::outbox::Transport;
use super::patience::{LOOK_EVERY, STALL_DEADLINE};
use super::reader;
use super::tally::Tally;
use super::viewer::{FeedProgress, Newcomer, Viewer};

/// How long a round runs before other tasks get their turn, such as new viewers and reading. A turn is not free: it
/// first polls all sockets.
const TURN: Duration = Duration::from_millis(2);

/// The time from one round to the next, for each host. Waking up for a round costs more than a frame, so hosts that
/// have their samples at different times share rounds. With few hosts, there is no delay.
const GATHERING_PER_HOST: Duration = Duration::from_micros(10);

/// The longest delay of a message that this causes.
const MOST_GATHERING: Duration = Duration::from_millis(10);

/// The shortest time that timers can measure.
const LEAST_GATHERING: Duration = Duration::from_millis(1);

/// How many viewers are served between two checks of the clock, and fetched at once.
const TURN_LOOK: usize = 64;

/// How the fan-out treats its viewers.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Policy {
    /// The time between two pings.
    pub(in crate::server) heartbeat: Duration,
    /// The time over which viewers are disconnected when the server stops.
    pub(in crate::server) drain: Duration,
    /// Whether the host is live: viewers that are behind are throttled, and viewers that read old data are
    /// disconnected. A replay waits for its viewers instead, and they read as fast as they like.
    pub(in crate::server) live: bool,
}

/// Owns the viewers.
pub(in crate::server) struct Fanout {
    policy: Policy,
    hub: Hub,
    head: Head,
    viewers: Slab<Member>,
    strides: Strides,
    by_host: ViewersByHost,
    /// The number of rounds.
    rounds: u64,
    /// When the next round may begin, if there are many hosts.
    next_round: Option<Instant>,
    /// The hosts that have moved, and the viewers to visit; empty between rounds.
    moved: Vec<MovedHost>,
    due: Vec<DueViewer>,
    /// The number of viewers that ever joined.
    joined: u64,
    /// Viewers with a full socket, each until it takes more.
    waiting: FuturesUnordered<Wait>,
    newcomers: mpsc::UnboundedReceiver<Newcomer>,
    notices: mpsc::UnboundedReceiver<ReaderNotice>,
    tell: mpsc::UnboundedSender<ReaderNotice>,
    /// The viewers that the reading task has yet to know.
    reading: mpsc::UnboundedSender<(ReadSide, Transport)>,
    frames: Vec<crate::protocol::Frame>,
    /// No more viewers can join.
    is_closed: bool,
    /// The server is stopping: new viewers are sent away.
    is_leaving: bool,
    /// Faults, if some are wanted.
    orders: Option<Orders>,
    /// How many times all viewers have been cut.
    cuts: u64,
    /// Viewers get nothing.
    is_silent: bool,
}

/// The viewer that was waited for, and whether its socket takes more. Its key may belong to another viewer by then;
/// waiting too briefly does no harm.
type Wait = Pin<Box<dyn Future<Output = (usize, Arc<ViewerLine>, io::Result<()>)> + Send>>;

impl Fanout {
    pub(in crate::server) fn new(
        hub: &Hub,
        newcomers: mpsc::UnboundedReceiver<Newcomer>,
        policy: Policy,
        faults: Option<&Faults>,
        tally: Arc<Tally>,
    ) -> Self {
        let (tell, notices) = mpsc::unbounded_channel();
        let (reading, joining) = mpsc::unbounded_channel();
        tokio::spawn(reader::read_all(joining));
        Self {
            policy,
            hub: hub.clone(),
            head: hub.head(),
            viewers: Slab::new(),
            strides: Strides::new(hub.clone(), tally),
            by_host: ViewersByHost::default(),
            rounds: 0,
            next_round: None,
            moved: Vec::new(),
            due: Vec::new(),
            joined: 0,
            waiting: FuturesUnordered::new(),
            newcomers,
            notices,
            tell,
            reading,
            frames: Vec::new(),
            is_closed: false,
            is_leaving: false,
            orders: faults.map(Faults::orders),
            cuts: 0,
            is_silent: false,
        }
    }

    /// Serves viewers until `stop`, then disconnects them, spread over the drain. Ends with the last viewer, once no
    /// more can join.
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

    /// Handles the next event. The order is random: an event that is always ready, such as a viewer that is behind,
    /// must not keep others waiting.
    async fn event(&mut self, looks: &mut Interval) {
        if self.is_silent {
            ordered(self.orders.as_mut()).await;
            return self.obey();
        }
        tokio::select! {
            () = ordered(self.orders.as_mut()) => self.obey(),
            newcomer = self.newcomers.recv(), if !self.is_closed => match newcomer {
                Some(newcomer) => self.join(newcomer),
                None => self.is_closed = true,
            },
            Some(notice) = self.notices.recv() => self.hear(notice),
            Some(waited) = self.waiting.next(), if !self.waiting.is_empty() => self.resume(waited),
            () = changed(&mut self.head, self.next_round) => self.round().await,
            _ = looks.tick() => self.look(),
        }
    }

    /// Does to all viewers what is ordered.
    fn obey(&mut self) {
        let Some(orders) = &mut self.orders else {
            return;
        };
        let ordered = orders.now();
        self.is_silent = ordered.is_silent;
        let is_cut = std::mem::replace(&mut self.cuts, ordered.cuts) != ordered.cuts;
        if is_cut {
            self.cut_all();
        }
        if let Some(orders) = &self.orders {
            orders.viewers_obeyed(ordered);
        }
    }

    /// Resets every connection, also of viewers that are about to join.
    fn cut_all(&mut self) {
        self.waiting = FuturesUnordered::new();
        for Member { viewer, .. } in self.viewers.drain() {
            viewer.line.cut();
            tracing::info!(peer = %viewer.peer, reason = "cut by --chaos", "viewer disconnected");
        }
        self.by_host = ViewersByHost::default();
        while let Ok(newcomer) = self.newcomers.try_recv() {
            newcomer.socket.reset_when_dropped();
        }
    }

    /// Adds a viewer, and starts to serve it.
    fn join(&mut self, newcomer: Newcomer) {
        let entry = self.viewers.vacant_entry();
        let key = entry.key();
        self.joined += 1;
        // Pings are spread over the heartbeat, so that a herd isn't pinged all at once.
        let share = f64::from(u32::try_from(key % 64).unwrap_or_default()) / 64.0;
        let first_ping = self.policy.heartbeat.mul_f64(0.5 + 0.5 * share);
        let name = (key, self.joined);
        let (transport, may_compress) = (newcomer.transport, newcomer.may_compress());
        let mut viewer = match Viewer::new(newcomer, name, self.tell.clone(), first_ping) {
            Ok(viewer) => viewer,
            Err(error) => return tracing::warn!(%error, "cannot add a viewer"),
        };
        let side = ReadSide::new(Arc::clone(&viewer.line), may_compress);
        // If nothing reads any more, the server is gone.
        let _ = self.reading.send((side, transport));
        tracing::info!(peer = %viewer.peer, "viewer connected");
        if self.is_leaving {
            // It gets no messages, but its request is answered; a new socket takes that much.
            let _ = viewer.flush();
        }
        entry.insert(Member::new(viewer));
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
                    .viewer(key)
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
        let at_once = self.viewer(key).is_some_and(|it| it.is_leaving());
        self.part(key, reason, at_once);
    }

    /// Removes a viewer. Unless `at_once`, the kernel still sends what it has buffered.
    fn part(&mut self, key: usize, reason: &str, at_once: bool) {
        if let Some(Member { mut viewer, .. }) = self.viewers.try_remove(key) {
            // The last output of tungstenite, such as the response to a close, is still sent if the socket takes it.
            let _ = viewer.flush();
            viewer.line.ask_to_leave(0);
            // A waiting task holds the socket and its descriptor; this ends the wait.
            viewer.line.hang_up(at_once);
            tracing::info!(peer = %viewer.peer, reason, "viewer disconnected");
            if self.by_host.lose(viewer.listed) {
                let viewers = &self.viewers;
                self.by_host.sweep(|ListedViewer { key, serial }| {
                    (viewers.get(key)).is_some_and(|it| it.viewer.line.serial() == serial)
                });
            }
        }
    }

    fn resume(&mut self, (key, line, ready): (usize, Arc<ViewerLine>, io::Result<()>)) {
        let viewer = self.viewer(key);
        let Some(viewer) = viewer.filter(|viewer| Arc::ptr_eq(&viewer.line, &line)) else {
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

    /// Sends a viewer what it lacks: as much as its socket takes, at most one batch.
    fn feed(&mut self, key: usize) {
        let Some(member) = self.viewers.get_mut(key) else {
            return;
        };
        if member.viewer.is_waited_for {
            return;
        }
        let fed = member.feed(&mut self.frames, self.policy.live, &mut self.strides);
        let viewer = &mut member.viewer;
        viewer.list(key, &mut self.by_host);
        let wait = match fed {
            Ok(FeedProgress::Up(_)) => return,
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

    /// Makes a round of the viewers of hosts that have moved.
    async fn round(&mut self) {
        let (mut moved, mut due) = (take(&mut self.moved), take(&mut self.due));
        if self.hub.take_moved(&mut moved) {
            due.extend(self.viewers.iter().map(|(key, _)| DueViewer::anyway(key)));
        } else {
            due.extend(DueViewer::of_moved(&moved, &self.by_host));
        }
        self.rounds += 1;
        self.strides.begin_round();
        // Viewers that join meanwhile are served when they join.
        let began = Instant::now();
        let mut since = began;
        for viewers in due.chunks(TURN_LOOK) {
            self.fetch(viewers, &moved);
            for viewer in viewers {
                self.visit(viewer.key, viewer.news(&moved));
            }
            if since.elapsed() >= TURN {
                self.strides.settle();
                tokio::task::yield_now().await;
                since = Instant::now();
            }
        }
        self.strides.settle();
        self.by_host.end_round();
        self.next_round = gathering(self.hub.host_count()).map(|pause| began + pause);
        moved.clear();
        due.clear();
        (self.moved, self.due) = (moved, due);
    }

    /// Brings into the cache what visits of these viewers read first. Each visit would wait for memory by itself; here,
    /// the waits overlap.
    fn fetch(&self, viewers: &[DueViewer], moved: &[MovedHost]) {
        let fetched = viewers.iter().map(|viewer| {
            let member = self.viewers.get(viewer.key);
            member.map_or(0, |member| member.fetch(viewer.news(moved)))
        });
        black_box(fetched.fold(0, u64::wrapping_add));
    }

    /// Serves a viewer with the `news` of its host, unless it was visited in this round, for another of its hosts.
    fn visit(&mut self, key: usize, news: Option<&HostNews>) {
        let round = self.rounds;
        let Some(member) = self.viewers.get_mut(key) else {
            return;
        };
        if !member.is_due(round) {
            return;
        }
        let strides = &mut self.strides;
        let is_served = match news.map(|news| member.take_news(news, strides)) {
            Some(NewsTaken::Whole) => true,
            Some(NewsTaken::Part) => false,
            Some(NewsTaken::Nothing) | None => member.take_stride(strides),
        };
        if !is_served {
            self.feed(key);
        }
    }

    fn viewer(&mut self, key: usize) -> Option<&mut Viewer> {
        Some(&mut self.viewers.get_mut(key)?.viewer)
    }

    /// Sends pings, and checks the deadlines.
    fn look(&mut self) {
        let now = Instant::now();
        let keys: Vec<_> = self
            .viewers
            .iter()
            .filter(|(_, member)| member.viewer.needs_look(now))
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            let (live, heartbeat) = (self.policy.live, self.policy.heartbeat);
            let Some(viewer) = self.viewer(key) else {
                continue;
            };
            if viewer.is_leaving() {
                self.remove(key, "did not answer the close");
                continue;
            }
            if viewer.owes_pong(now) {
                if live {
                    viewer.dismiss(close::TRY_AGAIN);
                }
            } else {
                viewer.ping(now, heartbeat);
            }
            self.feed(key);
        }
    }

    /// Disconnects viewers, a few at a time, so that they don't all reconnect at once. Viewers that do not leave are
    /// dropped with the server.
    async fn send_away(&mut self, looks: &mut Interval) {
        (self.is_leaving, self.is_silent, self.orders) = (true, false, None);
        let keys: Vec<_> = self.viewers.iter().map(|(key, _)| key).collect();
        let count = u32::try_from(keys.len()).unwrap_or(u32::MAX).max(1);
        // Half of the drain is for disconnecting, the other half for the last responses.
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
        if let Some(viewer) = self.viewer(key) {
            viewer.dismiss(close::GOING_AWAY);
            self.feed(key);
        }
    }
}

/// Waits until hosts have moved, and until it is time for another round.
async fn changed(head: &mut Head, next_round: Option<Instant>) {
    if let Some(next_round) = next_round {
        tokio::time::sleep_until(next_round).await;
    }
    head.changed().await;
}

/// The time from one round to the next, if there are many `hosts`.
fn gathering(hosts: usize) -> Option<Duration> {
    let hosts = u32::try_from(hosts).unwrap_or(u32::MAX);
    let pause = GATHERING_PER_HOST.saturating_mul(hosts).min(MOST_GATHERING);
    (pause >= LEAST_GATHERING).then_some(pause)
}

/// Waits for an order, if there can be one.
async fn ordered(orders: Option<&mut Orders>) {
    match orders {
        Some(orders) => orders.changed().await,
        None => std::future::pending().await,
    }
}
