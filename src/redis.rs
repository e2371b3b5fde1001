//! Redis at the centre of a fleet: how messages are laid out in it, and the commands that write and read them.
//!
//! | key | type | what it holds |
//! |---|---|---|
//! | `metrics:1:{7}:web-1` | stream | a host's numbered messages; the id is `<stream>-<seq>`, the field `m` the JSON |
//! | `metrics:1:{7}:web-1:about` | hash | what a relay needs besides the messages; see [`LaneWrites`] |
//! | `metrics:1:hosts` | sorted set | the hosts, by their last sign of life in milliseconds since the epoch |
//!
//! The digit in braces is the first hex digit of the SHA-256 of the host's name: the number of its [`RedisLane`]. A
//! Redis Cluster hashes nothing else of a key, so all keys of a lane are on one node, and one command may name many of
//! them.
//!
//! This is the only user of the crate `redis`. It knows nothing of the hub.

mod address;
mod entry_id;
mod fault;
mod firing;
mod keys;
mod lane;
mod options;
mod origin;
mod reading;
mod registry;
mod stored;
mod writing;

pub use address::RedisAddress;
pub use entry_id::EntryId;
pub use fault::{RedisFault, RedisFaultKind};
pub use firing::FiringAlerts;
pub use keys::{HostKeys, KeySpace, LANES, lane_of};
pub use lane::{RedisLane, retry_waits};
pub use options::{DEFAULT_PREFIX, RedisOptions, RedisPassword, ServerTurn, read_authorities};
pub use origin::PublisherIdentity;
pub use reading::{About, HostEntries, HostMarks, ReadEntry, Standing};
pub use registry::{MOST_HOSTS, RegistryEntry};
pub use writing::{LaneWrites, Refresh};
