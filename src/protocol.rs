//! The wire, version 1: what `serve` and `replay` send and `watch` and `record` read.
//!
//! A server numbers the messages of each host and keeps the newest of them; a viewer is just a [`Position`] in that
//! log. Every message is one JSON object in one WebSocket text frame:
//!
//! | `type` | numbered | what it is |
//! |---|---|---|
//! | `hello` | no | [`Hello`]: who speaks, which stream and which metrics follow |
//! | `metric` | yes | a [`Sample`] |
//! | `alert` | yes | an [`Alert`] with the sample that caused it |
//! | `heartbeat` | no | the newest sample once more, to viewers that have everything |
//! | `summary` | no | a [`Summary`]: what a bucket of samples has in common, to viewers that asked for it |
//! | `gap` | no | a [`Gap`]: numbered messages that will not come |
//! | `end` | no | a recording is over |
//!
//! Guarantees, each with a test:
//! * the same (host, stream, seq) is the same message, always and everywhere;
//! * within a stream `seq` starts at 1 and increases by exactly 1; a hole is always reported by a [`Gap`];
//! * numbers are finite, with the fewest digits that read back the same;
//! * a value that could not be read is absent. Only the four of [`CONTRACT`] are then sent as 0 and listed in `absent`,
//!   because existing dashboards rely on them.
//!
//! Readers ignore unknown types and fields. This module does no I/O and imports nothing else from the crate.

mod application;
mod catalogue;
mod culprits;
mod decode;
mod deflate;
mod deflated;
mod duration;
mod encode;
mod frame;
mod framing;
mod inflate;
mod message;
mod names;
mod number;
mod numbered;
mod query;
mod sample;
mod shown;
mod summary;
#[cfg(test)]
mod tests;
mod text;
mod update;

pub use application::{describe_reported, may_report};
pub use catalogue::{
    Entry, Exposed, Instances, MetricInfo, Rank, catalogue, cores_among, describe, entry, parts,
    section, well_known,
};
pub use culprits::{BLAMELESS, Culprits, is_about_waiting, waiting};
pub use decode::DecodeError;
pub use deflated::{Deflated, HeldBytes, in_binary, stored_frame};
pub use duration::parse_duration;
pub use frame::Frame;
pub use inflate::{InflateError, Inflater, MAX_INFLATED_BYTES};
pub use message::{
    Alert, AlertState, Body, Gap, GapReason, Hello, Message, Replay, System, Unplaced,
};
pub use names::{HostName, NameError, Position, ResumePoint, StreamId, is_device};
pub use number::{push_number, round_nonzero, round_rate, round_to};
pub use numbered::Numbered;
pub use query::{HostPattern, Query, QueryError, names_token};
pub use sample::{CONTAINERS, Container, LAST_TIMESTAMP, Process, Sample, rfc3339};
pub use shown::{is_deceptive, shown, shown_char};
pub use summary::{Aggregate, Summary, ValueRange, Values};
pub use text::{escape_unsafe, is_unsafe};
pub use update::Update;

/// The version that [`Hello::protocol`] carries. Readers that find a higher one continue, and ignore what they don't
/// know.
pub const VERSION: u32 = 1;

/// What [`Hello::server`] carries: name and version of this program.
pub const SERVER: &str = concat!("metrics/", env!("CARGO_PKG_VERSION"));

/// The values that every `data` carries, absent or not: a contract with dashboards older than this program.
pub const CONTRACT: [&str; 4] = ["cpu", "memory", "activeUsers", "requestsPerSecond"];

/// The most alerts of a host that fire at once, wherever they are kept, so that a `hello` has room for them.
pub const MOST_FIRING: usize = 1000;

/// The path of the WebSocket. `/` takes an upgrade as well, so that `ws://host:8080` is enough.
pub const WEBSOCKET_PATH: &str = "/ws";

/// The `Sec-WebSocket-Protocol` that a browser offers, so that it can send its token beside it.
pub const SUBPROTOCOL: &str = "metrics.v1";

/// The path of the same messages as Server-Sent Events.
pub const EVENTS_PATH: &str = "/events";

/// The port that `serve` and `replay` listen on, and clients connect to, unless told otherwise.
pub const DEFAULT_PORT: u16 = 8080;

/// The longest request head that a server reads, in bytes: room for about 1,000 resume positions.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The largest message that a viewer accepts, in bytes. A sample of a host with 1,000 devices is smaller; a peer that
/// announces more is disconnected before any memory is reserved.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// The largest message that a server accepts from a viewer, in bytes: viewers send only control frames.
pub const MAX_INBOUND_BYTES: usize = 4 * 1024;

/// Close codes, and how a client reacts to them. Any other code: reconnect.
pub mod close {
    /// The stream is over: do not reconnect.
    pub const OVER: u16 = 1000;
    /// The server is stopping: reconnect.
    pub const GOING_AWAY: u16 = 1001;
    /// The viewer broke the rules: do not reconnect.
    pub const POLICY: u16 = 1008;
    /// The viewer was too slow, or the server is full: reconnect and resume.
    pub const TRY_AGAIN: u16 = 1013;
}
