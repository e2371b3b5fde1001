//! From the recording into the hub, at the pace of recorded time.

mod faults;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::alert::change::Change;
use crate::hub::{Announcement, Publisher};
use crate::millis::in_millis;
use crate::protocol::{HostName, Replay, Sample, StreamId, cores_among, describe};
use crate::recording::{Columns, ReadError};

use super::super::alerts::{Alerting, HostAlerts, message_of, pause_within};
use super::super::{NumbersRanOut, Seq, Sequence, Source, Unnumbered};
use super::chaos::{Chaos, PlannedFault};
use super::pace::{Pace, Speed};
use super::{DEFAULT_INTERVAL_MS, Numbering, Play, Playback, Survey};

/// Rows per batch; viewers are woken at least this often.
const BATCH: usize = 64;

/// Batches that wait between the reading thread and the hub.
const BATCHES_AHEAD: usize = 4;

/// A wait longer than this and than three intervals is reported, so that it isn't mistaken for a hang.
const LONG_WAIT: Duration = Duration::from_secs(5);

/// How a recording is played.
#[derive(Debug, Clone, Copy)]
pub struct Tempo {
    /// How fast.
    pub speed: Speed,
    /// The longest wait for a message, from the one before it.
    pub max_pause: Option<Duration>,
    /// The time between two heartbeats, for the announcement.
    pub heartbeat: Duration,
}

/// Receives the progress of a replay.
pub trait Observer {
    /// A message is played: its recorded time, and the number of messages so far.
    fn played(&self, due: Duration, messages: u64);

    /// The next message is due only after a long wait.
    fn waiting(&self, wait: &LongWait<'_>);

    /// A planned fault happens before the message of `host` with this timestamp.
    fn fault(&self, _fault: &PlannedFault, _host: &HostName, _timestamp: u64) {}
}

/// A long wait for the next message.
#[derive(Debug, Clone, Copy)]
pub struct LongWait<'a> {
    /// How long.
    pub wait: Duration,
    /// The message's host.
    pub host: &'a HostName,
    /// Its number.
    pub seq: u64,
    /// Its time, in milliseconds since the epoch.
    pub timestamp: u64,
}

/// What was played.
#[derive(Debug)]
pub struct Played {
    /// How many messages.
    pub messages: u64,
    /// Warnings about the recordings, one line each.
    pub warnings: Vec<String>,
}

/// Why a replay failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A recording cannot be read any further.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The reading thread could not be started.
    #[error("cannot start reading")]
    Thread(#[from] io::Error),
    /// The reading thread ended early.
    #[error("the recording was not read to its end")]
    Unfinished,
}

/// Recordings as a source.
pub struct Feed<O> {
    playback: Playback,
    /// The current time, in milliseconds since the epoch: a rebased recording begins when it is played.
    now: fn() -> u64,
    player: Player<O>,
}

/// Publishes messages when they are due.
struct Player<O> {
    tempo: Tempo,
    replay: Replay,
    observer: O,
    /// Whether the last message was a metric.
    is_metric_last: bool,
    hosts: HashMap<HostName, FedHost>,
    intervals: BTreeMap<HostName, u64>,
    /// Rules that are asked instead of playing the recorded alerts.
    alerting: Option<Alerting>,
    /// The faults that are still to happen.
    chaos: Option<Chaos>,
    /// How many times the server has restarted by such a fault.
    restarts: u64,
}

/// One host, and its last announcement.
struct FedHost {
    sequence: Sequence,
    interval: u64,
    announced: Option<(StreamId, Columns)>,
    alerts: Option<HostAlerts>,
    /// What recorded alerts that were left out said of what is missing before them.
    left_out: Hole,
}

/// What is missing before a message.
#[derive(Debug, Default)]
struct Hole {
    messages: u64,
    is_gap: bool,
}

impl<O: Observer> Feed<O> {
    /// Plays `playback` at `tempo`, and announces it as `replay`. If there are rules, numbers are fresh, and the alerts
    /// are what they find rather than what was recorded.
    pub fn new(
        playback: Playback,
        tempo: Tempo,
        replay: Replay,
        now: fn() -> u64,
        observer: O,
        alerting: Option<Alerting>,
    ) -> Self {
        let player = Player {
            tempo,
            replay,
            observer,
            is_metric_last: false,
            hosts: HashMap::new(),
            intervals: BTreeMap::new(),
            alerting,
            chaos: None,
            restarts: 0,
        };
        Self {
            playback,
            now,
            player,
        }
    }

    /// Lets planned faults happen between the messages. If the server restarts among them, numbers are fresh.
    pub fn disturbed_by(&mut self, chaos: Chaos) {
        self.player.chaos = Some(chaos);
    }

    /// Announces the hosts of `survey`, so that viewers find them before the first row is played.
    pub fn announce_hosts(&mut self, publisher: &Publisher, survey: &Survey) {
        for (recorded, found) in &survey.hosts {
            let (name, streams) = match self.playback.numbering() {
                Numbering::Kept => (recorded, &found.streams),
                Numbering::Fresh { stream, name } => {
                    (name.as_ref().unwrap_or(recorded), &vec![*stream])
                }
            };
            let player = &mut self.player;
            player.intervals.insert(name.clone(), found.interval);
            let host = player.host(publisher, name);
            host.sequence.publisher().expect_streams(streams);
            if let Some(first) = streams.first() {
                player.announce(publisher, name, *first, &found.columns);
            }
        }
    }
}

impl<O: Observer> Player<O> {
    fn host(&mut self, publisher: &Publisher, name: &HostName) -> &mut FedHost {
        let Self {
            tempo,
            hosts,
            intervals,
            alerting,
            ..
        } = self;
        hosts.entry(name.clone()).or_insert_with(|| FedHost {
            sequence: Sequence::new(publisher.host(name)),
            interval: tempo.speed.scaled(interval_of(intervals, name)),
            announced: None,
            alerts: alerts_of(alerting.as_ref(), intervals, name),
            left_out: Hole::default(),
        })
    }

    fn announce(
        &mut self,
        publisher: &Publisher,
        name: &HostName,
        stream: StreamId,
        columns: &Columns,
    ) {
        let heartbeat = in_millis(self.tempo.heartbeat).max(1);
        let replay = Some(self.replay);
        let host = self.host(publisher, name);
        let is_announced = host
            .announced
            .as_ref()
            .is_some_and(|(announced, shown)| *announced == stream && shown == columns);
        if is_announced {
            return;
        }
        host.announced = Some((stream, columns.clone()));
        let cores = cores_among(columns.names().iter().map(|name| &**name));
        let metrics = columns
            .names()
            .iter()
            .map(|name| describe(name, cores))
            .collect();
        host.sequence.announce(Announcement {
            stream,
            interval: host.interval,
            heartbeat,
            system: None,
            replay,
            metrics,
            containers: columns.has_containers(),
            unavailable: Arc::new([]),
        });
    }

    /// Gives the first message this time, and announces it again to viewers that had another one.
    fn begins(&mut self, now: u64) {
        let Replay { first, last, .. } = self.replay;
        let span = first.zip(last).map(|(first, last)| last - first);
        self.replay.first = Some(now);
        self.replay.last = span.map(|span| now.saturating_add(span));
        for host in self.hosts.values_mut() {
            host.announced = None;
        }
    }

    async fn feed(
        &mut self,
        publisher: &Publisher,
        mut rows: mpsc::Receiver<Read>,
    ) -> Result<Played, ReplayError> {
        let Tempo {
            speed, max_pause, ..
        } = self.tempo;
        let mut pace = Pace::new(speed, max_pause, Instant::now());
        let mut messages = 0;
        while let Some(read) = rows.recv().await {
            match read {
                Read::Rows(plays) => {
                    for play in plays {
                        let due = Duration::from_millis(play.due);
                        self.disturb(publisher, &play, &mut pace).await;
                        match self.play(publisher, play, &mut pace).await {
                            Ok(played) => messages += played,
                            Err(error) => {
                                let warnings = vec![format!("the replay ends early: {error}")];
                                return Ok(Played { messages, warnings });
                            }
                        }
                        self.observer.played(due, messages);
                    }
                    publisher.wake();
                }
                Read::Failed(error) => return Err(error.into()),
                Read::Over(mut warnings) => {
                    let left_over = self.chaos.as_ref().and_then(Chaos::left_over);
                    warnings.extend(left_over.map(|fault| {
                        format!("--chaos {fault} did not happen: the recording was over before")
                    }));
                    return Ok(Played { messages, warnings });
                }
            }
        }
        Err(ReplayError::Unfinished)
    }

    /// Plays a message, and the alerts that follow it. Returns how many messages that made.
    async fn play(
        &mut self,
        publisher: &Publisher,
        mut play: Play,
        pace: &mut Pace,
    ) -> Result<u64, NumbersRanOut> {
        play.message.stream.0 += self.restarts;
        if !self.host(publisher, &play.host).admits(&mut play) {
            return Ok(0);
        }
        let seq = self
            .host(publisher, &play.host)
            .sequence
            .peek(play.message.seq)?;
        if let Some(due) = pace.due(play.due, Instant::now()) {
            publisher.wake();
            let wait = due.saturating_duration_since(Instant::now());
            let usual = Duration::from_millis(self.host(publisher, &play.host).interval);
            if wait > LONG_WAIT.max(usual.saturating_mul(3)) {
                self.observer.waiting(&LongWait {
                    wait,
                    host: &play.host,
                    seq,
                    timestamp: play.message.sample.timestamp,
                });
            }
            tokio::time::sleep_until(due).await;
        } else if let Some(pause) = self.pause_before(publisher, &play) {
            publisher.wake();
            tokio::time::sleep(pause).await;
        }
        self.is_metric_last = play.message.alert.is_none();
        let stream = play.message.stream;
        self.announce(publisher, &play.host, stream, &play.columns);
        let host = self.host(publisher, &play.host);
        let found = host.found(&play);
        host.add(publisher, play.message, play.due, pace).await?;
        let Some((found, sample)) = found else {
            return Ok(1);
        };
        if let Some(pause) = self.pause(publisher, &play.host) {
            publisher.wake();
            tokio::time::sleep(pause).await;
        }
        let host = self.host(publisher, &play.host);
        let count = found.len() as u64;
        for change in found {
            let message = message_of(&change, stream, &sample);
            host.add(publisher, message, play.due, pace).await?;
            if let Some(alerts) = &host.alerts {
                alerts.tell(change);
            }
        }
        Ok(1 + count)
    }

    /// For an alert right behind its metric.
    fn pause_before(&mut self, publisher: &Publisher, play: &Play) -> Option<Duration> {
        let is_behind_metric = play.message.alert.is_some() && self.is_metric_last;
        let pause = self.pause(publisher, &play.host);
        pause.filter(|_| is_behind_metric)
    }

    /// Between a metric and its alert.
    fn pause(&mut self, publisher: &Publisher, host: &HostName) -> Option<Duration> {
        let interval = Duration::from_millis(self.host(publisher, host).interval);
        (self.tempo.speed != Speed::Max).then(|| pause_within(interval))
    }
}

/// The interval of a host as recorded. One that appears late in a pipe was not surveyed; it usually has the interval of
/// the others.
fn interval_of(intervals: &BTreeMap<HostName, u64>, name: &HostName) -> u64 {
    let surveyed = intervals.get(name);
    let interval = surveyed.or_else(|| intervals.values().next());
    interval.copied().unwrap_or(DEFAULT_INTERVAL_MS)
}

/// The rules for a host, none of which has seen a sample.
fn alerts_of(
    alerting: Option<&Alerting>,
    intervals: &BTreeMap<HostName, u64>,
    name: &HostName,
) -> Option<HostAlerts> {
    let alerting = alerting?.clone();
    let interval = interval_of(intervals, name);
    Some(HostAlerts::new(alerting, name.clone(), interval, true))
}

impl FedHost {
    /// Whether a message is played: a recorded alert is not where rules are asked. Holes keep their size.
    fn admits(&mut self, play: &mut Play) -> bool {
        if self.alerts.is_none() {
            return true;
        }
        let Seq::Next { missing } = &mut play.message.seq else {
            return true;
        };
        *missing = missing.saturating_add(self.left_out.messages);
        play.is_after_gap |= self.left_out.is_gap;
        let is_played = play.message.alert.is_none();
        self.left_out = Hole::default();
        if !is_played {
            self.left_out.messages = *missing;
            self.left_out.is_gap = play.is_after_gap;
        }
        is_played
    }

    /// What the rules find about the sample of a message, with that sample; `None` where it is nothing.
    fn found(&mut self, play: &Play) -> Option<(Vec<Change>, Sample)> {
        let sample = &play.message.sample;
        let found = self.alerts.as_mut()?.judge(sample, play.is_after_gap);
        (!found.is_empty()).then(|| (found, sample.clone()))
    }

    /// Publishes a message, and waits where viewers have to read first.
    async fn add(
        &mut self,
        publisher: &Publisher,
        message: Unnumbered,
        due: u64,
        pace: &mut Pace,
    ) -> Result<(), NumbersRanOut> {
        if self.sequence.add(message)? {
            publisher.wake();
            self.sequence.publisher().room().await;
            pace.held_up(due, Instant::now());
        }
        Ok(())
    }
}

impl<O: Observer> Source for Feed<O> {
    /// What was played; `None` if it was stopped.
    type Outcome = Option<Played>;
    type Error = ReplayError;

    async fn run(
        mut self,
        publisher: Publisher,
        stop: CancellationToken,
    ) -> Result<Option<Played>, ReplayError> {
        let now = (self.now)();
        if self.playback.rebase_to(now) {
            self.player.begins(now);
        }
        let rows = read_ahead(self.playback)?;
        tokio::select! {
            played = self.player.feed(&publisher, rows) => played.map(Some),
            () = stop.cancelled() => Ok(None),
        }
    }
}

/// The results of the reading thread.
enum Read {
    Rows(Vec<Play>),
    Failed(ReadError),
    Over(Vec<String>),
}

/// Reads and parses on a thread of its own, slightly ahead.
fn read_ahead(mut playback: Playback) -> io::Result<mpsc::Receiver<Read>> {
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    let batch = if playback.is_piped() { 1 } else { BATCH };
    let read = move || {
        loop {
            let mut plays = Vec::with_capacity(batch);
            let mut failed = None;
            for play in playback.by_ref().take(batch) {
                match play {
                    Ok(play) => plays.push(play),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            let over = plays.len() < batch;
            // Once the receiver is gone, no more is needed.
            if !plays.is_empty() && sender.blocking_send(Read::Rows(plays)).is_err() {
                return;
            }
            if let Some(error) = failed {
                let _ = sender.blocking_send(Read::Failed(error));
                return;
            }
            if over {
                let _ = sender.blocking_send(Read::Over(playback.warnings()));
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("reader".into())
        .spawn(read)?;
    Ok(receiver)
}
