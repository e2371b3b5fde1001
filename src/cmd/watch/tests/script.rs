//! Events as they could arrive, a screen that remembers, and time that stands still until somebody waits.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::archive::{Archive, LookbackRequest};
use super::super::assertions::Assertions;
use super::super::columns::AskedColumns;
use super::super::display::{Display, Size};
use super::super::limits::Limits;
use super::super::live_table::Surface;
use super::super::{EventSource, Session, SessionClock};
use crate::client::{ClientEvent, Received};
use crate::cmd::news::News;
use crate::protocol::{
    Alert, AlertState, Body, Hello, HostName, Message, Numbered, Sample, StreamId, Update, describe,
};
use crate::terminal::TerminalInput;
use crate::view::Style;

/// Events and the pauses before them. After the last one the servers stay silent, or are over.
pub(super) struct Script {
    events: VecDeque<(Duration, ClientEvent)>,
    over: bool,
    /// When the next event arrives: kept here, so that a dropped future loses nothing.
    due: Option<Instant>,
}

impl Script {
    pub(super) fn new(events: Vec<(u64, ClientEvent)>) -> Self {
        let pause = |(milliseconds, event)| (Duration::from_millis(milliseconds), event);
        Self {
            events: events.into_iter().map(pause).collect(),
            over: false,
            due: None,
        }
    }

    pub(super) fn ending(events: Vec<(u64, ClientEvent)>) -> Self {
        Self {
            over: true,
            ..Self::new(events)
        }
    }
}

impl EventSource for Script {
    async fn next(&mut self) -> Option<ClientEvent> {
        let Some((pause, _)) = self.events.front() else {
            if self.over {
                return None;
            }
            return std::future::pending().await;
        };
        let due = *self.due.get_or_insert(Instant::now() + *pause);
        tokio::time::sleep_until(due).await;
        self.due = None;
        self.events.pop_front().map(|(_, event)| event)
    }
}

/// An archive of servers without history.
pub(super) struct Nothing;

impl Archive for Nothing {
    type Events = Script;

    fn open(&self, _ask: &LookbackRequest) -> Script {
        Script::ending(Vec::new())
    }
}

/// A screen that keeps its frames and when they were drawn.
pub(super) struct Frames {
    pub(super) start: Instant,
    pub(super) drawn: Vec<(u128, Vec<String>)>,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            drawn: Vec::new(),
        }
    }

    pub(super) fn times(&self) -> Vec<u128> {
        self.drawn.iter().map(|(at, _)| *at).collect()
    }

    /// What the screen showed at `time`.
    #[track_caller]
    pub(super) fn at(&self, time: u128) -> String {
        let drawn = self.drawn.iter().rev().find(|(at, _)| *at <= time);
        drawn.unwrap().1.join("\n")
    }

    pub(super) fn last(&self) -> String {
        self.drawn.last().unwrap().1.join("\n")
    }
}

impl Surface for Frames {
    fn size(&self) -> Size {
        (80, 24)
    }

    fn draw(&mut self, frame: &[String]) -> io::Result<()> {
        self.drawn
            .push((self.start.elapsed().as_millis(), frame.to_vec()));
        Ok(())
    }
}

pub(super) fn session(
    servers: &[&str],
    samples: Option<u64>,
    duration: Option<Duration>,
) -> Session {
    let names: Vec<String> = servers.iter().map(|&name| name.to_owned()).collect();
    let style = Style {
        colour: false,
        unicode: true,
    };
    Session {
        display: Display::new(&names, 30, style),
        limits: Limits::new(samples, duration),
        news: News::new(names),
        assertions: Assertions::default(),
        columns: AskedColumns::default(),
        clock: SessionClock::start(),
    }
}

pub(super) fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

pub(super) fn received(server: usize, name: &str, update: Update) -> ClientEvent {
    let written = |body| {
        let host = Some(host(name));
        Message { host, body }.encode()
    };
    let raw = match &update {
        Update::Hello(hello) => written(Body::Hello(hello.clone())),
        Update::Numbered(message) => message.encode(),
        Update::Heartbeat { seq, sample } => written(Body::Heartbeat {
            seq: *seq,
            sample: sample.clone(),
        }),
        Update::Summary(summary) => written(Body::Summary(summary.clone())),
        Update::Gap(gap) => written(Body::Gap(*gap)),
        Update::End => written(Body::End),
    };
    ClientEvent::Message(Received {
        server,
        host: host(name),
        stream: STREAM,
        update,
        raw: String::from_utf8(raw).unwrap().into(),
    })
}

const STREAM: StreamId = StreamId(1);

/// A numbered message of `name`.
pub(super) fn message(name: &str, seq: u64, alert: Option<Alert>, sample: Sample) -> Update {
    Update::Numbered(Numbered {
        host: host(name),
        stream: STREAM,
        seq,
        alert: alert.map(Box::new),
        sample,
    })
}

pub(super) fn sample(cpu: f64) -> Sample {
    Sample {
        timestamp: 1_795_529_251_204,
        values: vec![("cpu".into(), cpu), ("memory".into(), 61.2)],
        ..Sample::default()
    }
}

pub(super) fn metric(server: usize, name: &str, cpu: f64) -> ClientEvent {
    received(server, name, message(name, 1, None, sample(cpu)))
}

/// Sample `seq` of `name`: a second after the previous one, with its number modulo 100 as `cpu`.
pub(super) fn numbered(name: &str, seq: u64) -> ClientEvent {
    let sample = sample(f64::from(u32::try_from(seq % 100).unwrap()));
    let sample = Sample {
        timestamp: sample.timestamp + seq * 1000,
        ..sample
    };
    received(0, name, message(name, seq, None, sample))
}

pub(super) fn refused(server: usize) -> ClientEvent {
    ClientEvent::Refused {
        server,
        reason: "403".into(),
    }
}

/// A keyboard on which `keys` are pressed at their times, and then no more.
pub(super) fn keyboard(keys: &[(u64, TerminalInput)]) -> mpsc::Receiver<TerminalInput> {
    let (sender, receiver) = mpsc::channel(8);
    let keys = keys.to_vec();
    tokio::spawn(async move {
        let start = Instant::now();
        for (at, key) in keys {
            tokio::time::sleep_until(start + Duration::from_millis(at)).await;
            if sender.send(key).await.is_err() {
                return;
            }
        }
        // The keyboard stays open without typing.
        sender.closed().await;
    });
    receiver
}

pub(super) fn hello(server: usize, name: &str) -> ClientEvent {
    let hello = Hello {
        stream: StreamId(1),
        metrics: ["memory", "cpu"].map(|name| describe(name, 1)).into(),
        ..Hello::default()
    };
    received(server, name, Update::Hello(Box::new(hello)))
}

pub(super) fn connected(server: usize) -> ClientEvent {
    ClientEvent::Connected { server }
}

pub(super) fn lost(server: usize, attempt: u32, retry_in: u64) -> ClientEvent {
    ClientEvent::Lost {
        server,
        reason: "connection refused".into(),
        attempt,
        retry_in: Duration::from_millis(retry_in),
    }
}

pub(super) fn stale(name: &str) -> ClientEvent {
    ClientEvent::Stale { host: host(name) }
}

/// An alert about `cpu` that comes with the sample `seq` of [`numbered`]; its rule has been true since the sample `began`.
pub(super) fn alert(name: &str, seq: u64, state: AlertState, began: u64) -> ClientEvent {
    let start = sample(0.0).timestamp;
    let alert = Alert {
        name: "cpu > 90".into(),
        rule: "cpu > 90".into(),
        state,
        metric: "cpu".into(),
        value: Some(95.0),
        threshold: Some(90.0),
        since: start + began * 1000,
    };
    let sample = Sample {
        timestamp: start + seq * 1000,
        ..sample(95.0)
    };
    received(0, name, message(name, seq, Some(alert), sample))
}
