//! From the recording into the hub, at the pace of recorded time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::hub::{Announcement, Hub, Publisher, Timeline};
use crate::protocol::{HostName, Replay, StreamId, cores_among, describe};
use crate::recording::{Columns, ReadError};
use crate::source::recording::{DEFAULT_INTERVAL_MS, Numbering, Play, Playback, Survey};

use super::super::{Failure, announce};
use super::pace::{Pace, Speed};

/// Rows that are read at once; viewers are woken at least this often.
const BATCH: usize = 64;

/// Batches that wait between the reading thread and the hub.
const BATCHES_AHEAD: usize = 4;

/// How long after its metric an alert is sent, where there is time: dashboards that keep only the newest message, as the
/// state of a page, would otherwise not draw the metric. They draw within a sixtieth of a second, busy ones more slowly.
const ALERT_PAUSE: Duration = Duration::from_millis(50);

/// A wait that is longer than this and than three intervals is told, so that nobody takes it for a hang.
const LONG_WAIT: Duration = Duration::from_secs(5);

/// Feeds a hub.
pub(super) struct Feed {
    speed: Speed,
    max_pause: Option<Duration>,
    replay: Replay,
    heartbeat: Duration,
    /// The last message was a metric.
    is_metric_last: bool,
    hosts: HashMap<HostName, Announced>,
    hub: Hub,
    intervals: BTreeMap<HostName, u64>,
}

/// One host, and what was last said of it.
struct Announced {
    publisher: Publisher,
    interval: u64,
    said: Option<(StreamId, Columns)>,
}

/// What was played.
pub(super) struct Played {
    pub(super) messages: u64,
    pub(super) warnings: Vec<String>,
}

impl Feed {
    /// Announces the hosts of `survey`, so that viewers find them before the first row is played.
    pub(super) fn new(
        hub: &Hub,
        survey: &Survey,
        numbering: &Numbering,
        (speed, max_pause, replay): (Speed, Option<Duration>, Replay),
        heartbeat: Duration,
    ) -> Self {
        let mut feed = Self {
            speed,
            max_pause,
            replay,
            heartbeat,
            is_metric_last: false,
            hosts: HashMap::new(),
            hub: hub.clone(),
            intervals: BTreeMap::new(),
        };
        for (recorded, found) in &survey.hosts {
            let (name, streams) = match numbering {
                Numbering::Kept => (recorded, &found.streams),
                Numbering::Fresh { stream, name } => {
                    (name.as_ref().unwrap_or(recorded), &vec![*stream])
                }
            };
            feed.intervals.insert(name.clone(), found.interval);
            feed.host(name).publisher.expect_streams(streams);
            if let Some(first) = streams.first() {
                feed.announce(name, *first, &found.columns);
            }
        }
        feed
    }

    fn host(&mut self, name: &HostName) -> &mut Announced {
        self.hosts.entry(name.clone()).or_insert_with(|| {
            // One that a pipe brings late was not surveyed; most often it is sampled like the others.
            let surveyed = self.intervals.get(name);
            let interval = surveyed.or_else(|| self.intervals.values().next());
            let interval = interval.copied().unwrap_or(DEFAULT_INTERVAL_MS);
            let publisher = self.hub.publisher(name, Timeline::Recorded);
            Announced {
                publisher,
                interval: self.speed.scaled(interval),
                said: None,
            }
        })
    }

    fn announce(&mut self, name: &HostName, stream: StreamId, columns: &Columns) {
        let heartbeat = u64::try_from(self.heartbeat.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        let host = self.host(name);
        let said = host
            .said
            .as_ref()
            .is_some_and(|(said, shown)| *said == stream && shown == columns);
        if said {
            return;
        }
        host.said = Some((stream, columns.clone()));
        let interval = host.interval;
        let cores = cores_among(columns.names().iter().map(|name| &**name));
        let metrics = columns
            .names()
            .iter()
            .map(|name| describe(name, cores))
            .collect();
        let replay = Some(self.replay);
        self.host(name).publisher.announce(Announcement {
            stream,
            interval,
            heartbeat,
            system: None,
            replay,
            metrics,
            unavailable: Arc::new([]),
        });
    }

    /// Plays everything. A rebased recording begins `now`, in milliseconds since the epoch.
    /// `progress` is told the recorded time and the messages that have been played, `say` a line about a long wait.
    pub(super) async fn run(
        mut self,
        mut playback: Playback,
        now: u64,
        progress: impl Fn(Duration, u64),
        say: impl Fn(&str),
    ) -> Result<Played, Failure> {
        if playback.rebase_to(now) {
            self.begins(now);
        }
        let mut rows = read_ahead(playback)?;
        let mut pace = Pace::new(self.speed, self.max_pause, Instant::now());
        let mut played = Played {
            messages: 0,
            warnings: Vec::new(),
        };
        while let Some(read) = rows.recv().await {
            match read {
                Read::Rows(plays) => {
                    for play in plays {
                        let due = Duration::from_millis(play.due);
                        self.play(play, &mut pace, &say).await;
                        played.messages += 1;
                        progress(due, played.messages);
                    }
                    self.wake();
                }
                Read::Failed(error) => return Err(error.into()),
                Read::Over(warnings) => {
                    played.warnings = warnings;
                    return Ok(played);
                }
            }
        }
        Err(anyhow::anyhow!("the recording was not read to its end").into())
    }

    /// The first message gets this time. Viewers that have been told another are told again.
    fn begins(&mut self, now: u64) {
        let Replay { first, last, .. } = self.replay;
        let span = first.zip(last).map(|(first, last)| last - first);
        self.replay.first = Some(now);
        self.replay.last = span.map(|span| now.saturating_add(span));
        for host in self.hosts.values_mut() {
            host.said = None;
        }
    }

    async fn play(&mut self, play: Play, pace: &mut Pace, say: impl Fn(&str)) {
        if let Some(due) = pace.due(play.due, Instant::now()) {
            self.wake();
            let wait = due.saturating_duration_since(Instant::now());
            let usual = Duration::from_millis(self.host(&play.host).interval);
            if wait > LONG_WAIT.max(usual.saturating_mul(3)) {
                say(&self.waiting(wait, &play));
            }
            tokio::time::sleep_until(due).await;
        } else if let Some(pause) = self.pause_before(&play) {
            self.wake();
            tokio::time::sleep(pause).await;
        }
        self.is_metric_last = play.message.alert.is_none();
        self.announce(&play.host, play.stream, &play.columns);
        let publisher = &self.host(&play.host).publisher;
        if publisher.add(play.message) {
            publisher.wake();
            publisher.room().await;
            pace.held_up(play.due, Instant::now());
        }
    }

    /// For an alert right behind its metric: no more than a quarter of the time between two samples, so that nothing is
    /// late.
    fn pause_before(&mut self, play: &Play) -> Option<Duration> {
        let is_behind_metric = play.message.alert.is_some() && self.is_metric_last;
        if !is_behind_metric || self.speed == Speed::Max {
            return None;
        }
        let quarter = Duration::from_millis(self.host(&play.host).interval / 4);
        Some(ALERT_PAUSE.min(quarter))
    }

    /// What is said of a long wait for a message.
    fn waiting(&self, wait: Duration, play: &Play) -> String {
        let at = UNIX_EPOCH + Duration::from_millis(play.message.sample.timestamp);
        let cure = if self.max_pause.is_none() {
            "; --max-pause 5s shortens such waits"
        } else {
            ""
        };
        format!(
            "Waiting {} for the next message, {} of {} at {}{cure}.",
            announce::span(wait),
            play.message.seq,
            play.host,
            humantime::format_rfc3339_seconds(at),
        )
    }

    fn wake(&self) {
        if let Some(host) = self.hosts.values().next() {
            host.publisher.wake();
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
fn read_ahead(mut playback: Playback) -> std::io::Result<mpsc::Receiver<Read>> {
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
            // A receiver that is gone wants no more.
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
