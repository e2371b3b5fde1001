//! Text to messages.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use super::{
    Alert, AlertState, Body, Gap, GapReason, Hello, HostName, Message, MetricInfo, NameError,
    Replay, Sample, StreamId, Summary, System, Unplaced, Values,
};

/// Why a text is not a message.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not in the form of its type.
    #[error("not a message of the protocol")]
    Form(#[from] serde_json::Error),
    /// A required field is missing.
    #[error("a {kind} message without '{field}'")]
    Missing {
        /// The message's type.
        kind: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A host that is not a [host name](super::HostName).
    #[error(transparent)]
    Host(#[from] NameError),
}

impl Message {
    /// Reads a message, ignoring everything unknown.
    ///
    /// # Errors
    /// When `json` is not a message of a known type in that type's form.
    pub fn decode(json: &str) -> Result<Self, DecodeError> {
        match serde_json::from_str::<Incoming<'_>>(json) {
            Ok(incoming) if incoming.kind == "summary" => Ok(Self {
                host: incoming.host()?,
                body: Body::Summary(Box::new(summary(json)?)),
            }),
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

const KNOWN_TYPES: [&str; 7] = [
    "hello",
    "metric",
    "alert",
    "heartbeat",
    "summary",
    "gap",
    "end",
];

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
    held: Option<u64>,
    interval: Option<u64>,
    heartbeat: Option<u64>,
    system: Option<System>,
    replay: Option<Replay>,
    metrics: Option<Arc<[MetricInfo]>>,
    containers: Option<bool>,
    alerts: Option<Vec<Alert>>,
    unavailable: Option<Vec<String>>,
}

impl Incoming<'_> {
    fn host(&self) -> Result<Option<HostName>, NameError> {
        self.host.as_deref().map(str::parse).transpose()
    }

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
            held: self.held,
            interval: self.interval.unwrap_or(blank.interval).max(1),
            heartbeat: self.heartbeat.unwrap_or(blank.heartbeat).max(1),
            system: self.system.take(),
            replay: self.replay.take(),
            metrics: self.metrics.take().ok_or_else(|| missing("metrics"))?,
            containers: self.containers.unwrap_or_default(),
            alerts: self.alerts.take().unwrap_or_default(),
            unavailable: self.unavailable.take().unwrap_or_default(),
        })
    }
}

impl TryFrom<Incoming<'_>> for Message {
    type Error = DecodeError;

    fn try_from(mut incoming: Incoming<'_>) -> Result<Self, DecodeError> {
        let host = incoming.host()?;
        let seq = incoming.seq;
        let body = match &*incoming.kind {
            "hello" => Body::Hello(Box::new(incoming.hello()?)),
            "metric" => Body::Numbered(Unplaced {
                seq,
                alert: None,
                sample: incoming.sample("metric")?,
            }),
            "alert" => {
                let sample = incoming.sample("alert")?;
                let alert = incoming
                    .alert
                    .take()
                    .unwrap_or_else(|| Box::new(Alert::unexplained(&sample)));
                Body::Numbered(Unplaced {
                    seq,
                    alert: Some(alert),
                    sample,
                })
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

/// Reads a summary. Its fields are read only here: in other messages, the same names may mean anything.
fn summary(json: &str) -> Result<Summary, DecodeError> {
    #[derive(Deserialize)]
    struct Wire {
        from: u64,
        to: u64,
        count: u64,
        mean: Values,
        min: Values,
        max: Values,
    }
    let wire = serde_json::from_str::<Wire>(json)?;
    Ok(Summary {
        from: wire.from,
        to: wire.to,
        count: wire.count,
        mean: wire.mean,
        min: wire.min,
        max: wire.max,
    })
}

impl Alert {
    /// The alert of a server that sends only the sample.
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
