//! The messages, encoded and decoded.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::number::optional_number;
use super::{Frame, HostName, MetricInfo, NameError, Position, Sample, StreamId};

/// One message. Wire form: a JSON object with `type` first.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Whose message; `None` only from servers that know a single host and do not name it.
    pub host: Option<HostName>,
    /// What it says.
    pub body: Body,
}

/// What a [`Message`] says. `seq` is `None` only from servers that do not number their messages.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Precedes a host's first message, and comes again whenever its stream, interval or metrics change.
    Hello(Box<Hello>),
    /// A sample.
    Metric {
        /// The number in the stream.
        seq: Option<u64>,
        /// The reading.
        sample: Sample,
    },
    /// A rule began or ceased to hold; comes right behind the sample that did it.
    Alert {
        /// The number in the stream.
        seq: Option<u64>,
        /// The rule and its state.
        alert: Box<Alert>,
        /// The sample that did it.
        sample: Sample,
    },
    /// Nothing is new, and the server lives.
    Heartbeat {
        /// The number of the newest message.
        seq: Option<u64>,
        /// The newest sample.
        sample: Sample,
    },
    /// Numbered messages that will not come. What follows is the next one there is.
    Gap(Gap),
    /// A recording is over; the server then closes with 1000 and the client stays away.
    End,
    /// A type of a later version. Readers pass it over.
    Unknown,
}

/// Who speaks for a host, and what is to come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// The version of the wire, [`super::VERSION`].
    pub protocol: u32,
    /// Name and version of the server.
    pub server: String,
    /// The run of the source that the following numbers belong to.
    pub stream: StreamId,
    /// The oldest number of the stream that the server still has; 0 where it has none.
    pub oldest: u64,
    /// The newest number of the stream; 0 before the first.
    pub newest: u64,
    /// Milliseconds between two samples, at least 1. Data older than three of them (at least 3 s) are stale.
    pub interval: u64,
    /// Milliseconds between two heartbeats.
    pub heartbeat: u64,
    /// The machine; absent in a replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
    /// How the recording is played; in a replay only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// The metrics that samples carry, in their order. A recording takes its columns from here.
    pub metrics: Arc<[MetricInfo]>,
    /// The alerts that fire now.
    pub alerts: Vec<Alert>,
    /// Names of metrics that this system lacks for good.
    pub unavailable: Vec<String>,
}

impl Default for Hello {
    fn default() -> Self {
        Self {
            protocol: super::VERSION,
            server: String::new(),
            stream: StreamId(0),
            oldest: 0,
            newest: 0,
            interval: 2000,
            heartbeat: 30_000,
            system: None,
            replay: None,
            metrics: Arc::new([]),
            alerts: Vec::new(),
            unavailable: Vec::new(),
        }
    }
}

/// The machine that is measured.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct System {
    /// The operating system with its version, as it calls itself.
    pub os: String,
    /// The kernel's version.
    pub kernel: String,
    /// Logical cores; 0, and not on the wire, where their number is unknown.
    #[serde(skip_serializing_if = "is_zero")]
    pub cores: u32,
    /// Physical memory in bytes; inside a limited cgroup, the limit. 0, and not on the wire, where it is unknown.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory: u64,
}

fn is_zero<T: Copy + Into<u64>>(number: &T) -> bool {
    (*number).into() == 0
}

/// How a recording is played. A viewer that is ahead of [`Hello::newest`] of a replay has met one that was started again.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Replay {
    /// How many times as fast as it was recorded; `None`: as fast as the viewers read.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_number"
    )]
    pub speed: Option<f64>,
    /// Whether it begins again at its end.
    #[serde(rename = "loop")]
    pub again: bool,
    /// The time of the first message, as it is sent, in milliseconds since the epoch, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// The time of the last message of the first pass, likewise. `None` for a recording from a pipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
}

/// A rule that began or ceased to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The rule's name.
    pub name: String,
    /// The rule as it was written, such as `cpu > 90 for 30s`.
    #[serde(default)]
    pub rule: String,
    /// Whether it holds now.
    pub state: AlertState,
    /// The metric that it looks at.
    #[serde(default)]
    pub metric: String,
    /// The metric's value that changed the state, where there is one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_number"
    )]
    pub value: Option<f64>,
    /// The level that the rule compares with, where there is one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_number"
    )]
    pub threshold: Option<f64>,
    /// Since when the rule has held, in milliseconds since the epoch.
    #[serde(default)]
    pub since: u64,
}

/// Whether an alert's rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// It holds.
    Firing,
    /// It has ceased to hold.
    Resolved,
}

/// A loss, told instead of hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first number that will not come, where known.
    pub from: Option<u64>,
    /// The last number that will not come, where known.
    pub to: Option<u64>,
    /// What happened.
    pub reason: GapReason,
}

/// Why numbers will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GapReason {
    /// The server no longer has them; the stream goes on.
    Expired,
    /// Another stream begins: sampling paused in between, messages need not be lost.
    Restarted,
}

/// Why a text is not a message.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not of the form that its type has.
    #[error("not a message of the protocol")]
    Form(#[from] serde_json::Error),
    /// A field that its type must have is missing.
    #[error("a {kind} message without '{field}'")]
    Missing {
        /// The message's type.
        kind: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A host that is not a [`HostName`].
    #[error(transparent)]
    Host(#[from] NameError),
}

impl Message {
    /// The message as JSON.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(1024);
        self.encode_into(&mut json);
        json
    }

    /// Appends the message as JSON.
    pub fn encode_into(&self, json: &mut Vec<u8>) {
        if serde_json::to_writer(json, &Outgoing::from(self)).is_err() {
            unreachable!("messages have string keys and a Vec takes every byte");
        }
    }

    /// The message as a ready frame; of a numbered one, in `stream`.
    #[must_use]
    pub fn frame(&self, stream: Option<StreamId>) -> Frame {
        let seq = match self.body {
            Body::Metric { seq, .. } | Body::Alert { seq, .. } => seq,
            _ => None,
        };
        let position = self.host.clone().zip(stream).zip(seq);
        let position = position.map(|((host, stream), seq)| Position { host, stream, seq });
        Frame::text(&self.encode(), position.as_ref())
    }

    /// Reads a message; what is not known is passed over.
    ///
    /// # Errors
    /// When `json` is not a message of a known type in that type's form.
    pub fn decode(json: &str) -> Result<Self, DecodeError> {
        match serde_json::from_str::<Incoming<'_>>(json) {
            Ok(incoming) => incoming.try_into(),
            Err(error) => match serde_json::from_str::<TypeOnly<'_>>(json) {
                Ok(TypeOnly { kind }) if !KNOWN_TYPES.contains(&&*kind) => Ok(Self {
                    host: None,
                    body: Body::Unknown,
                }),
                _ => Err(error.into()),
            },
        }
    }
}

const KNOWN_TYPES: [&str; 6] = ["hello", "metric", "alert", "heartbeat", "gap", "end"];

/// A message on its way out: fields in the order of the wire, borrowed.
#[derive(Serialize)]
struct Outgoing<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a HostName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    hello: Option<&'a Hello>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<&'a Alert>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Sample>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    absent: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<GapReason>,
}

impl<'a> From<&'a Message> for Outgoing<'a> {
    fn from(message: &'a Message) -> Self {
        let blank = Outgoing {
            kind: "",
            host: message.host.as_ref(),
            seq: None,
            hello: None,
            alert: None,
            data: None,
            absent: Vec::new(),
            from: None,
            to: None,
            reason: None,
        };
        let sampled = |kind, seq, sample: &'a Sample| Outgoing {
            kind,
            seq,
            data: Some(sample),
            absent: sample.absent().collect(),
            ..blank
        };
        match &message.body {
            Body::Hello(hello) => Outgoing {
                kind: "hello",
                hello: Some(hello),
                ..blank
            },
            Body::Metric { seq, sample } => sampled("metric", *seq, sample),
            Body::Alert { seq, alert, sample } => Outgoing {
                alert: Some(alert),
                ..sampled("alert", *seq, sample)
            },
            Body::Heartbeat { seq, sample } => sampled("heartbeat", *seq, sample),
            Body::Gap(gap) => Outgoing {
                kind: "gap",
                from: gap.from,
                to: gap.to,
                reason: Some(gap.reason),
                ..blank
            },
            Body::End => Outgoing {
                kind: "end",
                ..blank
            },
            Body::Unknown => Outgoing {
                kind: "unknown",
                ..blank
            },
        }
    }
}

#[derive(Deserialize)]
struct TypeOnly<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// A message on its way in: every field that any type has.
#[derive(Deserialize)]
struct Incoming<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    host: Option<Cow<'a, str>>,
    seq: Option<u64>,
    data: Option<Sample>,
    #[serde(default)]
    absent: Vec<Cow<'a, str>>,
    alert: Option<Box<Alert>>,
    from: Option<u64>,
    to: Option<u64>,
    reason: Option<GapReason>,
    protocol: Option<u32>,
    server: Option<String>,
    stream: Option<StreamId>,
    oldest: Option<u64>,
    newest: Option<u64>,
    interval: Option<u64>,
    heartbeat: Option<u64>,
    system: Option<System>,
    replay: Option<Replay>,
    metrics: Option<Arc<[MetricInfo]>>,
    alerts: Option<Vec<Alert>>,
    unavailable: Option<Vec<String>>,
}

impl Incoming<'_> {
    fn sample(&mut self, kind: &'static str) -> Result<Sample, DecodeError> {
        let mut sample = self.data.take().ok_or(DecodeError::Missing {
            kind,
            field: "data",
        })?;
        sample.remove_absent(&self.absent);
        Ok(sample)
    }

    fn hello(&mut self) -> Result<Hello, DecodeError> {
        let missing = |field| DecodeError::Missing {
            kind: "hello",
            field,
        };
        let blank = Hello::default();
        Ok(Hello {
            protocol: self.protocol.unwrap_or(blank.protocol),
            server: self.server.take().unwrap_or_default(),
            stream: self.stream.ok_or_else(|| missing("stream"))?,
            oldest: self.oldest.unwrap_or_default(),
            newest: self.newest.unwrap_or_default(),
            interval: self.interval.unwrap_or(blank.interval).max(1),
            heartbeat: self.heartbeat.unwrap_or(blank.heartbeat).max(1),
            system: self.system.take(),
            replay: self.replay.take(),
            metrics: self.metrics.take().ok_or_else(|| missing("metrics"))?,
            alerts: self.alerts.take().unwrap_or_default(),
            unavailable: self.unavailable.take().unwrap_or_default(),
        })
    }
}

impl TryFrom<Incoming<'_>> for Message {
    type Error = DecodeError;

    fn try_from(mut incoming: Incoming<'_>) -> Result<Self, DecodeError> {
        let host = incoming.host.as_deref().map(str::parse).transpose()?;
        let seq = incoming.seq;
        let body = match &*incoming.kind {
            "hello" => Body::Hello(Box::new(incoming.hello()?)),
            "metric" => Body::Metric {
                seq,
                sample: incoming.sample("metric")?,
            },
            "alert" => {
                let sample = incoming.sample("alert")?;
                let alert = incoming
                    .alert
                    .take()
                    .unwrap_or_else(|| Box::new(Alert::unexplained(&sample)));
                Body::Alert { seq, alert, sample }
            }
            "heartbeat" => Body::Heartbeat {
                seq,
                sample: incoming.sample("heartbeat")?,
            },
            "gap" => Body::Gap(Gap {
                from: incoming.from,
                to: incoming.to,
                reason: incoming.reason.ok_or(DecodeError::Missing {
                    kind: "gap",
                    field: "reason",
                })?,
            }),
            "end" => Body::End,
            _ => Body::Unknown,
        };
        Ok(Self { host, body })
    }
}

impl Alert {
    /// What is known of an alert from a server that sends only the sample.
    fn unexplained(sample: &Sample) -> Self {
        Self {
            name: "alert".into(),
            rule: String::new(),
            state: AlertState::Firing,
            metric: String::new(),
            value: None,
            threshold: None,
            since: sample.timestamp,
        }
    }
}
