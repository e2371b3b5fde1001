//! The contents of messages.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::number::optional_number;
use super::{HostName, MetricInfo, Sample, StreamId, Summary};

/// One message. Wire form: a JSON object with `type` first.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The host it is about; `None` only from servers that have a single host and don't name it.
    pub host: Option<HostName>,
    /// Its contents.
    pub body: Body,
}

/// The contents of a [`Message`]. `seq` is `None` only from servers that don't number their messages.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Sent before a host's first message, and again whenever its stream, interval or metrics change.
    Hello(Box<Hello>),
    /// A sample, or a rule that began or ceased to hold: an alert comes right behind the sample that caused it.
    Numbered(Unplaced),
    /// Nothing is new, but the server is alive.
    Heartbeat {
        /// The number of the newest message.
        seq: Option<u64>,
        /// The newest sample.
        sample: Sample,
    },
    /// What the samples of a bucket of time have in common, in place of them.
    Summary(Box<Summary>),
    /// Numbered messages that will not arrive. The next message available follows.
    Gap(Gap),
    /// A recording is over; the server then closes with 1000 and the client doesn't reconnect.
    End,
    /// A type of a later version. Readers skip it.
    Unknown,
}

/// What the wire says of a numbered message, a [`Numbered`](super::Numbered) without its place: its host is in the
/// [`Message`] around it, or known from the
/// address, its stream in the `hello` before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Unplaced {
    /// The number in the stream; `None` only from servers that do not number their messages.
    pub seq: Option<u64>,
    /// The alert; `None` in a sample.
    pub alert: Option<Box<Alert>>,
    /// The sample, or the one that caused the alert.
    pub sample: Sample,
}

/// Describes the server and the messages that follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// The version of the wire, [`super::VERSION`].
    pub protocol: u32,
    /// Name and version of the server.
    pub server: String,
    /// The run of the source to which the following numbers belong.
    pub stream: StreamId,
    /// The oldest number of the stream that the server still has; 0 if it has none.
    pub oldest: u64,
    /// The newest number of the stream; 0 before the first.
    pub newest: u64,
    /// The time of the oldest message that the server still has, of this stream or an earlier one, in milliseconds since
    /// the epoch; `None` if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<u64>,
    /// Milliseconds between two samples, at least 1. Data older than three of them (at least 3 s) is stale.
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
    /// Whether samples carry [`Sample::containers`], so that a recording needs a column for it. Omitted if they don't.
    #[serde(skip_serializing_if = "is_false")]
    pub containers: bool,
    /// The alerts firing now.
    pub alerts: Vec<Alert>,
    /// Names of metrics that this system permanently lacks.
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
            held: None,
            interval: 2000,
            heartbeat: 30_000,
            system: None,
            replay: None,
            metrics: Arc::new([]),
            containers: false,
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
    /// Logical cores; 0, and omitted on the wire, if unknown.
    #[serde(skip_serializing_if = "is_zero")]
    pub cores: u32,
    /// Physical memory in bytes; inside a limited cgroup, the limit. 0, and omitted on the wire, if unknown.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero<T: Copy + Into<u64>>(number: &T) -> bool {
    (*number).into() == 0
}

/// How a recording is played. If a viewer is ahead of a replay's [`Hello::newest`], the replay was restarted.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Replay {
    /// How many times as fast as it was recorded; `None`: as fast as the viewers read.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_number"
    )]
    pub speed: Option<f64>,
    /// Whether it starts over at its end.
    #[serde(rename = "loop")]
    pub again: bool,
    /// The time of the first message, as it is sent, in milliseconds since the epoch, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// The time of the last message of the first pass, likewise. `None` for a recording from a pipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// How many viewers it waits for before the first message; 0: for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub wait: u64,
}

/// A rule that began or ceased to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The rule's name.
    pub name: String,
    /// The rule as written, such as `cpu > 90 for 30s`.
    #[serde(default)]
    pub rule: String,
    /// Whether it holds now.
    pub state: AlertState,
    /// The metric that it is about.
    #[serde(default)]
    pub metric: String,
    /// The metric's value that changed the state, if there is one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_number"
    )]
    pub value: Option<f64>,
    /// The level that the rule compares with, if there is one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_number"
    )]
    pub threshold: Option<f64>,
    /// When the rule began to hold, in milliseconds since the epoch.
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

/// A loss, reported instead of hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first number that will not arrive, if known.
    pub from: Option<u64>,
    /// The last number that will not arrive, if known.
    pub to: Option<u64>,
    /// What happened.
    pub reason: GapReason,
}

impl Gap {
    /// What is missing between the message `last` of a log and the message `next`, each given as its stream and number.
    #[must_use]
    pub fn between(last: (StreamId, u64), next: (StreamId, u64)) -> Option<Self> {
        let ((last_stream, last), (stream, next)) = (last, next);
        if last_stream != stream {
            return Some(Self {
                from: None,
                to: None,
                reason: GapReason::Restarted,
            });
        }
        (last.saturating_add(1) < next).then(|| Self {
            from: Some(last + 1),
            to: Some(next - 1),
            reason: GapReason::Expired,
        })
    }
}

/// Why numbers will not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GapReason {
    /// The server no longer has them; the stream continues.
    Expired,
    /// Another stream begins: sampling paused in between, but messages were not necessarily lost.
    Restarted,
}
