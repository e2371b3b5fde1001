//! From the recording into the hub, at the pace of recorded time.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::hub::{Announcement, Publisher};
use crate::protocol::{HostName, Replay, StreamId, cores_among, describe};
use crate::recording::{Columns, ReadError};

use super::super::{NumbersRanOut, Sequence, Source};
use super::pace::{Pace, Speed};
use super::{DEFAULT_INTERVAL_MS, Numbering, Play, Playback, Survey};

/// Rows that are read at once; viewers are woken at least this often.
const BATCH: usize = 64;

/// Batches that wait between the reading thread and the hub.
const BATCHES_AHEAD: usize = 4;

/// How long after its metric an alert is sent, where there is time: dashboards that keep only the newest message, as the
/// state of a page, would otherwise not draw the metric. They draw within a sixtieth of a second, busy ones more slowly.
const ALERT_PAUSE: Duration = Duration::from_millis(50);

/// A wait that is longer than this and than three intervals is reported, so that nobody takes it for a hang.
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

/// Hears how a replay comes along.
pub trait Observer {
    /// A message is played: its recorded time, and how many there were.
    fn played(&self, due: Duration, messages: u64);

    /// The next message is long in coming.
    fn waiting(&self, wait: &LongWait<'_>);
}

/// The next message is due only after a long time.
#[derive(Debug, Clone, Copy)]
pub struct LongWait<'a> {
    /// How long.
    pub wait: Duration,
    /// Whose message it is.
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
    /// What has to be said of the recordings, in a line each.
    pub warnings: Vec<String>,
}

/// Why a replay failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A recording cannot be read on.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no thread to read it.
    #[error("cannot start reading")]
    Thread(#[from] io::Error),
    /// The thread that reads it ended.
    #[error("the recording was not read to its end")]
    Unfinished,
}

/// Recordings as a source.
pub struct Feed<O> {
    playback: Playback,
    /// Tells the time, in milliseconds since the epoch: a rebased recording begins when it is played.
    now: fn() -> u64,
    player: Player<O>,
}

/// Publishes what was read when it is due.
struct Player<O> {
    tempo: Tempo,
    replay: Replay,
    observer: O,
    /// The last message was a metric.
    is_metric_last: bool,
    hosts: HashMap<HostName, Host>,
    intervals: BTreeMap<HostName, u64>,
}

/// One host, and what was last announced of it.
struct Host {
    sequence: Sequence,
    interval: u64,
    announced: Option<(StreamId, Columns)>,
}

impl<O: Observer> Feed<O> {
    /// Plays `playback` by `tempo`; viewers learn that it is `replay`.
    pub fn new(
        playback: Playback,
        tempo: Tempo,
        replay: Replay,
        now: fn() -> u64,
        observer: O,
    ) -> Self {
        let player = Player {
            tempo,
            replay,
            observer,
            is_metric_last: false,
            hosts: HashMap::new(),
            intervals: BTreeMap::new(),
        };
        Self {
            playback,
            now,
            player,
        }
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
    fn host(&mut self, publisher: &Publisher, name: &HostName) -> &mut Host {
        self.hosts.entry(name.clone()).or_insert_with(|| {
            // One that a pipe brings late was not surveyed; most often it is sampled like the others.
            let surveyed = self.intervals.get(name);
            let interval = surveyed.or_else(|| self.intervals.values().next());
            let interval = interval.copied().unwrap_or(DEFAULT_INTERVAL_MS);
            Host {
                sequence: Sequence::new(publisher.host(name)),
                interval: self.tempo.speed.scaled(interval),
                announced: None,
            }
        })
    }

    fn announce(
        &mut self,
        publisher: &Publisher,
        name: &HostName,
        stream: StreamId,
        columns: &Columns,
    ) {
        let heartbeat = u64::try_from(self.tempo.heartbeat.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
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
            unavailable: Arc::new([]),
        });
    }

    /// The first message gets this time. Viewers that have learnt another are told again.
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
                        if let Err(error) = self.play(publisher, play, &mut pace).await {
                            let warnings = vec![format!("the replay ends early: {error}")];
                            return Ok(Played { messages, warnings });
                        }
                        messages += 1;
                        self.observer.played(due, messages);
                    }
                    publisher.wake();
                }
                Read::Failed(error) => return Err(error.into()),
                Read::Over(warnings) => return Ok(Played { messages, warnings }),
            }
        }
        Err(ReplayError::Unfinished)
    }

    async fn play(
        &mut self,
        publisher: &Publisher,
        play: Play,
        pace: &mut Pace,
    ) -> Result<(), NumbersRanOut> {
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
        self.announce(publisher, &play.host, play.message.stream, &play.columns);
        let sequence = &mut self.host(publisher, &play.host).sequence;
        if sequence.add(play.message)? {
            publisher.wake();
            sequence.publisher().room().await;
            pace.held_up(play.due, Instant::now());
        }
        Ok(())
    }

    /// For an alert right behind its metric: no more than a quarter of the time between two samples, so that nothing is
    /// late.
    fn pause_before(&mut self, publisher: &Publisher, play: &Play) -> Option<Duration> {
        let is_behind_metric = play.message.alert.is_some() && self.is_metric_last;
        if !is_behind_metric || self.tempo.speed == Speed::Max {
            return None;
        }
        let quarter = Duration::from_millis(self.host(publisher, &play.host).interval / 4);
        Some(ALERT_PAUSE.min(quarter))
    }
}

impl<O: Observer> Source for Feed<O> {
    /// What was played; `None` when it was stopped.
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

/// What the reading thread found.
enum Read {
    Rows(Vec<Play>),
    Failed(ReadError),
    Over(Vec<String>),
}

/// Reads and parses on a thread of its own, a little ahead.
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
            // Nobody wants more once the receiver is gone.
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
